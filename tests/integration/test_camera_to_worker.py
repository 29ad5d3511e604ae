"""A simulated camera's own picture, invited by the real gateway, received by a real media worker."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.gb28181 import PASSWORD, House, channel_of, eventually
from tests.support.media import running_link
from tocsin.domain.directory import SipDevice
from tocsin.gateways.gb28181_calls import LiveConfig
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import SimCamera, make_channels
from tocsin.sim.camera_plan import CameraPlan, Quirk
from tocsin.sim.camera_wire import Wire
from tocsin.sim.picture import PictureSpec, make_sender

pytestmark = pytest.mark.integration

CHANNELS = make_channels(3, 1)
MODES = ("udp", "tcp_passive", "tcp_active")


@pytest.mark.parametrize(
    ("mode", "quirk"), [*((mode, None) for mode in MODES), ("udp", Quirk.OTHER_SSRC), ("udp", Quirk.NO_SSRC)]
)
async def test_the_picture_reaches_the_worker_by_every_transport(mode, quirk):
    device = SipDevice("camera-1", "34020000001320000001", PASSWORD, media_ladder=(mode,))
    channel = channel_of(device, CHANNELS[0].gb_id)
    live = LiveConfig(answer_within_s=5, media_within_s=5)
    async with running_link() as link, House(device, live=live) as house:
        keys: list[str] = []
        link.events.on_first_key = lambda stream_id, at: keys.append(stream_id)
        wire = Wire(("127.0.0.1", house.sip.port), Transport.UDP, house.clock)
        await wire.open()
        quirks = frozenset({quirk} if quirk else ())
        plan = CameraPlan(device.gb_id, PASSWORD, channels=CHANNELS, quirks=quirks)
        camera = SimCamera(
            plan, wire, house.clock, house.sip.new_word, lambda _: make_sender(PictureSpec(live_encoder=False))
        )
        assert await camera.register()
        session = await house.gb.open_live(channel, link)
        assert camera.report.modes == [mode]
        await eventually(lambda: keys == [channel.id], 8)
        await session.close("test")
        await eventually(lambda: camera.open_calls == 0)
        assert camera.report.byes == 1
        await camera.stop()
        await wire.close()
        await asyncio.sleep(0)
