"""What panels, terminals and intercoms of the city have in common: they connect, lose their way to the server, stop."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final

from tocsin.base.clock import Clock
from tocsin.sim.city_plan import CityDevice, CutKind

NEVER_GIVE_UP: Final = 1_000_000
LOOK_S: Final = 0.05


class CityPart(ABC):
    """All devices of one kind. `connect`, `cut` and `restore`, `stop`.

    Several outages may lie on one device, also two of a kind; it has its way back when none is left.
    """

    def __init__(self, homes: Sequence[CityDevice], clock: Clock) -> None:
        self._homes = homes
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self._cut: dict[int, list[CutKind]] = {}
        self._back: dict[int, asyncio.Event] = {}

    @property
    @abstractmethod
    def connected(self) -> int:
        """How many are known to the server and can reach it."""

    @property
    @abstractmethod
    def waiting(self) -> int:
        """How much has no answer yet."""

    @abstractmethod
    async def _open(self) -> list[asyncio.Task[None]]:
        """Begin to connect all, and return what keeps them connected."""

    @abstractmethod
    async def _close(self) -> None:
        """Hang up everywhere; the tasks have ended."""

    @abstractmethod
    def _lose(self, numbers: Sequence[int], kind: CutKind) -> None:
        """Break what devices have open."""

    async def connect(self, patience_s: float, told: Callable[[int, int], None] = lambda done, of: None) -> int:
        """Connect all; return how many are after the patience at most."""
        self._tasks = await self._open()
        ends_s = self._clock.monotonic() + patience_s
        while (done := self.connected) < len(self._homes) and self._clock.monotonic() < ends_s:
            told(done, len(self._homes))
            await self._clock.sleep(LOOK_S)
        return done

    def cut(self, kind: CutKind) -> int:
        """Take their way to the server from all devices that hang on what fails; return how many."""
        struck = [one.number for one in self._homes if one.hangs_on(kind)]
        for number in struck:
            self._cut.setdefault(number, []).append(kind)
            self._back.setdefault(number, asyncio.Event())
        self._lose(struck, kind)
        return len(struck)

    def restore(self, kind: CutKind) -> list[int]:
        """End an outage; return the devices that have their way back, because no other lies on them."""
        back = []
        for number, kinds in list(self._cut.items()):
            if kind in kinds:
                kinds.remove(kind)
            if not kinds:
                del self._cut[number]
                self._back.pop(number).set()
                back.append(number)
        return back

    def is_cut(self, number: int) -> bool:
        """Say whether a device has no way to the server."""
        return number in self._cut

    async def way(self, number: int) -> None:
        """Wait until a device has its way to the server."""
        while (event := self._back.get(number)) is not None:
            await event.wait()

    async def stop(self) -> None:
        """Hang up and be gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._close()
