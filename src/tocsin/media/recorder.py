"""The recorder of one stream: pictures -> groups -> segments on a volume, or a ring in memory until an alarm.

Everything is kept as it came, damaged pictures too. What is not there has a gap with its reason. Wall time of a run of
pictures: the least delayed arrival of its first minute, then steered by 500 ppm at most.

Source: design note 0017; media reference, NAL handling, recorder and storage.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Final, Protocol

from tocsin.base.clock import Clock
from tocsin.domain.recorder_told import RecordOrder
from tocsin.media.recorder_line import STEP_MS, DecodeLine, WallLine
from tocsin.media.segment_format import CONTINUES, Note, Parameters, Picture, milliseconds, parameters_of
from tocsin.media.volume import GAP_OF, GroupData, Pen, Written
from tocsin.media.volumes import Volumes
from tocsin.protocols.rtp.access_unit import AccessUnit, ParameterSets

CLOCK_HZ: Final = 90_000
MAX_GROUP_BYTES: Final = 16 << 20
MAX_GROUP_TICKS: Final = 10 * CLOCK_HZ
MAX_GROUP_PICTURES: Final = 4000
STALL_TICKS: Final = 2 * CLOCK_HZ  # longer than this nothing was shown: a gap, unless the camera is that slow
USUAL_TICKS: Final = 3600
JOIN_WITHOUT_KEY_MS: Final = 5000.0
SILENT_MS: Final = 5000.0
LEAST_GAP_MS: Final = 1000
STALE_MS: Final = 30_000
FIRST_KEY_WAIT_MS: Final = 3000
LONGEST_MS: Final = 14 * 60_000  # of a segment whose stream sends no key picture
MAX_EXPECTED_BYTES: Final = 1 << 30
MEMORY_BYTES: Final = 512 << 20
RING_BYTES: Final = 256 << 20

_length = struct.Struct("!I").pack


class Origin(Protocol):
    """Where the pictures of a recorder come from."""

    def lost_packets(self) -> int:
        """Return packets that did not arrive, since the source was opened."""

    def clock_offset_ms(self) -> int | None:
        """Return how far the sender's clock is ahead of ours, where its packets say so."""


class Telling(Protocol):
    """Whoever passes on what a recorder has to tell."""

    def opened(self, recorder: Recorder, pen: Pen, note: Note) -> None:
        """A file was begun."""

    def closed(self, recorder: Recorder, pen: Pen, written: Written) -> None:
        """A file has ended."""

    def gap(self, recorder: Recorder, from_ms: int, to_ms: int | None, reason: str) -> None:
        """A stretch is not there."""


class Memory:
    """What all recorders of a worker hold in memory together, bounded; and of it what waits for an event.

    `dropped` counts groups that had to leave their ring early.
    """

    def __init__(self, most_bytes: int = MEMORY_BYTES, most_ring_bytes: int = RING_BYTES) -> None:
        self.most_bytes = most_bytes
        self.most_ring_bytes = most_ring_bytes
        self.used_bytes = 0
        self.ring_bytes = 0
        self.dropped = 0
        self.rings: dict[Recorder, None] = {}

    @property
    def is_full(self) -> bool:
        """Whether more is held than may be."""
        return self.used_bytes > self.most_bytes

    def make_room(self) -> bool:
        """Drop the oldest group of the least important ring, of several the largest; False when all are empty."""
        filled = (one for one in self.rings if one.ring)
        least = min(filled, key=lambda one: (one.order.priority, -one.ring_bytes), default=None)
        if least is None:
            return False
        least.drop_oldest()
        self.dropped += 1
        return True

    def bound_rings(self) -> None:
        """Keep what waits for events within its bound."""
        while self.ring_bytes > self.most_ring_bytes and self.make_room():
            pass


class Recorder:
    """Takes the pictures of one stream. Nothing here waits; `tick` once a second."""

    def __init__(self, order: RecordOrder, volumes: Volumes, memory: Memory, clock: Clock, telling: Telling) -> None:
        self.order = order
        self.ring: deque[GroupData] = deque()
        self.ring_bytes = 0
        self.skipped = 0
        self._volumes = volumes
        self._memory = memory
        self._clock = clock
        self._telling = telling
        self._origin: Origin | None = None
        self._decode = DecodeLine()
        self._wall = WallLine()
        self._sets: ParameterSets | None = None
        self._sets_version = -1
        self._parameters: Parameters | None = None
        # The open group, its pictures as parallel columns.
        self._group: GroupData | None = None
        self._times: list[int] = []
        self._sizes: list[int] = []
        self._flags: list[tuple[bool, bool, int]] = []
        self._usual = USUAL_TICKS
        self._last_ms = -1.0  # monotonic, of the last picture of any kind
        self._last_key_ms = -1.0
        self._needs = "start"  # why the next group begins a segment; empty when it goes on
        self._run_wall_ms = 0  # where the present segment's line begins
        self._run_ticks = 0
        self._boundary_ms = 0
        self._end_ms = 0  # of the last group that was delivered
        self._pen: Pen | None = None
        self._lost_before = 0
        self._lost_of: dict[Pen, tuple[int, int | None]] = {}
        self._segment_bytes = 0
        self._kept_until_ms: int | None = None if order.pre_roll_ms else _FOREVER
        self._gap_from_ms: int | None = self._now_ms()
        self._gap_reason = ""  # empty: not told yet
        self._is_stopped = False
        memory.rings[self] = None

    # -- what it is asked

    def change(self, order: RecordOrder) -> None:
        """Record otherwise from the next key picture on."""
        was_rolling, self.order = self.is_rolling, order
        if order.pre_roll_ms and not was_rolling:
            self._roll("event")
        elif not order.pre_roll_ms and was_rolling:
            self.keep(None)
            self._gap_from_ms = self._now_ms() if self._pen is None else None
        if not order.pre_roll_ms:
            self._kept_until_ms = _FOREVER

    @property
    def is_rolling(self) -> bool:
        """Whether pictures stay in memory until an event."""
        return self._kept_until_ms is None

    def attach(self, origin: Origin) -> None:
        """The pictures come from a new source: its clock and its parameters are its own."""
        self._end_group(None)
        self._needs = self._needs or "restart"
        self._origin = origin
        self._lost_before = origin.lost_packets()
        self._decode = DecodeLine()
        self._wall = WallLine()
        self._sets = None
        self._sets_version = -1

    def keep(self, until_ms: int | None) -> int | None:
        """Write what memory holds, go on until then, and sync; return where it begins."""
        begins_ms: int | None = None
        if self._kept_until_ms is None:
            self._kept_until_ms = _FOREVER if until_ms is None else until_ms
            self._gap_from_ms = None
            held, self.ring = list(self.ring), deque()
            self._count_ring(-self.ring_bytes)
            begins_ms = held[0].wall_ms if held else self._group.wall_ms if self._group is not None else None
            if held:
                held[0].begins = "event"
            else:
                self._needs = self._needs or "event"
            for group in held:
                self._memory.used_bytes -= group.size_bytes
                self._write(group)
            if begins_ms is None:
                self._gap_from_ms = self._now_ms()
        elif until_ms is None or self._kept_until_ms < until_ms:
            self._kept_until_ms = _FOREVER if until_ms is None or not self.order.pre_roll_ms else until_ms
        if self._pen is not None:
            begins_ms = begins_ms if begins_ms is not None else self._pen.note.start_ms
            self._pen.sync()
        return begins_ms

    def stop(self, reason: str) -> None:
        """Write what is there and end."""
        if self._is_stopped:
            return
        self._end_group(None)
        self._is_stopped = True
        self._close_pen(reason)
        if self._gap_reason:
            self._end_gap(self._now_ms())
        while self.ring:
            self.drop_oldest()
        self._memory.rings.pop(self, None)

    def drop_oldest(self) -> None:
        """Forget the oldest group in memory."""
        gone = self.ring.popleft()
        self._memory.used_bytes -= gone.size_bytes
        self._count_ring(-gone.size_bytes)

    def _count_ring(self, size_bytes: int) -> None:
        self.ring_bytes += size_bytes
        self._memory.ring_bytes += size_bytes

    # -- pictures

    def take(self, unit: AccessUnit, now_ms: float) -> None:
        """Take one picture; `now_ms`: arrival, monotonic."""
        sets = self._sets
        if sets is None or unit.codec != sets.codec:
            self._end_group(None)
            sets = self._sets = ParameterSets(unit.codec)
            self._sets_version = -1
        nals = unit.nals
        for nal in nals:
            sets.take(nal)
        self._last_ms = now_ms
        is_key = unit.is_key or (unit.is_recovery_point and now_ms - self._last_key_ms > JOIN_WITHOUT_KEY_MS)
        time, offset = self._decode.place(unit.pts, unit.dts, now_ms)
        group = self._group
        if is_key:
            if not sets.is_complete:
                self.skipped += 1
                return
            self._last_key_ms = now_ms
            group = self._begin(time, now_ms)
        elif group is None:
            self.skipped += 1
            return
        else:
            step = time - self._times[-1]
            if (
                group.size_bytes > MAX_GROUP_BYTES
                or time - group.ticks > MAX_GROUP_TICKS
                or len(self._times) >= MAX_GROUP_PICTURES
                or step > max(STALL_TICKS, 4 * self._usual)
                or (self._memory.is_full and not self._memory.make_room())
            ):
                group = self._go_on(time, now_ms)
            elif step < STALL_TICKS:
                self._usual = step
        size = 0
        parts = group.parts
        for nal in nals:
            length = len(nal)
            parts.append(_length(length))
            parts.append(nal)
            size += length + 4
        self._times.append(time)
        self._sizes.append(size)
        self._flags.append((is_key, unit.is_damaged, offset))
        group.size_bytes += size
        self._memory.used_bytes += size

    def tick(self, now_ms: float, *, has_source: bool) -> None:
        """Notice silence, the end of an event, and that a gap has begun."""
        if self._last_ms >= 0 and (now_ms - self._last_ms > SILENT_MS or not has_source) and self._group is not None:
            self._end_group(None)
            if not self.is_rolling:
                self._close_pen("source_lost")
                self._start_gap(self._end_ms, "source_lost")
            self._needs = "restart"
        wall_ms = self._now_ms()
        until_ms = self._kept_until_ms
        if until_ms is not None and wall_ms > until_ms and self.order.pre_roll_ms:
            self._roll("event")
        while self.ring and self.ring[0].end_ms < wall_ms - self.order.pre_roll_ms - STALE_MS:
            self.drop_oldest()  # of a source that ended: not what came before an event of now
        begun_ms = self._gap_from_ms
        is_waiting = self._group is None and not self._gap_reason
        if begun_ms is not None and is_waiting and wall_ms - begun_ms > FIRST_KEY_WAIT_MS:
            is_sending = self._last_ms >= 0 and now_ms - self._last_ms < SILENT_MS
            self._start_gap(begun_ms, "no_key" if is_sending else "source_lost")

    # -- groups

    def _begin(self, time: int, now_ms: float) -> GroupData:
        """Begin a group with a key picture, and a new segment where one is due."""
        now = self._clock.now().timestamp() * 1000.0
        wall_ms, is_step = self._wall.place(time, now - (self._clock.monotonic() * 1000.0 - now_ms), now_ms)
        sets = self._sets
        assert sets is not None
        reason = self._needs
        if sets.version != self._sets_version or self._parameters is None:
            made = parameters_of(sets)
            if self._parameters is None or made.init != self._parameters.init:
                reason = reason or "parameters"
            self._sets_version, self._parameters = sets.version, made
        if is_step:
            reason = "clock"
        elif not reason and self._should_move():
            reason = "volume"
        elif not reason and wall_ms >= self._boundary_ms:
            reason = "time"
        if reason in ("time", "volume", "parameters") and self._group is not None:
            wall_ms = self._end_group(time, wall_ms)
        else:
            self._end_group(time)
        if reason in ("start", "restart", "event") and 0 < self._end_ms - wall_ms < STEP_MS:
            wall_ms = self._end_ms
        return self._open(time, wall_ms, reason, 0)

    def _go_on(self, time: int, now_ms: float) -> GroupData:
        """End a group that is too long or too large, and go on without a key picture."""
        self._end_group(time)
        wall_ms = self._run_wall_ms + milliseconds(time - self._run_ticks)
        return self._open(time, wall_ms, "long" if wall_ms - self._run_wall_ms > LONGEST_MS else "", CONTINUES)

    def _open(self, time: int, wall_ms: int, reason: str, flags: int) -> GroupData:
        assert self._parameters is not None
        if reason:
            self._needs = ""
            self._run_wall_ms, self._run_ticks = wall_ms, time
            length_ms, offset_ms = self.order.segment_s * 1000, self.order.offset_s * 1000
            self._boundary_ms = ((wall_ms - offset_ms) // length_ms + 1) * length_ms + offset_ms
        else:
            wall_ms = self._run_wall_ms + milliseconds(time - self._run_ticks)
        self._group = GroupData(time, wall_ms, self._parameters, reason, flags)
        return self._group

    def _end_group(self, following: int | None, wall_ms: int | None = None) -> int:
        """Hand on the open group; `following` is when the next picture is shown, `wall_ms` when by the clock.

        Return when the next segment begins: where this one ends, to the millisecond.
        """
        group, self._group = self._group, None
        if group is None:
            return wall_ms or 0
        times = self._times
        last = self._usual
        if following is not None and 0 < following - times[-1] <= max(STALL_TICKS, 4 * self._usual):
            last = following - times[-1]
            if wall_ms is not None:
                behind = (wall_ms - self._run_wall_ms) * 90 - (times[-1] - self._run_ticks)
                last = min(max(1, behind), max(STALL_TICKS, 4 * self._usual))
        group.pictures = [
            Picture(size, times[index + 1] - times[index] if index + 1 < len(times) else last, *flags)
            for index, (size, flags) in enumerate(zip(self._sizes, self._flags, strict=True))
        ]
        group.duration_ticks = times[-1] - times[0] + last
        self._times, self._sizes, self._flags = [], [], []
        end_ms = self._run_wall_ms + milliseconds(times[-1] + last - self._run_ticks)
        self._deliver(group)
        self._end_ms = end_ms
        return end_ms if wall_ms is None else max(end_ms, wall_ms)

    def _deliver(self, group: GroupData) -> None:
        if not self.is_rolling:
            self._memory.used_bytes -= group.size_bytes
            self._write(group)
            return
        self.ring.append(group)
        self._count_ring(group.size_bytes)
        held_ticks = sum(one.duration_ticks for one in self.ring)
        while len(self.ring) > 1 and held_ticks - self.ring[0].duration_ticks >= self.order.pre_roll_ms * 90:
            held_ticks -= self.ring[0].duration_ticks
            self.drop_oldest()
        self._memory.bound_rings()

    # -- segments

    def _write(self, group: GroupData) -> None:
        pen = self._pen
        is_new = bool(group.begins) or pen is None or pen.is_over or not pen.volume.is_writable
        if is_new:
            volume = self._volumes.choose(self.order.volumes)
            if volume is None or (group.flags & CONTINUES and not group.begins):
                reason = self._volumes.reason(self.order.volumes) if volume is None else "no_key"
                if volume is None:
                    self._close_pen(reason)
                self._start_gap(group.wall_ms, reason)  # nobody could show it without its key picture
                return
            self._close_pen(group.begins or "volume", group.wall_ms)
            note = Note(self.order.channel_id, self.order.stream, group.wall_ms)
            pen = volume.begin(self, note, group, self._expected_bytes(group), self.order.priority)
            self._segment_bytes = 0
        elif self._end_ms and group.wall_ms - self._end_ms >= LEAST_GAP_MS:
            self._telling.gap(self, self._end_ms, group.wall_ms, "source_lost")
        assert pen is not None
        if not pen.write(group):
            if not is_new:
                self._close_pen("disk_slow")
            self._start_gap(group.wall_ms, "disk_slow")
            return
        self._pen = pen
        self._segment_bytes += group.size_bytes
        if self._gap_from_ms is not None:
            self._end_gap(group.wall_ms)

    def _close_pen(self, reason: str, followed_ms: int | None = None) -> None:
        pen, self._pen = self._pen, None
        if pen is None:
            return
        pen.followed_ms = followed_ms
        lost = self._origin.lost_packets() if self._origin is not None else self._lost_before
        offset_ms = self._origin.clock_offset_ms() if self._origin is not None else None
        self._lost_of[pen] = (max(0, lost - self._lost_before), offset_ms)
        self._lost_before = lost
        pen.close(reason)

    def _expected_bytes(self, group: GroupData) -> int:
        """Return about how large a segment becomes: as the last one, at first as its first group lets expect."""
        ms = max(1, milliseconds(group.duration_ticks))
        told = self._segment_bytes or group.size_bytes * self.order.segment_s * 1000 // ms
        return min(told + told // 16 + 65_536, MAX_EXPECTED_BYTES)

    def _should_move(self) -> bool:
        """Tell whether the present volume takes nothing, or is slow while another one is well."""
        pen = self._pen
        if pen is None or pen.volume.state == "ok":
            return pen is not None and pen.is_over
        if pen.is_over or not pen.volume.is_writable:
            return True
        other = self._volumes.choose(self.order.volumes)
        return other is not None and other is not pen.volume and other.state == "ok"

    def segment_opened(self, pen: Pen, note: Note) -> None:
        """The file is there."""
        self._telling.opened(self, pen, note)

    def segment_ended(self, pen: Pen, written: Written) -> None:
        """The file is closed, or its volume gave it up: what follows in time is not there."""
        is_short = bool(written.problem) or written.end_reason == "disk_slow"
        if pen is self._pen:
            self._close_pen(written.end_reason)
        if is_short and pen.followed_ms is None:
            self._start_gap(written.end_ms, written.end_reason)
        elif is_short and pen.followed_ms is not None and pen.followed_ms > written.end_ms:
            self._telling.gap(self, written.end_ms, pen.followed_ms, GAP_OF.get(written.problem, "disk_slow"))
        self._telling.closed(self, pen, written)

    def told_of(self, pen: Pen) -> tuple[int, int | None]:
        """Return packets lost in a segment, and the offset of its sender's clock; once."""
        lost, offset_ms = self._lost_of.pop(pen, (0, None))
        return lost, self.order.clock_offset_ms if offset_ms is None else offset_ms

    # -- gaps

    def _start_gap(self, from_ms: int, reason: str) -> None:
        if self._is_stopped or self.is_rolling:
            return
        open_ms = self._gap_from_ms
        if self._gap_reason and open_ms is not None:
            if from_ms < open_ms:  # it began earlier than was known
                self._telling.gap(self, from_ms, open_ms, reason)
            return
        self._gap_from_ms = from_ms if open_ms is None else min(open_ms, from_ms)
        self._gap_reason = reason
        self._telling.gap(self, self._gap_from_ms, None, reason)

    def _end_gap(self, to_ms: int) -> None:
        from_ms, reason = self._gap_from_ms, self._gap_reason
        self._gap_from_ms, self._gap_reason = None, ""
        if from_ms is not None and (reason or to_ms - from_ms >= LEAST_GAP_MS):
            self._telling.gap(self, from_ms, max(from_ms, to_ms), reason or "no_key")

    def _roll(self, reason: str) -> None:
        """The event is over: end its segment and keep the next pictures in memory again."""
        self._end_group(None)
        self._close_pen(reason)
        if self._gap_reason:
            self._end_gap(self._now_ms())
        self._gap_from_ms = None
        self._kept_until_ms = None
        self._needs = "event"

    def _now_ms(self) -> int:
        return round(self._clock.now().timestamp() * 1000.0)


_FOREVER: Final = 1 << 62
