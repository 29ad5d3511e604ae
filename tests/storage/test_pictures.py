"""Rounds of picture checks over a store, on both engines: what is looked at, what opens, what is kept for how long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.clocks import FixedClock
from tests.support.pictures import SayingExaminer, ShownStreams
from tests.support.registry import ADMINISTRATOR, HOUSE, OPERATOR, House, actor, make_house
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Role
from tocsin.domain.channel_health_service import ChannelHealthService
from tocsin.domain.device_states import Transition, apply_transitions
from tocsin.domain.devices import CatalogEntry
from tocsin.domain.directory import Channel
from tocsin.domain.picture_desk import PictureDesk
from tocsin.domain.picture_rounds import PictureRounds, PictureSchedule
from tocsin.domain.video import LiveState
from tocsin.protocols.gb28181.snapshot import picture_in
from tocsin.storage.snapshots import SnapshotFolder
from tocsin.storage.store import AnyStore

GB = "3402230000131000000"
INSTALLER = actor(Role.INSTALLER, name="installer")


class NoLook:
    """Nobody looks at anything."""

    def running(self) -> dict[str, LiveState]:
        return {}

    async def probe(self, channel: Channel) -> LiveState:
        return LiveState()


class Steered:
    """Who is steered."""

    def __init__(self) -> None:
        self.held: set[str] = set()

    def is_held(self, channel_id: str) -> bool:
        return channel_id in self.held


class Town:
    """Six cameras in service at one school, on devices of their own."""

    def __init__(self, house: House, clock: FixedClock, folder: Path) -> None:
        self.house, self.clock, self.folder = house, clock, folder
        self.streams, self.examiner, self.steered = ShownStreams(), SayingExaminer(), Steered()
        self.health = ChannelHealthService(house.store, clock, house.directory, NoLook())
        stills = SnapshotFolder(folder / "stills", picture_in)
        (folder / "run").mkdir()
        self.rounds = PictureRounds(
            house.store,
            clock,
            house.directory,
            self.streams,
            self.examiner,
            stills,
            folder=folder,
            run_folder=folder / "run",
            schedule=PictureSchedule(every_s=300, open_every_s=3600, opens_per_minute=60),
            steering=self.steered,
            no_pictures=self.health,
        )
        self.desk = PictureDesk(house.store, self.rounds, stills)
        house.store.on_committed(house.directory.note)

    async def set_up(self, cameras: int = 6) -> None:
        device = await self.house.camera()
        entries = [CatalogEntry(f"{GB}{n}", f"通道{n}", is_online=True) for n in range(cameras)]
        await self.house.reports.catalog(device.id, entries, True)
        channels = await self.house.cameras.cameras(HOUSE)
        self.ids = [item.id for item in sorted(channels.items, key=lambda item: item.gb_id)]
        await self.house.cameras.commission(actor=ADMINISTRATOR, cameras=self.ids)
        await self.house.store.run(apply_transitions, [Transition(device.id, self.clock.now(), "online")])
        await self.house.directory.load()
        self.streams.live = set(self.ids)
        await self.health.start()
        await self.rounds.start()

    async def rounds_of(self, count: int, seconds: float = 70.0) -> None:
        for _ in range(count):
            self.clock.advance(seconds)
            await self.rounds.check()

    async def faults(self) -> list[tuple[int, str]]:
        page = await self.desk.faults(actor=INSTALLER)
        return sorted((self.ids.index(str(item["camera_id"])), str(item["key"])) for item in page.items)

    def stills(self) -> list[str]:
        return sorted(path.stem for path in (self.folder / "stills").glob("*.jpg"))


@pytest.fixture
async def town(store: AnyStore, clock: FixedClock, tmp_path: Path) -> Town:
    made = Town(await make_house(store, clock), clock, tmp_path)
    await made.set_up()
    return made


async def test_a_picture_that_stays_black_opens_one_fault_with_a_still_and_closes_by_itself(town: Town) -> None:
    town.examiner.faults[town.ids[0]] = {"black": 1.4}
    await town.rounds_of(2)
    assert await town.faults() == []
    assert (await town.desk.camera(town.ids[0], actor=OPERATOR))["state"] == "doubt"
    await town.rounds_of(4)
    assert await town.faults() == [(0, "image.black")]
    form = await town.desk.camera(town.ids[0], actor=INSTALLER)
    (fault,) = form["faults"]
    assert [still["id"] for still in fault["stills"]] == town.stills()
    assert form["state"] == "fault"
    town.examiner.faults.clear()
    await town.rounds_of(3)
    assert await town.faults() == []
    assert ("picture.still_kept", "done") in await town.house.audited()


async def test_healthy_cameras_are_looked_at_once_in_the_period_and_the_round_is_recorded_before(town: Town) -> None:
    await town.rounds_of(1)
    assert len(town.examiner.asked) == 6
    await town.rounds_of(2)  # 140 s later nothing is due
    assert len(town.examiner.asked) == 6
    await town.rounds_of(1, 300)
    assert len(town.examiner.asked) == 12
    rounds = [item for item in await town.house.audited() if item == ("picture.round", "done")]
    assert len(rounds) == 2
    assert town.streams.opened == []


async def test_a_camera_nobody_watches_is_opened_and_its_device_left_alone_after_it(town: Town) -> None:
    town.streams.live.clear()
    await town.rounds_of(3)
    assert len(town.streams.opened) == 1
    await town.rounds_of(10)
    assert len(town.streams.opened) == 2  # ten minutes later, the next of the same device
    assert town.streams.opened[0] != town.streams.opened[1]


async def test_cameras_that_nobody_answers_for_are_not_looked_at(town: Town) -> None:
    await town.house.store.run(
        lambda tx: tx.connection.exec_driver_sql(f"UPDATE channels SET owner = '' WHERE id = '{town.ids[0]}'")
    )
    await town.rounds_of(1)
    assert len(town.examiner.asked) == 5


async def test_a_steered_camera_is_left_alone_for_five_minutes(town: Town) -> None:
    town.steered.held.add(town.ids[0])
    await town.rounds_of(1)
    assert len(town.examiner.asked) == 5
    town.steered.held.clear()
    await town.rounds_of(1, 200)
    assert len(town.examiner.asked) == 5
    with pytest.raises(TocsinError) as refusal:
        await town.desk.look(town.ids[0], actor=INSTALLER)
    assert refusal.value.key == "picture.steered"
    await town.rounds_of(1, 120)
    assert len(town.examiner.asked) == 11


async def test_much_of_a_site_at_once_is_one_fault_of_the_site(town: Town) -> None:
    for channel_id in town.ids[:3]:
        town.examiner.faults[channel_id] = {"blur": 1.6}
    town.examiner.faults[town.ids[5]] = {"moved": 1.5}  # that is no weather
    await town.rounds_of(8)
    assert await town.faults() == [(5, "image.moved")]
    overview = await town.desk.overview(actor=OPERATOR)
    (site,) = overview["sites"]
    assert (site["cameras"], site["of"]) == (3, 6)
    town.examiner.faults = {town.ids[0]: {"blur": 1.6}}  # the fog is gone; one lens stays dirty
    await town.rounds_of(40)
    assert (await town.desk.overview(actor=OPERATOR))["sites"] == []
    assert await town.faults() == [(0, "image.blur")]


async def test_this_is_no_fault_closes_relaxes_and_counts(town: Town) -> None:
    town.examiner.faults[town.ids[0]] = {"cast": 1.2}
    await town.rounds_of(6)
    (fault,) = (await town.desk.camera(town.ids[0], actor=INSTALLER))["faults"]
    with pytest.raises(TocsinError) as refusal:
        await town.desk.deny(town.ids[0], str(fault["id"]), actor=OPERATOR)
    assert refusal.value.code is ErrorCode.FORBIDDEN
    after = await town.desk.deny(town.ids[0], str(fault["id"]), actor=INSTALLER)
    assert (after["faults"], after["relaxed"][0]["key"]) == ([], "cast")
    await town.rounds_of(1, 400)
    asked = [item for item in town.examiner.asked if item["relaxed"]]
    assert asked[-1]["relaxed"] == {"cast": 1.5}
    overview = await town.desk.overview(actor=OPERATOR)
    assert (overview["opened_30_days"], overview["false_fault_rate"]) == (1, 1.0)
    with pytest.raises(TocsinError) as again:
        await town.desk.deny(town.ids[0], str(fault["id"]), actor=INSTALLER)
    assert again.value.key == "picture.no_such_fault"


async def test_a_still_is_for_upkeep_alone_and_for_a_day(town: Town) -> None:
    town.examiner.faults[town.ids[0]] = {"black": 1.4}
    await town.rounds_of(6)
    (still_id,) = town.stills()
    assert (await town.desk.still(still_id, actor=INSTALLER)).startswith(b"\xff\xd8")
    assert ("picture.still_viewed", "done") in await town.house.audited()
    with pytest.raises(TocsinError) as refusal:
        await town.desk.still(still_id, actor=ADMINISTRATOR)  # who runs the house does not look through it
    assert refusal.value.code is ErrorCode.FORBIDDEN
    elsewhere = actor(Role.INSTALLER, codes=("340224",), name="elsewhere")
    with pytest.raises(TocsinError) as absent:
        await town.desk.still(still_id, actor=elsewhere)
    assert absent.value.code is ErrorCode.NOT_FOUND
    assert (await town.desk.camera(town.ids[0], actor=ADMINISTRATOR))["faults"][0]["stills"] == []
    await town.rounds_of(1, 24 * 3600)
    assert still_id not in town.stills()
    assert ("picture.still_deleted", "done") in await town.house.audited()
    await town.rounds_of(2)
    assert len(town.stills()) == 1  # the fault lasts: it has a fresh one


async def test_a_new_reference_forgets_what_was_learned_and_what_follows_from_it(town: Town) -> None:
    town.examiner.faults[town.ids[0]] = {"moved": 1.4}
    await town.rounds_of(4)
    assert await town.faults() == [(0, "image.moved")]
    kept = town.rounds.reference_of(town.ids[0])
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"learned")
    form = await town.desk.renew(town.ids[0], actor=INSTALLER)
    assert (form["faults"], form["reference_pictures"]) == ([], 0)
    assert not kept.exists()


async def test_what_cannot_be_examined_says_why_and_opens_nothing(town: Town) -> None:
    town.examiner.refuses = "picture.not_decodable"
    await town.rounds_of(3, 400)
    form = await town.desk.camera(town.ids[0], actor=OPERATOR)
    assert (form["state"], form["problem"]) == ("unknown", "picture.not_decodable")
    assert await town.faults() == []
    assert not list((town.folder / "run").iterdir())
    town.examiner.problem = "picture.no_extra"
    asked = len(town.examiner.asked)
    await town.rounds_of(2, 400)
    assert len(town.examiner.asked) == asked
    assert (await town.desk.overview(actor=OPERATOR))["problem"] == "picture.no_extra"


async def test_a_camera_that_was_opened_twice_in_vain_sends_no_picture(town: Town) -> None:
    town.streams.live.clear()
    town.streams.deaf = set(town.ids)
    for _ in range(2):
        await town.rounds.look_now(town.ids[0])
    page = await town.health.faults(HOUSE)
    assert [(item["camera_id"], item["key"]) for item in page.items] == [(town.ids[0], "picture.none")]
    town.streams.deaf.clear()
    await town.rounds.look_now(town.ids[0])
    assert (await town.health.faults(HOUSE)).items == []


async def test_the_clock_of_a_stream_that_is_wrong_is_a_fault_of_its_own(town: Town) -> None:
    town.streams.clock_ahead_ms = 3_600_000
    town.streams.live = {town.ids[0]}
    await town.rounds_of(3)
    page = await town.desk.faults(actor=INSTALLER)
    (fault,) = [item for item in page.items if item["camera_id"] == town.ids[0]]
    assert (fault["key"], "3600" in str(fault["words_en"])) == ("image.clock", True)


async def test_the_clock_of_a_device_stands_among_the_faults_of_pictures_once_and_is_not_denied(town: Town) -> None:
    """GB/T 28181 streams carry no wall clock: what the device says of its own has to do."""
    town.house.store.on_committed(town.health.hear)
    device_id = (await town.house.cameras.cameras(HOUSE)).items[0].device_id
    town.house.reports.learned(device_id, clock_offset_s="125")
    await town.house.reports.flush()
    await town.health.check()
    town.streams.clock_ahead_ms = 125_000
    town.streams.live = {town.ids[0]}
    await town.rounds_of(3)
    for kind in ("", "clock"):
        items = (await town.desk.faults(actor=INSTALLER, key=kind)).items
        assert [item["key"] for item in items if item["camera_id"] == town.ids[0]] == ["clock.offset"], kind
    assert (await town.desk.faults(actor=INSTALLER, key="black")).items == []
    overview = await town.desk.overview(actor=INSTALLER)
    assert (overview["by_kind"], overview["opened_30_days"]) == ({"clock.offset": 6}, 0)
    (fault,) = (await town.desk.camera(town.ids[0], actor=INSTALLER))["faults"]
    with pytest.raises(TocsinError) as refused:
        await town.desk.deny(town.ids[0], str(fault["id"]), actor=ADMINISTRATOR)
    assert refused.value.code == ErrorCode.CONFLICT
    town.house.reports.learned(device_id, clock_offset_s="0")
    await town.house.reports.flush()
    await town.health.check()
    await town.rounds_of(3)
    assert await town.faults() == [(0, "image.clock")]
