"""SQLite's write-ahead log, synced by us: the next group runs while the last ones are on their way to the disk.

A commit with `synchronous=NORMAL` writes its frames and does not wait; with FULL it would also sync the log, holding
the write lock meanwhile. We sync the same file after each commit and answer nobody before: as safe as FULL, and a slow
disk is waited for once instead of twice. Source: sqlite.org/pragma.html#pragma_synchronous, sqlite.org/wal.html.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tocsin.storage.group import GroupResult, Job

IN_FLIGHT: Final = 4


@dataclass(frozen=True, slots=True)
class Flight:
    """A committed group that is not yet known to be on the disk, with the syncs it waits for."""

    jobs: Sequence[Job]
    result: GroupResult
    log: Future[None]
    head: Future[None] | None

    @property
    def has_landed(self) -> bool:
        """Whether every sync has ended, well or not."""
        return self.log.done() and (self.head is None or self.head.done())

    @property
    def error(self) -> BaseException | None:
        """Why it is not on the disk; None when it is. Only once it has landed."""
        return self.log.exception() or (None if self.head is None else self.head.exception())


class LogSync:
    """Syncs the log of one database from threads of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1
        self._threads = ThreadPoolExecutor(max_workers=IN_FLIGHT, thread_name_prefix="log-sync")

    def start(self) -> Future[None]:
        """Sync what was committed until now; the future ends when it is on the disk or raises OSError."""
        if self._handle < 0:  # the first commit made it, and it lasts as long as our connection
            self._handle = os.open(self._path, os.O_RDONLY)
        return self._threads.submit(os.fdatasync, self._handle)

    def close(self) -> None:
        """Finish and close."""
        self._threads.shutdown(wait=True)
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


class Flights:
    """The groups on their way, settled in the order of their commits."""

    def __init__(self, settle: Callable[[Flight], None]) -> None:
        self._settle = settle
        self._flights: deque[Flight] = deque()
        self._changed = threading.Condition()

    def add(self, flight: Flight) -> None:
        """Take a committed group; `settle` is called for it once it and all before it have landed."""
        with self._changed:
            self._flights.append(flight)
        flight.log.add_done_callback(self._look)
        if flight.head is not None:
            flight.head.add_done_callback(self._look)

    def wait_for_room(self) -> None:
        """Wait while as many are on their way as may be."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._flights) < IN_FLIGHT)

    def wait_for_all(self) -> None:
        """Wait until every one has been settled."""
        with self._changed:
            self._changed.wait_for(lambda: not self._flights)

    def _look(self, _: Future[None]) -> None:
        with self._changed:
            while self._flights and self._flights[0].has_landed:
                self._settle(self._flights.popleft())
            self._changed.notify_all()
