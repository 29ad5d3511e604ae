"""The rules of camera health: whose fault it is, what lasts, and what share of the time a camera was there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.channel_health import Bounds, Measures, Steady, derive, online_share, picture_faults
from tocsin.domain.channels import ChannelRecord

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def channel(
    gb_id: str, parent: str = "", status: str = "ON", *, heard: bool = True, gone: bool = False
) -> ChannelRecord:
    return ChannelRecord(
        id=f"channel-{gb_id}",
        device_id="device",
        gb_id=gb_id,
        name=f"name-{gb_id}",
        jurisdiction_id="town",
        jurisdiction_code="340223",
        status=status,
        catalog={"parent_id": parent},
        gone_at=NOW if gone else None,
        is_device_online=heard,
    )


def because(of: ChannelRecord, *others: ChannelRecord) -> str:
    return derive(of, {one.gb_id: one for one in (of, *others)}).because


def test_the_reason_is_the_first_that_fails_from_the_top_down() -> None:
    assert because(channel("1", heard=False, status="OFF", gone=True)) == "device"
    assert because(channel("1", parent="9", status="OFF"), channel("9", status="OFF")) == "parent"
    assert because(channel("1", gone=True, status="OFF")) == "gone"
    assert because(channel("1", status="OFF")) == "self"
    assert derive(channel("1", status=""), {}).is_online


def test_a_parent_far_above_counts_and_is_named() -> None:
    top, middle, low = channel("9", status="OFF"), channel("8", parent="9"), channel("1", parent="8")
    found = derive(low, {one.gb_id: one for one in (top, middle, low)})
    assert (found.fault_key, found.params) == ("offline.parent", {"parent": "name-9"})


def test_parents_that_go_round_in_a_circle_end() -> None:
    assert because(channel("1", parent="2"), channel("2", parent="1")) == ""


def test_measures_out_of_bounds_are_named_and_unknown_ones_are_not() -> None:
    bad = Measures(NOW, bitrate_bps=8_000, loss_share=0.05, key_interval_ms=20_000)
    assert picture_faults(bad, Bounds()) == {
        "picture.lossy": {"share": 5.0},
        "picture.keys_rare": {"seconds": 20.0},
        "picture.thin": {"kbps": 8},
    }
    assert picture_faults(Measures(NOW), Bounds()) == {}


def test_a_fault_opens_only_when_it_lasts_and_closes_only_when_it_stays_away() -> None:
    steady = Steady(Bounds(open_s=30, close_s=60))
    seen = {"picture.lossy": {"share": 5.0}}
    assert steady.settle("c", seen, (), 0) == ({}, [])
    assert steady.settle("c", {}, (), 20) == ({}, [])
    assert steady.settle("c", seen, (), 25) == ({}, [])
    assert steady.settle("c", seen, (), 54) == ({}, [])
    assert steady.settle("c", seen, (), 55) == (seen, [])
    assert steady.settle("c", {}, ("picture.lossy",), 60) == ({}, [])
    assert steady.settle("c", seen, ("picture.lossy",), 100) == ({}, [])
    assert steady.settle("c", {}, ("picture.lossy",), 130) == ({}, [])
    assert steady.settle("c", {}, ("picture.lossy",), 190) == ({}, ["picture.lossy"])


def test_the_share_counts_from_when_the_camera_was_entered() -> None:
    outage = [(NOW - 2 * HOUR, NOW - HOUR)]
    assert online_share(outage, NOW - 4 * HOUR, NOW - 24 * HOUR, NOW) == 0.75
    assert online_share([], NOW, NOW - HOUR, NOW) is None
    assert online_share([(NOW - HOUR, None)], NOW - 9 * HOUR, NOW - 2 * HOUR, NOW) == 0.5


moments = st.integers(min_value=-100, max_value=0).map(lambda minutes: NOW + timedelta(minutes=minutes))
intervals = st.lists(st.tuples(moments, st.none() | moments))


@given(intervals)
def test_a_share_is_what_minutes_counted_one_by_one_leave(outages: list[tuple[datetime, datetime | None]]) -> None:
    since = NOW - timedelta(minutes=100)
    minutes = [since + timedelta(minutes=n, seconds=30) for n in range(100)]
    off = sum(any(a <= minute < (b or NOW) for a, b in outages) for minute in minutes)
    found = online_share(outages, since - HOUR, since, NOW)
    assert found is not None
    assert abs(found - (1 - off / 100)) < 1e-9
