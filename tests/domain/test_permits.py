"""Permits to be on test: what they cover, how long they last, and what came of each zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.clocks import START
from tests.support.house import burglary, event
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import Category, EventKind
from tocsin.domain.permits import Permit, check_permit, checklist, covered, left_in_alarm, tidy_zones

HOUR = timedelta(hours=1)
WHOLE = Permit("p", "d", "Installer Zhou", "yearly check", START, START + HOUR, given_name="Li")
FIRE = event(EventKind.ALARM, Category.FIRE, 1, zone="004")
DURESS = event(EventKind.OPEN, Category.DURESS, 1)
VERIFIED = burglary(priority=1)


def fields_of(permit: Permit, **changes: Any) -> str:
    with pytest.raises(TocsinError) as refused:
        check_permit(replace(permit, **changes), START)
    return str(refused.value.params["field"])


def test_a_permit_covers_all_but_life_until_its_end() -> None:
    trouble = event(EventKind.TROUBLE, Category.POWER, 5)
    events = [burglary(), trouble, FIRE, DURESS, VERIFIED, burglary(is_known=False)]
    assert set(covered([WHOLE], events, START)) == {0, 1}
    assert covered([WHOLE], events, START + HOUR) == {}
    assert covered([replace(WHOLE, ended_at=START)], events, START) == {}


def test_a_permit_for_zones_covers_those_alone() -> None:
    zones = replace(WHOLE, zones=("4",))
    assert set(
        covered([zones], [burglary("004"), burglary("005"), event(EventKind.TROUBLE, Category.POWER, 5)], START)
    ) == {0}


def test_fire_is_covered_only_where_named_duress_and_the_verified_never() -> None:
    with_fire = replace(WHOLE, life_kinds=("fire",), second="Guard Wu")
    check_permit(with_fire, START)
    assert set(covered([with_fire], [FIRE, DURESS, VERIFIED], START)) == {0}


def test_a_group_that_fell_silent_is_never_on_test() -> None:
    group = replace(event(EventKind.TROUBLE, Category.SUPERVISORY, 3), code_system="tocsin", code="comms.group_failed")
    path = replace(group, code="comms.path_failed")
    assert set(covered([WHOLE], [group, path], START)) == {1}


def test_what_cannot_be_meant_names_the_field() -> None:
    assert fields_of(WHOLE, owner=" ") == "owner"
    assert fields_of(WHOLE, reason="") == "reason"
    assert fields_of(WHOLE, until=START) == "until"
    assert fields_of(WHOLE, until=START + timedelta(hours=8, seconds=1)) == "until"
    assert fields_of(WHOLE, life_kinds=("fire",)) == "second"
    assert fields_of(WHOLE, life_kinds=("fire",), second="installer  zhou") == "second"
    assert fields_of(WHOLE, life_kinds=("fire",), second="LI") == "second"
    for kind in ("duress", "burglary"):
        assert fields_of(WHOLE, life_kinds=(kind,), second="Wu") == "life_kinds"
    with pytest.raises(TocsinError):
        tidy_zones(["4", " 000 "])
    assert tidy_zones(["004", "4", "12"]) == ("4", "12")


def test_an_end_moves_eight_hours_from_now_and_a_day_in_all() -> None:
    later = WHOLE.extended(START + timedelta(hours=8), START)
    assert later.version == 2
    with pytest.raises(TocsinError):
        WHOLE.extended(START + timedelta(hours=25), START + timedelta(hours=20))
    over = WHOLE.ended("ended", "li", START, ["4"])
    for act in (lambda: over.extended(START + HOUR, START), lambda: over.ended("ended", "li", START, [])):
        with pytest.raises(TocsinError) as refused:
            act()
        assert refused.value.code is ErrorCode.CONFLICT


def test_the_checklist_says_which_zones_reported_and_which_are_left() -> None:
    events = [
        (START, burglary("004")),
        (START + HOUR, burglary("004", kind=EventKind.RESTORE)),
        (START, burglary("005")),
        (START, burglary("009")),
        (START, event(EventKind.ALARM, Category.DURESS, 1, zone="006")),
        (START, burglary("")),
    ]
    entered = {"4": ("西门", "West"), "5": ("东门", "East"), "6": ("", "")}
    seen = checklist(WHOLE, entered, events)
    assert [(one.number, one.is_entered, one.times, one.was_restored, one.is_in_alarm) for one in seen] == [
        ("4", True, 1, True, False),
        ("5", True, 1, False, True),
        ("6", True, 0, False, False),
        ("9", False, 1, False, True),
    ]
    assert left_in_alarm(seen) == ("5", "9")
    assert [one.number for one in checklist(replace(WHOLE, zones=("5",)), entered, events)] == ["5"]
