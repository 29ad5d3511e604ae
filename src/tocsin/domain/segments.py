"""What is recorded: volumes, streams, segments, gaps and coverage, as values. Pure.

Times are milliseconds since 1970 UTC; a day is a number of days since 1970-01-01 UTC.
Source: design note 0017.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from tocsin.base.errors import ErrorCode, TocsinError

DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000
MINUTES: Final = 1_440
MINUTES_BYTES: Final = MINUTES // 8
LONGEST_SEGMENT_MS: Final = 15 * MINUTE_MS  # no segment is longer: a list looks back no further
EXTENSION: Final = ".mp4"


class SegmentState(IntEnum):
    """How a segment is doing."""

    OPEN = 0
    OK = 1
    DAMAGED = 2
    LOST = 3
    DELETING = 4


PLAYABLE: Final = frozenset({SegmentState.OPEN, SegmentState.OK, SegmentState.DAMAGED})


class GapReason(StrEnum):
    """Why something was not recorded."""

    SOURCE_LOST = "source_lost"
    DEVICE_OFFLINE = "device_offline"
    DISK_FULL = "disk_full"
    DISK_SLOW = "disk_slow"
    DISK_GONE = "disk_gone"
    OVERLOAD = "overload"
    PLANNED = "planned"
    NOT_ASKED = "not_asked"
    RESTART = "restart"
    DAMAGED = "damaged"
    NO_KEY = "no_key"


class VolumeState(StrEnum):
    """How a volume is doing."""

    OK = "ok"
    FULL = "full"
    SLOW = "slow"
    READ_ONLY = "read_only"
    GONE = "gone"
    FOREIGN = "foreign"


class Tier(StrEnum):
    """How near a volume is."""

    HOT = "hot"
    WARM = "warm"
    COLD = "cold"


class SegmentKey(NamedTuple):
    """What names a segment."""

    stream_no: int
    start_ms: int


@dataclass(frozen=True, slots=True)
class Volume:
    """A folder or bucket recordings lie in; `no` is 0 before it is entered."""

    id: str
    location: str
    kind: str = "folder"
    tier: Tier = Tier.HOT
    state: VolumeState = VolumeState.OK
    reserve_bytes: int = 0
    high_pct: int = 90
    low_pct: int = 85
    total_bytes: int = 0
    free_bytes: int = 0
    seen_at: datetime | None = None
    no: int = 0


@dataclass(frozen=True, slots=True)
class RecordedStream:
    """A stream of which something was or is to be recorded."""

    no: int
    channel_id: str
    stream: str
    jurisdiction_code: str


@dataclass(frozen=True, slots=True)
class Codec:
    """One set of parameters; `init` is what stands in front of the first group of a file."""

    sha256: bytes
    codec: str
    width: int
    height: int
    mime: str
    init: bytes
    no: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """One file. `groups` is packed, see `segment_groups`."""

    stream_no: int
    start_ms: int
    end_ms: int
    volume_no: int
    state: SegmentState = SegmentState.OPEN
    size_bytes: int = 0
    pictures: int = 0
    lost_packets: int = 0
    damaged: int = 0
    codec_no: int | None = None
    sha256: bytes | None = None
    groups: bytes = b""
    clock_offset_ms: int | None = None
    end_reason: str = ""
    due_ms: int | None = None

    @property
    def key(self) -> SegmentKey:
        """What names it."""
        return SegmentKey(self.stream_no, self.start_ms)

    @property
    def duration_ms(self) -> int:
        """Milliseconds from its first picture to the end of its last."""
        return self.end_ms - self.start_ms


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch that should have been recorded and was not; `to_ms` None while it lasts."""

    stream_no: int
    from_ms: int
    reason: str
    to_ms: int | None = None


class Span(NamedTuple):
    """A stretch of time, its end excluded."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class CoverageDay:
    """What is recorded of a day: a bit for each minute, and milliseconds, also by quarters of an hour (`coverage`)."""

    stream_no: int
    day: int
    minutes: bytes = bytes(MINUTES_BYTES)
    stored_ms: int = 0
    expected_ms: int = 0
    stored_quarters: bytes = b""
    expected_quarters: bytes = b""


@dataclass(frozen=True, slots=True)
class DaySum:
    """What lies of a stream and day on a volume: closed segments, first beginning and last end of them, and bytes and
    milliseconds of those whose file is there (OK or DAMAGED).
    """

    stream_no: int
    day: int
    volume_no: int
    segments: int
    size_bytes: int
    duration_ms: int
    first_ms: int
    last_ms: int


def day_sums(segments: Iterable[Segment]) -> dict[tuple[int, int, int], DaySum]:
    """Return the sums of segments by stream, day and volume; open ones do not count."""
    found: dict[tuple[int, int, int], DaySum] = {}
    for one in segments:
        if one.state is SegmentState.OPEN:
            continue
        key = one.stream_no, day_of(one.start_ms), one.volume_no
        there = one.state in (SegmentState.OK, SegmentState.DAMAGED)
        sum_ = found.get(key) or DaySum(*key, 0, 0, 0, one.start_ms, one.end_ms)
        found[key] = DaySum(
            *key,
            sum_.segments + 1,
            sum_.size_bytes + (one.size_bytes if there else 0),
            sum_.duration_ms + (one.duration_ms if there else 0),
            min(sum_.first_ms, one.start_ms),
            max(sum_.last_ms, one.end_ms),
        )
    return found


def day_of(at_ms: int) -> int:
    """Return the day of a time."""
    return at_ms // DAY_MS


def segment_path(channel_id: str, stream: str, start_ms: int) -> str:
    """Return the path of a segment's file within its volume: `yyyy/mm/dd/{channel}/{main|sub}/{start_ms}.mp4`, UTC."""
    day = datetime.fromtimestamp(start_ms / 1000, UTC)
    return f"{day:%Y/%m/%d}/{channel_id}/{stream}/{start_ms}{EXTENSION}"


def read_segment_path(path: str) -> tuple[str, str, int]:
    """Return channel, stream and beginning a path within a volume names. Errors: INVALID when it is no such path."""
    parts = path.split("/")
    if len(parts) == 6 and parts[5].endswith(EXTENSION):
        number = parts[5].removesuffix(EXTENSION)
        if number.isascii() and number.isdigit() and len(number) <= 14 and parts[4] in ("main", "sub"):
            start_ms = int(number)
            if segment_path(parts[3], parts[4], start_ms) == path:
                return parts[3], parts[4], start_ms
    raise TocsinError(ErrorCode.INVALID, f"{path[:200]} is no path of a segment", key="recording.bad_path")


def split_by_day(from_ms: int, to_ms: int) -> list[tuple[int, int, int]]:
    """Return day, beginning and end of each part of a stretch, in ms since 1970."""
    parts = []
    while from_ms < to_ms:
        day = day_of(from_ms)
        until_ms = min(to_ms, (day + 1) * DAY_MS)
        parts.append((day, from_ms, until_ms))
        from_ms = until_ms
    return parts


def minutes_of(spans: Iterable[Span], day: int) -> bytes:
    """Return the minutes of a day in which any of the stretches lies, as 180 bytes."""
    bits = 0
    begin_ms = day * DAY_MS
    for span in spans:
        first = max(0, (span.from_ms - begin_ms) // MINUTE_MS)
        last = min(MINUTES - 1, (span.to_ms - 1 - begin_ms) // MINUTE_MS)
        if first <= last:
            bits |= ((1 << (last - first + 1)) - 1) << (MINUTES - 1 - last)
    return bits.to_bytes(MINUTES_BYTES)


def joined(one: bytes, other: bytes) -> bytes:
    """Return the minutes that are in either."""
    return (int.from_bytes(one) | int.from_bytes(other)).to_bytes(MINUTES_BYTES)


def spans_of_minutes(minutes: bytes, day: int) -> list[Span]:
    """Return the stretches of a day whose minutes are set."""
    spans = []
    text = f"{int.from_bytes(minutes):0{MINUTES}b}"
    begin = text.find("1")
    while begin >= 0:
        end = text.find("0", begin)
        if end < 0:
            end = MINUTES
        spans.append(Span(day * DAY_MS + begin * MINUTE_MS, day * DAY_MS + end * MINUTE_MS))
        begin = text.find("1", end)
    return spans


def merged(spans: Iterable[Span], nearer_than_ms: int = 1) -> list[Span]:
    """Join stretches, sorted by their beginning, that touch or lie nearer to each other than so many ms."""
    found: list[Span] = []
    for span in spans:
        if found and span.from_ms - found[-1].to_ms < max(1, nearer_than_ms):
            found[-1] = Span(found[-1].from_ms, max(found[-1].to_ms, span.to_ms))
        else:
            found.append(span)
    return found


def clipped(spans: Iterable[Span], from_ms: int, to_ms: int) -> list[Span]:
    """Return what of the stretches lies between two times."""
    found = (Span(max(span.from_ms, from_ms), min(span.to_ms, to_ms)) for span in spans)
    return [span for span in found if span.from_ms < span.to_ms]


def without(wanted: Span, covered: Sequence[Span]) -> list[Span]:
    """Return what of a stretch none of the others, sorted by their beginning, covers."""
    found = []
    at_ms = wanted.from_ms
    for span in covered:
        if span.from_ms > at_ms:
            found.append(Span(at_ms, min(span.from_ms, wanted.to_ms)))
        at_ms = max(at_ms, span.to_ms)
        if at_ms >= wanted.to_ms:
            break
    if at_ms < wanted.to_ms:
        found.append(Span(at_ms, wanted.to_ms))
    return [span for span in found if span.from_ms < span.to_ms]
