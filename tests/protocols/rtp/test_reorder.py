"""Order and loss: what is held, what is given up, what is a restart."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.protocols.rtp.reorder import MAX_HELD, Reorder


def push(order, sequence, *, timestamp=0, now_ms=0.0):
    return order.push(sequence & 0xFFFF, timestamp, b"%d" % (sequence & 0xFFFF), now_ms)


def test_packets_in_order_pass_at_once_across_the_wrap():
    order = Reorder()
    assert [push(order, sequence) for sequence in (65534, 65535, 0, 1)] == [[b"65534"], [b"65535"], [b"0"], [b"1"]]


def test_a_swapped_pair_is_put_right():
    order = Reorder()
    push(order, 1)
    assert push(order, 3) == []
    assert push(order, 2) == [b"2", b"3"]
    assert (order.lost, order.reordered) == (0, 1)


def test_duplicates_and_stragglers_are_dropped_and_counted():
    order = Reorder()
    push(order, 10)
    assert push(order, 10) == []
    assert push(order, 8) == []
    assert order.late == 2


def test_a_gap_is_given_up_after_the_waiting_time():
    order = Reorder(wait_ms=100)
    push(order, 1)
    push(order, 4, now_ms=10.0)
    assert order.expire(109.0) == []
    assert order.expire(110.0) == [None, b"4"]
    assert order.lost == 2


def test_a_gap_is_given_up_when_three_pictures_wait():
    order = Reorder()
    push(order, 1, timestamp=0)
    assert push(order, 3, timestamp=0) == []
    assert push(order, 4, timestamp=3600) == []
    assert push(order, 5, timestamp=7200) == [None, b"3", b"4", b"5"]


def test_a_gap_is_given_up_when_the_buffer_is_full():
    order = Reorder()
    push(order, 0)
    ready = [push(order, sequence) for sequence in range(2, 2 + MAX_HELD)]
    assert ready[:-1] == [[]] * (MAX_HELD - 1)
    assert len(ready[-1]) == MAX_HELD + 1
    assert order.held == {}


def test_a_jump_forward_is_a_restart_with_a_break():
    order = Reorder()
    push(order, 1)
    assert push(order, 5000) == [None, b"5000"]
    assert (order.restarts, order.lost) == (1, 0)


def test_a_jump_far_back_is_a_restart_at_the_second_packet():
    order = Reorder()
    push(order, 40_000)
    assert push(order, 20_000) == []
    assert push(order, 20_001) == [None, b"20001"]
    assert push(order, 20_002) == [b"20002"]


def test_a_small_step_back_is_a_restart_only_after_a_long_unbroken_run():
    order = Reorder()
    push(order, 100)
    ready = [push(order, sequence) for sequence in range(20, 60)]
    assert ready[30] == []
    assert ready[31] == [None, b"51"]


@given(st.integers(0, 0xFFFF), st.lists(st.integers(0, 3), min_size=1, max_size=60), st.randoms())
def test_a_local_shuffle_is_repaired_whole(first, jitter, shuffle):
    order = Reorder()
    sequences = sorted(range(len(jitter)), key=lambda index: index + jitter[index] * shuffle.random())
    sequences.remove(0)
    ready = []
    for index in [0, *sequences]:
        ready += push(order, first + index)
    assert ready == [b"%d" % (first + index & 0xFFFF) for index in range(len(jitter))]
    assert order.lost == 0


@pytest.mark.parametrize("loss", [0.0, 0.005, 0.02])
@pytest.mark.parametrize("swap", [0.0, 0.02, 0.05])
def test_every_packet_is_delivered_or_counted(loss, swap):
    """The loss and reorder matrix of the reference: expected counts, not just survival."""
    chance = random.Random(f"{loss} {swap}")
    sent = list(range(4000))
    for index in range(1, len(sent) - 1):
        if chance.random() < swap:
            sent[index], sent[index + 1] = sent[index + 1], sent[index]
    arriving = [sequence for index, sequence in enumerate(sent) if index < 3 or chance.random() >= loss]
    order = Reorder()
    ready = []
    for sequence in arriving:
        ready += push(order, sequence, timestamp=sequence // 8 * 3600, now_ms=sequence * 5.0)
    ready += order.expire(1e9)
    delivered = [item for item in ready if item is not None]
    assert delivered == sorted(delivered, key=int)
    assert len(delivered) == len(arriving)
    assert order.lost == max(arriving) + 1 - len(arriving)
    assert (None in ready) == (order.lost > 0)
