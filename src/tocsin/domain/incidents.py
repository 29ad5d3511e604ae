"""The incident: its states, claim, verdict and timestamps, as rules on a value.

Three fields carry what others mix: `state` (how far the work is), the owner (a claim with a lease) and `verdict`.
Each act returns a new value or refuses; storing, auditing and telling is the service's.
Source: dispatch reference, Incident, and Timestamps that must be kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from operator import attrgetter

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.domain.assignments import Assignment, AssignmentState, furthest
from tocsin.domain.dispositions import (
    DISPOSITIONS,
    FALSE_CAUSES,
    PARK_REASONS,
    Block,
    block,
    disposition_of_cause,
    is_choice,
    park_limit,
)
from tocsin.domain.incident_points import IncidentPoint
from tocsin.domain.plans import StepStanding, undone_mandatory

LEASE = timedelta(seconds=120)
UNDO_WINDOW = timedelta(seconds=5)
GROUP_WINDOW = timedelta(minutes=10)
SYSTEM_KIND = "unprocessed"  # of an incident about the house itself; not a category: no alarm can be of this kind


class IncidentState(StrEnum):
    """How far the work is."""

    NEW = "new"
    PENDING = "pending"
    PARKED = "parked"
    DISPATCHED = "dispatched"
    ACKNOWLEDGED = "acknowledged"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    WORKING = "working"
    CLEARED = "cleared"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    MERGED = "merged"


S = IncidentState
_SENT = frozenset({S.DISPATCHED, S.ACKNOWLEDGED, S.EN_ROUTE, S.ON_SCENE, S.WORKING})
_END = frozenset({S.CLOSED, S.CANCELLED, S.MERGED})

# From each state, the states the work may go to. PENDING from a sent state is a recall; from an end it is a reopening.
TRANSITIONS: Mapping[IncidentState, frozenset[IncidentState]] = {
    S.NEW: frozenset({S.PENDING, S.PARKED, S.DISPATCHED}) | _END,
    S.PENDING: frozenset({S.PARKED, S.DISPATCHED}) | _END,
    S.PARKED: frozenset({S.PENDING, S.DISPATCHED, S.MERGED, S.CANCELLED}),
    S.DISPATCHED: frozenset({S.PENDING, S.CLEARED}) | (_SENT - {S.DISPATCHED}),
    S.ACKNOWLEDGED: frozenset({S.PENDING, S.CLEARED}) | (_SENT - {S.ACKNOWLEDGED}),
    S.EN_ROUTE: frozenset({S.PENDING, S.CLEARED}) | (_SENT - {S.EN_ROUTE}),
    S.ON_SCENE: frozenset({S.PENDING, S.CLEARED}) | (_SENT - {S.ON_SCENE}),
    S.WORKING: frozenset({S.PENDING, S.CLEARED}) | (_SENT - {S.WORKING}),
    S.CLEARED: frozenset({S.PENDING, S.DISPATCHED}) | _END,
    S.CLOSED: frozenset({S.PENDING}),
    S.CANCELLED: frozenset({S.PENDING}),
    S.MERGED: frozenset(),
}

_STATE_OF_ASSIGNMENT: Mapping[AssignmentState, IncidentState] = {
    AssignmentState.SENT: S.DISPATCHED,
    AssignmentState.DELIVERED: S.DISPATCHED,
    AssignmentState.ACCEPTED: S.ACKNOWLEDGED,
    AssignmentState.EN_ROUTE: S.EN_ROUTE,
    AssignmentState.ON_SCENE: S.ON_SCENE,
    AssignmentState.CLEARED: S.CLEARED,
}


class Verdict(StrEnum):
    """What a person decided the alarm was."""

    NONE = "none"
    GENUINE = "genuine"
    FALSE = "false"
    UNSURE = "unsure"


class Source(StrEnum):
    """Who or what made a timestamp."""

    DEVICE = "device"
    SERVER = "server"
    OPERATOR = "operator"
    CONSOLE = "operator_console"
    UNIT = "unit"
    UNIT_BUTTON = "unit_button"
    GEOFENCE = "geofence"
    PEER = "peer"


class StampName(StrEnum):
    """The moments kept of every incident."""

    EVENT = "t0"
    FIRST_BYTE = "t1"
    COMMITTED = "t2"
    ACK_SENT = "t3"
    PRESENTED = "t4"
    CLAIMED = "t5"
    FIRST_FRAME = "t6"
    VERDICT = "t7"
    CREATED = "t8"
    ASSIGNED = "t9"
    ACKNOWLEDGED = "t10"
    EN_ROUTE = "t11"
    ON_SCENE = "t12"
    FIRST_REPORT = "t13"
    UNDER_CONTROL = "t14"
    CLEARED = "t15"
    CLOSED = "t16"


@dataclass(frozen=True, slots=True)
class Stamp:
    """One row of the append-only table. A correction carries its reason; a withdrawn one says the act was undone."""

    stamp: str
    at: datetime
    source: str
    who: str = ""
    reason: str = ""
    is_withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class PlaceRef:
    """The place of an incident as lists show it."""

    id: str
    name: str
    name_en: str
    address: str
    lon: float | None
    lat: float | None


@dataclass(frozen=True, slots=True)
class PlanRef:
    """The plan of an incident as lists show it."""

    id: str
    name: str
    name_en: str
    version_no: int


@dataclass(frozen=True, slots=True)
class Undo:
    """What a verdict or a parking replaced, so that its author can take it back for a moment."""

    what: str
    by: str
    until: datetime
    state: str
    verdict: str
    cause: str
    owner_id: str | None
    owner_name: str
    steps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Incident:
    """The work. `stamps` holds each timestamp as it counts now: name -> {at, source, who}.

    `point` is where its terminal says it is; it goes before the place.
    """

    id: str
    number: str
    jurisdiction_id: str
    jurisdiction_code: str
    title_en: str
    title_zh: str
    kind: str
    priority: int
    opened_at: datetime
    last_alarm_at: datetime
    alarm_count: int = 0
    place_id: str | None = None
    device_id: str | None = None
    state: IncidentState = IncidentState.NEW
    owner_id: str | None = None
    owner_name: str = ""
    lease_until: datetime | None = None
    verdict: Verdict = Verdict.NONE
    cause: str = ""
    disposition: str = ""
    parked_until: datetime | None = None
    park_reason: str = ""
    plan_id: str | None = None
    plan_version_no: int | None = None
    next_deadline_at: datetime | None = None
    merged_into_id: str | None = None
    stamps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    undo: Undo | None = None
    unattended_at: datetime | None = None
    closed_at: datetime | None = None
    version: int = 1
    place: PlaceRef | None = None
    plan: PlanRef | None = None
    point: IncidentPoint | None = None

    @property
    def is_open(self) -> bool:
        """True until closed, cancelled or merged."""
        return self.state not in _END

    @property
    def group_key(self) -> tuple[str, str]:
        """What groups alarms into it: the place, the device without one, or a device's own system matters."""
        if self.place_id is not None:
            return "place", self.place_id
        return "system" if self.kind == SYSTEM_KIND else "device", self.device_id or ""

    def holder(self, now: datetime) -> str | None:
        """Return who holds the claim at that moment: an expired lease holds nothing."""
        if self.owner_id is None or self.lease_until is None or self.lease_until <= now:
            return None
        return self.owner_id

    def expect(self, version: int) -> None:
        """Refuse a stale writer. Errors: CONFLICT with `current_version`."""
        if version != self.version:
            raise TocsinError(
                ErrorCode.CONFLICT, f"incident {self.number} has changed", key="stale", current_version=self.version
            )

    def in_state(self, state: IncidentState) -> Incident:
        """Return the incident in another state. Errors: CONFLICT when the table forbids it."""
        if state is self.state:
            return self
        if state not in TRANSITIONS[self.state]:
            raise TocsinError(
                ErrorCode.CONFLICT,
                f"an incident cannot go from {self.state} to {state}",
                key="incident_state",
                state=self.state.value,
                wanted=state.value,
            )
        return replace(self, state=state)

    def stamped(self, stamps: Iterable[Stamp]) -> Incident:
        """Return the incident with these timestamps in force."""
        effective = dict(self.stamps)
        for stamp in stamps:
            if stamp.is_withdrawn:
                effective.pop(stamp.stamp, None)
            else:
                effective[stamp.stamp] = {"at": iso(stamp.at), "source": stamp.source, "who": stamp.who}
        return replace(self, stamps=effective)

    def has_stamp(self, name: StampName) -> bool:
        """Say whether that moment is already kept."""
        return name.value in self.stamps

    # --- the claim ---

    def claimed(self, user_id: str, user_name: str, now: datetime, *, may_relieve: bool = False) -> Incident:
        """Return the incident in the user's hand for the lease; claiming again renews it.

        A new or parked incident becomes pending. Errors: CONFLICT when closed, or somebody else holds it and the user
        may not relieve them.
        """
        self._must_be_open()
        holder = self.holder(now)
        if holder not in (None, user_id) and not may_relieve:
            raise self._held_by_other()
        state = S.PENDING if self.state in (S.NEW, S.PARKED) else self.state
        taken = replace(self, owner_id=user_id, owner_name=user_name, lease_until=now + LEASE).in_state(state)
        if self.state is S.PARKED:
            taken = replace(taken, parked_until=None, park_reason="", undo=None)
        return taken if holder == user_id else replace(taken, undo=None)

    def acted_on(self, user_id: str, user_name: str, now: datetime) -> Incident:
        """Return the incident with the lease renewed by an act of its owner; an act on a free incident claims it.

        Errors: CONFLICT when closed or somebody else holds it.
        """
        return replace(self.claimed(user_id, user_name, now), undo=None)

    def released(self, user_id: str, now: datetime, *, may_relieve: bool = False) -> Incident:
        """Return the incident free again. Errors: CONFLICT when nobody, or somebody else, holds it."""
        self._must_be_open()
        holder = self.holder(now)
        if holder is None:
            raise TocsinError(ErrorCode.CONFLICT, "nobody holds this incident", key="not_claimed")
        if holder != user_id and not may_relieve:
            raise self._held_by_other()
        return self.freed()

    def freed(self) -> Incident:
        """Return the incident with no owner."""
        return replace(self, owner_id=None, owner_name="", lease_until=None, undo=None)

    # --- deciding ---

    def decided(self, verdict: Verdict, cause: str, now: datetime, *, steps: Sequence[int] = ()) -> Incident:
        """Return the incident with a verdict; `steps` are those it completes, kept for undo.

        Errors: CONFLICT when closed; INVALID for no verdict, an unknown cause, or a cause without a false alarm.
        """
        self._must_be_open()
        if verdict is Verdict.NONE:
            raise TocsinError(ErrorCode.INVALID, "decide genuine, false or unsure", field="verdict")
        if cause and verdict is not Verdict.FALSE:
            raise TocsinError(ErrorCode.INVALID, "only a false alarm has a cause", field="cause")
        if cause and not is_choice(FALSE_CAUSES, cause):
            raise TocsinError(ErrorCode.INVALID, f"no false cause {cause}", field="cause")
        return replace(self, verdict=verdict, cause=cause, undo=self._undo("verdict", now, steps))

    def parked(self, until: datetime, reason: str, now: datetime) -> Incident:
        """Return the incident at rest until a time; it belongs to nobody and comes back by itself.

        Errors: CONFLICT when units are sent or it is closed; INVALID for an unknown reason, a time past, or one beyond
        the limit of its priority.
        """
        self._must_be_open()
        if not is_choice(PARK_REASONS, reason):
            raise TocsinError(ErrorCode.INVALID, f"no park reason {reason}", field="reason")
        limit = park_limit(self.priority)
        if until <= now:
            raise TocsinError(ErrorCode.INVALID, "the time to return is past", field="until")
        if until > now + limit:
            minutes = int(limit.total_seconds() // 60)
            raise TocsinError(
                ErrorCode.INVALID,
                f"priority {self.priority} may rest {minutes} minutes at most",
                key="park_limit",
                field="until",
                limit_min=minutes,
            )
        resting = self.in_state(S.PARKED)
        return replace(resting.freed(), parked_until=until, park_reason=reason, undo=self._undo("park", now, ()))

    def returned(self) -> Incident:
        """Return a parked incident to the queue."""
        return replace(self.in_state(S.PENDING), parked_until=None, park_reason="", undo=None)

    def undone(self, user_id: str, now: datetime) -> Incident:
        """Return the incident as it was before a verdict or parking of the last five seconds.

        Errors: CONFLICT when there is nothing to take back, it is too late, or another person did it.
        """
        undo = self.undo
        if undo is None or not self.is_open:
            raise TocsinError(ErrorCode.CONFLICT, "there is nothing to take back", key="nothing_to_undo")
        if undo.by != user_id:
            raise TocsinError(ErrorCode.CONFLICT, "somebody else did this", key="undo_by_other")
        if now > undo.until:
            raise TocsinError(ErrorCode.CONFLICT, "the five seconds are over", key="undo_too_late")
        before = replace(self, verdict=Verdict(undo.verdict), cause=undo.cause, undo=None)
        if undo.what != "park":  # a verdict changed neither state nor owner, and units may have moved on since
            return before
        return replace(
            before,
            state=IncidentState(undo.state),
            owner_id=undo.owner_id,
            owner_name=undo.owner_name,
            lease_until=None if undo.owner_id is None else now + LEASE,
            parked_until=None,
            park_reason="",
        )

    def _undo(self, what: str, now: datetime, steps: Sequence[int]) -> Undo:
        return Undo(
            what,
            self.owner_id or "",
            now + UNDO_WINDOW,
            self.state.value,
            self.verdict.value,
            self.cause,
            self.owner_id,
            self.owner_name,
            tuple(steps),
        )

    # --- the work ---

    def driven(self, assignments: Sequence[Assignment]) -> Incident:
        """Return the incident in the state its units carry it to."""
        reached = furthest(assignments)
        if reached is None:
            return self.in_state(S.PENDING) if self.state in _SENT else self
        state = _STATE_OF_ASSIGNMENT[reached]
        if state is S.ON_SCENE and self.state is S.WORKING:
            return self
        undo = None if self.state is S.PARKED else self.undo  # a rest that units ended cannot be taken back
        return replace(self.in_state(state), parked_until=None, park_reason="", undo=undo)

    def reported(self) -> Incident:
        """Return the incident in work after the first report from the scene."""
        return self.in_state(S.WORKING) if self.state is S.ON_SCENE else self

    def joined(self, *, kind: str, priority: int, title_en: str, title_zh: str, at: datetime, count: int) -> Incident:
        """Return the next version with `count` more alarms, named by the gravest; a parked incident wakes."""
        values = list(_VALUES(self))  # met on each alarm: a third of the time of `replace`
        values[_ALARM_COUNT] = self.alarm_count + count
        values[_LAST_ALARM_AT] = max(self.last_alarm_at, at)
        values[_VERSION] = self.version + 1
        if priority < self.priority:
            values[_NAMED] = (title_en, title_zh, kind, priority)
        grown = Incident(*values)
        return grown.returned() if self.state is S.PARKED else grown

    # --- the end ---

    def blocks(
        self, standings: Sequence[StepStanding], assignments: Sequence[Assignment], *, disposition: str | None = None
    ) -> tuple[Block, ...]:
        """Return what keeps the incident from being closed; `disposition` None leaves its choice out of account."""
        blocks = []
        active = sum(a.is_active for a in assignments)
        if active:
            blocks.append(block("units_assigned", count=active))
        if self.verdict is Verdict.NONE:
            blocks.append(block("verdict_missing"))
        if self.verdict is Verdict.FALSE:
            if not self.cause:
                blocks.append(block("cause_missing"))
            return tuple(blocks)
        blocks.extend(
            block("step_undone", step=step.n, title_en=step.title_en, title_zh=step.title_zh)
            for step in undone_mandatory(standings)
        )
        if disposition == "":
            blocks.append(block("disposition_missing"))
        return tuple(blocks)

    def with_cause_of(self, disposition: str) -> Incident:
        """Return a false alarm without a cause with the one its disposition names."""
        cause = disposition.removeprefix("false_")
        names_cause = disposition_of_cause(cause) == disposition and is_choice(FALSE_CAUSES, cause)
        if self.verdict is Verdict.FALSE and not self.cause and names_cause:
            return replace(self, cause=cause)
        return self

    def closed(self, disposition: str, now: datetime) -> Incident:
        """Return the incident closed; the caller has made sure that nothing blocks it.

        A false alarm without a disposition takes the one of its cause. Errors: CONFLICT when already closed or in a
        state that cannot close; INVALID for an unknown disposition or one that contradicts the verdict.
        """
        self._must_be_open()
        chosen = disposition or (disposition_of_cause(self.cause) if self.verdict is Verdict.FALSE else "")
        if not is_choice(DISPOSITIONS, chosen):
            raise TocsinError(ErrorCode.INVALID, f"no disposition {chosen or '(empty)'}", field="disposition")
        contradicts = {Verdict.FALSE: "genuine_", Verdict.GENUINE: "false_"}.get(self.verdict)
        if contradicts and chosen.startswith(contradicts):
            raise TocsinError(
                ErrorCode.INVALID,
                f"{chosen} contradicts the verdict {self.verdict}",
                key="disposition_contradicts",
                field="disposition",
            )
        ended = self.in_state(S.CLOSED)
        return replace(ended.freed(), disposition=chosen, closed_at=now, next_deadline_at=None)

    def reopened(self) -> Incident:
        """Return a closed incident to the queue. Errors: CONFLICT when it is not closed, or merged into another."""
        if self.state not in (S.CLOSED, S.CANCELLED):
            raise TocsinError(ErrorCode.CONFLICT, "this incident is not closed", key="not_closed")
        return replace(self.in_state(S.PENDING), closed_at=None, disposition="", undo=None)

    def _must_be_open(self) -> None:
        if not self.is_open:
            raise TocsinError(ErrorCode.CONFLICT, f"incident {self.number} is {self.state}", key="incident_closed")

    def _held_by_other(self) -> TocsinError:
        return TocsinError(
            ErrorCode.CONFLICT, "somebody else holds this incident", key="claimed_by_other", owner=self.owner_name
        )


_FIELDS = tuple(field.name for field in fields(Incident))
_VALUES = attrgetter(*_FIELDS)
_ALARM_COUNT, _LAST_ALARM_AT, _VERSION = map(_FIELDS.index, ("alarm_count", "last_alarm_at", "version"))
_NAMED = slice(_FIELDS.index("title_en"), _FIELDS.index("priority") + 1)
