"""JT/T 808 terminals: words to the crew, parameters, another terminal, and where a unit on duty was."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.domain.access import Actor, Permission
from tocsin.domain.terminal_service import TerminalService, TerminalView
from tocsin.web.api.shapes import In, Out, Page, listed, reply
from tocsin.web.deps import House, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1/terminals", tags=["devices"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]
Keeper = Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)]
Dispatcher = Annotated[Actor, allowed(Permission.SET_UNIT)]
Seconds = Annotated[int | None, Field(ge=1, le=86_400, description="seconds")]


class TerminalOut(Out):
    """What is known of a terminal beside its device. `pressed_at`: its SOS or another held alarm stands since then."""

    device_id: str
    connected: bool
    registered: bool
    terminal_id: str
    edition: str
    maker: str
    model: str
    registered_at: str | None
    unit_id: str
    pressed_at: str | None
    confirmed_at: str | None


class TextIn(In):
    """Words for the crew, shown and spoken."""

    text: Annotated[str, Field(max_length=200, examples=["请到西门"])]
    urgent: bool = False


class ParametersIn(In):
    """What is to be set; what is left out stays as it is."""

    heartbeat_s: Seconds = None
    default_interval_s: Seconds = None
    emergency_interval_s: Seconds = None
    sleep_interval_s: Seconds = None


class ParametersOut(Out):
    """How a terminal says it is set; null where it does not say."""

    heartbeat_s: int | None
    default_interval_s: int | None
    emergency_interval_s: int | None
    sleep_interval_s: int | None


class Told(Out):
    """What came of it: done."""

    outcome: str


class PositionsIn(In):
    """Which hour at most, and for which purpose; the reading leaves a record."""

    since: AwareDatetime
    until: AwareDatetime
    purpose: Annotated[str, Field(max_length=24, examples=["alarm_verification"])]


class TerminalPosition(Out):
    """Where the terminal was: degrees WGS-84, km/h, degrees from north."""

    at: str
    lon: float
    lat: float
    speed_kmh: float
    heading_deg: int


class UnitChoice(Out):
    """A unit a terminal may belong to."""

    id: str
    call_sign: str
    name: str
    name_en: str


class TerminalPositions(Out):
    """Positions, oldest first."""

    items: list[TerminalPosition]


@router.get("/units", response_model=Page[UnitChoice])
async def list_unit_choices(house: House, actor: Reader) -> Response:
    """List the units a terminal may belong to, by name alone."""
    found = await _service(house).units(actor=actor)
    return listed(
        [{"id": one.id, "call_sign": one.call_sign, "name": one.name, "name_en": one.name_en} for one in found], None
    )


@router.get("/{device_id}", response_model=TerminalOut)
async def read_terminal(device_id: str, house: House, actor: Reader) -> Response:
    """Read what is known of a terminal. Errors: not_found, conflict."""
    return reply(_form(await _service(house).view(device_id, actor=actor)))


@router.post("/{device_id}/text", response_model=Told)
async def tell_crew(device_id: str, house: House, actor: Dispatcher, body: TextIn) -> Response:
    """Show and speak words to the crew. Errors: invalid, not_found, forbidden, conflict, unavailable."""
    outcome = await _service(house).tell(device_id, body.text, actor=actor, urgent=body.urgent)
    return reply({"outcome": outcome.value})


@router.get("/{device_id}/parameters", response_model=ParametersOut)
async def read_terminal_parameters(device_id: str, house: House, actor: Reader) -> Response:
    """Ask a terminal how it is set. Errors: not_found, conflict, unavailable."""
    found = await _service(house).parameters(device_id, actor=actor)
    return reply({name: found.get(name) for name in ParametersOut.model_fields})


@router.patch("/{device_id}/parameters", response_model=Told)
async def set_terminal_parameters(device_id: str, house: House, actor: Keeper, body: ParametersIn) -> Response:
    """Set a terminal. Errors: invalid naming the field, not_found, forbidden, conflict, unavailable."""
    values = {name: value for name, value in body.model_dump().items() if value is not None}
    if not values:
        raise TocsinError(ErrorCode.INVALID, "nothing to set", field="heartbeat_s")
    return reply({"outcome": (await _service(house).set_parameters(device_id, values, actor=actor)).value})


@router.post("/{device_id}/restart", response_model=Told)
async def restart_terminal(device_id: str, house: House, actor: Keeper) -> Response:
    """Restart a terminal. Errors: not_found, forbidden, conflict, unavailable."""
    return reply({"outcome": (await _service(house).restart(device_id, actor=actor)).value})


@router.post("/{device_id}/release", status_code=204)
async def release_terminal(device_id: str, house: House, actor: Keeper) -> Response:
    """Let another terminal register under the number. Errors: not_found, forbidden, conflict."""
    await _service(house).release(device_id, actor=actor)
    return Response(status_code=204)


@router.post("/{device_id}/positions", response_model=TerminalPositions)
async def read_positions(device_id: str, house: House, actor: Dispatcher, body: PositionsIn) -> Response:
    """Read where a unit on duty was, an hour at most; the reading leaves a record. Errors: invalid, not_found,
    forbidden.
    """
    found = await _service(house).positions(device_id, body.since, body.until, body.purpose, actor=actor)
    items = [
        {
            "at": iso(one.fix_at),
            "lon": one.lon_e6 / 1e6,
            "lat": one.lat_e6 / 1e6,
            "speed_kmh": one.speed_dkmh / 10,
            "heading_deg": one.heading_deg,
        }
        for one in found
    ]
    return reply({"items": items})


def _service(house: Services) -> TerminalService:
    if house.terminals is None:
        raise TocsinError(ErrorCode.NOT_FOUND, "terminals are not served here")
    return house.terminals


def _form(view: TerminalView) -> dict[str, Any]:
    known = view.terminal
    return {
        "device_id": view.device.id,
        "connected": view.is_connected,
        "registered": known is not None and bool(known.code_hash or known.next_hash),
        "terminal_id": known.terminal_id if known else "",
        "edition": known.edition if known else "",
        "maker": known.maker if known else "",
        "model": known.model if known else "",
        "registered_at": iso(known.registered_at) if known and known.registered_at else None,
        "unit_id": view.unit_id,
        "pressed_at": iso(known.pressed_at) if known and known.pressed_at else None,
        "confirmed_at": iso(known.confirmed_at) if known and known.confirmed_at else None,
    }
