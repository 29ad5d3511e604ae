"""Search in Chinese and pinyin, the map's points and the tree's counts, on both engines."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.support.clocks import FixedClock
from tests.support.registry import ADMINISTRATOR, HOUSE, INSTALLER_A, House, make_house
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.pinyin import MAX_CHARACTERS, search_text, search_words
from tocsin.domain import finding
from tocsin.domain.devices import CatalogEntry
from tocsin.storage.store import AnyStore

GB = "3402230000131000000"


@pytest.fixture
async def house(store: AnyStore, clock: FixedClock) -> House:
    made = await make_house(store, clock)
    camera = await made.camera()
    entries = [
        CatalogEntry(f"{GB}1", "重庆路东口", is_online=True, lon=118.1, lat=31.1, address="重庆路 100% 号"),
        CatalogEntry(f"{GB}2", "河湾桥", is_online=False, lon=118.2, lat=31.2),
        CatalogEntry(f"{GB}3", "新河湾桥北", is_online=True),
    ]
    await made.reports.catalog(camera.id, entries, True)
    return made


async def _found(house: House, text: str, *kinds: str, limit: int = 20) -> list[str]:
    found = await house.store.read(finding.find_named, HOUSE, text, kinds, limit)
    return [one.name for one in found]


@pytest.mark.parametrize(
    "text", ["重庆", "chongqing", "zhongqing", "cqldk", "ＣＨＯＮＧｑｉｎｇ", "dong 重庆", f"{GB}1", "100%"]
)
async def test_a_camera_is_found_by_name_pinyin_initials_id_and_address(house: House, text: str) -> None:
    assert await _found(house, text, "camera") == ["重庆路东口"]


async def test_a_name_that_begins_so_comes_before_one_that_holds_it(house: House) -> None:
    assert await _found(house, "河湾桥", "camera") == ["河湾桥", "新河湾桥北"]
    assert await _found(house, "hewanqiao", "camera") == ["河湾桥", "新河湾桥北"]
    assert await _found(house, "河湾桥", "camera", limit=1) == ["河湾桥"]


async def test_signs_of_the_query_language_are_only_text_and_nothing_finds_nothing(house: House) -> None:
    for text in ("%", "_", "\\", "", "   "):
        assert set(await _found(house, text)) <= {"重庆路东口"} if text == "%" else await _found(house, text) == []


async def test_an_unknown_kind_is_refused_by_name(house: House) -> None:
    with pytest.raises(TocsinError) as refused:
        await _found(house, "x", "people")
    assert (refused.value.code, refused.value.params["field"]) == (ErrorCode.INVALID, "kinds")


async def test_a_changed_name_is_found_and_the_old_one_no_longer(house: House) -> None:
    [channel] = (await house.cameras.cameras(HOUSE, text="重庆")).items
    await house.cameras.change(channel.id, {"name": "城墙"}, actor=ADMINISTRATOR, version=channel.version)
    assert [c.id for c in (await house.cameras.cameras(HOUSE, text="chengqiang")).items] == [channel.id]
    assert await _found(house, "cqldk") == []


async def test_a_name_the_catalogue_changes_is_found(house: House) -> None:
    [channel] = (await house.cameras.cameras(HOUSE, text=f"{GB}2")).items
    await house.reports.catalog(channel.device_id, [CatalogEntry(channel.gb_id, "南门")], False)
    assert await _found(house, "nanmen", "camera") == ["南门"]


async def test_lists_of_places_and_devices_are_searched_in_pinyin(house: House) -> None:
    name = house.school_a.name
    word = search_text(name).split()[1]
    assert [place.name for place in (await house.places.places(HOUSE, text=word)).items][:1] == [name]
    device = await house.devices.create(
        {"kind": "panel", "name": "粮库主机", "protocol": "dc09", "jurisdiction_id": house.county_a.id,
         "address": {"account": "7788"}},
        actor=ADMINISTRATOR,
    )  # fmt: skip
    for text in ("liangku", "lkzj", "7788"):
        assert [one.id for one in (await house.devices.devices(HOUSE, text=text)).items] == [device.id]


async def test_points_are_columns_of_equal_length_within_the_scope(house: House) -> None:
    points = {name: json.loads(column) for name, column in (await house.store.read(finding.points, HOUSE)).items()}
    assert {len(column) for column in points.values()} == {2}
    assert sorted(zip(points["name"], points["lon"], strict=True)) == [("河湾桥", 118.2), ("重庆路东口", 118.1)]
    assert set(points["online"]) <= {0, 1}
    elsewhere = replace(INSTALLER_A, jurisdiction_codes=("340299",))
    assert (await house.store.read(finding.points, elsewhere))["id"] == "[]"
    assert await house.store.read(finding.camera_counts, elsewhere) == []


async def test_counts_agree_with_the_list(house: House) -> None:
    counted = await house.store.read(finding.camera_counts, HOUSE)
    listed = (await house.cameras.cameras(HOUSE)).items
    assert sum(one.total for one in counted) == len(listed) == 3
    assert sum(one.online for one in counted) == sum(camera.is_online for camera in listed)


def test_what_is_kept_for_search_is_bounded() -> None:
    assert len(search_text("城" * 5000)) <= MAX_CHARACTERS
    assert len(search_words("a " * 500)) == 8
