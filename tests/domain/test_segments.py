"""Packed groups, paths, and the arithmetic of stretches and minutes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.segment_groups import DAMAGED, GAP_BEFORE, Group, index_at, pack, unpack
from tocsin.domain.segments import (
    DAY_MS,
    MINUTE_MS,
    Span,
    clipped,
    joined,
    merged,
    minutes_of,
    read_segment_path,
    segment_path,
    spans_of_minutes,
    split_by_day,
    without,
)

DAY = 20_784  # 2026-11-27
STEPS = st.lists(
    st.tuples(
        st.integers(0, 2_000), st.integers(0, 10_000_000), st.integers(0, 5_000), st.integers(0, 20_000), st.booleans()
    ),
    max_size=200,
)


def _groups(steps: list[tuple[int, int, int, int, bool]]) -> list[Group]:
    groups, offset, time_ms = [], 0, 0
    for step, size_bytes, gap_ms, duration_ms, is_damaged in steps:
        flags = (DAMAGED if is_damaged else 0) | (GAP_BEFORE if gap_ms else 0)
        groups.append(Group(offset + step, size_bytes, time_ms + gap_ms, duration_ms, flags))
        offset, time_ms = offset + step + size_bytes, time_ms + gap_ms + duration_ms
    return groups


@given(STEPS)
def test_groups_come_back_as_they_were_packed(steps: list[tuple[int, int, int, int, bool]]) -> None:
    groups = _groups(steps)
    assert unpack(pack(groups)) == groups


@given(STEPS, st.integers(0, 2_000_000))
def test_a_time_finds_the_group_that_shows_it_or_the_next(
    steps: list[tuple[int, int, int, int, bool]], at_ms: int
) -> None:
    groups = _groups(steps)
    found = index_at(groups, at_ms)
    shows = [place for place, group in enumerate(groups) if group.start_ms <= at_ms < group.end_ms]
    later = [place for place, group in enumerate(groups) if group.start_ms > at_ms]
    assert found == (shows[-1] if shows else later[0] if later else None)


def test_a_group_costs_a_few_bytes() -> None:
    steps = [(1_200 if not place else 0, 500_000, 0, 2_000, False) for place in range(30)]
    assert len(pack(_groups(steps))) <= 30 * 8


@pytest.mark.parametrize("packed", [b"\x80", b"\x01\x01", b"\x00\x00\x00\x04\x00", b"\xff" * 20, b"\x80\x00\x00\x00"])
def test_what_is_no_index_is_refused_with_its_place(packed: bytes) -> None:
    with pytest.raises(TocsinError) as caught:
        unpack(packed)
    assert caught.value.code is ErrorCode.INVALID


def test_groups_that_overlap_are_not_packed() -> None:
    with pytest.raises(TocsinError, match="group 2 does not follow"):
        pack([Group(0, 100, 0, 1_000), Group(50, 100, 1_000, 1_000)])
    with pytest.raises(TocsinError, match="group 2 does not follow"):
        pack([Group(0, 100, 0, 1_000), Group(100, 100, 500, 1_000)])


def test_a_path_names_its_segment_and_nothing_else_does() -> None:
    path = segment_path("018f-a", "main", DAY * DAY_MS + 5)
    assert path == "2026/11/27/018f-a/main/1795737600005.mp4"
    assert read_segment_path(path) == ("018f-a", "main", DAY * DAY_MS + 5)
    for wrong in (
        "2026/11/28/018f-a/main/1795737600005.mp4",
        "2026/11/27/018f-a/third/1795737600005.mp4",
        "2026/11/27/018f-a/main/1795737600005.mp4.part",
        "2026/11/27/018f-a/main/01795737600005.mp4",
        "lost+found/1795737600005.mp4",
        "",
    ):
        with pytest.raises(TocsinError):
            read_segment_path(wrong)


def test_stretches_are_split_at_midnight() -> None:
    begin_ms = (DAY + 1) * DAY_MS - 10
    assert split_by_day(begin_ms, begin_ms + 30) == [
        (DAY, begin_ms, begin_ms + 10),
        (DAY + 1, begin_ms + 10, begin_ms + 30),
    ]
    assert split_by_day(5, 5) == []


@given(st.lists(st.tuples(st.integers(0, 1_439), st.integers(1, 90)), max_size=20))
def test_minutes_are_those_the_stretches_touch(stretches: list[tuple[int, int]]) -> None:
    spans = [Span(DAY * DAY_MS + at * MINUTE_MS, DAY * DAY_MS + (at + long) * MINUTE_MS) for at, long in stretches]
    wanted = {minute for at, long in stretches for minute in range(at, min(1_440, at + long))}
    minutes = minutes_of(spans, DAY)
    assert len(minutes) == 180
    assert {minute for minute in range(1_440) if minutes[minute // 8] & (0x80 >> minute % 8)} == wanted
    found = spans_of_minutes(minutes, DAY)
    assert found == merged(sorted(clipped(spans, DAY * DAY_MS, (DAY + 1) * DAY_MS)))
    assert joined(minutes, minutes_of([], DAY)) == minutes


def test_stretches_join_when_they_are_near_enough() -> None:
    spans = [Span(0, 10), Span(10, 20), Span(25, 30)]
    assert merged(spans) == [Span(0, 20), Span(25, 30)]
    assert merged(spans, 6) == [Span(0, 30)]
    assert without(Span(5, 40), merged(spans)) == [Span(20, 25), Span(30, 40)]
    assert without(Span(0, 20), merged(spans)) == []
