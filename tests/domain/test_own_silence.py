"""Our own silence is nobody's fault."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import START
from tocsin.domain.own_silence import Silence, about, deadline, heard_from, shifted, since_alive


def _at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def _silence(begins: float, ends: float, *protocols: str) -> Silence:
    return Silence(_at(begins), _at(ends), frozenset(protocols))


def test_a_wait_counts_from_later_by_the_silences_on_its_way_and_never_from_a_time_to_come() -> None:
    assert heard_from(_at(0), [], _at(10)) == _at(0)
    assert heard_from(_at(0), [_silence(2, 7)], _at(10)) == _at(5)
    assert heard_from(_at(4), [_silence(2, 7)], _at(10)) == _at(7)
    assert heard_from(_at(8), [_silence(2, 7)], _at(10)) == _at(8)
    assert heard_from(_at(0), [_silence(2, 7), _silence(6, 9)], _at(10)) == _at(7)
    assert shifted(_at(8), timedelta(minutes=5), _at(10)) == _at(10)


def test_a_deadline_moves_by_the_silences_before_it_and_by_none_after_it() -> None:
    hour = timedelta(hours=1)
    assert deadline(_at(0), hour, [_silence(70, 90)]) == _at(60)
    assert deadline(_at(0), hour, [_silence(50, 90)]) == _at(100)
    assert deadline(_at(0), hour, [_silence(10, 20), _silence(65, 70)]) == _at(75)
    assert deadline(_at(0), hour, [_silence(-30, -10), _silence(-5, 5)]) == _at(65)


def test_only_its_own_gateway_excuses_a_device() -> None:
    ours, theirs = _silence(0, 5), _silence(10, 15, "jt808")
    assert about("dc09", [ours, theirs]) == [ours]
    assert about("jt808", [ours, theirs]) == [ours, theirs]


def test_a_step_of_the_loop_is_no_silence() -> None:
    assert since_alive(None, START) is None
    assert since_alive(START - timedelta(seconds=1), START) is None
    assert since_alive(START - timedelta(minutes=5), START) == _silence(-5, 0)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 30)), max_size=6), st.integers(0, 90), st.integers(1, 90))
def test_both_say_the_same(given_: list[tuple[int, int]], since: int, minutes: int) -> None:
    silences = [_silence(begins, begins + length) for begins, length in given_]
    ends = deadline(_at(since), timedelta(minutes=minutes), silences)
    assert heard_from(_at(since), silences, ends) + timedelta(minutes=minutes) == ends
