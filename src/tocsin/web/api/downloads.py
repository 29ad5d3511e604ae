"""Downloads: recorded periods fetched from devices as files; asked for and taken under a view that covers them."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, Field
from starlette.responses import Response, StreamingResponse

from tocsin.base.times import iso
from tocsin.domain.access import Actor, Permission
from tocsin.domain.downloads import Download
from tocsin.domain.forms import optional_iso
from tocsin.web.api.shapes import In, Out, Page, listed, reply
from tocsin.web.deps import House, Language, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1", tags=["recordings"])
Viewer = Annotated[Actor, allowed(Permission.VIEW_LIVE)]


class DownloadOut(Out):
    """A recorded period as a file; `progress` 0 to 1, `sha256` of the file when there is one.

    `left_s` are the seconds left when they can be told; `told_bytes` is the size the device told, `received_bytes` what
    has come from it. `codec` is h264 or h265 once there is a file.
    """

    id: str
    channel: str
    purpose: str
    starts_at: str
    ends_at: str
    state: str
    reason: str
    words: str
    progress: float
    left_s: float | None
    received_bytes: int
    told_bytes: int | None
    is_being_taken: bool
    format: str
    speed: int
    codec: str
    created_at: str
    expires_at: str | None
    size_bytes: int
    sha256: str


class DownloadIn(In):
    """Which period of which camera, at most six hours; `format` mp4 or bare, the byte stream alone.

    `speed` is one of the camera's, times the pace of the recording; four, or the next below, when none is named.
    """

    channel: Annotated[str, Field(max_length=64)]
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    format: Literal["mp4", "bare"] = "mp4"
    speed: Annotated[int | None, Field(ge=1, le=32)] = None


class DownloadChoices(Out):
    """What may be chosen for a camera, and the limits."""

    speeds: list[int]
    formats: list[str]
    longest_h: int
    at_once: int
    running: int
    keep_days: float


@router.get("/cameras/{camera_id}/download-choices", response_model=DownloadChoices)
async def read_download_choices(camera_id: str, house: House, actor: Viewer) -> Response:
    """Read at which speeds a camera sends downloads (it is asked once in a while), and the limits.

    Errors: forbidden, not_found, unavailable.
    """
    found = await house.downloads.choices(camera_id, actor=actor)
    return reply(
        {
            "speeds": list(found.speeds),
            "formats": list(found.formats),
            "longest_h": found.longest_h,
            "at_once": found.at_once,
            "running": found.running,
            "keep_days": found.keep_days,
        }
    )


@router.post("/views/{view_id}/downloads", response_model=DownloadOut, status_code=201)
async def start_download(view_id: str, house: House, actor: Viewer, language: Language, body: DownloadIn) -> Response:
    """Fetch a recorded period as a file under a view that covers it.

    Errors: forbidden, not_found, invalid, conflict when too many run, unavailable when the disk is nearly full.
    """
    made = await house.downloads.begin(
        view_id,
        body.channel,
        body.starts_at.astimezone(UTC),
        body.ends_at.astimezone(UTC),
        actor=actor,
        form=body.format,
        speed=body.speed,
    )
    return reply(_form(made, house, language), 201)


@router.get("/downloads", response_model=Page[DownloadOut])
async def list_downloads(house: House, actor: Viewer, language: Language) -> Response:
    """List the caller's own downloads, newest first."""
    return listed([_form(one, house, language) for one in await house.downloads.own(actor=actor)], None)


@router.get("/downloads/{download_id}", response_model=DownloadOut)
async def read_download(download_id: str, house: House, actor: Viewer, language: Language) -> Response:
    """Read how a download is doing. Errors: not_found."""
    return reply(_form(await house.downloads.one(download_id, actor=actor), house, language))


@router.delete("/downloads/{download_id}", response_model=DownloadOut)
async def remove_download(download_id: str, house: House, actor: Viewer, language: Language) -> Response:
    """Cancel a download that runs, delete the file of one that ended. Errors: not_found."""
    return reply(_form(await house.downloads.remove(download_id, actor=actor), house, language))


@router.get("/views/{view_id}/downloads/{download_id}/file", response_class=StreamingResponse)
async def take_download(view_id: str, download_id: str, house: House, actor: Viewer) -> Response:
    """Take the file, under a view that covers its period. Once it has left whole it is deleted here.

    Errors: not_found, forbidden, conflict when there is none or it was taken before.
    """
    one, content = await house.downloads.take(download_id, view_id, actor=actor)
    return StreamingResponse(
        content,
        media_type="video/mp4" if one.format == "mp4" else "application/octet-stream",
        headers={
            "Content-Length": str(one.size_bytes),
            "Content-Disposition": f'attachment; filename="{house.downloads.name_of(one)}"',
            "X-Sha256": one.sha256,
            "Cache-Control": "no-store",
        },
    )


def _form(one: Download, house: Services, language: str) -> dict[str, Any]:
    progress = house.downloads.progress(one)
    return {
        "id": one.id,
        "channel": one.channel_id,
        "purpose": one.purpose,
        "starts_at": iso(one.starts),
        "ends_at": iso(one.ends),
        "state": one.state,
        "reason": one.reason,
        "words": house.words.text(one.reason, language) if one.reason else "",
        "progress": round(progress.share, 4),
        "left_s": None if progress.left_s is None else round(progress.left_s, 1),
        "received_bytes": progress.received_bytes,
        "told_bytes": progress.told_bytes,
        "is_being_taken": house.downloads.is_being_given(one.id),
        "format": one.format,
        "speed": one.speed,
        "codec": one.codec,
        "created_at": iso(one.created_at),
        "expires_at": optional_iso(one.expires_at),
        "size_bytes": one.size_bytes,
        "sha256": one.sha256,
    }
