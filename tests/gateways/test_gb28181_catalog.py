"""Catalogues read from simulated recorders, with the oddities of the field."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.support.gb28181 import PASSWORD, House, eventually
from tocsin.domain.directory import SipDevice
from tocsin.gateways.gb28181_catalog import entries_of, is_picture, nodes_of
from tocsin.protocols.gb28181.catalog import CatalogAssembler, CatalogItem, ItemEvent, item_fields
from tocsin.protocols.gb28181.ids import make_id
from tocsin.protocols.gb28181.manscdp import catalog_response
from tocsin.protocols.sip.codes import Timers, Transport
from tocsin.sim.camera import make_channels
from tocsin.sim.camera_plan import CameraPlan, Quirk

DEVICE = SipDevice("recorder-1", "34020000001180000001", PASSWORD)
CHANNELS = make_channels(7, 5, parent_id=DEVICE.gb_id)


def plan(*quirks: Quirk, **fields: object) -> CameraPlan:
    return CameraPlan(DEVICE.gb_id, PASSWORD, channels=CHANNELS, quirks=frozenset(quirks), **fields)


async def read(house: House, camera) -> bool:
    await camera.register()
    return await house.gb.catalogs.read(house.gb.table.get(DEVICE.gb_id))


@pytest.mark.parametrize("transport", list(Transport))
@pytest.mark.parametrize("page_items", [1, 2, 50])
async def test_pages_become_one_complete_set(transport, page_items):
    async with House(DEVICE) as house:
        camera = await house.camera(plan(page_items=page_items), transport)
        assert await read(house, camera)
        [(device_id, entries, complete)] = house.reports.catalogs
        assert (device_id, complete) == ("recorder-1", True)
        assert [entry.name for entry in entries] == [channel.name for channel in CHANNELS]
        assert entries[0].is_online is True
        assert entries[0].parent_id == ""
        assert house.reports.keys("catalog") == ["catalog.asked", "catalog.complete", "catalog.stored"]


async def test_a_registration_leads_to_a_catalogue_by_itself():
    async with House(DEVICE, query_catalog=True) as house:
        camera = await house.camera(plan())
        await camera.register()
        await eventually(lambda: len(house.reports.catalogs) == 1)
        await camera.register()
        assert house.gb.catalogs.waiting == 0


@pytest.mark.parametrize(
    "quirk",
    [
        Quirk.LENGTH_IN_CHARACTERS,
        Quirk.UTF8_LABELLED_GB2312,
        Quirk.MISSING_SN,
        Quirk.BARE_AMPERSAND,
        Quirk.RAW_LESS_THAN,
        Quirk.LINE_FEEDS_ONLY,
        Quirk.DUPLICATE_PAGE,
        Quirk.WRONG_CONTACT,
    ],
)
@pytest.mark.parametrize("transport", list(Transport))
async def test_the_oddities_of_the_field_cost_no_channel(quirk, transport):
    async with House(DEVICE) as house:
        camera = await house.camera(plan(quirk), transport)
        assert await read(house, camera)
        assert len(house.reports.catalogs[0][1]) == 5
        assert {entry.name for entry in house.reports.catalogs[0][1]} == {channel.name for channel in CHANNELS}


async def test_a_body_split_over_datagrams_is_joined():
    async with House(DEVICE) as house:
        camera = await house.camera(plan(Quirk.SPLIT_DATAGRAM))
        assert await read(house, camera)
        assert len(house.reports.catalogs[0][1]) == 5


async def test_a_charset_that_is_certain_is_learned():
    async with House(DEVICE) as house:
        camera = await house.camera(plan(Quirk.UTF8_LABELLED_GB2312))
        await read(house, camera)
        assert house.reports.profile["recorder-1"]["charset"] == "utf-8"


def hurried(house: House) -> None:
    house.gb.catalogs._assembler = CatalogAssembler(first_s=0.3, idle_s=0.2)


async def test_a_lost_page_keeps_what_came_and_deletes_nothing():
    async with House(DEVICE) as house:
        hurried(house)
        camera = await house.camera(plan(Quirk.LOST_PAGE))
        assert not await read(house, camera)
        assert [(len(entries), complete) for _, entries, complete in house.reports.catalogs] == [(4, False), (4, False)]
        attempt = house.reports.last("catalog")
        assert (attempt.outcome, attempt.failure) == ("failed", "catalog.incomplete")
        assert dict(attempt.steps[1].params) == {"received": 4, "expected": 5}


async def test_a_page_lost_once_is_made_good_by_the_second_question():
    async with House(DEVICE) as house:
        hurried(house)
        camera = await house.camera(plan(Quirk.LOST_PAGE_ONCE))
        assert await read(house, camera)
        assert [complete for _, _, complete in house.reports.catalogs] == [False, True]
        assert "catalog.retry" in house.reports.keys("catalog")


@pytest.mark.parametrize(("quirks", "window"), [((), 8), ((), 1), ((Quirk.NEVER_REPEATS_PAGES,), 1)])
async def test_a_catalogue_over_a_network_that_loses_a_tenth_comes_whole(quirks, window):
    channels = tuple(
        CatalogItem(make_id("3402000000", 131, number), f"Channel {number}", is_online=True) for number in range(1, 81)
    )
    async with House(DEVICE, timers=Timers(0.02, 0.08)) as house:
        hurried(house)
        lossy = replace(plan(*quirks, page_window=window), channels=channels)
        camera = await house.camera(lossy, loss=0.1)
        assert await read(house, camera)
        _, entries, is_complete = house.reports.catalogs[-1]
        assert ({entry.gb_id for entry in entries}, is_complete) == ({item.gb_id for item in channels}, True)
        assert all(not complete for _, _, complete in house.reports.catalogs[:-1])


async def test_a_device_that_sends_no_list_is_told_apart_from_one_that_does_not_answer():
    async with House(DEVICE, timers=Timers(0.01, 0.04)) as house:
        hurried(house)
        camera = await house.camera(plan(Quirk.NO_CATALOG))
        assert not await read(house, camera)
        assert house.reports.last("catalog").failure == "catalog.no_answer"
        assert house.reports.catalogs == []
        await camera.wire.close()
        assert not await house.gb.catalogs.read(house.gb.table.get(DEVICE.gb_id))
        assert house.reports.last("catalog").failure == "catalog.unreachable"


async def test_an_empty_recorder_is_a_complete_answer():
    async with House(DEVICE) as house:
        camera = await house.camera(CameraPlan(DEVICE.gb_id, PASSWORD))
        assert await read(house, camera)
        assert house.reports.catalogs == [("recorder-1", (), True)]


async def test_the_maker_is_asked_for_after_the_catalogue():
    async with House(DEVICE) as house:
        camera = await house.camera(plan())
        assert await read(house, camera)
        await eventually(lambda: "maker" in house.reports.profile.get("recorder-1", {}))
        assert house.reports.profile["recorder-1"] | {"charset": ""} == {
            "maker": "Tocsin",
            "model": "Sim",
            "firmware": "1.0",
            "charset": "",
        }


async def test_a_charset_set_by_hand_is_not_reported_for_every_document():
    known = SipDevice(DEVICE.device_id, DEVICE.gb_id, PASSWORD, charset="gbk")
    async with House(known) as house:
        house.reports.learn = None
        camera = await house.camera(plan(Quirk.UTF8_LABELLED_GB2312))
        told = []
        house.reports.learn = lambda device_id, profile: told.extend(profile)
        assert await read(house, camera)
        assert told.count("charset") == 1


async def test_an_unsolicited_item_only_adds():
    async with House(DEVICE) as house:
        camera = await house.camera(plan())
        await camera.register()
        body = catalog_response(999, DEVICE.gb_id, 1, [item_fields(CHANNELS[0])])
        await camera.wire.transact(camera._message(body))
        await eventually(lambda: len(house.reports.catalogs) == 1)
        assert house.reports.catalogs[0][2] is False


async def test_the_queue_asks_each_device_once_and_at_its_pace():
    async with House(DEVICE) as house:
        camera = await house.camera(plan())
        await camera.register()
        for _ in range(10):
            assert house.gb.ask_catalog("recorder-1")
        await eventually(lambda: len(house.reports.catalogs) == 1 and house.gb.catalogs.waiting == 0)
        await asyncio.sleep(0)
        assert camera.report.catalogs == 1
        assert not house.gb.ask_catalog("nobody")


def test_only_pictures_become_channels_and_each_has_its_place():
    group = CatalogItem("34020000002150000001", name="组")
    organisation = CatalogItem("34020000002160000001", name="学校", business_group_id=group.gb_id)
    recorder = CatalogItem("34020000001180000002", is_parent=True)
    camera = CatalogItem("34020000001320000009", parent_id=f"{recorder.gb_id}/{organisation.gb_id}")
    single = CatalogItem("34020000001180000001")
    zone = CatalogItem("34020000001340000001")
    rows = [group, organisation, recorder, camera, single, zone]
    assert [is_picture(item) for item in rows] == [False, False, False, True, True, False]
    entries = entries_of(rows, DEVICE.gb_id, "34020000002000000001")
    assert [(entry.gb_id, entry.parent_id) for entry in entries] == [
        (camera.gb_id, organisation.gb_id),
        (single.gb_id, ""),
    ]


def test_groups_organisations_and_divisions_are_kept_as_directories_and_not_as_pictures() -> None:
    group, organisation = "34020000002150000001", "34020000002160000001"
    rows = (
        CatalogItem(gb_id="340223", name="河湾县"),
        CatalogItem(gb_id=group, name="校园", civil_code="340223"),
        CatalogItem(gb_id=organisation, name="", parent_id=group, business_group_id=group),
        CatalogItem(gb_id="34020000001320000001", name="门", parent_id=organisation),
        CatalogItem(gb_id=DEVICE.gb_id, name="itself"),
        CatalogItem(gb_id="34020000002160000002", name="off", event=ItemEvent.OFF),
        CatalogItem(gb_id="34020000002160000003", name="away", event=ItemEvent.DEL),
    )
    nodes = nodes_of(rows, DEVICE.gb_id, "34020000002000000001")
    assert [(node.gb_id, node.kind, node.name, node.parent_id, node.is_deleted) for node in nodes] == [
        ("340223", "division", "河湾县", "", False),
        (group, "group", "校园", "340223", False),
        (organisation, "organisation", organisation, group, False),
        ("34020000002160000003", "organisation", "away", "", True),
    ]
