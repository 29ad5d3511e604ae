"""Clips of our own recordings: what is covered, kept from deletion, and put together from groups as it is read."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import START
from tests.support.house import WEST_GATE
from tests.support.recorded import GROUP_MS, MadeFile, enter, make_file
from tests.web.conftest import WebHouse
from tests.web.test_clips import Clips, Files
from tocsin.domain.clip_maker import ClipMaker, Got
from tocsin.domain.clip_own import OwnClips
from tocsin.domain.clip_service import ClipService
from tocsin.domain.clips import Clip, ClipRules
from tocsin.domain.segments import SegmentState
from tocsin.media.recorded_files import VolumeFiles

AT_MS = int(START.timestamp() * 1000)
FIRST_MS, SECOND_MS = AT_MS - 25_000, AT_MS + 5_000


@dataclass
class Recorder:
    """A recorder that notes what it was asked to keep."""

    begins_ms: int | None = AT_MS - 10_000
    mode: str = "recording"
    asked: list[tuple[str, datetime]] = field(default_factory=list)

    async def keep_anyway(self, channel_id: str, until: datetime) -> int | None:
        self.asked.append((channel_id, until))
        return self.begins_ms

    async def keep(self, channel_id: str, until: datetime) -> int | None:
        return self.begins_ms

    def is_in_memory(self, channel_id: str) -> bool:
        return self.mode == "in_memory"


class NoDevice:
    """A device that cannot be asked."""

    def can_ask(self, channel: object) -> bool:
        return False

    async def fetch(self, clip: Clip, channel: object, offset_s: float) -> Got:
        raise AssertionError("it was asked")

    def left_s(self, clip: Clip) -> float | None:
        return None

    async def remove(self, files: object) -> None:
        return None

    async def keep_only(self, files: object) -> None:
        return None


@dataclass
class Room:
    house: WebHouse
    clips: Clips
    recorder: Recorder
    maker: ClipMaker
    volume: Path

    async def record(self, *files: tuple[int, int], is_open: bool = False) -> list[MadeFile]:
        """Let files of so many groups lie on the disk and in the index."""
        made = [make_file(self.volume, WEST_GATE, at, groups, is_open=is_open) for at, groups in files]
        rows = [(at, one) for (at, _), one in zip(files, made, strict=True)]
        states = {at: SegmentState.OPEN for at, _ in files} if is_open else {}
        await self.house.store.run(enter, self.volume, WEST_GATE, rows, states=states)
        return made

    async def settled(self, after_s: float = 23) -> Clip:
        """Make the clips of the alarm and let their time pass."""
        [alarm_id] = [
            one.id for one in await self.house.store.read(lambda tx: tx.alarms.of_incident(self.clips.incident_id))
        ]
        [clip] = [one for one in await self.maker.take([alarm_id]) if one.kind == "clip"]
        self.house.clock.advance(after_s)
        await self.maker.settle(await self.house.store.read(lambda tx: tx.clips.get(clip.id)))
        return await self.house.store.read(lambda tx: tx.clips.get(clip.id))

    async def video(self, clip: Clip, **headers: str) -> Any:
        self.clips.clip = clip
        return await self.clips.video(await self.clips.view(), **headers)


@pytest.fixture
async def room(house: WebHouse, tmp_path: Path) -> Room:
    incident = await house.alarm()
    clips, recorder = Clips(house, incident["id"]), Recorder()
    own = OwnClips(recorder, VolumeFiles())
    house.services.clips = ClipService(house.store, house.clock, Files(tmp_path), own)
    maker = ClipMaker(house.store, house.clock, house.services.views._channels, ClipRules(), NoDevice(), own)
    volume = tmp_path / "volume"
    volume.mkdir()
    return Room(house, clips, recorder, maker, volume)


def times_of(data: bytes) -> list[tuple[int, float]]:
    """Return number and decode time in seconds of each fragment."""
    found, at = [], 0
    while at < len(data):
        size, kind = struct.unpack_from("!I4s", data, at)
        if kind == b"moof":
            found.append(
                (struct.unpack_from("!I", data, at + 20)[0], struct.unpack_from("!Q", data, at + 60)[0] / 90_000)
            )
        at += size
    return found


async def test_a_recorded_camera_has_its_clip_at_once_from_two_files_as_one_video(room: Room) -> None:
    first, _ = await room.record((FIRST_MS, 15), (SECOND_MS, 15))
    clip = await room.settled()
    assert (clip.state, clip.source, clip.pre_roll, clip.file) == ("ready", "own", "disk", "")
    assert room.recorder.asked == [(WEST_GATE, START + timedelta(seconds=20))]
    answer = await room.video(clip)
    assert answer.status_code == 200
    init = len(first.parameters.init)
    assert answer.content[:init] == first.parameters.init
    times = times_of(answer.content[init:])
    # from the key at or before 10 s before the alarm: groups of 2 s from 25 s before, so 11 s before
    assert times == [(n + 1, n * GROUP_MS / 1000) for n in range(16)]
    begin = first.groups[7]
    data = first.path.read_bytes()[begin.offset : begin.offset + begin.size_bytes]
    assert data[68:] in answer.content
    part = await room.video(clip, Range=f"bytes={init + 10}-{init + 3000}")
    assert (part.status_code, part.content) == (206, answer.content[init + 10 : init + 3001])
    assert part.headers["etag"] == answer.headers["etag"]


async def test_what_is_still_being_written_is_shown_as_far_as_it_goes(room: Room) -> None:
    await room.record((FIRST_MS, 24), is_open=True)
    clip = await room.settled()
    assert clip.state == "ready"
    answer = await room.video(clip)
    assert len(times_of(answer.content[answer.content.index(b"moof") - 4 :])) == 16


async def test_an_event_recording_without_the_time_before_is_partial_and_says_so(room: Room) -> None:
    room.recorder.begins_ms = None
    await room.record((AT_MS + 1_000, 12))
    clip = await room.settled()
    assert (clip.state, clip.pre_roll, clip.reason) == ("partial", "none", "clip.begins_late")
    assert clip.video_from == START + timedelta(seconds=1)


async def test_the_time_before_can_come_from_memory(room: Room) -> None:
    room.recorder.mode = "in_memory"
    await room.record((AT_MS - 11_000, 17))
    assert (await room.settled()).pre_roll == "memory"


async def test_nothing_recorded_and_nothing_to_ask_is_told(room: Room) -> None:
    clip = await room.settled()
    assert (clip.state, clip.reason) == ("failed", "clip.no_recorder")


async def test_its_segments_are_kept_from_deletion(room: Room) -> None:
    await room.record((FIRST_MS, 15), (SECOND_MS, 15))
    clip = await room.settled()
    held = await room.house.store.read(lambda tx: tx.retention.held_spans(tx.now))
    [span] = [one for one in held[WEST_GATE] if one.from_ms <= AT_MS <= one.to_ms]
    assert span.from_ms <= AT_MS - 10_000
    assert span.to_ms >= AT_MS + 20_000
    assert clip.state == "ready"


async def test_a_file_that_is_gone_is_told(room: Room) -> None:
    made = await room.record((FIRST_MS, 30))
    clip = await room.settled()
    made[0].path.unlink()
    answer = await room.video(clip)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "tocsin recordings check" in answer.json()["detail"]
