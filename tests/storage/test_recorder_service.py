"""The recorder on a real store, workers played by the test: what is ordered, what is committed, and every gap named.

The same against real workers and cameras: tests/browser/test_recording_plan.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.support.clocks import FixedClock
from tests.support.stores import clock, database_url, heads_path, postgresql_server, store  # noqa: F401
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.directory import Channel
from tocsin.domain.notices import NoticeBoard
from tocsin.domain.recorder_line import RecorderConfig
from tocsin.domain.recorder_plans import Mode, RecordingPlan, Window
from tocsin.domain.recorder_service import RecorderService
from tocsin.domain.recorder_told import (
    CodecTold,
    GapTold,
    MemoryTold,
    RecorderEvents,
    RecordOrder,
    RecoveredTold,
    SegmentClosed,
    SegmentOpened,
    VolumeOrder,
    VolumeTold,
)
from tocsin.domain.segment_groups import Group
from tocsin.domain.segments import CoverageDay, Gap, SegmentState, day_of
from tocsin.domain.streams import Stream, stream_id_of
from tocsin.domain.video import LiveState
from tocsin.storage.store import AnyStore

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

GATE = Channel("camera-gate", "device-1", "34022300001320000001", jurisdiction_code="340223", stage="in_service")
CODEC = CodecTold(b"\7" * 32, "h264", 1_280, 720, 'video/mp4; codecs="avc3.64001f"', b"init")


class Workers:
    """The workers as the recorder sees them; the test says what they tell."""

    def __init__(self) -> None:
        self.events = RecorderEvents()
        self.orders: list[RecordOrder] = []
        self.ended: list[tuple[str, str]] = []
        self.acknowledged: list[str] = []
        self.volumes: list[VolumeOrder] = []
        self.asked: list[tuple[int, int, list[tuple[str, str, int]] | None]] = []
        self.in_files: list[SegmentClosed] = []
        self.is_down = False
        self.kept: list[tuple[str, int | None]] = []
        self.begins_ms: int | None = 5

    async def record_start(self, order: RecordOrder) -> None:
        if self.is_down:
            raise TocsinError(ErrorCode.UNAVAILABLE, "no worker")
        self.orders.append(order)

    async def record_stop(self, stream_id: str, reason: str) -> None:
        self.ended.append((stream_id, reason))

    async def record_keep(self, stream_id: str, until_ms: int | None = None) -> int | None:
        self.kept.append((stream_id, until_ms))
        return self.begins_ms

    async def record_acknowledge(self, keys: Sequence[str]) -> None:
        self.acknowledged += keys

    async def volumes_set(self, volumes: Sequence[VolumeOrder]) -> None:
        self.volumes = list(volumes)

    async def recover(
        self, volume_no: int, *, since_ms: int = 0, segments: Sequence[tuple[str, str, int]] | None = None
    ) -> RecoveredTold:
        self.asked.append((volume_no, since_ms, None if segments is None else list(segments)))
        for told in self.in_files:
            self.events.on_segment_closed(told)
        return RecoveredTold(files=len(self.in_files))


class Down:
    """A store that commits nothing."""

    async def run(self, *_: object) -> None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the disk is full")


@dataclass
class Cameras:
    """Streams and channels."""

    held: set[str] = field(default_factory=set)
    shown: list[tuple[Channel, Stream]] = field(default_factory=list)
    live: LiveState = field(default_factory=lambda: LiveState("starting"))
    channels: dict[str, Channel] = field(default_factory=lambda: {GATE.id: GATE})

    def hold(self, channel: Channel, stream: str) -> None:
        self.held.add(stream_id_of(channel.id, stream))

    def release(self, stream_id: str) -> None:
        self.held.discard(stream_id)

    def watched(self) -> list[tuple[Channel, Stream]]:
        return self.shown

    def state(self, channel_id: str, stream: str = "") -> LiveState:
        return self.live

    def channel(self, channel_id: str) -> Channel | None:
        return self.channels.get(channel_id)


@dataclass
class Setting:
    """A recorder with its surroundings."""

    store: AnyStore
    clock: FixedClock
    workers: Workers
    cameras: Cameras
    recorder: RecorderService
    plans: list[RecordingPlan] = field(default_factory=list)

    @property
    def now_ms(self) -> int:
        return int(self.clock.now().timestamp() * 1000)

    async def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1.0)
            await self.recorder.check()

    def opened(self, start_ms: int) -> None:
        told = SegmentOpened(f"o{start_ms}", GATE.id, "main", start_ms, 1, CODEC)
        self.workers.events.on_segment_opened(told)

    def closed(self, start_ms: int, end_ms: int, reason: str = "time") -> SegmentClosed:
        told = closed(start_ms, end_ms, reason)
        self.workers.events.on_segment_closed(told)
        return told

    async def gaps(self) -> list[tuple[int, int | None, str]]:
        """Return the gaps, from and to in ms before and after now, and the reason."""
        await self.recorder.index.flush()
        found: list[Gap] = await self.store.read(lambda tx: tx.segments.gaps(1, 0, self.now_ms + 1))
        return [(gap.from_ms, gap.to_ms, gap.reason) for gap in found]

    async def day(self) -> CoverageDay:
        await self.recorder.index.flush()
        day = day_of(self.now_ms)
        return (await self.store.read(lambda tx: tx.segments.coverage([1], day, day)))[0]


def closed(start_ms: int, end_ms: int, reason: str = "time", *, is_recovered: bool = False) -> SegmentClosed:
    groups = (Group(900, 5_000, 0, end_ms - start_ms),)
    return SegmentClosed(
        f"c{start_ms}", GATE.id, "main", start_ms, end_ms, 1, SegmentState.OK, 5_900, 50, 0,
        None if is_recovered else 3, -20, b"\1" * 32, groups, CODEC, reason, is_recovered,
    )  # fmt: skip


def make(store: AnyStore, clock: FixedClock) -> Setting:  # noqa: F811
    workers, cameras = Workers(), Cameras()
    config = RecorderConfig("house", ("/one",), zone=ZoneInfo("Asia/Shanghai"), live_pre_s=15)
    board = NoticeBoard(store, clock)
    recorder = RecorderService(store, clock, cameras, cameras, workers, board, config)
    return Setting(store, clock, workers, cameras, recorder)


@pytest.fixture
async def setting(store: AnyStore, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> Setting:  # noqa: F811
    made = make(store, clock)
    await _plan(made, mode=Mode.CONTINUOUS)
    await made.recorder.start()
    return made


async def _plan(setting: Setting, **changes: object) -> None:
    """Write the plan of the gate camera, whose channel is entered with it."""

    def _write(tx: object) -> None:
        known = tx.recorder_plans.get(GATE.id)  # type: ignore[attr-defined]
        tx.recorder_plans.save(replace(known, **changes))  # type: ignore[attr-defined, arg-type]

    await setting.store.run(_enter_camera)
    await setting.store.run(_write)
    setting.recorder._is_stale = True


def _enter_camera(tx: object) -> None:
    from sqlalchemy import insert, select

    from tocsin.storage import tables_registry

    connection = tx.connection  # type: ignore[attr-defined]
    if connection.execute(select(tables_registry.channels.c.id)).first() is not None:
        return
    connection.execute(
        insert(tables_registry.jurisdictions).values(id="j", code="340223", short="HW", name="河湾县", level="county")
    )
    connection.execute(
        insert(tables_registry.places).values(id="p", jurisdiction_id="j", jurisdiction_code="340223", name="学校")
    )
    connection.execute(
        insert(tables_registry.devices).values(
            id="device-1", kind="camera", name="门", protocol="gb28181", jurisdiction_id="j", jurisdiction_code="340223"
        )
    )
    connection.execute(
        insert(tables_registry.channels).values(
            id=GATE.id, device_id="device-1", gb_id=GATE.gb_id, name="门", jurisdiction_id="j",
            jurisdiction_code="340223", place_id="p", owner="科信科", purpose="治安", stage="in_service",
        )
    )  # fmt: skip


async def test_a_plan_makes_a_camera_be_held_and_recorded_and_its_end_ends_it(setting: Setting) -> None:
    await setting.pass_time(1)
    assert setting.cameras.held == {GATE.id}
    [order] = setting.workers.orders
    assert (order.stream_id, order.volumes, order.segment_s, order.pre_roll_ms) == (GATE.id, (1,), 60, 0)
    assert 0 <= order.offset_s < 60
    [volume] = setting.workers.volumes
    assert (volume.location, volume.may_enter) == ("/one", True)
    await setting.pass_time(5)
    assert len(setting.workers.orders) == 1
    await _plan(setting, mode=Mode.OFF)
    await setting.pass_time(1)
    assert setting.workers.ended == [(GATE.id, "planned")]
    assert setting.cameras.held == set()
    assert (await setting.gaps())[-1][1] == setting.now_ms  # what was wanted and never came


async def test_segments_that_touch_leave_no_gap_and_are_acknowledged_once_committed(setting: Setting) -> None:
    await setting.pass_time(1)
    begin = setting.now_ms
    setting.opened(begin)
    assert setting.workers.acknowledged == []
    await setting.pass_time(60)
    setting.opened(begin + 60_000)  # the next is told before the end of the one before it
    setting.closed(begin, begin + 60_000)
    assert await setting.gaps() == []
    assert setting.workers.acknowledged == [f"o{begin}", f"o{begin + 60_000}", f"c{begin}"]
    found = await setting.store.read(lambda tx: tx.segments.between(1, begin, begin + 120_000))
    assert [(one.start_ms, one.state, one.lost_packets) for one in found] == [
        (begin, SegmentState.OK, 3),
        (begin + 60_000, SegmentState.OPEN, 0),
    ]
    state = setting.recorder.states()[GATE.id]
    assert (state.state, state.since_ms) == ("recording", begin)
    day = await setting.day()
    assert (day.stored_ms, day.expected_ms - day.stored_ms) == (60_000, 0)


async def test_a_source_that_is_lost_is_a_gap_until_the_next_segment(setting: Setting) -> None:
    await setting.pass_time(1)
    begin = setting.now_ms
    setting.opened(begin)
    await setting.pass_time(10)
    setting.closed(begin, begin + 9_500, "source_lost")
    setting.cameras.live = LiveState("failed", "play.device_offline")
    await setting.pass_time(3)
    assert await setting.gaps() == [(begin + 9_500, None, "device_offline")]
    assert setting.recorder.states()[GATE.id].state == "waiting"
    await setting.pass_time(20)
    setting.opened(setting.now_ms)
    assert await setting.gaps() == [(begin + 9_500, setting.now_ms, "device_offline")]


async def test_a_gap_the_worker_names_takes_the_place_of_ours(setting: Setting) -> None:
    await setting.pass_time(1)
    begin = setting.now_ms
    setting.opened(begin)
    await setting.pass_time(5)
    setting.closed(begin, begin + 5_000, "disk_slow")
    setting.workers.events.on_gap(GapTold("g1", GATE.id, "main", begin + 5_000, None, "disk_slow"))
    await setting.pass_time(10)
    assert await setting.gaps() == [(begin + 5_000, None, "disk_slow")]
    setting.workers.events.on_gap(GapTold("g2", GATE.id, "main", begin + 5_000, begin + 15_000, "disk_slow"))
    setting.opened(begin + 15_000)
    assert await setting.gaps() == [(begin + 5_000, begin + 15_000, "disk_slow")]
    assert {"g1", "g2"} <= set(setting.workers.acknowledged)


async def test_a_worker_that_ends_costs_a_named_gap_and_its_streams_are_ordered_again(setting: Setting) -> None:
    await setting.pass_time(1)
    begin = setting.now_ms
    setting.opened(begin)
    await setting.pass_time(20)
    setting.workers.is_down = True
    setting.workers.in_files = [closed(begin, begin + 18_000, "recovered", is_recovered=True)]
    setting.recorder.worker_lost((GATE.id, "somebody-elses"))
    lost_at = setting.now_ms
    await setting.pass_time(2)
    setting.workers.is_down = False
    await setting.pass_time(3)
    assert len(setting.workers.orders) == 2
    assert setting.workers.asked == [(1, 0, [(GATE.id, "main", begin)])]
    setting.opened(setting.now_ms)
    assert await setting.gaps() == [
        (begin + 18_000, lost_at, "restart"),
        (lost_at, setting.now_ms, "restart"),
    ]
    found = await setting.store.read(lambda tx: tx.segments.get(1, begin))
    assert (found.state, found.end_ms) == (SegmentState.OK, begin + 18_000)


async def test_a_house_that_was_killed_finds_the_end_in_the_files_and_names_the_rest(setting: Setting) -> None:
    await setting.pass_time(1)
    begin = setting.now_ms
    setting.opened(begin)
    await setting.recorder.index.flush()
    setting.clock.advance(300)
    again = make(setting.store, setting.clock)
    again.workers.in_files = [closed(begin, begin + 42_000, "recovered", is_recovered=True)]
    started = again.now_ms
    await again.recorder.start()
    await again.pass_time(2)
    again.opened(again.now_ms)
    assert await again.gaps() == [(begin + 42_000, started, "restart"), (started, again.now_ms, "restart")]
    day = await again.day()
    assert day.stored_ms == 42_000
    assert await again.store.read(lambda tx: tx.segments.unsettled(SegmentState.OPEN)) != []


async def test_an_open_row_without_a_file_is_taken_back(setting: Setting) -> None:
    await setting.pass_time(1)
    setting.opened(setting.now_ms)
    await setting.recorder.index.flush()
    again = make(setting.store, setting.clock)
    await again.recorder.start()
    for task in list(again.recorder._tasks):
        await task
    assert await again.store.read(lambda tx: tx.segments.unsettled(SegmentState.OPEN)) == []


async def test_what_the_store_does_not_take_is_told_again_and_not_acknowledged(setting: Setting) -> None:
    await setting.pass_time(1)
    begin = setting.now_ms
    setting.opened(begin)
    setting.recorder.index._store = Down()  # type: ignore[assignment]
    with pytest.raises(TocsinError):
        await setting.recorder.index.flush()
    assert setting.workers.acknowledged == []
    assert setting.recorder.index.waiting == 1


async def test_events_are_kept_in_memory_until_somebody_asks(setting: Setting) -> None:
    await _plan(setting, mode=Mode.EVENT, pre_s=12)
    await setting.pass_time(4)
    [order] = setting.workers.orders
    assert order.pre_roll_ms == 12_000
    assert setting.recorder.states()[GATE.id].state == "in_memory"
    assert await setting.recorder.keep(GATE.id, setting.clock.now()) == 5
    assert await setting.recorder.keep("another", setting.clock.now()) is None
    await setting.recorder.index.flush()
    assert await setting.store.read(lambda tx: tx.segments.streams()) == []  # nothing was to be recorded: no gap


async def test_a_schedule_begins_and_ends_by_the_clock_of_the_house(setting: Setting) -> None:
    # 10:14:07 in Shanghai, on a Sunday
    await _plan(setting, mode=Mode.SCHEDULED, schedule=(Window((7,), 10 * 60 + 15, 10 * 60 + 16),))
    await setting.pass_time(52)
    assert setting.workers.orders == []
    assert setting.recorder.states()[GATE.id].state == "not_now"
    await setting.pass_time(1)
    assert len(setting.workers.orders) == 1
    await setting.pass_time(60)
    assert setting.workers.ended == [(GATE.id, "planned")]
    assert (await setting.day()).expected_ms == 60_000


async def test_a_volume_that_fails_is_complained_about_once_and_names_the_gap(setting: Setting) -> None:
    setting.workers.events.on_volume(VolumeTold(1, "ok", 1_000, 900, 0))
    await setting.pass_time(1)
    setting.workers.events.on_volume(VolumeTold(1, "read_only", 1_000, 900, 0))
    await setting.pass_time(5)
    assert (await setting.gaps())[0][2] == "disk_gone"
    [volume] = await setting.store.read(lambda tx: tx.segments.volumes())
    assert (volume.state, volume.free_bytes) == ("read_only", 900)
    told = await setting.store.read(lambda tx: [one.type for one in tx.outbox.after(0, 100)])
    assert told.count("notice.raised") == 1
    setting.workers.events.on_volume(VolumeTold(1, "ok", 1_000, 900, 0))
    await setting.pass_time(1)
    told = await setting.store.read(lambda tx: [one.type for one in tx.outbox.after(0, 100)])
    assert told.count("notice.cleared") == 1


async def test_an_alarm_records_a_camera_without_a_plan_until_its_end(setting: Setting) -> None:
    await _plan(setting, mode=Mode.OFF)
    await setting.pass_time(1)
    until = setting.clock.now() + timedelta(seconds=5)
    assert await setting.recorder.keep_anyway(GATE.id, until) is None, "nothing was there before"
    await setting.pass_time(1)
    assert setting.cameras.held == {GATE.id}
    assert [order.channel_id for order in setting.workers.orders] == [GATE.id]
    await setting.pass_time(6)
    assert setting.cameras.held == set()
    assert [stream_id for stream_id, _ in setting.workers.ended] == [GATE.id]


async def test_a_picture_somebody_watches_stays_in_memory_for_an_alarm_and_is_not_kept_open_for_it(
    setting: Setting,
) -> None:
    await _plan(setting, mode=Mode.OFF)
    setting.cameras.shown = [(GATE, Stream.SUB)]
    await setting.pass_time(2)
    [order] = setting.workers.orders
    sub = stream_id_of(GATE.id, Stream.SUB)
    assert (order.stream_id, order.pre_roll_ms, order.priority) == (sub, 15_000, 0)
    assert setting.cameras.held == set(), "who watches keeps it open, nobody else"
    assert setting.recorder.states() == {}, "no plan records it"
    assert setting.recorder.is_in_memory(GATE.id)
    setting.cameras.shown = []
    await setting.pass_time(1)
    assert setting.workers.ended == [(sub, "planned")]
    await setting.recorder.index.flush()
    assert await setting.store.read(lambda tx: tx.segments.streams()) == []


async def test_an_alarm_writes_what_memory_holds_of_a_watched_picture_and_goes_on_on_the_main_stream(
    setting: Setting,
) -> None:
    await _plan(setting, mode=Mode.OFF)
    sub = stream_id_of(GATE.id, Stream.SUB)
    setting.cameras.shown = [(GATE, Stream.SUB)]
    await setting.pass_time(1)
    until = setting.clock.now() + timedelta(seconds=5)
    assert await setting.recorder.keep_anyway(GATE.id, until) == 5
    assert setting.workers.kept == [(sub, int(until.timestamp() * 1000))]
    assert setting.cameras.held == {sub}, "it goes on when who watched leaves"
    setting.cameras.shown = []
    await setting.pass_time(2)
    assert setting.cameras.held == {sub, GATE.id}
    assert [(order.stream_id, order.pre_roll_ms) for order in setting.workers.orders] == [(sub, 15_000), (GATE.id, 0)]
    await setting.pass_time(5)
    assert setting.cameras.held == set()
    assert sorted(stream_id for stream_id, _ in setting.workers.ended) == sorted([GATE.id, sub])


async def test_a_camera_with_a_plan_in_force_needs_no_second_memory(setting: Setting) -> None:
    setting.cameras.shown = [(GATE, Stream.SUB), (replace(GATE, id="other", stage="discovered"), Stream.MAIN)]
    await setting.pass_time(2)
    assert [order.stream_id for order in setting.workers.orders] == [GATE.id]
    await _plan(setting, mode=Mode.EVENT, is_edge_first=True)
    await setting.pass_time(2)
    assert len(setting.workers.orders) == 1, "its device records"


async def test_memory_that_is_too_small_is_told_and_forgotten_after_five_minutes(setting: Setting) -> None:
    await setting.pass_time(1)
    setting.workers.events.on_memory(MemoryTold(3, 16 << 20, 16 << 20))
    await setting.pass_time(1)
    raised = await setting.store.read(lambda tx: tx.notices.find("recording.memory_short", ""))
    assert (raised.severity, raised.params) == ("warning", {"most_mb": 16})
    await setting.pass_time(1)
    setting.clock.advance(300)
    await setting.pass_time(1)
    assert await setting.store.read(lambda tx: tx.notices.find("recording.memory_short", "")) is None


async def test_a_camera_stopped_for_space_before_a_restart_is_not_recorded_after_it(setting: Setting) -> None:
    await setting.recorder.pause_for_space([GATE.id])
    await setting.pass_time(5)
    assert setting.workers.orders == []
    assert (await setting.gaps())[-1][1:] == (None, "disk_full")


async def test_what_a_plan_leaves_to_the_device_an_alarm_leaves_as_well(setting: Setting) -> None:
    await _plan(setting, mode=Mode.EVENT, is_edge_first=True)
    await setting.pass_time(1)
    assert await setting.recorder.keep_anyway(GATE.id, setting.clock.now() + timedelta(seconds=5)) is None
    await setting.pass_time(1)
    assert setting.workers.orders == []


async def test_a_camera_no_space_is_left_for_stops_with_a_named_gap_and_goes_on_when_told(setting: Setting) -> None:
    await setting.pass_time(1)
    begin = setting.now_ms
    setting.opened(begin)
    await setting.pass_time(10)
    await setting.recorder.pause_for_space([GATE.id])
    assert setting.workers.ended == [(GATE.id, "disk_full")]
    setting.closed(begin, setting.now_ms, "disk_full")
    stopped = setting.now_ms
    await setting.pass_time(60)
    assert len(setting.workers.orders) == 1
    assert (await setting.gaps())[-1] == (stopped, None, "disk_full")
    await setting.recorder.resume_after_space([GATE.id])
    await setting.pass_time(1)
    assert len(setting.workers.orders) == 2
    setting.opened(setting.now_ms)
    assert (await setting.gaps())[-1] == (stopped, setting.now_ms, "disk_full")
    assert (await setting.day()).expected_ms >= 60_000
