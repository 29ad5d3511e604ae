"""Voice over GB/T 28181: simulated devices in all variants of the field hear a tone spoken into a line."""

from __future__ import annotations

import asyncio
import contextlib
from itertools import pairwise

import pytest

from tests.support.gb28181 import PASSWORD, House, channel_of, eventually
from tocsin.base.clock import SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.directory import SipDevice
from tocsin.domain.video import Endpoint
from tocsin.gateways.gb28181_calls import CallJournal
from tocsin.gateways.gb28181_voice import GbTalk, VoiceConfig
from tocsin.media.ports import PortRange
from tocsin.media.talk import Talks
from tocsin.protocols.gb28181.catalog import CatalogItem
from tocsin.protocols.gb28181.voice import Broadcast
from tocsin.sim.camera import SimCamera
from tocsin.sim.camera_plan import CameraPlan
from tocsin.sim.camera_voice import VoiceQuirk, strength, tone

DEVICE = SipDevice("device-1", "34020000001110000001", PASSWORD)
CHANNEL_GB = "34020000001320000007"
LOUDSPEAKER = "34020000001370000007"
QUICK_VOICE = VoiceConfig(answer_within_s=0.5, invite_within_s=0.4, ack_within_s=0.15)
TONE_HZ = 440.0


class WorkerTalks:
    """`TalkPorts` on the worker's own code, in this process."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []
        ports = PortRange("127.0.0.1", 0, 0)
        self.talks = Talks(ports, "127.0.0.1", SystemClock(), lambda *event: self.events.append(event))
        self.opened: list[dict[str, object]] = []

    async def _do(self, verb: str, **content: object) -> dict[str, object]:
        try:
            found = await self.talks.verbs[verb](content)
        except Exception as error:
            raise TocsinError(ErrorCode.UNAVAILABLE, str(error), key="media") from error
        return found if isinstance(found, dict) else {}

    async def open_talk(self, talk_id: str, transport: str, **content: object) -> Endpoint:
        self.opened.append({"transport": transport, **content})
        found = await self._do("talk_open", talk_id=talk_id, transport=transport, **content)
        return Endpoint(str(found["ip"]), int(str(found["port"])))

    async def aim_talk(self, talk_id: str, ip: str, port: int) -> None:
        await self._do("talk_aim", talk_id=talk_id, ip=ip, port=port)

    async def start_talk(self, talk_id: str) -> None:
        await self._do("talk_start", talk_id=talk_id)

    async def talk_address(self, talk_id: str, **content: object) -> str:
        return ""

    async def close_talk(self, talk_id: str, reason: str) -> None:
        await self._do("talk_close", talk_id=talk_id, reason=reason)

    def speak(self, pcm: bytes) -> None:
        talk = self.talks.get("talk-1")
        assert talk is not None
        talk.take(pcm)


async def registered(house: House, *quirks: VoiceQuirk, version: str = "2.0") -> SimCamera:
    plan = CameraPlan(DEVICE.gb_id, PASSWORD, channels=(CatalogItem(CHANNEL_GB, "door"),), version=version)
    camera = await house.camera(plan)
    camera.voice.quirks = frozenset(quirks)
    assert await camera.register()
    return camera


async def opened(house: House, media: WorkerTalks) -> GbTalk:
    return await house.gb.voice.open_talk(channel_of(DEVICE, CHANNEL_GB), "talk-1", media)


async def hears_the_tone(camera: SimCamera, media: WorkerTalks) -> None:
    await eventually(lambda: bool(camera.voice.heard))
    sound = tone(TONE_HZ, 1.0)
    for start in range(0, len(sound), 640):  # two frames each 40 ms, as a microphone gives them
        media.speak(sound[start : start + 640])
        if start >= 640 * 8:
            break
        await asyncio.sleep(0.04)
    await eventually(lambda: strength(bytes(camera.voice.heard[-800:]), TONE_HZ) > 0.8)


@pytest.mark.parametrize(
    "quirks",
    [
        (),
        (VoiceQuirk.ONLY_CHANNEL,),
        (VoiceQuirk.ONLY_DEVICE,),
        (VoiceQuirk.NO_RESPONSE,),
        (VoiceQuirk.INVITE_FIRST,),
        (VoiceQuirk.TCP_ACTIVE,),
        (VoiceQuirk.TCP_PASSIVE,),
        (VoiceQuirk.NO_SSRC, VoiceQuirk.TO_ITSELF),
        (VoiceQuirk.NO_ACK,),
        (VoiceQuirk.WANTS_PS,),
    ],
    ids=lambda quirks: "-".join(quirks) or "plain",
)
async def test_a_broadcast_is_heard(quirks: tuple[VoiceQuirk, ...]) -> None:
    media = WorkerTalks()
    async with House(DEVICE, voice=QUICK_VOICE) as house:
        camera = await registered(house, *quirks)
        line = await opened(house, media)
        await hears_the_tone(camera, media)
        await line.close("ended")
        assert house.gb.voice.open_talks == 0
        await eventually(lambda: camera.voice.byes == 1 and camera.voice.open_calls == 0)
        assert media.talks.get("talk-1") is None


async def test_broadcast_sends_raw_a_law_of_20_ms_with_payload_type_8_and_the_ssrc_asked_for() -> None:
    media = WorkerTalks()
    async with House(DEVICE, voice=QUICK_VOICE) as house:
        camera = await registered(house)
        line = await opened(house, media)
        await eventually(lambda: len(camera.voice.packets) > 5)
        packets = camera.voice.packets
        assert {(packet.payload_type, len(packet.payload), packet.ssrc) for packet in packets} == {
            (8, 160, 200_000_777)
        }
        steps = {later.timestamp - earlier.timestamp for earlier, later in pairwise(packets)}
        assert all(step % 160 == 0 for step in steps)
        assert [packet.marker for packet in packets[:3]] == [True, False, False]
        await line.close("ended")


@pytest.mark.parametrize("quirk", [None, VoiceQuirk.TALK_UDP])
async def test_a_talk_of_2016_is_heard_when_the_device_knows_no_broadcast(quirk: VoiceQuirk | None) -> None:
    media = WorkerTalks()
    async with House(DEVICE, voice=QUICK_VOICE) as house:
        camera = await registered(house, VoiceQuirk.ONLY_TALK, *([quirk] if quirk else []))
        line = await opened(house, media)
        await hears_the_tone(camera, media)
        assert "way=talk" in house.reports.profile["device-1"]["voice"]
        await line.close("ended")
        await eventually(lambda: camera.open_calls == 0)


async def test_a_device_of_2022_is_never_invited_to_talk() -> None:
    media = WorkerTalks()
    async with House(DEVICE, voice=QUICK_VOICE) as house:
        camera = await registered(house, VoiceQuirk.ONLY_TALK, version="3.0")
        with pytest.raises(TocsinError):
            await opened(house, media)
        assert camera.report.invites == 0


async def test_what_a_device_wants_is_learned_and_tried_first() -> None:
    media = WorkerTalks()
    async with House(DEVICE, voice=QUICK_VOICE) as house:
        camera = await registered(house, VoiceQuirk.ONLY_CHANNEL, VoiceQuirk.NO_ACK)
        line = await opened(house, media)
        learned = house.reports.profile["device-1"]["voice"]
        assert learned == "way=broadcast,target=channel,start=ok"
        await line.close("ended")
        house.directory.change(DEVICE.gb_id, voice=learned)
        asked = len(camera.voice.broadcasts)
        line = await opened(house, media)
        assert [one.target_id for one in camera.voice.broadcasts[asked:]] == [CHANNEL_GB]
        await line.close("ended")


@pytest.mark.parametrize(
    ("quirk", "key"),
    [
        (VoiceQuirk.REFUSES, "speech.refused"),
        (VoiceQuirk.BUSY, "speech.refused_busy"),
        (VoiceQuirk.NO_INVITE, "speech.no_invite"),
        (VoiceQuirk.OTHER_FORMAT, "speech.format"),
        (VoiceQuirk.SILENT, "speech.no_answer"),
    ],
)
async def test_a_refusal_is_told_and_leaves_nothing_open(quirk: VoiceQuirk, key: str) -> None:
    media = WorkerTalks()
    async with House(DEVICE, voice=QUICK_VOICE) as house:
        camera = await registered(house, quirk, version="3.0")
        with pytest.raises(TocsinError) as refused:
            await opened(house, media)
        assert refused.value.key == key
        assert house.gb.voice.open_talks == 0
        assert media.talks.get("talk-1") is None
        await eventually(lambda: camera.voice.open_calls == 0)


async def test_a_device_that_gives_up_its_own_call_leaves_nothing_open() -> None:
    media = WorkerTalks()
    async with House(DEVICE, voice=QUICK_VOICE) as house:
        camera = await registered(house, VoiceQuirk.CANCELS, version="3.0")
        with contextlib.suppress(TocsinError):  # its CANCEL may come before our answer
            line = await opened(house, media)
            assert await line.wait_ended() == "ended_by_camera"  # it came after: the device says BYE to our answer
            await line.close("ended_by_camera")
        assert house.gb.voice.open_talks == 0
        await eventually(lambda: camera.voice.open_calls == 0)


async def test_one_voice_at_a_time_to_a_device() -> None:
    media = WorkerTalks()
    async with House(DEVICE, voice=QUICK_VOICE) as house:
        await registered(house)
        line = await opened(house, media)
        with pytest.raises(TocsinError) as busy:
            await house.gb.voice.open_talk(channel_of(DEVICE, CHANNEL_GB), "talk-2", media)
        assert (busy.value.code, busy.value.key) == (ErrorCode.CONFLICT, "speech.device_busy")
        assert media.talks.get("talk-1") is not None
        await line.close("ended")


async def test_a_device_that_hangs_up_ends_the_line() -> None:
    media = WorkerTalks()
    async with House(DEVICE, voice=QUICK_VOICE) as house:
        camera = await registered(house)
        line = await opened(house, media)
        camera.voice.hang_up()
        assert await line.wait_ended() == "ended_by_camera"
        await line.close("ended_by_camera")
        assert house.gb.voice.open_talks == 0


async def test_giving_up_while_the_device_is_called_leaves_nothing_open() -> None:
    media = WorkerTalks()
    async with House(DEVICE, voice=QUICK_VOICE) as house:
        camera = await registered(house, VoiceQuirk.NO_ACK)
        task = asyncio.create_task(opened(house, media))
        await eventually(lambda: camera.voice.acks > 0)  # answered, and its ACK is waited for
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert house.gb.voice.open_talks == 0
        assert media.talks.get("talk-1") is None
        await eventually(lambda: camera.voice.open_calls == 0)


async def test_an_invite_nobody_asked_for_is_refused() -> None:
    async with House(DEVICE, voice=QUICK_VOICE) as house:
        camera = await registered(house)
        asked = camera.voice
        camera.start(asked._fetch(Broadcast(1, house.gb._asker.identity.server_id, LOUDSPEAKER)))
        await eventually(lambda: asked.calls == 1 and asked.open_calls == 0)
        assert asked.heard == b""


@pytest.mark.parametrize("quirks", [(), (VoiceQuirk.ONLY_TALK,)], ids=["broadcast", "talk"])
async def test_a_voice_left_over_from_a_crash_is_ended_after_the_restart(quirks, tmp_path) -> None:
    path, media = tmp_path / "calls.jsonl", WorkerTalks()
    async with House(DEVICE, calls_path=path, voice=QUICK_VOICE) as house:
        camera = await registered(house, *quirks)
        await opened(house, media)
        await eventually(lambda: camera.voice.open_calls + camera.open_calls == 1)
        await house.sip.stop()  # as a kill does: nobody says BYE
        async with House(DEVICE, calls_path=path, port=house.sip.port, voice=QUICK_VOICE) as later:
            await eventually(lambda: camera.voice.open_calls + camera.open_calls == 0)
            await eventually(lambda: bool(later.reports.attempts))
            assert later.reports.keys("play") == ["play.leftover_ended"]


async def test_a_voice_that_was_closed_leaves_nothing_to_end(tmp_path) -> None:
    path, media = tmp_path / "calls.jsonl", WorkerTalks()
    async with House(DEVICE, calls_path=path, voice=QUICK_VOICE) as house:
        await registered(house)
        await (await opened(house, media)).close("test")
        assert CallJournal(path).load() == []
