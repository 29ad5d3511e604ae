"""Our own recordings as clips: what of a clip's time is recorded, and its video put together from groups as it is read.

No second copy: the groups from the key picture at or before its beginning to its end, renumbered. Implements `OwnWay`.
Source: design notes 0017 and 0020; ISO/IEC 14496-12, movie fragments.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, Protocol

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.clip_maker import Got
from tocsin.domain.clips import OWN, PARTIAL, READY, Clip, coverage, lacks
from tocsin.domain.directory import Channel
from tocsin.domain.playback import Piece
from tocsin.domain.recorded import RecordedFiles
from tocsin.domain.segment_groups import Group, index_at, unpack
from tocsin.domain.segments import PLAYABLE, Codec, RecordedStream, Segment, SegmentState, Volume, segment_path

TOUCHING_MS: Final = 2_000
TICKS_PER_MS: Final = 90
CONTINUES: Final = 2
_SEQUENCE_AT: Final = 20  # behind the heads of moof and mfhd
_TIME_AT: Final = 60  # behind mfhd, the head of traf, tfhd and the head of tfdt
_KINDS: Final = ((4, b"moof"), (12, b"mfhd"), (28, b"traf"), (36, b"tfhd"), (52, b"tfdt"))


class Keeper(Protocol):
    """The part of the recorder that alarms need."""

    async def keep(self, channel_id: str, until: datetime) -> int | None:
        """As `keep_anyway`, only for cameras that a plan records."""

    async def keep_anyway(self, channel_id: str, until: datetime) -> int | None:
        """Write what memory holds and record until then; return where it begins, None when nothing was there."""

    def is_in_memory(self, channel_id: str) -> bool:
        """Tell whether the last seconds of a camera lie in memory and are not being written."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Groups of one file that belong to a clip."""

    volume: Volume
    path: str
    start_ms: int
    groups: tuple[Group, ...]
    codec_no: int | None
    codec: Codec | None = None


@dataclass(frozen=True, slots=True)
class _Sought:
    """Segments that hold a clip's time, with their volumes and parameters."""

    stream: str
    segments: tuple[Segment, ...]
    volumes: dict[int, Volume]
    codecs: dict[int, Codec]


class SegmentVideo:
    """The video of a clip as bytes that are put together while they are read."""

    def __init__(self, files: RecordedFiles, init: bytes, runs: Sequence[_Run]) -> None:
        self._files = files
        self._init = init
        self._rows: list[tuple[int, _Run, Group]] = []
        at = len(init)
        told = sha256(init)
        for run in runs:
            for group in run.groups:
                self._rows.append((at, run, group))
                at += group.size_bytes
                told.update(f"{run.path} {group.offset} {group.size_bytes}\n".encode())
        self.size_bytes = at
        self.etag = told.hexdigest()

    async def read(self, first: int, end: int) -> AsyncIterator[bytes]:
        """Give the bytes from the first position to before the second. Errors: UNAVAILABLE."""
        if first < len(self._init):
            yield self._init[first:end]
        begin_ms = self._rows[0][1].start_ms + self._rows[0][2].start_ms
        for number, (at, run, group) in enumerate(self._rows, start=1):
            if at + group.size_bytes <= first or at >= end:
                continue
            part = await self._files.take(run.volume, run.path, [group])
            data = b"".join([piece async for piece in part.content])
            ticks = (run.start_ms + group.start_ms - begin_ms) * TICKS_PER_MS
            whole = renumbered(data, number, ticks)
            yield whole[max(0, first - at) : end - at]


class OwnClips:
    """Asks the recorder to keep, and the index what there is."""

    def __init__(self, keeper: Keeper, files: RecordedFiles, *, records: bool = True) -> None:
        """`records` lets an alarm record a camera that no plan records."""
        self._keeper = keeper
        self._records = records
        self._files = files

    async def keep(self, channel: Channel, until: datetime) -> str:
        """Record a camera until a time; return where its time before comes from (none, memory, disk)."""
        was_in_memory = self._keeper.is_in_memory(channel.id)
        keep = self._keeper.keep_anyway if self._records else self._keeper.keep
        begins_ms = await keep(channel.id, until)
        if begins_ms is None:
            return "none"
        return "memory" if was_in_memory else "disk"

    def covered(self, tx: Any, clip: Clip) -> Got | None:
        """Return what our segments hold of a clip's time; None for nothing."""
        return next((got for _, got in _ranked(tx, clip)), None)

    async def video(self, store: Any, clip: Clip) -> SegmentVideo:
        """Return the video of a clip of ours. Errors: UNAVAILABLE when its files are not there."""
        sought: list[_Sought] = await store.read(_seek, clip)
        for one in sought:
            runs = await self._runs(clip, one)
            if runs:
                init = runs[0].codec.init if runs[0].codec is not None else b""
                for run in runs:  # what is missing is told before the first byte
                    part = await self._files.take(run.volume, run.path, run.groups[-1:])
                    async for _ in part.content:
                        pass
                return SegmentVideo(self._files, init, runs)
        raise TocsinError(ErrorCode.UNAVAILABLE, "its recording is not there", key="recorded.gone")

    async def _runs(self, clip: Clip, sought: _Sought) -> list[_Run]:
        """Return the groups of a clip's time, all of one set of parameters: of that at the alarm."""
        runs = []
        for segment in sought.segments:
            volume = sought.volumes.get(segment.volume_no)
            if volume is None:
                continue
            path = segment_path(clip.channel_id, sought.stream, segment.start_ms)
            groups, codec = unpack(segment.groups), sought.codecs.get(segment.codec_no or 0)
            if segment.state is SegmentState.OPEN:
                seen = await self._files.look(volume, path)
                groups, codec = list(seen.groups), seen.codec
            wanted = groups_between(groups, _ms(clip.starts) - segment.start_ms, _ms(clip.ends) - segment.start_ms)
            if wanted and codec is not None:
                runs.append(_Run(volume, path, segment.start_ms, tuple(wanted), segment.codec_no, codec))
        alarm_ms = _ms(clip.alarm_at)
        if not runs:
            return []
        main = next((run for run in reversed(runs) if run.start_ms <= alarm_ms), runs[0])
        assert main.codec is not None
        return [run for run in runs if run.codec is not None and run.codec.sha256 == main.codec.sha256]


def groups_between(groups: Sequence[Group], from_ms: int, to_ms: int) -> list[Group]:
    """Return the groups from the key picture at or before a time to another; times from the segment's beginning."""
    first = index_at(groups, max(0, from_ms))
    if first is None:
        return []
    while first > 0 and groups[first].flags & CONTINUES:
        first -= 1
    return [group for group in groups[first:] if group.start_ms < to_ms]


def renumbered(data: bytes, sequence: int, ticks: int) -> bytes:
    """Return a group with another number and decode time. Errors: UNAVAILABLE when it is no group of ours."""
    if any(data[at : at + 4] != kind for at, kind in _KINDS):
        raise TocsinError(ErrorCode.UNAVAILABLE, "the file is not as the index says", key="recorded.gone")
    changed = bytearray(data)
    struct.pack_into("!I", changed, _SEQUENCE_AT, sequence)
    struct.pack_into("!Q", changed, _TIME_AT, ticks)
    return bytes(changed)


def _ranked(tx: Any, clip: Clip) -> list[tuple[RecordedStream, Got]]:
    """Return what each stream of ours holds of a clip's time, the best first: whole, then longest, then main."""
    found: list[tuple[RecordedStream, Got]] = []
    for stream in sorted(tx.segments.streams([clip.channel_id]), key=lambda one: one.stream):
        spans = tx.segments.spans(
            stream.no, _ms(clip.starts), _ms(clip.ends), now_ms=_ms(tx.now), resolution_ms=TOUCHING_MS
        )
        pieces = [Piece(_at(span.from_ms), _at(span.to_ms)) for span in spans]
        held = coverage(pieces, clip.starts, clip.ends)
        if held is None:
            continue
        missing = lacks(held, clip.starts, clip.ends)
        if missing == "clip.not_written":
            missing = "clip.has_gap"
        before = clip.pre_roll if clip.pre_roll in ("memory", "disk") else "disk"
        got = Got(
            PARTIAL if missing else READY,
            missing,
            OWN,
            before if held.starts < clip.alarm_at else "none",
            video_from=held.starts,
            video_to=held.ends,
            is_final=True,
        )
        found.append((stream, got))
    return sorted(found, key=_rank)


def _rank(one: tuple[RecordedStream, Got]) -> tuple[bool, float]:
    got = one[1]
    assert got.video_from is not None
    assert got.video_to is not None
    return got.state != READY, -round((got.video_to - got.video_from).total_seconds())


def _seek(tx: Any, clip: Clip) -> list[_Sought]:
    volumes = {volume.no: volume for volume in tx.segments.volumes()}
    found = []
    for stream, _ in _ranked(tx, clip):
        segments = [
            one for one in tx.segments.between(stream.no, _ms(clip.starts), _ms(clip.ends)) if one.state in PLAYABLE
        ]
        if segments:
            numbers = {one.codec_no for one in segments if one.codec_no is not None}
            codecs = tx.segments.codecs(numbers) if numbers else {}
            found.append(_Sought(stream.stream, tuple(segments), volumes, codecs))
    return found


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
