"""Alarm load: floods, the measures of alarm management, and alike incidents closed with one reason."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission
from tocsin.domain.load_service import MAX_TOGETHER, LoadService
from tocsin.web.api.shapes import In, Moment, Out, reply, spoken
from tocsin.web.deps import House, Language, allowed

router = APIRouter(prefix="/api/v1/alarm-load", tags=["alarm load"])
Reader = Annotated[Actor, allowed(Permission.READ_INCIDENTS)]
Handler = Annotated[Actor, allowed(Permission.HANDLE_INCIDENT)]


class LoadNow(Out):
    """The load at this moment: a flood since when, and open incidents nobody holds by site and cause."""

    at: str
    seats: int
    last_10_min: int
    flood_since: str | None
    flood_alarms: int
    groups: list[dict[str, Any]]


class LoadMeasures(Out):
    """Measures of a time: rate by ten minutes and by seat, floods, priority mix, sources, chattering, stale."""

    seats: int
    rate: dict[str, Any]
    by_seat: list[dict[str, Any]]
    floods: list[dict[str, Any]]
    flood_share: float
    hours_over_share: float
    mix: list[dict[str, Any]]
    by_priority: dict[str, int]
    top: list[dict[str, Any]]
    top_share: float
    chattering: int
    stale: int


class TogetherIn(In):
    """Incidents to close as false, with one cause and one reason for all."""

    incident_ids: Annotated[list[Annotated[str, Field(max_length=36)]], Field(min_length=1, max_length=MAX_TOGETHER)]
    cause: Annotated[str, Field(max_length=32, examples=["environment"])]
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class TogetherOut(Out):
    """What was closed, and what was left with the reason."""

    closed: list[str]
    left: list[dict[str, str]]


def _load(house: House) -> LoadService:
    if house.load is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "alarm load is not kept here")
    return house.load


@router.get("/now", response_model=LoadNow)
async def read_load_now(house: House, actor: Reader, language: Language) -> Response:
    """Say whether there is a flood, and what is open by site and cause."""
    now: dict[str, Any] = await _load(house).now(actor=actor)
    for group in now["groups"]:
        spoken(group, language)
    return reply(now)


@router.get("/measures", response_model=LoadMeasures)
async def read_load_measures(
    house: House,
    actor: Reader,
    received_from: Annotated[Moment, Query(alias="from")],
    received_to: Annotated[Moment, Query(alias="to")],
) -> Response:
    """Read the measures of alarm management for a time of at most 31 days. Errors: invalid."""
    return reply(await _load(house).measures(received_from, received_to, actor=actor))


@router.post("/close", response_model=TogetherOut)
async def close_incidents_together(house: House, actor: Handler, body: TogetherIn) -> Response:
    """Close alike incidents of priority 4 and lower with one reason; each keeps its own record. Errors: invalid."""
    return reply(await _load(house).close_together(body.incident_ids, body.cause, body.reason, actor=actor))
