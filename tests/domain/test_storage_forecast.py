"""Storage arithmetic against sums done by hand."""

from __future__ import annotations

import math

import pytest

from tocsin.domain.storage_forecast import (
    Flow,
    Room,
    WhatIf,
    allot,
    full_in_days,
    hours_left,
    needed_bytes,
    outlook,
    supposed,
)

ROOM = Room(1, 1_000, 100, 900)


def flow(no: int, rate: float, **given: float) -> Flow:
    return Flow(no, 1, rate, **given)  # type: ignore[arg-type]


def test_equal_streams_share_the_room_by_equal_days() -> None:
    days = allot([flow(1, 10), flow(2, 30)], 900)
    assert days[1] == pytest.approx(22.5)
    assert days[2] == pytest.approx(22.5)


def test_a_ceiling_leaves_the_rest_to_the_others() -> None:
    days = allot([flow(1, 10, ceiling_days=10), flow(2, 10)], 900)
    assert days == {1: pytest.approx(10), 2: pytest.approx(80)}


def test_floors_come_first_then_the_higher_priority() -> None:
    days = allot([flow(1, 10, priority=1, floor_days=30), flow(2, 10, priority=9, floor_days=30)], 900)
    assert days == {1: pytest.approx(30), 2: pytest.approx(60)}


def test_floors_that_do_not_fit_are_told_with_what_they_lack() -> None:
    one = outlook(ROOM, [flow(1, 10, priority=1, floor_days=90), flow(2, 10, priority=9, floor_days=60)])
    assert (one.fits, one.lacking_bytes) == (False, pytest.approx(600))
    assert one.days == {1: pytest.approx(30), 2: pytest.approx(60)}


def test_what_is_held_is_not_to_be_filled_again() -> None:
    one = outlook(Room(1, 1_000, 100, 900, held_bytes=300), [flow(1, 10)])
    assert one.days[1] == pytest.approx(60)
    assert one.held_days == pytest.approx(30)


def test_when_a_volume_fills_is_told_and_that_it_never_does() -> None:
    assert full_in_days(ROOM, [flow(1, 10, stored_bytes=100)]) == pytest.approx(80)
    assert full_in_days(ROOM, [flow(1, 10, stored_bytes=100, ceiling_days=50)]) is None
    assert full_in_days(ROOM, [flow(1, 10, stored_bytes=950)]) == 0.0
    assert full_in_days(Room(1, 1_000, 300, 900, other_bytes=200), [flow(1, 10, stored_bytes=100)]) == pytest.approx(60)


def test_hours_are_left_as_long_as_something_may_be_deleted() -> None:
    assert hours_left(ROOM, []) == math.inf
    full = Room(1, 1_000, 900, 900)
    too_long = flow(1, 24, stored_bytes=900, floor_days=60)
    assert hours_left(full, [too_long]) == 0.0
    assert hours_left(ROOM, [flow(1, 24, stored_bytes=100, floor_days=60)]) == pytest.approx(800)
    grown = flow(1, 48, stored_bytes=900, floor_days=17)  # 84 bytes outlived their floor, at two an hour
    assert hours_left(Room(1, 1_000, 900, 810, 0), [grown]) == 0.0
    held = Room(1, 1_000, 900, 900, held_bytes=200)
    assert hours_left(held, [flow(1, 24, stored_bytes=900, floor_days=30)]) == 0.0


def test_a_volume_on_which_all_floors_fit_never_runs_out_of_room() -> None:
    full = Room(1, 1_000, 900, 900)
    assert hours_left(full, [flow(1, 24, stored_bytes=900, floor_days=30)]) == math.inf
    assert hours_left(full, [flow(1, 24, stored_bytes=720, floor_days=30)]) == math.inf
    assert hours_left(ROOM, [flow(1, 10_000, stored_bytes=0)]) == math.inf, "nothing has a floor"


def test_a_what_if_changes_cameras_rates_days_and_disks() -> None:
    rooms, flows = supposed(
        WhatIf(add_cameras=2, add_kbps=1, rate_pct=50, keep_days=40, add_bytes=1_000), [ROOM], [flow(1, 10)]
    )
    assert (rooms[0].total_bytes, rooms[0].full_at_bytes) == (2_000, 1_800)
    assert flows[0].bytes_per_day == 5
    assert flows[0].floor_days == 40
    assert flows[1].bytes_per_day == pytest.approx(2 * 1000 / 8 * 86_400)
    assert needed_bytes([ROOM], [flow(1, 9)], 100) == pytest.approx(1_000)
