"""Storage arithmetic with a far place against sums done by hand."""

from __future__ import annotations

import pytest

from tocsin.domain.storage_forecast import MANY_DAYS, Flow, Room, outlook
from tocsin.domain.storage_tiers import FarPlace, days_of, near_flows, split

NEAR, FAR = Room(1, 1_000, 100, 900), Room(2, 10_000, 0, 9_000)


def test_days_are_those_near_and_those_far() -> None:
    far = FarPlace(2, else_days=7)
    flows = split([NEAR], [Flow(1, 1, 10.0, 70, floor_days=30, ceiling_days=90)], {1: 500}, far)
    assert [(one.volume_no, one.stored_bytes, one.floor_days, one.ceiling_days) for one in flows] == [
        (1, 70, 7, 7),
        (2, 500, 23, 83),
    ]
    outlooks = [outlook(NEAR, flows), outlook(FAR, flows)]
    assert all(one.fits for one in outlooks)
    assert days_of(outlooks, flows, far) == {1: pytest.approx(90)}


def test_a_disk_that_is_too_small_moves_earlier_by_its_level() -> None:
    far = FarPlace(2, days={1: 30}, else_days=7, at_pct=50)
    flows = split([NEAR], [Flow(1, 1, 100.0, floor_days=20)], {}, far)
    assert (flows[0].ceiling_days, flows[1].floor_days) == (pytest.approx(5), pytest.approx(15))
    assert outlook(NEAR, flows).fits
    assert days_of([outlook(NEAR, flows), outlook(FAR, flows)], flows, far)[1] == pytest.approx(95)


def test_a_bucket_without_a_size_keeps_all_there_is() -> None:
    far = FarPlace(2, else_days=7)
    kept, unbounded = Flow(1, 1, 10.0, ceiling_days=60), Flow(2, 1, 10.0)
    flows = split([NEAR], [kept, unbounded], {}, far)
    assert days_of([outlook(NEAR, flows)], flows, far) == {1: pytest.approx(60), 2: MANY_DAYS}


def test_what_moved_within_the_day_counts_where_it_was_written() -> None:
    flows = [Flow(1, 1, 4.0), Flow(1, 2, 96.0, 500), Flow(2, 1, 10.0)]
    assert [one.bytes_per_day for one in near_flows(flows, FarPlace(2))] == [100.0, 10.0]
