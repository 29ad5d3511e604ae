"""Alarm rules: their versions, a rule tried on past signals, what rules did, and repairs they propose."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import to_us
from tocsin.domain.access import Actor, Permission
from tocsin.domain.alarm_rules import KNOBS, MAX_PAIRS, WITH_PAIRS, Method, Rule, tidy_pairs
from tocsin.domain.alarms import zone_key
from tocsin.domain.rule_acts import ActFilter, Repair
from tocsin.domain.rule_service import RuleService
from tocsin.domain.rule_trials import DEFAULT_DAYS, MAX_DAYS, RuleTrials
from tocsin.web.api.shapes import (
    After,
    Filter,
    In,
    Limit,
    Moment,
    Out,
    Page,
    Words_,
    listed,
    page,
    reply,
    spoken,
    words_of,
)
from tocsin.web.deps import House, Language, allowed

router = APIRouter(prefix="/api/v1/rules", tags=["rules"])
Reader = Annotated[Actor, allowed(Permission.READ_INCIDENTS)]
Manager = Annotated[Actor, allowed(Permission.MANAGE_PLANS)]
Decider = Annotated[Actor, allowed(Permission.HANDLE_INCIDENT)]
Name = Annotated[str, Field(max_length=100)]
Reason = Annotated[str, Field(min_length=1, max_length=500)]
Zone = Annotated[str, Field(max_length=64)]


class RuleIn(In):
    """A rule as it shall be from now on; `version_no` is the version its sender knows, 0 enters a new one."""

    version_no: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    method: Method
    name: Name
    name_en: Name = ""
    jurisdiction_code: Annotated[str, Field(pattern="^[0-9]{0,12}$", description="empty: the whole house")] = ""
    device_id: Annotated[str, Field(max_length=36)] = ""
    zone: Zone = ""
    knobs: Annotated[dict[str, int], Field(max_length=10)] = {}
    pairs: Annotated[list[Annotated[list[Zone], Field(min_length=2, max_length=2)]], Field(max_length=MAX_PAIRS)] = []
    is_on: bool = True
    is_exempt: bool = False
    owner: Name
    until: Moment
    reason: Reason


class TrialIn(In):
    """A rule to be tried on the signals of the last days; `id` when it is a change of one."""

    id: Annotated[str, Field(max_length=36)] = ""
    rule: RuleIn
    days: Annotated[int, Field(ge=1, le=MAX_DAYS)] = DEFAULT_DAYS


class RepairDecision(In):
    """What becomes of a proposed repair, with a note."""

    state: Annotated[str, Field(pattern="^(accepted|dismissed)$")]
    note: Reason


class RuleOut(Out):
    """A rule in one version: where it counts, its settings, who answers for it, until when, and why."""

    id: str
    method: str
    version_no: int
    name: str
    name_en: str
    jurisdiction_code: str
    device_id: str
    zone: str
    knobs: dict[str, int]
    pairs: list[list[str]]
    is_on: bool
    is_exempt: bool
    owner: str
    until: str
    reason: str
    made_at: str | None
    made_by: str


class MethodOut(Out):
    """What a rule may do, with its settings, their defaults and bounds."""

    method: str
    has_pairs: bool
    knobs: list[dict[str, Any]]


class RuleActOut(Out):
    """What a rule did to an event: which version, who answers for it, until when, and what came of it."""

    id: str
    rule_id: str
    version_no: int
    rule_name: str
    owner: str
    method: str
    what: str
    words: str
    signal_id: str
    event_no: int
    device_id: str
    device_name: str
    zone: str
    label: str
    priority: int
    raised_priority: int
    received_at: str
    acted_at: str
    until: str | None
    ended_at: str | None
    alarm_id: str | None


class TrialOut(Out):
    """A rule being tried: how far, counts before and after, and the newest differences once it is done."""

    id: str
    state: str
    problem: str
    signals: int
    devices: int
    devices_total: int
    alarms_before: int
    alarms_after: int
    repairs_before: int
    repairs_after: int
    differences: int
    kinds: dict[str, int]
    listed: list[dict[str, Any]]


class RepairOut(Out):
    """A repair a rule proposes, and what was decided."""

    id: str
    method: str
    rule_id: str
    version_no: int
    device_id: str
    device_name: str
    zone: str
    opened_at: str
    last_at: str
    times: int
    state: str
    decided_by: str
    note: str


def _rules(house: House) -> RuleService:
    if house.rules is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "alarm rules are not kept here")
    return house.rules


def _trials(house: House) -> RuleTrials:
    if house.rule_trials is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "alarm rules are not kept here")
    return house.rule_trials


def _rule(rule_id: str, body: RuleIn) -> Rule:
    return Rule(
        id=rule_id,
        method=body.method,
        version_no=body.version_no,
        name=body.name,
        name_en=body.name_en,
        jurisdiction_code=body.jurisdiction_code,
        device_id=body.device_id,
        zone=zone_key(body.zone.strip()),
        knobs=body.knobs,
        pairs=tidy_pairs(body.pairs),
        is_on=body.is_on,
        is_exempt=body.is_exempt,
        owner=body.owner.strip(),
        until_us=to_us(body.until),
        reason=body.reason.strip(),
    )


# --- rules ------------------------------------------------------------------------------------------------------------


@router.get("", response_model=Page[RuleOut])
async def list_rules(house: House, actor: Reader) -> Response:
    """List the rules that touch what the caller sees, in their current version, by name."""
    found, names = await _rules(house).find(actor=actor)
    return listed([{**rule.form(), **_device(names, rule.device_id)} for rule in found], None)


@router.get("/methods", response_model=Page[MethodOut])
async def list_rule_methods(house: House, actor: Reader) -> Response:
    """List what rules may do, with settings, defaults and bounds."""
    return listed(
        [
            {"method": method.value, "has_pairs": method in WITH_PAIRS, "knobs": [knob.form() for knob in knobs]}
            for method, knobs in KNOBS.items()
        ],
        None,
    )


@router.get("/acts", response_model=Page[RuleActOut])
async def list_rule_acts(
    house: House,
    actor: Reader,
    language: Language,
    what: Words_ = "",
    rule_id: Filter = "",
    device_id: Filter = "",
    signal_id: Filter = "",
    alarm_id: Words_ = "",
    received_from: Annotated[Moment | None, Query(alias="from")] = None,
    received_to: Annotated[Moment | None, Query(alias="to")] = None,
    after: After = "",
    limit: Limit = 100,
) -> Response:
    """List what rules did to events, newest first; `what=held` lists what waits now. Several words by commas."""
    wanted = ActFilter(
        words_of(what),
        rule_id,
        device_id,
        (signal_id,) if signal_id else (),
        words_of(alarm_id),
        received_from,
        received_to,
        after,
    )
    found, names = await _rules(house).acts(wanted, actor=actor, limit=limit)
    return page([spoken({**act.form(), **_device(names, act.device_id)}, language) for act in found], limit)


@router.get("/repairs", response_model=Page[RepairOut])
async def list_repairs(
    house: House,
    actor: Reader,
    state: Annotated[str, Query(pattern="^(open|accepted|dismissed)?$")] = "",
    after: After = "",
    limit: Limit = 100,
) -> Response:
    """List repairs that rules propose, newest first."""
    found, names = await _rules(house).repairs(state, actor=actor, before=after, limit=limit)
    return page([one.form(names) for one in found], limit)


@router.post("/repairs/{repair_id}/decide", response_model=RepairOut)
async def decide_repair(repair_id: str, house: House, actor: Decider, body: RepairDecision) -> Response:
    """Take a proposed repair up, or dismiss it. Errors: invalid, not_found, conflict."""
    decided: Repair
    decided, names = await _rules(house).decide_repair(repair_id, body.state, body.note, actor=actor)
    return reply(decided.form(names))


@router.post("/trials", response_model=TrialOut, status_code=201)
async def start_rule_trial(house: House, actor: Manager, language: Language, body: TrialIn) -> Response:
    """Begin to try a rule on past signals, without saving it. Errors: invalid, forbidden, not_found."""
    rule = _rule(body.id or "new", body.rule)
    trial = await _trials(house).start(rule, actor=actor, days=body.days)
    return reply(_trial(trial.form(), language), 201)


@router.get("/trials/{trial_id}", response_model=TrialOut)
async def read_rule_trial(trial_id: str, house: House, actor: Manager, language: Language) -> Response:
    """Say how far a trial is and, once it is done, which alarms would differ. Errors: not_found."""
    return reply(_trial(_trials(house).get(trial_id, actor=actor).form(), language))


@router.delete("/trials/{trial_id}", status_code=204)
async def stop_rule_trial(trial_id: str, house: House, actor: Manager) -> Response:
    """End a trial and forget it. Errors: not_found."""
    trials = _trials(house)
    await trials.stop(trials.get(trial_id, actor=actor).id)
    return Response(status_code=204)


@router.get("/{rule_id}/versions", response_model=Page[RuleOut])
async def list_rule_versions(rule_id: str, house: House, actor: Reader) -> Response:
    """List every version of a rule, newest first: who made it, when and why. Errors: not_found."""
    found = await _rules(house).versions(rule_id, actor=actor)
    return listed([rule.form() for rule in found], None)


@router.put("/{rule_id}", response_model=RuleOut)
async def save_rule(
    rule_id: Annotated[str, Field(max_length=36)], house: House, actor: Manager, body: RuleIn
) -> Response:
    """Make a version of a rule; it counts from the next signal on. Errors: invalid, forbidden, not_found, conflict."""
    saved = await _rules(house).save(_rule(rule_id, body), actor=actor, version_no=body.version_no)
    return reply(saved.form())


def _device(names: dict[str, tuple[str, str]], device_id: str) -> dict[str, object]:
    name, name_en = names.get(device_id, ("", ""))
    return {"device_name": name, "device_name_en": name_en}


def _trial(form: dict[str, Any], language: str) -> dict[str, Any]:
    for one in form["listed"]:
        spoken(one, language)
    return form
