"""A volume a worker records into: a thread that writes, with a queue bounded in bytes, and one that syncs.

The loop never waits for a disk. A volume that fills, slows, turns read-only or vanishes says so, costs nothing on the
others, and is used again by itself when it is well.

Source: design note 0017; media reference, recorder and storage.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import structlog

from tocsin.base.clock import Clock
from tocsin.domain.recorder_told import VolumeOrder
from tocsin.domain.segment_groups import DAMAGED, GAP_BEFORE, Group
from tocsin.media.segment_file import SegmentWriter, problem_of
from tocsin.media.segment_format import CONTINUES, Note, Parameters, Picture, group_head, milliseconds
from tocsin.media.volume_mark import enter, read_mark, try_to_write
from tocsin.media.volume_sync import SYNC_AFTER_S, Syncer

log = structlog.get_logger(__name__)

QUEUE_BYTES: Final = 64 << 20
SYNC_AFTER_BYTES: Final = 32 << 20
LOOK_EVERY_S: Final = 2.0
SLOW_AFTER_S: Final = 5.0
HUNG_AFTER_S: Final = 30.0
ROOM_AGAIN_BYTES: Final = 64 << 20  # more than the reserve, before a full volume is used again
WRITABLE: Final = frozenset({"ok", "slow"})


@dataclass(slots=True)
class GroupData:
    """One group on its way to a file. `ticks` is on the line of its recorder, `wall_ms` since 1970.

    `begins` says why a new segment begins with it, empty when it goes on; `parts` is NAL units and their lengths.
    """

    ticks: int
    wall_ms: int
    parameters: Parameters
    begins: str
    flags: int = 0
    parts: list[bytes] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    size_bytes: int = 0
    duration_ticks: int = 0

    @property
    def end_ms(self) -> int:
        """When its last picture ends."""
        return self.wall_ms + milliseconds(self.duration_ticks)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a segment; `problem` is the state of the volume that ended it, empty when it was closed."""

    note: Note
    groups: tuple[Group, ...] = ()
    size_bytes: int = 0
    pictures: int = 0
    damaged: int = 0
    sha256: bytes = b""
    end_reason: str = ""
    problem: str = ""

    @property
    def end_ms(self) -> int:
        """When its last group ends."""
        return self.note.start_ms + (self.groups[-1].end_ms if self.groups else 0)


class Sink(Protocol):
    """Whoever records into a segment; called on the loop."""

    def segment_opened(self, pen: Pen, note: Note) -> None:
        """The file is there."""

    def segment_ended(self, pen: Pen, written: Written) -> None:
        """The file is closed, or the volume failed: nothing more is written into it."""


@dataclass(slots=True, eq=False)
class Pen:
    """One segment being written into a volume. The loop sees `is_over`, the writer thread the rest."""

    volume: Volume
    sink: Sink
    note: Note
    parameters: Parameters
    expected_bytes: int
    priority: int
    ticks: int
    queued_bytes: int = 0
    followed_ms: int | None = None  # when the segment after it begins, once there is one
    is_over: bool = False  # nothing more is taken: closed, given up or failed
    was_opened: bool = False  # a file was made and told
    writer: SegmentWriter | None = None
    is_failed: bool = False
    sequence: int = 0
    groups: list[Group] = field(default_factory=list)
    pictures: int = 0
    damaged: int = 0

    def write(self, group: GroupData) -> bool:
        """Queue one group; False when the queue is full and holds nothing less important."""
        return self.volume.put(self, group)

    def sync(self) -> None:
        """Have what was written so far synced at once."""
        if not self.is_over:
            self.volume.ask(self, "sync")

    def close(self, reason: str) -> None:
        """End the file behind what is queued; `reason` stands in the index."""
        if not self.is_over:
            self.is_over = True
            self.volume.ask(self, reason, is_close=True)


@dataclass(slots=True)
class _Job:
    pen: Pen
    group: GroupData | None = None
    word: str = ""
    is_close: bool = False
    error: OSError | None = None
    since_s: float = 0.0


class Volume:
    """One folder and its writer thread. `say` is called on the loop whenever its state or fill level changed."""

    def __init__(
        self,
        spec: VolumeOrder,
        clock: Clock,
        post: Callable[[Callable[[], None]], None],
        say: Callable[[Volume], None],
        *,
        queue_bytes: int = QUEUE_BYTES,
        look_every_s: float = LOOK_EVERY_S,
        sync_after_s: float = SYNC_AFTER_S,
    ) -> None:
        self.spec = spec
        self.no = spec.no
        self.path = Path(spec.location)
        self.total_bytes = 0
        self.free_bytes = 0
        self.queue_bytes = 0
        self.written_bytes = 0
        self._clock = clock
        self._post = post
        self._say = say
        self._most_bytes = queue_bytes
        self._look_every_s = look_every_s
        self._disk_state = "gone"
        self._is_slow = False
        self._said: tuple[str, int] = ("", -1)
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._busy_since_s: float | None = None
        self._is_ending = False
        self._next_look_s = 0.0
        self._open: set[Pen] = set()  # with a file
        self._was_seen = threading.Event()
        self._was_ours = False
        self._syncer: Syncer[Pen] = Syncer(f"volume {self.no} sync", clock, sync_after_s, self._sync, self._close)
        self._thread = threading.Thread(target=self._run, name=f"volume {self.no}", daemon=True)
        self._thread.start()

    # -- on the loop

    @property
    def state(self) -> str:
        """`ok`, `full`, `slow`, `read_only`, `gone` or `foreign`; one whose disk does not answer for long is gone."""
        if self._disk_state == "ok" and self._is_slow:
            return "gone" if max(self._waited_s(), self._syncer.behind_s()) > HUNG_AFTER_S else "slow"
        return self._disk_state

    @property
    def is_writable(self) -> bool:
        """Whether groups are taken."""
        return not self._is_ending and self.state in WRITABLE

    @property
    def syncs(self) -> int:
        """How many files were synced."""
        return self._syncer.syncs

    def wait_seen(self, timeout_s: float) -> bool:
        """Wait until the folder was looked at for the first time. Not on the loop."""
        return self._was_seen.wait(timeout_s)

    def begin(self, sink: Sink, note: Note, group: GroupData, expected_bytes: int, priority: int) -> Pen:
        """Return a pen for a new segment that begins with `group`; the file is made with the first write."""
        return Pen(self, sink, note, group.parameters, expected_bytes, priority, group.ticks)

    def put(self, pen: Pen, group: GroupData) -> bool:
        """Queue a group; less important segments are given up for it. False when there is no room."""
        if pen.is_over or self._is_ending:
            return False
        given_up: list[Pen] = []
        with self._changed:
            while self.queue_bytes + group.size_bytes > self._most_bytes and self.queue_bytes:
                least = min((job.pen for job in self._jobs if job.group), key=lambda one: one.priority, default=None)
                if least is None or least.priority >= pen.priority:
                    break
                self._drop(least)
                given_up.append(least)
            is_taken = self.queue_bytes + group.size_bytes <= self._most_bytes or not self.queue_bytes
            if is_taken:
                self._jobs.append(_Job(pen, group, since_s=self._clock.monotonic()))
                self.queue_bytes += group.size_bytes
                pen.queued_bytes += group.size_bytes
            self._changed.notify()
        for lost in given_up:
            log.warning("recording given up for a more important one", volume=self.no, channel=lost.note.channel_id)
        return is_taken

    def _drop(self, pen: Pen) -> None:
        """Forget what is queued of a segment and close it."""
        self._jobs = deque(job for job in self._jobs if job.pen is not pen or job.group is None)
        self.queue_bytes -= pen.queued_bytes
        pen.queued_bytes = 0
        pen.is_over = True
        self._jobs.append(_Job(pen, word="disk_slow", is_close=True, since_s=self._clock.monotonic()))

    def ask(self, pen: Pen, word: str, *, is_close: bool = False) -> None:
        """Queue a sync or a close."""
        with self._changed:
            self._jobs.append(_Job(pen, word=word, is_close=is_close, since_s=self._clock.monotonic()))
            self._changed.notify()

    def tick(self) -> None:
        """Judge from outside how the writer keeps up; once a second."""
        waited_s = max(self._waited_s(), self._syncer.behind_s())
        if self.queue_bytes > self._most_bytes // 2 or waited_s > SLOW_AFTER_S:
            self._is_slow = True
        elif self.queue_bytes <= self._most_bytes // 10 and waited_s < 1.0:
            self._is_slow = False
        with self._changed:
            self._changed.notify()
        self._syncer.nudge()
        self.tell()

    def _waited_s(self) -> float:
        """Return how long the oldest job has waited, or the present one taken."""
        with self._changed:
            since = [self._jobs[0].since_s] if self._jobs else []
        if self._busy_since_s is not None:
            since.append(self._busy_since_s)
        return self._clock.monotonic() - min(since) if since else 0.0

    def tell(self) -> None:
        """Say how the volume is when that changed: its state, or a hundredth of its room."""
        share = self.free_bytes * 100 // self.total_bytes if self.total_bytes else -1
        if (self.state, share) != self._said:
            if self.state != self._said[0]:
                log.info("volume", no=self.no, state=self.state, free_bytes=self.free_bytes)
            self._said = (self.state, share)
            self._say(self)

    def end(self) -> None:
        """Let the threads end behind what is queued."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()

    def join(self, timeout_s: float) -> bool:
        """Wait for the threads; whether they ended."""
        until_s = self._clock.monotonic() + timeout_s
        self._thread.join(timeout_s)
        return not self._thread.is_alive() and self._syncer.join(max(0.0, until_s - self._clock.monotonic()))

    # -- in the writer thread

    def _run(self) -> None:
        self._look()
        self._was_seen.set()
        self._post(self.tell)
        while True:
            with self._changed:
                self._busy_since_s = None
                if not self._jobs:
                    if self._is_ending:
                        break
                    self._changed.wait(max(0.0, self._next_look_s - self._clock.monotonic()))
                job = self._jobs.popleft() if self._jobs else None
                self._busy_since_s = self._clock.monotonic()
            if job is not None:
                self._do(job)
            if self._clock.monotonic() >= self._next_look_s:
                self._look()
                self._post(self.tell)
        for pen in list(self._open):
            if not pen.is_failed:
                pen.is_over = pen.is_failed = True
                self._syncer.close(pen, "volume", "")
        self._syncer.end()

    def _do(self, job: _Job) -> None:
        pen, group = job.pen, job.group
        if group is not None:
            with self._changed:
                if pen.queued_bytes:
                    self.queue_bytes -= group.size_bytes
                    pen.queued_bytes -= group.size_bytes
        if pen.is_failed:
            return
        try:
            if job.error is not None:
                raise job.error
            if group is not None:
                self._write(pen, group)
            elif job.is_close:
                pen.is_failed = True  # whatever happens: nothing more goes into it
                self._syncer.close(pen, job.word, "")
            else:
                self._syncer.ask(pen)
        except OSError as error:
            problem = self._note_problem(error)
            pen.is_failed = pen.is_over = True
            self._syncer.close(pen, GAP_OF.get(problem, "disk_gone"), problem)
        except Exception:  # one stream's, and nobody else's: the thread serves all of them
            log.exception("group cannot be written", channel=pen.note.channel_id, stream=pen.note.stream)
            pen.is_failed = pen.is_over = True
            self._syncer.close(pen, "damaged", "damaged")

    def _write(self, pen: Pen, group: GroupData) -> None:
        if pen.writer is None:
            self._look()
            if self._disk_state != "ok":
                raise _StateError(self._disk_state)
            room_bytes = max(0, self.free_bytes - self.spec.reserve_bytes) // 8
            pen.writer = SegmentWriter(self.path, pen.note, pen.parameters, min(pen.expected_bytes, room_bytes))
            self._open.add(pen)
            pen.was_opened = True
            opened = pen.writer.note
            self._post(lambda: pen.sink.segment_opened(pen, opened))
        start_ticks = group.ticks - pen.ticks
        pen.sequence += 1
        offset = pen.writer.size_bytes
        pen.writer.append(b"".join([group_head(pen.sequence, start_ticks, group.pictures), *group.parts]))
        start_ms = milliseconds(start_ticks)
        duration_ms = milliseconds(start_ticks + group.duration_ticks) - start_ms
        damaged = sum([picture.is_damaged for picture in group.pictures])
        flags = (DAMAGED if damaged else 0) | (group.flags & CONTINUES)
        if start_ms > (pen.groups[-1].end_ms if pen.groups else 0):
            flags |= GAP_BEFORE
        pen.groups.append(Group(offset, pen.writer.size_bytes - offset, start_ms, duration_ms, flags))
        pen.pictures += len(group.pictures)
        pen.damaged += damaged
        self.written_bytes += pen.writer.size_bytes - offset
        self._syncer.written(pen, is_much=pen.writer.unsynced_bytes >= SYNC_AFTER_BYTES)

    def _note_problem(self, error: OSError) -> str:
        problem = error.state if isinstance(error, _StateError) else problem_of(error)
        if self._disk_state == "ok":
            log.error("volume fails", no=self.no, problem=problem, error=str(error))
        self._disk_state = problem
        self._post(self.tell)
        return problem

    def _look(self) -> None:
        """See how the folder is; one that had failed is tried before it is used again."""
        self._next_look_s = self._clock.monotonic() + self._look_every_s
        try:
            state = self._seen()
            if state == "ok" and self._disk_state not in ("ok", "full"):
                try_to_write(self.path)
        except OSError as error:
            state = problem_of(error)
        self._disk_state = state

    def _seen(self) -> str:
        mark = read_mark(self.path)
        spec = self.spec
        if mark is None and spec.may_enter and not self._was_ours:  # later it is a disk that is not there
            enter(self.path, spec.volume_id, spec.house_id)
            mark = read_mark(self.path)
        if mark is None:
            return "gone"
        if mark != (spec.volume_id, spec.house_id):
            return "foreign"
        self._was_ours = True
        room = os.statvfs(self.path)
        self.total_bytes, self.free_bytes = room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize
        if room.f_flag & os.ST_RDONLY:
            return "read_only"
        needed = spec.reserve_bytes
        if self._disk_state == "full":
            needed += min(ROOM_AGAIN_BYTES, self.total_bytes // 50)
        return "full" if self.free_bytes <= needed else "ok"

    # -- in the thread that syncs

    def _sync(self, pen: Pen) -> None:
        """Have a file on the disk; where it is not, the writer ends it."""
        if pen.writer is None:
            return
        try:
            pen.writer.sync()
        except OSError as error:
            with self._changed:
                self._jobs.append(_Job(pen, error=error, since_s=self._clock.monotonic()))
                self._changed.notify()

    def _close(self, pen: Pen, reason: str, problem: str) -> None:
        """End a file and say what became of it."""
        writer = pen.writer
        if writer is not None:
            try:
                writer.close()
            except OSError as error:
                problem = problem or self._note_problem(error)
            if not pen.groups:
                writer.discard()
        written = Written(
            pen.note if writer is None else writer.note,
            tuple(pen.groups),
            writer.size_bytes if writer is not None and pen.groups else 0,
            pen.pictures,
            pen.damaged,
            writer.sha256 if writer is not None else b"",
            reason,
            problem,
        )
        self._open.discard(pen)
        pen.writer, pen.groups = None, []
        self._post(lambda: pen.sink.segment_ended(pen, written))


GAP_OF: Final = {
    "full": "disk_full",
    "slow": "disk_slow",
    "read_only": "disk_gone",
    "gone": "disk_gone",
    "foreign": "disk_gone",
    "damaged": "damaged",
}


class _StateError(OSError):
    """The volume was seen to be in a state in which nothing is written."""

    def __init__(self, state: str) -> None:
        super().__init__(errno.EIO, f"the volume is {state}")
        self.state = state
