"""Main and sub streams of GB/T 28181 devices: the line of the standard, those of makers, refusals, and no choice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.gateways.test_gb28181_live import CHANNEL, device, plan
from tests.support.gb28181 import House
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.protocols.gb28181.stream_choice import ALL_LINES, asked_number, choice_lines, ways_to_ask
from tocsin.protocols.gb28181.tries import StreamLine
from tocsin.protocols.sip.sdp import MediaMode, Sdp, make_offer, parse_sdp
from tocsin.sim.camera_plan import Quirk


def offer_with(lines, number):
    return make_offer(
        own_id="34020000002000000001",
        ip="192.0.2.1",
        port=30000,
        mode=MediaMode.UDP,
        ssrc=1,
        choice=choice_lines(lines, number),
    )


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("line", list(StreamLine))
def test_each_makers_line_is_written_and_read(line, number):
    read = parse_sdp(offer_with((line,), number).encode())
    assert isinstance(read, Sdp)
    assert asked_number(read) == number
    assert asked_number(read, (line,)) == number
    others = tuple(other for other in StreamLine if other is not line)
    assert asked_number(read, others) is None


def test_the_lines_stand_as_the_standard_and_the_makers_write_them():
    text = offer_with(ALL_LINES, 1).encode().decode()
    for line in ("a=streamnumber:1", "a=stream:1", "a=streamprofile:1", "a=streamMode:SUB"):
        assert f"{line}\r\n" in text
    assert "a=streamMode:MAIN\r\n" in offer_with(ALL_LINES, 0).encode().decode()


def test_the_main_stream_is_not_named_to_a_device_of_which_nothing_is_known():
    assert ways_to_ask("", 0) == ((),)
    assert ways_to_ask("", 1) == (ALL_LINES, (StreamLine.STREAMNUMBER,))
    assert ways_to_ask("streammode", 0) == ((StreamLine.STREAMMODE,),)
    assert ways_to_ask("nonsense", 0) == ((),)


@pytest.mark.parametrize("line", list(StreamLine))
async def test_main_and_sub_of_one_channel_are_two_pictures(line):
    async with House(device()) as house:
        camera = await house.camera(replace(plan(), stream_lines=(line,)))
        assert await camera.register()
        main = await house.gb.open_live(CHANNEL, house.media)
        sub = await house.gb.open_live(CHANNEL, house.media, "sub")
        assert camera.report.streams == ["main", "sub"]
        assert (main.stream_id, sub.stream_id) == (CHANNEL.id, f"{CHANNEL.id}~sub")
        assert set(house.media.receivers) == {CHANNEL.id, f"{CHANNEL.id}~sub"}
        assert main.opened.ssrc != sub.opened.ssrc
        await sub.close("test")
        assert set(house.media.receivers) == {CHANNEL.id}
        await main.close("test")
        assert house.gb.health().open_calls == 0


async def test_a_device_that_refuses_makers_lines_is_asked_as_the_standard_says_and_that_is_kept():
    async with House(device()) as house:
        camera = await house.camera(plan(Quirk.REFUSES_VENDOR_LINES))
        assert await camera.register()
        session = await house.gb.open_live(CHANNEL, house.media, "sub")
        assert camera.report.streams == ["sub"]
        assert house.reports.profile["camera-1"]["stream_line"] == "streamnumber"
        await session.close("test")


async def test_a_device_whose_line_is_known_is_asked_by_it_for_the_main_stream_too():
    async with House(replace(device(), stream_line="streammode")) as house:
        camera = await house.camera(replace(plan(), stream_lines=(StreamLine.STREAMMODE,)))
        assert await camera.register()
        await (await house.gb.open_live(CHANNEL, house.media)).close("test")
        await (await house.gb.open_live(CHANNEL, house.media, "sub")).close("test")
        assert camera.report.streams == ["main", "sub"]


async def test_a_camera_that_refuses_its_sub_stream_is_said_to_have_none():
    async with House(device()) as house:
        camera = await house.camera(plan(Quirk.REFUSES_SUB_STREAM))
        assert await camera.register()
        with pytest.raises(TocsinError) as caught:
            await house.gb.open_live(CHANNEL, house.media, "sub")
        assert (caught.value.code, caught.value.key) == (ErrorCode.UNAVAILABLE, "play.no_sub_stream")
        assert house.reports.keys("play")[-1] == "play.no_sub_stream"
        await (await house.gb.open_live(CHANNEL, house.media)).close("test")
        assert camera.report.streams == ["main"]


async def test_a_camera_that_ignores_the_choice_sends_its_main_picture():
    async with House(device()) as house:
        camera = await house.camera(plan(Quirk.IGNORES_STREAM_CHOICE))
        assert await camera.register()
        session = await house.gb.open_live(CHANNEL, house.media, "sub")
        assert camera.report.streams == ["main"]
        await session.close("test")
