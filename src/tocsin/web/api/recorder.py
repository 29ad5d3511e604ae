"""What is recorded by the house: plans of cameras, how recording is doing, and the volumes it lies in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso, iso_us
from tocsin.domain.access import Actor, Permission
from tocsin.domain.fields import refuse
from tocsin.domain.recorder_desk import GROUP, CameraRecording, PlanItem, RecorderDesk
from tocsin.domain.segments import Volume
from tocsin.web.api.shapes import After, In, Limit, Out, Page, reply
from tocsin.web.deps import House, Language, allowed
from tocsin.web.errors import told

router = APIRouter(prefix="/api/v1", tags=["recordings"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]
Commissioner = Annotated[Actor, allowed(Permission.COMMISSION_CAMERA)]
Id = Annotated[str, Field(min_length=1, max_length=80)]


class PlanWindow(In):
    """Days of the week, 1 is Monday, and times of the day; an end before the begin lies on the next day."""

    days: Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(min_length=1, max_length=7)]
    begins: Annotated[str, Field(alias="from", pattern="^[0-2][0-9]:[0-5][0-9]$")]
    ends: Annotated[str, Field(alias="to", pattern="^[0-2][0-9]:[0-5][0-9]$")]


class PlanChanges(In):
    """What a plan is to be; what is not given stays as it is."""

    mode: Literal["off", "continuous", "scheduled", "event"] = "off"
    stream: Literal["main", "sub"] = "main"
    schedule: Annotated[list[PlanWindow], Field(max_length=84)] = []
    pre_s: Annotated[int, Field(ge=0, le=60)] = 10
    post_s: Annotated[int, Field(ge=0, le=600)] = 30
    edge_first: bool = False
    priority: Annotated[int, Field(ge=1, le=9)] = 5


class PlanPut(PlanChanges):
    """A plan as it is to be; `version` as the caller knows it, 0 for a camera without one."""

    version: Annotated[int, Field(ge=0, le=2**31 - 1)]


class RecordingPlan(Out):
    """What is recorded of a camera and when; `version` 0: nobody has said so yet, and nothing is."""

    camera_id: str
    mode: str
    stream: str
    schedule: list[dict[str, Any]]
    pre_s: int
    post_s: int
    edge_first: bool
    priority: int
    version: int


class PlanItemIn(In):
    """One camera with changes of its own; `version` where only a plan as the caller knows it is to be changed."""

    camera_id: Id
    version: Annotated[int | None, Field(ge=0, le=2**31 - 1)] = None
    changes: PlanChanges


class PlansIn(In):
    """At most 200 cameras: `cameras` that all get `changes`, or `items` with changes of their own."""

    cameras: Annotated[list[Id], Field(max_length=GROUP)] = []
    changes: PlanChanges = PlanChanges()
    items: Annotated[list[PlanItemIn], Field(max_length=GROUP)] = []
    preview: bool = False


class PlanDone(Out):
    """A plan that was changed, or would be: before and after."""

    camera_id: str
    name: str
    before: RecordingPlan
    after: RecordingPlan


class PlanRefused(Out):
    """A camera whose plan stayed as it was, and why."""

    camera_id: str
    name: str
    why: str


class PlansDone(Out):
    """What was done, or would be."""

    changed: list[PlanDone]
    same: list[str]
    refused: list[PlanRefused]


class LastGap(Out):
    """The last stretch that was not recorded; `ends_at` null while it lasts."""

    starts_at: str
    ends_at: str | None
    reason: str


class RecordingStatus(Out):
    """How a camera is recorded: recording, waiting (with the reason), in_memory, not_now, off."""

    camera_id: str
    name: str
    mode: str
    stream: str
    state: str
    reason: str
    since: str | None
    bitrate_bps: int
    last_gap: LastGap | None


class RecordingVolume(Out):
    """A folder or bucket; `recorded_bytes` is what our recordings take of it.
    State: ok, full, slow, read_only, gone,
    foreign.
    """

    id: str
    location: str
    kind: str
    tier: str
    state: str
    total_bytes: int
    free_bytes: int
    recorded_bytes: int
    reserve_bytes: int
    high_percent: int
    low_percent: int
    seen_at: str | None


@router.get("/cameras/{camera_id}/recording-plan", response_model=RecordingPlan)
async def read_plan(camera_id: str, house: House, actor: Reader) -> Response:
    """Read what is recorded of a camera and when. Errors: not_found."""
    return reply((await _desk(house).plan(camera_id, actor=actor)).form())


@router.put("/cameras/{camera_id}/recording-plan", response_model=RecordingPlan)
async def put_plan(camera_id: str, house: House, actor: Commissioner, body: PlanPut) -> Response:
    """Say what is recorded of a camera and when. It counts within a second.

    Errors: invalid, not_found, forbidden; conflict when the plan has changed or nobody answers for the camera.
    """
    saved = await _desk(house).save(camera_id, body.given(), body.version, actor=actor)
    return reply(saved.form())


@router.post("/recording-plans/bulk", response_model=PlansDone)
async def put_plans(house: House, actor: Commissioner, language: Language, body: PlansIn) -> Response:
    """Change the plans of up to 200 cameras in one transaction, or with `preview` say what it would do.

    Each has its own audit record. `before` sent back as the `changes` of `items`, with the version of `after`, takes it
    back. Errors: invalid, forbidden.
    """
    if bool(body.cameras) == bool(body.items):
        raise refuse("cameras", "registry.field_required", "give one of cameras or items")
    changes = body.changes.given()
    items = [PlanItem(one, changes) for one in body.cameras] or [
        PlanItem(one.camera_id, one.changes.given(), one.version) for one in body.items
    ]
    done = await _desk(house).save_many(items, actor=actor, is_preview=body.preview)
    refused = [
        {"camera_id": one, "name": name, "why": told(error, language, house.words)} for one, name, error in done.refused
    ]
    return reply({"changed": done.changed, "same": done.same, "refused": refused})


@router.get("/recording-status", response_model=Page[RecordingStatus])
async def list_status(
    house: House,
    actor: Reader,
    camera: Annotated[str, Query(max_length=80)] = "",
    after: After = "",
    limit: Limit = 200,
) -> Response:
    """List how the cameras with a plan are recorded, or how one is. Errors: not_found."""
    found = await _desk(house).status(actor=actor, camera_id=camera, after=after, limit=limit)
    following = found[-1].channel.id if not camera and len(found) >= limit else None
    return reply({"items": [_status_form(one) for one in found], "next": following})


@router.get("/volumes", response_model=Page[RecordingVolume])
async def list_volumes(house: House, actor: Reader) -> Response:
    """List the volumes recordings lie in, with their fill and state."""
    found = await _desk(house).volumes(actor=actor)
    return reply({"items": [_volume_form(volume, stored) for volume, stored in found], "next": None})


def _desk(house: House) -> RecorderDesk:
    if house.recorder_desk is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "pictures come from another server, which records by itself")
    return house.recorder_desk


def _status_form(one: CameraRecording) -> dict[str, object]:
    state, gap = one.state, one.last_gap
    return {
        "camera_id": one.channel.id,
        "name": one.channel.name,
        "mode": state.mode,
        "stream": state.stream,
        "state": state.state,
        "reason": state.reason,
        "since": None if state.since_ms is None else iso_us(state.since_ms * 1000),
        "bitrate_bps": state.bitrate_bps,
        "last_gap": None
        if gap is None
        else {
            "starts_at": iso_us(gap.from_ms * 1000),
            "ends_at": None if gap.to_ms is None else iso_us(gap.to_ms * 1000),
            "reason": gap.reason,
        },
    }


def _volume_form(volume: Volume, stored_bytes: int) -> dict[str, object]:
    return {
        "id": volume.id,
        "location": volume.location,
        "kind": volume.kind,
        "tier": volume.tier.value,
        "state": volume.state.value,
        "total_bytes": volume.total_bytes,
        "free_bytes": volume.free_bytes,
        "recorded_bytes": stored_bytes,
        "reserve_bytes": volume.reserve_bytes,
        "high_percent": volume.high_pct,
        "low_percent": volume.low_pct,
        "seen_at": None if volume.seen_at is None else iso(volume.seen_at),
    }
