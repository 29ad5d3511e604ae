"""The built console from `web/static`: hashed files for ever, the page itself always fresh.

A page of the console begins with some twenty files. Hashed ones never change, so they are kept in memory once asked
for, and compressed aside while the first asker already has his answer.
"""

from __future__ import annotations

import asyncio
import gzip
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from tocsin.base.errors import ErrorCode, TocsinError

IMMUTABLE = "public, max-age=31536000, immutable"
FRESH = "no-cache"
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".woff2": "font/woff2",
    ".geojson": "application/geo+json",
}


COMPRESSED = frozenset({".js", ".mjs", ".css", ".svg", ".json", ".geojson"})
LEAST_COMPRESSED_BYTES = 1_000
MAX_KEPT_BYTES = 16 << 20
GZIP_LEVEL = 6


@dataclass(slots=True)
class _Kept:
    """A hashed file in memory; `packed` is None while or when it is not compressed."""

    body: bytes
    media_type: str
    packed: bytes | None = None


class Console:
    """Serves files of one folder and nothing outside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._kept: dict[str, _Kept] = {}
        self._kept_bytes = 0
        self._packing: set[asyncio.Task[None]] = set()

    async def serve(self, request: Request) -> Response:
        """Return the file of a path, or the page: the console routes in the browser. Errors: NOT_FOUND."""
        path = request.path_params["path"]
        kept = self._kept.get(path)
        if kept is not None:
            return _answer(kept, request)
        found = await asyncio.to_thread(self._find, path)
        if found is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no file {path}"[:200])
        media_type = _TYPES.get(found.suffix) or mimetypes.guess_type(found.name)[0] or "application/octet-stream"
        is_hashed = found.parent.name == "assets" and found.parent.parent == self._folder
        if is_hashed:
            kept = await self._keep(path, found, media_type)
            if kept is not None:
                return _answer(kept, request)
        return FileResponse(found, media_type=media_type, headers={"Cache-Control": IMMUTABLE if is_hashed else FRESH})

    async def _keep(self, path: str, found: Path, media_type: str) -> _Kept | None:
        """Return a file to answer with from memory; None when the room for that is used up."""
        made = _Kept(await asyncio.to_thread(found.read_bytes), media_type)
        size = len(made.body)
        if self._kept_bytes + size > MAX_KEPT_BYTES:
            return None
        known = self._kept.setdefault(path, made)
        if known is made:
            self._kept_bytes += size
            if found.suffix in COMPRESSED and size >= LEAST_COMPRESSED_BYTES:
                task = asyncio.create_task(self._pack(made), name="compress")
                self._packing.add(task)
                task.add_done_callback(self._packing.discard)
        return known

    async def _pack(self, kept: _Kept) -> None:
        packed = await asyncio.to_thread(gzip.compress, kept.body, GZIP_LEVEL, mtime=0)
        if self._kept_bytes + len(packed) <= MAX_KEPT_BYTES:
            self._kept_bytes += len(packed)
            kept.packed = packed

    def _find(self, path: str) -> Path | None:
        if "\0" in path or any(part.startswith(".") for part in path.split("/")):
            return None
        try:
            asked = (self._folder / path).resolve()
            if asked.is_relative_to(self._folder) and asked.is_file():
                return asked
        except OSError:  # a name longer than the system takes
            return None
        page = self._folder / "index.html"
        is_file_name = "." in path.rpartition("/")[2]
        return page if not is_file_name and page.is_file() else None


def _answer(kept: _Kept, request: Request) -> Response:
    headers = {"Cache-Control": IMMUTABLE, "Vary": "Accept-Encoding"}
    if kept.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(kept.packed, media_type=kept.media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(kept.body, media_type=kept.media_type, headers=headers)
