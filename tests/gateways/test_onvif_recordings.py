"""An ONVIF camera that records itself, through SOAP, RTSP and a real worker: clips with their true times, playback."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.gateways.test_onvif import CHANNEL, House, Intake
from tests.support.media import Watcher, running_link
from tests.support.rtsp import HandPictures
from tocsin.base.clock import SystemClock
from tocsin.base.errors import TocsinError
from tocsin.domain.clip_device import DeviceClips
from tocsin.domain.clips import CLIP, ClipRules, Sighting, new_clip
from tocsin.domain.playback import RecordingWish
from tocsin.domain.recording_routes import RoutedRecordings
from tocsin.gateways.gb28181_devices import AttemptLog
from tocsin.gateways.onvif import OnvifGateway
from tocsin.gateways.onvif_recordings import OnvifRecordings
from tocsin.media.downloads import Downloads
from tocsin.media.link import MediaLink
from tocsin.media.playback import Playbacks
from tocsin.sim.card import Card
from tocsin.sim.onvif_camera import OnvifCamera, OnvifQuirks
from tocsin.sim.onvif_card import OnvifCard
from tocsin.sim.rtsp_server import RtspCamera

FRAME_MS = 100
AHEAD_S = 30  # the camera's clock


class OneAtATime:
    """Lends every camera."""

    def lend(self, channel_id: str, key: str) -> bool:
        return True

    def give_back(self, key: str) -> None:
        return None


class Camera:
    """A camera with six minutes on its card but for ten seconds; picture n was taken n tenths of a second in."""

    def __init__(self, gateway: OnvifGateway, link: MediaLink, began: datetime, stream: RtspCamera) -> None:
        self.link, self.began, self.stream = link, began, stream
        self.recordings = OnvifRecordings(gateway)
        self.routed = RoutedRecordings(lambda _: "onvif", self.recordings, self.recordings, self.recordings)
        self.routed.add("onvif", self.recordings)

    def at(self, seconds: float) -> datetime:
        return self.began + timedelta(seconds=seconds)


@asynccontextmanager
async def recording_camera(*, tells_gaps: bool = True) -> AsyncIterator[Camera]:
    clock, hand = SystemClock(), HandPictures()
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=7)
    card = Card(clock)
    for number in range(3600):
        if not 1200 <= number < 1300:
            data, is_key = hand.at(number)
            at_ms = (began.timestamp() + AHEAD_S) * 1000 + number * FRAME_MS
            card.put(data, is_key=is_key, at_ms=at_ms)
    stream = RtspCamera(hand, clock, fps=50, card=card)
    await stream.start()
    camera = OnvifCamera(
        clock,
        lambda: stream.url,
        card=OnvifCard(card, lambda: stream.replay_url, tells_gaps=tells_gaps),
        quirks=OnvifQuirks(skew_s=AHEAD_S),
    )
    await camera.start()
    house = House(camera.url, takes_events=False)
    gateway = OnvifGateway(house, house, AttemptLog(house, clock), Intake(), clock)
    async with running_link() as link:
        try:
            await gateway.look()
            yield Camera(gateway, link, began, stream)
        finally:
            await gateway.stop()
            await camera.stop()
            await stream.stop()


def seconds(since: datetime | None, at: datetime | None) -> float:
    assert at is not None
    assert since is not None
    return (at - since).total_seconds()


async def test_an_alarm_has_its_clip_from_the_cameras_card_with_the_times_its_pictures_were_taken(
    tmp_path: Path,
) -> None:
    async with recording_camera() as camera:
        fetcher = Downloads(camera.link, camera.routed, SystemClock(), tmp_path, reserve_bytes=0)
        clips = DeviceClips(
            camera.routed,
            fetcher,
            camera.routed,
            OneAtATime(),
            SystemClock(),
            tmp_path,
            can_ask=camera.recordings.offers,
        )
        assert clips.can_ask(CHANNEL)
        alarm_at = camera.at(60.33)
        seen = Sighting("alarm", "incident", "330110", alarm_at, CHANNEL.id)
        clip = new_clip(seen, CLIP, ClipRules().window(alarm_at), datetime.now(UTC))
        got = await clips.fetch(clip, CHANNEL, 0.0)
        assert (got.state, got.reason, got.source, got.pre_roll) == ("ready", "", "device", "device")
        numbers = [int(one) for one in re.findall(rb"<(\d{6})>", (tmp_path / got.file).read_bytes())]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert numbers[0] % 5 == 0, "from the key picture before its beginning"
        assert 490 <= numbers[0] <= 503, "clocks are told in whole seconds"
        assert 793 <= numbers[-1] <= 804
        assert abs(seconds(camera.began, got.video_from) - numbers[0] / 10) < 1.1
        assert abs(seconds(got.video_from, got.video_to) - (numbers[-1] - numbers[0]) / 10) < 0.01

        alarm_at = camera.at(125)
        seen = Sighting("alarm-2", "incident", "330110", alarm_at, CHANNEL.id)
        around = ClipRules().minutes(alarm_at)
        four = await clips.fetch(new_clip(seen, CLIP, around, datetime.now(UTC)), CHANNEL, 0.0)
        assert (four.state, four.reason) == ("partial", "clip.has_gap")
        numbers = [int(one) for one in re.findall(rb"<(\d{6})>", (tmp_path / four.file).read_bytes())]
        assert numbers[0] <= 650
        assert numbers[-1] >= 3040
        assert not set(range(1200, 1300)) & set(numbers)
        assert camera.stream.refused == 0


async def test_what_the_card_holds_is_listed_played_stopped_and_gone_to(tmp_path: Path) -> None:
    async with recording_camera() as camera:
        found = await camera.routed.find(CHANNEL, camera.at(60), camera.at(200), lambda shown: None)
        pieces = [(seconds(camera.began, one.starts), seconds(camera.began, one.ends)) for one in found.pieces]
        assert found.problem == ""
        assert [round(one) for pair in pieces for one in pair] == pytest.approx([60, 120, 130, 200], abs=1)

        playbacks = Playbacks(camera.link, camera.routed, SystemClock(), public_host="127.0.0.1")
        playback_id, url = await playbacks.open_playback(
            view_id="view", channel=CHANNEL, user_id="li", starts=camera.at(60), ends=camera.at(200),
            expires_at=datetime.now(UTC) + timedelta(minutes=5), codecs=(),
        )  # fmt: skip
        async with connect(url, compression=None, max_size=None) as connection:
            watcher = Watcher(connection)
            await watcher.until(lambda: len(watcher.numbers()) >= 5)
            assert abs(watcher.numbers()[0] - 600) <= 15
            told = float(str(watcher.kinds("record_clock")[0]["record_ms"])) / 1000 - camera.began.timestamp()
            assert abs(told - watcher.numbers()[0] / 10) < 1.3, "the clock told is that of the picture"

            await playbacks.steer_playback(playback_id, at=camera.at(150))
            await watcher.until(lambda: any(number >= 1480 for number in watcher.numbers()))
            jumped = next(number for number in watcher.numbers() if number >= 1000)
            assert abs(jumped - 1500) <= 15
            await playbacks.steer_playback(playback_id, paused=True)
            paused = lambda: [one for one in watcher.kinds("status") if one["paused"]]  # noqa: E731
            await watcher.until(lambda: len(paused()) >= 2)
            assert paused()[-1]["record_ms"] == paused()[-2]["record_ms"], "the picture stands"
            seen = len(watcher.numbers())
            await playbacks.steer_playback(playback_id, paused=False, speed=4.0)
            await watcher.until(lambda: len(watcher.numbers()) > seen + 20)
            await watcher.close()
        await playbacks.stop()
        async with asyncio.timeout(5):
            await camera.stream.until(lambda one: one.counts["TEARDOWN"] >= 1)


async def test_a_camera_without_a_card_is_not_asked_and_one_that_hides_its_gaps_tells_its_ends(tmp_path: Path) -> None:
    async with recording_camera(tells_gaps=False) as camera:
        found = await camera.routed.find(CHANNEL, camera.at(-100), camera.at(500), lambda shown: None)
        assert [round(seconds(camera.began, one.starts)) for one in found.pieces] == pytest.approx([0], abs=1)
        with pytest.raises(TocsinError) as refused:
            await camera.routed.open_recording(CHANNEL, camera.link, _wish(camera, 400, 500))
        assert refused.value.key == "download.nothing"
        lost = RoutedRecordings(lambda _: "rtsp", camera.recordings, camera.recordings, camera.recordings)
        with pytest.raises(TocsinError) as no_way:
            await lost.find(CHANNEL, camera.at(0), camera.at(10), lambda shown: None)
        assert no_way.value.key == "recording.no_way"


def _wish(camera: Camera, starts_s: float, ends_s: float) -> RecordingWish:
    return RecordingWish("cam~r1", camera.at(starts_s), camera.at(ends_s), 4)
