"""How far a device's clock is off, from the time it says and when we asked and heard. Pure.

Its time was taken between our question and its answer, to the second: the least difference that explains it counts.
Time without a zone is Beijing time; eight hours behind it is taken for UTC.

Source: GB/T 28181-2022, "Device status query", DeviceTime; field reports of devices that write UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tocsin.protocols.gb28181.alarm import read_time

UTC_ZONE: Final = "utc"
BEHIND: Final = timedelta(hours=8)
UTC_WITHIN_S: Final = 300.0
RESOLUTION: Final = timedelta(seconds=1)
_HAS_ZONE: Final = re.compile(r"(?:Z|[+-]\d{2}:?\d{2})\s*\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Seconds a device's clock is ahead of ours, and `utc` when it writes UTC without saying so."""

    offset_s: float
    zone: str = ""


def read_clock(text: str, asked_at: datetime, heard_at: datetime) -> ClockReading | None:
    """Return how a clock stands that said `text` between two moments of ours; None when it is no time."""
    told = read_time(text, heard_at)
    if told is None:
        return None
    offset_s = _least(told, asked_at, heard_at)
    if _HAS_ZONE.search(text.strip()) is None:
        as_utc_s = _least(told + BEHIND, asked_at, heard_at)
        if abs(as_utc_s) <= UTC_WITHIN_S:
            return ClockReading(round(as_utc_s, 1), UTC_ZONE)
    return ClockReading(round(offset_s, 1))


def _least(told: datetime, asked_at: datetime, heard_at: datetime) -> float:
    """Return the least offset that explains a time told between two moments."""
    if told > heard_at:
        return (told - heard_at).total_seconds()
    if told + RESOLUTION < asked_at:
        return (told + RESOLUTION - asked_at).total_seconds()
    return 0.0
