"""Departures of the field in what is sent: each is a fault of our simulator, and its picture arrives all the same.

The simulated device over SIP, the real gateway, a real media worker.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from tests.support.gb28181 import PASSWORD, House, channel_of, eventually
from tests.support.media import Watcher, running_link
from tocsin.domain.directory import SipDevice
from tocsin.gateways.gb28181_calls import LiveConfig
from tocsin.media.link import MediaLink
from tocsin.media.relay import LiveStreams
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import SimCamera, make_channels
from tocsin.sim.camera_plan import CameraPlan, Quirk
from tocsin.sim.camera_quirks import picture_quirks
from tocsin.sim.camera_wire import Wire
from tocsin.sim.picture import PictureSpec, make_sender

CHANNELS = make_channels(3, 1)
ID = "34020000001320000001"
SPEC = PictureSpec(width=320, height=180, fps=50, bitrate_bps=400_000, key_every_s=0.2, live_encoder=False)


@dataclass
class Way:
    """A simulated device, the gateway it is registered with, and the worker its picture comes to."""

    house: House
    link: MediaLink
    camera: SimCamera
    lost: list[str]

    async def stats(self):
        """Return what the worker says of the stream now."""
        return next((one for one in await self.link.stats() if one.stream_id == CHANNEL.id), None)

    async def pictures(self, count: int) -> None:
        """Wait until so many pictures have come and none of them is being waited for."""
        seen = (await self.stats()).pictures
        for _ in range(600):
            if (await self.stats()).pictures >= seen + count:
                return
            await self.house.clock.sleep(0.02)
        raise AssertionError(f"{count} pictures did not come: {await self.stats()}")


DEVICE = SipDevice("camera-1", ID, PASSWORD)
CHANNEL = channel_of(DEVICE, CHANNELS[0].gb_id)


@asynccontextmanager
async def way(*quirks: Quirk, mode: str = "udp", tears_every: int = 0) -> AsyncIterator[Way]:
    """Bring a device with these faults on line, its media by this transport."""
    device = replace(DEVICE, media_ladder=(mode,))
    live = LiveConfig(answer_within_s=5, media_within_s=5)
    async with running_link() as link, House(device, live=live) as house:
        wire = Wire(("127.0.0.1", house.sip.port), Transport.UDP, house.clock)
        await wire.open()
        plan = CameraPlan(ID, PASSWORD, channels=CHANNELS, quirks=frozenset(quirks))
        faults = picture_quirks(plan.quirks)
        spec = replace(SPEC, quirks=replace(faults, tears_every=tears_every or faults.tears_every))
        camera = SimCamera(plan, wire, house.clock, house.sip.new_word, lambda _: make_sender(spec))
        assert await camera.register()
        lost: list[str] = []
        link.events.on_source_lost = lambda stream_id, reason: lost.append(reason)
        try:
            yield Way(house, link, camera, lost)
        finally:
            await camera.stop()
            await wire.close()


async def test_a_stream_that_was_never_stopped_does_not_reach_the_next_picture():
    async with way(Quirk.KEEPS_SENDING) as made:
        await (await made.house.gb.open_live(CHANNEL, made.link)).close("test")
        session = await made.house.gb.open_live(CHANNEL, made.link)
        await made.pictures(30)
        (first_port, first_ssrc), (port, ssrc) = made.camera.report.targets
        assert (port != first_port, ssrc != first_ssrc) == (True, True), "a port and a number of its own for each call"
        assert len(made.camera.leaked) == 2, "two old encoders go on sending, one of them to the new port"
        stats = await made.stats()
        assert (stats.damaged, stats.lost) == (0, 0), "of two senders on the port one is shown"
        await session.close("test")


async def test_swapped_and_lost_packets_cost_their_own_pictures_only():
    async with way(Quirk.LOSES_PACKETS) as made:
        session = await made.house.gb.open_live(CHANNEL, made.link)
        await made.pictures(80)
        stats = await made.stats()
        assert stats.lost > 0
        assert stats.reordered > 0
        assert made.lost == []
        await session.close("test")


async def test_a_connection_that_loses_bytes_is_taken_up_again():
    async with way(Quirk.TORN_TCP_FRAMES, mode="tcp_passive") as made:
        session = await made.house.gb.open_live(CHANNEL, made.link)
        await made.pictures(100)
        stats = await made.stats()
        assert stats.damaged + stats.lost >= 1, "bytes were lost"
        assert made.lost == []
        await session.close("test")


async def test_one_that_keeps_losing_bytes_is_given_up_so_that_it_is_asked_anew():
    async with way(Quirk.TORN_TCP_FRAMES, mode="tcp_passive", tears_every=8) as made:
        session = await made.house.gb.open_live(CHANNEL, made.link)
        await eventually(lambda: "desync" in made.lost, 10)
        await session.close("test")


@pytest.mark.parametrize("quirk", [Quirk.JUMPING_TIMES, Quirk.STANDING_TIMES])
async def test_the_pictures_of_a_device_with_a_bad_clock_run_at_the_pace_of_their_arrival(quirk):
    from websockets.asyncio.client import connect

    async with way(quirk) as made:
        streams = LiveStreams(made.link, made.house.gb, made.house.clock, public_host="127.0.0.1")
        await streams.start()
        address = await streams.open_view(
            view_id="v",
            channel=CHANNEL,
            user_id="li",
            expires_at=made.house.clock.now().replace(year=2099),
            codecs=(),
            audio=False,
        )
        async with connect(address.url, compression=None, max_size=None) as connection:
            watcher = Watcher(connection)
            shown = lambda: [one for one in watcher.kinds("status") if one["wall_ms"] is not None]  # noqa: E731
            await watcher.until(lambda: len(shown()) >= 2)
            first, last = shown()[0], shown()[-1]
            media_s = float(last["media_time"]) - float(first["media_time"])
            wall_s = (float(last["wall_ms"]) - float(first["wall_ms"])) / 1000
            assert media_s == pytest.approx(wall_s, abs=0.35), "no jump of a minute, no picture that stands"
            assert media_s > 0.5
            await watcher.close()
        await streams.stop()


async def test_a_stream_number_that_changes_every_second_is_followed():
    async with way(Quirk.ROTATING_SSRC) as made:
        session = await made.house.gb.open_live(CHANNEL, made.link)
        await made.pictures(120)
        assert made.lost == []
        await session.close("test")


async def test_an_encrypted_stream_is_named():
    async with way(Quirk.ENCRYPTED_STREAM) as made:
        session = await made.house.gb.open_live(CHANNEL, made.link)
        for _ in range(300):
            stats = await made.stats()
            if stats is not None and stats.reason == "stream_encrypted":
                break
            await made.house.clock.sleep(0.02)
        assert stats.reason == "stream_encrypted"
        await session.close("test")
