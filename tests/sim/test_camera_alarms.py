"""The simulated device's alarms: what the command line asks for is raised, and the device behaves as devices do."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.support.gb28181 import PASSWORD, House, TinySender, eventually
from tocsin.domain.directory import SipDevice
from tocsin.protocols.sip.codes import Transport
from tocsin.sim.camera import CameraPlan, Quirk
from tocsin.sim.camera_alarms import SimAlarm
from tocsin.sim.run import _alarm_of, _live_camera

DEVICE = SipDevice("device-1", "34020000001320000001", PASSWORD)
PLAN = CameraPlan(DEVICE.gb_id, PASSWORD)


def test_the_command_line_says_what_to_raise_and_where():
    assert _alarm_of("2/2") == SimAlarm("2", "2", "", text="simulated alarm 2/2")
    assert _alarm_of("5@34020000001310000001") == SimAlarm("5", "", "34020000001310000001", text="simulated alarm 5")


async def test_alarms_of_the_command_line_are_raised_in_turn_until_the_end():
    async with House(DEVICE) as house:
        ended = asyncio.Event()
        alarms = (SimAlarm("2", "2"), SimAlarm("5", "2"))
        server = ("127.0.0.1", house.sip.port)
        running = asyncio.create_task(
            _live_camera(PLAN, server, Transport.UDP, lambda _: TinySender(), ended, alarms, (0.0, 0.02))
        )
        await eventually(lambda: len(house.intake.signals) >= 4)
        ended.set()
        report = await running
        assert [signal.events[0].code for signal in house.intake.signals[:4]] == ["2/2", "5/2", "2/2", "5/2"]
        assert report.alarms_answered >= 3


async def test_without_a_second_round_each_alarm_is_raised_once():
    async with House(DEVICE) as house:
        ended = asyncio.Event()
        server = ("127.0.0.1", house.sip.port)
        alarms = (SimAlarm("2", "2"),)
        running = asyncio.create_task(
            _live_camera(PLAN, server, Transport.UDP, lambda _: TinySender(), ended, alarms, (0.0, 0.0))
        )
        await eventually(lambda: len(house.intake.signals) == 1)
        await asyncio.sleep(0.05)
        ended.set()
        assert (await running).alarms_sent == 1


async def test_a_device_that_waits_for_its_reset_reports_no_second_device_alarm():
    async with House(replace(DEVICE, alarm_reset="off")) as house:
        camera = await house.camera(replace(PLAN, quirks=frozenset({Quirk.NEEDS_RESET})))
        await camera.register()
        assert await camera.alarms.raise_alarm(SimAlarm()) == 200
        assert await camera.alarms.raise_alarm(SimAlarm()) == 0
        assert await camera.alarms.raise_alarm(SimAlarm("5", "2")) == 200, "video alarms do not wait"
        assert camera.report.alarms_withheld == 1
