"""The trees of cameras, marks into long lists, groups and tags, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.clocks import FixedClock
from tests.support.registry import ADMINISTRATOR, HOUSE, INSTALLER_A, House, actor, make_house
from tests.support.stores import clock, database_url, heads_path, postgresql_server, store  # noqa: F401
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain import camera_tree
from tocsin.domain.access import Role
from tocsin.domain.camera_bulk import CameraBulk, Item
from tocsin.domain.camera_groups import MAX_DEPTH, CameraGroupService
from tocsin.domain.camera_tree import CatalogNode
from tocsin.domain.cameras import ChannelService
from tocsin.domain.devices import CatalogEntry
from tocsin.storage.store import AnyStore

GROUP_ID, ORG_ID = "34022300002150000001", "34022300002160000001"
READER_B = actor(Role.ADMINISTRATOR, codes=("340224",), name="reader-b")


@pytest.fixture
async def house(store: AnyStore, clock: FixedClock) -> House:  # noqa: F811
    return await make_house(store, clock)


async def _platform(house: House, count: int = 4) -> list[str]:
    """Enter a platform whose catalogue has a business group with an organisation; return the ids of its channels."""
    platform = await house.camera("34022300002000000001", kind="platform", name="校园平台", maker="Hikvision")
    entries = [
        CatalogEntry(
            f"3402230000132000{number:04d}",
            f"门 {number}",
            civil_code="340223",
            parent_id=(ORG_ID, GROUP_ID, "")[number % 3],
        )
        for number in range(count)
    ]
    await house.reports.catalog(platform.id, entries, True)
    nodes = [
        CatalogNode(GROUP_ID, "group", "校园"),
        CatalogNode(ORG_ID, "organisation", "第一小学", GROUP_ID),
    ]
    await house.reports.directories(platform.id, nodes, True)
    found = await house.cameras.cameras(HOUSE, device_id=platform.id, order="name")
    return [one.id for one in found.items]


async def _tree(house: House, by: str, *keys: str, who: Any = HOUSE) -> list[list[tuple[str, int]]]:
    found = await house.store.read(camera_tree.children, who, by, keys or ("",))
    return [[(node.name or node.kind, node.total) for node in found[key]] for key in keys or ("",)]


async def test_the_tree_by_business_group_counts_what_lies_below(house: House) -> None:
    await _platform(house)
    lone = await house.camera("34022300001320009999", name="单机")
    await house.reports.catalog(lone.id, [CatalogEntry("34022300001320009999", "单机", civil_code="34022300")], True)
    [roots] = await _tree(house, "catalog")
    assert roots == [("校园平台", 4), ("loose", 1)]
    found = await house.store.read(camera_tree.children, HOUSE, "catalog", ("", "z:"))
    platform_key = found[""][0].key
    [division] = found["z:"]
    assert (division.key, division.name, division.total) == ("z:340223", "河湾县", 1)
    [groups] = await _tree(house, "catalog", platform_key)
    assert groups == [("校园", 3)]
    device_id = platform_key.removeprefix("d:")
    assert await _tree(house, "catalog", f"n:{device_id}:{GROUP_ID}") == [[("第一小学", 2)]]
    for key, count in ((platform_key, 4), (f"n:{device_id}:{GROUP_ID}", 3), (f"n:{device_id}:{ORG_ID}", 2), ("z:", 1)):
        assert len((await house.cameras.cameras(HOUSE, node=key)).items) == count, key
    assert await _tree(house, "catalog", who=READER_B) == [[]]  # a directory is as secret as its cameras


async def test_a_directory_in_circles_keeps_its_cameras_in_sight(house: House) -> None:
    await _platform(house)
    device_id = (await house.store.read(camera_tree.children, HOUSE, "catalog", ("",)))[""][0].id
    nodes = [CatalogNode(GROUP_ID, "group", "校园", ORG_ID), CatalogNode(ORG_ID, "organisation", "小学", GROUP_ID)]
    await house.reports.directories(device_id, nodes, True)
    [[(_, total)]] = await _tree(house, "catalog")
    assert total == 4
    assert len((await house.cameras.cameras(HOUSE, node=f"n:{device_id}:{ORG_ID}")).items) == 3


async def test_the_tree_by_jurisdiction_ends_at_the_places(house: House) -> None:
    ids = await _platform(house, 3)
    await house.cameras.change(ids[0], {"place_id": house.school_a.id}, actor=HOUSE, version=1)
    assert await _tree(house, "jurisdiction") == [[("芜湖市", 3)]]
    [below] = await _tree(house, "jurisdiction", f"j:{house.county_a.id}")
    assert below == [("第一小学", 1), ("place", 2)]
    key = f"p:{house.county_a.id}:"
    assert len((await house.cameras.cameras(HOUSE, node=key)).items) == 2
    assert len((await house.cameras.cameras(HOUSE, node=f"{key}{house.school_a.id}")).items) == 1
    assert (await house.cameras.cameras(HOUSE, node=f"j:{house.county_b.id}")).items == []
    both = await house.cameras.cameras(HOUSE, node=f"j:{house.county_a.id}", jurisdiction_id=house.county_b.id)
    assert both.items == []


@pytest.mark.parametrize("order", ["newest", "name", "state"])
async def test_pages_by_marks_are_the_list_and_nothing_else(house: House, order: str) -> None:
    await _platform(house, 57)
    whole = [one.id for one in (await house.cameras.cameras(HOUSE, order=order, limit=500)).items]
    marks = await house.cameras.marks(HOUSE, order=order, size=20)
    form: Any = marks.form(order, 20)
    assert (form["total"], len(form["cursors"])) == (57, 2)
    pages = [await house.cameras.cameras(HOUSE, order=order, after=at, limit=20) for at in ("", *form["cursors"])]
    assert [one.id for page in pages for one in page.items] == whole
    assert pages[0].next == form["cursors"][0]


async def test_devices_are_marked_and_narrowed_alike(house: House) -> None:
    for number in range(45):
        await house.panel(f"{number:04d}", name=f"主机 {number:02d}", maker="A" if number % 2 else "B")
    marks = await house.devices.marks(HOUSE, order="state", size=20)
    cursors: Any = marks.form("state", 20)["cursors"]
    pages = [await house.devices.devices(HOUSE, order="state", after=at, limit=20) for at in ("", *cursors)]
    whole = [one.id for one in (await house.devices.devices(HOUSE, order="state", limit=100)).items]
    assert [one.id for page in pages for one in page.items] == whole
    assert (await house.devices.marks(HOUSE, maker="A")).total == 22
    assert (await house.devices.marks(HOUSE, state="faults")).total == 0


async def test_a_cursor_that_is_not_ours_is_refused(house: House) -> None:
    with pytest.raises(TocsinError) as caught:
        await house.cameras.cameras(HOUSE, order="name", after="nonsense")
    assert caught.value.code is ErrorCode.INVALID


async def test_a_group_shows_nobody_a_camera_of_elsewhere(house: House) -> None:
    ids = await _platform(house, 3)
    groups, bulk = CameraGroupService(house.store), CameraBulk(house.store, house.cameras)
    top = await groups.add({"name": "学校周边"}, actor=ADMINISTRATOR)
    inner = await groups.add({"name": "校门", "parent_id": top.id}, actor=ADMINISTRATOR)
    items = [Item(one, 0, {"add_groups": [inner.id]}) for one in ids]
    done = await bulk.run("change", items, actor=ADMINISTRATOR, is_preview=False)
    assert (len(done.changed), done.changed[0]["after"]) == (3, {"groups": [inner.id]})
    assert await _tree(house, "groups") == [[("学校周边", 3)]]
    assert len((await house.cameras.cameras(HOUSE, node=f"g:{top.id}")).items) == 3
    # Its name is shared downwards, its cameras only where one may see them.
    assert await _tree(house, "groups", who=READER_B) == [[("学校周边", 0)]]
    assert (await house.cameras.cameras(READER_B, node=f"g:{top.id}")).items == []
    with pytest.raises(TocsinError) as caught:
        await groups.change(top.id, {"name": "x"}, actor=INSTALLER_A, version=1)
    assert caught.value.code is ErrorCode.FORBIDDEN
    refused = await bulk.run("change", [Item(ids[0], 0, {"add_groups": [top.id]})], actor=INSTALLER_A, is_preview=True)
    assert [error.code for _, _, error in refused.refused] == [ErrorCode.FORBIDDEN]


async def test_groups_are_bounded_and_never_go_in_circles(house: House) -> None:
    groups = CameraGroupService(house.store)
    top = await groups.add({"name": "一"}, actor=HOUSE)
    inner = await groups.add({"name": "二", "parent_id": top.id}, actor=HOUSE)
    for act in (
        groups.change(top.id, {"parent_id": inner.id}, actor=HOUSE, version=1),
        groups.add({"name": "一"}, actor=HOUSE),
        groups.add({"name": "  "}, actor=HOUSE),
        groups.remove(top.id, actor=HOUSE),
    ):
        with pytest.raises(TocsinError):
            await act
    at = inner
    for depth in range(3, MAX_DEPTH + 1):
        at = await groups.add({"name": f"层 {depth}", "parent_id": at.id}, actor=HOUSE)
    with pytest.raises(TocsinError) as caught:
        await groups.add({"name": "太深", "parent_id": at.id}, actor=HOUSE)
    assert caught.value.key == "groups.deep"
    renamed = await groups.change(top.id, {"name": "壹"}, actor=HOUSE, version=1)
    assert (renamed.name, renamed.version) == ("壹", 2)
    audited = await house.audited()
    assert ("camera_group.saved", "done") in audited
    assert ("camera_group.removed", "refused") in audited


async def test_tags_and_groups_are_taken_back_with_the_stage(house: House) -> None:
    ids = await _platform(house, 3)
    cameras = ChannelService(house.store, house.clock, house.directory)
    bulk = CameraBulk(house.store, cameras)
    group = await CameraGroupService(house.store).add({"name": "重点"}, actor=HOUSE)
    changes = {"add_tags": ["夜间", " 校门 "], "add_groups": [group.id], "owner": "一中队"}
    seen = await bulk.run("change", [Item(one, 0, changes) for one in ids], actor=HOUSE, is_preview=True)
    assert seen.changed[0]["after"] == {"tags": ["夜间", "校门"], "owner": "一中队", "groups": [group.id]}
    done = await bulk.run("change", [Item(one, 0, changes) for one in ids], actor=HOUSE, is_preview=False)
    assert len((await cameras.cameras(HOUSE, tag="校门")).items) == 3
    assert (await cameras.cameras(HOUSE, tag="校")).items == []
    assert len((await cameras.cameras(HOUSE, text="xiaomen")).items) == 3
    facets = await house.store.read(lambda tx: tx.tree.facets(visible_to=camera_tree.scope(HOUSE, camera_tree.READ)))
    assert facets[2] == [("夜间", 3), ("校门", 3)]

    fresh = await cameras.camera(ids[0], actor=HOUSE)
    await cameras.change(ids[0], {"name": "改过"}, actor=HOUSE, version=fresh.version)
    back = [Item(str(one["id"]), int(str(one["version"])), one["before"]) for one in done.changed]  # type: ignore[arg-type]
    undone = await bulk.run("restore", back, actor=HOUSE, is_preview=False)
    assert [one[0] for one in undone.refused] == [ids[0]]
    restored = await cameras.camera(ids[1], actor=HOUSE)
    assert (restored.tags, restored.owner) == ((), "")
    assert len((await cameras.cameras(HOUSE, node=f"g:{group.id}")).items) == 1


@pytest.mark.parametrize("act", ["commission", "retire"])
async def test_a_stage_is_taken_back(house: House, act: str) -> None:
    ids = await _platform(house, 3)
    bulk = CameraBulk(house.store, house.cameras)
    before = [await house.cameras.camera(one, actor=HOUSE) for one in ids]
    seen = await bulk.run(act, [Item(one) for one in ids], actor=HOUSE, is_preview=True)
    done = await bulk.run(act, [Item(one) for one in ids], actor=HOUSE, is_preview=False)
    assert [one["after"] for one in seen.changed] == [one["after"] for one in done.changed]
    assert len(done.changed) == 3
    back = [Item(str(one["id"]), int(str(one["version"])), one["before"]) for one in done.changed]  # type: ignore[arg-type]
    undone = await bulk.run("restore", back, actor=HOUSE, is_preview=False)
    assert (len(undone.changed), undone.refused) == (3, [])
    after = [await house.cameras.camera(one, actor=HOUSE) for one in ids]
    assert [(one.stage, one.owner, one.purpose, one.place_id) for one in after] == [
        (one.stage, one.owner, one.purpose, one.place_id) for one in before
    ]
    assert [one.retired_at for one in after] == [None] * 3
    assert (await house.audited()).count(("channel.restored", "done")) == 3


async def test_a_camera_is_put_into_another_jurisdiction_and_stays_there(house: House) -> None:
    ids = await _platform(house, 3)
    bulk = CameraBulk(house.store, house.cameras)
    item = Item(ids[0], 0, {"jurisdiction_id": house.county_b.id})
    refused = await bulk.run("change", [item], actor=INSTALLER_A, is_preview=True)
    assert [error.code for _, _, error in refused.refused] == [ErrorCode.NOT_FOUND]
    done = await bulk.run("change", [item], actor=ADMINISTRATOR, is_preview=False)
    assert done.changed[0]["before"] == {"jurisdiction_id": house.county_a.id}
    device = await house.device((await house.cameras.camera(ids[0], actor=HOUSE)).device_id)
    await house.devices.change(
        device.id,
        {"jurisdiction_id": house.city.id, "place_id": None},
        actor=HOUSE,
        version=device.version,
    )
    homes = [(await house.cameras.camera(one, actor=HOUSE)).jurisdiction_id for one in ids]
    assert homes == [house.county_b.id, house.city.id, house.city.id]


async def test_too_many_tags_are_refused_and_named(house: House) -> None:
    [one, *_] = await _platform(house, 3)
    bulk = CameraBulk(house.store, house.cameras)
    many = Item(one, 0, {"tags": [f"t{n}" for n in range(30)]})
    done = await bulk.run("change", [many], actor=HOUSE, is_preview=True)
    assert [error.key for _, _, error in done.refused] == ["registry.many_tags"]
