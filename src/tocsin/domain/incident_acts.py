"""What people do to an incident: each function is one use case on a transaction, with one audit record for the act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.domain.access import Actor, Permission, is_supervisor_of, scope
from tocsin.domain.account_desk import of_incident
from tocsin.domain.accounts import AccountContact, CallOutcome
from tocsin.domain.events import (
    ActUndone,
    AlarmClosed,
    ContactCalled,
    IncidentClosed,
    IncidentParked,
    IncidentPresented,
    IncidentReleased,
    IncidentReopened,
    NoteAdded,
    StampCorrected,
    StepDone,
    StepSkipped,
    VerdictGiven,
)
from tocsin.domain.forms import alarm_form
from tocsin.domain.incident_desk import Desk
from tocsin.domain.incident_detail import IncidentDetail, Note, NoteKind
from tocsin.domain.incidents import Incident, Source, StampName, Verdict
from tocsin.domain.plans import StepKind, check_by_hand
from tocsin.domain.refusals import require
from tocsin.domain.views import end_views

MAX_NOTE_CHARS = 4_000
NOTE_STAMPS = {NoteKind.REPORT: StampName.FIRST_REPORT, NoteKind.UNDER_CONTROL: StampName.UNDER_CONTROL}


def claim(tx: Any, incident_id: str, actor: Actor, version: int) -> Incident:
    """Take an incident in hand, or renew the lease; a supervisor may relieve the owner."""
    desk = Desk.open(tx, incident_id, actor, version)
    desk.take(actor, may_relieve=True)
    return desk.finish()


def release(tx: Any, incident_id: str, actor: Actor, version: int) -> Incident:
    """Give an incident back; a supervisor may free anybody's."""
    desk = Desk.open(tx, incident_id, actor, version)
    supervises = is_supervisor_of(actor, desk.incident.jurisdiction_code, incident_id)
    desk.incident = desk.incident.released(actor.id, tx.now, may_relieve=supervises)
    desk.add(lambda i: IncidentReleased(**desk.common(i)))
    return desk.finish()


def decide_verdict(tx: Any, incident_id: str, actor: Actor, version: int, verdict: Verdict, cause: str) -> Incident:
    """Say what the alarm was (t7); completes the verdict step; can be taken back for five seconds."""
    desk = Desk.open(tx, incident_id, actor, version)
    desk.work(actor)
    before = desk.incident
    desk.incident = before.decided(verdict, cause, tx.now)
    desk.stamp(StampName.VERDICT, Source.OPERATOR, once=False)
    desk.add(lambda i: VerdictGiven(verdict=verdict.value, cause=cause, **desk.common(i)))
    done = desk.complete(StepKind.VERDICT, "verdict")
    if desk.incident.undo is not None:
        desk.incident = replace(desk.incident, undo=replace(desk.incident.undo, steps=tuple(done)))
    return desk.finish()


def complete_step(tx: Any, incident_id: str, n: int, actor: Actor, version: int, note: str, skip: bool) -> Incident:
    """Complete or skip a step of the plan by hand."""
    desk = Desk.open(tx, incident_id, actor, version)
    _check_text(note, may_be_empty=True)
    desk.work(actor)
    step = check_by_hand(desk.standings(), n, skip=skip, note=note)
    desk.change_step(
        replace(
            step, is_done=not skip, is_skipped=skip, done_at=tx.now, done_by=actor.id, note=note.strip() or step.note
        )
    )
    if skip:
        desk.add(lambda i: StepSkipped(step=n, **desk.common(i)))
    else:
        desk.add(lambda i: StepDone(step=n, by="hand", **desk.common(i)))
    return desk.finish()


def park(tx: Any, incident_id: str, actor: Actor, version: int, until: datetime, reason: str) -> Incident:
    """Let an incident rest until a time; it returns by itself; can be taken back for five seconds."""
    desk = Desk.open(tx, incident_id, actor, version)
    desk.work(actor)
    desk.incident = desk.incident.parked(until, reason, tx.now)
    desk.add(lambda i: IncidentParked(until=until, reason=reason, **desk.common(i)))
    return desk.finish()


def undo(tx: Any, incident_id: str, actor: Actor, version: int) -> Incident:
    """Take back a verdict or a parking of the last five seconds."""
    desk = Desk.open(tx, incident_id, actor, version)
    taken_back = desk.incident.undo
    desk.incident = desk.incident.undone(actor.id, tx.now)
    what = taken_back.what if taken_back else ""
    if what == "verdict" and taken_back is not None:
        desk.withdraw(StampName.VERDICT)
        for step in desk.steps:
            if step.n in taken_back.steps:
                desk.change_step(replace(step, is_done=False, done_at=None, done_by=""))
    desk.add(lambda i: ActUndone(what=what, **desk.common(i)))
    return desk.finish()


def add_note(tx: Any, incident_id: str, actor: Actor, version: int, text: str, kind: NoteKind) -> Incident:
    """Write something down; a report begins the work on scene (t13), `under_control` keeps t14.

    Anybody who handles incidents there may write, whoever holds the claim.
    """
    desk = Desk.open(tx, incident_id, actor, version)
    _check_text(text, may_be_empty=False)
    note = Note(new_id(), incident_id, tx.now, actor.id, kind, text.strip())
    tx.incidents.add_note(note)
    if kind in NOTE_STAMPS:
        if not desk.incident.has_stamp(StampName.ON_SCENE):
            raise TocsinError(ErrorCode.CONFLICT, "no unit has been on scene yet", key="not_on_scene")
        desk.stamp(NOTE_STAMPS[kind], Source.OPERATOR)
        desk.incident = desk.incident.reported()
    if desk.incident.holder(tx.now) == actor.id:
        desk.take(actor)
    desk.add(lambda i: NoteAdded(note_id=note.id, kind=kind.value, **desk.common(i)))
    return desk.finish()


def note_call(
    tx: Any, incident_id: str, actor: Actor, version: int, device_id: str, contact_id: str, outcome: CallOutcome
) -> Incident:
    """Write down what came of calling a contact of an account whose alarm this is.

    Anybody who handles incidents there may, whoever holds the claim. Errors: NOT_FOUND, CONFLICT.
    """
    desk = Desk.open(tx, incident_id, actor, version)
    of_incident(tx, actor, device_id, incident_id)
    contact: AccountContact | None = tx.accounts.contact(contact_id)
    if contact is None or contact.device_id != device_id:
        raise TocsinError(ErrorCode.NOT_FOUND, f"no contact {contact_id}")
    if desk.incident.holder(tx.now) == actor.id:
        desk.take(actor)
    desk.add(
        lambda i: ContactCalled(
            device_id=device_id,
            contact_id=contact_id,
            rank=contact.rank,
            role=contact.role,
            called=outcome.value,
            **desk.common(i),
        )
    )
    return desk.finish()


def close(tx: Any, incident_id: str, actor: Actor, version: int, disposition: str) -> Incident:
    """Close an incident (t16) when nothing blocks it. A false alarm closes on its cause alone.

    Errors: BLOCKED with `steps`, what is missing in both languages.
    """
    desk = Desk.open(tx, incident_id, actor, version)
    desk.work(actor)
    desk.incident = desk.incident.with_cause_of(disposition)
    blocks = desk.incident.blocks(desk.standings(), tx.incidents.assignments(incident_id), disposition=disposition)
    if blocks:
        raise TocsinError(
            ErrorCode.BLOCKED,
            "the incident cannot be closed yet",
            steps=[{"key": b.key, "n": b.step, "en": b.en, "zh": b.zh} for b in blocks],
        )
    desk.incident = desk.incident.closed(disposition, tx.now)
    desk.stamp(StampName.CLOSED, Source.OPERATOR, once=False)
    ended = end_views(tx, tx.views.of_incident(incident_id), reason="incident_closed", by=actor.ref)
    desk.add(
        lambda i: IncidentClosed(
            verdict=i.verdict.value, disposition=i.disposition, cause=i.cause, ended_views=ended, **desk.common(i)
        )
    )
    for alarm in tx.alarms.close_of(incident_id):
        desk.add_other(
            AlarmClosed(
                subject_id=alarm.id,
                at=tx.now,
                jurisdiction_code=alarm.jurisdiction_code,
                actor=actor.ref,
                data=alarm_form(alarm),
            )
        )
    return desk.finish()


def reopen(tx: Any, incident_id: str, actor: Actor, version: int, reason: str) -> Incident:
    """Open a closed incident again: a supervisor's act, with a reason."""
    desk = Desk.open(tx, incident_id, actor, version, Permission.SUPERVISE_INCIDENT)
    _check_text(reason, may_be_empty=False, field="reason")
    desk.incident = desk.incident.reopened()
    desk.withdraw(StampName.CLOSED)
    desk.add(lambda i: IncidentReopened(reason=reason.strip(), **desk.common(i)))
    return desk.finish()


def correct_stamp(
    tx: Any, incident_id: str, actor: Actor, version: int, name: StampName, at: datetime, reason: str
) -> Incident:
    """Correct a timestamp by hand: a supervisor's act; the first value stays beside it."""
    desk = Desk.open(tx, incident_id, actor, version, Permission.SUPERVISE_INCIDENT)
    _check_text(reason, may_be_empty=False, field="reason")
    if at > tx.now:
        raise TocsinError(ErrorCode.INVALID, "this time has not come yet", field="at")
    desk.correct(name, at, reason.strip())
    desk.add(lambda i: StampCorrected(stamp=name.value, corrected_to=at, reason=reason.strip(), **desk.common(i)))
    return desk.finish()


def present(tx: Any, incident_ids: Sequence[str], actor: Actor) -> int:
    """Keep when incidents were first shown on a console (t4); those out of scope are passed over; return how many."""
    count = 0
    visible = scope(actor, Permission.READ_INCIDENTS)
    for incident in tx.incidents.load(set(incident_ids)).values():
        if not visible.covers(incident.jurisdiction_code, incident.id) or incident.has_stamp(StampName.PRESENTED):
            continue
        desk = Desk(tx, incident, actor.ref)
        desk.stamp(StampName.PRESENTED, Source.CONSOLE)
        tx.alarms.present(incident.id, tx.now)
        desk.add(lambda i, desk=desk: IncidentPresented(seat=actor.seat, **desk.common(i)))  # type: ignore[misc]
        desk.finish_quietly()
        count += 1
    return count


def detail(tx: Any, incident_id: str, actor: Actor) -> IncidentDetail:
    """Return an incident with everything that hangs on it. Errors: FORBIDDEN, NOT_FOUND."""
    visible = require(actor, Permission.READ_INCIDENTS)
    incident = tx.incidents.get(incident_id, visible_to=visible)
    desk = Desk(tx, incident, actor.ref)
    assignments = tx.incidents.assignments(incident_id)
    standings = desk.standings()
    return IncidentDetail(
        incident=incident,
        alarms=tuple(tx.alarms.of_incident(incident_id)),
        accounts=tuple(tx.incidents.accounts(incident_id)),
        channel_ids=tx.incidents.linked_channels(incident_id),
        steps=standings,
        assignments=tuple(assignments),
        notes=tuple(tx.incidents.notes(incident_id)),
        stamp_rows=tuple(tx.incidents.stamps(incident_id)),
        history=tuple(tx.incidents.history(incident_id)),
        blocked_by=incident.blocks(standings, assignments) if incident.is_open else (),
        near=None if incident.point is None else tx.incidents.nearest_place(incident.point, visible_to=visible),
    )


def _check_text(text: str, *, may_be_empty: bool, field: str = "text") -> None:
    if len(text) > MAX_NOTE_CHARS:
        raise TocsinError(ErrorCode.INVALID, f"at most {MAX_NOTE_CHARS} characters", field=field)
    if not may_be_empty and not text.strip():
        raise TocsinError(ErrorCode.INVALID, "write something", field=field)
