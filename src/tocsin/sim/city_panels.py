"""The panels of the city, each with a line of its own: they keep it open, poll, report one by one, never give up.

An event that happens while a panel waits for an acknowledgement, or has no line, is kept and sent afterwards, as panels
keep it in their memory.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Sequence
from typing import Final

from tocsin.base.clock import Clock
from tocsin.protocols.dc09.crypto import AesKey
from tocsin.sim.city_ledger import Entry, Ledger
from tocsin.sim.city_part import LOOK_S, NEVER_GIVE_UP, CityPart
from tocsin.sim.city_plan import CityPanel, CutKind, Happening
from tocsin.sim.panel_device import FIRST_RECONNECT_S, LONGEST_RECONNECT_S, Delivery, Line, Outcome, PanelSpec, SimPanel

OPENED_AT_A_TIME: Final = 200
TICK_S: Final = 0.25
SEQUENCES: Final = 9_000


class _Panel:
    """One panel: its line, and what has happened and was not sent yet."""

    __slots__ = ("home", "is_busy", "line", "sim", "waiting")

    def __init__(self, home: CityPanel, sim: SimPanel, line: Line) -> None:
        self.home = home
        self.sim = sim
        self.line = line
        self.waiting: deque[tuple[Happening, float]] = deque()
        self.is_busy = False


class CityPanels(CityPart):
    """All panels: let things `happen`."""

    def __init__(
        self,
        homes: Sequence[CityPanel],
        server: tuple[str, int],
        ledger: Ledger,
        clock: Clock,
        *,
        retry_after_s: float = 5.0,
        seed: int = 1,
    ) -> None:
        super().__init__(homes, clock)
        self._ledger = ledger
        self._dice = random.Random(f"{seed} panels")
        self._gate = asyncio.Semaphore(OPENED_AT_A_TIME)
        self.reconnects = 0
        self.polls = 0
        first = 1 + int(clock.now().timestamp()) % SEQUENCES  # a run right after another repeats no number
        self._panels = []
        for home in homes:
            spec = PanelSpec(
                home.account,
                AesKey(home.key) if home.key else None,
                home.form,
                home.profile,
                home.poll_interval_s,
                NEVER_GIVE_UP,
                retry_after_s,
                first_sequence=first,
            )
            sim = SimPanel(spec, clock)
            line = Line(*server, home.transport, clock)
            line.add(sim)
            self._panels.append(_Panel(home, sim, line))

    @property
    def connected(self) -> int:
        """How many panels were answered and have their line."""
        return sum(one.line.is_open and one.sim.last_answer_at is not None for one in self._panels)

    @property
    def waiting(self) -> int:
        """How many events have no answer yet."""
        return sum(one.is_busy + len(one.waiting) for one in self._panels)

    @property
    def retried(self) -> int:
        """How many frames were sent again."""
        return sum(one.sim.retried for one in self._panels)

    @property
    def sockets(self) -> int:
        """How many sockets they need."""
        return len(self._panels)

    async def _open(self) -> list[asyncio.Task[None]]:
        return [
            *(asyncio.create_task(self._keep(one), name=f"panel {one.home.account}") for one in self._panels),
            asyncio.create_task(self._tick(), name="ticks"),
            asyncio.create_task(self._poll(), name="polls"),
        ]

    def happen(self, happening: Happening) -> None:
        """Let something happen: it is sent at once, or after what the panel still waits for."""
        one = self._panels[happening.panel]
        one.waiting.append((happening, self._clock.monotonic()))
        self._send_next(one)

    def _lose(self, numbers: Sequence[int], kind: CutKind) -> None:
        for number in numbers:
            self._panels[number].line.close()

    async def _close(self) -> None:
        for one in self._panels:
            one.line.close()

    def _send_next(self, one: _Panel) -> None:
        if one.is_busy or not one.waiting:
            return
        happening, happened_s = one.waiting.popleft()
        one.is_busy = True
        entry = Entry(happening.event.code, happening.is_life, happened_s)

        def done(delivery: Delivery) -> None:
            one.is_busy = False
            if delivery.outcome is Outcome.ACKNOWLEDGED:
                entry.acked_ms = delivery.latency_ms
            else:
                entry.is_refused = delivery.outcome is Outcome.REFUSED
            self._send_next(one)

        sequence = one.sim.transmit(happening.event, done)
        self._ledger.events[one.home.account, sequence] = entry

    async def _keep(self, one: _Panel) -> None:
        delay_s = FIRST_RECONNECT_S
        while True:
            await self.way(one.home.number)
            try:
                async with self._gate:
                    await one.line.open()
            except OSError:
                await self._clock.sleep(delay_s * self._dice.uniform(0.5, 1.5))
                delay_s = min(2 * delay_s, LONGEST_RECONNECT_S)
                continue
            delay_s = FIRST_RECONNECT_S
            if self.is_cut(one.home.number):
                one.line.close()  # while it was being opened
            self.polls += 1
            one.sim.poll()
            await one.line.lost.wait()
            self.reconnects += 1

    async def _tick(self) -> None:
        """Let panels repeat what was not answered."""
        while True:
            await self._clock.sleep(TICK_S)
            for one in self._panels:
                if one.sim.waiting:
                    one.sim.tick()

    async def _poll(self) -> None:
        """Poll, each panel at its own moment of its interval."""
        now_s = self._clock.monotonic()
        due = [(now_s + self._dice.random() * one.home.poll_interval_s, one.home.number) for one in self._panels]
        heapq.heapify(due)
        while due:
            await self._clock.sleep(max(LOOK_S, due[0][0] - self._clock.monotonic()))
            now_s = self._clock.monotonic()
            while due[0][0] <= now_s:
                at_s, number = due[0]
                one = self._panels[number]
                heapq.heapreplace(due, (at_s + one.home.poll_interval_s, number))
                if one.line.is_open:
                    self.polls += 1
                    one.sim.poll()
