"""What the recorders in the media workers are asked for and what they tell, as values; and who can ask them. Pure.

Whatever has a `key` is told again until the key is acknowledged: acknowledge after the commit, and take the same thing
twice. Times are ms since 1970 UTC. Source: design note 0017.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tocsin.domain.segment_groups import Group
from tocsin.domain.segments import SegmentState


@dataclass(frozen=True, slots=True)
class VolumeOrder:
    """A folder to record into. `reserve_bytes` stay free.

    `may_enter`: the folder is new, or ours and empty, and gets its mark; any other must carry it.
    """

    no: int
    volume_id: str
    house_id: str
    location: str
    reserve_bytes: int = 0
    may_enter: bool = False


@dataclass(frozen=True, slots=True)
class RecordOrder:
    """A stream to record, at the first of `volumes` that takes it. A higher `priority` is dropped later.

    With `pre_roll_ms` its pictures stay in memory, that long, until `keep` is asked for.
    `clock_offset_ms`: how far the device's clock is ahead, where that is known.
    """

    stream_id: str
    channel_id: str
    stream: str
    volumes: tuple[int, ...]
    segment_s: int = 60
    offset_s: int = 0
    priority: int = 0
    pre_roll_ms: int = 0
    clock_offset_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CodecTold:
    """The parameters of a segment; `init` is what stands in front of its first group."""

    sha256: bytes
    codec: str
    width: int
    height: int
    mime: str
    init: bytes


@dataclass(frozen=True, slots=True)
class SegmentOpened:
    """A file was begun."""

    key: str
    channel_id: str
    stream: str
    start_ms: int
    volume_no: int
    codec: CodecTold


@dataclass(frozen=True, slots=True)
class SegmentClosed:
    """A file is whole and on the disk, or with state LOST was none and is removed.

    `is_recovered`: found on the disk after its writer ended; `lost_packets` and `clock_offset_ms` are not known then.
    `end_reason`: `time`, `parameters`, `clock`, `restart` (of the source), `volume`, `stopped`, `event`, `long`,
    `recovered`, or the reason of the gap that follows.
    """

    key: str
    channel_id: str
    stream: str
    start_ms: int
    end_ms: int
    volume_no: int
    state: SegmentState
    size_bytes: int
    pictures: int
    damaged: int
    lost_packets: int | None
    clock_offset_ms: int | None
    sha256: bytes
    groups: tuple[Group, ...]
    codec: CodecTold | None
    end_reason: str
    is_recovered: bool = False


@dataclass(frozen=True, slots=True)
class GapTold:
    """A stretch was not recorded; `to_ms` None while it lasts. Told again with its end under another key."""

    key: str
    channel_id: str
    stream: str
    from_ms: int
    to_ms: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class VolumeTold:
    """How a volume is doing in one worker: a word of `VolumeState`, and bytes that wait to be written."""

    no: int
    state: str
    total_bytes: int
    free_bytes: int
    queue_bytes: int


@dataclass(frozen=True, slots=True)
class MemoryTold:
    """What came before an event had to leave memory early in one worker: groups since it last said so."""

    dropped: int
    held_bytes: int
    most_bytes: int


@dataclass(frozen=True, slots=True)
class RecoveredTold:
    """What a walk over a volume found; `foreign` files were left alone, `busy` ones are being written."""

    files: int = 0
    cut_bytes: int = 0
    removed: int = 0
    foreign: int = 0
    busy: int = 0
    unreadable: int = 0


@dataclass(slots=True)
class RecorderEvents:
    """Callbacks of whoever keeps the index; each is called on the loop and must not wait."""

    on_segment_opened: Callable[[SegmentOpened], None] = lambda told: None
    on_segment_closed: Callable[[SegmentClosed], None] = lambda told: None
    on_gap: Callable[[GapTold], None] = lambda told: None
    on_volume: Callable[[VolumeTold], None] = lambda told: None
    on_memory: Callable[[MemoryTold], None] = lambda told: None


class RecorderPorts(Protocol):
    """Who records: the media workers. Errors of all but `acknowledge`: UNAVAILABLE while no worker runs."""

    events: RecorderEvents

    async def record_start(self, order: RecordOrder) -> None:
        """Record a stream from its next key picture on, in the worker that receives it. Asking again changes it."""

    async def record_stop(self, stream_id: str, reason: str) -> None:
        """End the recording of a stream; ending it twice is no error."""

    async def record_keep(self, stream_id: str, until_ms: int | None = None) -> int | None:
        """Write what memory holds of a stream and go on until then (None: until stopped); sync at once.

        Return where what is kept begins; None when there is nothing yet.
        """

    async def record_acknowledge(self, keys: Sequence[str]) -> None:
        """What was told under these keys is committed."""

    async def volumes_set(self, volumes: Sequence[VolumeOrder]) -> None:
        """Let every worker, and those started later, know the volumes."""

    async def recover(
        self, volume_no: int, *, since_ms: int = 0, segments: Sequence[tuple[str, str, int]] | None = None
    ) -> RecoveredTold:
        """Make the files of a volume whole and tell each as a closed segment; return what was done.

        `segments` names files by channel, stream and beginning; without it all changed since `since_ms` are walked.
        """
