"""How much is asked of those who watch: floods, and the measures of alarm management. Pure.

A flood begins when more than ten alarms came to a seat in ten minutes, and ends when fewer than five did.
Source: dispatch reference, Alarm-management figures (ISA-18.2, EEMUA 191).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

S: Final = 1_000_000
WINDOW_US: Final = 600 * S
BEGINS: Final = 10
ENDS: Final = 5
HOUR_MOST: Final = 30
CHATTERS: Final = 3
CHATTER_US: Final = 60 * S
STALE_US: Final = 24 * 3600 * S
TOP: Final = 10
# What the shares of priorities should be: most low, few high. Source: as above, priority mix.
MIX: Final[Mapping[str, tuple[tuple[int, ...], float]]] = {
    "high": ((1, 2), 0.05),
    "medium": ((3, 4), 0.15),
    "low": ((5, 6, 7, 8, 9), 0.80),
}


@dataclass(frozen=True, slots=True)
class LoadAlarm:
    """An alarm as the measures see it; `seat` is where its incident was first shown."""

    at_us: int
    priority: int
    device_id: str
    zone: str
    is_open: bool = False
    seat: str = ""


@dataclass(frozen=True, slots=True)
class Flood:
    """A time in which more came than can be handled; no end while it lasts."""

    from_us: int
    to_us: int | None
    alarms: int


def floods(times_us: Iterable[int], now_us: int, seats: int = 1) -> list[Flood]:
    """Return the floods among alarms, given in order of time, for so many seats."""
    found: list[Flood] = []
    recent: deque[int] = deque()
    began_us: int | None = None
    count = 0

    def _age(until_us: int) -> None:
        nonlocal began_us, count
        while recent and recent[0] + WINDOW_US <= until_us:
            gone_us = recent.popleft() + WINDOW_US
            if began_us is not None and len(recent) < ENDS * seats:
                found.append(Flood(began_us, gone_us, count))
                began_us = None

    for at_us in times_us:
        _age(at_us)
        recent.append(at_us)
        if began_us is not None:
            count += 1
        elif len(recent) > BEGINS * seats:
            began_us, count = recent[0], len(recent)
    _age(now_us)
    if began_us is not None:
        found.append(Flood(began_us, None, count))
    return found


@dataclass(slots=True)
class Rate:
    """Alarms by windows of ten minutes: how many, the mean and the most, and the share of windows above ten."""

    alarms: int = 0
    mean: float = 0.0
    most: int = 0
    over_share: float = 0.0

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "alarms": self.alarms,
            "mean_10_min": round(self.mean, 2),
            "most_10_min": self.most,
            "over_share": round(self.over_share, 4),
        }


@dataclass(slots=True)
class Source:
    """A detector or device with its alarms, and how often it chattered."""

    device_id: str
    zone: str
    alarms: int
    chatters: int = 0


@dataclass(slots=True)
class Load:
    """The measures of a time."""

    rate: Rate
    by_seat: dict[str, Rate]
    floods: list[Flood]
    flood_share: float
    hours_over_share: float
    mix: dict[str, float]
    top: list[Source]
    top_share: float
    chattering: int
    stale: int
    by_priority: dict[int, int] = field(default_factory=dict)


def measure(alarms: Sequence[LoadAlarm], from_us: int, to_us: int, seats: int = 1) -> Load:
    """Return the measures of alarms, given in order of time."""
    times = [alarm.at_us for alarm in alarms]
    found = floods(times, to_us, seats)
    flooded = sum((flood.to_us or to_us) - flood.from_us for flood in found)
    hours = Counter((at_us - from_us) // (6 * WINDOW_US) for at_us in times)
    priorities = Counter(alarm.priority for alarm in alarms)
    total = max(1, len(alarms))
    sources = _sources(alarms)
    top = sorted(sources, key=lambda one: (-one.alarms, one.device_id, one.zone))[:TOP]
    seated: dict[str, list[int]] = {}
    for alarm in alarms:
        seated.setdefault(alarm.seat, []).append(alarm.at_us)
    return Load(
        rate=_rate(times, from_us, to_us),
        by_seat={seat: _rate(of_seat, from_us, to_us) for seat, of_seat in sorted(seated.items())},
        floods=found,
        flood_share=flooded / max(1, to_us - from_us),
        hours_over_share=sum(count > HOUR_MOST for count in hours.values()) / _many(to_us - from_us, 6 * WINDOW_US),
        mix={name: sum(priorities[one] for one in of) / total for name, (of, _) in MIX.items()},
        top=top,
        top_share=sum(one.alarms for one in top) / total,
        chattering=sum(one.chatters > 0 for one in sources),
        stale=sum(alarm.is_open and alarm.at_us < to_us - STALE_US for alarm in alarms),
        by_priority=dict(sorted(priorities.items())),
    )


def _rate(times: Sequence[int], from_us: int, to_us: int) -> Rate:
    windows = Counter((at_us - from_us) // WINDOW_US for at_us in times)
    many = _many(to_us - from_us, WINDOW_US)
    over = sum(count > BEGINS for count in windows.values())
    return Rate(len(times), len(times) / many, max(windows.values(), default=0), over / many)


def _many(length_us: int, window_us: int) -> int:
    return max(1, -(-length_us // window_us))


def _sources(alarms: Sequence[LoadAlarm]) -> list[Source]:
    """Return each source with its alarms; three within a minute are once chattering."""
    found: dict[tuple[str, str], Source] = {}
    recent: dict[tuple[str, str], list[int]] = {}
    for alarm in alarms:
        key = (alarm.device_id, alarm.zone)
        source = found.get(key)
        if source is None:
            source = found[key] = Source(*key, 0)
        source.alarms += 1
        trips = [at_us for at_us in recent.get(key, ()) if at_us > alarm.at_us - CHATTER_US]
        trips.append(alarm.at_us)
        if len(trips) >= CHATTERS:
            source.chatters += 1
            trips = []
        recent[key] = trips
    return list(found.values())
