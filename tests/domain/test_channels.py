"""When a camera may go into service."""

from __future__ import annotations

import pytest

from tests.support.registry import ADMINISTRATOR, HOUSE, INSTALLER_A, OPERATOR, House, small_house
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.devices import CatalogEntry

__all__ = ["small_house"]


@pytest.fixture
def house(small_house: House) -> House:
    return small_house


GB = "3402230000131000000"


async def _discover(house: House, *names: str) -> tuple[str, list[ChannelRecord]]:
    camera = await house.camera()
    entries = [CatalogEntry(f"{GB}{n}", name, is_online=True) for n, name in enumerate(names)]
    await house.reports.catalog(camera.id, entries, True)
    return camera.id, await _channels(house)


async def _channels(house: House) -> list[ChannelRecord]:
    page = await house.cameras.cameras(HOUSE)
    return sorted(page.items, key=lambda channel: channel.gb_id)


@pytest.mark.parametrize("missing", ["owner", "place", "purpose"])
async def test_commissioning_without_one_of_them_names_it(house: House, missing: str) -> None:
    _, (channel,) = await _discover(house, "东门")
    given = {"owner": "学校", "place_id": house.school_a.id, "purpose": "看护校门"}
    del given["place_id" if missing == "place" else missing]
    channel = await house.cameras.change(channel.id, given, actor=INSTALLER_A, version=channel.version)
    with pytest.raises(TocsinError) as caught:
        await house.cameras.change(channel.id, {"stage": "in_service"}, actor=ADMINISTRATOR, version=channel.version)
    assert (caught.value.code, caught.value.params["missing"]) == (ErrorCode.INVALID, missing)
    assert (await house.cameras.camera(channel.id, actor=OPERATOR)).stage == "discovered"


async def test_an_installer_fills_in_but_does_not_commission(house: House) -> None:
    _, (channel,) = await _discover(house, "东门")
    given = {"owner": "学校", "place_id": house.school_a.id, "purpose": "看护校门"}
    saved = await house.cameras.change(channel.id, given, actor=INSTALLER_A, version=channel.version)
    assert saved.stage == "discovered"
    with pytest.raises(TocsinError) as caught:
        await house.cameras.change(channel.id, {"stage": "in_service"}, actor=INSTALLER_A, version=saved.version)
    assert caught.value.code is ErrorCode.FORBIDDEN


async def test_a_channel_in_service_keeps_what_it_needs(house: House) -> None:
    _, (channel,) = await _discover(house, "东门")
    await house.cameras.commission(actor=ADMINISTRATOR, cameras=[channel.id])
    with pytest.raises(TocsinError) as caught:
        await house.cameras.change(channel.id, {"owner": ""}, actor=ADMINISTRATOR, version=2)
    assert caught.value.params["field"] == "owner"


async def test_named_cameras_go_into_service_all_or_none(house: House) -> None:
    _, channels = await _discover(house, "东门", "西门")
    with pytest.raises(TocsinError) as caught:
        await house.cameras.commission(actor=ADMINISTRATOR, cameras=[channels[0].id, "nobody"])
    assert caught.value.code is ErrorCode.NOT_FOUND
    assert {c.stage for c in await _channels(house)} == {"discovered"}
    with pytest.raises(TocsinError) as caught:
        await house.cameras.commission(actor=INSTALLER_A, cameras=[channels[0].id])
    assert caught.value.code is ErrorCode.FORBIDDEN
    assert ("channel.commissioned", "refused") in await house.audited()


async def test_what_cannot_be_commissioned_in_bulk_is_listed_with_what_it_lacks(house: House) -> None:
    camera = await house.devices.create(
        {
            "kind": "camera",
            "name": "x",
            "protocol": "gb28181",
            "address": {"gb_id": "34022300001320000009"},
            "jurisdiction_id": house.county_a.id,
        },
        actor=HOUSE,
    )
    await house.reports.catalog(camera.id, [CatalogEntry(f"{GB}1", "无位置")], True)
    done = await house.cameras.commission(actor=ADMINISTRATOR, jurisdiction_id=house.county_a.id)
    (channel,) = await _channels(house)
    assert (done.commissioned, done.refused) == ((), ((channel.id, ("place",)),))
    with pytest.raises(TocsinError) as caught:
        await house.cameras.commission(actor=ADMINISTRATOR, cameras=[channel.id])
    assert caught.value.params["missing"] == "place"
