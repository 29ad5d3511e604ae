"""What lies where in a segment's file: its groups of pictures, packed. Pure.

A group is the pictures from one key picture to the next. Packed it is variable-length integers (7 bits a byte, low bits
first): bytes between the end of the group before and this one (for the first: the length of what stands in front of
it), duration in ms, bytes, flags, and with `GAP_BEFORE` the milliseconds missing before it. 5 to 9 bytes a group.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.base.errors import ErrorCode, TocsinError

DAMAGED: Final = 1
GAP_BEFORE: Final = 4
MAX_GROUPS: Final = 100_000
MAX_VALUE: Final = (1 << 56) - 1  # eight bytes packed: more than any file or day has


@dataclass(frozen=True, slots=True)
class Group:
    """One group: where it lies and which milliseconds of its segment it shows."""

    offset: int  # bytes from the beginning of the file to its moof
    size_bytes: int
    start_ms: int  # from the beginning of the segment
    duration_ms: int
    flags: int = 0

    @property
    def end_ms(self) -> int:
        """Its end, in ms from the beginning of the segment."""
        return self.start_ms + self.duration_ms

    @property
    def is_damaged(self) -> bool:
        """Whether packets of it were lost."""
        return bool(self.flags & DAMAGED)


def pack(groups: Iterable[Group]) -> bytes:
    """Return groups packed. `GAP_BEFORE` is set by us where time is missing.

    Errors: INVALID when they overlap in the file or in time, or a value is negative or too large.
    """
    packed = bytearray()
    offset = time_ms = count = 0
    for count, group in enumerate(groups, 1):
        gap_ms = group.start_ms - time_ms
        flags = group.flags | GAP_BEFORE if gap_ms else group.flags & ~GAP_BEFORE
        values = [group.offset - offset, group.duration_ms, group.size_bytes, flags]
        if gap_ms:
            values.append(gap_ms)
        for value in values:
            if not 0 <= value <= MAX_VALUE:
                raise _invalid(f"group {count} does not follow the one before it")
            _append(packed, value)
        offset, time_ms = group.offset + group.size_bytes, group.end_ms
        if offset > MAX_VALUE or time_ms > MAX_VALUE:
            raise _invalid(f"group {count} ends too far away")
    if count > MAX_GROUPS:
        raise _invalid(f"{count} groups, at most {MAX_GROUPS}")
    return bytes(packed)


def unpack(packed: bytes) -> list[Group]:
    """Return the groups of a packed text. Errors: INVALID when it is cut short or no such text."""
    groups: list[Group] = []
    place = offset = time_ms = 0
    while place < len(packed):
        if len(groups) == MAX_GROUPS:
            raise _invalid(f"more than {MAX_GROUPS} groups")
        step, place = _read(packed, place)
        duration_ms, place = _read(packed, place)
        size_bytes, place = _read(packed, place)
        flags, place = _read(packed, place)
        if flags & GAP_BEFORE:
            gap_ms, place = _read(packed, place)
            if not gap_ms:
                raise _invalid(f"group {len(groups) + 1} has a gap of nothing before it")
            time_ms += gap_ms
        group = Group(offset + step, size_bytes, time_ms, duration_ms, flags)
        offset, time_ms = group.offset + size_bytes, group.end_ms
        if offset > MAX_VALUE or time_ms > MAX_VALUE:
            raise _invalid(f"group {len(groups) + 1} ends too far away")
        groups.append(group)
    return groups


def index_at(groups: Sequence[Group], at_ms: int) -> int | None:
    """Return the place of the group that shows `at_ms` (from the beginning of the segment), in a gap the next one.

    None when the time lies behind the last.
    """
    place = bisect_right(groups, at_ms, key=lambda group: group.start_ms) - 1
    if place >= 0 and at_ms < groups[place].end_ms:
        return place
    place += 1
    return place if place < len(groups) else None


def _append(packed: bytearray, value: int) -> None:
    while value > 0x7F:
        packed.append(value & 0x7F | 0x80)
        value >>= 7
    packed.append(value)


def _read(packed: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(packed):
            raise _invalid(f"the index of groups ends within a number, at byte {place}")
        byte = packed[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift:
                raise _invalid(f"a number is longer than it needs to be, at byte {place}")
            return value, place
        shift += 7
        if shift > 49:
            raise _invalid(f"a number is too large, at byte {place}")


def _invalid(detail: str) -> TocsinError:
    return TocsinError(ErrorCode.INVALID, detail, key="recording.bad_groups")
