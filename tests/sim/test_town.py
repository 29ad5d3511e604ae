"""The town's cameras run before anybody asks, and show the hour of their place."""

from __future__ import annotations

import pytest

pytest.importorskip("av")
from tests.support.clocks import FixedClock
from tocsin.sim.picture import open_pictures, take_warm, warm_up
from tocsin.sim.town import CameraKeeper, TownReport

SIP = {"host": "127.0.0.1", "port": 5060, "server_id": "34020000002000000001", "realm": "3402000000"}
GIVEN = {
    "gb_id": "34020000001320000001",
    "secret": "secret",
    "width": 320,
    "height": 180,
    "channels": [
        {"gb_id": "34020000001310000001", "name": "西门", "name_en": "West gate"},
        {"gb_id": "34020000001310000002", "name": "操场"},
    ],
}


async def test_each_channel_has_a_street_of_its_own_at_local_time() -> None:
    clock = FixedClock()
    keeper = CameraKeeper(GIVEN, SIP, clock, TownReport(), seed=1)
    first, second = keeper.specs
    assert (first.name, second.name, first.seed == second.seed) == ("West gate", "操场", False)
    assert {spec.utc_offset_s for spec in keeper.specs} == {8 * 3600}
    await warm_up(keeper.specs, clock)
    warm = take_warm(first)
    assert warm is not None
    assert take_warm(first) is None
    assert open_pictures(second, clock) is not None
    assert take_warm(second) is None
