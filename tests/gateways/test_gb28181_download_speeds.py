"""How fast devices send downloads: they are asked once, and taken at their edition's word when silent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.clocks import FixedClock
from tests.support.gb28181 import PASSWORD, House
from tocsin.domain.directory import Channel, SipDevice
from tocsin.gateways.gb28181_download_speeds import GbDownloadSpeeds
from tocsin.sim.camera import CameraPlan, Quirk, make_channels

DEVICE = SipDevice("device-1", "34020000001180000001", PASSWORD)
PLAN = CameraPlan(DEVICE.gb_id, PASSWORD, channels=make_channels(1, 1), version="3.0")
CHANNEL = Channel("channel-1", "device-1", PLAN.channels[0].gb_id)


@pytest.mark.parametrize(
    ("told", "version", "speeds"),
    [("1/2/4/8", "3.0", (1, 2, 4, 8)), ("2", "2.0", (1, 2)), ("", "2.0", (1, 2, 4)), ("", "1.0", (1,))],
)
async def test_what_the_device_says_counts_else_its_edition(told, version, speeds):
    async with House(DEVICE) as house:
        camera = await house.camera(replace(PLAN, version=version))
        camera.settings.download_speeds = told
        assert await camera.register()
        assert await house.gb.download_speeds.download_speeds(CHANNEL) == speeds
        camera.settings.download_speeds = "1/32"
        assert await house.gb.download_speeds.download_speeds(CHANNEL) == speeds, "asked again only after a while"


async def test_it_is_asked_again_after_ten_minutes():
    async with House(DEVICE) as house:
        camera = await house.camera(PLAN)
        assert await camera.register()
        clock = FixedClock()
        speeds = GbDownloadSpeeds(house.gb.desk, house.gb.table, clock)
        assert await speeds.download_speeds(CHANNEL) == (1, 2, 4)
        camera.settings.download_speeds = "1/32"
        clock.advance(601)
        assert await speeds.download_speeds(CHANNEL) == (1, 32)


async def test_a_device_that_is_away_is_not_waited_for():
    async with House(DEVICE) as house:
        assert await house.gb.download_speeds.download_speeds(CHANNEL) == (1, 2, 4)


async def test_a_device_that_refuses_is_taken_at_its_edition():
    async with House(DEVICE) as house:
        camera = await house.camera(replace(PLAN, quirks=frozenset({Quirk.FAILS_CONTROL})))
        assert await camera.register()
        assert 1 in await house.gb.download_speeds.download_speeds(CHANNEL)
