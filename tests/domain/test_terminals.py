"""What a report changes: presses, faults, batches, codes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from tests.support.clocks import START
from tocsin.base.normal import EventKind, NormalEvent
from tocsin.domain.terminals import CLOCK_SKEW, LATE, Judged, Report, Terminal, hash_of, judge
from tocsin.protocols.jt808.alarms import CLEARED_BY_CONFIRMATION, KEPT_BITS, edge_events
from tocsin.protocols.jt808.location import Location

NEW = Terminal("t1")


def report(
    word: int, after_s: float = 0, *, at_s: float | None = None, is_batch: bool = False, serial: int = 1
) -> Report:
    received: datetime = START + timedelta(seconds=after_s)
    at = START + timedelta(seconds=after_s if at_s is None else at_s)
    location = Location(alarm=word, at=at)

    def events(before: int) -> tuple[NormalEvent, ...]:
        return edge_events(before, location)

    return Report(
        "t1",
        "138",
        "peer",
        b"",
        serial,
        received,
        at,
        word & KEPT_BITS,
        CLEARED_BY_CONFIRMATION,
        events,
        is_batch=is_batch,
    )


def follow(*reports: Report) -> tuple[Terminal, list[list[str]]]:
    """Return the terminal after the reports, and the codes and kinds each raised."""
    terminal, raised = NEW, []
    for one in reports:
        judged = judge(terminal, one)
        terminal = judged.terminal
        raised.append([f"{event.code} {event.kind.value}" + "".join(judged.flags) for event in judged.events])
    return terminal, raised


def test_a_press_held_over_many_reports_is_one_event_until_it_was_clear() -> None:
    terminal, raised = follow(*(report(1, n * 5) for n in range(100)), report(0, 600), report(1, 605, serial=9))
    assert raised[0] == raised[-1] == ["bit0 alarm"]
    assert raised[1:-1] == [[]] * 100
    assert (terminal.press_serial, terminal.pressed_at) == (9, START + timedelta(seconds=605))


def test_a_repeated_report_changes_nothing() -> None:
    first = judge(NEW, report(1))
    assert judge(first.terminal, report(1)) == Judged(first.terminal)


def test_a_held_bit_not_seen_for_ten_minutes_is_pressed_anew_and_seen_within_is_not() -> None:
    assert follow(report(1), report(1, 599), report(1, 1190))[1] == [["bit0 alarm"], [], []]
    assert follow(report(1), report(1, 661))[1] == [["bit0 alarm"], ["bit0 alarm"]]


def test_a_fault_comes_and_goes_and_is_never_forgotten() -> None:
    power = 1 << 8
    assert follow(report(power), report(power, 5000), report(0, 5005))[1] == [["bit8 trouble"], [], ["bit8 restore"]]


def test_an_operators_confirmation_ends_with_the_press() -> None:
    pressed = judge(NEW, report(1)).terminal
    confirmed = replace(pressed, confirmed_at=START)
    assert judge(confirmed, report(1, 5)).terminal.confirmed_at == START
    over = judge(confirmed, report(0, 6)).terminal
    assert (over.confirmed_at, over.pressed_at, over.word) == (None, None, 0)


def test_a_terminal_with_a_wrong_clock_keeps_its_sos() -> None:
    assert follow(report(1, at_s=-8 * 3600))[1] == [["bit0 alarm" + CLOCK_SKEW]]


def test_an_old_batch_is_kept_as_late_once_and_never_an_alarm_of_now() -> None:
    old = [report(1, 0, at_s=-1200 + n, is_batch=True) for n in range(30)]
    terminal, raised = follow(*old)
    assert raised == [["bit0 alarm" + LATE]] + [[]] * 29
    assert (terminal.word, terminal.pressed_at) == (0, None)
    assert judge(terminal, report(1, 5)).events[0].kind is EventKind.ALARM


def test_a_young_batch_raises_what_the_network_held_back() -> None:
    terminal, raised = follow(report(1, 100, at_s=40, is_batch=True), report(1, 101, at_s=45, is_batch=True))
    assert raised == [["bit0 alarm"], []]
    assert terminal.word == 1
    assert judge(terminal, report(1, 102)).events == ()


def test_a_batch_from_before_the_last_change_raises_nothing_and_clears_nothing() -> None:
    terminal, raised = follow(
        report(1, 100), report(0, 95, at_s=90, is_batch=True), report(0, 200), report(1, 205, at_s=150, is_batch=True)
    )
    assert raised == [["bit0 alarm"], [], [], ["bit0 alarm" + LATE]]
    assert terminal.word == 0


def test_a_code_is_known_by_its_digest_and_the_newest_shown_replaces_the_one_before() -> None:
    both = Terminal("t1", code_hash=hash_of("old"), next_hash=hash_of("new"))
    assert both.knows("old")
    assert both.knows("new")
    assert not both.knows("")
    assert not NEW.knows("")
    assert both.shown("old") == both
    after = both.shown("new")
    assert (after.knows("old"), after.knows("new")) == (False, True)
