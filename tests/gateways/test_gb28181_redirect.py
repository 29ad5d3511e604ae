"""Redirection: a known device is sent on, registers there, and comes back when nobody is there."""

from __future__ import annotations

import socket

import pytest

from tests.support.gb28181 import PASSWORD, SERVER_ID, House
from tocsin.domain.directory import SipDevice
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import CameraPlan

DEVICE = SipDevice("device-1", "34020000001320000001", PASSWORD)
PLAN = CameraPlan(DEVICE.gb_id, PASSWORD)


def nobody() -> int:
    """Return a port nobody listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


@pytest.mark.parametrize("transport", list(Transport))
async def test_a_device_is_sent_on_and_registers_there(transport):
    async with House(DEVICE) as other:
        target = f"{SERVER_ID}@127.0.0.1:{other.sip.port}"
        async with House(DEVICE, redirect_to=target) as house:
            camera = await house.camera(PLAN, transport)
            assert await camera.register()
            assert camera.report.redirects == 1
            assert (len(house.gb.table), len(other.gb.table)) == (0, 1)


async def test_a_device_that_finds_nobody_there_comes_back_and_stays():
    async with House(DEVICE, redirect_to=f"{SERVER_ID}@127.0.0.1:{nobody()}") as house:
        camera = await house.camera(PLAN)
        assert await camera.register()
        assert (camera.report.redirects, len(house.gb.table)) == (1, 1)
        assert await camera.keep_alive()


async def test_a_device_whose_new_server_falls_silent_comes_back():
    async with (
        House(DEVICE) as other,
        House(DEVICE, redirect_to=f"{SERVER_ID}@127.0.0.1:{other.sip.port}") as house,
    ):
        camera = await house.camera(PLAN)
        assert await camera.register()
        await other.gb.stop()
        await other.sip.stop()
        assert not await camera.keep_alive()
        assert not camera.is_registered
        assert await camera.register()
        assert len(house.gb.table) == 1


async def test_nobody_unknown_is_sent_on():
    async with House(redirect_to=f"{SERVER_ID}@127.0.0.1:9") as house:
        camera = await house.camera(PLAN)
        assert not await camera.register()
        assert (camera.report.redirects, camera.report.last_status) == (0, 403)
