"""What happens on an incident, as rows: plan steps, sent units, notes, timestamps, numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, insert, or_, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.assignments import Assignment, AssignmentState
from tocsin.domain.incident_detail import AccountRef, HistoryEntry, Note, NoteKind
from tocsin.domain.incidents import Stamp
from tocsin.domain.plans import Applies, DueFrom, IncidentStep, StepKind
from tocsin.storage.bulk import Bulk
from tocsin.storage.tables_alarms import alarms, assignments, counters, incident_notes, incident_steps, stamps
from tocsin.storage.tables_people import users, views
from tocsin.storage.tables_plans import units
from tocsin.storage.tables_proof import audit
from tocsin.storage.tables_registry import devices

_ASSIGNMENTS = select(assignments, units.c.name.label("unit_name")).select_from(
    assignments.outerjoin(units, units.c.id == assignments.c.unit_id)
)


class IncidentWork:
    """The tables around an incident; `storage/incidents.py` adds the incident itself."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- steps ---

    def insert_steps(self, rows: Sequence[tuple[str, IncidentStep]]) -> None:
        """Add steps, each with the id of its incident."""
        _ADD_STEPS.run(
            self._connection, [(incident_id, step.n, *_step_values(step).values()) for incident_id, step in rows]
        )

    def steps(self, incident_id: str) -> tuple[IncidentStep, ...]:
        """Return the steps of an incident in order."""
        rows = self._connection.execute(
            select(incident_steps).where(incident_steps.c.incident_id == incident_id).order_by(incident_steps.c.n)
        )
        return tuple(_step(row) for row in rows)

    def save_steps(self, incident_id: str, steps: Sequence[IncidentStep]) -> None:
        """Write what became of steps."""
        if steps:
            self._connection.execute(
                _SAVE_STEP,
                [
                    {
                        "b_incident_id": incident_id,
                        "b_n": step.n,
                        "b_state": _step_state(step),
                        "b_done_at_us": optional_us(step.done_at),
                        "b_done_by": step.done_by or None,
                        "b_note": step.note,
                        "b_overdue_at_us": optional_us(step.overdue_at),
                    }
                    for step in steps
                ],
            )

    # --- units ---

    def assignments(self, incident_id: str) -> list[Assignment]:
        """Return the units sent to an incident in the order they were sent."""
        rows = self._connection.execute(
            _ASSIGNMENTS.where(assignments.c.incident_id == incident_id).order_by(assignments.c.id)
        )
        return [_assignment(row) for row in rows]

    def assignment_of_unit(self, unit_id: str) -> Assignment | None:
        """Return the assignment a unit is on."""
        row = self._connection.execute(
            _ASSIGNMENTS.where(and_(assignments.c.unit_id == unit_id, assignments.c.ended_at_us.is_(None)))
            .order_by(assignments.c.id.desc())
            .limit(1)
        ).one_or_none()
        return None if row is None else _assignment(row)

    def add_assignment(self, assignment: Assignment) -> None:
        """Add a sent unit."""
        self._connection.execute(
            insert(assignments).values(
                id=assignment.id,
                incident_id=assignment.incident_id,
                unit_id=assignment.unit_id,
                sent_at_us=to_us(assignment.sent_at),
                **_assignment_values(assignment),
            )
        )

    def save_assignment(self, assignment: Assignment) -> None:
        """Write how far a sent unit is."""
        self._connection.execute(
            update(assignments).where(assignments.c.id == assignment.id).values(**_assignment_values(assignment))
        )

    # --- notes and timestamps ---

    def add_note(self, note: Note) -> None:
        """Add a note."""
        self._connection.execute(
            insert(incident_notes).values(
                id=note.id,
                incident_id=note.incident_id,
                at_us=to_us(note.at),
                user_id=note.user_id,
                kind=note.kind.value,
                text=note.text,
            )
        )

    def notes(self, incident_id: str) -> list[Note]:
        """Return the notes of an incident, oldest first."""
        rows = self._connection.execute(
            select(incident_notes, users.c.name.label("user_name"))
            .select_from(incident_notes.outerjoin(users, users.c.id == incident_notes.c.user_id))
            .where(incident_notes.c.incident_id == incident_id)
            .order_by(incident_notes.c.id)
        )
        return [
            Note(
                row.id,
                row.incident_id,
                from_us(row.at_us),
                row.user_id,
                NoteKind(row.kind),
                row.text,
                row.user_name or "",
            )
            for row in rows
        ]

    def add_stamps(self, rows: Sequence[tuple[str, Stamp]]) -> None:
        """Add timestamps, each with the id of its incident."""
        _ADD_STAMPS.run(
            self._connection,
            [
                (incident_id, stamp.stamp, to_us(stamp.at), stamp.source, stamp.who, stamp.reason, stamp.is_withdrawn)
                for incident_id, stamp in rows
            ],
        )

    def stamps(self, incident_id: str) -> list[Stamp]:
        """Return every timestamp row of an incident in the order written, corrected and withdrawn ones too."""
        rows = self._connection.execute(select(stamps).where(stamps.c.incident_id == incident_id).order_by(stamps.c.id))
        return [
            Stamp(row.stamp, from_us(row.at_us), row.source, row.who, row.reason, bool(row.withdrawn)) for row in rows
        ]

    def accounts(self, incident_id: str) -> list[AccountRef]:
        """Return the devices whose alarms belong to an incident."""
        rows = self._connection.execute(
            select(devices.c.id, devices.c.name, devices.c.name_en, devices.c.account, devices.c.gb_id)
            .where(devices.c.id.in_(select(alarms.c.device_id).where(alarms.c.incident_id == incident_id)))
            .order_by(devices.c.account, devices.c.id)
        )
        return [AccountRef(row.id, row.name, row.name_en, row.account or row.gb_id) for row in rows]

    def history(self, incident_id: str, limit: int = 500) -> list[HistoryEntry]:
        """Return what the audit keeps of an incident and of the views it gave, oldest first."""
        rows = self._connection.execute(
            select(audit, users.c.name.label("actor_name"))
            .select_from(audit.outerjoin(users, users.c.id == audit.c.actor_id))
            .where(
                or_(
                    audit.c.subject_id == incident_id,
                    audit.c.subject_id.in_(select(views.c.id).where(views.c.incident_id == incident_id)),
                )
            )
            .order_by(audit.c.seq.desc())
            .limit(limit)
        ).all()
        return [
            HistoryEntry(
                row.seq,
                from_us(row.at_us),
                row.actor_kind,
                row.actor_id,
                row.actor_name or "",
                row.action,
                row.outcome,
                row.detail,
            )
            for row in reversed(rows)
        ]

    # --- numbers ---

    def counters(self, names: Collection[str]) -> dict[str, int]:
        """Return the last number given of each counter; 0 when none was."""
        if not names:
            return {}
        wanted = counters.c.name.in_(sorted(names))
        rows = self._connection.execute(select(counters.c.name, counters.c.value).where(wanted))
        given = {row.name: row.value for row in rows}
        return {name: given.get(name, 0) for name in names}

    def save_counters(self, before: Mapping[str, int], after: Mapping[str, int]) -> None:
        """Write counters that have grown; one that stood at 0 is new."""
        new = [{"name": name, "value": value} for name, value in after.items() if not before[name]]
        if new:
            self._connection.execute(insert(counters), new)
        _COUNT.run(self._connection, [(name, value) for name, value in after.items() if before[name]])

    def find_assignment(self, incident_id: str, assignment_id: str) -> Assignment:
        """Return one sent unit of an incident. Errors: NOT_FOUND."""
        found = next((a for a in self.assignments(incident_id) if a.id == assignment_id), None)
        if found is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no assignment {assignment_id}")
        return found

    def active_units(self, incident_ids: Collection[str]) -> dict[str, int]:
        """Return how many units are still assigned, by incident."""
        counts: dict[str, int] = {}
        if incident_ids:
            rows = self._connection.execute(
                select(assignments.c.incident_id).where(
                    assignments.c.incident_id.in_(sorted(incident_ids)), assignments.c.ended_at_us.is_(None)
                )
            )
            for row in rows:
                counts[row.incident_id] = counts.get(row.incident_id, 0) + 1
        return counts


_COUNT = Bulk.change(counters.c.name, ("value",))
_ADD_STAMPS = Bulk.into(stamps, ("incident_id", "stamp", "at_us", "source", "who", "reason", "withdrawn"))
_ADD_STEPS = Bulk.into(
    incident_steps,
    (
        "incident_id", "n", "title_en", "title_zh", "kind", "mandatory", "applies", "due_s", "due_from", "state",
        "done_at_us", "done_by", "note", "overdue_at_us",
    ),
)  # fmt: skip
_SAVE_STEP = (
    update(incident_steps)
    .where(incident_steps.c.incident_id == bindparam("b_incident_id"), incident_steps.c.n == bindparam("b_n"))
    .values(
        state=bindparam("b_state"),
        done_at_us=bindparam("b_done_at_us"),
        done_by=bindparam("b_done_by"),
        note=bindparam("b_note"),
        overdue_at_us=bindparam("b_overdue_at_us"),
    )
)


def _step_state(step: IncidentStep) -> str:
    if step.is_done:
        return "done"
    return "skipped" if step.is_skipped else "waiting"


def _step_values(step: IncidentStep) -> dict[str, object]:
    return {
        "title_en": step.title_en,
        "title_zh": step.title_zh,
        "kind": step.kind.value,
        "mandatory": step.mandatory,
        "applies": step.applies.value,
        "due_s": step.due_s,
        "due_from": step.due_from.value,
        "state": _step_state(step),
        "done_at_us": optional_us(step.done_at),
        "done_by": step.done_by or None,
        "note": step.note,
        "overdue_at_us": optional_us(step.overdue_at),
    }


def _step(row: Row[Any]) -> IncidentStep:
    return IncidentStep(
        n=row.n,
        title_en=row.title_en,
        title_zh=row.title_zh,
        kind=StepKind(row.kind),
        mandatory=bool(row.mandatory),
        applies=Applies(row.applies),
        due_s=row.due_s,
        due_from=DueFrom(row.due_from),
        is_done=row.state == "done",
        is_skipped=row.state == "skipped",
        done_at=optional_from_us(row.done_at_us),
        done_by=row.done_by or "",
        note=row.note,
        overdue_at=optional_from_us(row.overdue_at_us),
    )


def _assignment_values(assignment: Assignment) -> dict[str, object]:
    return {
        "state": assignment.state.value,
        "delivered_at_us": optional_us(assignment.delivered_at),
        "accepted_at_us": optional_us(assignment.accepted_at),
        "en_route_at_us": optional_us(assignment.en_route_at),
        "on_scene_at_us": optional_us(assignment.on_scene_at),
        "ended_at_us": optional_us(assignment.ended_at),
        "source": assignment.source,
    }


def _assignment(row: Row[Any]) -> Assignment:
    return Assignment(
        id=row.id,
        incident_id=row.incident_id,
        unit_id=row.unit_id,
        state=AssignmentState(row.state),
        sent_at=from_us(row.sent_at_us),
        delivered_at=optional_from_us(row.delivered_at_us),
        accepted_at=optional_from_us(row.accepted_at_us),
        en_route_at=optional_from_us(row.en_route_at_us),
        on_scene_at=optional_from_us(row.on_scene_at_us),
        ended_at=optional_from_us(row.ended_at_us),
        source=row.source,
        unit_name=row.unit_name or "",
    )
