"""What rules do to the signals of one device; and that nothing they do reaches an event of life."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import START
from tests.support.house import PANEL, burglary, event
from tocsin.base.errors import TocsinError
from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.base.times import to_us
from tocsin.domain.alarm_rules import (
    KNOBS,
    LIFE_SAFETY,
    Method,
    Rule,
    RuleBook,
    check_rule,
    completed,
    is_life_safety,
    tidy_pairs,
)
from tocsin.domain.alarms import asks_for_decision
from tocsin.domain.rule_engine import (
    ENDING,
    HIDING,
    MAX_WAITING,
    Act,
    DeviceState,
    S,
    What,
    decode_state,
    encode_state,
    expire,
    hidden,
    take,
)

NOW_US = to_us(START)
KINDS = {"4": "infrared", "5": "door", "6": "infrared", "7": ""}


def rule(method: Method, **changes: Any) -> Rule:
    given: dict[str, Any] = {
        "id": method.value,
        "method": method,
        "version_no": 3,
        "name": "规则",
        "device_id": PANEL,
        "owner": "值班长",
        "until_us": to_us(START + timedelta(days=30)),
        "reason": "too many",
        "made_at": START,
    }
    made = Rule(**{**given, **changes})
    return replace(made, knobs=completed(made))


class Panel:
    """A panel whose signals pass by rules."""

    def __init__(self, *rules: Rule) -> None:
        self.book = RuleBook(rules)
        self.state = DeviceState()
        self.count = 0

    def send(self, after_s: float, *events: NormalEvent) -> tuple[str, list[Act]]:
        self.count += 1
        signal_id = f"s{self.count}"
        self.state = decode_state(encode_state(self.state))  # as after a restart, each time
        acts = take(
            self.state,
            lambda zone: self.book.of(PANEL, "330110", zone),
            lambda zone: KINDS.get(zone, ""),
            signal_id,
            NOW_US + int(after_s * S),
            events,
        )
        return signal_id, acts

    def wait(self, after_s: float) -> list[Act]:
        return expire(self.state, NOW_US + int(after_s * S))


def said(acts: list[Act]) -> list[tuple[str, str]]:
    return [(act.signal_id, act.what.value) for act in acts]


def opening(area: str = "01", user: str = "003", **changes: Any) -> NormalEvent:
    return event(EventKind.OPEN, Category.OPENCLOSE, 9, area=area, user=user, **changes)


def closing(area: str = "01") -> NormalEvent:
    return event(EventKind.CLOSE, Category.OPENCLOSE, 9, area=area)


# --- life safety -----------------------------------------------------------------------------------------------------

GRAVE = [event(EventKind.ALARM, category, 3, "004") for category in sorted(LIFE_SAFETY)]
GRAVE += [burglary(priority=1), event(EventKind.OPEN, Category.DURESS, 1, area="01")]
PLAIN = [
    burglary("004"),
    burglary("005"),
    burglary("007", category=Category.PERIMETER),
    burglary("004", kind=EventKind.RESTORE),
    event(EventKind.ALARM, Category.TAMPER, 3, "005", area="01"),
    event(EventKind.TROUBLE, Category.TROUBLE, 5, "006"),
    event(EventKind.CANCEL, Category.CANCEL, 7, area="01"),
    opening(),
    closing(),
]
RULES = [
    rule(Method.CANCEL_WINDOW),
    rule(Method.TWO_TRIP),
    rule(Method.CROSS_ZONE, pairs=(("4", "5"),)),
    rule(Method.CROSS_ZONE, knobs={"different_kind": 1}),
    rule(Method.SEQUENTIAL),
    rule(Method.SWINGER, knobs={"pairs": 1}),
    rule(Method.RUNAWAY, knobs={"per_min": 5}),
    rule(Method.CHATTER, knobs={"trips": 2}),
    rule(Method.DISARMED),
    rule(Method.ON_TEST),
]


@given(
    st.lists(st.sampled_from(RULES), max_size=len(RULES)),
    st.lists(
        st.tuples(st.integers(0, 400), st.lists(st.sampled_from(PLAIN + GRAVE), min_size=1, max_size=3)), max_size=40
    ),
)
def test_no_rule_delays_hides_groups_or_lowers_what_is_about_life(
    rules: list[Rule], signals: list[tuple[int, list[NormalEvent]]]
) -> None:
    panel = Panel(*rules)
    at = 0.0
    for step_s, events in signals:
        at += step_s
        signal_id, acts = panel.send(at, *events)
        grave = {number for number, one in enumerate(events) if is_life_safety(one)}
        touched = {act.event_no for act in acts if act.signal_id == signal_id and act.what is not What.PROPOSED}
        assert not grave & touched
        assert not grave & hidden(acts, signal_id)


@given(
    st.lists(st.sampled_from(RULES), max_size=len(RULES)),
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(PLAIN)), max_size=40),
)
def test_what_is_held_always_goes_on_and_only_once(rules: list[Rule], signals: list[tuple[int, NormalEvent]]) -> None:
    panel = Panel(*rules)
    at = 0.0
    held: dict[tuple[str, int], int] = {}
    ended: list[tuple[str, int]] = []
    for step_s, one in signals:
        at += step_s
        _, acts = panel.send(at, one)
        for act in acts:
            if act.what is What.HELD:
                held[act.signal_id, act.event_no] = act.until_us
            elif act.what in ENDING:
                ended.append((act.signal_id, act.event_no))
                assert act.at_us <= held[act.signal_id, act.event_no]
    ended += [(act.signal_id, act.event_no) for act in panel.wait(at + 4000)]
    assert sorted(ended) == sorted(held)
    assert panel.state.waiting == []


@pytest.mark.parametrize("grave", GRAVE, ids=lambda one: f"{one.category}-{one.kind}")
def test_an_event_of_life_ends_every_wait_of_its_device(grave: NormalEvent) -> None:
    panel = Panel(rule(Method.CANCEL_WINDOW))
    first, _ = panel.send(0, burglary("004"))
    _, acts = panel.send(5, grave)
    assert said(acts) == [(first, "raised")]


# --- holding ---------------------------------------------------------------------------------------------------------


def test_a_cancel_window_holds_a_burglary_and_lets_it_go() -> None:
    panel = Panel(rule(Method.CANCEL_WINDOW))
    first, acts = panel.send(0, burglary())
    assert said(acts) == [(first, "held")]
    assert acts[0].until_us == NOW_US + 30 * S
    assert (acts[0].rule_id, acts[0].version_no) == ("cancel_window", 3)
    assert panel.wait(29.9) == []
    assert said(panel.wait(30)) == [(first, "raised")]


@pytest.mark.parametrize(
    ("cancel", "becomes"),
    [
        (event(EventKind.CANCEL, Category.CANCEL, 7, area="01", user="003"), "cancelled"),
        (opening(), "cancelled"),
        (opening(area=""), "cancelled"),
        (event(EventKind.OPEN, Category.DURESS, 1, area="01", user="003"), "raised"),
        (event(EventKind.CANCEL, Category.DURESS, 1, area="01"), "raised"),
    ],
)
def test_a_user_cancels_in_time_but_never_under_duress(cancel: NormalEvent, becomes: str) -> None:
    panel = Panel(rule(Method.CANCEL_WINDOW))
    first, _ = panel.send(0, burglary())
    _, acts = panel.send(12, cancel)
    assert said(acts) == [(first, becomes)]


def test_a_cancel_of_another_area_cancels_nothing() -> None:
    panel = Panel(rule(Method.CANCEL_WINDOW))
    panel.send(0, burglary())
    assert panel.send(5, opening(area="02"))[1] == []


def test_a_second_detector_ends_the_cancel_window() -> None:
    panel = Panel(rule(Method.CANCEL_WINDOW))
    first, _ = panel.send(0, burglary("004"))
    second, acts = panel.send(9, burglary("005"))
    assert said(acts) == [(first, "raised")]
    assert hidden(acts, second) == set()


def test_the_same_detector_again_does_not_prolong_the_wait() -> None:
    panel = Panel(rule(Method.CANCEL_WINDOW))
    first, _ = panel.send(0, burglary("004"))
    second, acts = panel.send(20, burglary("004"))
    assert acts[0].until_us == NOW_US + 30 * S
    assert said(panel.wait(30)) == [(first, "raised"), (second, "raised")]


def test_a_restore_never_ends_an_alarm_that_waits() -> None:
    panel = Panel(rule(Method.CANCEL_WINDOW))
    first, _ = panel.send(0, burglary())
    assert panel.send(3, burglary(kind=EventKind.RESTORE))[1] == []
    (act,) = panel.wait(30)
    assert (act.signal_id, act.what, act.restored_us) == (first, What.RAISED, NOW_US + 3 * S)


@pytest.mark.parametrize(
    ("zone", "after_s", "knobs", "outcome"),
    [
        ("004", 60, {}, "confirmed"),
        ("005", 60, {}, "confirmed"),
        ("004", 300, {}, "single"),
        ("005", 60, {"different_kind": 1}, "confirmed"),
        ("006", 60, {"different_kind": 1}, "held"),
        ("007", 60, {"different_kind": 1}, "held"),
    ],
)
def test_two_trips_make_an_alarm_one_makes_a_note(
    zone: str, after_s: float, knobs: dict[str, int], outcome: str
) -> None:
    panel = Panel(rule(Method.TWO_TRIP, knobs=knobs))
    first, _ = panel.send(0, burglary("004"))
    second, acts = panel.send(after_s, burglary(zone))
    if outcome == "confirmed":
        assert said(acts) == [(second, "confirmed"), (first, "raised")]
    elif outcome == "single":
        assert said(acts) == [(first, "single"), (second, "held")]
    else:
        assert said(acts) == [(second, "held")]


def test_cross_zoning_asks_for_a_named_pair() -> None:
    panel = Panel(rule(Method.CROSS_ZONE, pairs=(("4", "5"),)))
    first, _ = panel.send(0, burglary("004"))
    assert said(panel.send(10, burglary("006"))[1]) == []  # in no pair: an alarm as ever
    second, acts = panel.send(60, burglary("005"))
    assert said(acts) == [(second, "confirmed"), (first, "raised")]
    third, _ = panel.send(200, burglary("004"))
    assert said(panel.wait(320)) == [(third, "single")]


# --- confirmation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "after_s", "changes", "is_confirmed"),
    [
        (burglary("005"), 2700, {}, True),
        (burglary("005"), 2701, {}, False),
        (burglary("004"), 60, {}, False),
        (burglary("005"), 60, {"pairs": (("4", "5"),)}, False),
        (burglary("005"), 60, {"knobs": {"different_kind": 1}}, True),
        (burglary("006"), 60, {"knobs": {"different_kind": 1}}, False),
        (burglary("007"), 60, {"knobs": {"different_kind": 1}}, False),
        (burglary("005", category=Category.PERIMETER), 60, {}, False),
        (burglary("005", category=Category.TAMPER), 60, {}, True),
        (burglary("004", category=Category.TAMPER), 60, {}, False),
        (burglary("005", area="02"), 60, {}, False),
    ],
)
def test_a_second_independent_detector_of_the_area_confirms(
    second: NormalEvent, after_s: float, changes: dict[str, Any], is_confirmed: bool
) -> None:
    panel = Panel(rule(Method.SEQUENTIAL, **changes))
    assert panel.send(0, burglary("004"))[1] == []
    signal_id, acts = panel.send(after_s, second)
    assert said(acts) == ([(signal_id, "confirmed")] if is_confirmed else [])
    if is_confirmed:
        assert (acts[0].cause, acts[0].priority) == ("4", 1)


def test_an_unset_area_confirms_nothing_and_setting_begins_anew() -> None:
    panel = Panel(rule(Method.SEQUENTIAL))
    panel.send(0, opening())
    panel.send(10, burglary("004"))
    assert panel.send(20, burglary("005"))[1] == []
    panel.send(30, closing())
    assert panel.send(40, burglary("005"))[1] == []
    assert said(panel.send(50, burglary("004"))[1])[-1][1] == "confirmed"


def test_two_tampers_confirm_no_intrusion() -> None:
    panel = Panel(rule(Method.SEQUENTIAL))
    panel.send(0, burglary("004", category=Category.TAMPER))
    assert panel.send(10, burglary("005", category=Category.TAMPER))[1] == []


# --- swinger, runaway, chatter, arm state, test ----------------------------------------------------------------------


def swing(panel: Panel, times: int, start_s: float = 0) -> list[Act]:
    acts: list[Act] = []
    for number in range(times):
        acts += panel.send(start_s + number * 60, burglary("004"))[1]
        acts += panel.send(start_s + number * 60 + 10, burglary("004", kind=EventKind.RESTORE))[1]
    return acts


def test_a_swinging_zone_is_grouped_until_it_is_set_again_and_no_other_zone_is() -> None:
    panel = Panel(rule(Method.SWINGER))
    assert [act.what for act in swing(panel, 4)] == [What.PROPOSED]
    _, acts = panel.send(400, burglary("004"))
    assert [(act.what, act.of, act.until_us) for act in acts] == [
        (What.GROUPED, ("s7", 0), NOW_US + (190 + 86_400) * S)
    ]
    assert panel.send(410, burglary("005"))[1] == []
    panel.send(500, closing())
    assert panel.send(510, burglary("004"))[1] == []


def test_a_swinging_zone_comes_back_after_a_day() -> None:
    panel = Panel(rule(Method.SWINGER))
    swing(panel, 4)
    assert panel.send(190 + 86_399, burglary("004"))[1] != []
    assert panel.send(190 + 86_401, burglary("004"))[1] == []


def test_a_runaway_account_is_one_alarm_but_a_graver_one_stands_alone() -> None:
    panel = Panel(rule(Method.RUNAWAY, knobs={"per_min": 5}))
    low = event(EventKind.ALARM, Category.TECHNICAL, 4, "011")
    for number in range(5):
        assert panel.send(number, low)[1] == []
    sixth, acts = panel.send(6, low)
    assert said(acts) == [(sixth, "proposed")]
    _, acts = panel.send(7, low)
    assert [(act.what, act.of) for act in acts] == [(What.GROUPED, (sixth, 0))]
    graver, acts = panel.send(8, burglary("004"))
    assert acts == []
    assert panel.send(9, burglary("005"))[1][0].of == (graver, 0)
    assert panel.send(9 + 601, low)[1] == []


def test_a_chattering_zone_is_proposed_for_repair_and_nothing_hidden() -> None:
    panel = Panel(rule(Method.CHATTER))
    smoke = event(EventKind.ALARM, Category.FIRE, 1, "009")
    acts = [panel.send(second, smoke)[1] for second in (0, 20, 40)]
    assert [said(one) for one in acts] == [[], [], [("s3", "proposed")]]


@pytest.mark.parametrize(
    ("alarm", "is_lowered"),
    [
        (burglary("004"), True),
        (burglary("004", code="1133"), False),
        (burglary("004", area="02"), False),
        (burglary("004", category=Category.PERIMETER), False),
    ],
)
def test_an_intrusion_in_an_unset_area_is_lowered_a_24_hour_zone_is_not(alarm: NormalEvent, is_lowered: bool) -> None:
    panel = Panel(rule(Method.DISARMED))
    assert panel.send(0, alarm)[1] == []  # nothing is known of the area: nothing is lowered
    panel.send(1, opening())
    _, acts = panel.send(2, alarm)
    assert [(act.what, act.priority) for act in acts] == ([(What.LOWERED, 4)] if is_lowered else [])


def test_a_device_on_test_keeps_its_signals_for_the_record() -> None:
    panel = Panel(rule(Method.ON_TEST, until_us=NOW_US + 3600 * S))
    first, acts = panel.send(0, burglary())
    assert said(acts) == [(first, "logged")]
    assert acts[0].until_us == NOW_US + 3600 * S
    assert panel.send(1, event(EventKind.ALARM, Category.FIRE, 1, "009"))[1] == []


def test_so_much_can_wait_and_no_more() -> None:
    panel = Panel(rule(Method.TWO_TRIP, knobs={"different_kind": 1}))
    for number in range(MAX_WAITING):
        panel.send(number / 100, burglary(str(number + 10)))
    assert panel.send(3, burglary("999"))[1] == []  # an alarm at once, rather than unseen
    assert len(panel.state.waiting) == MAX_WAITING


# --- the book --------------------------------------------------------------------------------------------------------


def test_the_narrowest_rule_counts_and_an_exemption_takes_its_place_out() -> None:
    wide = rule(Method.CANCEL_WINDOW, id="wide", device_id="", jurisdiction_code="3301")
    device = rule(Method.CANCEL_WINDOW, id="device", knobs={"hold_s": 60})
    spared = rule(Method.CANCEL_WINDOW, id="spared", zone="9", is_exempt=True)
    off = rule(Method.CANCEL_WINDOW, id="off", zone="4", is_on=False)
    book = RuleBook([device, wide, spared, off])
    chosen = [book.of(PANEL, "330110", zone).cancel_window for zone in ("", "4", "9")]
    assert [one and one.id for one in chosen] == ["device", "device", None]
    other = book.of("other", "330111", "4").cancel_window
    assert other is not None
    assert other.id == "wide"
    assert not book.touches("far", "3402")


def test_a_rule_past_its_end_counts_no_more() -> None:
    ended = rule(Method.CANCEL_WINDOW, until_us=NOW_US)
    assert RuleBook([ended], NOW_US).rules == []
    assert RuleBook([ended, rule(Method.CHATTER)], NOW_US - 1).ends_us == NOW_US


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"owner": " "}, "owner"),
        ({"reason": ""}, "reason"),
        ({"name": ""}, "name"),
        ({"zone": "4", "device_id": ""}, "zone"),
        ({"knobs": {"hold_s": 301}}, "knobs.hold_s"),
        ({"knobs": {"speed": 1}}, "knobs.speed"),
        ({"pairs": (("4", "5"),)}, "pairs"),
        ({"until_us": NOW_US}, "until"),
        ({"until_us": to_us(START + timedelta(days=367))}, "until"),
        ({"method": Method.CROSS_ZONE, "knobs": {}}, "pairs"),
        ({"method": Method.CROSS_ZONE, "knobs": {}, "pairs": (("4", "4"),)}, "pairs"),
        ({"method": Method.CROSS_ZONE, "knobs": {}, "pairs": (("4", "5"),), "device_id": ""}, "device_id"),
        ({"method": Method.ON_TEST, "knobs": {}, "until_us": to_us(START + timedelta(hours=9))}, "until"),
        ({"method": Method.ON_TEST, "knobs": {}, "device_id": ""}, "device_id"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(TocsinError) as refused:
        check_rule(replace(rule(Method.CANCEL_WINDOW), **changes), START)
    assert refused.value.params["field"] == field


def test_every_default_lies_within_its_bounds_and_every_method_can_be_meant() -> None:
    for method, knobs in KNOBS.items():
        assert all(knob.least <= knob.default <= knob.most for knob in knobs)
        made = rule(method, pairs=(("4", "5"),) if method is Method.CROSS_ZONE else ())
        if method is Method.ON_TEST:
            made = replace(made, until_us=NOW_US + 3600 * S)
        check_rule(made, START)


def test_pairs_are_kept_as_the_registry_numbers_zones() -> None:
    assert tidy_pairs([["005", "4"], ["4", "05"]]) == (("4", "5"),)
    with pytest.raises(TocsinError):
        tidy_pairs([["4"]])


def test_hiding_acts_are_only_for_what_asks_for_a_decision() -> None:
    panel = Panel(*RULES)
    for number, one in enumerate(PLAIN):
        signal_id, acts = panel.send(number, one)
        if any(act.what in HIDING and act.signal_id == signal_id for act in acts):
            assert asks_for_decision(one)
