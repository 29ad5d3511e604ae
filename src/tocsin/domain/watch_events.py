"""Facts about hours of premises and permits to be on test. Subject of most is the account: its device's id."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from tocsin.domain.access import Permission
from tocsin.domain.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFact(Fact):
    """Something that happened to the hours of an account."""

    SUBJECT: ClassVar[str] = "account"
    FEED_TYPE: ClassVar[str] = "schedule.changed"
    FEED_PERMISSION: ClassVar[Permission] = Permission.READ_REGISTRY

    schedule_id: str
    area: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSaved(ScheduleFact):
    """Somebody entered or changed the weekly hours."""

    ACTION: ClassVar[str] = "schedule.saved"

    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRemoved(ScheduleFact):
    """Somebody removed the hours: nothing is judged by them any more."""

    ACTION: ClassVar[str] = "schedule.removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleExceptionAdded(ScheduleFact):
    """Somebody entered other hours for some days."""

    ACTION: ClassVar[str] = "schedule.exception_added"

    day_from: str
    day_to: str
    is_closed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleExceptionRemoved(ScheduleFact):
    """Somebody took an exception back."""

    ACTION: ClassVar[str] = "schedule.exception_removed"

    day_from: str
    day_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFound(ScheduleFact):
    """An opening, a closing or the lack of one did not agree with the hours."""

    ACTION: ClassVar[str] = "schedule.found"
    FEED_TYPE: ClassVar[str] = "schedule.found"

    what: str
    signal_id: str
    expected: datetime | None = None
    turn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFailed(Fact):
    """The hours could not be applied to a signal, which is kept all the same."""

    ACTION: ClassVar[str] = "schedule.failed"
    SUBJECT: ClassVar[str] = "signal"

    device_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HolidaySaved(Fact):
    """Somebody entered a holiday of the house."""

    ACTION: ClassVar[str] = "holiday.saved"
    SUBJECT: ClassVar[str] = "holiday"

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HolidayRemoved(Fact):
    """Somebody removed a holiday of the house."""

    ACTION: ClassVar[str] = "holiday.removed"
    SUBJECT: ClassVar[str] = "holiday"


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitFact(Fact):
    """Something that happened to a permit; who works there stands in the permit, not in the record."""

    SUBJECT: ClassVar[str] = "account"
    FEED_TYPE: ClassVar[str] = "permit.changed"
    FEED_PERMISSION: ClassVar[Permission] = Permission.READ_REGISTRY

    permit_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitGiven(PermitFact):
    """Somebody put an account, or zones of it, on test."""

    ACTION: ClassVar[str] = "permit.given"

    until: datetime
    reason: str
    zones: tuple[str, ...] = ()
    life_kinds: tuple[str, ...] = ()
    has_second: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitExtended(PermitFact):
    """Somebody moved the end of a test."""

    ACTION: ClassVar[str] = "permit.extended"

    until: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitEnded(PermitFact):
    """A test is over; `left` are the zones still in alarm."""

    left: tuple[str, ...] = ()
    how: str

    @property
    def action(self) -> str:
        """The word of the audit record: `permit.returned` by time, `permit.ended` by hand."""
        return f"permit.{self.how}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitHeld(Fact):
    """A permit kept events of a signal from being alarms."""

    ACTION: ClassVar[str] = "permit.held"
    SUBJECT: ClassVar[str] = "signal"
    FEED_TYPE: ClassVar[str] = "permit.held"
    FEED_PERMISSION: ClassVar[Permission] = Permission.READ_REGISTRY

    permit_id: str
    device_id: str
    until: datetime
    codes: tuple[str, ...] = ()
