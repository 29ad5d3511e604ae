"""Intake as supervision sees it: it keeps what it is given, and fails when told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from tocsin.domain.signals import Receipt, Signal


class HeardIntake:
    """Accepts signals at once."""

    def __init__(self) -> None:
        self.signals: list[Signal] = []
        self.is_failing = False

    def accept(self, signal: Signal) -> asyncio.Future[Receipt]:
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        if self.is_failing:
            future.set_exception(OSError("the disk is full"))
        else:
            self.signals.append(signal)
            future.set_result(Receipt(str(len(self.signals))))
        return future

    def forget(self, incident_ids: Iterable[str]) -> None:
        """It remembers no incidents."""

    @property
    def codes(self) -> list[str]:
        """What was handed in, in order."""
        return [signal.events[0].code for signal in self.signals]
