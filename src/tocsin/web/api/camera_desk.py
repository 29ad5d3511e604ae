"""One GB/T 28181 camera asked (2022): its cards, home position, tours, aim; and acts that cannot be taken back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.responses import Response

from tocsin.domain.access import Actor, Permission
from tocsin.domain.camera_desk import CameraDesk, form_of
from tocsin.domain.device_acts import DeviceActs
from tocsin.domain.device_desk import not_possible
from tocsin.web.api.shapes import Filter, In, Out, Page, Text, reply
from tocsin.web.deps import House, allowed

router = APIRouter(prefix="/api/v1", tags=["devices"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]
Keeper = Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)]
Administrator = Annotated[Actor, allowed(Permission.MANAGE_SETTINGS)]
AT = "/cameras/{camera_id}/device"


class Card(Out):
    """A storage card: `state` ok, formatting, unformatted, idle, error or empty; sizes in MB, progress in percent."""

    number: int
    name: str
    state: str
    progress: int | None
    capacity_mb: int | None
    free_mb: int | None


class HomePosition(Out):
    """The preset the camera returns to by itself after so many seconds."""

    is_on: bool
    after_s: int
    preset: int


class Tour(Out):
    """A tour the camera keeps."""

    number: int
    name: str


class TourStop(Out):
    """A stop of a tour; speed 1-15."""

    preset: int
    stay_s: int | None
    speed: int | None


class CameraAim(Out):
    """Where the camera looks: degrees, times, metres; null where it does not say."""

    pan_deg: float | None
    tilt_deg: float | None
    zoom: float | None
    horizontal_deg: float | None
    vertical_deg: float | None
    distance_m: float | None


class FormatIn(In):
    """Which card is to be erased (0: all), and why."""

    card: Annotated[int, Field(ge=0, le=10_000)]
    reason: Text


class UpgradeIn(In):
    """What to install: version, address to fetch it from, manufacturer; a session is made when none is given."""

    firmware: Annotated[str, Field(max_length=64)]
    url: Annotated[str, Field(max_length=512)]
    manufacturer: Annotated[str, Field(max_length=64)]
    session: Annotated[str, Field(max_length=128)] = ""


class DeviceAct(Out):
    """An act that cannot be taken back; `state` waiting, expired, withdrawn, running, taken, done or failed."""

    id: str
    kind: str
    device_id: str
    camera_id: str | None
    params: dict[str, Any]
    reason: str
    asked_by: str
    asked_by_name: str
    asked_at: str
    expires_at: str | None
    state: str
    decided_by: str
    decided_by_name: str
    decided_at: str | None
    result: str
    ended_at: str | None


@router.get(AT + "/cards", response_model=Page[Card])
async def read_cards(camera_id: str, house: House, actor: Reader) -> Response:
    """Ask a camera (2022) for its storage cards. Errors: not_found, conflict when unsupported, unavailable."""
    return _listed(await _desk(house).cards(camera_id, actor=actor))


@router.get(AT + "/home-position", response_model=HomePosition)
async def read_home(camera_id: str, house: House, actor: Reader) -> Response:
    """Ask a camera (2022) for its home position. Errors: not_found, conflict when unsupported, unavailable."""
    return reply(form_of(await _desk(house).home(camera_id, actor=actor)))


@router.get(AT + "/cruises", response_model=Page[Tour])
async def read_tours(camera_id: str, house: House, actor: Reader) -> Response:
    """Ask a camera (2022) for its tours. Errors: not_found, conflict when unsupported, unavailable."""
    return _listed(await _desk(house).tours(camera_id, actor=actor))


@router.get(AT + "/cruises/{number}", response_model=Page[TourStop])
async def read_tour(
    camera_id: str, number: Annotated[int, Path(ge=0, le=255)], house: House, actor: Reader
) -> Response:
    """Ask a camera (2022) for the stops of a tour. Errors: not_found, conflict when unsupported, unavailable."""
    return _listed(await _desk(house).tour(camera_id, number, actor=actor))


@router.get(AT + "/aim", response_model=CameraAim)
async def read_aim(camera_id: str, house: House, actor: Reader) -> Response:
    """Ask a camera (2022) where it looks. Errors: not_found, conflict when unsupported, unavailable."""
    return reply(form_of(await _desk(house).aim(camera_id, actor=actor)))


@router.post(AT + "/format", response_model=DeviceAct, status_code=201)
async def ask_format(camera_id: str, house: House, actor: Keeper, body: FormatIn) -> Response:
    """Ask for a card to be erased; another person confirms within 15 minutes, or it ends.

    Errors: invalid, not_found, forbidden, conflict, unavailable.
    """
    act = await _acts(house).ask_format(camera_id, body.card, body.reason, actor=actor)
    return reply(act.form(), 201)


@router.post("/devices/{device_id}/upgrade", response_model=DeviceAct, status_code=201)
async def upgrade(device_id: str, house: House, actor: Administrator, body: UpgradeIn) -> Response:
    """Make a device (2022) install firmware; its result comes by itself and ends the act.

    Errors: invalid, not_found, forbidden, conflict while it is watched to verify an alarm, unavailable.
    """
    return reply((await _acts(house).upgrade(device_id, body.given(), actor=actor)).form(), 201)


@router.get("/device-acts", response_model=Page[DeviceAct])
async def list_acts(house: House, actor: Reader, device_id: Filter = "", state: Filter = "") -> Response:
    """List acts of a device, or (`state=waiting`) those that wait for a second person, newest first."""
    found = await _acts(house).acts(actor=actor, device_id=device_id, is_waiting=state == "waiting")
    return reply({"items": [act.form() for act in found], "next": None})


@router.post("/device-acts/{act_id}/confirm", response_model=DeviceAct)
async def confirm_act(act_id: str, house: House, actor: Keeper) -> Response:
    """Confirm what somebody else asked for: the command leaves now.

    Errors: not_found, forbidden (also to who asked), conflict, unavailable.
    """
    return reply((await _acts(house).confirm(act_id, actor=actor)).form())


@router.post("/device-acts/{act_id}/withdraw", response_model=DeviceAct)
async def withdraw_act(act_id: str, house: House, actor: Keeper) -> Response:
    """Take a request back, or turn it down. Errors: not_found, forbidden, conflict."""
    return reply((await _acts(house).withdraw(act_id, actor=actor)).form())


def _listed(found: Any) -> Response:
    return reply({"items": [form_of(one) for one in found], "next": None})


def _desk(house: Any) -> CameraDesk:
    if house.camera_desk is None:
        raise not_possible()
    desk: CameraDesk = house.camera_desk
    return desk


def _acts(house: Any) -> DeviceActs:
    if house.acts is None:
        raise not_possible()
    acts: DeviceActs = house.acts
    return acts
