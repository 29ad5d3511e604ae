"""The simulated camera seen from its server's side."""

from __future__ import annotations

import asyncio

from tests.support.gb28181 import PASSWORD, QUICK, House, TinySender, eventually, words
from tocsin.base.clock import SystemClock
from tocsin.domain.directory import SipDevice
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import SimCamera, make_channels
from tocsin.sim.camera_plan import CameraPlan
from tocsin.sim.camera_wire import Wire

DEVICE = SipDevice("device-1", "34020000001320000001", PASSWORD)


def test_channels_are_the_same_for_the_same_seed():
    assert make_channels(4, 20) == make_channels(4, 20)
    assert make_channels(4, 20) != make_channels(5, 20)
    assert len({channel.gb_id for channel in make_channels(4, 500)}) == 500


async def test_a_camera_without_a_server_gives_up_its_try_and_tries_again():
    clock = SystemClock()
    wire = Wire(("127.0.0.1", 9), Transport.UDP, clock, timers=QUICK.__class__(0.005, 0.01))
    await wire.open()
    camera = SimCamera(CameraPlan(DEVICE.gb_id, PASSWORD), wire, clock, words())
    assert not await camera.register()
    assert camera.report.last_status == 0
    await wire.close()


async def test_two_devices_share_one_socket_and_get_what_is_theirs():
    other = SipDevice("device-2", "34020000001320000002", PASSWORD)
    async with House(DEVICE, other) as house:
        wire = Wire(("127.0.0.1", house.sip.port), Transport.UDP, house.clock, timers=QUICK)
        await wire.open()
        cameras = [
            SimCamera(
                CameraPlan(device.gb_id, PASSWORD, channels=make_channels(number, 1)),
                wire,
                house.clock,
                words(f"x{number}"),
                lambda _: TinySender(),
            )
            for number, device in enumerate((DEVICE, other))
        ]
        for camera in cameras:
            assert await camera.register()
        for gb_id in (DEVICE.gb_id, other.gb_id):
            assert await house.gb.catalogs.read(house.gb.table.get(gb_id))
        assert [camera.report.catalogs for camera in cameras] == [1, 1]
        await wire.close()


async def test_a_camera_registers_again_when_its_keepalive_is_refused():
    async with House(DEVICE) as house:
        camera = await house.camera(CameraPlan(DEVICE.gb_id, PASSWORD, keepalive_s=0.02))
        running = asyncio.create_task(camera.run())
        await camera.wait_registered()
        await eventually(lambda: camera.report.keepalives_answered > 2)
        house.gb.forget("device-1")
        await eventually(lambda: camera.report.registrations == 2)
        assert camera.report.keepalives_refused == 1
        running.cancel()


async def test_a_camera_connects_again_when_its_connection_breaks():
    async with House(DEVICE) as house:
        camera = await house.camera(CameraPlan(DEVICE.gb_id, PASSWORD, keepalive_s=0.02), Transport.TCP)
        running = asyncio.create_task(camera.run())
        await camera.wait_registered()
        for connection in list(house.sip._connections.values()):
            connection.abort()
        await eventually(lambda: camera.report.registrations == 2)
        await eventually(lambda: ("device-1", "register.connection_lost") in house.reports.departures)
        running.cancel()
