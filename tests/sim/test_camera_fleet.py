"""A fleet on one socket against the real gateway."""

from __future__ import annotations

import asyncio

from tests.support.gb28181 import PASSWORD, House, words
from tocsin.domain.directory import SipDevice
from tocsin.protocols.gb28181.ids import make_id
from tocsin.sim.camera_fleet import CameraFleet, FleetPlan, run_cameras
from tocsin.sim.fleet_answers import picture_id


def devices(count: int) -> list[SipDevice]:
    return [
        SipDevice(f"device-{number}", make_id("3402000000", 132, number), PASSWORD) for number in range(1, count + 1)
    ]


async def test_a_fleet_registers_and_every_keepalive_is_answered():
    async with House(*devices(100)) as house:
        plan = FleetPlan(("127.0.0.1", house.sip.port), PASSWORD, count=100, window=32, duration_s=0.3)
        report = await run_cameras(plan, house.clock, words())
        assert (report.registered, report.refused) == (100, 0)
        assert report.keepalives_sent == report.keepalives_answered > 100
        assert report.keepalives_lost == report.keepalives_refused == 0
        assert len(house.gb.table) == 100
        assert house.gb.health().keepalives == report.keepalives_answered
        house.gb.sweep()
        assert len(house.reports.sightings) == 100


async def test_devices_nobody_entered_are_counted_as_refused():
    async with House(*devices(3)) as house:
        plan = FleetPlan(("127.0.0.1", house.sip.port), PASSWORD, count=5, duration_s=0.1, rate_per_s=200)
        report = await run_cameras(plan, house.clock, words())
        assert (report.registered, report.refused) == (3, 2)
        assert report.keepalives_refused > 0
        assert 0 < report.keepalives_sent <= 25


async def test_a_fleet_that_answers_has_a_catalogue_of_one_picture_each():
    async with House(*devices(20)) as house:
        plan = FleetPlan(("127.0.0.1", house.sip.port), PASSWORD, count=20, answers=True)
        async with CameraFleet(plan, house.clock, words()) as fleet:
            await fleet.register_all()
            async with asyncio.timeout(10):
                for gb_id in fleet.ids:
                    assert await house.gb.catalogs.read(house.gb.table.get(gb_id))
            assert fleet.questions is not None
            assert fleet.questions.asked["Catalog"] >= 20
        assert {entries[0].gb_id for _, entries, _ in house.reports.catalogs} == {picture_id(i) for i in fleet.ids}
