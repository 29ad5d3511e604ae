"""Snapshots: asked for under a view, fetched by who may; and the address cameras upload to."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.domain.access import Actor, Permission
from tocsin.domain.snapshots import MAX_COUNT, Snapshot, SnapshotRequest, SnapshotService
from tocsin.web.api.shapes import Filter, In, Out, Page, listed, reply
from tocsin.web.deps import House, Language, allowed, services
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1", tags=["snapshots"])
Viewer = Annotated[Actor, allowed(Permission.VIEW_LIVE)]


class SnapshotsIn(In):
    """How many pictures, under which open view of the camera."""

    view_id: Annotated[str, Field(max_length=36)]
    count: Annotated[int, Field(ge=1, le=MAX_COUNT)] = 1


class SnapshotsAsked(Out):
    """A request: `state` is open (ask again), whole, partial or failed, with the reason in words."""

    id: str
    state: str
    wanted: int
    snapshots: list[str]
    reason: str
    words: str


class KeptSnapshot(Out):
    """A kept picture; `GET /snapshots/{id}/picture` gives it."""

    id: str
    camera_id: str
    view_id: str
    incident_id: str | None
    purpose: str
    received_at: str
    expires_at: str
    size_bytes: int
    sha256: str


@router.post("/cameras/{camera_id}/snapshots", response_model=SnapshotsAsked, status_code=202)
async def ask_snapshots(camera_id: str, house: House, actor: Viewer, language: Language, body: SnapshotsIn) -> Response:
    """Ask a 2022 camera to take pictures and upload them, under the caller's own open view of it.

    Errors: forbidden with the rule, not_found, conflict, unavailable.
    """
    request = await _service(house).ask(camera_id, body.view_id, body.count, actor=actor)
    return reply(_request_form(request, house, language), 202)


@router.get("/snapshot-requests/{request_id}", response_model=SnapshotsAsked)
async def read_snapshot_request(request_id: str, house: House, actor: Viewer, language: Language) -> Response:
    """Read how one of the caller's own requests is doing. Errors: not_found."""
    return reply(_request_form(_service(house).state(request_id, actor=actor), house, language))


@router.get("/snapshots", response_model=Page[KeptSnapshot])
async def list_snapshots(house: House, actor: Viewer, view_id: Filter = "", incident_id: Filter = "") -> Response:
    """List the kept pictures of the caller's own open view, or of an incident. Errors: not_found, forbidden."""
    found = await _service(house).listed(actor=actor, view_id=view_id, incident_id=incident_id)
    return listed([_form(one) for one in found], None)


@router.get("/snapshots/{snapshot_id}/picture")
async def read_snapshot(snapshot_id: str, house: House, actor: Viewer) -> Response:
    """Fetch a kept picture (JPEG): who holds its view open, or may read its incident. Errors: not_found, forbidden."""
    found, picture = await _service(house).read(snapshot_id, actor=actor)
    return Response(picture, media_type="image/jpeg", headers={"X-Sha256": found.sha256})


async def upload(request: Request) -> Response:
    """Take one JPEG from a camera, raw or multipart; what follows the token in the address is not looked at."""
    try:
        await _service(services(request)).upload(
            request.path_params["token"], request.headers.get("content-type", "")[:256], request.stream()
        )
    except ClientDisconnect as error:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the upload broke off") from error
    return Response(status_code=200)


UPLOAD_ROUTES = [
    Route("/upload/{token}", upload, methods=["POST", "PUT"], name="upload"),
    Route("/upload/{token}/{name:path}", upload, methods=["POST", "PUT"], name="upload"),
]


def _service(house: Services) -> SnapshotService:
    if house.snapshots is None:
        raise TocsinError(ErrorCode.NOT_FOUND, "no such address")
    return house.snapshots


def _request_form(request: SnapshotRequest, house: Services, language: str) -> dict[str, Any]:
    return {
        "id": request.id,
        "state": request.state,
        "wanted": request.wanted,
        "snapshots": list(request.received),
        "reason": request.problem,
        "words": house.words.text(request.problem, language) if request.problem else "",
    }


def _form(one: Snapshot) -> dict[str, Any]:
    return {
        "id": one.id,
        "camera_id": one.channel_id,
        "view_id": one.view_id,
        "incident_id": one.incident_id,
        "purpose": one.purpose,
        "received_at": iso(one.received_at),
        "expires_at": iso(one.expires_at),
        "size_bytes": one.size_bytes,
        "sha256": one.sha256,
    }
