"""Everything received, raw bytes included."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from tocsin.domain.access import Actor, Permission
from tocsin.domain.forms import signal_form
from tocsin.domain.incident_detail import SignalFilter
from tocsin.domain.rule_acts import ActFilter
from tocsin.web.api import objects_incidents
from tocsin.web.api.quarantine import WORDS
from tocsin.web.api.shapes import LIMIT_MOST, After, Filter, Limit, Moment, Page, page, reply, spoken
from tocsin.web.deps import House, Language, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1/signals", tags=["signals"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]


@router.get("", response_model=Page[objects_incidents.Signal])
async def list_signals(
    house: House,
    actor: Reader,
    language: Language,
    device_id: Filter = "",
    account: Filter = "",
    state: Annotated[str, Query(pattern="^(processed|unprocessed|quarantined)?$")] = "",
    received_from: Annotated[Moment | None, Query(alias="from")] = None,
    received_to: Annotated[Moment | None, Query(alias="to")] = None,
    after: After = "",
    limit: Limit = 100,
) -> Response:
    """List signals, newest last; `after` is the id of the last one known."""
    wanted = SignalFilter(device_id, account, state, received_from, received_to, after)
    return await signal_page(house, wanted, actor, limit, language)


@router.get("/{signal_id}", response_model=objects_incidents.Signal)
async def read_signal(signal_id: str, house: House, actor: Reader, language: Language) -> Response:
    """Read one signal. Errors: not_found."""
    stored, alarm_ids = await house.incidents.signal(signal_id, actor=actor)
    form = _spoken(signal_form(stored, alarm_ids), language)
    form["rules"] = (await _acts(house, actor, [signal_id], language)).get(signal_id, [])
    return reply(form)


async def signal_page(house: Services, wanted: SignalFilter, actor: Actor, limit: int, language: str) -> Response:
    """Return a page of signals in the caller's language."""
    found = await house.incidents.signals(wanted, actor=actor, limit=limit)
    acts = await _acts(house, actor, [stored.id for stored, _ in found], language)
    forms = [_spoken(signal_form(stored, alarm_ids), language) for stored, alarm_ids in found]
    return page([{**form, "rules": acts.get(form["id"], [])} for form in forms], limit)


async def _acts(house: Services, actor: Actor, signal_ids: list[str], language: str) -> dict[str, list[dict[str, Any]]]:
    """Return what rules did to signals, to whom may read incidents."""
    if house.rules is None or not signal_ids or not actor.may(Permission.READ_INCIDENTS):
        return {}
    found, _ = await house.rules.acts(ActFilter(signal_ids=tuple(signal_ids)), actor=actor, limit=LIMIT_MOST)
    acts: dict[str, list[dict[str, Any]]] = {}
    for act in found:
        acts.setdefault(act.signal_id, []).append(spoken(act.form(), language))
    return acts


def _spoken(form: dict[str, Any], language: str) -> dict[str, Any]:
    reason = form["quarantine"]
    form["quarantine_words"] = WORDS.text(reason, language) if reason else ""
    for event in form["events"]:
        spoken(event, language)
    return form
