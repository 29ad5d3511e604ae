"""Units: crews that can be sent."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.domain.access import Actor, Permission
from tocsin.domain.forms import unit_form
from tocsin.domain.unit_service import NearUnit
from tocsin.domain.units import Unit, UnitState
from tocsin.web.api import objects_incidents
from tocsin.web.api.shapes import (
    LIMIT_MOST,
    After,
    In,
    Limit,
    Page,
    Text,
    Version,
    Words_,
    listed,
    page,
    reply,
    words_of,
)
from tocsin.web.deps import House, allowed

router = APIRouter(prefix="/api/v1/units", tags=["units"])
Reader = Annotated[Actor, allowed(Permission.READ_INCIDENTS)]


class UnitIn(In):
    """A new unit."""

    name: Text
    name_en: Text = ""
    call_sign: Annotated[str, Field(max_length=16, examples=["HW-11"])]
    kind: Annotated[str, Field(pattern="^(car|foot|motorcycle)$")] = "car"
    crew: Annotated[int, Field(ge=1, le=50)] = 2
    jurisdiction_id: str
    lon: Annotated[float | None, Field(ge=-180, le=180)] = None
    lat: Annotated[float | None, Field(ge=-90, le=90)] = None


class UnitPatch(In):
    """The unit's state as a person reports it; out of service needs a reason."""

    version: Version
    state: UnitState
    reason: Annotated[str, Field(max_length=200)] = ""


class FixIn(In):
    """Where a unit is, degrees WGS-84, and when it was there; a time ahead of ours counts as now."""

    lon: Annotated[float, Field(ge=-180, le=180)]
    lat: Annotated[float, Field(ge=-90, le=90)]
    fix_at: AwareDatetime


@router.get("", response_model=Page[objects_incidents.Unit])
async def list_units(
    house: House,
    actor: Reader,
    state: Words_ = "",
    near: Annotated[str, Query(max_length=60, description="lon,lat: nearest first, with distance and bearing")] = "",
    after: After = "",
    limit: Limit = LIMIT_MOST,
) -> Response:
    """List units; with `near` sorted by distance, those without a position last."""
    point = _point(near) if near else None
    found = await house.units.find(actor=actor, states=words_of(state), near=point, after=after, limit=limit)
    forms = [_form(one, point is not None) for one in found]
    return listed(forms, None) if point is not None else page(forms, limit)


@router.post("", response_model=objects_incidents.Unit, status_code=201)
async def create_unit(
    house: House, actor: Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)], body: UnitIn
) -> Response:
    """Enter a unit. Errors: invalid, not_found."""
    home = await house.places.jurisdiction(body.jurisdiction_id, actor=actor)
    unit = Unit(
        id=new_id(),
        name=body.name,
        name_en=body.name_en,
        call_sign=body.call_sign,
        kind=body.kind,
        crew=body.crew,
        jurisdiction_id=home.id,
        jurisdiction_code=home.code,
        lon=body.lon,
        lat=body.lat,
        fix_at=house.clock.now() if body.lon is not None else None,
    )
    return reply(unit_form(await house.units.add(unit, actor=actor)), 201)


@router.get("/{unit_id}", response_model=objects_incidents.Unit)
async def read_unit(unit_id: str, house: House, actor: Reader) -> Response:
    """Read one unit. Errors: not_found."""
    return reply(unit_form(await house.units.get(unit_id, actor=actor)))


@router.patch("/{unit_id}", response_model=objects_incidents.Unit)
async def set_unit(
    unit_id: str, house: House, actor: Annotated[Actor, allowed(Permission.SET_UNIT)], body: UnitPatch
) -> Response:
    """Set a unit's state; its assignment and incident follow. Errors: not_found, conflict, invalid."""
    changed = await house.units.set_state(unit_id, body.state, actor=actor, version=body.version, reason=body.reason)
    return reply(unit_form(changed))


@router.post("/{unit_id}/fix", response_model=objects_incidents.Unit)
async def note_fix(
    unit_id: str, house: House, actor: Annotated[Actor, allowed(Permission.SET_UNIT)], body: FixIn
) -> Response:
    """Note where a unit is; a fix older than the one known changes nothing. Errors: not_found, invalid."""
    known = await house.units.get(unit_id, actor=actor)
    moved = await house.units.move(unit_id, body.lon, body.lat, min(body.fix_at, house.clock.now()))
    return reply(unit_form(moved or known))


def _form(found: NearUnit, is_measured: bool) -> dict[str, Any]:
    form: dict[str, Any] = unit_form(found.unit)
    if is_measured:
        form["distance_m"] = None if found.distance_m is None else round(found.distance_m, 1)
        form["bearing_deg"] = None if found.bearing_deg is None else round(found.bearing_deg, 1)
    return form


def _point(text: str) -> tuple[float, float]:
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError:
        lon = lat = 999.0
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise TocsinError(ErrorCode.INVALID, "near must be lon,lat in degrees", field="near")
    return lon, lat
