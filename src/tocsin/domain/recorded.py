"""What the house itself has recorded, as players and timelines ask for it. Pure; times in ms since 1970 UTC.

Source: design note 0019.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from tocsin.base.words import Words
from tocsin.domain.segment_groups import Group
from tocsin.domain.segments import Codec, Gap, Segment, SegmentState, Span, Volume

T = TypeVar("T")
LONGEST_LISTING_MS: Final = 4 * 3_600_000
MOST_GROUPS: Final = 256
MOST_KEYS: Final = 64
PACES: Final = (1, 2, 4, 8, 16)

LOST: Final = "lost"
DELETING: Final = "deleting"
_STATE_REASONS: Final = {SegmentState.LOST: LOST, SegmentState.DELETING: DELETING}

WORDS: Final = Words(
    {
        f"gap.{LOST}": (
            "It was recorded, but the file is no longer on its disk.",
            "曾有录像，但文件已不在磁盘上。",
        ),
        f"gap.{DELETING}": ("This recording is being deleted.", "该段录像正在删除。"),
        "recorded.gone": (
            "The file of this recording is gone or shorter than the index says. `tocsin recordings check` names it.",
            "该段录像文件不存在或短于索引所载，可用 `tocsin recordings check` 查明。",
        ),
        "recorded.volume": (
            "The disk of this recording is not in reach of this server.",
            "本服务器无法访问该段录像所在的存储。",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One segment with what lies in it; `groups` in ms from its beginning, its size as far as it is known whole."""

    segment: Segment
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a player needs to know of a period: segments, codecs by number, gaps, and the nearest recordings around."""

    channel_id: str
    stream: str
    from_ms: int
    to_ms: int
    segments: tuple[Recorded, ...] = ()
    codecs: tuple[Codec, ...] = ()
    gaps: tuple[Gap, ...] = ()
    previous_ms: int | None = None
    next_ms: int | None = None


@dataclass(frozen=True, slots=True)
class StreamSpans:
    """What of a period is recorded of one stream, and why the rest is not."""

    stream: str
    spans: tuple[Span, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something worth finding on a timeline: kind is alarm or hold."""

    kind: str
    from_ms: int
    to_ms: int
    label_en: str
    label_zh: str
    incident_id: str = ""
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class OpenFile:
    """What an open segment holds so far."""

    groups: tuple[Group, ...]
    codec: Codec | None


@dataclass(frozen=True, slots=True)
class Part:
    """A run of bytes of a file, and the file's size when it was opened."""

    content: AsyncIterator[bytes]
    offset: int
    size_bytes: int
    file_bytes: int


@dataclass(frozen=True, slots=True)
class Keys:
    """One fragment of key pictures; `last` is the last group it reaches to."""

    data: bytes
    last: int


class FarFile(Protocol):
    """An open file, read by blocking calls. Errors of each: UNAVAILABLE.

    `peek_bytes`: how much is best read at once where a group begins.
    """

    size_bytes: int
    peek_bytes: int

    def pread(self, size_bytes: int, at: int, /) -> bytes:
        """Return bytes from a place; fewer at the end."""

    def pread_many(self, places: Sequence[tuple[int, int]], /) -> list[bytes]:
        """Return runs of bytes (size, place)."""

    def close(self) -> None:
        """Read no more."""


class FarFiles(Protocol):
    """The way to files of the far place: calls that may hang, in threads that are for them."""

    async def call(self, call: Callable[..., T], *args: Any) -> T:
        """Make a blocking call. Errors: UNAVAILABLE when it is not done in time; what the call raises."""

    def open(self, volume: Volume, path: str, start: int, end: int) -> FarFile:
        """Open a file of a bucket, in such a call; its bytes from `start` to `end` are wanted. Errors: UNAVAILABLE."""


class RecordedFiles(Protocol):
    """Reads files of recordings, not on the loop. Errors of each: UNAVAILABLE (`recorded.gone`, `recorded.volume`)."""

    async def look(self, volume: Volume, path: str) -> OpenFile:
        """Return what lies in a file that is being written."""

    async def take(self, volume: Volume, path: str, groups: Sequence[Group]) -> Part:
        """Return neighbouring groups as they stand in the file; it stays open until they were read."""

    async def keys(self, volume: Volume, path: str, groups: Sequence[Group], *, pace: int, is_reverse: bool) -> Keys:
        """Return the key pictures of groups as one fragment; each lasts to the next one, divided by `pace`."""


def gaps_of(gaps: Sequence[Gap], segments: Sequence[Segment], from_ms: int, to_ms: int) -> tuple[Gap, ...]:
    """Return the gaps of a period, with what is lost or being deleted among them, by their beginning."""
    found = [gap for gap in gaps if gap.from_ms < to_ms and (gap.to_ms is None or gap.to_ms > from_ms)]
    found += [
        Gap(one.stream_no, one.start_ms, _STATE_REASONS[one.state], one.end_ms)
        for one in segments
        if one.state in _STATE_REASONS and one.start_ms < to_ms and one.end_ms > from_ms
    ]
    return tuple(sorted(found, key=lambda gap: gap.from_ms))


def covers(spans: Sequence[Span], wanted: Span) -> bool:
    """Say whether merged stretches hold another one whole."""
    return any(span.from_ms <= wanted.from_ms and wanted.to_ms <= span.to_ms for span in spans)
