"""Storage arithmetic: how many days volumes give at the bit rates measured, when they fill, what holds cost. Pure.

Days follow from what the space rule does in the long run: each stream has its floor; what is left goes to the highest
priority first, within one priority by equal days, none beyond its ceiling.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

MANY_DAYS: Final = 3_650.0


@dataclass(frozen=True, slots=True)
class Flow:
    """What one stream writes to one volume and has there."""

    stream_no: int
    volume_no: int
    bytes_per_day: float
    stored_bytes: int = 0
    priority: int = 5
    floor_days: float = 0.0
    ceiling_days: float | None = None

    @property
    def most_days(self) -> float:
        """Days it is kept when space is no matter."""
        return MANY_DAYS if self.ceiling_days is None else max(self.ceiling_days, self.floor_days)


@dataclass(frozen=True, slots=True)
class Room:
    """A volume: what of it recordings may fill. `other_bytes` are files that are not ours."""

    volume_no: int
    total_bytes: int
    used_bytes: int
    full_at_bytes: int
    held_bytes: int = 0
    other_bytes: int = 0

    @property
    def for_recordings_bytes(self) -> int:
        """Bytes recordings may take, held ones included."""
        return max(0, self.full_at_bytes - self.other_bytes)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a volume gives: days a stream by its number, bytes a day, days until it is full (None: never), and whether
    the floors fit. `lacking_bytes` is what they lack.
    """

    volume_no: int
    days: dict[int, float]
    bytes_per_day: float
    full_in_days: float | None
    lacking_bytes: float
    held_days: float

    @property
    def fits(self) -> bool:
        """Say whether every floor is met."""
        return self.lacking_bytes <= 0

    @property
    def least_days(self) -> float | None:
        """The days of the stream that is kept the shortest; None without streams."""
        return min(self.days.values(), default=None)


def outlook(room: Room, flows: Iterable[Flow]) -> Outlook:
    """Return what a volume gives to the streams that write to it."""
    ours = [flow for flow in flows if flow.volume_no == room.volume_no]
    rate = sum(flow.bytes_per_day for flow in ours)
    capacity = max(0.0, room.for_recordings_bytes - room.held_bytes)
    needed = sum(flow.bytes_per_day * flow.floor_days for flow in ours)
    days = allot([flow for flow in ours if flow.bytes_per_day > 0], capacity)
    held_days = room.held_bytes / rate if rate else 0.0
    return Outlook(room.volume_no, days, rate, full_in_days(room, ours), max(0.0, needed - capacity), held_days)


def allot(flows: Sequence[Flow], capacity_bytes: float) -> dict[int, float]:
    """Return how many days each stream is kept when so many bytes may be filled."""
    classes: dict[int, list[Flow]] = defaultdict(list)
    for flow in flows:
        classes[flow.priority].append(flow)
    days = {flow.stream_no: 0.0 for flow in flows}
    left = capacity_bytes
    for priority in sorted(classes, reverse=True):  # floors, the most important first
        left -= _fill(
            classes[priority], left, days, lambda _flow: 0.0, lambda flow: min(flow.floor_days, flow.most_days)
        )
    for priority in sorted(classes, reverse=True):
        if left <= 0:
            break
        left -= _fill(classes[priority], left, days, lambda flow: days[flow.stream_no], lambda flow: flow.most_days)
    return days


def _fill(
    flows: Sequence[Flow],
    capacity_bytes: float,
    days: dict[int, float],
    low: Callable[[Flow], float],
    high: Callable[[Flow], float],
) -> float:
    """Raise the days of streams together from `low` towards `high` as far as the bytes reach; return what that took."""
    bounds = [(flow, low(flow), high(flow)) for flow in flows]

    def _cost(level: float) -> float:
        return sum(
            flow.bytes_per_day * (max(least, min(level, most)) - least) for flow, least, most in bounds if most > least
        )

    top = max((most for _, _, most in bounds), default=0.0)
    level = top if _cost(top) <= capacity_bytes else _bisect(_cost, capacity_bytes, 0.0, top)
    for flow, least, most in bounds:
        days[flow.stream_no] = max(least, min(level, most))
    return _cost(level)


def full_in_days(room: Room, flows: Sequence[Flow]) -> float | None:
    """Return in how many days a volume is filled to the mark where the space rule begins; None: never."""
    ours = [flow for flow in flows if flow.volume_no == room.volume_no]

    def _stored(at_days: float) -> float:
        return sum(
            max(
                flow.stored_bytes,
                min(flow.stored_bytes + flow.bytes_per_day * at_days, flow.bytes_per_day * flow.most_days),
            )
            for flow in ours
        )

    if _stored(0.0) >= room.for_recordings_bytes:
        return 0.0
    if _stored(MANY_DAYS) < room.for_recordings_bytes:
        return None
    return _bisect(_stored, room.for_recordings_bytes, 0.0, MANY_DAYS)


def hours_left(room: Room, flows: Iterable[Flow]) -> float:
    """Return for how many hours a volume can be written before nothing may be deleted to make room; infinity without
    writers, and where all floors together fit: then something has always outlived its floor when room is needed.
    """
    ours = [flow for flow in flows if flow.volume_no == room.volume_no]
    per_hour = sum(flow.bytes_per_day for flow in ours) / 24
    if per_hour <= 0:
        return math.inf
    others_bytes = room.used_bytes - sum(flow.stored_bytes for flow in ours)
    floors_bytes = sum(flow.bytes_per_day * flow.floor_days for flow in ours)
    if floors_bytes + room.held_bytes + others_bytes <= room.full_at_bytes:
        return math.inf
    may_go = sum(max(0.0, flow.stored_bytes - flow.bytes_per_day * flow.floor_days) for flow in ours)
    free = room.full_at_bytes - room.used_bytes
    return max(0.0, free + max(0.0, may_go - room.held_bytes)) / per_hour


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A change to think through: more cameras of a bit rate, other bit rates, other days for all, more disk."""

    add_cameras: int = 0
    add_kbps: int = 2_000
    rate_pct: int = 100
    keep_days: int | None = None
    add_bytes: int = 0

    @property
    def is_nothing(self) -> bool:
        """True when nothing is changed."""
        return not self.add_cameras and self.rate_pct == 100 and self.keep_days is None and not self.add_bytes


def supposed(what: WhatIf, rooms: Sequence[Room], flows: Sequence[Flow]) -> tuple[list[Room], list[Flow]]:
    """Return volumes and streams as they would be: new cameras and disk are spread as the volumes are large."""
    total = sum(room.total_bytes for room in rooms) or 1
    floor = what.keep_days
    changed = [
        replace(
            flow,
            bytes_per_day=flow.bytes_per_day * what.rate_pct / 100,
            floor_days=flow.floor_days if floor is None else float(floor),
            ceiling_days=flow.ceiling_days
            if floor is None or flow.ceiling_days is None
            else max(flow.ceiling_days, floor),
        )
        for flow in flows
    ]
    for room in rooms:
        share = room.total_bytes / total
        if what.add_cameras:
            rate = what.add_cameras * what.add_kbps * 1000 / 8 * 86_400 * share
            changed.append(Flow(-room.volume_no, room.volume_no, rate, floor_days=float(floor or 0)))
    more = [
        replace(
            room,
            total_bytes=room.total_bytes + round(what.add_bytes * room.total_bytes / total),
            full_at_bytes=room.full_at_bytes
            + round(what.add_bytes * room.full_at_bytes / (room.total_bytes or 1) * room.total_bytes / total),
        )
        for room in rooms
    ]
    return more, changed


def needed_bytes(rooms: Sequence[Room], flows: Sequence[Flow], days: float) -> float:
    """Return how large the disks must be to keep all streams so many days, the part that stays free included."""
    share = sum(room.full_at_bytes for room in rooms) / (sum(room.total_bytes for room in rooms) or 1) or 0.9
    rest = sum(room.other_bytes + room.held_bytes for room in rooms)
    return (sum(flow.bytes_per_day for flow in flows) * days + rest) / share


def _bisect(of: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Return where a rising function reaches a value."""
    for _ in range(60):
        middle = (low + high) / 2
        if of(middle) < wanted:
            low = middle
        else:
            high = middle
    return low
