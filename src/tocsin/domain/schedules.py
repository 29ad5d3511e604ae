"""Hours of premises, and what an opening, a closing or the lack of one says by them: pure, for any time zone.

A day's hours are minutes of the wall clock from its midnight; a closing after midnight counts on past 1440. A
checkpoint is an instant at which something should have happened; its nominal instant tells what has been judged.
Source: alarm reference, Test timers and schedules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from itertools import pairwise
from typing import Final

import msgspec

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import EventKind
from tocsin.base.times import iso
from tocsin.domain.alarms import zone_key
from tocsin.domain.forms import optional_iso

DAY_MIN: Final = 1440
EARLY: Final = timedelta(hours=3)
SAME_OPENING: Final = timedelta(minutes=10)
REPEATS: Final = (timedelta(), timedelta(minutes=15), timedelta(minutes=30))
CLOSING_AWAITED: Final = timedelta(hours=1)
MAX_A_DAY: Final = 3
MAX_GRACE_MIN: Final = 240
MAX_EXCEPTIONS: Final = 200
MAX_USERS: Final = 200
MAX_USER: Final = 9999
LONGEST_EXCEPTION: Final = timedelta(days=366)
LOOK_AHEAD_DAYS: Final = 400


class Finding(StrEnum):
    """What is found; the words are the codes of our signals."""

    OPEN_EARLY = "open.early"
    OPEN_OFF_HOURS = "open.off_hours"
    OPEN_LATE = "open.late"
    OPEN_AFTER_LATE = "open.after_late"
    OPEN_USER = "open.user"
    CLOSE_EARLY = "close.early"
    CLOSE_LATE = "close.late"
    CLOSE_AFTER_LATE = "close.after_late"


class Hours(msgspec.Struct, frozen=True, omit_defaults=True):
    """One opening of a day: from when and by when it opens, from when and by when it closes, in minutes."""

    open_from: int
    close_by: int
    open_by: int | None = None
    close_from: int | None = None

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "open_from": clock_text(self.open_from),
            "open_by": None if self.open_by is None else clock_text(self.open_by),
            "close_from": None if self.close_from is None else clock_text(self.close_from),
            "close_by": clock_text(self.close_by),
        }


@dataclass(frozen=True, slots=True)
class DayException:
    """Other hours on some days, first and last included; without hours it is closed."""

    id: str
    day_from: date
    day_to: date
    hours: tuple[Hours, ...] = ()
    reason: str = ""
    made_by: str = ""

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "from": self.day_from.isoformat(),
            "to": self.day_to.isoformat(),
            "hours": [one.form() for one in self.hours],
            "reason": self.reason,
            "made_by": self.made_by,
        }


@dataclass(frozen=True, slots=True)
class Schedule:
    """The hours of an account, or of one area of it. `weekly` counts from Monday, 0.

    `users` are the numbers (`7`) and ranges of numbers (`20-29`) of the panel that may open; none: all.
    """

    id: str
    device_id: str
    area: str = ""
    name: str = ""
    weekly: Mapping[int, tuple[Hours, ...]] = field(default_factory=dict)
    is_closed_on_holidays: bool = True
    grace_min: int = 10
    exceptions: tuple[DayException, ...] = ()
    version: int = 0
    users: tuple[str, ...] = ()

    @property
    def grace(self) -> timedelta:
        """How much earlier or later than its time something may happen."""
        return timedelta(minutes=self.grace_min)

    def hours_on(self, day: date, holidays: Collection[date]) -> tuple[Hours, ...]:
        """Return the hours of a day; the exception entered last counts before the others, any before a holiday."""
        for one in reversed(self.exceptions):
            if one.day_from <= day <= one.day_to:
                return one.hours
        if self.is_closed_on_holidays and day in holidays:
            return ()
        return self.weekly.get(day.weekday(), ())

    def may_open(self, user: str) -> bool:
        """Say whether a user of the panel may open; one it does not name, which it gives as 0, is not judged."""
        number = zone_key(user.strip())
        if not self.users or number in ("", "0"):
            return True
        return any(_is_among(number, one) for one in self.users)

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "device_id": self.device_id,
            "area": self.area,
            "name": self.name,
            "weekly": [[one.form() for one in self.weekly.get(day, ())] for day in range(7)],
            "is_closed_on_holidays": self.is_closed_on_holidays,
            "grace_min": self.grace_min,
            "users": list(self.users),
            "exceptions": [one.form() for one in self.exceptions],
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class Opening:
    """The hours of one day as instants."""

    opens_from: datetime
    opens_by: datetime | None
    closes_from: datetime | None
    closes_by: datetime


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An instant at which an opening or a closing should have been heard; `since` is when it was first waited for."""

    at: datetime
    since: datetime
    what: Finding
    opening: Opening
    turn: int = 0


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """What is known of a schedule's premises. `areas`: "" is the whole of it; True is open. Empty: never heard.

    `next_at` is the nominal instant of the next checkpoint, `due_at` when it is judged, which our own outages move.
    """

    schedule_id: str
    judged_to: datetime
    areas: Mapping[str, bool] = field(default_factory=dict)
    changed_at: datetime | None = None
    opened_at: datetime | None = None
    told_at: datetime | None = None
    late: Finding | None = None
    late_since: datetime | None = None
    next_at: datetime | None = None
    due_at: datetime | None = None

    def is_open(self, area: str) -> bool | None:
        """Say whether the premises are open; None when nothing was heard."""
        if area:
            return self.areas.get(area, self.areas.get(""))
        return any(self.areas.values()) if self.areas else None

    def form(self, area: str) -> dict[str, object]:
        """Return it as the API shows it."""
        is_open = self.is_open(area)
        return {
            "state": "unknown" if is_open is None else "open" if is_open else "closed",
            "changed_at": optional_iso(self.changed_at),
            "late": self.late.value if self.late else "",
            "late_since": optional_iso(self.late_since),
            "due_at": optional_iso(self.due_at),
        }


@dataclass(frozen=True, slots=True)
class Found:
    """A finding with the time it should have been; `turn` counts repetitions, `user` is the panel's number of one."""

    what: Finding
    expected: datetime | None = None
    turn: int = 0
    user: str = ""


# --- times -----------------------------------------------------------------------------------------------------------


def clock_text(minute: int) -> str:
    """Return minutes from midnight as `HH:MM` of the wall clock; a closing past midnight is on the next day."""
    return f"{minute % DAY_MIN // 60:02d}:{minute % 60:02d}" if minute != DAY_MIN else "24:00"


def minute_of(text: str, name: str) -> int:
    """Return `HH:MM` in minutes from midnight, `24:00` included. Errors: INVALID naming the field."""
    hour, colon, minute = text.partition(":")
    if not (colon and len(text) == 5 and text.isascii() and hour.isdigit() and minute.isdigit()):
        raise _invalid(name, "a time is HH:MM")
    value = int(hour) * 60 + int(minute)
    if int(minute) > 59 or value > DAY_MIN:
        raise _invalid(name, "a time lies between 00:00 and 24:00")
    return value


def hours_of(open_from: str, close_by: str, open_by: str | None, close_from: str | None, name: str) -> Hours:
    """Return the hours of a day; a closing before the opening is on the next day. Errors: INVALID naming the field."""
    first = minute_of(open_from, f"{name}.open_from")

    def later(text: str | None, what: str) -> int | None:
        if not text:
            return None
        minute = minute_of(text, f"{name}.{what}")
        return minute + DAY_MIN if minute < first else minute

    last = later(close_by, "close_by")
    if last is None or last == first:
        raise _invalid(f"{name}.close_by", "say by when it closes")
    by, closes = later(open_by, "open_by"), later(close_from, "close_from")
    if by is not None and by > last:
        raise _invalid(f"{name}.open_by", "it opens before it closes")
    if closes is not None and closes > last:
        raise _invalid(f"{name}.close_from", "the first time of closing comes before the last")
    return Hours(first, last, by, closes)


def tidy_hours(given: Sequence[Hours], name: str) -> tuple[Hours, ...]:
    """Return the hours of a day in order. Errors: INVALID when there are too many, or they overlap."""
    if len(given) > MAX_A_DAY:
        raise _invalid(name, f"at most {MAX_A_DAY} openings a day")
    ordered = tuple(sorted(given, key=lambda one: one.open_from))
    for one, other in pairwise(ordered):
        if other.open_from < one.close_by:
            raise _invalid(name, "the hours of a day overlap")
    return ordered


def users_of(given: Sequence[str], name: str) -> tuple[str, ...]:
    """Return user numbers and ranges as they are kept: in order, without leading zeros. Errors: INVALID."""
    if len(given) > MAX_USERS:
        raise _invalid(name, f"at most {MAX_USERS} numbers and ranges")
    spans: set[tuple[int, int]] = set()
    for text in given:
        first, dash, last = text.strip().partition("-")
        ends = [part.strip() for part in (first, last if dash else first)]
        if not all(part.isascii() and part.isdigit() and len(part) <= 8 for part in ends):
            raise _invalid(name, f"{text.strip()[:20]!r} is no user number such as 7, and no range such as 20-29")
        low, high = map(int, ends)
        if not 1 <= low <= high <= MAX_USER:
            raise _invalid(name, f"{text.strip()[:20]!r}: numbers lie between 1 and {MAX_USER}, the smaller first")
        spans.add((low, high))
    return tuple(str(low) if low == high else f"{low}-{high}" for low, high in sorted(spans))


def _is_among(number: str, span: str) -> bool:
    """Say whether a user number is a number, or within a range, of those kept."""
    low, _, high = span.partition("-")
    return number.isascii() and number.isdigit() and len(number) <= 8 and int(low) <= int(number) <= int(high or low)


def check_schedule(schedule: Schedule) -> None:
    """Refuse a schedule that cannot be meant. Errors: INVALID naming the field."""
    if not 0 <= schedule.grace_min <= MAX_GRACE_MIN:
        raise _invalid("grace_min", f"the grace lies between 0 and {MAX_GRACE_MIN} minutes")
    if not any(schedule.weekly.values()) and not schedule.exceptions:
        raise _invalid("weekly", "enter the hours of at least one day")


def check_exception(one: DayException, today: date) -> None:
    """Refuse an exception that cannot be meant. Errors: INVALID naming the field."""
    if one.day_to < one.day_from:
        raise _invalid("to", "the last day comes after the first")
    if one.day_to - one.day_from > LONGEST_EXCEPTION:
        raise _invalid("to", "an exception lasts a year at most; change the hours instead")
    if one.day_to < today:
        raise _invalid("to", "these days are past")


def local_day(moment: datetime, zone: tzinfo | None) -> date:
    """Return the day of an instant; None is the server's own zone."""
    return moment.astimezone(zone).date()


def instant(day: date, minute: int, zone: tzinfo | None, *, is_last: bool) -> datetime:
    """Return the instant of a minute of a day. Of a repeated hour the first or the last, of a skipped one the next."""
    naive = datetime.combine(day, time()) + timedelta(minutes=minute)
    naive = naive.replace(fold=1 if is_last else 0)
    aware = naive if zone is None else naive.replace(tzinfo=zone)
    moment = aware.astimezone(UTC)
    if is_last and moment.astimezone(zone).replace(tzinfo=None) != naive.replace(fold=0):  # skipped: as for the first
        first = naive.replace(fold=0)
        moment = (first if zone is None else first.replace(tzinfo=zone)).astimezone(UTC)
    return moment


def openings_on(schedule: Schedule, holidays: Collection[date], zone: tzinfo | None, day: date) -> list[Opening]:
    """Return the hours of a day as instants."""
    return [
        Opening(
            instant(day, one.open_from, zone, is_last=False),
            None if one.open_by is None else instant(day, one.open_by, zone, is_last=True),
            None if one.close_from is None else instant(day, one.close_from, zone, is_last=False),
            instant(day, one.close_by, zone, is_last=True),
        )
        for one in schedule.hours_on(day, holidays)
    ]


def openings_near(
    schedule: Schedule, holidays: Collection[date], zone: tzinfo | None, moment: datetime
) -> list[Opening]:
    """Return the hours of the day before an instant, its own and the next."""
    day = local_day(moment, zone)
    return [one for days in (-1, 0, 1) for one in openings_on(schedule, holidays, zone, day + timedelta(days=days))]


# --- checkpoints -----------------------------------------------------------------------------------------------------


def next_checkpoint(
    schedule: Schedule, holidays: Collection[date], zone: tzinfo | None, after: datetime
) -> Checkpoint | None:
    """Return the first checkpoint after an instant; None when there is none within a year."""
    first = local_day(after, zone) - timedelta(days=2)
    best: Checkpoint | None = None
    for number in range(LOOK_AHEAD_DAYS):
        day = first + timedelta(days=number)
        if best is not None and instant(day, 0, zone, is_last=False) > best.at:
            break
        for opening in openings_on(schedule, holidays, zone, day):
            for one in _checkpoints(schedule, opening):
                if one.at > after and (best is None or one.at < best.at):
                    best = one
    return best


def _checkpoints(schedule: Schedule, opening: Opening) -> Iterator[Checkpoint]:
    if opening.opens_by is not None:
        yield Checkpoint(opening.opens_by + schedule.grace, opening.opens_from - EARLY, Finding.OPEN_LATE, opening)
    since = opening.closes_from or max(opening.opens_from, opening.closes_by - CLOSING_AWAITED)
    for turn, later in enumerate(REPEATS):
        yield Checkpoint(opening.closes_by + schedule.grace + later, since, Finding.CLOSE_LATE, opening, turn)


def judge(
    schedule: Schedule, holidays: Collection[date], zone: tzinfo | None, state: ScheduleState, point: Checkpoint
) -> tuple[ScheduleState, Found | None]:
    """Return the state after a checkpoint, and what is found at it. What was never heard is never late."""
    state = replace(state, judged_to=max(state.judged_to, point.at))
    is_open, opening = state.is_open(schedule.area), point.opening
    if point.what is Finding.OPEN_LATE:
        was_opened = state.opened_at is not None and state.opened_at >= point.since
        if is_open is False and not was_opened:
            return replace(state, late=Finding.OPEN_LATE, late_since=point.at), Found(point.what, opening.opens_by)
        return state, None
    if not is_open:
        return replace(state, late=None, late_since=None), None
    if point.turn and state.late is not Finding.CLOSE_LATE:
        return state, None
    for other in openings_near(schedule, holidays, zone, point.at):
        if other != opening and other.opens_from - schedule.grace <= point.at <= other.closes_by:
            return replace(state, late=None, late_since=None), None
    late_since = state.late_since if state.late is Finding.CLOSE_LATE else point.at
    state = replace(state, late=Finding.CLOSE_LATE, late_since=late_since)
    return state, Found(point.what, opening.closes_by, point.turn)


def is_still_late(
    schedule: Schedule, holidays: Collection[date], zone: tzinfo | None, state: ScheduleState, now: datetime
) -> bool:
    """Say whether what is late is so by the hours as they are now."""
    near = openings_near(schedule, holidays, zone, now)
    if state.late is Finding.OPEN_LATE:
        return any(one.opens_by is not None and one.opens_by + schedule.grace <= now <= one.closes_by for one in near)
    if state.late is Finding.CLOSE_LATE:
        return not any(one.opens_from - schedule.grace <= now <= one.closes_by + schedule.grace for one in near)
    return False


# --- openings and closings -------------------------------------------------------------------------------------------


def area_key(text: str) -> str:
    """Return an area as schedules name it; empty is the whole of the premises."""
    number = zone_key(text.strip())
    return "" if number == "0" else number


def is_about(schedule: Schedule, area: str) -> bool:
    """Say whether an opening of an area is one of the schedule."""
    return not schedule.area or not area or area == schedule.area


def note(
    schedule: Schedule,
    holidays: Collection[date],
    zone: tzinfo | None,
    state: ScheduleState,
    kind: EventKind,
    area: str,
    at: datetime,
) -> tuple[ScheduleState, Found | None]:
    """Return the state after an opening or closing of an area, and what is found by the hours."""
    was_open, is_opening = state.is_open(schedule.area), kind is EventKind.OPEN
    areas = {**state.areas, area: is_opening} if area else {"": is_opening}
    state = replace(state, areas=areas, changed_at=at)
    near = openings_near(schedule, holidays, zone, at)
    if is_opening:
        return _opened(schedule, state, near, at)
    if state.is_open(schedule.area):
        return state, None
    if state.late is Finding.CLOSE_LATE:
        return replace(state, late=None, late_since=None), Found(Finding.CLOSE_AFTER_LATE)
    for one in near:
        is_within = one.closes_from is not None and one.opens_from <= at < one.closes_from - schedule.grace
        if was_open and is_within:
            return state, Found(Finding.CLOSE_EARLY, one.closes_from)
    return state, None


def _opened(
    schedule: Schedule, state: ScheduleState, near: Sequence[Opening], at: datetime
) -> tuple[ScheduleState, Found | None]:
    was_late = state.late is Finding.OPEN_LATE
    state = replace(state, opened_at=at)
    if was_late:
        state = replace(state, late=None, late_since=None)
    if any(one.opens_from - schedule.grace <= at <= one.closes_by + schedule.grace for one in near):
        return state, Found(Finding.OPEN_AFTER_LATE) if was_late else None
    if state.told_at is not None and abs(at - state.told_at) <= SAME_OPENING:
        return state, None
    state = replace(state, told_at=at)
    for one in near:
        if one.opens_from - EARLY <= at < one.opens_from:
            return state, Found(Finding.OPEN_EARLY, one.opens_from)
    return state, Found(Finding.OPEN_OFF_HOURS)


def holiday_form(day: date, name: str, name_en: str) -> dict[str, object]:
    """Return a holiday of the house as the API shows it."""
    return {"day": day.isoformat(), "name": name, "name_en": name_en}


def late_form(state: ScheduleState, now: datetime) -> dict[str, object]:
    """Return how late a schedule is, for lists."""
    since = state.late_since or now
    return {"late_since": iso(since), "late_s": max(0, round((now - since).total_seconds()))}


def _invalid(name: str, message: str) -> TocsinError:
    return TocsinError(ErrorCode.INVALID, message, field=name)
