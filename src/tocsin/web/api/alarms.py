"""Alarms, with the moments of the dispatch reference."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from tocsin.domain.access import Actor, Permission
from tocsin.domain.forms import alarm_form
from tocsin.domain.incident_detail import AlarmFilter
from tocsin.web.api import objects_incidents
from tocsin.web.api.shapes import After, Filter, Limit, Moment, Page, Words_, page, reply, spoken, words_of
from tocsin.web.deps import House, Language, allowed

router = APIRouter(prefix="/api/v1/alarms", tags=["alarms"])
Reader = Annotated[Actor, allowed(Permission.READ_INCIDENTS)]


@router.get("", response_model=Page[objects_incidents.Alarm])
async def list_alarms(
    house: House,
    actor: Reader,
    language: Language,
    state: Words_ = "",
    kind: Filter = "",
    device_id: Filter = "",
    zone_id: Filter = "",
    place_id: Filter = "",
    incident_id: Filter = "",
    priority: Annotated[int | None, Query(ge=1, le=9, description="this priority and graver")] = None,
    received_from: Annotated[Moment | None, Query(alias="from")] = None,
    received_to: Annotated[Moment | None, Query(alias="to")] = None,
    after: After = "",
    limit: Limit = 100,
) -> Response:
    """List alarms, newest first; `state` takes several, separated by commas."""
    wanted = AlarmFilter(
        words_of(state),
        kind,
        device_id,
        zone_id,
        place_id,
        incident_id,
        priority,
        received_from,
        received_to,
        after,
    )
    found = await house.incidents.alarms(wanted, actor=actor, limit=limit)
    return page([spoken(alarm_form(alarm), language) for alarm in found], limit)


@router.get("/{alarm_id}", response_model=objects_incidents.Alarm)
async def read_alarm(alarm_id: str, house: House, actor: Reader, language: Language) -> Response:
    """Read one alarm. Errors: not_found."""
    return reply(spoken(alarm_form(await house.incidents.alarm(alarm_id, actor=actor)), language))
