"""When a worker looks at its UDP ports: at once while they are few, all of them every 10 ms when they are many.

Source: media reference, receive loop.
"""

from __future__ import annotations

import asyncio

from tocsin.base.clock import Clock
from tocsin.media.delay import DelayGauge
from tocsin.media.load import LoadGauge
from tocsin.media.ports import UdpWatch
from tocsin.media.stages import Stages

TICK_S = 0.010
FEW_STREAMS = 20


class Pace:
    """The rounds of a worker, and the time of the last one: `now_s`, monotonic."""

    def __init__(self, stages: Stages, clock: Clock) -> None:
        self._stages = stages
        self._clock = clock
        self.watch = UdpWatch()
        self.load = LoadGauge()
        self.delays = DelayGauge()
        self._arrivals_s: list[float] = []  # of pictures whose bytes the loop has not written yet
        self.now_s = clock.monotonic()
        self.is_shared = False  # one port carries many streams
        self.is_ticking = False
        self._is_reading = False

    def note_arrival(self, arrived_s: float) -> None:
        """Measure a picture that goes to its viewers now; `arrived_s`: when its last packet came, epoch seconds.

        The loop writes what was queued once its round is over: only then is the delay known.
        """
        if not self._arrivals_s:
            loop = asyncio.get_running_loop()
            loop.call_soon(self._settle)
        self._arrivals_s.append(arrived_s)

    def _settle(self) -> None:
        now = self._clock.now().timestamp()
        for arrived_s in self._arrivals_s:
            self.delays.note(now - arrived_s)
        self._arrivals_s.clear()

    def look(self) -> float:
        """Read the clock; return and keep the time."""
        self.now_s = self._clock.monotonic()
        return self.now_s

    def choose(self) -> None:
        """With few ports react to each; with many, look at all of them every 10 ms."""
        loop = asyncio.get_running_loop()
        many = self._stages.sending > FEW_STREAMS
        wants_tick = len(self.watch) > FEW_STREAMS or (self.is_shared and many)
        wants_reader = len(self.watch) > 0 and not wants_tick
        if wants_reader != self._is_reading:
            if wants_reader:
                loop.add_reader(self.watch.fileno(), self._drain_now)
            else:
                loop.remove_reader(self.watch.fileno())
            self._is_reading = wants_reader
        if wants_tick and not self.is_ticking:
            self.is_ticking = True
            loop.call_later(TICK_S, self._tick, loop.time() + TICK_S)
        elif not wants_tick:
            self.is_ticking = False

    def _drain_now(self) -> None:
        self.now_s = self._clock.monotonic()
        self.watch.drain(self.now_s)

    def _tick(self, due_s: float) -> None:
        if not self.is_ticking:
            return
        # Not here: what the loop has ready, such as measuring the round before, comes first.
        asyncio.get_running_loop().call_soon(self._round, due_s)

    def _round(self, due_s: float) -> None:
        loop = asyncio.get_running_loop()
        late_s = loop.time() - due_s
        self.load.note(late_s, loop.time())
        self._drain_now()
        following = max(due_s + TICK_S, loop.time() + 0.001)
        loop.call_at(following, self._tick, following)
