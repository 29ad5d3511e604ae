"""Timed work on incidents: leases run out, parked ones return, late steps and absent operators are announced."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tocsin.base.ids import new_id
from tocsin.domain.events import IncidentReturned, IncidentUnattended, LeaseExpired, StepOverdue
from tocsin.domain.incident_desk import Desk
from tocsin.domain.notices import UNATTENDED, Notice, Severity

UNATTENDED_AFTER = timedelta(seconds=30)
UNATTENDED_PRIORITY = 1


def expire_leases(tx: Any) -> int:
    """Free incidents whose owner did nothing for the length of the lease; return how many."""
    late = tx.incidents.with_expired_lease(tx.now)
    for incident in late:
        desk = Desk.of_house(tx, incident)
        owner_id = incident.owner_id or ""
        desk.incident = incident.freed()
        desk.add(lambda i, desk=desk, owner_id=owner_id: LeaseExpired(owner_id=owner_id, **desk.common(i)))  # type: ignore[misc]
        desk.finish()
    return len(late)


def return_parked(tx: Any) -> int:
    """Return parked incidents whose time has come to the queue; return how many."""
    due = tx.incidents.parked_until(tx.now)
    for incident in due:
        desk = Desk.of_house(tx, incident)
        desk.incident = incident.returned()
        desk.add(lambda i, desk=desk: IncidentReturned(because="time", **desk.common(i)))  # type: ignore[misc]
        desk.finish()
    return len(due)


def announce_overdue(tx: Any) -> int:
    """Announce, once each, steps that passed their time undone; return how many."""
    count = 0
    for incident in tx.incidents.past_deadline(tx.now):
        desk = Desk.of_house(tx, incident)
        late = [s for s in desk.standings() if s.is_overdue and s.step.overdue_at is None]
        for standing in late:
            step, due_at = standing.step, standing.due_at or tx.now
            desk.change_step(replace(step, overdue_at=tx.now))
            desk.add(
                lambda i, desk=desk, n=step.n, due_at=due_at: StepOverdue(step=n, due_at=due_at, **desk.common(i))  # type: ignore[misc]
            )
        if late:
            desk.finish_quietly()
        count += len(late)
    return count


def announce_unattended(tx: Any) -> int:
    """Announce, once each, gravest incidents nobody took in hand in time; return how many."""
    late = tx.incidents.unattended(tx.now - UNATTENDED_AFTER, UNATTENDED_PRIORITY)
    for incident in late:
        desk = Desk.of_house(tx, incident)
        desk.incident = replace(incident, unattended_at=tx.now)
        notice = Notice(
            new_id(),
            UNATTENDED,
            Severity.CRITICAL.value,
            tx.now,
            incident.id,
            incident.jurisdiction_code,
            {"number": incident.number},
        )
        tx.notices.add(notice)
        desk.add_other(
            IncidentUnattended(
                subject_id=incident.id,
                at=tx.now,
                jurisdiction_code=incident.jurisdiction_code,
                number=incident.number,
                data=notice.form(),
            )
        )
        desk.finish_quietly()
    return len(late)
