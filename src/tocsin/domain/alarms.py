"""Alarms: signals that ask for a decision. Separate from the incident: a restore never closes one by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import EventKind, NormalEvent

# Below this priority a fault asks nothing of an operator: it is an event, not an alarm.
LAST_FAULT_PRIORITY = 5
LAST_GRAVE_PRIORITY = 2
_FAULTS = frozenset({EventKind.TROUBLE, EventKind.SUPERVISION})
_CALM = frozenset({EventKind.RESTORE, EventKind.TEST, EventKind.LOG, EventKind.STATUS, EventKind.CANCEL})


class AlarmState(StrEnum):
    """How an alarm stands."""

    OPEN = "open"
    RESTORED = "restored"
    CLOSED = "closed"


ALARM_TRANSITIONS: Mapping[AlarmState, frozenset[AlarmState]] = {
    AlarmState.OPEN: frozenset({AlarmState.RESTORED, AlarmState.CLOSED}),
    AlarmState.RESTORED: frozenset({AlarmState.CLOSED}),
    AlarmState.CLOSED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm with its timestamps t0 (the device's word), t1, t2 and t4. `channel_id`: the picture that raised it."""

    id: str
    number: str
    signal_id: str
    incident_id: str
    device_id: str | None
    zone_id: str | None
    place_id: str | None
    jurisdiction_id: str
    jurisdiction_code: str
    kind: str
    code_system: str
    code: str
    priority: int
    label_en: str
    label_zh: str
    area: str
    zone: str
    text: str
    state: AlarmState
    occurred_at: datetime | None
    received_at: datetime
    committed_at: datetime
    restored_at: datetime | None = None
    presented_at: datetime | None = None
    channel_id: str | None = None

    def moved_to(self, state: AlarmState, now: datetime) -> Alarm:
        """Return the alarm in another state. Errors: CONFLICT when the table forbids it."""
        if state not in ALARM_TRANSITIONS[self.state]:
            raise TocsinError(ErrorCode.CONFLICT, f"an alarm cannot go from {self.state} to {state}", key="alarm_state")
        if state is AlarmState.RESTORED:
            return replace(self, state=state, restored_at=now)
        return replace(self, state=state)


def asks_for_decision(event: NormalEvent) -> bool:
    """Say whether an event is an alarm: somebody must act on it.

    Alarms always; faults that weaken protection; and anything grave (an opening under duress). What asks nothing of an
    operator is an event. Source: dispatch reference, alarm-management figures (ISA-18.2 definition).
    """
    if event.kind is EventKind.ALARM:
        return True
    if event.kind in _FAULTS:
        return event.priority <= LAST_FAULT_PRIORITY
    return event.priority <= LAST_GRAVE_PRIORITY and event.kind not in _CALM


def zone_key(number: str) -> str:
    """Return a zone number as the registry keeps it: without leading zeros (`003` and `3` are one detector)."""
    return number.lstrip("0") or ("0" if number else "")
