"""Clocks of simulated devices: read from DeviceStatus, suspected from what they report, found right again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.gb28181 import PASSWORD, House, eventually
from tocsin.domain.directory import SipDevice
from tocsin.protocols.gb28181.device_clock import ClockReading, read_clock
from tocsin.sim.camera import CameraPlan, Quirk, SimCamera
from tocsin.sim.camera_alarms import SimAlarm

DEVICE = SipDevice("device-1", "34020000001320000001", PASSWORD)
PLAN = CameraPlan(DEVICE.gb_id, PASSWORD)
ASKED = datetime(2026, 11, 22, 3, 36, 20, 500_000, tzinfo=UTC)
HEARD = ASKED + timedelta(seconds=4)


async def registered(house: House, *quirks: Quirk) -> SimCamera:
    camera = await house.camera(replace(PLAN, quirks=frozenset(quirks)))
    assert await camera.register()
    return camera


def profile(house: House) -> dict[str, str]:
    return house.reports.profile.get("device-1", {})


async def asked(house: House) -> dict[str, str]:
    """Ask whose turn it is and return the profile with the answer."""
    assert house.gb.clocks.ask_round() == 1
    await eventually(lambda: "clock_offset_s" in profile(house))
    return profile(house)


@pytest.mark.parametrize(
    ("text", "offset_s", "zone"),
    [
        ("2026-11-22T11:36:20", 0.0, ""),  # cut to the second below our question
        ("2026-11-22T11:36:22", 0.0, ""),  # any moment of a slow line
        ("2026-11-22 11:36:24.5", 0.0, ""),
        ("2026-11-22T11:38:24.500", 120.0, ""),
        ("2026-11-22T11:30:19", -360.5, ""),
        ("2026-11-22T03:36:22", 0.0, "utc"),
        ("2026-11-22T03:37:24.5", 60.0, "utc"),
        ("2026-11-22T03:36:22Z", 0.0, ""),
        ("2026-11-22T11:36:22Z", 0.0, ""),
        ("2026-11-22T03:36:22+00:00", 0.0, ""),
        ("2026-11-22T12:36:24.5", 3600.0, ""),
        ("1999-12-31T23:59:59", None, ""),
    ],
)
def test_the_least_difference_that_explains_a_clock_counts(text, offset_s, zone):
    found = read_clock(text, ASKED, HEARD)
    assert found is not None
    assert found.zone == zone
    if offset_s is not None:
        assert found == ClockReading(offset_s, zone)
    else:
        assert found.offset_s < -800_000_000


@pytest.mark.parametrize("text", ["", "null", "2026-13-40T99:00:00", "11:36:20"])
def test_what_is_no_time_says_nothing_of_a_clock(text):
    assert read_clock(text, ASKED, HEARD) is None


async def test_a_device_is_asked_in_its_turn_and_its_clock_kept():
    async with House(DEVICE) as house:
        camera = await registered(house)
        camera.alarms.clock_ahead_s = 300
        found = await asked(house)
        assert 295 <= float(found["clock_offset_s"]) <= 301
        assert house.gb.clocks.ask_round() == 0, "not again before its time"


async def test_a_clock_in_utc_is_told_as_such_and_is_not_off():
    async with House(DEVICE) as house:
        await registered(house, Quirk.CLOCK_IS_UTC)
        found = await asked(house)
        assert (found["clock_zone"], found["clock_offset_s"]) == ("utc", "0")


async def test_a_report_from_the_future_is_proof_and_one_from_the_past_only_makes_us_ask():
    async with House(DEVICE) as house:
        camera = await registered(house)
        await asked(house)
        camera.alarms.clock_ahead_s = -7200
        await camera.alarms.raise_alarm(SimAlarm("5", "2"))
        assert profile(house)["clock_offset_s"] == "0", "it may have been late"
        await asked(house)
        await eventually(lambda: float(profile(house)["clock_offset_s"]) < -7100)
        camera.alarms.clock_ahead_s = 7200
        await camera.alarms.raise_alarm(SimAlarm("5", "2"))
        assert float(profile(house)["clock_offset_s"]) > 7100
        camera.alarms.clock_ahead_s = 0
        await camera.alarms.raise_alarm(SimAlarm("5", "2"))
        assert abs(float(profile(house)["clock_offset_s"])) < 5, "and is right again"


async def test_reading_how_a_device_is_reads_its_clock_too():
    async with House(DEVICE) as house:
        camera = await registered(house)
        camera.alarms.clock_ahead_s = 90
        await house.gb.desk.condition("device-1")
        assert 85 <= float(profile(house)["clock_offset_s"]) <= 91
