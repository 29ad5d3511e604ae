"""Parts of a file: `Range` read, `ETag` compared, 200, 206, 304 and 416 answered. Bytes come from whoever has them.

Source: RFC 9110, conditional requests and range requests.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

Reader = Callable[[int, int], AsyncIterator[bytes]]
"""Gives the bytes from the first position to before the second."""

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the one part asked for, from and to before; None for the whole. Errors: ValueError when it lies outside.

    What is no range of bytes, or more than one, asks for the whole: a server may ignore it.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = int(found[2])
        if not length or not size:
            raise ValueError("an empty part")
        return max(0, size - length), size
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    if found[2] and int(found[2]) < first:
        return None
    if first >= size:
        raise ValueError("it begins after the end")
    return first, last + 1


def part_of(
    request: Request, size: int, etag: str, read: Reader, media_type: str, headers: Mapping[str, str]
) -> Response:
    """Return the answer to a request for a file or a part of it; `etag` is the word between its quotes."""
    quoted = f'"{etag}"'
    given = {**headers, "ETag": quoted, "Accept-Ranges": "bytes"}
    if quoted in [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=given)
    wanted = None
    if request.headers.get("if-range", quoted).strip() == quoted:
        try:
            wanted = byte_range(request.headers.get("range", ""), size)
        except ValueError:
            return Response(status_code=416, headers={**given, "Content-Range": f"bytes */{size}"})
    first, end = wanted or (0, size)
    given["Content-Length"] = str(end - first)
    if wanted is not None:
        given["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    return StreamingResponse(read(first, end), 206 if wanted is not None else 200, headers=given, media_type=media_type)
