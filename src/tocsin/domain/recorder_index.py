"""What the recorders tell, committed: in groups, a fraction of a second behind, acknowledged once it is on disk.

Hearing something twice changes nothing, so that what was not acknowledged may be told again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.recorder_told import CodecTold, GapTold, RecorderPorts, SegmentClosed, SegmentOpened
from tocsin.domain.segment_groups import pack
from tocsin.domain.segments import Codec, Gap, Segment, SegmentKey, SegmentState
from tocsin.domain.store import Store

TOGETHER_S: Final = 0.25
RETRY_S: Final = 1.0
MOST_A_COMMIT: Final = 2_000


@dataclass(frozen=True, slots=True)
class GapBegun:
    """A gap the house itself names; None `to_ms`: it lasts."""

    channel_id: str
    stream: str
    from_ms: int
    to_ms: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class GapsEnded:
    """Whatever gap of a stream lasts ends then."""

    channel_id: str
    stream: str
    to_ms: int


@dataclass(frozen=True, slots=True)
class Expected:
    """A stretch that was to be recorded."""

    channel_id: str
    stream: str
    from_ms: int
    to_ms: int


Told = SegmentOpened | SegmentClosed | GapTold | GapBegun | GapsEnded | Expected
_GAPS = (GapTold, GapBegun)


@dataclass(slots=True)
class _Known:
    """Numbers that are on disk, so that they need not be asked again."""

    streams: dict[tuple[str, str], int] = field(default_factory=dict)
    codecs: dict[bytes, int] = field(default_factory=dict)


class RecorderIndex:
    """Takes what is told on the loop, and commits it."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ports: RecorderPorts,
        *,
        code_of: Callable[[str], str],
    ) -> None:
        """`code_of` returns the division code of a channel."""
        self._store = store
        self._clock = clock
        self._ports = ports
        self._code_of = code_of
        self._waiting: list[Told] = []
        self._has_waiting = asyncio.Event()
        self._committing = asyncio.Lock()
        self._known = _Known()
        self.committed = 0

    @property
    def waiting(self) -> int:
        """How much was told and is not committed yet."""
        return len(self._waiting)

    def add(self, told: Told) -> None:
        """Take something that was told; never waits."""
        self._waiting.append(told)
        self._has_waiting.set()

    async def run(self) -> None:
        """Commit what is told, for ever."""
        while True:
            await self._has_waiting.wait()
            await self._clock.sleep(TOGETHER_S)
            try:
                await self.flush()
            except TocsinError as error:
                if error.code is not ErrorCode.UNAVAILABLE:
                    raise
                await self._clock.sleep(RETRY_S)

    async def flush(self) -> None:
        """Commit and acknowledge all that was told so far. Errors: UNAVAILABLE; then it is kept for the next time."""
        async with self._committing:
            while self._waiting:
                batch = self._waiting[:MOST_A_COMMIT]
                known = await self._store.run(_commit, batch, self._known, self._code_of)
                del self._waiting[: len(batch)]
                self._known = known
                self.committed += len(batch)
                keys = [told.key for told in batch if isinstance(told, SegmentOpened | SegmentClosed | GapTold)]
                if keys:
                    await self._ports.record_acknowledge(keys)
            self._has_waiting.clear()


def _commit(
    tx: Any,
    batch: list[Told],
    known: _Known,
    code_of: Callable[[str], str],
) -> _Known:
    found = _Known(dict(known.streams), dict(known.codecs))
    for told in batch:
        if (told.channel_id, told.stream) not in found.streams:
            number = tx.segments.stream_no(told.channel_id, told.stream, code_of(told.channel_id))
            found.streams[told.channel_id, told.stream] = number
    tx.segments.open(_opened(tx, batch, found))
    closed, empty = _closed(tx, batch, found)
    tx.segments.close(closed)
    tx.segments.delete(empty)
    tx.segments.expect(
        (found.streams[told.channel_id, told.stream], told.from_ms, told.to_ms)
        for told in batch
        if isinstance(told, Expected)
    )
    for told in batch:
        if isinstance(told, GapsEnded):
            tx.segments.end_gaps(found.streams[told.channel_id, told.stream], told.to_ms)
        elif isinstance(told, _GAPS) and (told.to_ms is None or told.to_ms > told.from_ms):
            number = found.streams[told.channel_id, told.stream]
            gap = Gap(number, told.from_ms, told.reason[:16], told.to_ms)
            tx.segments.name_gap(gap, knows_better=isinstance(told, GapTold))
    return found


def _opened(tx: Any, batch: Iterable[Told], found: _Known) -> list[Segment]:
    rows: dict[SegmentKey, Segment] = {}
    for told in batch:
        if isinstance(told, SegmentOpened):
            number = found.streams[told.channel_id, told.stream]
            made = Segment(number, told.start_ms, told.start_ms, told.volume_no, codec_no=_codec(tx, told.codec, found))
            rows[made.key] = made
    return list(rows.values())


def _closed(tx: Any, batch: Iterable[Told], found: _Known) -> tuple[list[Segment], list[SegmentKey]]:
    """Return the rows of closed segments, and the keys of those in whose files there was nothing."""
    rows: dict[SegmentKey, Segment] = {}
    empty = []
    for told in batch:
        if not isinstance(told, SegmentClosed):
            continue
        key = SegmentKey(found.streams[told.channel_id, told.stream], told.start_ms)
        if told.state is SegmentState.LOST:
            empty.append(key)
            continue
        rows[key] = Segment(
            key.stream_no,
            told.start_ms,
            told.end_ms,
            told.volume_no,
            told.state,
            told.size_bytes,
            told.pictures,
            told.lost_packets or 0,
            told.damaged,
            _codec(tx, told.codec, found),
            told.sha256,
            pack(told.groups),
            told.clock_offset_ms,
            told.end_reason[:16],
            None,
        )
    return list(rows.values()), [key for key in empty if key not in rows]


def _codec(tx: Any, told: CodecTold | None, found: _Known) -> int | None:
    if told is None:
        return None
    number = found.codecs.get(told.sha256)
    if number is None:
        made = Codec(told.sha256, told.codec, told.width, told.height, told.mime, told.init)
        number = found.codecs[told.sha256] = tx.segments.codec_no(made)
    return number
