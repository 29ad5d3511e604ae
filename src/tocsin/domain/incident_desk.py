"""One act on one incident inside a transaction: load, take in hand, change, stamp, save, record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from tocsin.domain.access import SYSTEM, Actor, ActorRef, Permission, is_supervisor_of
from tocsin.domain.events import (
    Fact,
    IncidentAttended,
    IncidentClaimed,
    StepDone,
)
from tocsin.domain.forms import incident_form
from tocsin.domain.incidents import Incident, Source, Stamp, StampName
from tocsin.domain.notices import UNATTENDED, Notice
from tocsin.domain.plans import IncidentStep, StepKind, StepStanding, next_deadline, stand
from tocsin.domain.refusals import require
from tocsin.domain.views import end_views

FactOf = Callable[[Incident], Fact]


class Desk:
    """Holds an incident while a use case works on it; `finish` writes everything and records the facts in order."""

    def __init__(self, tx: Any, incident: Incident, who: ActorRef) -> None:
        self.tx = tx
        self.now: datetime = tx.now
        self.incident = incident
        self.who = who
        self._steps: tuple[IncidentStep, ...] | None = None
        self._changed_steps: dict[int, IncidentStep] = {}
        self._stamps: list[Stamp] = []
        self._facts: list[FactOf] = []
        self._other_facts: list[Fact] = []

    @classmethod
    def open(
        cls,
        tx: Any,
        incident_id: str,
        actor: Actor,
        version: int,
        permission: Permission = Permission.HANDLE_INCIDENT,
    ) -> Desk:
        """Load an incident for an act of `actor`. Errors: FORBIDDEN, NOT_FOUND, CONFLICT when stale."""
        incident = tx.incidents.get(incident_id, visible_to=require(actor, permission))
        incident.expect(version)
        return cls(tx, incident, actor.ref)

    @classmethod
    def of_house(cls, tx: Any, incident: Incident) -> Desk:
        """Return a desk for the house's own timed work."""
        return cls(tx, incident, SYSTEM)

    # --- steps ---

    @property
    def steps(self) -> tuple[IncidentStep, ...]:
        """The steps of the incident, with what this act changed."""
        if self._steps is None:
            self._steps = self.tx.incidents.steps(self.incident.id)
        return tuple(self._changed_steps.get(step.n, step) for step in self._steps)

    def standings(self) -> tuple[StepStanding, ...]:
        """How each step stands now."""
        return stand(self.steps, verdict=self.incident.verdict.value, opened_at=self.incident.opened_at, now=self.now)

    def change_step(self, step: IncidentStep) -> None:
        """Note a changed step."""
        self._changed_steps[step.n] = step

    def complete(self, kind: StepKind, by: str) -> list[int]:
        """Complete the undone steps of a kind by what they waited for; return their numbers."""
        done = [step for step in self.steps if step.kind is kind and not step.is_done]
        for step in done:
            self.change_step(replace(step, is_done=True, is_skipped=False, done_at=self.now, done_by=self.who.id))
            self.add(lambda i, n=step.n: StepDone(step=n, by=by, **self.common(i)))  # type: ignore[misc]
        return [step.n for step in done]

    # --- stamps and facts ---

    def stamp(self, name: StampName, source: Source, *, once: bool = True, at: datetime | None = None) -> None:
        """Keep a moment; with `once` the first one stays."""
        if once and self.incident.has_stamp(name):
            return
        who = "" if source is Source.SERVER else self.who.id
        self._put(Stamp(name.value, at or self.now, source.value, who))

    def withdraw(self, name: StampName) -> None:
        """Withdraw the newest row of a moment; the one before it counts again."""
        if not self.incident.has_stamp(name):
            return
        rows: list[Stamp] = self.tx.incidents.stamps(self.incident.id)
        self._put(Stamp(name.value, self.now, Source.OPERATOR.value, self.who.id, "undone", is_withdrawn=True))
        standing: list[Stamp] = []
        for row in rows:
            if row.stamp != name.value:
                continue
            if row.is_withdrawn:
                standing = standing[:-1]
            else:
                standing.append(row)
        if len(standing) > 1:
            self.incident = self.incident.stamped([standing[-2]])

    def correct(self, name: StampName, at: datetime, reason: str) -> None:
        """Add a corrected moment beside the first."""
        self._put(Stamp(name.value, at, Source.OPERATOR.value, self.who.id, reason))

    def _put(self, stamp: Stamp) -> None:
        self._stamps.append(stamp)
        self.incident = self.incident.stamped([stamp])

    def add(self, fact: FactOf) -> None:
        """Add a fact about the incident, made of it as saved."""
        self._facts.append(fact)

    def add_other(self, fact: Fact) -> None:
        """Add a fact about something else."""
        self._other_facts.append(fact)

    def common(self, incident: Incident) -> dict[str, Any]:
        """Return what every fact of this act says."""
        return {
            "subject_id": incident.id,
            "at": self.now,
            "jurisdiction_code": incident.jurisdiction_code,
            "actor": self.who,
            "data": incident_form(incident),
        }

    # --- the claim ---

    def take(self, actor: Actor, *, may_relieve: bool = False) -> None:
        """Take the incident in the actor's hand, or renew the lease; views of others end when it changes hands.

        Errors: CONFLICT when closed or somebody else holds it.
        """
        holder = self.incident.holder(self.now)
        relieves = may_relieve and is_supervisor_of(actor, self.incident.jurisdiction_code, self.incident.id)
        taken = self.incident.claimed(actor.id, actor.name, self.now, may_relieve=relieves)
        self.incident = taken
        if holder == actor.id:
            return
        self.stamp(StampName.CLAIMED, Source.OPERATOR)
        ended = end_views(
            self.tx,
            self.tx.views.of_incident_for_others(self.incident.id, actor.id),
            reason="claimed",
            by=self.who,
        )
        self.add(
            lambda i: IncidentClaimed(
                lease_expires_at=i.lease_until or self.now, taken_from=holder or "", ended_views=ended, **self.common(i)
            )
        )
        if self.incident.unattended_at is not None:
            self._clear_notice()

    def _clear_notice(self) -> None:
        """End the notice that nobody had taken the incident in hand."""
        notice: Notice | None = self.tx.notices.find(UNATTENDED, self.incident.id)
        if notice is None:
            return
        cleared = self.tx.notices.clear(notice, self.now)
        self.add_other(
            IncidentAttended(
                subject_id=self.incident.id,
                at=self.now,
                jurisdiction_code=self.incident.jurisdiction_code,
                actor=self.who,
                number=self.incident.number,
                data=cleared.form(),
            )
        )

    def work(self, actor: Actor) -> None:
        """Begin an act that only the owner may do: a free incident is claimed by it; what was before stays."""
        self.take(actor)
        self.incident = replace(self.incident, undo=None)

    # --- writing ---

    def finish(self) -> Incident:
        """Write the incident, steps, stamps and facts; return it as saved. Errors: CONFLICT when stale."""
        self._write_parts()
        self.incident = self.tx.incidents.save(self.incident)
        self._record()
        return self.incident

    def finish_quietly(self) -> Incident:
        """Write what a machine noticed, without a new version: nobody's view of the incident becomes stale."""
        self._write_parts()
        self.tx.incidents.save_quietly(self.incident)
        self._record()
        return self.incident

    def _write_parts(self) -> None:
        incident = self.incident
        deadline = None
        if incident.is_open:
            deadline = next_deadline(self.steps, verdict=incident.verdict.value, opened_at=incident.opened_at)
        self.incident = replace(incident, next_deadline_at=deadline)
        self.tx.incidents.save_steps(incident.id, list(self._changed_steps.values()))
        self.tx.incidents.add_stamps([(incident.id, stamp) for stamp in self._stamps])

    def _record(self) -> None:
        self.tx.record_many([make(self.incident) for make in self._facts])
        self.tx.record_many(self._other_facts)
