"""An overloaded worker gives up catch-ups and delta pictures before it falls behind; slow viewers step down and up."""

from __future__ import annotations

import asyncio

from tests.media.test_viewer import seated
from tocsin.media.load import LoadGauge, StepDown
from tocsin.media.tickets import Ticket
from tocsin.media.websocket import binary_frame
from tocsin.media.worker import Worker
from tocsin.media.worker_settings import WorkerSettings


def test_two_late_seconds_are_an_overload_and_five_calm_ones_end_it() -> None:
    gauge = LoadGauge()
    for tick in range(19):
        gauge.note(0.1, 10 + tick * 0.1)
    assert not gauge.is_overloaded
    gauge.note(0.1, 12.0)
    assert gauge.is_overloaded
    gauge.note(0.0, 16.9)
    assert gauge.is_overloaded
    gauge.note(0.0, 17.0)
    assert not gauge.is_overloaded
    assert gauge.times == 1


def test_single_late_ticks_are_no_overload() -> None:
    gauge = LoadGauge()
    for tick in range(300):
        gauge.note(0.2 if tick % 150 == 0 else 0.0, tick * 0.01)
    assert not gauge.is_overloaded


def test_three_gaps_in_thirty_seconds_step_down_and_a_minute_without_one_steps_up() -> None:
    step = StepDown()
    assert not step.gap(0.0)
    assert not step.gap(20.0)
    assert not step.gap(40.0)  # the first of the three is over thirty seconds old
    assert step.gap(45.0)
    assert step.is_down
    assert not step.may_step_up(104.9)
    assert step.may_step_up(105.0)
    assert not step.is_down


async def test_a_throttled_viewer_gets_keys_alone_is_told_so_and_comes_back_at_a_key() -> None:
    viewer, pipe, _ = seated()
    key, delta = binary_frame([b"key"]), binary_frame([b"delta"])
    viewer.is_throttled = True
    for frame in (delta, key, delta, key):
        viewer.send_media(frame, is_key=frame is key)
    told, *media = pipe.written
    assert b'"quality"' in told
    assert b'"key_frames"' in told
    assert b'"overload"' in told
    assert media == [key, key]
    viewer.is_throttled = False
    count = len(pipe.written)
    for frame in (delta, key, delta):  # what builds on pictures that were left out stays away until the next key
        viewer.send_media(frame, is_key=frame is key)
    told, *media = pipe.written[count:]
    assert b'"all"' in told
    assert media == [key, delta]


async def test_a_viewer_that_falls_behind_three_times_steps_down() -> None:
    viewer, pipe, _ = seated()
    large, small = binary_frame([b"x" * 600_000]), binary_frame([b"s"])
    for _ in range(3):
        for _ in range(4):
            viewer.send_media(large, is_key=False)
        pipe.waiting = 0
        viewer.send_media(small, is_key=True)
    assert viewer.gaps == 3
    assert viewer.step.is_down
    count = len(pipe.written)
    viewer.send_media(small, is_key=False)
    assert pipe.written[count:] == []
    viewer.send_media(small, is_key=True)
    assert pipe.written[-1] == small


async def test_an_overload_spares_those_who_verify_an_alarm() -> None:
    worker = Worker(WorkerSettings("/nowhere"), _Still())
    viewers = {}
    for is_alarm in (False, True):
        viewer, _, _ = seated()
        viewer.ticket = Ticket("t", "cam", "v", "view", 1e12, is_alarm=is_alarm)
        viewers[is_alarm] = viewer
        worker._gallery.viewers.add(viewer)
    worker._throttle(True)
    assert (viewers[False].is_throttled, viewers[True].is_throttled) == (True, False)
    worker._throttle(False)
    assert not viewers[False].is_throttled
    await asyncio.sleep(0)


class _Still:
    def now(self) -> object:
        raise AssertionError("not asked")

    def monotonic(self) -> float:
        return 0.0
