"""Sending units: assignment, what the unit says afterwards, and a unit's own state, each moving the other along."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.domain.access import Actor, ActorRef, Permission
from tocsin.domain.assignments import (
    ASSIGNMENT_STATE_OF,
    ASSIGNMENT_TRANSITIONS,
    UNIT_STATE_OF,
    Assignment,
    AssignmentState,
)
from tocsin.domain.events import AssignmentAdvanced, Fact, UnitAdded, UnitAssigned, UnitChanged, UnitMoved
from tocsin.domain.forms import unit_form
from tocsin.domain.incident_desk import Desk
from tocsin.domain.incidents import Incident, IncidentState, Source, StampName
from tocsin.domain.plans import StepKind
from tocsin.domain.refusals import require
from tocsin.domain.units import NEEDS_REASON, WORKING, Unit, UnitState

_STAMP_OF = {
    AssignmentState.ACCEPTED: StampName.ACKNOWLEDGED,
    AssignmentState.EN_ROUTE: StampName.EN_ROUTE,
    AssignmentState.ON_SCENE: StampName.ON_SCENE,
}
KINDS = frozenset({"car", "foot", "motorcycle"})


def assign(tx: Any, incident_id: str, unit_id: str, actor: Actor, version: int) -> Incident:
    """Send a free unit to an incident (t9). Errors: CONFLICT when the unit is not free or somebody else holds it."""
    desk = Desk.open(tx, incident_id, actor, version)
    desk.work(actor)
    unit: Unit = tx.units.get(unit_id, visible_to=require(actor, Permission.HANDLE_INCIDENT))
    sent = tx.units.save(unit.sent_to(incident_id, tx.now))
    assignment = Assignment(new_id(), incident_id, unit_id, AssignmentState.SENT, tx.now, source=Source.OPERATOR.value)
    tx.incidents.add_assignment(assignment)
    desk.incident = desk.incident.driven(tx.incidents.assignments(incident_id))
    desk.stamp(StampName.ASSIGNED, Source.OPERATOR)
    desk.add(lambda i: UnitAssigned(assignment_id=assignment.id, unit_id=unit_id, **desk.common(i)))
    desk.add_other(_changed(sent, unit, desk.now, actor.ref, Source.OPERATOR))
    return desk.finish()


def advance(
    tx: Any, incident_id: str, assignment_id: str, state: AssignmentState, actor: Actor, version: int
) -> Incident:
    """Record what a sent unit said. Anybody who handles incidents there may, whoever holds the claim."""
    desk = Desk.open(tx, incident_id, actor, version)
    assignment = tx.incidents.find_assignment(incident_id, assignment_id)
    unit = tx.units.load({assignment.unit_id}).get(assignment.unit_id)
    if desk.incident.holder(tx.now) == actor.id:
        desk.take(actor)
    _carry(desk, assignment, state, Source.OPERATOR)
    if unit is not None and unit.incident_id == incident_id:
        followed = tx.units.save(unit.following(UNIT_STATE_OF[state], tx.now))
        desk.add_other(_changed(followed, unit, desk.now, actor.ref, Source.OPERATOR))
    return desk.finish()


def _carry(desk: Desk, assignment: Assignment, state: AssignmentState, source: Source) -> None:
    """Move an assignment on, and the incident, its stamps and steps with it."""
    tx = desk.tx
    moved = assignment.advanced(state, desk.now, source.value)
    tx.incidents.save_assignment(moved)
    if (name := _STAMP_OF.get(state)) is not None:
        desk.stamp(name, source)
    desk.incident = desk.incident.driven(tx.incidents.assignments(desk.incident.id))
    if desk.incident.state is IncidentState.CLEARED:
        desk.stamp(StampName.CLEARED, source, once=False)
    desk.add(
        lambda i: AssignmentAdvanced(
            assignment_id=moved.id, unit_id=moved.unit_id, state=state.value, source=source.value, **desk.common(i)
        )
    )
    if moved.was_accepted:
        desk.complete(StepKind.ASSIGN, "accepted")


def set_unit(tx: Any, unit_id: str, state: UnitState, reason: str, actor: Actor, version: int, source: Source) -> Unit:
    """Set a unit's state by hand or by its own button; a unit on an incident carries its assignment along."""
    unit: Unit = tx.units.get(unit_id, visible_to=require(actor, Permission.SET_UNIT))
    unit.expect(version)
    moved = unit.moved_to(state, tx.now, reason)
    assignment: Assignment | None = tx.incidents.assignment_of_unit(unit_id)
    if assignment is not None and state not in WORKING and state not in (UnitState.EMERGENCY, UnitState.CONTACT_LOST):
        moved = replace(moved, incident_id=None)
    saved: Unit = tx.units.save(moved)
    tx.record(_changed(saved, unit, tx.now, actor.ref, source))
    if assignment is not None and (wanted := _wanted(assignment, state)) is not None:
        incident = tx.incidents.load({assignment.incident_id}).get(assignment.incident_id)
        if incident is not None and incident.is_open:
            desk = Desk(tx, incident, actor.ref)
            _carry(desk, assignment, wanted, source)
            desk.finish()
    return saved


def _wanted(assignment: Assignment, state: UnitState) -> AssignmentState | None:
    """Return where a unit's own state takes its assignment: nowhere when it does not lead forward."""
    wanted = ASSIGNMENT_STATE_OF.get(state)
    if wanted is None and state in NEEDS_REASON:
        wanted = AssignmentState.RECALLED
    return wanted if wanted in ASSIGNMENT_TRANSITIONS[assignment.state] else None


def move_unit(tx: Any, unit_id: str, lon: float, lat: float, fix_at: datetime) -> Unit | None:
    """Note where a unit is; an older fix than the one kept changes nothing."""
    unit = tx.units.load({unit_id}).get(unit_id)
    if unit is None or (unit.fix_at is not None and unit.fix_at >= fix_at):
        return None
    moved: Unit = replace(unit, lon=lon, lat=lat, fix_at=fix_at)
    tx.units.save_position(moved)
    tx.record(
        UnitMoved(subject_id=unit_id, at=tx.now, jurisdiction_code=moved.jurisdiction_code, data=unit_form(moved))
    )
    return moved


def add_unit(tx: Any, unit: Unit, actor: Actor) -> Unit:
    """Enter a unit. Errors: FORBIDDEN; NOT_FOUND outside the actor's jurisdictions; INVALID."""
    allowed = require(actor, Permission.MANAGE_REGISTRY)
    if not allowed.covers(unit.jurisdiction_code):
        raise TocsinError(ErrorCode.NOT_FOUND, f"no jurisdiction {unit.jurisdiction_id}")
    if not unit.name.strip() or not unit.call_sign.strip():
        raise TocsinError(ErrorCode.INVALID, "a unit has a name and a call sign", field="call_sign")
    if unit.kind not in KINDS:
        raise TocsinError(ErrorCode.INVALID, f"no unit kind {unit.kind}", field="kind")
    tx.units.add(unit)
    tx.record(
        UnitAdded(
            subject_id=unit.id,
            at=tx.now,
            jurisdiction_code=unit.jurisdiction_code,
            actor=actor.ref,
            call_sign=unit.call_sign,
            data=unit_form(unit),
        )
    )
    return unit


def _changed(unit: Unit, before: Unit, now: datetime, who: ActorRef, source: Source) -> Fact:
    return UnitChanged(
        subject_id=unit.id,
        at=now,
        jurisdiction_code=unit.jurisdiction_code,
        actor=who,
        state=unit.state.value,
        previous=before.state.value,
        reason=unit.state_reason,
        source=source.value,
        incident_id=unit.incident_id or before.incident_id or "",
        data=unit_form(unit),
    )
