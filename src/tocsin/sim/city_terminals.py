"""The JT/T 808 terminals of the city: admitted, heard every minute; some press their SOS button and hold it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Final

from tocsin.base.clock import Clock
from tocsin.sim.city_ledger import SOS_CODE, Entry, Ledger
from tocsin.sim.city_part import NEVER_GIVE_UP, CityPart
from tocsin.sim.city_plan import CityTerminal, CutKind
from tocsin.sim.terminal_device import SimTerminal, TerminalSpec

ADMITTED_AT_A_TIME: Final = 50
ADMITTED_WITHIN_S: Final = 15.0
TICK_S: Final = 0.25
REPORT_S: Final = 60.0
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 5.0


class _Terminal:
    """One terminal."""

    __slots__ = ("home", "sim")

    def __init__(self, home: CityTerminal, sim: SimTerminal) -> None:
        self.home = home
        self.sim = sim


class CityTerminals(CityPart):
    """All terminals: let some `press` their button."""

    def __init__(
        self,
        homes: Sequence[CityTerminal],
        server: tuple[str, int],
        ledger: Ledger,
        clock: Clock,
        *,
        retry_after_s: float = 5.0,
        seed: int = 1,
    ) -> None:
        super().__init__(homes, clock)
        self._server = server
        self._ledger = ledger
        self._dice = random.Random(f"{seed} terminals")
        self._gate = asyncio.Semaphore(ADMITTED_AT_A_TIME)
        self.reconnects = 0
        self.reports = 0
        self.reports_acknowledged = 0
        self._terminals = [
            _Terminal(
                home,
                SimTerminal(
                    TerminalSpec(
                        home.account,
                        home.edition,
                        f"C{home.number:06d}",
                        lon=118.19 + self._dice.uniform(-0.05, 0.05),
                        lat=30.93 + self._dice.uniform(-0.05, 0.05),
                        tries=NEVER_GIVE_UP,
                        retry_after_s=retry_after_s,
                    ),
                    clock,
                ),
            )
            for home in homes
        ]

    @property
    def connected(self) -> int:
        """How many are admitted."""
        return sum(one.sim.is_admitted for one in self._terminals)

    @property
    def waiting(self) -> int:
        """How many presses have no answer yet."""
        return sum(entry.acked_ms is None for entry in self._ledger.presses.values())

    @property
    def retried(self) -> int:
        """How much was sent again."""
        return sum(one.sim.retried for one in self._terminals)

    @property
    def sockets(self) -> int:
        """How many sockets they need."""
        return len(self._terminals)

    async def _open(self) -> list[asyncio.Task[None]]:
        return [
            *(asyncio.create_task(self._keep(one), name=f"terminal {one.home.account}") for one in self._terminals),
            asyncio.create_task(self._tick(), name="ticks"),
            asyncio.create_task(self._live(), name="life"),
        ]

    def press(self, number: int) -> None:
        """Press the SOS button of one; the bit is in every report until the platform confirms it."""
        one = self._terminals[number]
        entry = Entry(SOS_CODE, True, self._clock.monotonic())
        self._ledger.presses[one.home.account] = entry
        one.sim.press()

        def done(is_ok: bool, after_s: float) -> None:
            if is_ok:
                entry.acked_ms = after_s * 1000
            elif after_s >= 0:
                entry.is_refused = True

        one.sim.report(self._clock.now(), done)

    def _lose(self, numbers: Sequence[int], kind: CutKind) -> None:
        for number in numbers:
            self._terminals[number].sim.close()

    async def _close(self) -> None:
        for one in self._terminals:
            one.sim.close()

    async def _keep(self, one: _Terminal) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            await self.way(one.home.number)
            try:
                async with self._gate:
                    await one.sim.connect(*self._server)
                    async with asyncio.timeout(ADMITTED_WITHIN_S):
                        is_in = await self._admit(one)
            except (OSError, TimeoutError):
                is_in = False
            if not is_in:
                one.sim.code = ""  # it may be what was refused: the next time it registers again
                one.sim.close()
                await self._clock.sleep(pause_s * self._dice.uniform(0.5, 1.5))
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                continue
            pause_s = FIRST_PAUSE_S
            if self.is_cut(one.home.number):
                one.sim.close()  # while it was being admitted
            await one.sim.lost.wait()
            self.reconnects += 1

    async def _admit(self, one: _Terminal) -> bool:
        """Admit it; the line may break meanwhile."""
        admitted = asyncio.ensure_future(one.sim.admit())
        lost = asyncio.ensure_future(one.sim.lost.wait())
        try:
            await asyncio.wait([admitted, lost], return_when=asyncio.FIRST_COMPLETED)
            return admitted.done() and not admitted.cancelled() and admitted.result()
        finally:
            for task in (admitted, lost):
                task.cancel()
            await asyncio.gather(admitted, lost, return_exceptions=True)

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            for one in self._terminals:
                if one.sim.waiting and one.sim.is_admitted:
                    one.sim.tick()

    async def _live(self) -> None:
        """Send heartbeats and reports, one terminal after the other."""
        order = self._dice.sample(self._terminals, len(self._terminals))
        while True:
            for one in order:
                await self._clock.sleep(REPORT_S / len(order))
                if one.sim.is_admitted:
                    one.sim.heartbeat(_nothing)
                    self.reports += 1
                    one.sim.report(self._clock.now(), self._reported)

    def _reported(self, is_ok: bool, after_s: float) -> None:
        self.reports_acknowledged += is_ok


def _nothing(is_ok: bool, after_s: float) -> None:
    """Nobody waits for a heartbeat."""
