"""Devices: what speaks to us, their zones, links, secrets, timelines and signals."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain.access import Actor, Permission
from tocsin.domain.attempts import Attempt, PendingDevice
from tocsin.domain.devices import Device
from tocsin.domain.forms import optional_iso
from tocsin.domain.incident_detail import SignalFilter
from tocsin.web.api import objects_incidents, objects_registry
from tocsin.web.api.places import VersionIn
from tocsin.web.api.shapes import After, Cursor, Filter, In, Limit, Order, Page, Text, Version, listed, reply, spoken
from tocsin.web.api.signals import signal_page
from tocsin.web.deps import House, Language, allowed

router = APIRouter(prefix="/api/v1/devices", tags=["devices"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]
Keeper = Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)]
Armer = Annotated[Actor, allowed(Permission.ARM_DEVICE)]
Number = Annotated[str, Path(max_length=64, description="zone number, or the id of an alarm input")]


class AddressIn(In):
    """A panel's account (with prefix and receiver when they narrow it), or a camera's 20-digit id."""

    account: Annotated[str, Field(max_length=64, examples=["3411"])] = ""
    prefix: Annotated[str, Field(max_length=16)] = ""
    receiver: Annotated[str, Field(max_length=16)] = ""
    gb_id: Annotated[str, Field(max_length=64)] = ""
    url: Annotated[str, Field(max_length=512, examples=["rtsp://10.0.0.9:554/stream1"])] = ""
    sub_url: Annotated[str, Field(max_length=512)] = ""
    username: Annotated[str, Field(max_length=64)] = ""
    topic: Annotated[str, Field(max_length=256, examples=["site7/panel1/events"])] = ""
    status_topic: Annotated[str, Field(max_length=256)] = ""


class DeviceIn(In):
    """A new device."""

    kind: Annotated[str, Field(examples=["panel"])]
    name: Text
    name_en: Text = ""
    place_id: str | None = None
    jurisdiction_id: str | None = None
    protocol: Annotated[str, Field(examples=["dc09"])]
    address: AddressIn
    maker: Text = ""
    model: Text = ""
    firmware: Text = ""
    line: Text = ""
    network: Text = ""
    feeder: Text = ""
    poll_interval_s: Annotated[float, Field(ge=0)] = 0.0
    test_interval_s: Annotated[float, Field(ge=0)] = 0.0
    clock_offset_s: float = 0.0
    settings: Annotated[dict[str, Any], Field(description="never_nak, window_low_s, send_date, ...")] = {}


class DevicePatch(In):
    """What may change of a device."""

    version: Version
    kind: str = ""
    name: Text = ""
    name_en: Text = ""
    place_id: str | None = None
    jurisdiction_id: str | None = None
    address: AddressIn = AddressIn()
    maker: Text = ""
    model: Text = ""
    firmware: Text = ""
    line: Text = ""
    network: Text = ""
    feeder: Text = ""
    poll_interval_s: Annotated[float, Field(ge=0)] = 0.0
    test_interval_s: Annotated[float, Field(ge=0)] = 0.0
    clock_offset_s: float = 0.0
    settings: dict[str, Any] = {}


class SecretIn(In):
    """One of a key in hex or text, or a SIP password; or `remove`. It is never sent back."""

    key_hex: Annotated[str, Field(max_length=200)] = ""
    key_text: Annotated[str, Field(max_length=200)] = ""
    password: Annotated[str, Field(max_length=200)] = ""
    remove: bool = False
    keep_previous: Annotated[bool, Field(description="the replaced key stays valid until the new one is seen")] = True


class ZoneIn(In):
    """A new zone."""

    number: Annotated[str, Field(min_length=1, max_length=64, examples=["3"])]
    name: Text = ""
    name_en: Text = ""
    kind: Annotated[str, Field(max_length=24, examples=["infrared"])] = ""
    place_id: str | None = None


class ZonePatch(In):
    """What may change of a zone."""

    version: Version
    name: Text = ""
    name_en: Text = ""
    kind: Annotated[str, Field(max_length=24)] = ""
    place_id: str | None = None


class GuardIn(In):
    """Arm or disarm."""

    armed: bool


class LinksIn(In):
    """The cameras that show a zone, the first one first."""

    version: Version
    cameras: Annotated[list[str], Field(max_length=64)]


@router.get("", response_model=Page[objects_registry.Device])
async def list_devices(
    house: House,
    actor: Reader,
    language: Language,
    kind: Filter = "",
    state: Filter = "",
    q: Filter = "",
    jurisdiction_id: Filter = "",
    place_id: Filter = "",
    retired: bool = False,
    maker: Filter = "",
    order: Order = "newest",
    after: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List devices, newest first; `q` looks in names, account and id, `jurisdiction_id` covers its subtree."""
    found = await house.devices.devices(
        actor,
        kind=kind,
        state=state,
        text=q,
        jurisdiction_id=jurisdiction_id,
        place_id=place_id,
        with_retired=retired,
        maker=maker,
        order=order,
        after=after,
        limit=limit,
    )
    return listed([_form(device, language) for device in found.items], found.next)


@router.post("", response_model=objects_registry.Device, status_code=201)
async def create_device(house: House, actor: Keeper, language: Language, body: DeviceIn) -> Response:
    """Enter a device. Errors: invalid, not_found, conflict on an account or id in use."""
    return reply(_form(await house.devices.create(body.given(), actor=actor), language), 201)


@router.get("/pending", response_model=Page[objects_registry.PendingDevice])
async def list_pending(house: House, actor: Keeper, limit: Limit = 100) -> Response:
    """List devices nobody has entered that tried to register, newest first."""
    return listed([_pending(one) for one in await house.devices.pending(actor, limit)], None)


@router.post("/discover", response_model=Page[objects_registry.FoundCamera])
async def discover_cameras(house: House, actor: Keeper) -> Response:
    """Ask the local net for ONVIF cameras and list those that answer within three seconds; nothing is entered.

    Errors: unavailable while another search runs.
    """
    if house.discover is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the ONVIF gateway is not running")
    await house.devices.note_search(actor=actor)
    return listed(await house.discover(), None)


@router.get("/{device_id}", response_model=objects_registry.Device)
async def read_device(device_id: str, house: House, actor: Reader, language: Language) -> Response:
    """Read one device. Errors: not_found."""
    return reply(_form(await house.devices.device(device_id, actor=actor), language))


@router.get("/{device_id}/paths", response_model=Page[objects_registry.DevicePath])
async def list_paths(device_id: str, house: House, actor: Reader) -> Response:
    """List the ways a device reports by, those entered first, and how each stands. Errors: not_found."""
    return listed(await house.devices.paths(device_id, actor=actor), None)


@router.patch("/{device_id}", response_model=objects_registry.Device)
async def change_device(device_id: str, house: House, actor: Keeper, language: Language, body: DevicePatch) -> Response:
    """Change a device. Errors: invalid, not_found, conflict."""
    changed = await house.devices.change(device_id, body.given(), actor=actor, version=body.version)
    return reply(_form(changed, language))


@router.post("/{device_id}/retire", response_model=objects_registry.Device)
async def retire_device(device_id: str, house: House, actor: Keeper, language: Language, body: VersionIn) -> Response:
    """Retire a device and its cameras; views of them end. Errors: not_found, conflict."""
    retired = await house.devices.retire(device_id, actor=actor, version=body.version)
    return reply(_form(retired, language))


@router.put("/{device_id}/secret", response_model=objects_registry.Device)
async def set_secret(device_id: str, house: House, actor: Keeper, language: Language, body: SecretIn) -> Response:
    """Set or remove a key or password; write only. Errors: invalid, not_found."""
    changed = await house.devices.set_secret(device_id, actor=actor, **body.given())
    return reply(_form(changed, language))


@router.post("/{device_id}/catalog", status_code=202)
async def ask_catalog(device_id: str, house: House, actor: Keeper) -> Response:
    """Ask a GB/T 28181 device for its catalogue again; the answer shows in its timeline.

    Errors: not_found, conflict when the device has no catalogue, unavailable when it is not connected.
    """
    device = await house.devices.device(device_id, actor=actor)
    if device.protocol != "gb28181":
        raise TocsinError(ErrorCode.CONFLICT, "this device has no catalogue", key="registry.no_catalog")
    if house.ask_catalog is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the SIP gateway is not running")
    if not await house.ask_catalog(device.id):
        raise TocsinError(ErrorCode.UNAVAILABLE, "the device is not registered at the moment", key="registry.not_heard")
    return reply({"asked": True}, 202)


@router.post("/{device_id}/try", status_code=202)
async def try_camera(device_id: str, house: House, actor: Keeper) -> Response:
    """Call a camera again now, its password counting as new; what came of it shows in its timeline.

    Errors: not_found, conflict when the device calls us and not we it.
    """
    if house.try_camera is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the gateways of cameras are not running")
    device = await house.devices.note_try(device_id, actor=actor)
    return reply({"answered": await house.try_camera(device.id)}, 202)


@router.post("/{device_id}/guard", response_model=objects_registry.GuardAct)
async def set_guard(device_id: str, house: House, actor: Armer, body: GuardIn) -> Response:
    """Arm or disarm a GB/T 28181 device; `unconfirmed`: it took the command and said nothing of the result.

    Errors: not_found, conflict when it cannot be armed from here or refuses, unavailable when it cannot be reached.
    """
    if house.guarding is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the SIP gateway is not running")
    act = await house.guarding.set_guard(device_id, is_set=body.armed, actor=actor)
    return reply({"device_id": act.device_id, "armed": act.is_set, "outcome": act.outcome.value})


@router.get("/{device_id}/zones", response_model=Page[objects_registry.Zone])
async def list_zones(device_id: str, house: House, actor: Reader) -> Response:
    """List the zones of a device with the cameras that show them. Errors: not_found."""
    return listed([zone.form() for zone in await house.devices.zones(device_id, actor=actor)], None)


@router.post("/{device_id}/zones", response_model=objects_registry.Zone, status_code=201)
async def create_zone(device_id: str, house: House, actor: Keeper, body: ZoneIn) -> Response:
    """Enter a zone. Errors: invalid, not_found, conflict on a number in use."""
    return reply((await house.devices.add_zone(device_id, body.given(), actor=actor)).form(), 201)


@router.patch("/{device_id}/zones/{number}", response_model=objects_registry.Zone)
async def change_zone(device_id: str, number: Number, house: House, actor: Keeper, body: ZonePatch) -> Response:
    """Change a zone. Errors: invalid, not_found, conflict."""
    changed = await house.devices.change_zone(device_id, number, body.given(), actor=actor, version=body.version)
    return reply(changed.form())


@router.put("/{device_id}/zones/{number}/cameras", response_model=objects_registry.Zone)
async def link_cameras(device_id: str, number: Number, house: House, actor: Keeper, body: LinksIn) -> Response:
    """Set which cameras show a zone. Errors: invalid, not_found, conflict."""
    changed = await house.devices.link_cameras(device_id, number, body.cameras, actor=actor, version=body.version)
    return reply(changed.form())


@router.get("/{device_id}/attempts", response_model=Page[objects_registry.Attempt])
async def list_attempts(device_id: str, house: House, actor: Reader, language: Language) -> Response:
    """List the step timelines of a device, newest first, in the caller's language. Errors: not_found."""
    found = await house.devices.attempts(actor, device_id=device_id)
    return listed([attempt_form(attempt, house.words, language) for attempt in found], None)


@router.get("/{device_id}/signals", response_model=Page[objects_incidents.Signal])
async def list_device_signals(
    device_id: str,
    house: House,
    actor: Reader,
    language: Language,
    newest_first: bool = False,
    after: After = "",
    limit: Limit = 100,
) -> Response:
    """List the signals of a device, newest last unless `newest_first`. Errors: not_found."""
    await house.devices.device(device_id, actor=actor)
    wanted = SignalFilter(device_id=device_id, after=after, newest_first=newest_first)
    return await signal_page(house, wanted, actor, limit, language)


def attempt_form(attempt: Attempt, words: Words, language: str) -> dict[str, Any]:
    """Return a step timeline in the caller's language."""
    steps = [
        {
            "key": step.key,
            "state": str(step.state),
            "at_ms": step.at_ms,
            "words": words.text(step.key, language, step.params),
            "params": dict(step.params),
        }
        for step in attempt.steps
    ]
    failed = next((step.params for step in attempt.steps if step.state == "failed"), {})
    return {
        "id": attempt.id,
        "device_id": attempt.device_id,
        "channel_id": attempt.channel_id,
        "kind": str(attempt.kind),
        "started_at": iso(attempt.started_at),
        "ended_at": optional_iso(attempt.ended_at),
        "outcome": str(attempt.outcome),
        "failure": attempt.failure,
        "failure_words": words.text(attempt.failure, language, failed) if attempt.failure else "",
        "steps": steps,
    }


def _form(device: Device, language: str) -> dict[str, Any]:
    form: dict[str, Any] = device.form()
    form["faults"] = [spoken(fault, language) for fault in form["faults"]]
    return form


def _pending(device: PendingDevice) -> dict[str, Any]:
    return {
        "gb_id": device.gb_id,
        "peer": device.peer,
        "user_agent": device.user_agent,
        "first_at": iso(device.first_at),
        "last_at": iso(device.last_at),
        "knocks": device.knocks,
    }
