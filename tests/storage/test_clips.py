"""Clips on a real store: made after the commit, extended, fetched, tried again, protected, kept, deleted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import START, FixedClock
from tests.support.house import PEOPLE, WEST_GATE, YARD, build_town, burglary, signal_of
from tests.support.recordings import FakeFetcher, KnownRecordings
from tocsin.base.times import to_us
from tocsin.base.vault import Vault
from tocsin.domain.clip_device import DeviceClips
from tocsin.domain.clip_maker import MAX_WAITING, ClipMaker
from tocsin.domain.clips import CLIP, MINUTES, Clip, ClipRules
from tocsin.domain.directory import Directory
from tocsin.domain.downloads import DownloadService
from tocsin.domain.incident_service import IncidentService
from tocsin.domain.incidents import Verdict
from tocsin.domain.intake import Intake
from tocsin.domain.playback import FoundRecordings, Piece
from tocsin.storage.store import AnyStore


@dataclass
class Room:
    store: AnyStore
    clock: FixedClock
    intake: Intake
    known: KnownRecordings
    fetcher: FakeFetcher
    folder: Path
    maker: ClipMaker
    downloads: DownloadService
    can_ask: bool = True
    made: list[Clip] = field(default_factory=list)

    async def alarm(self, zone: str = "004", after_s: float = 0) -> None:
        await self.intake.accept(signal_of(burglary(zone), after_s=after_s))
        waiting = self.maker._waiting
        self.made = await self.maker.take([waiting.get_nowait() for _ in range(waiting.qsize())])

    async def work(self) -> None:
        """Let what is due be done to its end."""
        await self.maker.check()
        await asyncio.gather(*self.maker._working.values())

    async def clips(self, kind: str = CLIP) -> list[Clip]:
        incidents = await self.store.read(lambda tx: list(tx.clips.due(tx.now + timedelta(days=9)))) or []
        ids = {one.incident_id for one in incidents + self.made}
        found: list[Clip] = []
        for incident_id in ids:
            found += [one for one in await self.store.read(_of, incident_id) if one.kind == kind]
        return found

    async def facts(self) -> list[tuple[str, dict[str, Any]]]:
        records = await self.store.read(lambda tx: list(tx.audit.all()))
        return [(one.action, json.loads(one.detail)) for one in records if one.action.startswith("clip.")]

    def has(self, starts_s: float, ends_s: float) -> None:
        """Let the device's list hold a stretch."""
        piece = Piece(START + timedelta(seconds=starts_s), START + timedelta(seconds=ends_s))
        self.known.found = FoundRecordings((piece,), 1)


def _of(tx: Any, incident_id: str) -> list[Clip]:
    found: list[Clip] = tx.clips.of_incident(incident_id)
    return found


@pytest.fixture
async def room(store: AnyStore, clock: FixedClock, tmp_path: Path) -> AsyncIterator[Room]:
    await store.run(build_town)
    directory = Directory(store, Vault(bytes(32)))
    await directory.load()
    known, fetcher = KnownRecordings(), FakeFetcher()
    fetcher.go.set()
    downloads = DownloadService(store, clock, directory, fetcher, tmp_path / "downloads", keep_days=7, speeds=fetcher)
    made: list[Room] = []
    device = DeviceClips(
        known, fetcher, fetcher, downloads, clock, tmp_path / "clips", can_ask=lambda _device: made[0].can_ask
    )
    maker = ClipMaker(store, clock, directory, ClipRules(), device, keep_days=90)
    store.on_committed(maker.hear)
    made.append(Room(store, clock, Intake(store), known, fetcher, tmp_path / "clips", maker, downloads))
    yield made[0]
    await maker.stop()


async def test_an_alarm_begins_a_clip_of_each_linked_camera_in_service(room: Room) -> None:
    await room.alarm("004")
    assert [(one.channel_id, one.kind) for one in room.made] == [(WEST_GATE, CLIP), (WEST_GATE, MINUTES)]
    clip, minutes = room.made
    assert (clip.starts, clip.ends) == (START - timedelta(seconds=10), START + timedelta(seconds=20))
    assert (minutes.starts, minutes.ends) == (START - timedelta(seconds=60), START + timedelta(seconds=180))
    [(action, detail), _] = await room.facts()
    assert (action, detail["incident_id"], detail["channel_id"]) == ("clip.begun", clip.incident_id, WEST_GATE)


async def test_a_further_alarm_extends_only_the_cameras_it_is_linked_to(room: Room) -> None:
    await room.alarm("004")
    room.clock.advance(8)
    await room.alarm("005", 8)
    assert [(one.channel_id, one.kind) for one in room.made] == [(YARD, CLIP), (YARD, MINUTES)]
    room.clock.advance(7)
    await room.alarm("004", 15)
    [clip] = room.made
    assert (clip.channel_id, clip.ends) == (WEST_GATE, START + timedelta(seconds=35))
    assert (await room.facts())[-1][0] == "clip.extended"
    assert len(await room.clips()) == 2


async def test_a_clip_is_fetched_from_the_device_when_its_time_is_over(room: Room) -> None:
    await room.alarm()
    await room.work()
    assert room.fetcher.asked == [], "not before"
    room.clock.advance(23)
    room.has(-600, 22)
    await room.work()
    [clip] = await room.clips()
    assert (clip.state, clip.source, clip.pre_roll, clip.reason) == ("ready", "device", "device", "")
    assert (clip.video_from, clip.video_to) == (clip.starts, clip.ends)
    assert (room.folder / clip.file).read_bytes() == b"pictures"
    [asked] = room.fetcher.asked
    assert (asked.starts, asked.ends, asked.speed) == (clip.starts, clip.ends, 4)
    action, detail = (await room.facts())[-1]
    assert (action, detail["state"], detail["sha256"]) == ("clip.made", "ready", clip.sha256)
    room.clock.advance(160)
    room.has(-600, 185)
    await room.work()
    [minutes] = await room.clips(MINUTES)
    assert minutes.state == "ready"


async def test_what_is_not_written_yet_is_asked_for_again_and_then_all_the_same(room: Room) -> None:
    await room.alarm()
    room.clock.advance(23)
    room.has(-600, 3)
    for pause_s in (5, 10, 20):
        await room.work()
        [clip] = await room.clips()
        assert (clip.state, clip.reason, room.fetcher.asked) == ("recording", "clip.not_written", [])
        room.clock.advance(pause_s)
    await room.work()
    [clip] = await room.clips()
    assert (clip.state, clip.tries, len(room.fetcher.asked)) == ("ready", 4, 1)


async def test_a_recording_that_begins_at_the_alarm_is_partial_and_says_so(room: Room) -> None:
    await room.alarm()
    room.clock.advance(23)
    room.has(0, 60)
    await room.work()
    [clip] = await room.clips()
    assert (clip.state, clip.pre_roll, clip.reason) == ("partial", "none", "clip.begins_late")
    assert clip.video_from == START


async def test_a_device_that_stays_away_is_given_up_with_its_reason(room: Room) -> None:
    room.known.is_offline = True
    await room.alarm()
    room.clock.advance(23)
    for pause_s in (5, 10, 20, 40, 60, 120, 0):
        await room.work()
        room.clock.advance(pause_s)
    [clip] = await room.clips()
    assert (clip.state, clip.reason, clip.due_at) == ("failed", "recording.device_offline", None)


async def test_a_camera_nobody_can_ask_is_told_at_once(room: Room) -> None:
    room.can_ask = False
    await room.alarm()
    room.clock.advance(23)
    await room.work()
    [clip] = await room.clips()
    assert (clip.state, clip.reason) == ("failed", "clip.no_recorder")


async def test_one_fetch_at_a_time_from_a_camera_with_those_of_people(room: Room) -> None:
    await room.alarm()
    room.clock.advance(23)
    room.has(-600, 30)
    assert room.downloads.lend(WEST_GATE, "somebody")
    await room.work()
    [clip] = await room.clips()
    assert (clip.state, clip.reason) == ("recording", "clip.busy")
    room.downloads.give_back("somebody")
    room.clock.advance(5)
    await room.work()
    assert (await room.clips())[0].state == "ready"
    assert room.downloads.lend(WEST_GATE, "somebody")


async def test_an_alarm_during_the_fetch_keeps_what_came_and_the_rest_follows(room: Room) -> None:
    await room.alarm()
    room.clock.advance(23)
    room.has(-600, 30)
    room.fetcher.go.clear()
    await room.maker.check()
    await _until(lambda: room.fetcher.asked)
    await room.alarm("004", 23)
    room.fetcher.go.set()
    await asyncio.gather(*room.maker._working.values())
    [clip] = await room.clips()
    first = clip.file
    assert (clip.state, clip.has_video, clip.video_to) == ("recording", True, START + timedelta(seconds=20))
    room.clock.advance(24)
    room.has(-600, 60)
    await room.work()
    [clip] = await room.clips()
    assert (clip.state, clip.video_to) == ("ready", START + timedelta(seconds=43))
    assert [path.name for path in room.folder.iterdir()] == [clip.file]
    assert clip.file != first


async def test_the_time_is_moved_by_the_clock_of_the_device(room: Room) -> None:
    await room.store.run(lambda tx: tx.devices.note_learned({"cam-1": {"clock_offset_s": "-30"}}))
    await room.alarm()
    room.clock.advance(23)
    room.has(-600, 30)
    await room.work()
    [asked] = room.fetcher.asked
    assert asked.starts == START - timedelta(seconds=40)
    [clip] = await room.clips()
    assert (clip.state, clip.video_from) == ("ready", clip.starts)


async def test_after_a_restart_alarms_without_a_clip_get_theirs_and_strange_files_go(room: Room) -> None:
    await room.intake.accept(signal_of(burglary()))
    while not room.maker._waiting.empty():
        room.maker._waiting.get_nowait()  # as if we had ended before they were worked off
    room.folder.mkdir()
    (room.folder / "old.mp4").write_bytes(b"?")
    await room.maker.start()
    assert list(room.folder.iterdir()) == []
    made = await room.maker.take([room.maker._waiting.get_nowait()])
    assert [one.channel_id for one in made] == [WEST_GATE, WEST_GATE]
    await room.maker.start()
    assert room.maker._waiting.empty(), "it has one now"


async def test_a_storm_fills_the_queue_and_no_more(room: Room) -> None:
    @dataclass
    class Raised:
        type: str = "alarm.raised"
        subject_id: str = "a"

    room.maker.hear([Raised()] * (MAX_WAITING + 3))
    assert room.maker.passed_over == 3


async def test_our_own_recordings_under_a_clip_are_protected_until_it_is_deleted(room: Room) -> None:
    await room.alarm()
    at_ms = to_us(START) // 1000
    guarded = lambda camera, from_s, to_s: room.store.read(  # noqa: E731
        lambda tx: tx.clips.is_protected(camera, at_ms + from_s * 1000, at_ms + to_s * 1000)
    )
    assert await guarded(WEST_GATE, -70, -55)
    assert not await guarded(WEST_GATE, -200, -60)
    assert not await guarded(YARD, 0, 10)


async def test_clips_stay_with_their_incident_and_are_deleted_with_a_record(room: Room) -> None:
    await room.alarm()
    room.clock.advance(23)
    room.has(-600, 30)
    await room.work()
    [clip] = await room.clips()
    room.clock.advance(200 * 86_400)
    assert await room.maker.expire() == 0, "the incident is open"
    incidents = IncidentService(room.store)
    detail = await incidents.claim(clip.incident_id, actor=PEOPLE.li, version=await _version(room, clip))
    detail = await incidents.give_verdict(
        clip.incident_id, actor=PEOPLE.li, version=detail.incident.version, verdict=Verdict.FALSE, cause="maintenance"
    )
    room.clock.advance(6)
    await incidents.close(
        clip.incident_id, actor=PEOPLE.li, version=detail.incident.version, disposition="false_maintenance"
    )
    room.clock.advance(89 * 86_400)
    assert await room.maker.expire() == 0
    room.clock.advance(86_400)
    assert await room.maker.expire() == 2
    assert list(room.folder.iterdir()) == []
    deleted = [detail for action, detail in await room.facts() if action == "clip.deleted"]
    assert clip.sha256 in [one.get("sha256") for one in deleted]


async def _version(room: Room, clip: Clip) -> int:
    found = await room.store.read(lambda tx: tx.incidents.load({clip.incident_id}))
    return int(found[clip.incident_id].version)


async def _until(holds: Any) -> None:
    async with asyncio.timeout(3):
        while not holds():  # noqa: ASYNC110  what it waits for tells nobody
            await asyncio.sleep(0)
