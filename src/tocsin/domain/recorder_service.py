"""The recorder of the house: which streams are recorded now, asked for and ordered, and every gap named.

Once a second plans are compared with what runs. For a stream that is to be recorded there is at any time an open
segment or a gap with its reason. Times are ms since 1970 UTC. Source: design note 0017.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.errors import TocsinError
from tocsin.domain.channels import IN_SERVICE
from tocsin.domain.directory import Channel
from tocsin.domain.notices import NoticeBoard
from tocsin.domain.recorder_events import PLAN_CHANGED
from tocsin.domain.recorder_index import Expected, GapBegun, GapsEnded, RecorderIndex
from tocsin.domain.recorder_line import RecorderChannels, RecorderConfig, RecordingState, Sources
from tocsin.domain.recorder_memory import RingMemory
from tocsin.domain.recorder_plans import Mode, RecordingPlan, Want, wanted_within
from tocsin.domain.recorder_told import GapTold, RecorderPorts, RecordOrder, SegmentClosed, SegmentOpened
from tocsin.domain.recorder_volumes import RecorderVolumes
from tocsin.domain.segments import DAY_MS, Gap, GapReason, RecordedStream, Segment, SegmentKey, SegmentState
from tocsin.domain.store import Store
from tocsin.domain.streams import Stream, stream_id_of
from tocsin.domain.view_service import Announced

GAP_AFTER_MS: Final = 3_000  # nothing written for so long is a gap; key pictures come every second or two
TOUCHING_MS: Final = 250  # segments nearer to each other than this touch
EXPECT_EVERY_MS: Final = 60_000
FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 30.0
REREAD_S: Final = 60.0
AT_ONCE: Final = 16
CLOSE_WITHIN_S: Final = 3.0
LOOK_BACK_MS: Final = 2 * DAY_MS
LIVE_PRIORITY: Final = 0  # below every plan: the memory of a picture nobody planned to record goes first
OFFLINE_WORDS: Final = ("offline", "not_registered", "absent", "unreachable")
_REASONS: Final = frozenset(GapReason)

Name = tuple[str, str, int]  # channel, stream, beginning


@dataclass(slots=True, eq=False)
class Recording:
    """One stream that is wanted now, and how far it has come."""

    channel: Channel
    stream: Stream
    plan: RecordingPlan
    want: Want
    covered_to_ms: int  # up to here everything is known: recorded, or named as a gap
    expected_to_ms: int
    reason: str = GapReason.NOT_ASKED  # of a gap, should one begin now
    is_ordered: bool = False
    retry_at_s: float = 0.0
    pause_s: float = FIRST_RETRY_S
    open_ms: int | None = None  # beginning of the open segment, and its volume
    open_volume: int = 0
    since_ms: int | None = None  # since when without a gap
    gap_from_ms: int | None = None  # a gap that lasts
    gap_reason: str = ""
    is_gap_told: bool = False  # it is the worker's
    is_open_anyway: bool = False  # somebody looks, no plan: the last seconds stay in memory as long as it runs
    is_held: bool = False
    keep_until_ms: int = 0  # of one open anyway: an event is being written

    @property
    def stream_id(self) -> str:
        """The id media knows it by."""
        return stream_id_of(self.channel.id, self.stream)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is wanted of a stream now."""

    channel: Channel
    stream: Stream
    plan: RecordingPlan
    want: Want
    is_open_anyway: bool = False


@dataclass(frozen=True, slots=True)
class _Past:
    """How far a stream had come when the house ended: its last end, a gap that lasted.

    `cut_off_ms`: a segment was left open; its end is still to be told, all after it until then is named with it.
    """

    end_ms: int
    gap: Gap | None
    cut_off_ms: int | None = None


class RecorderService:
    """Keeps recordings as the plans want them."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        channels: RecorderChannels,
        sources: Sources,
        ports: RecorderPorts,
        notices: NoticeBoard,
        config: RecorderConfig,
        *,
        report: Callable[..., None] = lambda _what, **_how: None,
    ) -> None:
        """`report` hears what a log should know."""
        self._report = report
        self._store = store
        self._clock = clock
        self._channels = channels
        self._sources = sources
        self._ports = ports
        self._config = config
        self._plans: dict[str, RecordingPlan] = {}
        self._until: dict[str, datetime] = {}  # cameras recorded because of an alarm, without a plan
        self._is_stale = True
        self._read_s = 0.0
        self._recordings: dict[str, Recording] = {}
        self._past: dict[str, _Past] = {}
        self._cut_off: dict[tuple[str, int], int] = {}  # open segments whose writer ended, and when
        self._paused: set[str] = set()  # channels that no space is left for
        self._tasks: set[asyncio.Task[None]] = set()
        self._has_closed = asyncio.Event()
        self.volumes = RecorderVolumes(store, clock, ports, notices, config)
        self.memory = RingMemory(clock, notices, ports)
        self.index = RecorderIndex(store, clock, ports, code_of=self._code_of)
        ports.events.on_segment_opened = self.segment_opened
        ports.events.on_segment_closed = self.segment_closed
        ports.events.on_gap = self.gap_told

    # --- life ---

    async def start(self) -> None:
        """Enter the volumes, see what a former run left open and have it closed; recording begins with `check`."""
        await self.volumes.start()
        await self._read_plans()
        now_ms = self._now_ms()
        left = await self._store.read(_left_open, now_ms - LOOK_BACK_MS)
        names: dict[int, list[Name]] = {}
        cut_off = {segment.stream_no for segment in left.open}
        for segment in left.open:
            stream = left.streams[segment.stream_no]
            self._cut_off[stream_id_of(stream.channel_id, stream.stream), segment.start_ms] = now_ms
            names.setdefault(segment.volume_no, []).append((stream.channel_id, stream.stream, segment.start_ms))
        self._past = {
            stream_id_of(stream.channel_id, stream.stream): _Past(
                left.ends.get(no, now_ms), left.gaps.get(no), now_ms if no in cut_off else None
            )
            for no, stream in left.streams.items()
            if no in left.ends or no in left.gaps
        }
        self._spawn(self._recover(names, max(left.ends.values(), default=None)), "recordings left open")

    async def stop(self) -> None:
        """Let the workers close their files and commit what they tell; the cameras are told by who holds them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        now_ms = self._now_ms()
        gate = asyncio.Semaphore(AT_ONCE)
        for recording in self._recordings.values():
            self._expect(recording, now_ms)
        await asyncio.gather(*(self._end_order(one, "stopped", gate) for one in self._recordings.values()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                while any(one.open_ms is not None for one in self._recordings.values()):
                    self._has_closed.clear()
                    await self._has_closed.wait()
        try:
            await self.index.flush()
        except TocsinError as error:
            self._report("the end of recordings waits in their files for the next start", reason=error.detail)

    async def _recover(self, names: dict[int, list[Name]], since_ms: int | None = None) -> None:
        """Have open files closed, volume by volume; with `since_ms` also those changed since that nobody knows.

        Rows whose files held nothing are taken back.
        """
        for volume in self.volumes.all():
            mine = names.get(volume.no, [])
            if volume.kind != "folder" or (not mine and since_ms is None):
                continue
            try:
                if since_ms is not None:
                    await self._ports.recover(volume.no, since_ms=since_ms - TOUCHING_MS)
                if mine:
                    found = await self._ports.recover(volume.no, segments=mine)
                    self._report("open recordings closed", volume=volume.location, files=found.files)
                await self.index.flush()
                await self._store.run(_take_back, mine)
            except TocsinError as error:
                self._report("open recordings were not closed", volume=volume.location, reason=error.detail)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what is wanted ---

    def hear(self, announcements: Sequence[Announced]) -> None:
        """Take committed announcements (`store.on_committed`): plans and cameras that changed are read again."""
        if any(item.type in (PLAN_CHANGED, "camera.changed") for item in announcements):
            self._is_stale = True

    async def check(self) -> None:
        """Compare what is wanted with what runs, once. Errors: UNAVAILABLE when plans cannot be read."""
        now, now_ms = self._clock.now(), self._now_ms()
        await self._read_plans()
        wanted = self._wanted(now)
        for stream_id, recording in list(self._recordings.items()):
            if stream_id not in wanted:
                await self._end(recording, now_ms)
        for stream_id, one in wanted.items():
            running = self._recordings.get(stream_id)
            if running is None:
                self._begin(one, now_ms)
            elif (running.plan, running.want) != (one.plan, one.want):
                self._change(running, one, now_ms)
        for recording in self._recordings.values():
            self._hold(recording, not recording.is_open_anyway or recording.keep_until_ms > now_ms)
        await self._order_due()
        for recording in self._recordings.values():
            self._look(recording, now_ms)
        await self.volumes.check()
        await self.memory.check()

    def _hold(self, recording: Recording, is_needed: bool) -> None:
        """Keep a stream coming, or let it end; what is open anyway is held only while an event is written."""
        if is_needed and not recording.is_held:
            self._sources.hold(recording.channel, recording.stream)
        elif recording.is_held and not is_needed:
            self._sources.release(recording.stream_id)
        recording.is_held = is_needed

    async def _read_plans(self) -> None:
        now_s = self._clock.monotonic()
        if self._is_stale or now_s - self._read_s > REREAD_S:
            self._is_stale, self._read_s = False, now_s
            try:
                self._plans = {plan.channel_id: plan for plan in await self._store.read(_plans)}
            except BaseException:
                self._is_stale = True
                raise

    def _wanted(self, now: datetime) -> dict[str, _Wanted]:
        local = now.astimezone(self._config.zone)
        found: dict[str, _Wanted] = {}
        self._until = {channel_id: until for channel_id, until in self._until.items() if until > now}
        alarmed = [RecordingPlan(channel_id, Mode.CONTINUOUS, priority=9) for channel_id in self._until]
        for plan in [*alarmed, *self._plans.values()]:
            want = plan.want(local)
            channel = self._channels.channel(plan.channel_id)
            if want is Want.NOTHING or channel is None:
                continue
            stream = plan.stream
            if stream is Stream.SUB and self._sources.state(channel.id, Stream.SUB).main_only:
                stream = Stream.MAIN  # the camera has no other
            found[stream_id_of(channel.id, stream)] = _Wanted(channel, stream, plan, want)
        if self._config.live_pre_s:
            self._add_open_anyway(found, local)
        return found

    def _add_open_anyway(self, found: dict[str, _Wanted], local: datetime) -> None:
        """Add the streams somebody looks at, of cameras in service that no plan records now: for an alarm's sake."""
        now_ms = int(local.timestamp() * 1000)
        kept = [(r.channel, r.stream) for r in self._recordings.values() if r.keep_until_ms > now_ms]
        for channel, stream in [*self._sources.watched(), *kept]:
            plan, stream_id = self._plans.get(channel.id), stream_id_of(channel.id, stream)
            is_planned = plan is not None and (plan.is_edge_first or plan.want(local) is not Want.NOTHING)
            is_free = stream_id not in found and channel.id not in self._paused and channel.stage == IN_SERVICE
            if is_free and not is_planned and self._channels.channel(channel.id) is not None:
                ring = RecordingPlan(
                    channel.id, Mode.EVENT, Stream(stream), pre_s=self._config.live_pre_s, priority=LIVE_PRIORITY
                )
                found[stream_id] = _Wanted(channel, Stream(stream), ring, Want.RING, is_open_anyway=True)

    def _begin(self, wanted: _Wanted, now_ms: int) -> None:
        channel, stream, plan, want = wanted.channel, wanted.stream, wanted.plan, wanted.want
        made = Recording(channel, stream, plan, want, now_ms, now_ms, is_open_anyway=wanted.is_open_anyway)
        if channel.id in self._paused:
            made.reason = GapReason.DISK_FULL
        past = self._past.pop(made.stream_id, None)
        if past is not None and past.gap is not None and want is Want.RING:
            self.index.add(GapsEnded(channel.id, stream, now_ms))
        elif past is not None and want is Want.RECORD:
            made.reason = GapReason.DISK_FULL if channel.id in self._paused else GapReason.RESTART
            if past.gap is not None:
                made.gap_from_ms, made.gap_reason = past.gap.from_ms, past.gap.reason
            elif past.cut_off_ms is not None:
                made.covered_to_ms = past.cut_off_ms
            else:
                self._name_past(made, past.end_ms, now_ms)
            for span in wanted_within(plan, past.end_ms, now_ms, self._config.zone):
                self.index.add(Expected(channel.id, stream, *span))
        self._recordings[made.stream_id] = made

    def _name_past(self, recording: Recording, end_ms: int, now_ms: int) -> None:
        """Name what was not recorded while the house did not run."""
        for span in wanted_within(recording.plan, end_ms, now_ms, self._config.zone):
            if span.to_ms - span.from_ms > TOUCHING_MS:
                self.index.add(GapBegun(recording.channel.id, recording.stream, *span, GapReason.RESTART))

    def _change(self, recording: Recording, wanted: _Wanted, now_ms: int) -> None:
        self._expect(recording, now_ms)
        if wanted.want is not recording.want:
            self._end_gap(recording, now_ms)
            recording.covered_to_ms = now_ms
        recording.plan, recording.want, recording.is_open_anyway = wanted.plan, wanted.want, wanted.is_open_anyway
        recording.is_ordered, recording.retry_at_s = False, 0.0

    async def _end(self, recording: Recording, now_ms: int) -> None:
        """The plan wants it no more."""
        self._expect(recording, now_ms)
        self._end_gap(recording, now_ms)
        del self._recordings[recording.stream_id]
        await self._end_order(recording, GapReason.PLANNED, asyncio.Semaphore(1))
        self._hold(recording, False)

    async def _end_order(self, recording: Recording, reason: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            try:
                await self._ports.record_stop(recording.stream_id, reason)
            except TocsinError as error:
                self._report("a recording was not ended", stream_id=recording.stream_id, reason=error.detail)

    async def _order_due(self) -> None:
        now_s = self._clock.monotonic()
        gate = asyncio.Semaphore(AT_ONCE)
        due = [one for one in self._recordings.values() if self._is_due(one, now_s)]
        await asyncio.gather(*(self._order(recording, gate) for recording in due))

    async def _order(self, recording: Recording, gate: asyncio.Semaphore) -> None:
        plan, number = recording.plan, zlib.crc32(recording.stream_id.encode())
        order = RecordOrder(
            recording.stream_id,
            recording.channel.id,
            str(recording.stream),
            self.volumes.for_stream(number),
            self._config.segment_s,
            number % self._config.segment_s,
            plan.priority,
            max(1, plan.pre_s) * 1000 if recording.want is Want.RING else 0,
        )
        async with gate:
            try:
                await self._ports.record_start(order)
            except TocsinError as error:
                recording.retry_at_s = self._clock.monotonic() + recording.pause_s
                recording.pause_s = min(recording.pause_s * 2, LONGEST_RETRY_S)
                self._report("a recording did not begin", stream_id=recording.stream_id, reason=error.detail)
                return
        recording.is_ordered, recording.pause_s = True, FIRST_RETRY_S

    async def keep_anyway(self, channel_id: str, until: datetime) -> int | None:
        """As `keep`; a camera that no plan records is recorded until then: an alarm is its plan.

        A picture of it that was open anyway gives the seconds before. A plan that leaves the recording to the device
        is kept to.
        """
        plan = self._plans.get(channel_id)
        if plan is None or (plan.want(self._clock.now().astimezone(self._config.zone)) is Want.NOTHING):
            if plan is not None and plan.is_edge_first:
                return None
            self._until[channel_id] = max(until, self._until.get(channel_id, until))
        return await self.keep(channel_id, until)

    def is_in_memory(self, channel_id: str) -> bool:
        """Tell whether the last seconds of a camera lie in memory and are not being written."""
        return any(
            one.channel.id == channel_id and one.want is Want.RING and one.is_ordered and one.open_ms is None
            for one in self._recordings.values()
        )

    async def keep(self, channel_id: str, until: datetime) -> int | None:
        """Write what memory holds of a camera's streams and go on until then; what is written is synced at once.

        Return where what is kept begins, in ms since 1970 UTC; None when the camera is not recorded or has no picture.
        Errors: UNAVAILABLE.
        """
        begins = []
        for recording in list(self._recordings.values()):
            if recording.channel.id == channel_id and recording.is_ordered:
                until_ms = int(until.timestamp() * 1000) if recording.want is Want.RING else None
                if recording.is_open_anyway and until_ms is not None:
                    recording.keep_until_ms = max(recording.keep_until_ms, until_ms)
                    self._hold(recording, True)
                begin = await self._ports.record_keep(recording.stream_id, until_ms)
                if begin is not None:
                    begins.append(begin)
        return min(begins, default=None)

    def _is_due(self, recording: Recording, now_s: float) -> bool:
        return not recording.is_ordered and recording.retry_at_s <= now_s and recording.channel.id not in self._paused

    async def pause_for_space(self, channel_ids: Collection[str]) -> None:
        """Stop recording of cameras until they are resumed; what is missed is named `disk_full`."""
        self._paused.update(channel_ids)
        gate = asyncio.Semaphore(AT_ONCE)
        ended = [one for one in self._recordings.values() if one.channel.id in self._paused and one.is_ordered]
        for recording in ended:
            recording.is_ordered, recording.reason = False, GapReason.DISK_FULL
        await asyncio.gather(*(self._end_order(one, GapReason.DISK_FULL, gate) for one in ended))

    async def resume_after_space(self, channel_ids: Collection[str]) -> None:
        """Let cameras be recorded again, as their plans want."""
        self._paused.difference_update(channel_ids)

    def states(self) -> dict[str, RecordingState]:
        """Return how every camera with a plan in force is recorded now, by channel."""
        found = {
            plan.channel_id: RecordingState(plan.channel_id, "not_now", plan.mode, plan.stream)
            for plan in self._plans.values()
        }
        for recording in self._recordings.values():
            if not recording.is_open_anyway:
                found[recording.channel.id] = self._state_of(recording)
        return found

    def _state_of(self, recording: Recording) -> RecordingState:
        state, reason, since_ms = "waiting", recording.gap_reason or recording.reason, recording.gap_from_ms
        if recording.open_ms is not None:
            state, reason, since_ms = "recording", "", recording.since_ms
        elif recording.want is Want.RING:
            state, reason, since_ms = "in_memory", "", None
        live = self._sources.state(recording.channel.id, recording.stream)
        return RecordingState(
            recording.channel.id,
            state,
            recording.plan.mode,
            recording.stream,
            since_ms,
            reason,
            live.bitrate_bps if state != "waiting" else 0,
        )

    # --- what is told ---

    def segment_opened(self, told: SegmentOpened) -> None:
        """Hear that a file was begun: the gap before it, if any, has an end."""
        self.index.add(told)
        recording = self._recordings.get(stream_id_of(told.channel_id, told.stream))
        if recording is None:
            return
        if recording.open_ms is None:
            is_new = recording.gap_from_ms is not None
            if recording.gap_from_ms is not None:
                self._end_gap(recording, told.start_ms)
            elif recording.want is Want.RECORD:
                is_new = self._name_gap(recording, recording.covered_to_ms, told.start_ms)
            if is_new or recording.since_ms is None:
                recording.since_ms = told.start_ms
        recording.open_ms, recording.open_volume = told.start_ms, told.volume_no
        recording.covered_to_ms = max(recording.covered_to_ms, told.start_ms)
        recording.reason = GapReason.SOURCE_LOST

    def segment_closed(self, told: SegmentClosed) -> None:
        """Hear that a file is whole, now or found after its writer ended."""
        self.index.add(told)
        self._has_closed.set()
        stream_id = stream_id_of(told.channel_id, told.stream)
        end_ms = told.end_ms if told.state is not SegmentState.LOST else told.start_ms
        cut_off_ms = self._cut_off.pop((stream_id, told.start_ms), None)
        if cut_off_ms is not None:
            self._name_cut_off(told, end_ms, cut_off_ms)
            return
        recording = self._recordings.get(stream_id)
        if recording is None:
            return
        if recording.open_ms == told.start_ms:
            recording.open_ms = None
            if told.end_reason in _REASONS:
                recording.reason = told.end_reason
        elif recording.open_ms is not None and told.start_ms < recording.open_ms and recording.want is Want.RECORD:
            self._name_gap(recording, max(told.end_ms, recording.open_ms - LOOK_BACK_MS), recording.open_ms)
        recording.covered_to_ms = max(recording.covered_to_ms, end_ms)
        if not told.is_recovered:
            self._expect(recording, max(recording.expected_to_ms, told.end_ms))

    def _name_cut_off(self, told: SegmentClosed, end_ms: int, cut_off_ms: int) -> None:
        plan = self._plans.get(told.channel_id)
        if plan is not None:
            for span in wanted_within(plan, end_ms, cut_off_ms, self._config.zone):
                self.index.add(GapBegun(told.channel_id, told.stream, *span, GapReason.RESTART))

    def gap_told(self, told: GapTold) -> None:
        """Hear of a gap whose reason a worker knows: it takes the place of one we named meanwhile."""
        recording = self._recordings.get(stream_id_of(told.channel_id, told.stream))
        if recording is not None:
            recording.reason = told.reason
            if told.to_ms is not None:
                recording.covered_to_ms = max(recording.covered_to_ms, told.to_ms)
                if recording.is_gap_told:
                    recording.gap_from_ms, recording.gap_reason, recording.is_gap_told = None, "", False
            elif recording.open_ms is None or told.from_ms >= recording.open_ms:
                self._end_gap(recording, told.from_ms)
                recording.gap_from_ms, recording.gap_reason, recording.is_gap_told = told.from_ms, told.reason, True
        self.index.add(told)

    def worker_lost(self, stream_ids: Collection[str]) -> None:
        """Hear that a worker ended: its streams are ordered again, and what it had open is closed from its files."""
        now_ms = self._now_ms()
        names: dict[int, list[Name]] = {}
        for stream_id in stream_ids:
            recording = self._recordings.get(stream_id)
            if recording is None:
                continue
            recording.is_ordered, recording.is_gap_told, recording.reason = False, False, GapReason.RESTART
            if recording.open_ms is not None:
                self._cut_off[stream_id, recording.open_ms] = now_ms
                name = recording.channel.id, str(recording.stream), recording.open_ms
                names.setdefault(recording.open_volume, []).append(name)
                recording.open_ms, recording.covered_to_ms = None, now_ms
        if names:
            self._spawn(self._recover(names), "recordings of a lost worker")

    # --- gaps and what was expected ---

    def _look(self, recording: Recording, now_ms: int) -> None:
        if now_ms - recording.expected_to_ms >= EXPECT_EVERY_MS:
            self._expect(recording, now_ms)
        is_silent = recording.open_ms is None and recording.gap_from_ms is None
        if recording.want is Want.RECORD and is_silent and now_ms - recording.covered_to_ms >= GAP_AFTER_MS:
            recording.gap_from_ms, recording.gap_reason = recording.covered_to_ms, self._reason(recording)
            recording.is_gap_told = False
            self.index.add(
                GapBegun(recording.channel.id, recording.stream, recording.covered_to_ms, None, recording.gap_reason)
            )

    def _reason(self, recording: Recording) -> str:
        problem = self.volumes.problem()
        if problem is not None:
            return problem
        state = self._sources.state(recording.channel.id, recording.stream)
        if state.state == "failed":
            is_offline = any(word in state.reason for word in OFFLINE_WORDS)
            return GapReason.DEVICE_OFFLINE if is_offline else GapReason.SOURCE_LOST
        if state.state == "live" and recording.is_ordered:
            return GapReason.NO_KEY
        return recording.reason

    def _name_gap(self, recording: Recording, from_ms: int, to_ms: int) -> bool:
        is_gap = to_ms - from_ms > TOUCHING_MS
        if is_gap:
            self.index.add(GapBegun(recording.channel.id, recording.stream, from_ms, to_ms, recording.reason))
        return is_gap

    def _end_gap(self, recording: Recording, at_ms: int) -> None:
        if recording.gap_from_ms is not None:
            at_ms = max(at_ms, recording.gap_from_ms)
            self.index.add(GapsEnded(recording.channel.id, recording.stream, at_ms))
            recording.gap_from_ms, recording.gap_reason, recording.is_gap_told = None, "", False
            recording.covered_to_ms = max(recording.covered_to_ms, at_ms)

    def _expect(self, recording: Recording, to_ms: int) -> None:
        if recording.want is Want.RECORD and to_ms > recording.expected_to_ms:
            self.index.add(Expected(recording.channel.id, recording.stream, recording.expected_to_ms, to_ms))
        recording.expected_to_ms = max(to_ms, recording.expected_to_ms)

    # --- inside ---

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    def _code_of(self, channel_id: str) -> str:
        channel = self._channels.channel(channel_id)
        return channel.jurisdiction_code if channel is not None else ""


@dataclass(frozen=True, slots=True)
class _Left:
    streams: dict[int, RecordedStream]
    open: list[Segment]
    ends: dict[int, int]
    gaps: dict[int, Gap]


def _left_open(tx: Any, since_ms: int) -> _Left:
    streams = {stream.no: stream for stream in tx.segments.streams()}
    opened = [segment for segment in tx.segments.unsettled(SegmentState.OPEN) if segment.stream_no in streams]
    return _Left(streams, opened, tx.segments.last_ends(streams, since_ms), tx.segments.lasting_gaps())


def _take_back(tx: Any, names: Sequence[Name]) -> None:
    """Delete rows that are still open although their files were looked at: nothing was in them."""
    numbers = {(one.channel_id, one.stream): one.no for one in tx.segments.streams({name[0] for name in names})}
    wanted = {SegmentKey(numbers[channel_id, stream], start_ms) for channel_id, stream, start_ms in names}
    left = {segment.key for segment in tx.segments.unsettled(SegmentState.OPEN)}
    tx.segments.delete(wanted & left)


def _plans(tx: Any) -> list[RecordingPlan]:
    found: list[RecordingPlan] = tx.recorder_plans.in_force()
    return found
