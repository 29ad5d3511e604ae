"""Hours and permits at work in intake: found once with the signal, judged once when due, kept through restarts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.support.clocks import START, FixedClock
from tests.support.house import PANEL, PEOPLE, build_town, burglary, event, signal_of
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.base.times import to_us
from tocsin.domain.access import Permission, scope
from tocsin.domain.alarms import AlarmState
from tocsin.domain.incident_detail import AlarmFilter, SignalFilter
from tocsin.domain.intake import Intake
from tocsin.domain.notices import NoticeBoard
from tocsin.domain.permit_service import WORDS, PermitService
from tocsin.domain.permits import ON_TEST, Permit
from tocsin.domain.schedule_service import ScheduleClock, ScheduleService
from tocsin.domain.schedules import DayException, Schedule, hours_of
from tocsin.domain.signals import Signal
from tocsin.domain.supervision_store import LAST_ALIVE
from tocsin.storage.store import AnyStore

EVERYWHERE = scope(PEOPLE.chief, Permission.READ_INCIDENTS)
HOURS = hours_of("08:00", "22:00", "09:00", None, "h")  # of UTC here; START is a Sunday, 02:14:07
SHOP = Schedule("s1", PANEL, weekly=dict.fromkeys(range(7), (HOURS,)), grace_min=10)


def move(kind: EventKind, area: str = "01") -> NormalEvent:
    """An opening or a closing."""
    return NormalEvent("cid", "1401", kind, Category.OPENCLOSE, 9, "Disarmed", "撤防", area=area, user="007")


class House:
    """A town with hours and permits."""

    def __init__(self, store: AnyStore, clock: FixedClock) -> None:
        self.store, self.clock = store, clock
        self.intake = Intake(store, zone=UTC)
        self.schedules = ScheduleService(store, UTC)
        self.notices = NoticeBoard(store, clock, WORDS)
        self.permits = PermitService(store, self.intake, self.notices)

    def until(self, text: str, day: int = 22) -> None:
        hour, minute = text.split(":")
        moment = datetime(2026, 11, day, int(hour), int(minute), tzinfo=UTC)
        self.clock.advance((moment - self.clock.now()).total_seconds())

    async def look(self) -> int:
        """Judge what is due, as a house that has looked all the time."""
        return await ScheduleClock(self.store, self.clock, self.intake, UTC).check()

    async def take(self, *events: NormalEvent, **changes: Any) -> str:
        after_s = (self.clock.now() - START).total_seconds()
        return (await self.intake.accept(signal_of(*events, after_s=after_s, **changes))).signal_id

    async def alarms(self) -> list[Any]:
        return (await self.store.read(lambda tx: tx.alarms.find(AlarmFilter(), visible_to=EVERYWHERE)))[::-1]

    async def codes(self) -> list[tuple[str, int, str]]:
        return [(alarm.code, alarm.priority, alarm.state.value) for alarm in await self.alarms()]

    async def signals(self) -> list[Signal]:
        found = await self.store.read(lambda tx: tx.signals.find(SignalFilter(), visible_to=EVERYWHERE))
        return [stored.signal for stored in found]

    async def audited(self, prefix: str) -> list[str]:
        rows = await self.store.read(
            lambda tx: tx.connection.exec_driver_sql("SELECT action FROM audit ORDER BY seq").fetchall()
        )
        return [row[0] for row in rows if row[0].startswith(prefix)]

    async def give(self, **changes: Any) -> dict[str, Any]:
        given: dict[str, Any] = {
            "id": f"permit-{len(await self.audited('permit.given'))}",
            "device_id": PANEL,
            "owner": "Installer Zhou",
            "reason": "yearly check",
            "phone": "139 0000 0000",
            "begun_at": self.clock.now(),
            "until": self.clock.now() + timedelta(hours=1),
        }
        return await self.permits.give(Permit(**{**given, **changes}), actor=PEOPLE.li)


@pytest.fixture
async def house(store: AnyStore, clock: FixedClock) -> House:
    await store.run(build_town)
    return House(store, clock)


async def test_an_opening_at_night_is_an_alarm_committed_with_it(house: House) -> None:
    await house.schedules.save(SHOP, actor=PEOPLE.installer)
    opened = await house.take(move(EventKind.OPEN))
    assert await house.codes() == [("open.off_hours", 6, "open")]
    (alarm,) = await house.alarms()
    assert (alarm.device_id, alarm.label_en) == (PANEL, "Opened outside its hours")
    assert opened != alarm.signal_id
    assert await house.audited("schedule.") == ["schedule.saved", "schedule.found"]
    (form,) = await house.schedules.find(PANEL, actor=PEOPLE.li)
    assert (form["state"], form["changed_at"]) == ("open", "2026-11-22T02:14:07.000000Z")


async def test_an_opening_by_who_may_not_is_an_alarm_whatever_the_time(house: House) -> None:
    await house.schedules.save(replace(SHOP, users=("1", "20-29")), actor=PEOPLE.installer)
    house.until("08:30")
    await house.take(replace(move(EventKind.OPEN), user="021"))
    await house.take(replace(move(EventKind.CLOSE), user="007"))
    assert await house.codes() == []
    await house.take(move(EventKind.OPEN))
    assert await house.codes() == [("open.user", 6, "open")]
    (alarm,) = await house.alarms()
    assert alarm.label_en == "Opened by user 7, who is not on its list"
    (form,) = await house.schedules.find(PANEL, actor=PEOPLE.li)
    assert form["users"] == ["1", "20-29"]


async def test_a_day_is_judged_once_and_across_a_restart(house: House, clock: FixedClock, store: AnyStore) -> None:
    await house.schedules.save(SHOP, actor=PEOPLE.installer)
    await house.take(move(EventKind.CLOSE))
    house.until("09:09")
    assert await house.look() == 0
    house.until("09:10")
    assert await house.look() == 1
    again = House(store, clock)
    assert await again.look() == 0
    assert await again.codes() == [("open.late", 7, "open")]
    assert [one["late"] for one in await again.schedules.late(actor=PEOPLE.li)] == ["open.late"]
    assert await again.schedules.late(actor=PEOPLE.south) == []
    house.until("09:40")
    await again.take(move(EventKind.OPEN))
    assert await again.codes() == [("open.late", 7, "restored")]

    house.until("22:10")
    assert await again.look() == 1
    house.until("22:50")
    assert await again.look() == 1  # both reminders are over: the last is told
    await again.take(move(EventKind.CLOSE))
    assert (await again.codes())[1:] == [("close.late", 6, "restored"), ("close.late", 6, "restored")]
    assert [alarm.label_en for alarm in await again.alarms()][1:] == [
        "Not closed by 22:00",
        "Not closed by 22:00, reminder 2",
    ]
    assert await again.schedules.late(actor=PEOPLE.li) == []


async def test_a_closing_of_one_area_does_not_restore_another(house: House) -> None:
    await house.schedules.save(Schedule("a1", PANEL, area="1", weekly=SHOP.weekly), actor=PEOPLE.installer)
    await house.schedules.save(Schedule("a2", PANEL, area="2", weekly=SHOP.weekly), actor=PEOPLE.installer)
    house.until("10:00")
    await house.take(move(EventKind.OPEN, "1"))
    await house.take(move(EventKind.OPEN, "2"))
    house.until("22:10")
    assert await house.look() == 2
    await house.take(move(EventKind.CLOSE, "2"))
    states = {alarm.area: alarm.state for alarm in await house.alarms()}
    assert states == {"1": AlarmState.OPEN, "2": AlarmState.RESTORED}


async def test_our_own_outage_moves_a_deadline_and_a_change_does_not_judge_the_past(
    house: House, clock: FixedClock, store: AnyStore
) -> None:
    await house.schedules.save(SHOP, actor=PEOPLE.installer)
    house.until("10:00")
    await house.take(move(EventKind.OPEN))
    house.until("21:30")
    assert await house.look() == 0
    await store.run(lambda tx: tx.devices.set_mark(LAST_ALIVE, to_us(clock.now())))
    house.until("22:30")  # an hour later
    again = House(store, clock)
    waking = ScheduleClock(store, clock, again.intake, UTC)
    await waking.start()
    assert await waking.check() == 0
    house.until("23:09")
    await again.take(move(EventKind.OPEN))  # somebody's code again: nothing is waited for anew by it
    assert await again.look() == 0
    (form,) = await again.schedules.find(PANEL, actor=PEOPLE.li)
    assert form["due_at"] == "2026-11-22T23:10:00.000000Z"
    tonight = DayException(
        "e1", date(2026, 11, 22), date(2026, 11, 22), (hours_of("08:00", "23:30", None, None, "h"),), "stocktaking"
    )
    await again.schedules.add_exception("s1", PANEL, tonight, actor=PEOPLE.li)
    house.until("23:39")
    assert await again.look() == 0
    house.until("23:40")
    assert await again.look() == 1


async def test_a_long_outage_moves_the_deadlines_behind_the_first_too(
    house: House, clock: FixedClock, store: AnyStore
) -> None:
    await house.schedules.save(SHOP, actor=PEOPLE.installer)
    await house.take(move(EventKind.CLOSE))
    house.until("08:30")
    await store.run(lambda tx: tx.devices.set_mark(LAST_ALIVE, to_us(clock.now())))
    house.until("22:00")
    waking = ScheduleClock(store, clock, house.intake, UTC)
    await waking.start()
    assert await waking.check() == 0  # 09:10 is moved by 13.5 hours
    house.until("22:01")
    await house.take(move(EventKind.OPEN))  # what the panel kept meanwhile
    house.until("22:40")
    assert await house.look() == 0  # 22:10 is moved by the hour before closing time that we did not hear
    house.until("23:10")
    assert await house.look() == 1
    assert (await house.codes())[-1] == ("close.late", 6, "open")


async def test_hours_are_entered_once_changed_by_version_and_removed(house: House) -> None:
    await house.schedules.save(SHOP, actor=PEOPLE.installer)
    with pytest.raises(TocsinError) as stale:
        await house.schedules.save(SHOP, actor=PEOPLE.installer)
    assert stale.value.code is ErrorCode.CONFLICT
    with pytest.raises(TocsinError) as refused:
        await house.schedules.save(SHOP, actor=PEOPLE.li)
    assert refused.value.code is ErrorCode.FORBIDDEN
    form = await house.schedules.save(Schedule("s1", PANEL, weekly=SHOP.weekly, version=1), actor=PEOPLE.installer)
    assert form["version"] == 2
    day = DayException("e1", date(2026, 11, 30), date(2026, 12, 1), (), "the owner telephoned")
    assert len((await house.schedules.add_exception("s1", PANEL, day, actor=PEOPLE.li))["exceptions"]) == 1  # type: ignore[arg-type]
    assert (await house.schedules.remove_exception("e1", "s1", PANEL, actor=PEOPLE.li))["exceptions"] == []
    await house.schedules.save_holiday(date(2026, 11, 22), "元旦", "", actor=PEOPLE.admin)
    house.until("10:00")
    await house.take(move(EventKind.OPEN))
    assert [code for code, _, _ in await house.codes()] == ["open.off_hours"]
    await house.schedules.remove("s1", PANEL, actor=PEOPLE.installer, version=2)
    house.until("22:30")
    await house.take(move(EventKind.OPEN))
    assert await house.look() == 0
    assert len(await house.alarms()) == 1


async def test_broken_hours_lose_no_signal(house: House, store: AnyStore) -> None:
    await house.schedules.save(SHOP, actor=PEOPLE.installer)
    broken = '{"0":[{"open_from":99999999999999,"close_by":1}],"6":[{"open_from":99999999999999,"close_by":1}]}'
    await store.run(lambda tx: tx.connection.exec_driver_sql(f"UPDATE schedules SET weekly = '{broken}'"))
    await house.take(move(EventKind.OPEN), burglary())
    assert [code for code, _, _ in await house.codes()] == ["1130"]
    assert await house.audited("schedule.failed") == ["schedule.failed"]


async def test_on_test_is_kept_marked_and_no_alarm_but_for_life(house: House) -> None:
    permit = await house.give()
    await house.take(burglary())
    await house.take(event(EventKind.ALARM, Category.FIRE, 1, zone="005"), burglary("005"), key="2")
    assert [alarm.kind for alarm in await house.alarms()] == ["fire"]
    assert [ON_TEST in signal.flags for signal in await house.signals()] == [True, True]
    assert await house.audited("permit.") == ["permit.given", "permit.held", "permit.held"]
    form = await house.permits.read(str(permit["id"]), PANEL, actor=PEOPLE.installer)
    assert (form["phone"], form["seen_count"], form["zone_count"]) == ("", 2, 2)
    (listed,) = await house.permits.on_test(actor=PEOPLE.li)
    assert (listed["device_name_en"], listed["phone"]) == ("School panel", "139 0000 0000")
    assert await house.permits.on_test(actor=PEOPLE.south) == []


async def test_a_test_returns_by_itself_and_says_what_is_left(house: House) -> None:
    await house.give(zones=("4",))
    await house.take(burglary("004"))
    await house.take(burglary("005"), key="2")
    assert [alarm.zone for alarm in await house.alarms()] == ["005"]
    house.clock.advance(3599)
    assert await house.permits.check() == 0
    house.clock.advance(1)
    await house.take(burglary("004"), key="3")  # its time is over, whether or not somebody has looked
    assert [alarm.zone for alarm in await house.alarms()] == ["005", "004"]
    assert await house.permits.check() == 1
    assert await house.permits.check() == 0
    assert (await house.codes())[-1] == ("test.left_off", 5, "open")
    (notice,) = await house.notices.shown_to(PEOPLE.li, "en")
    assert notice["words"] == "The test of School panel is over, still in alarm: zone 4."
    (form,) = await house.permits.find(PANEL, actor=PEOPLE.li)
    assert (form["how_ended"], form["left"]) == ("returned", ["4"])
    assert (await house.permits.read(str(form["id"]), PANEL, actor=PEOPLE.li))["seen_count"] == 1
    house.clock.advance(901)
    await house.permits.check()
    assert await house.notices.shown_to(PEOPLE.li) == []
    house.clock.advance(31 * 86400)
    await house.permits.forget_phones()
    assert (await house.permits.find(PANEL, actor=PEOPLE.li))[0]["phone"] == ""


async def test_a_permit_is_extended_and_ended_by_hand_on_its_version(house: House) -> None:
    permit = await house.give()
    id_, until = str(permit["id"]), house.clock.now() + timedelta(hours=3)
    with pytest.raises(TocsinError) as twice:
        await house.give()
    assert twice.value.code is ErrorCode.CONFLICT
    with pytest.raises(TocsinError) as refused:
        await house.permits.end(id_, PANEL, actor=PEOPLE.installer, version=1)
    assert refused.value.code is ErrorCode.FORBIDDEN
    longer = await house.permits.extend(id_, PANEL, until, "more zones", actor=PEOPLE.li, version=1)
    assert (longer["until"], longer["version"]) == ("2026-11-22T05:14:07.000000Z", 2)
    house.clock.advance(2 * 3600)
    assert await house.permits.check() == 0
    await house.take(burglary())
    assert await house.alarms() == []
    await house.permits.end(id_, PANEL, actor=PEOPLE.li, version=2)
    await house.take(burglary(), key="2")
    assert len(await house.alarms()) == 1
    assert await house.audited("permit.") == [
        "permit.given",
        "permit.given",  # the refusal of the second is kept like a deed
        "permit.ended",
        "permit.extended",
        "permit.held",
        "permit.ended",
    ]


async def test_a_test_signal_is_listed_with_how_it_came(house: House, store: AnyStore) -> None:
    periodic = NormalEvent("cid", "1602", EventKind.TEST, Category.TEST, 9, "Periodic test", "定期测试")
    by_hand = NormalEvent("cid", "1601", EventKind.TEST, Category.TEST, 9, "Manual test", "手动测试")
    await house.take(periodic)
    await house.take(by_hand, key="2")
    await store.run(
        lambda tx: tx.connection.exec_driver_sql(
            f"UPDATE devices SET test_interval_s = 86400, last_test_at_us = {to_us(START)} WHERE id = '{PANEL}'"
        )
    )
    form: dict[str, Any] = await house.schedules.tests(PANEL, actor=PEOPLE.installer)
    assert [one["how"] for one in form["tests"]] == ["manual", "periodic"]
    assert (form["due_at"], form["is_late"]) == ("2026-11-23T02:14:07.000000Z", False)
    assert await house.schedules.late_tests(actor=PEOPLE.li) == []
    house.clock.advance(2 * 86400)
    (late,) = await house.schedules.late_tests(actor=PEOPLE.li)
    assert (late["device_id"], late["late_s"]) == (PANEL, 86400)
