"""Rules of jurisdictions and places."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.registry import HOUSE, INSTALLER_A, OPERATOR, House, actor, small_house
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain import places
from tocsin.domain.access import Role

__all__ = ["small_house"]


@pytest.fixture
def house(small_house: House) -> House:
    return small_house


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"class": "castle"}, "class"),
        ({"lon": 200.0, "lat": 10.0}, "lon"),
        ({"lon": 20.0, "lat": None}, "lat"),
        ({"colour": "red"}, "colour"),
        ({"contacts": [{"role": "guard"}]}, "name"),
        ({"notes": "x" * 5000}, "notes"),
        ({"lon": float("nan"), "lat": 1.0}, "lon"),
    ],
)
async def test_a_wrong_field_is_named(house: House, given: dict[str, object], field: str) -> None:
    with pytest.raises(TocsinError) as caught:
        await house.places.change_place(house.school_a.id, given, actor=HOUSE, version=1)
    assert (caught.value.code, caught.value.params["field"]) == (ErrorCode.INVALID, field)


async def test_a_code_must_begin_with_its_parents_and_be_free(house: House) -> None:
    with pytest.raises(TocsinError) as caught:
        await house.places.create_jurisdiction(
            {"code": "3502231", "name": "x", "parent_id": house.county_a.id}, actor=HOUSE
        )
    assert caught.value.params["field"] == "code"
    with pytest.raises(TocsinError) as caught:
        await house.places.create_jurisdiction({"code": "340223", "name": "x"}, actor=HOUSE)
    assert caught.value.code is ErrorCode.CONFLICT


async def test_somebody_may_move_a_place_only_where_they_manage(house: House) -> None:
    with pytest.raises(TocsinError) as caught:
        await house.places.change_place(
            house.school_a.id, {"jurisdiction_id": house.county_b.id}, actor=INSTALLER_A, version=1
        )
    assert caught.value.code is ErrorCode.NOT_FOUND
    reader_of_b = actor(Role.INSTALLER, Role.OPERATOR, codes=("3402",))
    moved = await house.places.change_place(
        house.school_a.id, {"jurisdiction_id": house.county_b.id}, actor=reader_of_b, version=1
    )
    assert moved.jurisdiction_code == "340224"


async def test_an_act_of_somebody_who_may_only_read_is_refused_and_kept(house: House) -> None:
    with pytest.raises(TocsinError) as caught:
        await house.places.change_place(house.school_a.id, {"owner": "x"}, actor=OPERATOR, version=1)
    assert caught.value.code is ErrorCode.FORBIDDEN
    assert caught.value.params["rule"] == "no_permission"
    assert (await house.audited())[-1] == ("place.changed", "refused")


def test_a_number_left_covered_stays_and_one_that_fits_nobody_is_refused() -> None:
    place = places.Place(
        "p", "j", "34", "x", contacts=(places.Contact("A", "", "13800000012"), places.Contact("B", "", "110"))
    )
    shown: Any = place.form()["contacts"]
    assert [one["phone"] for one in shown] == ["•••••••••12", "•••"]
    renamed = [{**shown[1]}, {**shown[0], "name": "C"}]
    assert [one.phone for one in places.changed_place(place, {"contacts": renamed}).contacts] == ["110", "13800000012"]
    twin = places.changed_place(place, {"contacts": [*renamed, {"name": "D", "phone": "13900000012"}]})
    ambiguous: Any = [{"name": "E", "phone": "•••••••••12"}]
    for known, given in ((twin, ambiguous), (place, [{"name": "A", "phone": "••99"}]), (place, [shown[0], shown[0]])):
        with pytest.raises(TocsinError) as refused:
            places.changed_place(known, {"contacts": given})
        assert refused.value.key == "registry.phone_covered"
