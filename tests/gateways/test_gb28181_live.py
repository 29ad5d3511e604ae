"""Live pictures: every transport, the ladder, refusals, and calls that must not be left behind."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.gb28181 import PASSWORD, House, TinySender, channel_of, eventually
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.directory import SipDevice
from tocsin.protocols.gb28181.timeline import WORDS
from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.message import response_to
from tocsin.protocols.sip.sdp import make_answer, parse_sdp
from tocsin.protocols.sip.stream import StreamReader
from tocsin.sim.camera import make_channels
from tocsin.sim.camera_plan import CameraPlan, Quirk

CHANNELS = make_channels(3, 2)
LADDERS = {
    "udp": ("udp", "tcp_passive", "tcp_active"),
    "tcp_passive": ("tcp_passive", "udp", "tcp_active"),
    "tcp_active": ("tcp_active", "udp", "tcp_passive"),
}


def device(first: str = "tcp_passive") -> SipDevice:
    return SipDevice("camera-1", "34020000001320000001", PASSWORD, media_ladder=LADDERS[first])


def plan(*quirks: Quirk) -> CameraPlan:
    return CameraPlan(device().gb_id, PASSWORD, channels=CHANNELS, quirks=frozenset(quirks))


async def registered(house: House, *quirks: Quirk, transport: Transport = Transport.UDP):
    camera = await house.camera(plan(*quirks), transport)
    assert await camera.register()
    return camera


CHANNEL = channel_of(device(), CHANNELS[0].gb_id)


@pytest.mark.parametrize("transport", list(Transport))
@pytest.mark.parametrize("mode", list(LADDERS))
async def test_a_picture_opens_and_closes_by_every_transport(mode, transport):
    async with House(device(mode)) as house:
        camera = await registered(house, transport=transport)
        session = await house.gb.open_live(CHANNEL, house.media)
        assert camera.report.modes == [mode]
        assert house.media.opened == [mode]
        assert 0 < house.senders[0].ssrc < 1_000_000_000
        assert house.reports.last("play").outcome == "ok"
        assert house.reports.keys("play")[-1] == "play.media"
        await eventually(lambda: camera.report.key_frame_requests == 1)
        await session.close("test")
        assert camera.report.byes == 1
        await eventually(lambda: house.senders[0].stopped == 1)
        assert house.media.receivers == {}
        assert house.gb.health().open_calls == 0


async def test_every_step_has_words_in_both_languages():
    async with House(device()) as house:
        await registered(house, Quirk.NO_MEDIA)
        with pytest.raises(TocsinError):
            await house.gb.open_live(CHANNEL, house.media)
        for step in house.reports.last("play").steps:
            assert step.key in WORDS
            for language in ("zh", "en"):
                text = WORDS.text(step.key, language, step.params)
                assert "{" not in text, text


@pytest.mark.parametrize(
    ("quirk", "failure"),
    [
        (Quirk.IGNORES_TCP_MEDIA, "play.answer_other_transport"),
        (Quirk.REFUSES_TCP_MEDIA, "play.refused_transport"),
    ],
)
async def test_a_camera_without_tcp_is_reached_by_udp_and_that_is_remembered(quirk, failure):
    async with House(device("tcp_passive")) as house:
        camera = await registered(house, quirk)
        session = await house.gb.open_live(CHANNEL, house.media)
        assert house.media.opened == ["tcp_passive", "udp"]
        assert house.reports.profile["camera-1"]["media_ladder"].split(",")[0] == "udp"
        assert failure in house.reports.keys("play")
        await session.close("test")
        house.media.opened.clear()
        await (await house.gb.open_live(CHANNEL, house.media)).close("test")
        assert house.media.opened == ["udp"]
        assert camera.open_calls == 0


async def test_an_answer_in_udp_makes_udp_the_next_try():
    ladder = ("tcp_passive", "tcp_active", "udp")
    async with House(SipDevice("camera-1", device().gb_id, PASSWORD, media_ladder=ladder)) as house:
        await registered(house, Quirk.IGNORES_TCP_MEDIA)
        await (await house.gb.open_live(CHANNEL, house.media)).close("test")
        assert house.media.opened == ["tcp_passive", "udp"]


async def test_no_media_by_any_transport_fails_with_its_reason_and_leaves_no_call():
    async with House(device()) as house:
        camera = await registered(house, Quirk.NO_MEDIA)
        with pytest.raises(TocsinError) as caught:
            await house.gb.open_live(CHANNEL, house.media)
        assert caught.value.code is ErrorCode.UNAVAILABLE
        assert house.media.opened == ["tcp_passive", "udp", "tcp_active"]
        assert house.reports.last("play").failure in ("play.no_media", "play.connect_failed")
        await eventually(lambda: camera.report.byes == 3 and camera.open_calls == 0)
        assert house.media.receivers == {}


@pytest.mark.parametrize("quirk", [Quirk.OTHER_SSRC, Quirk.NO_SSRC, Quirk.NO_SETUP, Quirk.REPEATED_OK])
@pytest.mark.parametrize("mode", list(LADDERS))
async def test_tolerated_answers_still_bring_the_picture(quirk, mode):
    async with House(device(mode)) as house:
        camera = await registered(house, quirk)
        session = await house.gb.open_live(CHANNEL, house.media)
        assert house.media.opened == [mode]
        assert ("play.other_ssrc" in house.reports.keys("play")) == (quirk is Quirk.OTHER_SSRC)
        await session.close("test")
        assert camera.open_calls == 0


async def test_a_busy_camera_is_not_asked_by_other_transports():
    async with House(device()) as house:
        camera = await registered(house, Quirk.BUSY)
        with pytest.raises(TocsinError) as caught:
            await house.gb.open_live(CHANNEL, house.media)
        assert caught.value.key == "play.refused_busy"
        assert caught.value.params == {"status": 486}
        assert camera.report.invites == 1
        assert house.media.receivers == {}


async def test_a_silent_camera_fails_after_the_time_allowed():
    async with House(device()) as house:
        camera = await registered(house, Quirk.SILENT_TO_INVITE)
        with pytest.raises(TocsinError) as caught:
            await house.gb.open_live(CHANNEL, house.media)
        assert caught.value.key == "play.no_answer"
        assert camera.report.invites > 1, "the INVITE is repeated over UDP"


async def test_an_invite_lost_over_udp_is_sent_once_over_tcp():
    async with House(device("udp")) as house:
        camera = await registered(house, Quirk.SILENT_TO_INVITE)
        seen: list[str] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            messages = StreamReader()
            while data := await reader.read(65_536):
                for message in messages.receive(data):
                    seen.append(message.method)
                    if message.method == "INVITE":
                        offer = parse_sdp(message.body)
                        await TinySender().start_udp("127.0.0.1", offer.video.port, offer.ssrc)
                        body = make_answer(offer, own_id="c", ip="127.0.0.1", port=9, ssrc=offer.ssrc).encode()
                        writer.write(response_to(message, 200, to_tag="d", body=body).encode())
                    elif message.method == "BYE":
                        writer.write(response_to(message, 200).encode())
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", camera.wire.port)
        session = await house.gb.open_live(CHANNEL, house.media)
        await session.close("test")
        server.close()
        assert seen == ["INVITE", "ACK", "BYE"]
        assert house.reports.keys("play").count("play.invited") == 2


async def test_an_answer_without_sdp_still_brings_the_picture_where_the_camera_knows_the_way():
    async with House(device()) as house:
        await registered(house, Quirk.NO_SDP)
        session = await house.gb.open_live(CHANNEL, house.media)
        assert "play.answer_no_sdp" in house.reports.keys("play")
        await session.close("test")


async def test_an_answer_without_sdp_and_without_media_tries_on_and_hangs_up():
    async with House(device()) as house:
        camera = await registered(house, Quirk.NO_SDP, Quirk.NO_MEDIA)
        with pytest.raises(TocsinError) as caught:
            await house.gb.open_live(CHANNEL, house.media)
        assert caught.value.key == "play.answer_no_sdp"
        await eventually(lambda: camera.open_calls == 0)


async def test_a_device_that_is_not_registered_cannot_be_asked():
    async with House(device()) as house:
        with pytest.raises(TocsinError) as caught:
            await house.gb.open_live(CHANNEL, house.media)
        assert caught.value.key == "play.device_offline"
        assert house.reports.last("play").channel_id == CHANNEL.id


async def test_no_free_receiver_is_said_so():
    async with House(device()) as house:
        await registered(house)
        house.media.refuses = True
        with pytest.raises(TocsinError) as caught:
            await house.gb.open_live(CHANNEL, house.media)
        assert caught.value.key == "play.no_receiver"


async def test_a_picture_nobody_waits_for_any_more_is_cancelled_at_the_camera():
    async with House(device()) as house:
        camera = await registered(house, Quirk.NO_MEDIA)
        opening = asyncio.create_task(house.gb.open_live(CHANNEL, house.media))
        await eventually(lambda: camera.report.invites == 1)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await eventually(lambda: camera.open_calls == 0)
        assert house.media.receivers == {}
        assert house.reports.last("play").failure == "play.given_up"


async def test_the_camera_may_end_the_call():
    async with House(device()) as house:
        camera = await registered(house)
        ended = []
        house.gb.on_ended(lambda stream_id, reason: ended.append((stream_id, reason)))
        session = await house.gb.open_live(CHANNEL, house.media)
        camera.hang_up()
        assert await session.wait_ended() == "play.ended_by_camera"
        await eventually(lambda: ended == [(CHANNEL.id, "play.ended_by_camera")])
        await session.close("lost")
        assert house.media.receivers == {}
        assert house.gb.health().open_calls == 0


async def test_both_ends_may_hang_up_at_once():
    async with House(device()) as house:
        camera = await registered(house)
        session = await house.gb.open_live(CHANNEL, house.media)
        camera.hang_up()
        await session.close("test")
        await eventually(lambda: camera.open_calls == 0)


async def test_one_channel_is_opened_once_at_a_time():
    async with House(device()) as house:
        await registered(house)
        first = asyncio.create_task(house.gb.open_live(CHANNEL, house.media))
        await asyncio.sleep(0)
        with pytest.raises(TocsinError) as caught:
            await house.gb.open_live(CHANNEL, house.media)
        assert caught.value.code is ErrorCode.CONFLICT
        await (await first).close("test")


async def test_two_channels_of_one_recorder_play_together():
    async with House(device()) as house:
        camera = await registered(house)
        second = channel_of(device(), CHANNELS[1].gb_id)
        sessions = await asyncio.gather(
            house.gb.open_live(CHANNEL, house.media), house.gb.open_live(second, house.media)
        )
        assert len({sender.ssrc for sender in house.senders}) == 2
        assert camera.open_calls == 2
        await asyncio.gather(*(session.close("test") for session in sessions))


async def test_a_call_left_over_from_a_crash_is_ended_after_the_restart(tmp_path):
    path = tmp_path / "calls.jsonl"
    async with House(device(), calls_path=path) as house:
        camera = await registered(house)
        await house.gb.open_live(CHANNEL, house.media)
        await house.sip.stop()  # as a kill does: nobody says BYE
        with path.open("a") as file:
            file.write('{"call_id": "cut by the cra')
        async with House(device(), calls_path=path, port=house.sip.port) as later:
            await eventually(lambda: camera.report.byes == 1 and camera.open_calls == 0)
            await eventually(lambda: bool(later.reports.attempts))
            assert later.reports.keys("play") == ["play.leftover_ended"]


async def test_a_closed_call_leaves_nothing_to_end(tmp_path):
    path = tmp_path / "calls.jsonl"
    async with House(device(), calls_path=path) as house:
        await registered(house)
        await (await house.gb.open_live(CHANNEL, house.media)).close("test")
        assert house.gb.calls._journal.load() == []
