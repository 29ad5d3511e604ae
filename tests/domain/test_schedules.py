"""Hours of premises: what an opening, a closing or silence says by them, in any time zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tocsin.base.errors import TocsinError
from tocsin.base.normal import EventKind
from tocsin.base.times import delayed
from tocsin.domain.schedules import (
    DayException,
    Finding,
    Found,
    Hours,
    Schedule,
    ScheduleState,
    check_exception,
    check_schedule,
    clock_text,
    hours_of,
    instant,
    is_still_late,
    judge,
    next_checkpoint,
    note,
    tidy_hours,
    users_of,
)

CHINA = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
SHOP_HOURS = hours_of("08:00", "22:00", "09:00", "21:00", "h")
SHOP = Schedule("s", "d", weekly=dict.fromkeys(range(6), (SHOP_HOURS,)), grace_min=10)
NO_DAYS: frozenset[date] = frozenset()


def at(text: str, day: int = 23) -> datetime:
    """A time of the wall clock in China; 23 November 2026 is a Monday."""
    hour, minute = text.split(":")
    return datetime(2026, 11, day, int(hour), int(minute), tzinfo=CHINA).astimezone(UTC)


class Shop:
    """A shop whose panel speaks, with a clock that passes its checkpoints."""

    def __init__(self, schedule: Schedule = SHOP, holidays: frozenset[date] = NO_DAYS) -> None:
        self.schedule = schedule
        self.holidays = holidays
        self.state = ScheduleState("s", at("00:00"))

    def moves(self, text: str, kind: EventKind, area: str = "", day: int = 23) -> Found | None:
        self.state, found = note(self.schedule, self.holidays, CHINA, self.state, kind, area, at(text, day))
        return found

    def opens(self, text: str, area: str = "", day: int = 23) -> str:
        found = self.moves(text, EventKind.OPEN, area, day)
        return "" if found is None else found.what.value

    def closes(self, text: str, area: str = "", day: int = 23) -> str:
        found = self.moves(text, EventKind.CLOSE, area, day)
        return "" if found is None else found.what.value

    def until(self, text: str, day: int = 23) -> list[tuple[str, int]]:
        told = []
        while True:
            point = next_checkpoint(self.schedule, self.holidays, CHINA, self.state.judged_to)
            if point is None or point.at > at(text, day):
                return told
            self.state, found = judge(self.schedule, self.holidays, CHINA, self.state, point)
            if found is not None:
                told.append((found.what.value, found.turn))


def test_a_usual_day_says_nothing() -> None:
    shop = Shop()
    assert shop.closes("00:10") == ""
    assert [shop.opens("07:51"), shop.opens("12:00"), shop.closes("21:40")] == ["", "", ""]
    assert shop.until("23:59") == []


@pytest.mark.parametrize(
    ("time", "found"),
    [
        ("07:50", ""),  # within the grace
        ("07:49", "open.early"),
        ("05:00", "open.early"),
        ("04:59", "open.off_hours"),
        ("22:10", ""),
        ("22:11", "open.off_hours"),
    ],
)
def test_an_opening_is_judged_by_how_far_from_the_hours_it_is(time: str, found: str) -> None:
    assert Shop().opens(time) == found


def test_the_same_opening_is_told_once() -> None:
    shop = Shop()
    assert [shop.opens("03:00", "1"), shop.opens("03:09", "2"), shop.opens("03:20", "3")] == [
        "open.off_hours", "", "open.off_hours",
    ]  # fmt: skip


def test_a_sunday_and_a_holiday_have_no_hours() -> None:
    assert Shop().opens("10:00", day=29) == "open.off_hours"
    holiday = frozenset({date(2026, 11, 24)})
    assert Shop(holidays=holiday).opens("10:00", day=24) == "open.off_hours"
    assert Shop(replace(SHOP, is_closed_on_holidays=False), holiday).opens("10:00", day=24) == ""


def test_a_shop_that_does_not_open_is_late_once_and_then_has_opened_after_all() -> None:
    shop = Shop()
    shop.closes("00:10")
    assert shop.until("09:09") == []
    assert shop.until("12:00") == [("open.late", 0)]
    assert shop.opens("12:30") == "open.after_late"
    assert shop.state.late is None
    assert shop.closes("21:30") == ""


def test_a_shop_that_opened_and_closed_again_is_not_late_to_open() -> None:
    shop = Shop()
    shop.closes("00:10")
    shop.opens("07:55")
    shop.closes("08:30")
    assert shop.until("12:00") == []


def test_a_shop_left_open_is_told_three_times_and_restored_by_its_closing() -> None:
    shop = Shop()
    shop.opens("08:00")
    assert shop.until("22:09") == []
    assert shop.until("22:10") == [("close.late", 0)]
    assert shop.until("23:59") == [("close.late", 1), ("close.late", 2)]
    assert shop.state.late_since == at("22:10")
    assert shop.closes("23:59") == "close.after_late"
    assert shop.until("08:00", day=24) == []


def test_what_was_never_heard_is_never_late() -> None:
    shop = Shop()
    assert shop.until("23:59", day=28) == []
    assert shop.state.form("")["state"] == "unknown"


def test_a_day_that_passed_unopened_is_late_no_more_at_its_closing_time() -> None:
    shop = Shop()
    shop.closes("00:10")
    assert shop.until("22:10") == [("open.late", 0)]
    assert shop.state.late is None


def test_an_early_closing_is_an_event_and_a_break_before_is_not() -> None:
    shop = Shop()
    shop.opens("08:00")
    assert shop.closes("20:49") == "close.early"
    shop.opens("20:50")
    assert shop.closes("20:51") == ""


def test_the_whole_is_closed_when_every_area_is() -> None:
    shop = Shop()
    shop.opens("08:00", "1")
    shop.opens("08:01", "2")
    shop.closes("21:30", "1")
    assert shop.until("22:10") == [("close.late", 0)]
    assert shop.closes("22:12", "2") == "close.after_late"


def test_an_area_has_hours_of_its_own_and_hears_of_the_whole() -> None:
    store = Shop(replace(SHOP, area="2"))
    store.opens("08:00", "2")
    assert store.state.is_open("2") is True
    store.closes("21:30")
    assert store.state.is_open("2") is False


def test_an_exception_entered_in_time_keeps_quiet_and_the_last_one_counts() -> None:
    late = DayException("e", date(2026, 11, 23), date(2026, 11, 23), (hours_of("08:00", "23:30", None, None, "h"),))
    shut = DayException("f", date(2026, 11, 23), date(2026, 11, 24))
    shop = Shop(replace(SHOP, exceptions=(shut, late)))
    shop.opens("08:00")
    assert shop.until("23:39") == []
    assert shop.until("23:40") == [("close.late", 0)]
    assert shop.opens("10:00", day=24) == "open.off_hours"


def test_a_change_ends_what_is_not_late_by_the_new_hours_and_keeps_what_is() -> None:
    shop = Shop()
    shop.opens("08:00")
    shop.until("22:10")
    longer = DayException("e", date(2026, 11, 23), date(2026, 11, 23), (hours_of("08:00", "23:30", None, None, "h"),))
    changed = replace(SHOP, exceptions=(longer,))
    assert not is_still_late(changed, NO_DAYS, CHINA, shop.state, at("22:20"))
    elsewhere = replace(SHOP, exceptions=(replace(longer, day_from=date(2026, 12, 1), day_to=date(2026, 12, 1)),))
    assert is_still_late(elsewhere, NO_DAYS, CHINA, shop.state, at("22:20"))


def test_hours_past_midnight_belong_to_the_day_they_begin() -> None:
    bar = Shop(Schedule("s", "d", weekly={0: (hours_of("18:00", "02:00", None, None, "h"),)}, grace_min=0))
    assert bar.opens("01:30", day=24) == ""
    assert bar.until("02:00", day=24) == [("close.late", 0)]


def test_premises_that_never_close_are_not_late_between_two_days() -> None:
    always = Shop(Schedule("s", "d", weekly={day: (Hours(0, 1440),) for day in range(7)}, grace_min=5))
    always.opens("10:00")
    assert always.until("12:00", day=26) == []


def test_a_skipped_hour_is_the_next_and_a_repeated_one_is_first_and_last() -> None:
    spring, autumn = date(2026, 3, 29), date(2026, 10, 25)
    for is_last in (False, True):
        assert instant(spring, 150, BERLIN, is_last=is_last) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert instant(autumn, 150, BERLIN, is_last=False) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert instant(autumn, 150, BERLIN, is_last=True) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert instant(autumn, 600, BERLIN, is_last=True) == datetime(2026, 10, 25, 9, 0, tzinfo=UTC)


def test_a_month_of_holidays_does_not_hide_the_checkpoint_after_it() -> None:
    away = DayException("e", date(2026, 11, 23), date(2027, 1, 31))
    point = next_checkpoint(replace(SHOP, exceptions=(away,)), NO_DAYS, CHINA, at("00:00"))
    assert point is not None
    assert point.at.astimezone(CHINA) == datetime(2027, 2, 1, 9, 10, tzinfo=CHINA)
    assert next_checkpoint(replace(SHOP, weekly={}), NO_DAYS, CHINA, at("00:00")) is None


def test_our_silence_moves_what_was_waited_for_in_it() -> None:
    due, since = at("22:10"), at("21:00")
    hour = timedelta(hours=1)
    assert delayed(due, since, at("21:30"), at("22:30")) == due + hour
    assert delayed(due, since, at("19:00"), at("21:20")) == due + timedelta(minutes=20)
    assert delayed(due, since, at("10:00"), at("12:00")) == due
    assert delayed(due, since, at("22:30"), at("23:30")) == due


@pytest.mark.parametrize(
    ("hours", "field"),
    [
        (("8:00", "22:00", None, None), "h.open_from"),
        (("24:30", "22:00", None, None), "h.open_from"),
        (("08:00", "08:00", None, None), "h.close_by"),
        (("08:00", "12:00", "13:00", None), "h.open_by"),
        (("08:00", "12:00", None, "13:00"), "h.close_from"),
    ],
)
def test_hours_that_cannot_be_meant_name_the_field(hours: tuple[str, str, str | None, str | None], field: str) -> None:
    with pytest.raises(TocsinError) as refused:
        hours_of(*hours, "h")
    assert refused.value.params["field"] == field


def test_a_schedule_is_checked_as_a_whole() -> None:
    for bad in (Schedule("s", "d"), replace(SHOP, grace_min=241)):
        with pytest.raises(TocsinError):
            check_schedule(bad)
    check_schedule(SHOP)
    for hours in ((SHOP_HOURS, SHOP_HOURS), (SHOP_HOURS,) * 4):
        with pytest.raises(TocsinError):
            tidy_hours(hours, "h")
    today = date(2026, 11, 23)
    for days in ((today, date(2026, 11, 22)), (date(2026, 11, 1), date(2026, 11, 2)), (today, date(2028, 1, 1))):
        with pytest.raises(TocsinError):
            check_exception(DayException("e", *days), today)
    assert [clock_text(one) for one in (0, 485, 1440, 1530)] == ["00:00", "08:05", "24:00", "01:30"]
    assert Finding.CLOSE_LATE == "close.late"


def test_who_may_open_is_numbers_and_ranges_of_the_panel() -> None:
    shop = replace(SHOP, users=users_of(["020-29", " 7", "07", "120 - 130"], "users"))
    assert shop.users == ("7", "20-29", "120-130")
    assert [shop.may_open(user) for user in ("007", "7", "20", "29", "125")] == [True] * 5
    assert [shop.may_open(user) for user in ("8", "30", "119", "abc", "٧")] == [False] * 5
    assert [shop.may_open(user) for user in ("", "0", "000")] == [True] * 3  # the panel names nobody
    assert SHOP.may_open("8")


@pytest.mark.parametrize("text", ["", "x", "0", "9-3", "1-", "-5", "10000", "1-2-3", "٧", "1" * 30])
def test_what_is_no_user_number_is_refused_by_name(text: str) -> None:
    with pytest.raises(TocsinError) as refused:
        users_of(["1", text], "users")
    assert refused.value.params["field"] == "users"
