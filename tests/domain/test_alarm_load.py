"""Floods begin and end where the figures say; measures of a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.alarm_load import WINDOW_US, LoadAlarm, S, floods, measure


def at(*seconds: float) -> list[int]:
    return [int(second * S) for second in seconds]


def test_a_flood_begins_above_ten_in_ten_minutes_and_ends_below_five() -> None:
    ten = at(*range(1, 11))
    assert floods(ten, 11 * S) == []
    (flood,) = floods([*ten, *at(20)], 30 * S)
    assert (flood.from_us, flood.to_us, flood.alarms) == (1 * S, None, 11)
    (flood,) = floods([*ten, *at(20)], 3600 * S)
    assert (flood.from_us, flood.to_us, flood.alarms) == (1 * S, 607 * S, 11)


def test_two_seats_bear_twice_as_much() -> None:
    times = at(*range(20))
    assert len(floods(times, 30 * S)) == 1
    assert floods(times, 30 * S, seats=2) == []
    assert len(floods(at(*range(21)), 30 * S, seats=2)) == 1


@given(st.lists(st.integers(0, 7200), max_size=120), st.integers(1, 3))
def test_floods_lie_apart_and_within_the_time(seconds: list[int], seats: int) -> None:
    times = at(*sorted(seconds))
    end_us = 7200 * S + 1
    found = floods(times, end_us, seats)
    edges = [edge for flood in found for edge in (flood.from_us, flood.to_us or end_us)]
    assert edges == sorted(edges)
    assert all(flood.alarms > 10 * seats for flood in found)


def test_measures_of_an_hour() -> None:
    hour_us = 6 * WINDOW_US
    alarms = [LoadAlarm(one, 2, "panel", "4", seat="A") for one in at(0, 20, 40)]
    alarms += [LoadAlarm(one, 5, "other", str(n), seat="B") for n, one in enumerate(at(*range(700, 712)))]
    alarms += [LoadAlarm(3000 * S, 1, "panel", "9")]
    load = measure(alarms, 0, hour_us, seats=1)
    assert (load.rate.alarms, load.rate.most, round(load.rate.mean, 2)) == (16, 12, 2.67)
    assert round(load.rate.over_share, 3) == round(1 / 6, 3)
    assert load.by_seat["B"].most == 12
    assert load.by_seat[""].alarms == 1
    assert [(one.device_id, one.zone, one.alarms, one.chatters) for one in load.top[:1]] == [("panel", "4", 3, 1)]
    assert load.chattering == 1
    assert load.mix == {"high": 0.25, "medium": 0.0, "low": 0.75}
    assert len(load.floods) == 1
    assert load.hours_over_share == 0
    assert load.stale == 0


def test_an_alarm_open_for_a_day_is_stale() -> None:
    day_us = 25 * 3600 * S
    assert measure([LoadAlarm(0, 5, "p", "", is_open=True), LoadAlarm(1, 5, "p", "")], 0, day_us).stale == 1


def test_nothing_measures_as_nothing() -> None:
    load = measure([], 0, WINDOW_US)
    assert (load.rate.alarms, load.rate.mean, load.top, load.flood_share) == (0, 0, [], 0)
