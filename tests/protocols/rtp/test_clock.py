"""Media time: wraps, restarts, stamps that lie."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin.protocols.rtp.clock import MediaClock

FRAME = 3600


def run(stamps, step_ms=40.0):
    clock = MediaClock()
    return clock, [clock.place(pts, 1000.0 + index * step_ms) for index, pts in enumerate(stamps)]


def test_media_time_starts_at_zero_and_follows_the_stamps():
    assert run([7777, 7777 + FRAME, 7777 + 2 * FRAME])[1] == [0, FRAME, 2 * FRAME]


def test_a_wrap_at_33_bits_and_at_32_bits_is_no_jump():
    for modulus in (1 << 33, 1 << 32):
        clock, times = run([(modulus - FRAME + index * FRAME) % modulus for index in range(4)])
        assert times == [0, FRAME, 2 * FRAME, 3 * FRAME]
        assert clock.rebases == 0


def test_a_jump_is_replaced_by_the_time_that_passed():
    clock, times = run([0, FRAME, FRAME + 8_000_000, 8_000_000 + 2 * FRAME])
    assert times == [0, FRAME, 2 * FRAME, 3 * FRAME]
    assert clock.rebases == 1


def test_a_step_back_of_a_second_is_replaced_but_b_frames_are_not():
    assert run([900_000, 900_000 + FRAME, 500_000])[1] == [0, FRAME, 2 * FRAME]
    assert run([0, 3 * FRAME, FRAME, 2 * FRAME])[1] == [0, 3 * FRAME, FRAME, 2 * FRAME]


def test_a_stall_that_the_wall_clock_confirms_is_kept():
    clock = MediaClock()
    clock.place(0, 0.0)
    assert clock.place(450_000, 5000.0) == 450_000
    assert clock.rebases == 0


def test_stamps_that_stand_still_or_are_absent_follow_arrival():
    assert run([0, 0, 0])[1] == [0, FRAME, 2 * FRAME]
    assert run([None, None, None])[1] == [0, FRAME, 2 * FRAME]


def test_stamps_in_other_units_are_found_out():
    clock, times = run([index * 320 for index in range(400)])  # 8 kHz units
    assert clock.follows_arrival
    assert times[-1] - times[-2] == FRAME


@given(st.lists(st.tuples(st.integers(0, (1 << 33) - 1), st.floats(0, 2000)), max_size=50))
def test_whatever_the_stamps_say_media_time_keeps_to_the_wall_clock(steps):
    clock = MediaClock()
    now_ms = last = 0.0
    for pts, pause_ms in steps:
        now_ms += pause_ms
        time = clock.place(pts, now_ms)
        assert time - last >= -45_000
        assert time - last <= max(90_000, pause_ms * 90 + 90_000)
        last = time
