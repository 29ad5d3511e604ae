"""Our own recordings under a view: what lies where, and its bytes group by group."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime
from starlette.responses import Response, StreamingResponse

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission
from tocsin.domain.recorded import Listing
from tocsin.domain.recorded_service import RecordedService
from tocsin.web.api.shapes import Out, reply
from tocsin.web.deps import House, Language, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1/views/{view_id}/recorded/{channel_id}", tags=["recordings"])
Viewer = Annotated[Actor, allowed(Permission.VIEW_LIVE)]
Which = Annotated[Literal["main", "sub"], Query(description="which stream was recorded")]
Start = Annotated[int, Path(ge=0, le=10**14, description="beginning of the segment, ms since 1970 UTC")]
Run = Annotated[str, Path(pattern=r"^\d{1,6}-\d{1,6}$", description="first and last group, counted from 0")]
Pace = Annotated[int, Query(ge=1, le=16, description="wall-clock seconds shown in a second: 1, 2, 4, 8 or 16")]
_PRIVATE: Final = {"Cache-Control": "no-store"}


class RecordedCodec(Out):
    """One set of parameters; `init/{no}` is its initialisation segment."""

    no: int
    codec: str
    mime: str
    width: int
    height: int


class RecordedSegment(Out):
    """One file. `groups` are [at, duration, bytes, flags], at in ms since 1970; flags 1 damaged, 2 goes on from the
    group before, 4 time is missing before it. `clock_offset_ms`: the camera's clock less ours.
    """

    start_ms: int
    end_ms: int
    state: str
    codec_no: int
    bytes: int
    sha256: str
    clock_offset_ms: int | None
    groups: list[list[int]]


class RecordedGap(Out):
    """A stretch without recording, with its reason in words; `to_ms` null while it lasts."""

    from_ms: int
    to_ms: int | None
    reason: str
    words: str


class RecordedListing(Out):
    """What a player needs of a period; times in ms since 1970 UTC. `previous_ms` and `next_ms` are the nearest moments
    recorded before and behind it, at most a day away.
    """

    channel: str
    stream: str
    from_ms: int
    to_ms: int
    codecs: list[RecordedCodec]
    segments: list[RecordedSegment]
    gaps: list[RecordedGap]
    previous_ms: int | None
    next_ms: int | None


@router.get("", response_model=RecordedListing)
async def list_recorded(
    view_id: str,
    channel_id: str,
    house: House,
    actor: Viewer,
    language: Language,
    starts_at: Annotated[AwareDatetime, Query(alias="from")],
    ends_at: Annotated[AwareDatetime, Query(alias="to")],
    stream: Which = "main",
) -> Response:
    """List the segments of at most four hours that the view covers.

    Errors: not_found, invalid, forbidden, unavailable.
    """
    found = await _recorded(house).listing(
        view_id, channel_id, starts_at.astimezone(UTC), ends_at.astimezone(UTC), actor=actor, stream=stream
    )
    return reply(_form(found, house, language))


@router.get("/init/{codec_no}", response_class=Response)
async def read_recorded_init(view_id: str, channel_id: str, codec_no: int, house: House, actor: Viewer) -> Response:
    """Read the initialisation segment of a set of parameters. Errors: not_found, forbidden."""
    codec = await _recorded(house).init(view_id, channel_id, codec_no, actor=actor)
    return Response(codec.init, media_type="video/mp4", headers=_PRIVATE)


@router.get("/segments/{start_ms}/groups/{run}", response_class=StreamingResponse, status_code=206)
async def read_recorded_groups(
    view_id: str, channel_id: str, start_ms: Start, run: Run, house: House, actor: Viewer, stream: Which = "main"
) -> Response:
    """Read groups `n-m` of a segment, byte for byte as they stand in its file; the ETag is the SHA-256 of that file.

    Errors: not_found, invalid, forbidden, unavailable when the file is not there.
    """
    first, last = _run(run)
    taken = await _recorded(house).groups(view_id, channel_id, start_ms, first, last, actor=actor, stream=stream)
    part = taken.part
    headers = {
        **_PRIVATE,
        "Content-Length": str(part.size_bytes),
        "Content-Range": f"bytes {part.offset}-{part.offset + part.size_bytes - 1}/{part.file_bytes}",
        **({} if taken.sha256 is None else {"ETag": f'"{taken.sha256.hex()}"'}),
    }
    return StreamingResponse(part.content, 206, media_type="video/mp4", headers=headers)


@router.get("/segments/{start_ms}/keys/{run}", response_class=Response)
async def read_recorded_keys(
    view_id: str,
    channel_id: str,
    start_ms: Start,
    run: Run,
    house: House,
    actor: Viewer,
    stream: Which = "main",
    pace: Pace = 1,
    reverse: bool = False,
) -> Response:
    """Read the key pictures of groups `n-m` as one fragment that begins at 0, for playing fast or backwards.

    Each lasts to the next one, divided by `pace`. `X-Last-Group` names the last group it reaches to.
    Errors: not_found, invalid, forbidden, unavailable when the file is not there.
    """
    first, last = _run(run)
    made = await _recorded(house).keys(
        view_id, channel_id, start_ms, first, last, actor=actor, stream=stream, pace=pace, is_reverse=reverse
    )
    return Response(made.data, media_type="video/mp4", headers={**_PRIVATE, "X-Last-Group": str(made.last)})


def _recorded(house: Services) -> RecordedService:
    if house.recorded is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "nothing is recorded here")
    return house.recorded


def _run(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,6})-(\d{1,6})", text)
    assert found is not None
    return int(found[1]), int(found[2])


def _form(found: Listing, house: Services, language: str) -> dict[str, Any]:
    return {
        "channel": found.channel_id,
        "stream": found.stream,
        "from_ms": found.from_ms,
        "to_ms": found.to_ms,
        "codecs": [
            {"no": one.no, "codec": one.codec, "mime": one.mime, "width": one.width, "height": one.height}
            for one in found.codecs
        ],
        "segments": [
            {
                "start_ms": one.segment.start_ms,
                "end_ms": one.segment.end_ms,
                "state": one.segment.state.name.lower(),
                "codec_no": one.segment.codec_no,
                "bytes": one.segment.size_bytes,
                "sha256": "" if one.segment.sha256 is None else one.segment.sha256.hex(),
                "clock_offset_ms": one.segment.clock_offset_ms,
                "groups": [
                    [one.segment.start_ms + group.start_ms, group.duration_ms, group.size_bytes, group.flags]
                    for group in one.groups
                ],
            }
            for one in found.segments
        ],
        "gaps": [
            {
                "from_ms": gap.from_ms,
                "to_ms": gap.to_ms,
                "reason": gap.reason,
                "words": house.words.text(f"gap.{gap.reason}", language),
            }
            for gap in found.gaps
        ],
        "previous_ms": found.previous_ms,
        "next_ms": found.next_ms,
    }
