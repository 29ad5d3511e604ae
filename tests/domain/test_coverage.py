"""Quarters of an hour: summed into days of any time zone, whatever its clocks do."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.coverage import (
    QUARTER_MS,
    begin_of_day,
    day_at,
    quarters_added,
    quarters_guessed,
    quarters_of,
    recorded_between,
)
from tocsin.domain.segments import DAY_MS, MINUTE_MS, CoverageDay, Span, minutes_of, split_by_day

HOUR_MS = 3_600_000
ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC")


def covered(spans: list[Span]) -> list[CoverageDay]:
    """Return the days that stretches without overlap cover."""
    parts: dict[int, list[Span]] = {}
    for span in spans:
        for day, from_ms, to_ms in split_by_day(span.from_ms, span.to_ms):
            parts.setdefault(day, []).append(Span(from_ms, to_ms))
    return [
        CoverageDay(1, day, stored_quarters=quarters_of(some, day), expected_quarters=quarters_of((), day))
        for day, some in parts.items()
    ]


@given(st.lists(st.integers(min_value=1, max_value=5 * HOUR_MS), min_size=2, max_size=60), st.sampled_from(ZONES))
def test_the_days_of_a_zone_hold_together_what_was_recorded(lengths: list[int], name: str) -> None:
    zone, at_ms, spans = ZoneInfo(name), begin_of_day(date(2026, 3, 27), UTC), []
    for place, length_ms in enumerate(lengths):
        if place % 2 == 0:
            spans.append(Span(at_ms, at_ms + length_ms))
        at_ms += length_ms
    days = covered(spans)
    first, last = day_at(spans[0].from_ms, zone), day_at(at_ms, zone)
    total = 0
    for n in range((last - first).days + 1):
        begin_ms, end_ms = (begin_of_day(first + timedelta(days=n + more), zone) for more in (0, 1))
        of_day, _ = recorded_between(days, begin_ms, end_ms)
        assert of_day == sum(max(0, min(s.to_ms, end_ms) - max(s.from_ms, begin_ms)) for s in spans)
        total += of_day
    assert total == sum(span.to_ms - span.from_ms for span in spans)


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("Asia/Shanghai", date(2026, 3, 29), 24),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/Santiago", date(2026, 9, 6), 23),  # its midnight does not exist
    ],
)
def test_a_day_is_as_long_as_the_zone_makes_it(name: str, day: date, hours: int) -> None:
    zone = ZoneInfo(name)
    begin_ms = begin_of_day(day, zone)
    assert begin_of_day(day + timedelta(days=1), zone) - begin_ms == hours * HOUR_MS
    assert begin_ms % QUARTER_MS == 0
    assert (day_at(begin_ms - 1, zone), day_at(begin_ms, zone)) == (day - timedelta(days=1), day)


def test_what_is_added_is_never_fuller_than_full() -> None:
    one = quarters_of([Span(0, 2 * QUARTER_MS)], 0)
    other = quarters_of([Span(QUARTER_MS, QUARTER_MS + 5)], 0)
    day = CoverageDay(1, 0, stored_quarters=quarters_added(one, other), expected_quarters=one)
    assert recorded_between([day], 0, DAY_MS) == (2 * QUARTER_MS, 2 * QUARTER_MS)


def test_a_day_known_by_its_sum_alone_is_spread_over_its_minutes() -> None:
    half = minutes_of([Span(0, DAY_MS // 2)], 0)
    day = CoverageDay(
        1,
        0,
        half,
        stored_quarters=quarters_guessed(DAY_MS // 2, half),
        expected_quarters=quarters_guessed(96 * MINUTE_MS, bytes(180)),
    )
    assert recorded_between([day], 0, DAY_MS // 2) == (DAY_MS // 2, 48 * MINUTE_MS)
    assert recorded_between([day], DAY_MS // 2, DAY_MS) == (0, 48 * MINUTE_MS)
