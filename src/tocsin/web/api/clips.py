"""Alarm clips: those of an incident, the video of one under a view, and asking again for what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission
from tocsin.domain.clip_service import ClipService, ShownClip, shown_form
from tocsin.web.api.shapes import Out, Page, listed, reply
from tocsin.web.deps import House, Language, allowed
from tocsin.web.ranges import Reader, part_of
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1", tags=["clips"])
Reading = Annotated[Actor, allowed(Permission.READ_INCIDENTS)]
Viewer = Annotated[Actor, allowed(Permission.VIEW_LIVE)]
Worker = Annotated[Actor, allowed(Permission.HANDLE_INCIDENT)]
CHUNK_BYTES = 256 * 1024


class ClipOut(Out):
    """What a linked camera saw around an alarm; `kind` is clip, or minutes: four around the first alarm.

    `state` is recording, fetching, ready, partial or failed, with the reason in words; `ready_in_s` tells when it is
    likely to be there. `pre_roll` says where the time before the alarm came from: none, memory, disk or device.
    """

    id: str
    kind: str
    incident_id: str
    alarm_id: str
    camera_id: str
    alarm_at: str
    starts_at: str
    ends_at: str
    state: str
    source: str
    pre_roll: str
    reason: str
    words: str
    has_video: bool
    video_from: str | None
    video_to: str | None
    codec: str
    size_bytes: int
    sha256: str
    ready_in_s: float | None


@router.get("/incidents/{incident_id}/clips", response_model=Page[ClipOut])
async def list_clips(incident_id: str, house: House, actor: Reading, language: Language) -> Response:
    """List the clips of an incident, oldest first. Errors: not_found."""
    found = await _service(house).listed(incident_id, actor=actor)
    return listed([_form(one, house, language) for one in found], None)


@router.get("/clips/{clip_id}/video")
async def read_clip(
    clip_id: str,
    request: Request,
    house: House,
    actor: Viewer,
    view_id: Annotated[str, Query(max_length=36, description="the caller's own open view that shows it")],
) -> Response:
    """Read the video of a clip, whole or in parts (`Range`), as one fragmented MP4.

    It needs the caller's own open view of its incident that holds the camera, or one over recordings that covers it.
    Errors: not_found, forbidden with the rule, conflict while there is no video.
    """
    service = _service(house)
    clip = await service.open(clip_id, view_id, actor=actor)
    headers = {"Cache-Control": "no-store", "X-Sha256": clip.sha256}
    own = await service.own_video(clip)
    if own is not None:
        return part_of(request, own.size_bytes, own.etag, own.read, "video/mp4", headers)
    path = service.path(clip)
    try:
        size = (await asyncio.to_thread(path.stat)).st_size
    except FileNotFoundError as error:
        raise TocsinError(ErrorCode.NOT_FOUND, f"the file of clip {clip_id} is missing") from error
    return part_of(request, size, clip.sha256, _file(path), "video/mp4", headers)


@router.post("/clips/{clip_id}/retry", response_model=ClipOut, status_code=202)
async def retry_clip(clip_id: str, house: House, actor: Worker, language: Language) -> Response:
    """Ask once more for what a clip lacks. Errors: not_found, conflict while it is being made or is whole."""
    return reply(_form(await _service(house).ask_again(clip_id, actor=actor), house, language), 202)


def _file(path: Path) -> Reader:
    async def read(first: int, end: int) -> AsyncIterator[bytes]:
        with await asyncio.to_thread(path.open, "rb") as file:
            await asyncio.to_thread(file.seek, first)
            left = end - first
            while left > 0 and (chunk := await asyncio.to_thread(file.read, min(left, CHUNK_BYTES))):
                left -= len(chunk)
                yield chunk

    return read


def _service(house: Services) -> ClipService:
    if house.clips is None:
        raise TocsinError(ErrorCode.NOT_FOUND, "no such address")
    return house.clips


def _form(shown: ShownClip, house: Services, language: str) -> dict[str, Any]:
    reason = shown.clip.reason
    return {**shown_form(shown), "words": house.words.text(reason, language) if reason else ""}
