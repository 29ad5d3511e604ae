"""Floors and ceilings: the most demanding of the policies that apply, and contradictions refused by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import START
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.retention import SUGGESTIONS, Policy, check_contradiction, keeping, new_policy


def policy(name: str, low: int, high: int | None = None, code: str = "", place_class: str = "", id: str = "") -> Policy:
    return Policy(id or name, name, low, "basis", high, code, place_class)


PUBLIC = policy("public", 30, 90)
KEY_TARGET = policy("key target", 90, None, "3402", "waterworks")


@pytest.mark.parametrize(
    ("policies", "code", "place_class", "expected"),
    [
        ([], "340223", "school", (0, None)),
        ([PUBLIC], "340223", "school", (30, 90)),
        ([PUBLIC, KEY_TARGET], "340223", "school", (30, 90)),
        ([PUBLIC, KEY_TARGET], "340223", "waterworks", (90, 90)),
        ([PUBLIC, KEY_TARGET], "3401", "waterworks", (30, 90)),
        ([policy("county", 60, None, "340223"), PUBLIC], "340223001", "shop", (60, 90)),
        ([policy("eu", 0, 3, "99")], "9911", "shop", (0, 3)),
        ([policy("eu", 0, 3, "99"), policy("none", 0)], "9911", "shop", (0, 3)),
        ([policy("a", 10, 20), policy("b", 5, 15)], "3402", "shop", (10, 15)),
    ],
)
def test_the_most_demanding_policy_decides(
    policies: list[Policy], code: str, place_class: str, expected: tuple[int, int | None]
) -> None:
    found = keeping(policies, code, place_class)
    assert (found.floor_days, found.ceiling_days) == expected
    assert found.is_none == (not policies)


@pytest.mark.parametrize(
    ("new", "known", "is_refused"),
    [
        (policy("eu", 0, 3), PUBLIC, True),  # 30 days against 3
        (policy("eu", 0, 3, "99"), policy("public", 30, 90, "34"), False),  # never the same camera
        (policy("eu", 0, 3, "3402"), policy("public", 30, 90, "34"), True),  # the county lies in the province
        (policy("eu", 0, 3, "34"), policy("public", 30, 90, "3402"), True),
        (policy("shops", 0, 3, "", "shop"), policy("schools", 30, None, "", "school"), False),
        (policy("shops", 0, 3, "", "shop"), PUBLIC, True),
        (policy("key target", 90, None), policy("public", 30, 90), False),  # 90 and 90 meet exactly
        (policy("key target", 91, None), policy("public", 30, 90), True),
    ],
)
def test_a_policy_that_contradicts_another_is_refused_and_names_it(
    new: Policy, known: Policy, is_refused: bool
) -> None:
    if not is_refused:
        check_contradiction(new, [known])
        return
    with pytest.raises(TocsinError) as refused:
        check_contradiction(new, [known])
    assert refused.value.code is ErrorCode.CONFLICT
    assert refused.value.params["other"] == known.name
    assert known.name in refused.value.detail


def test_a_policy_may_meet_its_own_former_version() -> None:
    check_contradiction(policy("public", 0, 3, id="p"), [policy("public", 30, 90, id="p")])


def test_a_floor_over_its_own_ceiling_is_invalid() -> None:
    with pytest.raises(TocsinError) as refused:
        check_contradiction(policy("odd", 31, 30), [])
    assert refused.value.code is ErrorCode.INVALID


days = st.integers(0, 200)
policies_drawn = st.builds(
    policy,
    st.sampled_from("abcdefgh"),
    days,
    st.one_of(st.none(), days),
    st.sampled_from(["", "3", "34", "3402", "340223", "99"]),
    st.sampled_from(["", "school", "shop"]),
    st.uuids().map(str),
)


@given(
    st.lists(policies_drawn, max_size=6),
    st.sampled_from(["34", "3402", "340223001", "9901"]),
    st.sampled_from(["", "school", "shop"]),
)
def test_no_accepted_set_of_policies_gives_any_camera_a_floor_over_its_ceiling(
    drawn: list[Policy], code: str, place_class: str
) -> None:
    accepted: list[Policy] = []
    for one in drawn:
        try:
            check_contradiction(one, accepted)
        except TocsinError:
            continue
        accepted.append(one)
    found = keeping(accepted, code, place_class)
    assert found.ceiling_days is None or found.floor_days <= found.ceiling_days


@pytest.mark.parametrize(
    ("given_", "field"),
    [
        ({"name": "x", "min_days": 30}, "basis"),
        ({"name": "", "basis": "y"}, "name"),
        ({"name": "x", "basis": "y", "min_days": -1}, "min_days"),
        ({"name": "x", "basis": "y", "min_days": True}, "min_days"),
        ({"name": "x", "basis": "y", "max_days": 0}, "max_days"),
        ({"name": "x", "basis": "y", "max_days": 1e9}, "max_days"),
        ({"name": "x", "basis": "y", "place_class": "moon"}, "place_class"),
        ({"name": "x", "basis": "y", "colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_of_a_policy_is_named(given_: dict[str, object], field: str) -> None:
    with pytest.raises(TocsinError) as refused:
        new_policy("p", given_, "", START)
    assert (refused.value.code, refused.value.params["field"]) == (ErrorCode.INVALID, field)


def test_what_is_suggested_can_be_adopted_and_states_its_basis() -> None:
    for one in SUGGESTIONS:
        made = new_policy(
            "p",
            {"name": one.name_en, "min_days": one.min_days, "max_days": one.max_days, "basis": one.basis_en},
            "",
            START,
        )
        check_contradiction(made, [])
        assert all((one.basis_en, one.basis_zh, one.name_zh))
