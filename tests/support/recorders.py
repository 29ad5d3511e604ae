"""A recorder with real volumes and no worker: hand-made pictures in, files and what is told out."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tests.support.clocks import FixedClock
from tests.support.nals import H264_PPS, H264_SPS
from tocsin.domain.recorder_told import RecordOrder, VolumeOrder
from tocsin.media.recorder import Memory, Recorder
from tocsin.media.segment_format import Note
from tocsin.media.volume import Pen, Volume, Written
from tocsin.media.volumes import Volumes
from tocsin.protocols.rtp.access_unit import AccessUnit
from tocsin.protocols.rtp.ps import StreamType

CHANNEL = "channel-1"
FRAME_MS = 40
HOUSE = "house"


class Desk:
    """Volumes, memory and a clock that stands still; `run` does what threads posted until something holds."""

    def __init__(self, *folders: Path, memory_bytes: int = 64 << 20, **how: float) -> None:
        self.clock = FixedClock()
        self.posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.volumes = Volumes(self.clock, self.posted.put, self._volume, **how)
        self.memory = Memory(memory_bytes)
        self.states: list[tuple[int, str]] = []
        self.openings: list[Note] = []
        self.endings: list[tuple[Pen, Written]] = []
        self.gaps: list[tuple[int, int | None, str]] = []
        self.lost: dict[int, tuple[int, int | None]] = {}
        self.volumes.set([volume_order(no, folder) for no, folder in enumerate(folders, 1)])
        for volume in self.volumes:
            assert volume.wait_seen(5)

    def recorder(self, **order: object) -> Recorder:
        """Return a recorder of one stream."""
        numbers = tuple(volume.no for volume in self.volumes)
        plan = replace(RecordOrder("cam", CHANNEL, "main", numbers), **order)  # type: ignore[arg-type]
        return Recorder(plan, self.volumes, self.memory, self.clock, _Telling(self))

    def run(self, holds: Callable[[], bool]) -> None:
        """Do what was posted until something holds. Errors: AssertionError after 10 s in which it does not."""
        idle = 0
        while not holds():
            for volume in self.volumes:
                volume.tick()
            try:
                self.posted.get(timeout=0.05)()
            except queue.Empty:
                idle += 1
                assert idle < 200, "waited in vain"

    def closed(self, count: int) -> list[Written]:
        """Wait until so many segments have ended; return them in the order of time."""
        self.run(lambda: len(self.endings) >= count)
        return sorted((written for _, written in self.endings), key=lambda written: written.note.start_ms)

    def path(self, written: Written, no: int = 1) -> Path:
        """Return the file of a segment."""
        volume = self.volumes.get(no)
        assert volume is not None
        note = written.note
        found = list(volume.path.glob(f"*/*/*/{note.channel_id}/{note.stream}/{note.start_ms}.mp4"))
        assert len(found) == 1, (note, found)
        return found[0]

    def end(self) -> None:
        """End the threads."""
        assert self.volumes.close(10)

    def opened(self, recorder: Recorder, pen: Pen, note: Note) -> None:
        self.openings.append(note)

    def closed_(self, recorder: Recorder, pen: Pen, written: Written) -> None:
        self.lost[written.note.start_ms] = recorder.told_of(pen)
        self.endings.append((pen, written))

    def gap(self, recorder: Recorder, from_ms: int, to_ms: int | None, reason: str) -> None:
        self.gaps.append((from_ms, to_ms, reason))

    def _volume(self, volume: Volume) -> None:
        self.states.append((volume.no, volume.state))


def volume_order(no: int, folder: Path, **how: object) -> VolumeOrder:
    """Return a volume in a folder that may be entered."""
    return replace(VolumeOrder(no, f"volume-{no}", HOUSE, str(folder), may_enter=True), **how)  # type: ignore[arg-type]


class _Telling:
    """What a recorder tells, kept by a desk."""

    def __init__(self, desk: Desk) -> None:
        self.opened = desk.opened
        self.closed = desk.closed_
        self.gap = desk.gap


class Pictures:
    """Hand-made pictures for a recorder, 25 a second, the clock moving with them."""

    def __init__(self, desk: Desk, recorder: Recorder, *, key_every: int = 25, size: int = 200) -> None:
        self.number = 0
        self.sets: tuple[bytes, ...] = (H264_SPS, H264_PPS)
        self.codec = int(StreamType.H264)
        self.key_every = key_every
        self.size = size
        self.skew = 0  # ticks added to every time stamp
        self._desk = desk
        self._recorder = recorder

    def unit(self, *, damaged: bool = False, extra: tuple[bytes, ...] = ()) -> AccessUnit:
        """Return the next picture."""
        number, self.number = self.number, self.number + 1
        is_key = number % self.key_every == 0
        is_h265 = self.codec == StreamType.H265
        head = (b"\x26\x01\x88" if is_key else b"\x02\x01\xd0") if is_h265 else b"\x65\x88" if is_key else b"\x41\x9a"
        nals = [*extra, *(self.sets if is_key else ()), head + b"<%06d>" % number + b"\x5a" * self.size]
        pts = (number * FRAME_MS * 90 + self.skew) % (1 << 33)
        return AccessUnit(self.codec, pts, None, nals, is_key, damaged, False)

    def play(self, count: int, **how: object) -> None:
        """Send so many pictures, each 40 ms after the one before, with a tick each second."""
        clock = self._desk.clock
        for _ in range(count):
            self._recorder.take(self.unit(**how), clock.monotonic() * 1000)  # type: ignore[arg-type]
            clock.advance(FRAME_MS / 1000)
            if self.number % 25 == 0:
                self._recorder.tick(clock.monotonic() * 1000, has_source=True)

    @staticmethod
    def play_together(cameras: Sequence[Pictures], count: int) -> None:
        """Let several cameras send so many pictures at the same time."""
        for _ in range(count):
            for camera in cameras:
                clock = camera._desk.clock
                camera._recorder.take(camera.unit(), clock.monotonic() * 1000)
                if camera.number % 25 == 0:
                    camera._recorder.tick(clock.monotonic() * 1000, has_source=True)
            cameras[0]._desk.clock.advance(FRAME_MS / 1000)

    def pass_by(self, seconds: float, *, has_source: bool = True) -> None:
        """Let time pass without pictures."""
        clock = self._desk.clock
        for _ in range(int(seconds)):
            clock.advance(1)
            self._recorder.tick(clock.monotonic() * 1000, has_source=has_source)
