"""Jurisdictions and places on both engines."""

from __future__ import annotations

import pytest

from tests.support.clocks import FixedClock
from tests.support.registry import ADMINISTRATOR, HOUSE, INSTALLER_A, OPERATOR, House, make_house
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.storage.store import AnyStore


@pytest.fixture
async def house(store: AnyStore, clock: FixedClock) -> House:
    return await make_house(store, clock)


async def _audit(house: House) -> list[tuple[str, str, str]]:
    records = await house.store.read(lambda tx: list(tx.audit.all()))
    return [(record.action, record.subject_kind, record.outcome) for record in records]


async def test_a_list_shows_only_the_jurisdictions_below_the_actors_codes(house: House) -> None:
    assert [node.code for node in await house.places.jurisdictions(OPERATOR)] == ["3402", "340223", "340224"]
    assert [node.code for node in await house.places.jurisdictions(INSTALLER_A)] == ["340223"]
    assert [place.jurisdiction_code for place in (await house.places.places(INSTALLER_A)).items] == ["340223"]


async def test_a_place_of_another_county_is_not_found(house: House) -> None:
    with pytest.raises(TocsinError) as caught:
        await house.places.place(house.school_b.id, actor=INSTALLER_A)
    assert caught.value.code is ErrorCode.NOT_FOUND


async def test_places_come_newest_first_page_by_page(house: House) -> None:
    for n in range(5):
        await house.places.create_place({"jurisdiction_id": house.county_a.id, "name": f"商店{n}"}, actor=ADMINISTRATOR)
    seen: list[str] = []
    after = ""
    while True:
        page = await house.places.places(OPERATOR, jurisdiction_id=house.county_a.id, after=after, limit=2)
        seen += [place.name for place in page.items]
        if page.next is None:
            break
        after = page.next
    assert seen == ["商店4", "商店3", "商店2", "商店1", "商店0", "第一小学"]


async def test_a_search_looks_at_names_and_addresses_and_takes_signs_literally(house: House) -> None:
    await house.places.create_place(
        {"jurisdiction_id": house.county_a.id, "name": "Bank 100%", "address": "Main Street 5"}, actor=HOUSE
    )
    assert [p.name for p in (await house.places.places(OPERATOR, text="main st")).items] == ["Bank 100%"]
    assert [p.name for p in (await house.places.places(OPERATOR, text="0%")).items] == ["Bank 100%"]
    assert (await house.places.places(OPERATOR, text="%5")).items == []


async def test_a_writer_who_has_not_seen_the_newest_version_is_refused_with_it(house: House) -> None:
    place = await house.places.change_place(house.school_a.id, {"owner": "校长室"}, actor=ADMINISTRATOR, version=1)
    assert (place.owner, place.version) == ("校长室", 2)
    with pytest.raises(TocsinError) as caught:
        await house.places.change_place(house.school_a.id, {"owner": "x"}, actor=ADMINISTRATOR, version=1)
    assert (caught.value.code, caught.value.params["current_version"]) == (ErrorCode.CONFLICT, 2)


async def test_a_place_in_use_is_not_retired_and_a_free_one_leaves_the_list(house: House) -> None:
    await house.panel()
    with pytest.raises(TocsinError) as caught:
        await house.places.retire_place(house.school_a.id, actor=HOUSE, version=1)
    assert caught.value.key == "registry.in_use"
    await house.places.retire_place(house.school_b.id, actor=HOUSE, version=1)
    assert [place.id for place in (await house.places.places(OPERATOR)).items] == [house.school_a.id]
    assert len((await house.places.places(OPERATOR, with_retired=True)).items) == 2
