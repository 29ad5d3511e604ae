"""What is recorded of a day by quarters of an hour, so that days of any time zone are summed without segments. Pure.

A day of the index is a UTC day. Every time zone in use today is off UTC by whole quarters, so a local day, of 23, 24 or
25 hours, is a run of them. Packed they are 96 numbers of milliseconds, 4 bytes each, low byte first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, tzinfo
from typing import Final

from tocsin.domain.segments import DAY_MS, MINUTES, CoverageDay, Span

QUARTER_MS: Final = 900_000
QUARTERS: Final = DAY_MS // QUARTER_MS
_PACKED: Final = struct.Struct(f"<{QUARTERS}I")


def quarters_of(spans: Iterable[Span], day: int) -> bytes:
    """Return how much of each quarter of a day stretches cover, packed; what overlaps counts once a stretch."""
    found = [0] * QUARTERS
    begin_ms = day * DAY_MS
    for span in spans:
        from_ms, to_ms = max(0, span.from_ms - begin_ms), min(DAY_MS, span.to_ms - begin_ms)
        while from_ms < to_ms:
            place = from_ms // QUARTER_MS
            until_ms = min(to_ms, (place + 1) * QUARTER_MS)
            found[place] = min(QUARTER_MS, found[place] + until_ms - from_ms)
            from_ms = until_ms
    return _PACKED.pack(*found)


def quarters_added(one: bytes, other: bytes) -> bytes:
    """Return two days' quarters added, none fuller than full."""
    pairs = zip(_PACKED.unpack(one), _PACKED.unpack(other), strict=True)
    return _PACKED.pack(*(min(QUARTER_MS, a + b) for a, b in pairs))


def quarters_guessed(total_ms: int, minutes: bytes) -> bytes:
    """Return the quarters of a day of which only its sum and its minutes are known: the sum spread over the minutes, or
    over the whole day when none is set.
    """
    text = f"{int.from_bytes(minutes):0{MINUTES}b}"
    each = MINUTES // QUARTERS
    shares = [text.count("1", place * each, (place + 1) * each) for place in range(QUARTERS)]
    whole = sum(shares)
    if not whole:
        shares, whole = [1] * QUARTERS, QUARTERS
    return _PACKED.pack(*(min(QUARTER_MS, total_ms * share // whole) for share in shares))


def recorded_between(days: Iterable[CoverageDay], from_ms: int, to_ms: int) -> tuple[int, int]:
    """Return milliseconds stored and expected from one quarter of an hour to another, of the days of one stream."""
    stored_ms = expected_ms = 0
    for day in days:
        begin_ms = day.day * DAY_MS
        first = max(0, (from_ms - begin_ms) // QUARTER_MS)
        last = min(QUARTERS, (to_ms - begin_ms) // QUARTER_MS)
        if first < last:
            stored_ms += _between(day.stored_ms, day.stored_quarters, first, last)
            expected_ms += _between(day.expected_ms, day.expected_quarters, first, last)
    return stored_ms, expected_ms


def _between(total_ms: int, packed: bytes, first: int, last: int) -> int:
    """A month of a large house is a hundred thousand days: most are full, and need no unpacking."""
    if total_ms >= DAY_MS:
        return (last - first) * QUARTER_MS
    if not packed:
        return 0
    return sum(struct.unpack_from(f"<{last - first}I", packed, 4 * first))


def begin_of_day(day: date, zone: tzinfo | None) -> int:
    """Return when a day begins in a time zone, in ms since 1970 UTC; None is the server's own zone."""
    begin = datetime.combine(day, time(), zone)
    return round((begin if zone is not None else begin.astimezone()).timestamp() * 1000)


def day_at(at_ms: int, zone: tzinfo | None) -> date:
    """Return the day of a time zone that a time falls on."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).date()
