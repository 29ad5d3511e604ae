"""Files checked and entered beside a running house, on both databases."""

from __future__ import annotations

import pytest

from tests.support.clocks import FixedClock
from tests.support.registry import HOUSE, INSTALLER_A, House, make_house
from tests.support.stores import clock, database_url, heads_path, postgresql_server, store  # noqa: F401
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.passwords import Passwords
from tocsin.base.sheets import write_csv
from tocsin.domain.account_files import AccountFiles
from tocsin.domain.cameras import ChannelService
from tocsin.domain.import_service import ImportService
from tocsin.domain.place_service import PlaceService
from tocsin.storage.store import AnyStore

HEAD = ("jurisdiction", "place", "name", "gb_id")


@pytest.fixture
async def house(store: AnyStore, clock: FixedClock) -> House:  # noqa: F811
    return await make_house(store, clock)


@pytest.fixture
def imports(house: House) -> ImportService:
    places = PlaceService(house.store, house.clock)
    cameras = ChannelService(house.store, house.clock, house.directory)
    return ImportService(
        house.store, house.clock, places, house.devices, cameras, AccountFiles(house.store, house.clock, Passwords())
    )


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


async def test_what_another_took_meanwhile_is_refused_alone_and_kept_in_the_audit(
    house: House, imports: ImportService
) -> None:
    ids = [f"340223000013200{number:05}" for number in range(3)]
    rows = [(house.county_a.code, house.school_a.name, f"摄像机 {gb_id[-5:]}", gb_id) for gb_id in ids]
    found = await imports.check(write_csv([HEAD, *rows]), "cameras.csv", actor=HOUSE)
    await house.camera(ids[1])
    before = len(await house.audited())
    await imports.apply(found.id, actor=HOUSE)
    await imports.finished()
    assert (found.counts["create"], found.counts["refused"]) == (2, 1)
    assert [(one.line, one.column, one.error.key) for one in found.wrong] == [(3, "gb_id", "registry.gb_id_taken")]
    assert (await house.audited())[before:] == [
        ("import.begun", "done"),
        ("device.added", "refused"),
        ("device.added", "done"),
        ("device.added", "done"),
        ("import.ended", "done"),
    ]


async def test_a_secret_of_a_file_is_sealed_counts_at_once_and_has_its_record(
    house: House, imports: ImportService
) -> None:
    row = (house.county_a.code, "西门枪机", "34022300001320000001", "secret-1")
    found = await imports.check(
        write_csv([("jurisdiction", "name", "gb_id", "password"), row]), "cameras.csv", actor=HOUSE
    )
    await imports.apply(found.id, actor=HOUSE)
    await imports.finished()
    known = house.directory.sip_device("34022300001320000001")
    assert (known is not None and known.password) == "secret-1"
    assert [action for action, _ in await house.audited()][-3:-1] == ["device.added", "device.secret_set"]
    [device] = (await house.devices.devices(HOUSE)).items
    assert (device.is_keyed, device.version) == (True, 1)
    told = await house.store.read(lambda tx: tx.outbox.after(0, 1_000))
    [shown] = [item.data for item in told if item.type == "device.changed" and item.subject_id == device.id]
    assert b'"keyed":true' in shown


async def test_a_place_retired_meanwhile_keeps_its_devices_out(house: House, imports: ImportService) -> None:
    row = (house.county_a.code, house.school_a.name, "西门枪机", "34022300001320000001")
    found = await imports.check(write_csv([HEAD, row]), "cameras.csv", actor=HOUSE)
    await house.places.retire_place(house.school_a.id, actor=HOUSE, version=house.school_a.version)
    await imports.apply(found.id, actor=HOUSE)
    await imports.finished()
    assert [(one.column, one.error.key) for one in found.wrong] == [("place", "registry.retired")]
    assert (await house.devices.devices(HOUSE)).items == []


async def test_terminals_of_a_file_are_found_by_their_number(house: House, imports: ImportService) -> None:
    head = ("jurisdiction", "kind", "name", "account")
    rows = [(house.county_a.code, "terminal", f"终端 {n}", str(13_800_138_000 + n)) for n in range(3)]
    wrong = [(house.county_a.code, "terminal", "终端", "013800138009")]
    found = await imports.check(write_csv([head, *rows, *wrong]), "terminals.csv", actor=HOUSE)
    assert (found.counts["create"], [one.line for one in found.wrong]) == (3, [5])
    found = await imports.check(write_csv([head, *rows]), "terminals.csv", actor=HOUSE)
    await imports.apply(found.id, actor=HOUSE)
    await imports.finished()
    assert house.directory.source("jt808", "13800138002") is not None
