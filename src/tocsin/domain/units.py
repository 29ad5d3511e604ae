"""Units, their canonical states, and what being sent to an incident does to them.

A local name for a state is a matter of words; every unit is in one of these. Source: dispatch reference, Unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.dispositions import Choice


class UnitState(StrEnum):
    """Where a unit stands."""

    OFF_DUTY = "off_duty"
    AVAILABLE = "available"
    RESERVED = "reserved"
    DISPATCHED = "dispatched"
    ACKNOWLEDGED = "acknowledged"
    EN_ROUTE = "en_route"
    STAGED = "staged"
    ON_SCENE = "on_scene"
    TRANSPORTING = "transporting"
    AT_FACILITY = "at_facility"
    BUSY_INTERRUPTIBLE = "busy_interruptible"
    BUSY = "busy"
    MEAL = "meal"
    OUT_OF_SERVICE = "out_of_service"
    EMERGENCY = "emergency"
    CONTACT_LOST = "contact_lost"


S = UnitState
_FREE = frozenset({S.AVAILABLE, S.BUSY_INTERRUPTIBLE, S.BUSY, S.MEAL, S.RESERVED, S.OUT_OF_SERVICE, S.OFF_DUTY})
_ALWAYS = frozenset({S.EMERGENCY, S.CONTACT_LOST})
_WORK_END = frozenset({S.AVAILABLE, S.OUT_OF_SERVICE})

# From each state, the states a person or the unit itself may set next.
UNIT_TRANSITIONS: Mapping[UnitState, frozenset[UnitState]] = {
    S.OFF_DUTY: frozenset({S.AVAILABLE, S.OUT_OF_SERVICE}),
    S.AVAILABLE: (_FREE | _ALWAYS | {S.DISPATCHED}) - {S.AVAILABLE},
    S.RESERVED: (_FREE | _ALWAYS | {S.DISPATCHED}) - {S.RESERVED},
    S.BUSY_INTERRUPTIBLE: (_FREE | _ALWAYS | {S.DISPATCHED}) - {S.BUSY_INTERRUPTIBLE},
    S.BUSY: (_FREE | _ALWAYS) - {S.BUSY},
    S.MEAL: (_FREE | _ALWAYS) - {S.MEAL},
    S.OUT_OF_SERVICE: frozenset({S.AVAILABLE, S.OFF_DUTY}) | _ALWAYS,
    S.DISPATCHED: frozenset({S.ACKNOWLEDGED, S.EN_ROUTE, S.STAGED, S.ON_SCENE}) | _WORK_END | _ALWAYS,
    S.ACKNOWLEDGED: frozenset({S.EN_ROUTE, S.STAGED, S.ON_SCENE}) | _WORK_END | _ALWAYS,
    S.EN_ROUTE: frozenset({S.STAGED, S.ON_SCENE}) | _WORK_END | _ALWAYS,
    S.STAGED: frozenset({S.EN_ROUTE, S.ON_SCENE}) | _WORK_END | _ALWAYS,
    S.ON_SCENE: frozenset({S.TRANSPORTING, S.AT_FACILITY}) | _WORK_END | _ALWAYS,
    S.TRANSPORTING: frozenset({S.AT_FACILITY, S.ON_SCENE}) | _WORK_END | _ALWAYS,
    S.AT_FACILITY: frozenset({S.TRANSPORTING, S.ON_SCENE}) | _WORK_END | _ALWAYS,
    S.EMERGENCY: frozenset(S) - {S.EMERGENCY, S.OFF_DUTY},
    S.CONTACT_LOST: frozenset(S) - {S.CONTACT_LOST},
}

ASSIGNABLE = frozenset({S.AVAILABLE, S.RESERVED, S.BUSY_INTERRUPTIBLE})
WORKING = frozenset({S.DISPATCHED, S.ACKNOWLEDGED, S.EN_ROUTE, S.STAGED, S.ON_SCENE, S.TRANSPORTING, S.AT_FACILITY})
NEEDS_REASON = frozenset({S.OUT_OF_SERVICE})

UNIT_STATES: tuple[Choice, ...] = (
    Choice("off_duty", "Off duty", "下勤"),
    Choice("available", "Available", "待命"),
    Choice("reserved", "Reserved", "预派"),
    Choice("dispatched", "Dispatched", "已派警"),
    Choice("acknowledged", "Accepted", "已签收"),
    Choice("en_route", "En route", "已出警"),
    Choice("staged", "Staged nearby", "外围待命"),
    Choice("on_scene", "On scene", "已到达"),
    Choice("transporting", "Transporting", "押送途中"),
    Choice("at_facility", "At facility", "已到移交地点"),
    Choice("busy_interruptible", "Busy, may be called", "在忙（可调派）"),
    Choice("busy", "Busy", "在忙"),
    Choice("meal", "Meal or rest", "用餐或休息"),
    Choice("out_of_service", "Out of service", "停用"),
    Choice("emergency", "Emergency (SOS)", "紧急求助"),
    Choice("contact_lost", "Contact lost", "失去联系"),
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A crew that can be sent. Position in degrees WGS-84 with the time of its fix.

    `on_duty_since` is None off duty, and of a unit that has been on duty ever since it was entered.
    """

    id: str
    name: str
    call_sign: str
    kind: str
    jurisdiction_id: str
    jurisdiction_code: str
    name_en: str = ""
    crew: int = 1
    state: UnitState = UnitState.AVAILABLE
    state_reason: str = ""
    state_since: datetime | None = None
    lon: float | None = None
    lat: float | None = None
    fix_at: datetime | None = None
    incident_id: str | None = None
    on_duty_since: datetime | None = None
    version: int = 1

    def expect(self, version: int) -> None:
        """Refuse a stale writer. Errors: CONFLICT with `current_version`."""
        if version != self.version:
            raise TocsinError(
                ErrorCode.CONFLICT, f"unit {self.id} has changed", key="stale", current_version=self.version
            )

    def moved_to(self, state: UnitState, now: datetime, reason: str = "") -> Unit:
        """Return the unit in another state, as a person or the unit reports it.

        Errors: CONFLICT when the table forbids it; INVALID when a reason is missing.
        """
        if state is self.state:
            return replace(self, state_reason=reason or self.state_reason)
        if state not in UNIT_TRANSITIONS[self.state]:
            raise TocsinError(
                ErrorCode.CONFLICT,
                f"a unit cannot go from {self.state} to {state}",
                key="unit_state",
                state=self.state.value,
                wanted=state.value,
            )
        if state in NEEDS_REASON and not reason.strip():
            raise TocsinError(ErrorCode.INVALID, "say why the unit is out of service", field="reason")
        if state is UnitState.OFF_DUTY:
            return replace(self, state=state, state_reason=reason, state_since=now, on_duty_since=None)
        since = now if self.state is UnitState.OFF_DUTY else self.on_duty_since
        return replace(self, state=state, state_reason=reason, state_since=now, on_duty_since=since)

    def sent_to(self, incident_id: str, now: datetime) -> Unit:
        """Return the unit dispatched to an incident. Errors: CONFLICT when it is not free."""
        if self.incident_id is not None or self.state not in ASSIGNABLE:
            raise TocsinError(
                ErrorCode.CONFLICT,
                f"unit {self.call_sign} is {self.state}",
                key="unit_not_free",
                state=self.state.value,
            )
        return replace(self, state=UnitState.DISPATCHED, state_reason="", state_since=now, incident_id=incident_id)

    def has_duty_at(self, moment: datetime) -> bool:
        """Say whether the unit is on duty, and was at that moment."""
        if self.state is UnitState.OFF_DUTY:
            return False
        return self.on_duty_since is None or moment >= self.on_duty_since

    def following(self, state: UnitState, now: datetime) -> Unit:
        """Return the unit as its assignment carries it along; SOS, lost contact and out of service are left alone."""
        incident_id = None if state is UnitState.AVAILABLE else self.incident_id
        if self.state not in WORKING:
            return replace(self, incident_id=incident_id)
        return replace(self, state=state, state_reason="", state_since=now, incident_id=incident_id)
