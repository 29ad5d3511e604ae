"""What a signal says about the zone an installer tried, and what a test has seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.clocks import START
from tests.support.house import burglary, event, signal_of
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.base.rates import Rates
from tocsin.domain.signals import LATE, Signal, SignalState, StoredSignal
from tocsin.domain.zone_test import (
    MAX_ASKS,
    MAX_RAW_CHARS,
    Arrived,
    TestLink,
    Verdict,
    ZoneTest,
    checklist,
    is_shown,
    judge,
    printable,
    summary_of,
)

TEST = ZoneTest("t", "l", "d", "330110", "Zhao", START, START + timedelta(hours=1))
ZONES = (("4", "西门红外", "West gate infrared"), ("5", "西门门磁", "West gate contact"))


def judged(
    test: ZoneTest, signal: Signal, answered_ms: int | None = None, alarm_zones: tuple[str, ...] = ()
) -> list[Arrived]:
    answered = None if answered_ms is None else signal.received_at + timedelta(milliseconds=answered_ms)
    stored = StoredSignal("s", signal, SignalState.PROCESSED)
    return judge(test, stored, [number for number, _, _ in ZONES], answered_at=answered, alarm_zones=alarm_zones)


@pytest.mark.parametrize(
    ("asked", "told", "verdict"),
    [
        ("4", burglary("004"), Verdict.OK),
        ("", burglary("005"), Verdict.OK),
        ("4", burglary("005"), Verdict.WRONG_ZONE),
        ("4", burglary("009"), Verdict.NOT_MAPPED),
        ("4", burglary("000"), Verdict.NO_ZONE),
        ("4", event(EventKind.TEST, Category.TEST, 9), Verdict.NO_ZONE),
        ("4", burglary("004", is_known=False), Verdict.NOT_UNDERSTOOD),
    ],
)
def test_each_event_is_judged_by_the_zone_that_was_tried(asked: str, told: NormalEvent, verdict: Verdict) -> None:
    (one,) = judged(TEST.asking(asked, START), signal_of(told, after_s=1))
    assert one.verdict is verdict


def test_the_zone_tried_is_the_one_of_the_moment_the_signal_came() -> None:
    test = TEST.asking("4", START).asking("5", START + timedelta(seconds=10))
    assert [judged(test, signal_of(burglary("004"), after_s=s))[0].verdict for s in (5, 15)] == [
        Verdict.OK,
        Verdict.WRONG_ZONE,
    ]
    full = TEST
    for _ in range(MAX_ASKS):
        full = full.asking("4", START)
    with pytest.raises(TocsinError) as refused:
        full.asking("4", START)
    assert refused.value.code is ErrorCode.TOO_MANY


def test_what_came_late_or_was_put_aside_counts_for_nothing() -> None:
    late = replace(signal_of(burglary()), flags=(LATE,))
    aside = replace(signal_of(), quarantine="unreadable", raw=b"\x00\x01#1234[x]\r" + b"x" * 500)
    (one,) = judged(TEST, late)
    (other,) = judged(TEST, aside)
    assert (one.verdict, one.would_raise) == (Verdict.LATE, False)
    assert (other.verdict, other.event, other.form()["code"]) == (Verdict.NOT_UNDERSTOOD, None, "")
    assert other.raw.startswith("#1234[x]·x")
    assert len(other.raw) <= MAX_RAW_CHARS + 1
    assert printable(b"\n1234\r") == "1234"


def test_what_would_have_been_an_alarm_and_what_was_one_are_told_apart() -> None:
    (held,) = judged(TEST, signal_of(burglary("004")), answered_ms=12)
    (raised,) = judged(TEST, signal_of(event(EventKind.ALARM, Category.FIRE, 1, "4")), alarm_zones=("4",))
    (restore,) = judged(TEST, signal_of(burglary(kind=EventKind.RESTORE)))
    assert (held.form()["priority"], held.form()["raised"], held.form()["answer_ms"]) == (2, False, 12)
    assert (raised.form()["priority"], raised.form()["raised"]) == (1, True)
    assert (restore.form()["priority"], restore.form()["raised"]) == (None, False)


def test_a_zone_is_seen_once_its_detector_has_said_something() -> None:
    test = TEST.asking("4", START)
    came = [
        *judged(test, signal_of(burglary("004"), after_s=1), answered_ms=5),
        *judged(test, signal_of(burglary("004"), after_s=2), answered_ms=9),
        *judged(test, signal_of(burglary("005", kind=EventKind.RESTORE), after_s=3)),
        *judged(test, signal_of(burglary("009"), after_s=4)),
    ]
    assert [(row["number"], row["times"]) for row in checklist(ZONES, came)] == [("4", 2), ("5", 0)]
    summary = summary_of(ZONES, came)
    assert (summary["seen"], summary["events"], summary["longest_answer_ms"]) == (1, 4, 9.0)
    assert summary["strange"] == [
        {"zone": "9", "code": "cid:1130", "at": "2026-11-22T02:14:11.000000Z", "verdict": "not_mapped"}
    ]


def test_nothing_that_tells_of_duress_is_shown_on_the_premises() -> None:
    silent = signal_of(event(EventKind.ALARM, Category.DURESS, 1))
    assert not is_shown(StoredSignal("s", silent, SignalState.PROCESSED))
    assert is_shown(StoredSignal("s", signal_of(burglary()), SignalState.PROCESSED))


def test_a_link_that_is_over_or_withdrawn_says_which() -> None:
    link = TestLink("l", "d", "330110", "Zhao", START, "li", START + timedelta(hours=4))
    link.check(START + timedelta(hours=3))
    for wrong, at, key in (
        (link, START + timedelta(hours=4), "test_link.expired"),
        (replace(link, revoked_at=START), START, "test_link.revoked"),
    ):
        with pytest.raises(TocsinError) as refused:
            wrong.check(at)
        assert (refused.value.code, refused.value.key) == (ErrorCode.UNAUTHENTICATED, key)


def test_a_bucket_lets_through_what_it_holds_and_then_by_the_second() -> None:
    rates = Rates(per_s=2.0, burst=3)
    assert [rates.wait_s("a", 100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert rates.wait_s("b", 100.0) == 0.0
    assert rates.wait_s("a", 100.5) == 0.0
