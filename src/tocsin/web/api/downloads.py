"""Downloads: recorded periods fetched from devices as files; asked for and taken under a view that covers them."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AwareDatetime, Field
from starlette.responses import FileResponse, Response

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
    """A recorded period as a file; `progress` 0 to 1, `sha256` of the file when there is one."""

    id: str
    channel: str
    purpose: str
    starts_at: str
    ends_at: str
    state: str
    reason: str
    words: str
    progress: float
    created_at: str
    expires_at: str | None
    size_bytes: int
    sha256: str


class DownloadIn(In):
    """Which period of which camera, at most six hours."""

    channel: Annotated[str, Field(max_length=64)]
    starts_at: AwareDatetime
    ends_at: AwareDatetime


@router.post("/views/{view_id}/downloads", response_model=DownloadOut, status_code=201)
async def start_download(view_id: str, house: House, actor: Viewer, language: Language, body: DownloadIn) -> Response:
    """Fetch a recorded period as a file under a view that covers it.

    Errors: forbidden, not_found, invalid, conflict when too many run, unavailable when the disk is nearly full.
    """
    made = await house.downloads.begin(
        view_id, body.channel, body.starts_at.astimezone(UTC), body.ends_at.astimezone(UTC), actor=actor
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


@router.get("/views/{view_id}/downloads/{download_id}/file", response_class=FileResponse)
async def take_download(view_id: str, download_id: str, house: House, actor: Viewer) -> Response:
    """Take the file, under a view that covers its period. Errors: not_found, forbidden, conflict."""
    path = await house.downloads.take(download_id, view_id, actor=actor)
    return FileResponse(path, media_type="video/mp4", filename=f"{download_id}.mp4")


def _form(one: Download, house: Services, language: str) -> dict[str, Any]:
    return {
        "id": one.id,
        "channel": one.channel_id,
        "purpose": one.purpose,
        "starts_at": iso(one.starts),
        "ends_at": iso(one.ends),
        "state": one.state,
        "reason": one.reason,
        "words": house.words.text(one.reason, language) if one.reason else "",
        "progress": house.downloads.progress(one),
        "created_at": iso(one.created_at),
        "expires_at": optional_iso(one.expires_at),
        "size_bytes": one.size_bytes,
        "sha256": one.sha256,
    }
