"""A unit sent to an incident: forward only, and each state moves the unit and the incident with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.units import UnitState


class AssignmentState(StrEnum):
    """How far a sent unit is."""

    SENT = "sent"
    DELIVERED = "delivered"
    ACCEPTED = "accepted"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    CLEARED = "cleared"
    RECALLED = "recalled"


A = AssignmentState
_ORDER = (A.SENT, A.DELIVERED, A.ACCEPTED, A.EN_ROUTE, A.ON_SCENE, A.CLEARED)

# Forward only; a state may be jumped over because a radio message can be missed. Recall is possible until cleared.
ASSIGNMENT_TRANSITIONS: Mapping[AssignmentState, frozenset[AssignmentState]] = {
    A.SENT: frozenset({A.DELIVERED, A.ACCEPTED, A.EN_ROUTE, A.ON_SCENE, A.CLEARED, A.RECALLED}),
    A.DELIVERED: frozenset({A.ACCEPTED, A.EN_ROUTE, A.ON_SCENE, A.CLEARED, A.RECALLED}),
    A.ACCEPTED: frozenset({A.EN_ROUTE, A.ON_SCENE, A.CLEARED, A.RECALLED}),
    A.EN_ROUTE: frozenset({A.ON_SCENE, A.CLEARED, A.RECALLED}),
    A.ON_SCENE: frozenset({A.CLEARED, A.RECALLED}),
    A.CLEARED: frozenset(),
    A.RECALLED: frozenset(),
}

UNIT_STATE_OF: Mapping[AssignmentState, UnitState] = {
    A.SENT: UnitState.DISPATCHED,
    A.DELIVERED: UnitState.DISPATCHED,
    A.ACCEPTED: UnitState.ACKNOWLEDGED,
    A.EN_ROUTE: UnitState.EN_ROUTE,
    A.ON_SCENE: UnitState.ON_SCENE,
    A.CLEARED: UnitState.AVAILABLE,
    A.RECALLED: UnitState.AVAILABLE,
}

# The other way: what a unit's own report means for its assignment. States not named here leave it alone.
ASSIGNMENT_STATE_OF: Mapping[UnitState, AssignmentState] = {
    UnitState.ACKNOWLEDGED: A.ACCEPTED,
    UnitState.EN_ROUTE: A.EN_ROUTE,
    UnitState.ON_SCENE: A.ON_SCENE,
    UnitState.AVAILABLE: A.CLEARED,
}


@dataclass(frozen=True, slots=True)
class Assignment:
    """A unit sent to an incident, with the time of each state."""

    id: str
    incident_id: str
    unit_id: str
    state: AssignmentState
    sent_at: datetime
    delivered_at: datetime | None = None
    accepted_at: datetime | None = None
    en_route_at: datetime | None = None
    on_scene_at: datetime | None = None
    ended_at: datetime | None = None
    source: str = "operator"
    unit_name: str = ""

    @property
    def is_active(self) -> bool:
        """True until cleared or recalled."""
        return self.state not in (A.CLEARED, A.RECALLED)

    @property
    def was_accepted(self) -> bool:
        """True once the unit said yes, in words or by moving."""
        return self.accepted_at is not None or self.en_route_at is not None or self.on_scene_at is not None

    def advanced(self, state: AssignmentState, now: datetime, source: str) -> Assignment:
        """Return the assignment one state on. Errors: CONFLICT when the table forbids it."""
        if state not in ASSIGNMENT_TRANSITIONS[self.state]:
            raise TocsinError(
                ErrorCode.CONFLICT,
                f"an assignment cannot go from {self.state} to {state}",
                key="assignment_state",
                state=self.state.value,
                wanted=state.value,
            )
        if state is A.DELIVERED:
            return replace(self, state=state, source=source, delivered_at=now)
        if state is A.ACCEPTED:
            return replace(self, state=state, source=source, accepted_at=now)
        if state is A.EN_ROUTE:
            return replace(self, state=state, source=source, en_route_at=now)
        if state is A.ON_SCENE:
            return replace(self, state=state, source=source, on_scene_at=now)
        return replace(self, state=state, source=source, ended_at=now)


def furthest(assignments: Sequence[Assignment]) -> AssignmentState | None:
    """Return how far the units of an incident are together: None without any that counts, CLEARED when all are free.

    A unit that was on scene and left keeps the incident on scene while one works that was sent before it left; one sent
    afterwards begins anew. A recalled unit never counts.
    """
    counting = [a for a in assignments if a.state is not A.RECALLED]
    active = [a for a in counting if a.is_active]
    if not active:
        return A.CLEARED if counting else None
    since = min(a.sent_at for a in active)
    has_left = any(
        a.on_scene_at is not None and a.ended_at is not None and a.ended_at > since for a in counting if not a.is_active
    )
    reached = [a.state for a in active] + ([A.ON_SCENE] if has_left else [])
    return max(reached, key=_ORDER.index)
