"""Town below county: a camera of the town's platform, seen by the county's platform through both, over real workers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from tests.media.test_forward import Udp
from tests.support.cascade import DAY, LOCAL_ID, SECRET, UPPER_ID, lower_house, settle, upper_platform
from tests.support.gb28181 import House, channel_of, eventually
from tests.support.media import running_link
from tests.support.rtsp import rtsp_camera
from tocsin.domain.directory import SipDevice
from tocsin.gateways.gb28181_calls import LiveConfig
from tocsin.media.playback import Playbacks
from tocsin.media.relay import LiveStreams
from tocsin.protocols.gb28181.mansrtsp import Pause, Play
from tocsin.protocols.rtp.access_unit import AccessUnit
from tocsin.protocols.rtp.receiver import Receiver
from tocsin.protocols.sip.sdp import MediaMode
from tocsin.sim.picture import PictureSpec, make_sender
from tocsin.sim.recording_picture import RecordingSender

pytestmark = pytest.mark.integration


async def _with_pictures(stack: AsyncExitStack, house, link) -> LiveStreams:
    """Let the lower platform show real pictures: a worker of its own, and a camera that draws."""
    streams = LiveStreams(link, house.gb, house.clock, public_host="127.0.0.1", idle_stop_s=1.0)
    await streams.start()
    stack.push_async_callback(streams.stop)
    house.cascade.calls._forwarder = streams
    link.events.on_forward_ended = house.cascade.calls.forward_ended
    house.gb.on_ended(streams.source_ended)
    house.camera._senders = lambda _: make_sender(PictureSpec(live_encoder=False))
    return streams


@pytest.mark.parametrize("mode", list(MediaMode))
async def test_a_simulated_upper_platform_counts_pictures_by_every_transport(tmp_path, mode):
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(upper_platform())
        link = await stack.enter_async_context(running_link())
        house = await stack.enter_async_context(lower_house(tmp_path, picture_within_s=15.0))
        await _with_pictures(stack, house, link)
        upper = await house.enter(platform)
        assert await platform.wait(lambda: LOCAL_ID in platform.lowers)
        await eventually(lambda: bool(house.cascade.lines[upper].catalogue.items))
        channel = house.channels[0]
        view = await platform.play(LOCAL_ID, channel.gb_id, mode)
        assert view.status == 200
        assert await view.wait_pictures(20), (view.packets, view.pictures)
        assert view.keys >= 1
        assert view.ssrcs == {view.answer.ssrc}
        second = await platform.play(LOCAL_ID, channel.gb_id, mode)
        assert await second.wait_pictures(5)
        assert house.camera.open_calls == 1, "one stream from the camera, whoever looks"
        view.hang_up()
        second.hang_up()
        await view.wait_ended()
        await eventually(lambda: house.camera.open_calls == 0, 10)


async def test_two_tocsin_platforms_town_below_county(tmp_path):
    """The county holds the town as a device of type 200, reads its tree, plays its camera, sees it go off line."""
    device = SipDevice("town", LOCAL_ID, SECRET)
    live = LiveConfig(answer_within_s=15, media_within_s=8)
    async with AsyncExitStack() as stack:
        county_link = await stack.enter_async_context(running_link())
        town_link = await stack.enter_async_context(running_link())
        county = await stack.enter_async_context(House(device, live=live, server_id=UPPER_ID, realm=UPPER_ID[:10]))
        town = await stack.enter_async_context(lower_house(tmp_path, picture_within_s=15.0))
        await _with_pictures(stack, town, town_link)

        class County:
            plan = type("Plan", (), {"gb_id": UPPER_ID, "password": SECRET})
            port = county.sip.port

        upper = await town.enter(County)
        await eventually(lambda: town.cascade.state(upper)["state"] == "online", 5)
        registered = county.gb.table.get(LOCAL_ID)
        assert registered is not None
        assert await county.gb.catalogs.read(registered)
        _, entries, is_complete = county.reports.catalogs[-1]
        assert is_complete
        assert {entry.gb_id for entry in entries} == {channel.gb_id for channel in town.channels}

        keys: list[str] = []
        county_link.events.on_first_key = lambda stream_id, at: keys.append(stream_id)
        channel = channel_of(device, town.channels[0].gb_id)
        session = await county.gb.open_live(channel, county_link)
        await eventually(lambda: keys == [channel.id], 10)
        assert [row["ended_at"] for row in await town.views(upper)] == [None]
        await session.close("test")
        await eventually(lambda: len(town.cascade.calls) == 0, 5)

        await town.camera.sign_off()
        await settle(town)
        assert await county.gb.catalogs.read(registered)
        _, entries, _ = county.reports.catalogs[-1]
        assert {entry.is_online for entry in entries} == {False}
        await asyncio.sleep(0)


async def test_a_recording_travels_through_two_platforms_and_is_steered(tmp_path):
    """The upper platform lists, plays, pauses and seeks a recording that lies in a recorder below this platform."""
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(upper_platform())
        link = await stack.enter_async_context(running_link())
        house = await stack.enter_async_context(lower_house(tmp_path, picture_within_s=15.0))
        await _with_pictures(stack, house, link)
        playbacks = Playbacks(link, house.gb.playback, house.clock, public_host="127.0.0.1")
        await playbacks.start()
        stack.push_async_callback(playbacks.stop)
        house.cascade.recordings.relay = playbacks
        spec = PictureSpec(width=320, height=180, fps=10, bitrate_bps=300_000)
        house.camera.recorder._senders = lambda gb_id, wish, files, on_end: RecordingSender(
            spec, house.clock, wish, files, on_end
        )
        upper = await house.enter(platform, rights=["live", "recordings"])
        assert await platform.wait(lambda: LOCAL_ID in platform.lowers)
        await eventually(lambda: bool(house.cascade.lines[upper].catalogue.items))
        channel = house.channels[0].gb_id
        found = await platform.records(LOCAL_ID, channel, DAY, DAY + timedelta(hours=24))
        assert len(found.recordings) == 5
        for mode in MediaMode:
            view = await platform.play_back(LOCAL_ID, channel, DAY, DAY + timedelta(minutes=10), mode)
            assert view.status == 200
            assert await view.wait_pictures(8), (mode, view.packets)
            assert (await view.steer(Pause()))[0] == 200
            status, said = await view.steer(Play(npt_s=300))
            assert (status, round(said.npt_s)) == (200, 300)
            seen = view.pictures
            assert await view.wait_pictures(seen + 8)
            view.hang_up()
            await view.wait_ended()
            await eventually(lambda: house.camera.open_calls == 0, 10)
        short = await platform.play_back(LOCAL_ID, channel, DAY, DAY + timedelta(seconds=4), download_speed=4)
        assert await short.wait_ends_told(10), "the end is told above"
        assert short.pictures >= 35, "from the first picture on"


async def test_a_camera_that_is_no_gb_device_plays_above_as_a_program_stream(tmp_path):
    async with AsyncExitStack() as stack:
        camera = await stack.enter_async_context(rtsp_camera())
        link = await stack.enter_async_context(running_link())
        receiver = Udp()
        await link.open_rtsp("channel", camera.url, username="admin", password="Tocsin-12")
        target = {"mode": "udp", "ip": "127.0.0.1", "port": receiver.port, "ssrc": 200000017}
        expires_at = datetime.now(UTC) + timedelta(minutes=1)
        await link.forward_open(stream_id="channel", forward_id="f", view_id="v", expires_at=expires_at, **target)
        await link.forward_start("channel", "f")
        taken = Receiver()
        pictures: list[AccessUnit] = []

        def arrived() -> bool:
            for packet in receiver.read():
                pictures.extend(u for u in taken.receive(packet, 0.0) if isinstance(u, AccessUnit))
            return len(pictures) >= 10

        await eventually(arrived, 10)
        assert pictures[0].is_key
