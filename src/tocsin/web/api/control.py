"""Moving cameras: control is taken through an open view, used, and given back; presets keep where a camera looks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response

from tocsin.domain.access import Actor, Permission
from tocsin.domain.control import read_act, read_move
from tocsin.domain.control_sessions import PresetRecord
from tocsin.web.api.shapes import Filter, In, Out, Page, Version, listed, reply
from tocsin.web.deps import House, Who, allowed

router = APIRouter(prefix="/api/v1/cameras/{camera_id}/control", tags=["control"])
Viewer = Annotated[Actor, allowed(Permission.VIEW_LIVE)]
Mover = Annotated[Actor, allowed(Permission.CONTROL_CAMERA)]
Number = Annotated[int, Path(ge=1, le=255)]
Share = Annotated[float, Field(ge=-1, le=1)]
Name = Annotated[str, Field(max_length=64)]


class TakeIn(In):
    """The caller's open view that shows the camera; `take_over` from somebody whose rank is lower.

    `for_image`: to set its picture, which a camera that cannot move takes as well.
    """

    view_id: Annotated[str, Field(max_length=64)]
    take_over: bool = False
    for_image: bool = False


class MoveIn(In):
    """Shares of the fastest: right, up, in, far and open are positive; all 0 stops. Repeat it within two seconds."""

    pan: Share = 0.0
    tilt: Share = 0.0
    zoom: Share = 0.0
    focus: Share = 0.0
    iris: Share = 0.0


class ActIn(In):
    """Anything else a camera can: `act` and the fields that belong to it.

    `wiper` {on}, `switch` {number, on}, `drag_zoom` {in, x, y, width, height: shares of the picture}, `aim` {pan_deg,
    tilt_deg, times} (devices of 2022), `cruise` {op: add|remove|delete|speed|dwell|start, group, preset, value}, `scan`
    {op: start|left|right|speed, group, value}, `key_frame`, `record` {on}, `reboot` (supervisors).
    """

    act: Annotated[str, Field(max_length=24, examples=["wiper"])]
    on: bool = False
    op: Annotated[str, Field(max_length=24)] = ""
    number: int = 0
    group: int = 0
    preset: int = 0
    value: int = 0
    is_in: Annotated[bool, Field(alias="in")] = True
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0
    pan_deg: float = 0.0
    tilt_deg: float = 0.0
    times: float = 1.0


class PresetIn(In):
    """Keep where the camera looks now; without a number at the lowest free one."""

    name: Name = ""
    name_en: Name = ""
    number: Annotated[int | None, Field(ge=1, le=255)] = None


class PresetPatch(In):
    """Other names for a preset."""

    version: Version
    name: Name = ""
    name_en: Name = ""


class HomeIn(In):
    """The preset the camera returns to by itself, and after how many seconds without a command; null ends that."""

    number: Annotated[int | None, Field(ge=1, le=255)]
    after_s: Annotated[int, Field(ge=10, le=86_400)] = 60


class Holder(Out):
    """Who moves the camera."""

    user_id: str
    name: str


class Control(Out):
    """Who holds control of a camera and since when; the lease runs out when it is not used."""

    camera_id: str
    held_by: Holder | None
    since: str | None
    lease_expires_at: str | None
    reason: str
    by: str


class Preset(Out):
    """A place the camera remembers."""

    number: int
    name: str
    name_en: str
    is_home: bool
    home_after_s: int | None
    version: int


class ControlState(Control):
    """Control of a camera, whether it moves at all, whether the caller goes before who holds it, its presets."""

    can_move: bool
    may_take_over: bool
    presets: list[Preset]


@router.get("", response_model=ControlState)
async def read_control(camera_id: str, house: House, actor: Viewer, view_id: Filter = "") -> Response:
    """Read who moves a camera, and its presets; `view_id` is the caller's open view of it. Errors: not_found."""
    return reply(await house.control.read(camera_id, actor=actor, view_id=view_id))


@router.post("", response_model=Control)
async def take_control(camera_id: str, house: House, actor: Mover, caller: Who, body: TakeIn) -> Response:
    """Take control, or renew it. Errors: forbidden with the rule (`no_view`), not_found, conflict with the holder."""
    return reply(
        await house.control.take(
            camera_id,
            actor=actor,
            session_id=caller.session_id,
            view_id=body.view_id,
            take_over=body.take_over,
            for_image=body.for_image,
        )
    )


@router.delete("", status_code=204)
async def release_control(camera_id: str, house: House, actor: Mover) -> Response:
    """Give control back; the camera stops. Giving back what one does not hold is no error."""
    await house.control.release(camera_id, actor=actor)
    return Response(status_code=204)


@router.post("/move", status_code=204)
async def move_camera(camera_id: str, house: House, actor: Mover, body: MoveIn) -> Response:
    """Move or stop. A movement that is not repeated within two seconds is stopped.

    Errors: invalid, conflict without control, unavailable with what the camera said.
    """
    await house.control.move(camera_id, read_move(body.given()), actor=actor)
    return Response(status_code=204)


@router.post("/acts", status_code=204)
async def perform_act(camera_id: str, house: House, actor: Mover, body: ActIn) -> Response:
    """Wipe, zoom to a rectangle, aim, cruise, scan, record, ask for a key frame, start again.

    Errors: invalid, forbidden, conflict without control, unavailable with what the camera said.
    """
    await house.control.perform(camera_id, read_act(body.given()), actor=actor)
    return Response(status_code=204)


@router.post("/presets", response_model=Preset, status_code=201)
async def save_preset(camera_id: str, house: House, actor: Mover, body: PresetIn) -> Response:
    """Keep where the camera looks now. Errors: invalid, conflict without control, unavailable."""
    saved = await house.control.save_preset(
        camera_id, actor=actor, name=body.name, name_en=body.name_en, number=body.number
    )
    return reply(saved.form(), 201)


@router.post("/presets/read", response_model=Page[Preset])
async def read_presets(camera_id: str, house: House, actor: Mover) -> Response:
    """Ask the camera which presets it knows; new ones join the list. Errors: conflict without control, unavailable."""
    return _listed(await house.control.read_presets(camera_id, actor=actor))


@router.post("/presets/{number}/call", status_code=204)
async def call_preset(camera_id: str, number: Number, house: House, actor: Mover) -> Response:
    """Let the camera go to a preset. Errors: not_found, conflict without control, unavailable."""
    await house.control.call_preset(camera_id, number, actor=actor)
    return Response(status_code=204)


@router.patch("/presets/{number}", response_model=Preset)
async def rename_preset(camera_id: str, number: Number, house: House, actor: Mover, body: PresetPatch) -> Response:
    """Give a preset other names. Errors: invalid, not_found, conflict, forbidden."""
    renamed = await house.control.rename_preset(
        camera_id, number, actor=actor, name=body.name, name_en=body.name_en, version=body.version
    )
    return reply(renamed.form())


@router.delete("/presets/{number}", status_code=204)
async def delete_preset(
    camera_id: str, number: Number, house: House, actor: Mover, version: Annotated[int, Query(ge=1)]
) -> Response:
    """Delete a preset; for some seconds it can be restored. Errors: not_found, conflict, forbidden."""
    await house.control.delete_preset(camera_id, number, actor=actor, version=version)
    return Response(status_code=204)


@router.post("/presets/{number}/restore", response_model=Preset)
async def restore_preset(camera_id: str, number: Number, house: House, actor: Mover) -> Response:
    """Undo a deletion. Errors: not_found when the camera has forgotten it, forbidden."""
    restored = await house.control.restore_preset(camera_id, number, actor=actor)
    return reply(restored.form())


@router.put("/home", response_model=Page[Preset])
async def set_home(camera_id: str, house: House, actor: Mover, body: HomeIn) -> Response:
    """Choose the preset the camera returns to by itself. Errors: not_found, conflict without control, unavailable."""
    return _listed(await house.control.set_home(camera_id, actor=actor, number=body.number, after_s=body.after_s))


def _listed(presets: list[PresetRecord]) -> Response:
    forms: list[dict[str, Any]] = [preset.form() for preset in presets]
    return listed(forms, None)
