"""Tiers of recordings as values: the rules, a move under way, what a far place can do and how it fails. Pure.

Source: design note 0022.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain.segments import SegmentKey, Volume, VolumeState

PART: Final = ".part"  # what a copy is called until it is whole

WORDS: Final = Words(
    {
        "recording.tier_failing": (
            "Recordings cannot be moved to {location}: {reason} They stay on the disks; it is tried again by itself.",
            "录像无法转存到 {location}：{reason} 录像仍留在本地磁盘，系统会自动重试。",
        ),
        "recording.tier_full": (
            "{location} is full: no recordings are moved there. They stay on the disks until there is room.",
            "转存位置 {location} 已满，暂停转存，录像留在本地磁盘，有空间后自动继续。",
        ),
        "recording.tier_behind": (
            "Moving recordings to {location} is {hours} hours behind: they come faster than they are moved.",
            "向 {location} 转存录像已落后 {hours} 小时：产生速度快于转存速度。",
        ),
        "recording.tier_differs": (
            "{files} recordings on {location} are not as they were recorded, and stay there: "
            "`tocsin recordings check --deep` names them.",
            "{location} 上有 {files} 个录像文件与录制时不一致，不予转存；可用 `tocsin recordings check --deep` 查明。",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class TierRules:
    """Where recordings move, and when. `after_days` None: by the level of their disk, unless a policy says more."""

    location: str
    kind: str
    house_id: str
    folders: tuple[str, ...]
    after_days: int | None = None
    at_pct: int = 80
    rate_bytes_s: int = 0
    reserve_bytes: int = 0
    high_pct: int = 95
    low_pct: int = 90


@dataclass(frozen=True, slots=True)
class Movable:
    """A closed segment that may move."""

    stream_no: int
    start_ms: int
    end_ms: int
    volume_no: int
    size_bytes: int
    sha256: bytes

    @property
    def key(self) -> SegmentKey:
        """What names it."""
        return SegmentKey(self.stream_no, self.start_ms)


@dataclass(frozen=True, slots=True)
class Move:
    """A move under way; `now_no` is where the segment's row points, None when there is no row any more."""

    stream_no: int
    start_ms: int
    from_no: int
    to_no: int
    channel_id: str
    stream: str
    now_no: int | None

    @property
    def key(self) -> SegmentKey:
        """What names the segment."""
        return SegmentKey(self.stream_no, self.start_ms)


class TierFailed(Exception):
    """A far place did not do what was asked; `state` is how it is doing now."""

    def __init__(self, state: VolumeState, reason: str) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason


class SourceDiffers(Exception):
    """A file is not what the index says of it."""


class TierFiles(Protocol):
    """The files of a far place, and of the volumes they come from. None of the calls takes for ever."""

    async def prepare(self, volume: Volume, house_id: str) -> tuple[int, int] | None:
        """Mark a new place as ours, or see that it is; return its size and free bytes, None when it has none.

        Errors: TierFailed.
        """

    async def copy(self, source: Volume, target: Volume, path: str, size_bytes: int, sha256: bytes) -> None:
        """Copy a file and see that its bytes arrived. Errors: SourceDiffers, TierFailed."""

    async def remove(self, volume: Volume, paths: Sequence[str]) -> Mapping[str, str]:
        """Remove files, and what a broken copy left of them; return why for those that could not be."""

    async def usage(self, volume: Volume) -> tuple[int, int] | None:
        """Return size and free bytes of a volume now; None when it cannot be told."""


@dataclass(frozen=True, slots=True)
class TierStatus:
    """How moving is doing. `waiting` are segments due now, `oldest_ms` the end of the oldest of them."""

    location: str
    kind: str
    state: str
    reason: str = ""
    again_at: datetime | None = None
    waiting: int = 0
    waiting_bytes: int = 0
    has_more: bool = False
    oldest_due_ms: int | None = None
    moved: int = 0
    moved_bytes: int = 0
    moved_at: datetime | None = None
    differing: int = 0
    after_days: int | None = None
    at_pct: int = 0
    rate_bytes_s: int = 0

    def form(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {
            "location": self.location,
            "kind": self.kind,
            "state": self.state,
            "reason": self.reason,
            "again_at": None if self.again_at is None else iso(self.again_at),
            "waiting": self.waiting,
            "waiting_bytes": self.waiting_bytes,
            "has_more": self.has_more,
            "oldest_due_ms": self.oldest_due_ms,
            "moved": self.moved,
            "moved_bytes": self.moved_bytes,
            "moved_at": None if self.moved_at is None else iso(self.moved_at),
            "differing": self.differing,
            "after_days": self.after_days,
            "at_percent": self.at_pct,
            "rate_bytes_s": self.rate_bytes_s,
        }
