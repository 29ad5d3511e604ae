"""Gateways side by side: each is started, watched and restarted by itself, and none hears of another's end.

A gateway says with `check` whether it can still work. What its tasks raise is seen to by its own supervisor; what ends
here is a listening socket that is gone, a task that died, or whatever `check` finds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError

log = structlog.get_logger(__name__)

CHECK_S: Final = 1.0
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
STOP_WITHIN_S: Final = 5.0


class Gateway(Protocol):
    """What every gateway does. After `stop` it can be started again."""

    async def start(self) -> None:
        """Listen or call. Errors: OSError or UNAVAILABLE when a port is not free."""

    async def stop(self) -> None:
        """End everything it holds, whatever state it is in."""

    def check(self) -> None:
        """Raise when it cannot do its work any more, saying why."""


class Listener(Protocol):
    """Who hears which protocols cannot be heard."""

    def __call__(self, protocols: tuple[str, ...], *, is_listening: bool) -> None:
        """Take that devices of these protocols are heard, or not."""


def _nobody(protocols: tuple[str, ...], *, is_listening: bool) -> None:
    """Nobody asked."""


@dataclass(slots=True)
class Standing:
    """How one gateway stands."""

    name: str
    gateway: Gateway
    setting: str = ""
    serves: tuple[str, ...] = ()
    is_up: bool = False
    restarts: int = 0
    last_error: str = ""


class Gateways:
    """Starts gateways in the order given, watches each, ends them in reverse.

    `on_change` is told the name and, while the gateway is down, why; an empty reason says that it works again.
    `on_listening` is told which protocols are not heard meanwhile.
    """

    def __init__(self, clock: Clock) -> None:
        self.standings: list[Standing] = []
        self.on_change: Callable[[str, str], None] = lambda name, reason: None
        self.on_listening: Listener = _nobody
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, name: str, gateway: Gateway, setting: str = "", serves: tuple[str, ...] = ()) -> None:
        """Add one; `setting` is named when its port is not free, `serves` are the protocols heard through it."""
        self.standings.append(Standing(name, gateway, setting, serves))

    def forms(self) -> list[dict[str, object]]:
        """Return how each stands, as the API shows it."""
        return [
            {"name": one.name, "is_up": one.is_up, "restarts": one.restarts, "reason": one.last_error}
            for one in self.standings
        ]

    async def start(self) -> None:
        """Start all. Errors: UNAVAILABLE, with the gateway named, when one cannot start; those before it are ended."""
        for standing in self.standings:
            try:
                await standing.gateway.start()
            except OSError as error:
                await self.stop()
                hint = f"; end what uses the port or set {standing.setting}" if standing.setting else ""
                detail = f"{standing.name} cannot start: {error.strerror or error}{hint}"
                raise TocsinError(ErrorCode.UNAVAILABLE, detail) from error
            except TocsinError:
                await self.stop()
                raise
            standing.is_up = True
            self._tasks.append(asyncio.create_task(self._watch(standing), name=f"watch {standing.name}"))

    async def stop(self) -> None:
        """End all, the last first."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for standing in reversed(self.standings):
            if standing.is_up:
                standing.is_up = False
                await _quietly(standing, standing.gateway.stop)

    async def _watch(self, standing: Standing) -> None:
        while True:
            await self._clock.sleep(CHECK_S)
            try:
                standing.gateway.check()
            except Exception as error:  # whatever is wrong with it, it is the only one that ends
                await self._restart(standing, error)

    async def _restart(self, standing: Standing, error: BaseException) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            standing.is_up = False
            standing.last_error = str(error) or type(error).__name__
            log.error("gateway down, starting it again", gateway=standing.name, error=standing.last_error)
            self.on_change(standing.name, standing.last_error)
            self.on_listening(standing.serves, is_listening=False)
            await _quietly(standing, standing.gateway.stop)
            await self._clock.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            standing.restarts += 1
            try:
                await standing.gateway.start()
            except Exception as again:  # the port is taken now, say: tried again for ever, more and more seldom
                error = again
                continue
            standing.is_up = True
            standing.last_error = ""
            log.info("gateway up again", gateway=standing.name, restarts=standing.restarts)
            self.on_change(standing.name, "")
            self.on_listening(standing.serves, is_listening=True)
            return


async def _quietly(standing: Standing, end: Callable[[], Awaitable[None]]) -> None:
    """End what may be half dead already: neither its error nor its silence holds anything up."""
    with contextlib.suppress(TimeoutError):
        try:
            await asyncio.wait_for(end(), STOP_WITHIN_S)
        except Exception as error:  # the owner of gateways: a gateway that fails while it ends has ended
            log.warning("gateway failed while ending", gateway=standing.name, error=str(error))
