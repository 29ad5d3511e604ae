"""Brings what was written onto the disk, in a thread of its own, so that writing goes on meanwhile.

Files are synced in rounds: their pages are sent to the disk together, and the first of them takes the metadata of all
with it. One file after the other as each falls due would cost a disk with heads a commit of its journal each.

Source: media reference, durability order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Final, Generic, Protocol, TypeVar

from tocsin.base.clock import Clock
from tocsin.media.segment_file import SegmentWriter

SYNC_AFTER_S: Final = 8.0  # of the first byte that is not synced: ten seconds with what the disk takes
GATHER_S: Final = 0.2  # files that end within this time are closed together


class HasWriter(Hashable, Protocol):
    """What is synced: something with a file."""

    writer: SegmentWriter | None


Item = TypeVar("Item", bound=HasWriter)


class Syncer(Generic[Item]):
    """Calls `sync` for what was written `after_s` ago or is asked for, and `close` for what ends, in its thread."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        after_s: float,
        sync: Callable[[Item], None],
        close: Callable[[Item, str, str], None],
    ) -> None:
        self.syncs = 0
        self._clock = clock
        self._after_s = after_s
        self._sync = sync
        self._close = close
        self._changed = threading.Condition()
        self._dirty: dict[Item, float] = {}  # since when, the oldest first
        self._asked: set[Item] = set()
        self._closing: list[tuple[Item, str, str]] = []
        self._since_s: float | None = None  # the oldest of the present round
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def written(self, item: Item, *, is_much: bool) -> None:
        """Something was written; much is synced at once."""
        with self._changed:
            is_first = not self._dirty
            self._dirty.setdefault(item, self._clock.monotonic())
            if is_much:
                self._asked.add(item)
            if is_first or is_much:
                self._changed.notify()

    def ask(self, item: Item) -> None:
        """Sync at once."""
        with self._changed:
            self._asked.add(item)
            self._changed.notify()

    def close(self, item: Item, reason: str, problem: str) -> None:
        """Sync and end."""
        with self._changed:
            self._closing.append((item, reason, problem))
            self._changed.notify()

    def nudge(self) -> None:
        """Look at the clock again."""
        with self._changed:
            self._changed.notify()

    def behind_s(self) -> float:
        """Return how much later than it should be the oldest byte is on the disk."""
        with self._changed:
            since = [next(iter(self._dirty.values()))] if self._dirty else []
            if self._since_s is not None:
                since.append(self._since_s)
        return max(0.0, self._clock.monotonic() - min(since) - self._after_s) if since else 0.0

    def end(self) -> None:
        """Let the thread end behind what is to be closed."""
        with self._changed:
            self._is_ending = True
            self._changed.notify()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; whether it ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._since_s = None
                while not self._closing and not self._asked and self._until_due_s() > 0:
                    if self._is_ending:
                        return
                    self._changed.wait(min(self._until_due_s(), 3600.0))
                if self._closing and not self._is_ending:
                    self._changed.wait(GATHER_S)
                closing, self._closing = self._closing, []
                due = [*self._dirty] if self._until_due_s() <= 0 else [*self._asked]
                self._asked = set()
                ending = {item for item, _, _ in closing}
                since = [self._dirty.pop(item) for item in {*due, *ending} if item in self._dirty]
                self._since_s = min(since, default=self._clock.monotonic())
            self._round([item for item in due if item not in ending], closing)

    def _until_due_s(self) -> float:
        if not self._dirty:
            return float("inf")
        return next(iter(self._dirty.values())) + self._after_s - self._clock.monotonic()

    def _round(self, due: list[Item], closing: list[tuple[Item, str, str]]) -> None:
        for item in (*due, *(item for item, _, _ in closing)):
            if item.writer is not None:
                item.writer.send()
        for item in due:
            self._sync(item)
        for item, reason, problem in closing:
            self._close(item, reason, problem)
        self.syncs += len(due) + len(closing)
