"""Channels: discovered by catalogues, put into service by people, on both engines."""

from __future__ import annotations

import pytest

from tests.support.clocks import FixedClock
from tests.support.registry import ADMINISTRATOR, HOUSE, OPERATOR, House, make_house
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.devices import CatalogEntry, CatalogResult
from tocsin.storage.store import AnyStore

GB = "3402230000131000000"


@pytest.fixture
async def house(store: AnyStore, clock: FixedClock) -> House:
    return await make_house(store, clock)


async def _discover(house: House, *names: str) -> tuple[str, list[ChannelRecord]]:
    camera = await house.camera()
    entries = [CatalogEntry(f"{GB}{n}", name, is_online=True) for n, name in enumerate(names)]
    await house.reports.catalog(camera.id, entries, True)
    return camera.id, await _channels(house)


async def _channels(house: House) -> list[ChannelRecord]:
    page = await house.cameras.cameras(HOUSE)
    return sorted(page.items, key=lambda channel: channel.gb_id)


async def test_a_new_channel_is_discovered_and_says_what_is_missing(house: House) -> None:
    _, (channel,) = await _discover(house, "东门")
    assert (channel.stage, channel.form()["missing"]) == ("discovered", ["owner", "place", "purpose"])
    assert await house.facts("camera.changed") == [channel.id]


async def test_the_last_missing_field_set_by_an_administrator_puts_it_into_service(house: House) -> None:
    _, (channel,) = await _discover(house, "东门")
    given = {"owner": "学校", "place_id": house.school_a.id, "purpose": "看护校门"}
    saved = await house.cameras.change(channel.id, given, actor=ADMINISTRATOR, version=channel.version)
    assert (saved.stage, saved.missing) == ("in_service", ())
    assert ("channel.commissioned", "done") in await house.audited()
    known = house.directory.channel(channel.id)
    assert known is not None
    assert known.stage == "in_service"


async def test_a_jurisdiction_is_commissioned_with_its_defaults_and_the_places_of_the_devices(house: House) -> None:
    await _discover(house, "东门", "西门", "操场")
    done = await house.cameras.commission(actor=ADMINISTRATOR, jurisdiction_id=house.city.id)
    assert (len(done.commissioned), done.refused) == (3, ())
    channels = await _channels(house)
    assert {(c.stage, c.owner, c.place_id) for c in channels} == {("in_service", "河湾县公安局", house.school_a.id)}


async def test_a_partial_catalogue_adds_and_a_complete_one_lets_the_absent_go(house: House) -> None:
    camera_id, _ = await _discover(house, "一", "二")
    partial = await house.reports.catalog(camera_id, [CatalogEntry(f"{GB}5", "三")], False)
    assert partial == CatalogResult(added=1)
    complete = await house.reports.catalog(camera_id, [CatalogEntry(f"{GB}0", "一")], True)
    assert complete == CatalogResult(gone=2)
    assert [channel.form()["gone"] for channel in await _channels(house)] == [False, True, True]
    known = house.directory.channel_by_gb_id(camera_id, f"{GB}5")
    assert known is not None
    assert known.is_gone


async def test_a_channel_that_comes_back_is_as_people_left_it(house: House) -> None:
    camera_id, (channel,) = await _discover(house, "东门")
    given = {"name": "校门口", "owner": "学校", "place_id": house.school_a.id, "purpose": "看护"}
    await house.cameras.change(channel.id, given, actor=ADMINISTRATOR, version=1)
    await house.reports.catalog(camera_id, [], True)
    result = await house.reports.catalog(camera_id, [CatalogEntry(f"{GB}0", "Camera 01", lon=118.1, lat=31.1)], True)
    assert result == CatalogResult(returned=1)
    (back,) = await _channels(house)
    assert (back.id, back.name, back.stage, back.gone_at) == (channel.id, "校门口", "in_service", None)
    assert (back.lon, back.lat) == (118.1, 31.1)


async def test_the_same_catalogue_twice_changes_nothing(house: House) -> None:
    camera_id, _ = await _discover(house, "一", "二")
    before = len(await house.facts("camera.changed"))
    entries = [CatalogEntry(f"{GB}{n}", name, is_online=True) for n, name in enumerate(("一", "二"))]
    assert await house.reports.catalog(camera_id, entries, True) == CatalogResult()
    assert len(await house.facts("camera.changed")) == before


async def test_a_camera_is_online_with_its_device_unless_it_says_off(house: House) -> None:
    camera_id, _ = await _discover(house, "一", "二")
    house.reports.registered(camera_id, house.clock.now(), 3600, "127.0.0.1:5060", "udp", "", "")
    await house.supervision.settle()
    await house.reports.catalog(camera_id, [CatalogEntry(f"{GB}1", "二", is_online=False)], False)
    assert [c.form()["state"] for c in await _channels(house)] == ["online", "offline"]
    online = await house.cameras.cameras(OPERATOR, state="online")
    assert [c.gb_id for c in online.items] == [f"{GB}0"]
    assert len((await house.cameras.cameras(OPERATOR, state="offline")).items) == 1


async def test_no_camera_is_online_whose_device_is_not_whatever_its_list_said(house: House) -> None:
    camera_id, _ = await _discover(house, "一", "二")
    house.reports.registered(camera_id, house.clock.now(), 3600, "127.0.0.1:5060", "udp", "", "")
    await house.supervision.settle()
    await house.reports.catalog(camera_id, [CatalogEntry(f"{GB}0", "一", is_online=True)], False)
    house.reports.unregistered(camera_id, house.clock.now(), "register.keepalive_lost")
    await house.supervision.settle()
    assert {c.form()["state"] for c in await _channels(house)} == {"offline"}


async def test_a_retired_camera_leaves_the_list_and_stays_retired_when_named_again(house: House) -> None:
    camera_id, (channel,) = await _discover(house, "东门")
    await house.cameras.retire(channel.id, actor=ADMINISTRATOR, version=1)
    assert await _channels(house) == []
    await house.reports.catalog(camera_id, [CatalogEntry(f"{GB}0", "新名字")], True)
    (retired,) = (await house.cameras.cameras(HOUSE, stage="retired")).items
    assert retired.id == channel.id
    assert house.directory.channel(channel.id) is None
