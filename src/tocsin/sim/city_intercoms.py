"""The SIP intercoms of the city: registered over one socket, renewed, answering questions; some ring for help."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from tocsin.base.clock import Clock
from tocsin.base.ids import new_token
from tocsin.sim.city_ledger import SOS_CALL, Entry, Ledger
from tocsin.sim.intercom import IntercomPlan, SimIntercoms
from tocsin.sim.intercom_call import SimCall

WINDOW: Final = 128
LOOK_S: Final = 0.1


class CityIntercoms:
    """All intercoms. `connect`, let some `call_for_help`, `stop`."""

    def __init__(
        self, accounts: Sequence[str], password: str, server: tuple[str, int], ledger: Ledger, clock: Clock
    ) -> None:
        plan = IntercomPlan(server, tuple(accounts), password, window=WINDOW, sound=False)
        self.fleet = SimIntercoms(plan, clock, new_token)
        self._ledger = ledger
        self._clock = clock
        self._is_open = False
        self._calls: list[SimCall] = []
        self._waits: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> int:
        """How many are registered."""
        return self.fleet.report.registered

    @property
    def waiting(self) -> int:
        """How many calls for help have no answer yet."""
        return len(self._waits)

    async def connect(self, patience_s: float, told: Callable[[int, int], None] = lambda done, of: None) -> int:
        """Register all; return how many are."""
        await self.fleet.__aenter__()
        self._is_open = True
        registering = asyncio.ensure_future(self.fleet.register_all())
        ends_s = self._clock.monotonic() + patience_s
        while not registering.done() and self._clock.monotonic() < ends_s:
            told(self.connected, len(self.fleet.plan.accounts))
            await self._clock.sleep(LOOK_S)
        registering.cancel()
        await asyncio.gather(registering, return_exceptions=True)
        return self.connected

    def call_for_help(self, number: int) -> None:
        """Ring as an emergency; that the platform rings is its acknowledgement: it is committed by then."""
        account = self.fleet.plan.accounts[number]
        entry = self._ledger.presses[account] = Entry(SOS_CALL, is_life=True, happened_s=self._clock.monotonic())
        call = self.fleet.ring(number, is_sos=True)
        self._calls.append(call)
        wait = asyncio.create_task(self._wait(call, entry), name=f"call of {account}")
        self._waits.add(wait)
        wait.add_done_callback(self._waits.discard)

    async def _wait(self, call: SimCall, entry: Entry) -> None:
        if await call.rang:
            entry.acked_ms = (self._clock.monotonic() - entry.happened_s) * 1000
        else:
            entry.is_refused = True

    async def stop(self) -> None:
        """Hang up and be gone."""
        for call in self._calls:
            if not call.ended.done():
                call.hang_up()
        for wait in list(self._waits):
            wait.cancel()
        await asyncio.gather(*self._waits, return_exceptions=True)
        if self._is_open:
            self._is_open = False
            await self.fleet.__aexit__()
