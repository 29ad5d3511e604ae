"""Cameras: the pictures of devices, from discovered to in service."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from tocsin.base.words import Words
from tocsin.domain.access import Actor, Permission
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.forms import optional_iso
from tocsin.domain.video import LiveState
from tocsin.web.api import objects_registry
from tocsin.web.api.devices import attempt_form
from tocsin.web.api.places import VersionIn
from tocsin.web.api.shapes import Cursor, Filter, In, Limit, Node, Order, Out, Page, Text, Version, listed, reply
from tocsin.web.deps import House, Language, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1/cameras", tags=["cameras"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]
Keeper = Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)]


class CameraPatch(In):
    """What may change of a camera; with owner, place and purpose set it can go into service."""

    version: Version
    name: Text = ""
    name_en: Text = ""
    place_id: str | None = None
    lon: Annotated[float | None, Field(ge=-180, le=180)] = None
    lat: Annotated[float | None, Field(ge=-90, le=90)] = None
    bearing_deg: Annotated[float | None, Field(ge=0, le=360)] = None
    fov_deg: Annotated[float | None, Field(ge=0, le=360)] = None
    range_m: Annotated[float | None, Field(ge=0)] = None
    owner: Text = ""
    purpose: Text = ""
    stage: Annotated[str, Field(pattern="^in_service$")] = "in_service"
    loss_policy: Annotated[str, Field(pattern="^(drop|tolerate)$")] = "drop"
    jurisdiction_id: Annotated[str, Field(min_length=1, max_length=36)] = ""
    tags: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=100)] = []


class CommissionIn(In):
    """The cameras themselves, all or none, or a jurisdiction: those of its subtree that can."""

    jurisdiction_id: str = ""
    cameras: Annotated[list[str], Field(max_length=2000)] = []


class Refused(Out):
    """A camera that stayed as it was, and what it lacks."""

    id: str
    missing: list[str]


class Commissioned(Out):
    """What a commissioning did."""

    commissioned: list[str]
    refused: list[Refused]


@router.get("", response_model=Page[objects_registry.Camera])
async def list_cameras(
    house: House,
    actor: Reader,
    language: Language,
    q: Filter = "",
    stage: Filter = "",
    state: Filter = "",
    jurisdiction_id: Filter = "",
    place_id: Filter = "",
    device_id: Filter = "",
    maker: Filter = "",
    tag: Filter = "",
    node: Node = "",
    order: Order = "newest",
    after: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List cameras, newest first; retired ones only with `stage=retired`.

    `order` may be `name`, or `state`: off line first. `node` is the key of a node of `/camera-tree`. Errors: invalid.
    """
    found = await house.cameras.cameras(
        actor,
        text=q,
        stage=stage,
        state=state,
        jurisdiction_id=jurisdiction_id,
        place_id=place_id,
        device_id=device_id,
        maker=maker,
        tag=tag,
        node=node,
        order=order,
        after=after,
        limit=limit,
    )
    return listed([camera_form(channel, house, language) for channel in found.items], found.next)


@router.post("/commission", response_model=Commissioned)
async def commission_cameras(
    house: House, actor: Annotated[Actor, allowed(Permission.COMMISSION_CAMERA)], body: CommissionIn
) -> Response:
    """Put cameras into service; what they lack comes from the defaults of their jurisdiction.

    Errors: invalid, naming the missing field; not_found.
    """
    done = await house.cameras.commission(actor=actor, jurisdiction_id=body.jurisdiction_id, cameras=body.cameras)
    return reply(done.form())


@router.get("/{camera_id}", response_model=objects_registry.Camera)
async def read_camera(camera_id: str, house: House, actor: Reader, language: Language) -> Response:
    """Read one camera. Errors: not_found."""
    return reply(camera_form(await house.cameras.camera(camera_id, actor=actor), house, language))


@router.patch("/{camera_id}", response_model=objects_registry.Camera)
async def change_camera(camera_id: str, house: House, actor: Keeper, language: Language, body: CameraPatch) -> Response:
    """Change a camera. Errors: invalid, not_found, conflict."""
    changed = await house.cameras.change(camera_id, body.given(), actor=actor, version=body.version)
    return reply(camera_form(changed, house, language))


@router.post("/{camera_id}/retire", response_model=objects_registry.Camera)
async def retire_camera(camera_id: str, house: House, actor: Keeper, language: Language, body: VersionIn) -> Response:
    """Take a camera out of service for good; views of it end. Errors: not_found, conflict."""
    retired = await house.cameras.retire(camera_id, actor=actor, version=body.version)
    return reply(camera_form(retired, house, language))


@router.get("/{camera_id}/zones", response_model=Page[objects_registry.Zone])
async def list_camera_zones(camera_id: str, house: House, actor: Reader) -> Response:
    """List the zones this camera shows, by device and number. Errors: not_found."""
    return listed([zone.form() for zone in await house.cameras.zones(camera_id, actor=actor)], None)


@router.get("/{camera_id}/attempts", response_model=Page[objects_registry.Attempt])
async def list_camera_attempts(camera_id: str, house: House, actor: Reader, language: Language) -> Response:
    """List what was tried for this picture, newest first, in the caller's language. Errors: not_found."""
    found = await house.devices.attempts(actor, channel_id=camera_id)
    return listed([attempt_form(attempt, house.words, language) for attempt in found], None)


def camera_form(channel: ChannelRecord, house: Services, language: str) -> dict[str, Any]:
    """Return a camera with how its picture is doing."""
    form: dict[str, Any] = channel.form()
    form["live"] = live_form(house.live_state(channel.id), house.words, language)
    return form


def live_form(state: LiveState, words: Words, language: str) -> dict[str, Any]:
    """Return how a picture is doing, in the caller's language."""
    return {
        "state": state.state,
        "reason": state.reason,
        "words": words.text(state.reason, language) if state.reason else "",
        "codec": state.codec,
        "width": state.width,
        "height": state.height,
        "bitrate_bps": int(state.bitrate_bps),
        "viewers": state.viewers,
        "loss_share": state.loss_share,
        "last_frame_at": optional_iso(state.last_frame_at),
        "converted": state.converted,
        "stream": state.stream,
        "strangers": state.strangers,
        "kernel_drops": state.kernel_drops,
        "late": state.late,
        "resyncs": state.resyncs,
        "main_only": words.text(state.main_only, language) if state.main_only else "",
    }
