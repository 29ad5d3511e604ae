"""A clock that moves only when told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from tocsin.base.clock import SystemClock

START = datetime(2026, 11, 22, 2, 14, 7, tzinfo=UTC)


class FixedClock:
    """Time stands still until `advance`; sleepers wake when their time has come."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._monotonic_s = 1_000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic_s

    async def sleep(self, delay_s: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._monotonic_s + delay_s, future))
        await future

    def advance(self, seconds: float) -> None:
        """Move time forward and wake those whose time has come."""
        self._now += timedelta(seconds=seconds)
        self._monotonic_s += seconds
        due = [sleeper for sleeper in self._sleepers if sleeper[0] <= self._monotonic_s]
        self._sleepers = [sleeper for sleeper in self._sleepers if sleeper[0] > self._monotonic_s]
        for _, future in due:
            if not future.done():
                future.set_result(None)


class MidMinuteClock(SystemClock):
    """This machine's clock, its wall moved to the middle of a minute: what is cut at each minute is not cut soon."""

    def __init__(self) -> None:
        now = super().now()
        self._ahead = now.replace(second=15, microsecond=0) - now

    def now(self) -> datetime:
        return super().now() + self._ahead
