"""What is due is found, and nothing else is touched or kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.due_index import SPARE, DueIndex


def test_what_is_due_comes_once_the_longest_first() -> None:
    index: DueIndex[str] = DueIndex()
    for name, due_s in (("late", 3.0), ("first", 1.0), ("never", 99.0), ("second", 2.0)):
        index.put(name, due_s)
    assert index.take(3.0) == ["first", "second", "late"]
    assert index.take(50.0) == []
    assert ("never" in index, "late" in index, len(index)) == (True, False, 1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20), st.booleans())))
def test_the_last_word_counts_and_memory_has_a_bound(words: list[tuple[int, int, bool]]) -> None:
    index: DueIndex[int] = DueIndex()
    wanted: dict[int, int] = {}
    for item, due_s, is_dropped in words:
        if is_dropped:
            index.drop(item)
            wanted.pop(item, None)
        else:
            index.put(item, due_s)
            wanted[item] = due_s
    assert sorted(index.take(10)) == sorted(item for item, due_s in wanted.items() if due_s <= 10)


def test_one_that_flaps_for_ever_leaves_nothing_behind() -> None:
    index: DueIndex[str] = DueIndex()
    for turn in range(10_000):
        index.put("flapping", 1e9 - turn)
    assert index.size <= 2 + SPARE + 1
