"""An import is taken back whole within a day; what was changed or used since is left and named. On both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.clocks import FixedClock
from tests.support.registry import ADMINISTRATOR, HOUSE, INSTALLER_A, House, make_house
from tests.support.stores import clock, database_url, heads_path, postgresql_server, store  # noqa: F401
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.passwords import Passwords
from tocsin.base.sheets import write_csv
from tocsin.domain.account_files import AccountFiles
from tocsin.domain.cameras import ChannelService
from tocsin.domain.devices import CatalogEntry
from tocsin.domain.import_service import ImportService
from tocsin.domain.import_undo_service import ImportUndo
from tocsin.domain.place_service import PlaceService
from tocsin.storage.store import AnyStore

HEAD = ("jurisdiction", "name", "gb_id", "password")
IDS = [f"340223000013200{number:05}" for number in range(120)]


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


@pytest.fixture
def undo(house: House, imports: ImportService) -> ImportUndo:
    return ImportUndo(house.store, house.devices, imports.is_entered)


async def entered(imports: ImportService, rows: list[tuple[str, ...]]) -> str:
    """Enter a table; return the import's id."""
    found = await imports.check(write_csv(rows), "file.csv", actor=ADMINISTRATOR)
    assert found.wrong == []
    await imports.apply(found.id, actor=ADMINISTRATOR)
    await imports.finished()
    assert (found.state, found.counts["refused"]) == ("done", 0)
    return found.id


async def taken_back(undo: ImportUndo, import_id: str) -> tuple[int, list[tuple[int, str]]]:
    """Take an import back; return how many lines were, and those that stay with why."""
    run = await undo.begin(import_id, actor=ADMINISTRATOR)
    await undo.finished()
    assert (run.state, run.done) == ("done", run.total)
    return run.free, sorted((one.line, one.why) for one in run.left)


async def test_devices_are_retired_with_their_secrets_and_a_record_each_and_may_come_again(
    house: House, imports: ImportService, undo: ImportUndo
) -> None:
    rows = [HEAD, *((house.county_a.code, f"摄像机 {gb_id[-3:]}", gb_id, "secret-1") for gb_id in IDS)]
    import_id = await entered(imports, rows)
    [listed] = await undo.recent(actor=ADMINISTRATOR)
    assert (listed.id, listed.lines, listed.file) == (import_id, 120, "file.csv")
    before = len(await house.audited())
    looked = await undo.look(import_id, actor=ADMINISTRATOR)
    assert (looked.state, looked.free, looked.left) == ("ready", 120, [])
    assert len(await house.audited()) == before
    assert await taken_back(undo, import_id) == (120, [])
    assert (await house.devices.devices(HOUSE)).items == []
    assert house.directory.sip_device(IDS[0]) is None
    actions = [action for action, _ in (await house.audited())[before:]]
    assert (actions[0], actions[-1], actions.count("device.retired")) == ("import.undo_begun", "import.undone", 120)
    old = (await house.devices.devices(HOUSE, with_retired=True)).items
    assert {device.is_keyed for device in old} == {False}
    assert (await undo.recent(actor=ADMINISTRATOR))[0].lines == 0
    await entered(imports, rows)
    assert len((await house.devices.devices(HOUSE, limit=500)).items) == 120


async def test_what_was_changed_or_used_since_is_left_and_named(
    house: House, imports: ImportService, undo: ImportUndo
) -> None:
    rows = [HEAD, *((house.county_a.code, f"摄像机 {gb_id[-3:]}", gb_id, "") for gb_id in IDS[:4])]
    import_id = await entered(imports, rows)
    known = {device.gb_id: device for device in (await house.devices.devices(HOUSE)).items}
    first, second, third = (known[gb_id] for gb_id in IDS[:3])
    await house.devices.change(first.id, {"name": "大门"}, actor=HOUSE, version=first.version)
    await house.reports.catalog(second.id, [CatalogEntry(second.gb_id, "南门")], True)
    await house.devices.retire(third.id, actor=HOUSE, version=third.version)
    looked = await undo.look(import_id, actor=ADMINISTRATOR)
    assert (looked.free, sorted(one.name for one in looked.left)) == (1, ["大门", "摄像机 001", "摄像机 002"])
    assert await taken_back(undo, import_id) == (1, [(2, "changed"), (3, "used"), (4, "gone")])
    assert {device.gb_id for device in (await house.devices.devices(HOUSE)).items} == {IDS[0], IDS[1]}
    [listed] = await undo.recent(actor=ADMINISTRATOR)
    assert (listed.lines, listed.taken_back) == (3, 1)


async def test_changes_are_as_before_and_a_new_secret_is_taken_away(
    house: House, imports: ImportService, undo: ImportUndo
) -> None:
    device = await house.camera(IDS[0])
    rows = [HEAD, (house.county_a.code, "大门", IDS[0], "secret-1")]
    import_id = await entered(imports, rows)
    changed = await house.device(device.id)
    assert (changed.name, changed.is_keyed) == ("大门", True)
    assert await taken_back(undo, import_id) == (1, [])
    back = await house.device(device.id)
    assert (back.name, back.is_keyed, back.retired_at) == (device.name, False, None)


async def test_a_place_that_is_stood_at_stays_until_what_stands_there_is_taken_back(
    house: House, imports: ImportService, undo: ImportUndo
) -> None:
    code = house.county_a.code
    places = await entered(imports, [("jurisdiction", "name"), (code, "水厂"), (code, "市场")])
    devices = await entered(imports, [("jurisdiction", "place", "name", "gb_id"), (code, "水厂", "东门", IDS[0])])
    assert await taken_back(undo, places) == (1, [(2, "occupied")])
    assert await taken_back(undo, devices) == (1, [])
    assert await taken_back(undo, places) == (1, [])
    assert [place.name for place in (await house.places.places(HOUSE, text="水厂")).items] == []


async def test_zones_links_and_cameras_are_as_before(house: House, imports: ImportService, undo: ImportUndo) -> None:
    panel = await house.panel("3411")
    device = await house.camera(IDS[0])
    await house.reports.catalog(device.id, [CatalogEntry(IDS[1], "南门")], True)
    [camera] = (await house.cameras.cameras(HOUSE)).items
    zones = await entered(imports, [("account", "zone", "name"), ("3411", "4", "仓库红外")])
    links = await entered(imports, [("account", "zone", "cameras"), ("3411", "4", IDS[1])])
    cameras = await entered(imports, [
        ("camera", "place", "owner", "purpose"), (IDS[1], house.school_a.name, "河湾县公安局", "公共安全")
    ])  # fmt: skip
    assert (await house.cameras.camera(camera.id, actor=HOUSE)).stage == "in_service"
    assert await taken_back(undo, cameras) == (1, [])
    back = await house.cameras.camera(camera.id, actor=HOUSE)
    assert (back.stage, back.owner, back.place_id) == (camera.stage, camera.owner, camera.place_id)
    assert await taken_back(undo, zones) == (0, [(2, "changed")])
    assert await taken_back(undo, links) == (1, [])
    [zone] = await house.devices.zones(panel.id, actor=HOUSE)
    assert zone.cameras == ()


async def test_a_day_later_and_outside_ones_area_there_is_nothing_to_take_back(
    house: House, imports: ImportService, undo: ImportUndo
) -> None:
    import_id = await entered(imports, [("jurisdiction", "name"), (house.county_b.code, "水厂")])
    assert await undo.recent(actor=INSTALLER_A) == []
    with pytest.raises(TocsinError) as hidden:
        await undo.begin(import_id, actor=INSTALLER_A)
    assert hidden.value.code is ErrorCode.NOT_FOUND
    house.clock.advance(timedelta(hours=24).total_seconds())
    with pytest.raises(TocsinError) as late:
        await undo.begin(import_id, actor=ADMINISTRATOR)
    assert (late.value.code, late.value.key) == (ErrorCode.NOT_FOUND, "import.undo_gone")
    await house.store.run(lambda tx: tx.imports.trim(tx.now))
    assert await house.store.read(lambda tx: tx.imports.lines(import_id, before=100, limit=10)) == []
