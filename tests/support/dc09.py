"""Small stand-ins for what the DC-09 gateway talks to."""

from __future__ import annotations

import asyncio
from datetime import datetime

from tocsin.domain.directory import Dc09Account
from tocsin.domain.paths import Way
from tocsin.domain.signals import Receipt, Signal


class WaitingIntake:
    """Keeps signals; a commit ends when the test says so, or at once with `commits_at_once`."""

    def __init__(self, *, commits_at_once: bool = True) -> None:
        self.commits_at_once = commits_at_once
        self.signals: list[Signal] = []
        self.acknowledgements: list[str] = []
        self._open: list[asyncio.Future[Receipt]] = []

    def accept(self, signal: Signal) -> asyncio.Future[Receipt]:
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self.signals.append(signal)
        self._open.append(future)
        if self.commits_at_once:
            self.commit()
        return future

    def acknowledged(self, signal_id: str, at: datetime) -> None:
        self.acknowledgements.append(signal_id)

    def commit(self, *, is_duplicate: bool = False) -> None:
        """End every open commit well."""
        waiting, self._open = self._open, []
        for future in waiting:
            future.set_result(Receipt(f"s{len(self.signals)}", is_duplicate))

    def commit_last(self) -> None:
        """End only the newest open commit well."""
        self._open.pop().set_result(Receipt("last"))

    def fail(self, error: Exception) -> None:
        """End every open commit badly."""
        waiting, self._open = self._open, []
        for future in waiting:
            future.set_exception(error)


class FixedAccounts:
    """Accounts by their text."""

    def __init__(self, *accounts: Dc09Account) -> None:
        self.by_text = {account.account: account for account in accounts}

    def dc09_account(self, receiver: str, prefix: str, account: str) -> Dc09Account | None:
        return self.by_text.get(account)


class NotedTouches:
    """Remembers which device was heard."""

    def __init__(self) -> None:
        self.touches: list[tuple[str, str]] = []
        self.ways: list[Way | None] = []
        self.skews: list[float | None] = []
        self.faults: list[tuple[str, str, float | None]] = []

    def touch(self, device_id: str, at: datetime, way: Way | None = None, skew_s: float | None = None) -> None:
        self.touches.append((device_id, way.number if way is not None else ""))
        self.ways.append(way)
        self.skews.append(skew_s)

    def note_fault(self, device_id: str, at: datetime, key: str, skew_s: float | None = None) -> None:
        self.faults.append((device_id, key, skew_s))


class NotedKeys:
    """Remembers which new keys were used."""

    def __init__(self) -> None:
        self.confirmations: list[tuple[str, bytes]] = []

    def confirmed(self, device_id: str, key: bytes) -> None:
        self.confirmations.append((device_id, key))
