"""Files checked and entered beside a running house, on both databases."""

from __future__ import annotations

import pytest

from tests.support.clocks import FixedClock
from tests.support.registry import HOUSE, INSTALLER_A, House, make_house
from tests.support.stores import clock, database_url, heads_path, postgresql_server, store  # noqa: F401
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.sheets import write_csv
from tocsin.domain.cameras import ChannelService
from tocsin.domain.import_service import ImportService
from tocsin.domain.registry import PlaceService
from tocsin.storage.store import AnyStore

HEAD = ("jurisdiction", "place", "name", "gb_id")


@pytest.fixture
async def house(store: AnyStore, clock: FixedClock) -> House:  # noqa: F811
    return await make_house(store, clock)


@pytest.fixture
def imports(house: House) -> ImportService:
    places = PlaceService(house.store, house.clock)
    cameras = ChannelService(house.store, house.clock, house.directory)
    return ImportService(house.store, house.clock, places, house.devices, cameras)


async def test_devices_of_a_file_are_known_to_the_gateways_at_once(house: House, imports: ImportService) -> None:
    ids = [f"340223000013200{number:05}" for number in range(250)]
    rows = [(house.county_a.code, house.school_a.name, f"摄像机 {gb_id[-5:]}", gb_id) for gb_id in ids]
    found = await imports.check(write_csv([HEAD, *rows]), "cameras.csv", actor=HOUSE)
    assert found.counts == {"create": 250, "change": 0, "same": 0, "wrong": 0}
    await imports.apply(found.id, actor=HOUSE)
    await imports.finished()
    assert (found.state, found.counts["create"], found.counts["refused"]) == ("done", 250, 0)
    devices = (await house.devices.devices(HOUSE, limit=500)).items
    known = {device.gb_id: device.id for device in devices}
    assert house.directory.sip_of(known[ids[-1]]) is not None
    audited = await house.audited()
    assert [one for one in audited if one[0].startswith("import.")] == [
        ("import.begun", "done"),
        ("import.ended", "done"),
    ]
    assert sum(action == "device.added" for action, _ in audited) == 250


async def test_lines_outside_ones_own_area_are_wrong_before_anything_is_entered(
    house: House, imports: ImportService
) -> None:
    rows = [(house.county_b.code, "水厂"), (house.county_a.code, "水厂")]
    found = await imports.check(write_csv([("jurisdiction", "name"), *rows]), "", actor=INSTALLER_A)
    assert [(one.line, one.column) for one in found.wrong] == [(2, "jurisdiction")]
    assert found.counts["create"] == 1
    with pytest.raises(TocsinError) as refused:
        await imports.apply(found.id, actor=INSTALLER_A)
    assert (refused.value.code, refused.value.key) == (ErrorCode.CONFLICT, "import.has_wrong_lines")
