"""The SIP intercoms of the city: registered over one socket, renewed, answering questions; some ring for help."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from tocsin.base.clock import Clock
from tocsin.base.ids import new_token
from tocsin.sim.city_ledger import SOS_CALL, Entry, Ledger
from tocsin.sim.city_part import NEVER_GIVE_UP, CityPart
from tocsin.sim.city_plan import CityIntercom, CutKind, StormKind
from tocsin.sim.intercom import IntercomPlan, SimIntercoms
from tocsin.sim.intercom_call import SimCall

WINDOW: Final = 128
BUSY: Final = 503
RING_AGAIN_S: Final = 2.0


class CityIntercoms(CityPart):
    """All intercoms: let some `call_for_help`."""

    def __init__(
        self, homes: Sequence[CityIntercom], password: str, server: tuple[str, int], ledger: Ledger, clock: Clock
    ) -> None:
        super().__init__(homes, clock)
        accounts = tuple(one.account for one in homes)
        plan = IntercomPlan(server, accounts, password, window=WINDOW, tries=NEVER_GIVE_UP, sound=False)
        self.fleet = SimIntercoms(plan, clock, new_token)
        self._ledger = ledger
        self._is_open = False
        self._calls: list[SimCall] = []
        self._waits: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> int:
        """How many are registered and can be reached."""
        return self.fleet.reachable

    @property
    def waiting(self) -> int:
        """How many calls for help have no answer yet."""
        return len(self._waits)

    async def _open(self) -> list[asyncio.Task[None]]:
        await self.fleet.__aenter__()
        self._is_open = True
        self.fleet.register()
        return []

    def call_for_help(self, number: int) -> None:
        """Ring as an emergency; that the platform rings is its acknowledgement: it is committed by then.

        Who hears nothing rings again, and so does who had no power, or no way out, once it is back.
        """
        account = self._homes[number].account
        entry = self._ledger.presses[account] = Entry(SOS_CALL, is_life=True, happened_s=self._clock.monotonic())
        wait = asyncio.create_task(self._ring(number, entry), name=f"call of {account}")
        self._waits.add(wait)
        wait.add_done_callback(self._waits.discard)

    async def _ring(self, number: int, entry: Entry) -> None:
        while True:
            await self.way(number)
            call = self.fleet.ring(number, is_sos=True)
            self._calls.append(call)
            if await call.rang:
                entry.acked_ms = (self._clock.monotonic() - entry.happened_s) * 1000
                return
            if call.status and call.status != BUSY:
                entry.is_refused = True
                return
            entry.calls += 1
            await self._clock.sleep(RING_AGAIN_S)

    def _lose(self, numbers: Sequence[int], kind: CutKind) -> None:
        self.fleet.darken(numbers, has_power=kind is not StormKind.MAINS)

    def restore(self, kind: CutKind) -> list[int]:
        """End an outage; those that have their way back are heard again."""
        back = super().restore(kind)
        self.fleet.light(back)
        return back

    async def _close(self) -> None:
        for call in self._calls:
            if not call.ended.done():
                call.hang_up()
        for wait in list(self._waits):
            wait.cancel()
        await asyncio.gather(*self._waits, return_exceptions=True)
        if self._is_open:
            self._is_open = False
            await self.fleet.__aexit__()
