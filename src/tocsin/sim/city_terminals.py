"""The JT/T 808 terminals of the city: admitted, heard every minute; some press their SOS button and hold it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Sequence
from typing import Final

from tocsin.base.clock import Clock
from tocsin.sim.city_ledger import SOS_CODE, Entry, Ledger
from tocsin.sim.city_plan import CityTerminal
from tocsin.sim.terminal_device import SimTerminal, TerminalSpec

NEVER_GIVE_UP: Final = 1_000_000
ADMITTED_AT_A_TIME: Final = 50
ADMITTED_WITHIN_S: Final = 15.0
TICK_S: Final = 0.25
LOOK_S: Final = 0.05
REPORT_S: Final = 60.0
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 5.0


class _Terminal:
    """One terminal and whether its network is there."""

    __slots__ = ("home", "reachable", "sim")

    def __init__(self, home: CityTerminal, sim: SimTerminal) -> None:
        self.home = home
        self.sim = sim
        self.reachable = asyncio.Event()
        self.reachable.set()


class CityTerminals:
    """All terminals. `connect`, `press`, `cut` and `restore`, `stop`."""

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
        self._server = server
        self._ledger = ledger
        self._clock = clock
        self._dice = random.Random(f"{seed} terminals")
        self._gate = asyncio.Semaphore(ADMITTED_AT_A_TIME)
        self._tasks: list[asyncio.Task[None]] = []
        self.reconnects = 0
        self.reports = 0
        self.reports_acknowledged = 0
        self._terminals = [
            _Terminal(
                home,
                SimTerminal(
                    TerminalSpec(
                        home.phone,
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

    async def connect(self, patience_s: float, told: Callable[[int, int], None] = lambda done, of: None) -> int:
        """Connect and admit all; return how many are."""
        self._tasks = [
            asyncio.create_task(self._keep(one), name=f"terminal {one.home.phone}") for one in self._terminals
        ]
        self._tasks += [asyncio.create_task(self._tick(), name="ticks"), asyncio.create_task(self._live(), name="life")]
        ends_s = self._clock.monotonic() + patience_s
        while (done := self.connected) < len(self._terminals) and self._clock.monotonic() < ends_s:
            told(done, len(self._terminals))
            await self._clock.sleep(LOOK_S)
        return done

    def press(self, number: int) -> None:
        """Press the SOS button of one; the bit is in every report until the platform confirms it."""
        one = self._terminals[number]
        entry = Entry(SOS_CODE, True, self._clock.monotonic())
        self._ledger.presses[one.home.phone] = entry
        one.sim.press()

        def done(is_ok: bool, after_s: float) -> None:
            if is_ok:
                entry.acked_ms = after_s * 1000
            elif after_s >= 0:
                entry.is_refused = True

        one.sim.report(self._clock.now(), done)

    def cut(self, carriers: Collection[int] | None = None) -> int:
        """Take the network from the terminals of carriers, or from all; return how many."""
        cut = [one for one in self._terminals if carriers is None or one.home.carrier in carriers]
        for one in cut:
            one.reachable.clear()
            one.sim.close()
        return len(cut)

    def restore(self) -> None:
        """Give the network back."""
        for one in self._terminals:
            one.reachable.set()

    async def stop(self) -> None:
        """Hang up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for one in self._terminals:
            one.sim.close()

    async def _keep(self, one: _Terminal) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            await one.reachable.wait()
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
