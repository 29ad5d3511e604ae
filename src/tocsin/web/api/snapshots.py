"""Snapshots: asked for under a view, fetched by who may; and the address cameras upload to."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission
from tocsin.domain.snapshots import MAX_COUNT, MAX_INTERVAL_S, SnapshotRequest, SnapshotService, snapshot_form
from tocsin.web.api.shapes import Filter, In, Out, Page, listed, reply
from tocsin.web.deps import House, Language, allowed, services
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1", tags=["snapshots"])
Viewer = Annotated[Actor, allowed(Permission.VIEW_LIVE)]


class SnapshotsIn(In):
    """How many pictures, how many seconds apart, under which open view of the camera."""

    view_id: Annotated[str, Field(max_length=36)]
    count: Annotated[int, Field(ge=1, le=MAX_COUNT)] = 1
    interval_s: Annotated[int, Field(ge=1, le=MAX_INTERVAL_S)] = 1


class SnapshotsAsked(Out):
    """A request: `state` is open (ask again), whole, partial or failed, with the reason in words."""

    id: str
    state: str
    wanted: int
    snapshots: list[str]
    reason: str
    words: str


class KeptSnapshot(Out):
    """A kept picture; `is_by_house` when an incident asked for it, not somebody under a view."""

    id: str
    camera_id: str
    view_id: str
    incident_id: str | None
    purpose: str
    is_by_house: bool
    received_at: str
    expires_at: str
    size_bytes: int
    sha256: str


class SnapshotChoicesOut(Out):
    """Whether the camera can be asked now (else `reason`), and what would keep it from uploading (`warning`)."""

    possible: bool
    reason: str
    words: str
    warning: str
    warning_words: str
    most: int
    longest_interval_s: int
    keep_days: float


class SnapshotReach(Out):
    """Whether connected cameras can upload; `reason` is a message key, empty when nothing speaks against it."""

    reason: str
    words: str


@router.get("/cameras/{camera_id}/snapshot-choices", response_model=SnapshotChoicesOut)
async def read_snapshot_choices(camera_id: str, house: House, actor: Viewer, language: Language) -> Response:
    """Read whether a camera can take snapshots, and what would go wrong. Errors: forbidden, not_found."""
    found = await _service(house).choices(camera_id, actor=actor)
    return reply(
        {
            "possible": not found.problem,
            "reason": found.problem,
            "words": house.words.text(found.problem, language) if found.problem else "",
            "warning": found.warning,
            "warning_words": house.words.text(found.warning, language) if found.warning else "",
            "most": MAX_COUNT,
            "longest_interval_s": MAX_INTERVAL_S,
            "keep_days": found.keep_days,
        }
    )


@router.get("/snapshots/reach", response_model=SnapshotReach)
async def read_snapshot_reach(
    house: House, _actor: Annotated[Actor, allowed(Permission.READ_REGISTRY)], language: Language
) -> Response:
    """Read whether the cameras that are connected can reach the address they upload snapshots to."""
    problem = house.snapshots.reach_problem() if house.snapshots is not None else ""
    return reply({"reason": problem, "words": house.words.text(problem, language) if problem else ""})


@router.post("/cameras/{camera_id}/snapshots", response_model=SnapshotsAsked, status_code=202)
async def ask_snapshots(camera_id: str, house: House, actor: Viewer, language: Language, body: SnapshotsIn) -> Response:
    """Ask a 2022 camera to take pictures and upload them, under the caller's own open view of it.

    Errors: forbidden with the rule, not_found, conflict, unavailable.
    """
    request = await _service(house).ask(camera_id, body.view_id, body.count, actor=actor, interval_s=body.interval_s)
    return reply(_request_form(request, house, language), 202)


@router.get("/snapshot-requests/{request_id}", response_model=SnapshotsAsked)
async def read_snapshot_request(request_id: str, house: House, actor: Viewer, language: Language) -> Response:
    """Read how one of the caller's own requests is doing. Errors: not_found."""
    return reply(_request_form(_service(house).state(request_id, actor=actor), house, language))


@router.get("/snapshots", response_model=Page[KeptSnapshot])
async def list_snapshots(
    house: House, actor: Viewer, view_id: Filter = "", incident_id: Filter = "", camera_id: Filter = ""
) -> Response:
    """List the kept pictures of the caller's own open view, of an incident, or those the caller took of a camera.

    The last need an open view of that camera and come newest first. Errors: not_found, forbidden.
    """
    found = await _service(house).listed(actor=actor, view_id=view_id, incident_id=incident_id, channel_id=camera_id)
    return listed([snapshot_form(one) for one in found], None)


@router.get("/snapshots/{snapshot_id}/picture")
async def read_snapshot(snapshot_id: str, house: House, actor: Viewer) -> Response:
    """Look at a kept picture (JPEG): who may read its incident, or took it and looks through its camera now.

    Errors: not_found, forbidden.
    """
    found, picture = await _service(house).read(snapshot_id, actor=actor)
    return Response(picture, media_type="image/jpeg", headers={"X-Sha256": found.sha256, "Cache-Control": "no-store"})


@router.get("/snapshots/{snapshot_id}/file")
async def take_snapshot(snapshot_id: str, house: House, actor: Viewer) -> Response:
    """Take a kept picture out of the house as a file; the audit keeps its hash. Errors: not_found, forbidden."""
    found, picture = await _service(house).take(snapshot_id, actor=actor)
    name = _service(house).name_of(found)
    return Response(
        picture,
        media_type="image/jpeg",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Sha256": found.sha256,
            "Cache-Control": "no-store",
        },
    )


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
