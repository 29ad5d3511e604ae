"""Use cases of hours of premises and of tests, and the clock that judges what is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Final

import msgspec

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import EventKind
from tocsin.base.times import from_us, iso_us, optional_from_us
from tocsin.domain.access import Actor, Permission
from tocsin.domain.acts import check_version, guard
from tocsin.domain.devices import Device
from tocsin.domain.facts import Fact
from tocsin.domain.forms import optional_iso
from tocsin.domain.intake import Intake
from tocsin.domain.refusals import UseCases, require
from tocsin.domain.schedule_watch import begun_again, book_of, pass_due, shift
from tocsin.domain.schedules import (
    MAX_EXCEPTIONS,
    DayException,
    Schedule,
    ScheduleState,
    check_exception,
    check_schedule,
    holiday_form,
    late_form,
    local_day,
)
from tocsin.domain.store import Store
from tocsin.domain.supervision_store import LAST_ALIVE
from tocsin.domain.watch_events import (
    HolidayRemoved,
    HolidaySaved,
    ScheduleExceptionAdded,
    ScheduleExceptionRemoved,
    ScheduleRemoved,
    ScheduleSaved,
)

READ: Final = Permission.READ_REGISTRY
MANAGE: Final = Permission.MANAGE_REGISTRY
EXCEPT: Final = Permission.HANDLE_INCIDENT
QUIET: Final = timedelta(minutes=1)  # shorter silences of ours move nothing
TESTS_SHOWN: Final = 20
_BY_HAND: Final = frozenset({("cid", "1601"), ("sia", "RX"), ("sia", "TX")})
Form = dict[str, object]


class TestEvent(msgspec.Struct, frozen=True):
    """What is shown of a test."""

    code_system: str
    code: str
    kind: str
    label_en: str
    label_zh: str


_events = msgspec.json.Decoder(list[TestEvent]).decode


class ScheduleService(UseCases):
    """Hours of an account. `zone` is the house's own; None stands for the server's."""

    def __init__(self, store: Store, zone: tzinfo | None = None) -> None:
        super().__init__(store)
        self._zone = zone

    async def find(self, device_id: str, *, actor: Actor) -> list[Form]:
        """Return the hours of an account with what is known of its premises. Errors: FORBIDDEN, NOT_FOUND."""
        return await self._store.read(_find, device_id, actor)

    async def save(self, schedule: Schedule, *, actor: Actor) -> Form:
        """Enter weekly hours, or change them on the version their sender knows; 0 enters new ones.

        Errors: FORBIDDEN, NOT_FOUND, CONFLICT when somebody changed them meanwhile, INVALID naming the field.
        """
        return await self._act(
            "schedule.saved", "account", schedule.device_id, actor, _save, schedule, actor, self._zone
        )

    async def remove(self, schedule_id: str, device_id: str, *, actor: Actor, version: int) -> None:
        """Remove hours with their exceptions. Errors: FORBIDDEN, NOT_FOUND, CONFLICT."""
        await self._act(
            "schedule.removed", "account", device_id, actor, _remove, schedule_id, device_id, actor, version
        )

    async def add_exception(self, schedule_id: str, device_id: str, one: DayException, *, actor: Actor) -> Form:
        """Enter other hours for some days; what is late by the usual ones is not any more.

        Errors: FORBIDDEN, NOT_FOUND, INVALID naming the field.
        """
        return await self._act(
            "schedule.exception_added", "account", device_id, actor,
            _add_exception, schedule_id, device_id, one, actor, self._zone,
        )  # fmt: skip

    async def remove_exception(self, exception_id: str, schedule_id: str, device_id: str, *, actor: Actor) -> Form:
        """Take other hours back. Errors: FORBIDDEN, NOT_FOUND."""
        return await self._act(
            "schedule.exception_removed", "account", device_id, actor,
            _remove_exception, exception_id, schedule_id, device_id, actor, self._zone,
        )  # fmt: skip

    async def late(self, *, actor: Actor, after: str = "", limit: int = 100) -> list[Form]:
        """Return what is late to open or to close now. Errors: FORBIDDEN."""
        return await self._store.read(_late, actor, after, limit)

    async def holidays(self, *, actor: Actor) -> list[Form]:
        """Return the holidays of the house. Errors: FORBIDDEN."""
        return await self._store.read(_holidays, actor)

    async def save_holiday(self, day: date, name: str, name_en: str, *, actor: Actor) -> Form:
        """Enter a holiday of the house, or rename it. Errors: FORBIDDEN, INVALID."""
        return await self._act(
            "holiday.saved", "holiday", day.isoformat(), actor, _save_holiday, day, name, name_en, actor, self._zone
        )

    async def remove_holiday(self, day: date, *, actor: Actor) -> None:
        """Remove a holiday. Errors: FORBIDDEN, NOT_FOUND."""
        await self._act("holiday.removed", "holiday", day.isoformat(), actor, _remove_holiday, day, actor, self._zone)

    async def tests(self, device_id: str, *, actor: Actor) -> Form:
        """Return when a device was last tested, when the next is due, and the newest tests. Errors: NOT_FOUND."""
        return await self._store.read(_tests, device_id, actor)

    async def late_tests(self, *, actor: Actor, after: str = "", limit: int = 100) -> list[Form]:
        """Return devices whose periodic test is overdue. Errors: FORBIDDEN."""
        return await self._store.read(_late_tests, actor, after, limit)


class ScheduleClock:
    """Judges deadlines when they are due; our own silence moves them."""

    def __init__(self, store: Store, clock: Clock, intake: Intake, zone: tzinfo | None = None) -> None:
        self._store = store
        self._clock = clock
        self._intake = intake
        self._zone = zone
        self._looked_at: datetime | None = None
        self._is_store_down = False

    def note_store(self, is_ok: bool) -> None:
        """Hear that commits fail, or succeed again: while they fail no panel gets its answer, and we are silent."""
        self._is_store_down = not is_ok

    async def start(self) -> None:
        """Read when this house last worked; the first look moves what was missed. Call it before supervision looks."""
        mark_us: int | None = await self._store.read(lambda tx: tx.devices.mark(LAST_ALIVE))
        self._looked_at = None if mark_us is None else from_us(mark_us)

    async def check(self) -> int:
        """Judge what is due; return how many signals of ours came of it. Cheap while nothing is."""
        now = self._clock.now()
        if self._is_store_down:
            return 0
        if self._looked_at is not None and now - self._looked_at > QUIET:
            await self._store.run(shift, self._zone, self._looked_at, now)
        is_due = await self._store.read(lambda tx: tx.watch.has_due(tx.now))
        count = await self._store.run(self._pass) if is_due else 0
        self._looked_at = now
        return count

    def _pass(self, tx: Any) -> int:
        facts: list[Fact] = []
        own = pass_due(tx, self._zone, facts)
        if own:
            self._intake.keep_own(tx, own, facts)
        return len(own)


def opened_device(tx: Any, device_id: str, actor: Actor, permission: Permission) -> Device:
    """Return the device of an account the actor may do this to. Errors: NOT_FOUND, FORBIDDEN."""
    device: Device = tx.devices.get(device_id, visible_to=require(actor, READ))
    guard(actor, permission, "account", device.id, device.jurisdiction_code)
    if permission is not READ and device.retired_at is not None:
        raise TocsinError(ErrorCode.CONFLICT, "the device is retired", key="registry.retired")
    return device


def _form(tx: Any, schedule: Schedule) -> Form:
    state = tx.watch.states({schedule.id}).get(schedule.id) or ScheduleState(schedule.id, tx.now)
    return {**schedule.form(), **state.form(schedule.area)}


def _find(tx: Any, device_id: str, actor: Actor) -> list[Form]:
    opened_device(tx, device_id, actor, READ)
    return [_form(tx, schedule) for schedule in tx.watch.schedules(device_id)]


def _again(tx: Any, schedule: Schedule, zone: tzinfo | None) -> None:
    known = tx.watch.states({schedule.id}).get(schedule.id)
    tx.watch.save_states([begun_again(tx, schedule, book_of(tx, [schedule.id]), zone, known)])


def _save(tx: Any, schedule: Schedule, actor: Actor, zone: tzinfo | None) -> Form:
    device = opened_device(tx, schedule.device_id, actor, MANAGE)
    made = replace(schedule, version=schedule.version + 1)
    if schedule.version == 0:
        if tx.watch.has_schedule(schedule.id):
            raise TocsinError(ErrorCode.CONFLICT, "these hours are there already", key="stale", current_version=1)
        check_schedule(made)
        tx.watch.add_schedule(made, tx.now, actor.id)
    else:
        known = tx.watch.schedule(schedule.id, device.id)
        check_version("schedule", schedule.id, known.version, schedule.version)
        made = replace(made, exceptions=known.exceptions)
        check_schedule(made)
        tx.watch.save_schedule(made, tx.now, actor.id)
    _again(tx, made, zone)
    form = _form(tx, made)
    tx.record(
        ScheduleSaved(
            subject_id=device.id,
            at=tx.now,
            jurisdiction_code=device.jurisdiction_code,
            actor=actor.ref,
            schedule_id=made.id,
            area=made.area,
            version=made.version,
            data=form,
        )
    )
    return form


def _remove(tx: Any, schedule_id: str, device_id: str, actor: Actor, version: int) -> None:
    device = opened_device(tx, device_id, actor, MANAGE)
    known = tx.watch.schedule(schedule_id, device.id)
    check_version("schedule", schedule_id, known.version, version)
    tx.watch.remove_schedule(schedule_id)
    tx.record(
        ScheduleRemoved(
            subject_id=device.id,
            at=tx.now,
            jurisdiction_code=device.jurisdiction_code,
            actor=actor.ref,
            schedule_id=schedule_id,
            area=known.area,
            data={"device_id": device.id, "schedule_id": schedule_id},
        )
    )


def _add_exception(
    tx: Any, schedule_id: str, device_id: str, one: DayException, actor: Actor, zone: tzinfo | None
) -> Form:
    device = opened_device(tx, device_id, actor, EXCEPT)
    known = tx.watch.schedule(schedule_id, device.id)
    if not one.reason.strip():
        raise TocsinError(ErrorCode.INVALID, "say who asked for it and why", field="reason")
    if len(known.exceptions) >= MAX_EXCEPTIONS:
        raise TocsinError(ErrorCode.INVALID, f"at most {MAX_EXCEPTIONS} exceptions: remove old ones", field="from")
    check_exception(one, local_day(tx.now, zone))
    tx.watch.add_exception(schedule_id, replace(one, made_by=actor.id), tx.now)
    made = tx.watch.schedule(schedule_id, device.id)
    _again(tx, made, zone)
    form = _form(tx, made)
    tx.record(
        ScheduleExceptionAdded(
            subject_id=device.id,
            at=tx.now,
            jurisdiction_code=device.jurisdiction_code,
            actor=actor.ref,
            schedule_id=schedule_id,
            area=known.area,
            day_from=one.day_from.isoformat(),
            day_to=one.day_to.isoformat(),
            is_closed=not one.hours,
            reason=one.reason,
            data=form,
        )
    )
    return form


def _remove_exception(
    tx: Any, exception_id: str, schedule_id: str, device_id: str, actor: Actor, zone: tzinfo | None
) -> Form:
    device = opened_device(tx, device_id, actor, EXCEPT)
    known = tx.watch.schedule(schedule_id, device.id)
    one = next((one for one in known.exceptions if one.id == exception_id), None)
    if one is None:
        raise TocsinError(ErrorCode.NOT_FOUND, f"no exception {exception_id}")
    tx.watch.remove_exception(exception_id)
    made = tx.watch.schedule(schedule_id, device.id)
    _again(tx, made, zone)
    form = _form(tx, made)
    tx.record(
        ScheduleExceptionRemoved(
            subject_id=device.id,
            at=tx.now,
            jurisdiction_code=device.jurisdiction_code,
            actor=actor.ref,
            schedule_id=schedule_id,
            area=known.area,
            day_from=one.day_from.isoformat(),
            day_to=one.day_to.isoformat(),
            data=form,
        )
    )
    return form


def _late(tx: Any, actor: Actor, after: str, limit: int) -> list[Form]:
    found = tx.watch.late(visible_to=require(actor, READ), after=after, limit=limit)
    return [
        {**device, **schedule.form(), **state.form(schedule.area), **late_form(state, tx.now)}
        for schedule, state, device in found
    ]


def _holidays(tx: Any, actor: Actor) -> list[Form]:
    require(actor, READ)
    return [holiday_form(day, *names) for day, names in tx.watch.holidays().items()]


def _save_holiday(tx: Any, day: date, name: str, name_en: str, actor: Actor, zone: tzinfo | None) -> Form:
    require(actor, Permission.MANAGE_SETTINGS)
    if not name.strip():
        raise TocsinError(ErrorCode.INVALID, "a holiday has a name", field="name")
    tx.watch.save_holiday(day, name.strip(), name_en.strip())
    _look_anew(tx, zone)
    tx.record(HolidaySaved(subject_id=day.isoformat(), at=tx.now, actor=actor.ref, name=name.strip()))
    return holiday_form(day, name.strip(), name_en.strip())


def _remove_holiday(tx: Any, day: date, actor: Actor, zone: tzinfo | None) -> None:
    require(actor, Permission.MANAGE_SETTINGS)
    if not tx.watch.remove_holiday(day):
        raise TocsinError(ErrorCode.NOT_FOUND, f"no holiday {day}")
    _look_anew(tx, zone)
    tx.record(HolidayRemoved(subject_id=day.isoformat(), at=tx.now, actor=actor.ref))


def _look_anew(tx: Any, zone: tzinfo | None) -> None:
    """Find the next checkpoint of every schedule that keeps holidays: the list of them has changed."""
    book = book_of(tx)
    schedules = [one for of in book.of.values() for one in of if one.is_closed_on_holidays]
    states: Mapping[str, ScheduleState] = tx.watch.states([one.id for one in schedules])
    tx.watch.save_states([begun_again(tx, one, book, zone, states.get(one.id)) for one in schedules])


def _tests(tx: Any, device_id: str, actor: Actor) -> Form:
    device = opened_device(tx, device_id, actor, READ)
    shown: list[Form] = []
    for signal_id, at_us, raw in tx.watch.test_events(device.id, TESTS_SHOWN):
        event = next((one for one in _events(raw) if one.kind == EventKind.TEST), None)
        if event is not None:
            is_manual = (event.code_system, event.code) in _BY_HAND
            shown.append(
                {
                    "signal_id": signal_id,
                    "at": iso_us(at_us),
                    "how": "manual" if is_manual else "periodic",
                    "label": event.label_zh,
                    "label_en": event.label_en,
                    "label_zh": event.label_zh,
                }
            )
    fault = next((one for one in device.faults if one.key == "test.late"), None)
    due_at = (
        device.last_test_at + timedelta(seconds=device.test_interval_s)
        if device.last_test_at is not None and device.test_interval_s
        else None
    )
    return {
        "device_id": device.id,
        "interval_s": device.test_interval_s,
        "last_at": optional_iso(device.last_test_at),
        "due_at": optional_iso(due_at),
        "is_late": fault is not None or (due_at is not None and due_at < tx.now),
        "misses": 0 if fault is None else fault.params.get("misses", 1),
        "tests": shown,
    }


def _late_tests(tx: Any, actor: Actor, after: str, limit: int) -> list[Form]:
    found = tx.watch.late_tests(tx.now, visible_to=require(actor, READ), after=after, limit=limit)
    forms: list[Form] = []
    for row in found:
        last_at, interval_s = optional_from_us(row.pop("last_us")), row["interval_s"]
        due_at = None if last_at is None else last_at + timedelta(seconds=interval_s)
        late_s = None if due_at is None else round((tx.now - due_at).total_seconds())
        forms.append({**row, "last_at": optional_iso(last_at), "due_at": optional_iso(due_at), "late_s": late_s})
    return forms
