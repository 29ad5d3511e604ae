from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import START
from tests.support.house import burglary, signal_of
from tocsin.domain.alarms import ALARM_TRANSITIONS, AlarmState, zone_key
from tocsin.domain.incidents import Incident, IncidentState
from tocsin.domain.intake_rules import (
    JOINABLE,
    LastSignal,
    Origin,
    PlaceInfo,
    ZoneInfo,
    is_duplicate,
    may_join,
    month_of,
    names_zone,
    source_of,
    title_of,
)
from tocsin.domain.own_silence import Silence

SCHOOL = PlaceInfo("p", "j", "330110", "HW", "school", "新华小学", "Xinhua School", "", None, None)
PANEL = Origin("d", "学校主机", "School panel", "j", "330110", "HW", False, SCHOOL)
WEST = ZoneInfo("z", "d", "4", "西门红外", "West gate infrared", None)


@given(
    st.sampled_from(["", "a", "b"]),
    st.sampled_from(["", "a", "b"]),
    st.integers(-90, 90),
    st.none() | st.integers(-90, 90),
    st.booleans(),
)
def test_only_the_same_key_within_a_minute_on_both_clocks_repeats(
    key: str, last_key: str, after_s: int, sent_after_s: int | None, knows_sent: bool
) -> None:
    sent_at = None if sent_after_s is None else START + timedelta(seconds=sent_after_s)
    last = LastSignal("s", last_key, "id", START, START if knows_sent else None)
    signal = signal_of(burglary(), key=key, after_s=after_s, sent_at=sent_at)
    is_near = abs(after_s) <= 60 and (sent_after_s is None or not knows_sent or abs(sent_after_s) <= 60)

    assert is_duplicate(signal, last) == (key == last_key and key != "" and is_near)
    assert not is_duplicate(signal, None)


@pytest.mark.parametrize(
    ("after_s", "deaf_s", "protocols", "repeats"),
    [
        (95, 0, (), False),
        (95, 40, (), True),
        (95, 34, (), False),
        (95, 40, ("dc09",), True),
        (95, 40, ("jt808",), False),
        (300, 299, (), True),
        (301, 300, (), False),  # longer ago than we make allowance for
    ],
)
def test_a_repetition_may_come_later_by_the_time_we_could_not_hear_it(
    after_s: float, deaf_s: float, protocols: tuple[str, ...], repeats: bool
) -> None:
    last = LastSignal("s", "a", "id", START, START)
    signal = signal_of(burglary(), key="a", after_s=after_s, sent_at=START + timedelta(seconds=after_s))
    begins_at = START + timedelta(seconds=1)
    silence = Silence(begins_at, begins_at + timedelta(seconds=deaf_s), frozenset(protocols))

    assert is_duplicate(signal, last, [silence]) is repeats


def test_a_source_is_the_device_or_else_the_account_it_claims() -> None:
    assert source_of(signal_of(device_id="d1")) == "dc09:d1"
    assert source_of(signal_of(device_id=None, account="0231")) == "dc09:?0231"
    assert len(source_of(signal_of(device_id=None, account="9" * 500))) == 160


@pytest.mark.parametrize("state", list(IncidentState))
@pytest.mark.parametrize(("after_s", "is_near"), [(0, True), (600, True), (600.001, False), (-600, True)])
def test_an_alarm_joins_what_is_open_and_near_in_time(state: IncidentState, after_s: float, is_near: bool) -> None:
    incident = Incident("i", "n", "j", "c", "t", "t", "burglary", 2, START, START, state=state)

    assert may_join(incident, START + timedelta(seconds=after_s)) == (is_near and state in JOINABLE)


def test_what_has_ended_or_been_cleared_is_not_joined() -> None:
    ended = {IncidentState.CLEARED, IncidentState.CLOSED, IncidentState.CANCELLED, IncidentState.MERGED}

    assert frozenset(IncidentState) - JOINABLE == ended


@pytest.mark.parametrize(
    ("zone", "origin_place", "known", "english", "chinese"),
    [
        ("004", SCHOOL, WEST, "Burglary, zone 4 West gate infrared, Xinhua School",
         "新华小学 4 号防区 西门红外：入侵报警"),
        ("012", SCHOOL, None, "Burglary, zone 12, Xinhua School", "新华小学 12 号防区：入侵报警"),
        ("000", SCHOOL, None, "Burglary, Xinhua School", "新华小学 入侵报警"),
        ("", None, None, "Burglary, School panel", "学校主机 入侵报警"),
    ],
)  # fmt: skip
def test_a_title_says_what_which_zone_and_where(
    zone: str, origin_place: PlaceInfo | None, known: ZoneInfo | None, english: str, chinese: str
) -> None:
    assert title_of(burglary(zone), PANEL, known, origin_place) == (english, chinese)


@given(st.text(alphabet="0123456789", max_size=4))
def test_a_zone_is_the_same_with_or_without_leading_zeros(number: str) -> None:
    assert zone_key("0" + number) == zone_key("00" + number)
    assert names_zone(burglary(number)) == (str(int(number)) if number.strip("0") else "")


def test_an_alarm_is_closed_once_and_restored_before_that() -> None:
    assert ALARM_TRANSITIONS[AlarmState.OPEN] == {AlarmState.RESTORED, AlarmState.CLOSED}
    assert ALARM_TRANSITIONS[AlarmState.RESTORED] == {AlarmState.CLOSED}
    assert not ALARM_TRANSITIONS[AlarmState.CLOSED]


def test_numbers_carry_year_and_month() -> None:
    assert month_of(datetime(2026, 11, 30, tzinfo=START.tzinfo)) == "2611"
    assert month_of(datetime(2030, 1, 1, tzinfo=START.tzinfo)) == "3001"


def test_a_repetition_may_count_for_a_point_of_the_device_alone() -> None:
    assert source_of(replace(signal_of(device_id="d1"), repeat_scope="34020000001340000003|2")) == (
        "dc09:d1:34020000001340000003|2"
    )


def test_the_picture_that_alarmed_is_named_unless_its_point_is_entered() -> None:
    seen = burglary("34020000001320000007", channel="c", channel_name="操场")
    assert title_of(seen, PANEL, None, SCHOOL) == (
        "Burglary, camera 操场, Xinhua School",
        "新华小学 摄像机 操场：入侵报警",
    )
    assert title_of(seen, PANEL, WEST, SCHOOL)[0].startswith("Burglary, zone 34020000001320000007 West gate infrared")
