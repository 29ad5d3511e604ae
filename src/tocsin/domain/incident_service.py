"""The use cases of incidents as the web and the workers call them.

Each act is one transaction and answers the incident as it is after the commit; a refusal is audited first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from tocsin.domain import dispatch, incident_acts, incident_clock
from tocsin.domain.access import Actor, Permission
from tocsin.domain.accounts import CallOutcome
from tocsin.domain.alarms import Alarm
from tocsin.domain.assignments import AssignmentState
from tocsin.domain.incident_detail import AlarmFilter, IncidentDetail, IncidentFilter, NoteKind, SignalFilter
from tocsin.domain.incidents import Incident, StampName, Verdict
from tocsin.domain.outages import outage_page
from tocsin.domain.refusals import UseCases, require
from tocsin.domain.signals import StoredSignal


class IncidentService(UseCases):
    """Incidents, their alarms and signals."""

    # --- reading ---

    async def get(self, incident_id: str, *, actor: Actor) -> IncidentDetail:
        """Return an incident with everything that hangs on it. Errors: FORBIDDEN, NOT_FOUND."""
        return await self._store.read(incident_acts.detail, incident_id, actor)

    async def find(self, wanted: IncidentFilter, *, actor: Actor, limit: int = 100) -> list[Incident]:
        """Return incidents newest first; the cursor is the id of the last one. Errors: FORBIDDEN."""
        return await self._store.read(_find, wanted, actor, limit)

    async def alarms(self, wanted: AlarmFilter, *, actor: Actor, limit: int = 100) -> list[Alarm]:
        """Return alarms newest first; the cursor is the id of the last one. Errors: FORBIDDEN."""
        return await self._store.read(_find_alarms, wanted, actor, limit)

    async def alarm(self, alarm_id: str, *, actor: Actor) -> Alarm:
        """Return one alarm. Errors: FORBIDDEN, NOT_FOUND."""
        return await self._store.read(_get_alarm, alarm_id, actor)

    async def signals(
        self, wanted: SignalFilter, *, actor: Actor, limit: int = 100
    ) -> list[tuple[StoredSignal, tuple[str, ...]]]:
        """Return signals newest last, each with the ids of its alarms; none of duress to who handles no incidents.

        Errors: FORBIDDEN.
        """
        return await self._store.read(_find_signals, wanted, actor, limit)

    async def signal(self, signal_id: str, *, actor: Actor) -> tuple[StoredSignal, tuple[str, ...]]:
        """Return one signal with the ids of its alarms. Errors: FORBIDDEN, NOT_FOUND."""
        return await self._store.read(_get_signal, signal_id, actor)

    async def outage(self, incident_id: str, *, actor: Actor, after: str = "", limit: int = 100) -> dict[str, object]:
        """Return the outage an incident stands for and a page of its devices. Errors: FORBIDDEN, NOT_FOUND."""
        return await self._store.read(outage_page, incident_id, actor, after, limit)

    async def alarm_count_since(self, since: datetime, *, actor: Actor) -> int:
        """Return how many alarms came in since a time, within the actor's scope."""
        return await self._store.read(_count_alarms, since, actor)

    # --- acts ---

    async def claim(self, incident_id: str, *, actor: Actor, version: int) -> IncidentDetail:
        """Take an incident in hand for the lease time; a supervisor may relieve the owner.

        Errors: NOT_FOUND when absent or outside the actor's scope; CONFLICT when somebody else holds it or the version
        is stale.
        """
        return await self._done(
            "incident.claimed", incident_id, actor, incident_acts.claim, incident_id, actor, version
        )

    async def release(self, incident_id: str, *, actor: Actor, version: int) -> IncidentDetail:
        """Give an incident back. Errors: NOT_FOUND, CONFLICT."""
        return await self._done(
            "incident.released", incident_id, actor, incident_acts.release, incident_id, actor, version
        )

    async def give_verdict(
        self, incident_id: str, *, actor: Actor, version: int, verdict: Verdict, cause: str = ""
    ) -> IncidentDetail:
        """Say genuine, false (with a cause) or unsure. Errors: NOT_FOUND, CONFLICT, INVALID."""
        return await self._done(
            "incident.verdict",
            incident_id,
            actor,
            incident_acts.decide_verdict,
            incident_id,
            actor,
            version,
            verdict,
            cause,
        )

    async def complete_step(
        self, incident_id: str, n: int, *, actor: Actor, version: int, note: str = "", skip: bool = False
    ) -> IncidentDetail:
        """Complete or skip a step by hand. Errors: NOT_FOUND, CONFLICT, INVALID."""
        return await self._done(
            "incident.step_skipped" if skip else "incident.step_done",
            incident_id,
            actor,
            incident_acts.complete_step,
            incident_id,
            n,
            actor,
            version,
            note,
            skip,
        )

    async def assign(self, incident_id: str, unit_id: str, *, actor: Actor, version: int) -> IncidentDetail:
        """Send a unit. Errors: NOT_FOUND, CONFLICT."""
        return await self._done(
            "incident.unit_assigned", incident_id, actor, dispatch.assign, incident_id, unit_id, actor, version
        )

    async def advance_assignment(
        self, incident_id: str, assignment_id: str, *, actor: Actor, version: int, state: AssignmentState
    ) -> IncidentDetail:
        """Record what a sent unit said. Errors: NOT_FOUND, CONFLICT."""
        return await self._done(
            "incident.assignment_advanced",
            incident_id,
            actor,
            dispatch.advance,
            incident_id,
            assignment_id,
            state,
            actor,
            version,
        )

    async def park(
        self, incident_id: str, *, actor: Actor, version: int, until: datetime, reason: str
    ) -> IncidentDetail:
        """Let an incident rest until a time within the limit of its priority. Errors: NOT_FOUND, CONFLICT, INVALID."""
        return await self._done(
            "incident.parked", incident_id, actor, incident_acts.park, incident_id, actor, version, until, reason
        )

    async def undo(self, incident_id: str, *, actor: Actor, version: int) -> IncidentDetail:
        """Take back a verdict or parking of the last five seconds. Errors: NOT_FOUND, CONFLICT."""
        return await self._done("incident.undone", incident_id, actor, incident_acts.undo, incident_id, actor, version)

    async def add_note(
        self, incident_id: str, *, actor: Actor, version: int, text: str, kind: NoteKind = NoteKind.NOTE
    ) -> IncidentDetail:
        """Write something down. Errors: NOT_FOUND, CONFLICT, INVALID."""
        return await self._done(
            "incident.note_added", incident_id, actor, incident_acts.add_note, incident_id, actor, version, text, kind
        )

    async def note_call(
        self, incident_id: str, *, actor: Actor, version: int, device_id: str, contact_id: str, outcome: CallOutcome
    ) -> IncidentDetail:
        """Write down what came of calling a contact. Errors: NOT_FOUND, CONFLICT."""
        return await self._done(
            "incident.called",
            incident_id,
            actor,
            incident_acts.note_call,
            incident_id,
            actor,
            version,
            device_id,
            contact_id,
            outcome,
        )

    async def close(self, incident_id: str, *, actor: Actor, version: int, disposition: str = "") -> IncidentDetail:
        """Close an incident. Errors: NOT_FOUND, CONFLICT, INVALID, BLOCKED with what is missing."""
        return await self._done(
            "incident.closed", incident_id, actor, incident_acts.close, incident_id, actor, version, disposition
        )

    async def reopen(self, incident_id: str, *, actor: Actor, version: int, reason: str) -> IncidentDetail:
        """Open a closed incident again (supervisor). Errors: FORBIDDEN, NOT_FOUND, CONFLICT, INVALID."""
        return await self._done(
            "incident.reopened", incident_id, actor, incident_acts.reopen, incident_id, actor, version, reason
        )

    async def correct_stamp(
        self, incident_id: str, *, actor: Actor, version: int, stamp: StampName, at: datetime, reason: str
    ) -> IncidentDetail:
        """Correct a timestamp with a reason (supervisor). Errors: FORBIDDEN, NOT_FOUND, CONFLICT, INVALID."""
        return await self._done(
            "incident.stamp_corrected",
            incident_id,
            actor,
            incident_acts.correct_stamp,
            incident_id,
            actor,
            version,
            stamp,
            at,
            reason,
        )

    async def presented(self, incident_ids: Sequence[str], *, actor: Actor) -> int:
        """Keep when incidents were first shown on a console (t4); return how many were shown for the first time."""
        if not incident_ids:
            return 0
        return await self._store.run(incident_acts.present, tuple(incident_ids), actor)

    # --- timed work ---

    async def run_timed(self) -> dict[str, int]:
        """Do what time asks for: leases, parked incidents, late steps, absent operators; return how many of each."""
        return {
            "leases": await self._store.run(incident_clock.expire_leases),
            "returned": await self._store.run(incident_clock.return_parked),
            "overdue": await self._store.run(incident_clock.announce_overdue),
            "unattended": await self._store.run(incident_clock.announce_unattended),
        }

    async def _done(self, asked: str, incident_id: str, actor: Actor, work: Any, *args: Any) -> IncidentDetail:
        """Run an act, then read the incident with its newest history. What an actor may do it may also read."""
        await self._act(asked, "incident", incident_id, actor, work, *args)
        return await self._store.read(incident_acts.detail, incident_id, actor)


def _find(tx: Any, wanted: IncidentFilter, actor: Actor, limit: int) -> list[Incident]:
    found: list[Incident] = tx.incidents.find(wanted, visible_to=require(actor, Permission.READ_INCIDENTS), limit=limit)
    return found


def _find_alarms(tx: Any, wanted: AlarmFilter, actor: Actor, limit: int) -> list[Alarm]:
    found: list[Alarm] = tx.alarms.find(wanted, visible_to=require(actor, Permission.READ_INCIDENTS), limit=limit)
    return found


def _get_alarm(tx: Any, alarm_id: str, actor: Actor) -> Alarm:
    found: Alarm = tx.alarms.get(alarm_id, visible_to=require(actor, Permission.READ_INCIDENTS))
    return found


def _count_alarms(tx: Any, since: datetime, actor: Actor) -> int:
    found: int = tx.alarms.count_since(since, visible_to=require(actor, Permission.READ_INCIDENTS))
    return found


def _find_signals(
    tx: Any, wanted: SignalFilter, actor: Actor, limit: int
) -> list[tuple[StoredSignal, tuple[str, ...]]]:
    wanted = replace(wanted, without_silent=not actor.may(Permission.READ_INCIDENTS))
    found = tx.signals.find(wanted, visible_to=require(actor, Permission.READ_REGISTRY), limit=limit)
    alarm_ids = tx.signals.alarm_ids([stored.id for stored in found])
    return [(stored, alarm_ids.get(stored.id, ())) for stored in found]


def _get_signal(tx: Any, signal_id: str, actor: Actor) -> tuple[StoredSignal, tuple[str, ...]]:
    stored = tx.signals.get(
        signal_id,
        visible_to=require(actor, Permission.READ_REGISTRY),
        without_silent=not actor.may(Permission.READ_INCIDENTS),
    )
    return stored, tx.signals.alarm_ids([signal_id]).get(signal_id, ())
