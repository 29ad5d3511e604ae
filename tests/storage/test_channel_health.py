"""Camera health over a store, on both engines: faults open once, close by themselves, and add up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.clocks import FixedClock
from tests.support.registry import ADMINISTRATOR, HOUSE, OPERATOR, House, make_house
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.channel_health_service import ChannelHealthService
from tocsin.domain.device_states import Transition, apply_transitions
from tocsin.domain.devices import CatalogEntry
from tocsin.domain.directory import Channel
from tocsin.domain.video import LiveState
from tocsin.storage.store import AnyStore

GB = "3402230000131000000"
LIVE = LiveState("live", codec="h264", width=1280, height=720, bitrate_bps=2_000_000, key_interval_ms=1_000)


class SeenPictures:
    """Streams as a test says they are."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.streams: dict[str, LiveState] = {}
        self.probed: list[str] = []
        self.answer = LIVE

    def running(self) -> dict[str, LiveState]:
        return {name: replace(state, last_frame_at=self.clock.now()) for name, state in self.streams.items()}

    async def probe(self, channel: Channel) -> LiveState:
        self.probed.append(channel.id)
        return replace(self.answer, last_frame_at=self.clock.now())


class Town:
    """A device with three channels, the first two in service, and the service that keeps their health."""

    def __init__(self, house: House, clock: FixedClock) -> None:
        self.house, self.clock = house, clock
        self.pictures = SeenPictures(clock)
        self.health = ChannelHealthService(house.store, clock, house.directory, self.pictures)
        house.store.on_committed(self.health.hear)

    async def set_up(self) -> None:
        device = await self.house.camera(maker="Example", line="电信 12 号")
        self.device_id = device.id
        await self.catalog("ON", "ON", "ON")
        channels = await self.house.cameras.cameras(HOUSE)
        self.ids = [item.id for item in sorted(channels.items, key=lambda item: item.gb_id)]
        await self.house.cameras.commission(actor=ADMINISTRATOR, cameras=self.ids[:2])
        await self.state("online")
        await self.health.start()
        await self.health.check()

    async def catalog(self, *statuses: str) -> None:
        entries = [
            CatalogEntry(f"{GB}{n}", f"通道{n}", is_online=status == "ON", parent_id=f"{GB}0" if n else "")
            for n, status in enumerate(statuses)
        ]
        await self.house.reports.catalog(self.device_id, entries, True)

    async def state(self, state: str) -> None:
        await self.house.store.run(apply_transitions, [Transition(self.device_id, self.clock.now(), state)])

    async def keys(self) -> list[tuple[int, str]]:
        page = await self.health.faults(HOUSE)
        return sorted((self.ids.index(str(item["camera_id"])), str(item["key"])) for item in page.items)

    async def run_for(self, seconds: float) -> None:
        for _ in range(int(seconds // 5)):
            self.clock.advance(5)
            await self.health.check()


@pytest.fixture
async def town(store: AnyStore, clock: FixedClock) -> Town:
    made = Town(await make_house(store, clock), clock)
    await made.set_up()
    return made


async def test_a_device_that_falls_silent_takes_its_cameras_along_once(town: Town) -> None:
    assert await town.keys() == []
    await town.state("offline")
    await town.health.check()
    await town.health.check()
    assert await town.keys() == [(0, "offline.device"), (1, "offline.device")]  # the third is not in service
    town.clock.advance(60)
    await town.state("online")
    await town.health.check()
    assert await town.keys() == []
    page = await town.health.faults(HOUSE, is_open=False)
    assert {str(item["until"])[:16] for item in page.items} == {town.clock.now().isoformat()[:16]}


async def test_a_parent_that_is_off_makes_the_camera_off_line_everywhere(town: Town) -> None:
    await town.catalog("OFF", "ON", "ON")
    await town.health.check()
    assert await town.keys() == [(0, "offline.self"), (1, "offline.parent")]
    child = await town.house.cameras.camera(town.ids[1], actor=HOUSE)
    assert child.form()["state"] == "offline"
    off_line = await town.house.cameras.cameras(HOUSE, state="offline")
    assert {item.id for item in off_line.items} == set(town.ids)
    assert town.ids[1] in await town.house.facts("camera.changed")
    await town.catalog("ON", "ON", "ON")
    await town.health.check()
    assert await town.keys() == []
    assert (await town.house.cameras.camera(town.ids[1], actor=HOUSE)).is_online


async def test_what_the_catalogue_no_longer_lists_is_gone(town: Town) -> None:
    await town.catalog("ON")
    await town.health.check()
    assert await town.keys() == [(1, "offline.gone")]


async def test_a_lossy_picture_is_a_fault_while_it_lasts_and_its_figures_are_kept(town: Town) -> None:
    camera = town.ids[0]
    town.pictures.streams[camera] = replace(LIVE, loss_share=0.1)
    await town.run_for(25)
    assert await town.keys() == []
    await town.run_for(10)
    assert await town.keys() == [(0, "picture.lossy")]
    health = (await town.health.health(camera, actor=HOUSE)).form()
    assert health["measures"] is not None
    town.pictures.streams[camera] = LIVE
    await town.run_for(70)
    assert await town.keys() == []
    last = town.clock.now()
    town.pictures.streams.clear()
    await town.run_for(30)
    kept = (await town.health.health(camera, actor=HOUSE)).state
    assert kept is not None
    assert kept.measures is not None
    assert (kept.measures.bitrate_bps, kept.measures.last_frame_at) == (2_000_000, last)


async def test_a_restart_closes_what_an_earlier_run_left_open(town: Town) -> None:
    town.pictures.streams[town.ids[0]] = replace(LIVE, loss_share=0.1)
    await town.run_for(40)
    again = ChannelHealthService(town.house.store, town.clock, town.house.directory, town.pictures)
    await again.start()
    town.health = again
    town.pictures.streams[town.ids[0]] = LIVE
    await town.run_for(70)
    assert await town.keys() == []


async def test_a_camera_that_sends_no_picture_is_a_fault_with_the_reason(town: Town) -> None:
    town.pictures.streams[town.ids[1]] = LiveState("failed", "play.no_media")
    await town.run_for(40)
    page = await town.health.faults(HOUSE)
    assert [(item["key"], item["params"]) for item in page.items] == [("picture.none", {"reason": "play.no_media"})]


async def test_a_check_is_recorded_before_it_looks_and_keeps_the_figures(town: Town) -> None:
    health = await town.health.check_camera(town.ids[0], actor=ADMINISTRATOR)
    assert ("channel.checked", "done") in await town.house.audited()
    assert health.state is not None
    assert health.state.measures is not None
    assert (health.state.measures.source, health.state.measures.width) == ("check", 1280)
    town.pictures.answer = LiveState("failed", "play.no_answer")
    await town.health.check_camera(town.ids[0], actor=ADMINISTRATOR)
    assert await town.keys() == [(0, "picture.none")]
    town.pictures.answer = LIVE
    await town.health.check_camera(town.ids[0], actor=ADMINISTRATOR)
    assert await town.keys() == []


async def test_who_keeps_no_registry_checks_nothing(town: Town) -> None:
    with pytest.raises(TocsinError) as refused:
        await town.health.check_camera(town.ids[0], actor=OPERATOR)
    assert refused.value.code is ErrorCode.FORBIDDEN
    assert town.pictures.probed == []


async def test_the_clock_checks_each_camera_in_service_once_in_its_interval(town: Town) -> None:
    await town.health.check_pictures()
    assert town.pictures.probed == []
    town.clock.advance(timedelta(hours=25).total_seconds())
    await town.health.check_pictures()
    await town.health.check_pictures()
    assert sorted(town.pictures.probed) == sorted(town.ids[:2])


async def test_groups_add_up_by_maker_line_and_jurisdiction(town: Town) -> None:
    town.clock.advance(3600)
    await town.state("offline")
    await town.health.check()
    town.clock.advance(3600)
    for by, key in (("maker", "Example"), ("line", "电信 12 号"), ("jurisdiction", "340223")):
        (group,) = await town.health.groups(HOUSE, by=by, days=1)
        assert (group.key, group.cameras, group.online, group.faulty) == (key, 2, 0, 2)
        assert group.online_share == pytest.approx(0.5, abs=0.01)
    health = await town.health.health(town.ids[0], actor=HOUSE)
    assert health.shares[1] == pytest.approx(0.5, abs=0.01)


async def test_a_clock_that_is_off_is_a_fault_of_every_camera_of_the_device(town: Town) -> None:
    town.house.reports.learned(town.device_id, clock_offset_s="125")
    await town.house.reports.flush()
    await town.catalog("ON", "ON", "OFF")
    await town.health.check()
    assert (0, "clock.offset") in await town.keys()


async def test_a_clock_fault_opens_when_the_clock_is_read_and_closes_by_itself_when_it_is_right(town: Town) -> None:
    for offset_s, is_open in (("61", True), ("300", True), ("2", False), ("-90", True), ("-59", False)):
        town.house.reports.learned(town.device_id, clock_offset_s=offset_s)
        await town.house.reports.flush()
        await town.health.check()
        assert ((0, "clock.offset") in await town.keys()) is is_open, offset_s
