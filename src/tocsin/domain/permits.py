"""Permits to be on test: what one covers, how long, what came of each zone meanwhile. Pure.

Source: alarm reference, False-alarm filtering, On-test.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.base.times import iso
from tocsin.domain.alarm_rules import is_life_safety, is_silent
from tocsin.domain.alarms import asks_for_decision, zone_key
from tocsin.domain.forms import optional_iso

ON_TEST: Final = "on_test"
"""A flag: a permit covered what the signal says."""

LONGEST: Final = timedelta(hours=8)
LONGEST_IN_ALL: Final = timedelta(hours=24)
PHONE_KEPT: Final = timedelta(days=30)
NOTICE_LASTS: Final = timedelta(minutes=15)
MAX_ZONES: Final = 500
COVERABLE: Final = (Category.FIRE, Category.GAS, Category.MEDICAL, Category.PANIC)
FOR_MANY: Final = ("comms.group",)  # codes of ours whose device only stands for others


@dataclass(frozen=True, slots=True)
class Permit:
    """A device, or zones of it, on test. `owner` works there, `second` agreed that alarms about life are covered.

    `how_ended` is empty while it counts, then `returned` (by time) or `ended` (by hand); `left` are the zones that were
    still in alarm then.
    """

    id: str
    device_id: str
    owner: str
    reason: str
    begun_at: datetime
    until: datetime
    phone: str = ""
    zones: tuple[str, ...] = ()
    life_kinds: tuple[str, ...] = ()
    second: str = ""
    given_by: str = ""
    given_name: str = ""
    ended_at: datetime | None = None
    ended_by: str = ""
    how_ended: str = ""
    left: tuple[str, ...] = ()
    version: int = 1

    def covers(self, event: NormalEvent, at: datetime) -> bool:
        """Say whether an event raises no alarm because of it."""
        if self.ended_at is not None or at >= self.until or not event.is_known:
            return False
        if self.zones and zone_key(event.zone) not in self.zones:
            return False
        if event.code_system == "tocsin" and event.code.startswith(FOR_MANY):
            return False
        return event.category in self.life_kinds if is_life_safety(event) else True

    def extended(self, until: datetime, now: datetime) -> Permit:
        """Return it with a later end. Errors: INVALID, CONFLICT when it is over."""
        if self.ended_at is not None:
            raise TocsinError(ErrorCode.CONFLICT, "this test is over: give a new permit", key="permit.over")
        _check_until(until, self.begun_at, now)
        return replace(self, until=until, version=self.version + 1)

    def ended(self, how: str, by: str, at: datetime, left: Sequence[str]) -> Permit:
        """Return it ended. Errors: CONFLICT when it is over already."""
        if self.ended_at is not None:
            raise TocsinError(ErrorCode.CONFLICT, "this test is over", key="permit.over")
        return replace(self, ended_at=at, ended_by=by, how_ended=how, left=tuple(left), version=self.version + 1)

    def form(self, *, with_phone: bool = False) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "device_id": self.device_id,
            "zones": list(self.zones),
            "life_kinds": list(self.life_kinds),
            "second": self.second,
            "owner": self.owner,
            "phone": self.phone if with_phone else "",
            "reason": self.reason,
            "begun_at": iso(self.begun_at),
            "until": iso(self.until),
            "given_by": self.given_by,
            "given_name": self.given_name,
            "ended_at": optional_iso(self.ended_at),
            "ended_by": self.ended_by,
            "how_ended": self.how_ended,
            "left": list(self.left),
            "version": self.version,
        }


def check_permit(permit: Permit, now: datetime) -> None:
    """Refuse a permit that cannot be meant. Errors: INVALID naming the field."""
    for name in ("owner", "reason"):
        if not getattr(permit, name).strip():
            raise _invalid(name, f"{name} is missing: a test has somebody who answers for it, and a reason")
    if len(permit.zones) > MAX_ZONES:
        raise _invalid("zones", f"at most {MAX_ZONES} zones")
    for kind in permit.life_kinds:
        if kind not in COVERABLE:
            raise _invalid("life_kinds", f"no permit covers {kind}")
    if permit.life_kinds:
        second = _folded(permit.second)
        if not second:
            raise _invalid("second", "alarms about life are covered only with the name of a second person who agreed")
        if second in (_folded(permit.owner), _folded(permit.given_name)):
            raise _invalid("second", "the second person is another than who works there and who gives the permit")
    _check_until(permit.until, permit.begun_at, now)


def _check_until(until: datetime, begun_at: datetime, now: datetime) -> None:
    if until <= now:
        raise _invalid("until", "the end lies in the future")
    if until > now + LONGEST:
        raise _invalid("until", "a test lasts 8 hours at most from now")
    if until > begun_at + LONGEST_IN_ALL:
        raise _invalid("until", "a test lasts 24 hours in all: end it and give a new permit")


def tidy_zones(zones: Iterable[str]) -> tuple[str, ...]:
    """Return zones as the registry numbers them, each once. Errors: INVALID for an empty one."""
    found = dict.fromkeys(zone_key(zone.strip()) for zone in zones)
    if "" in found or "0" in found:
        raise _invalid("zones", "a zone has a number")
    return tuple(found)


class PermitBook:
    """The permits that count, by device."""

    def __init__(self, permits: Iterable[Permit]) -> None:
        self._of: dict[str, list[Permit]] = {}
        for permit in permits:
            self._of.setdefault(permit.device_id, []).append(permit)

    def of(self, device_id: str) -> Sequence[Permit]:
        """Return the permits of a device."""
        return self._of.get(device_id, ())


def covered(permits: Sequence[Permit], events: Sequence[NormalEvent], at: datetime) -> dict[int, Permit]:
    """Return the events of a signal a permit covers, by their number."""
    found: dict[int, Permit] = {}
    for number, event in enumerate(events):
        permit = next((one for one in permits if one.covers(event, at)), None)
        if permit is not None:
            found[number] = permit
    return found


@dataclass(slots=True)
class ZoneSeen:
    """What came of a zone during a test."""

    number: str
    name: str = ""
    name_en: str = ""
    is_entered: bool = True
    first_at: datetime | None = None
    last_at: datetime | None = None
    times: int = 0
    was_restored: bool = False
    is_in_alarm: bool = False

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "number": self.number,
            "name": self.name,
            "name_en": self.name_en,
            "is_entered": self.is_entered,
            "first_at": optional_iso(self.first_at),
            "last_at": optional_iso(self.last_at),
            "times": self.times,
            "was_restored": self.was_restored,
            "is_in_alarm": self.is_in_alarm,
        }


def checklist(
    permit: Permit,
    entered: Mapping[str, tuple[str, str]],
    events: Iterable[tuple[datetime, NormalEvent]],
    reporting: Collection[EventKind] = (EventKind.ALARM, EventKind.TROUBLE, EventKind.SUPERVISION),
) -> list[ZoneSeen]:
    """Return the zones of a test in order, with what came of each; one nobody has entered is marked.

    `entered` gives the names of the device's zones by number, `events` what came during the test, oldest first.
    """
    wanted = permit.zones or tuple(entered)
    seen = {number: ZoneSeen(number, *entered.get(number, ("", "")), number in entered) for number in wanted}
    for at, event in events:
        number = zone_key(event.zone)
        if number in ("", "0") or is_silent(event.category) or (permit.zones and number not in seen):
            continue
        if event.kind is EventKind.RESTORE:
            if number in seen and seen[number].times:
                seen[number].was_restored, seen[number].is_in_alarm = True, False
        elif event.kind in reporting:
            one = seen.setdefault(number, ZoneSeen(number, is_entered=False))
            one.first_at, one.last_at = one.first_at or at, at
            one.times += 1
            one.is_in_alarm = one.is_in_alarm or asks_for_decision(event)
            one.was_restored = False
    return sorted(seen.values(), key=lambda one: (not one.is_entered, len(one.number), one.number))


def left_in_alarm(zones: Iterable[ZoneSeen]) -> tuple[str, ...]:
    """Return the zones that have not been restored."""
    return tuple(one.number for one in zones if one.is_in_alarm)


def _folded(name: str) -> str:
    return "".join(name.casefold().split())


def _invalid(name: str, message: str) -> TocsinError:
    return TocsinError(ErrorCode.INVALID, message, field=name)
