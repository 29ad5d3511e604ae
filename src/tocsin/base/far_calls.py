"""Blocking calls about a disk or server that may not answer: in threads of their own, each within a time.

A call that hangs keeps its thread, and no more than that: its caller goes on, others are refused for a while, and the
end of the process does not wait for it.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from tocsin.base.clock import Clock

T = TypeVar("T")
SHUT_S: Final = 30.0
WAITING_A_THREAD: Final = 8


class NoAnswer(Exception):
    """A call was not done in time, or nothing is called just now because the last one was not."""


class FarCalls:
    """A few threads for calls that may hang."""

    def __init__(self, clock: Clock, *, threads: int, name: str) -> None:
        self._clock = clock
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._most = threads * WAITING_A_THREAD
        self._open = 0
        self._shut_until_s = 0.0
        self._name = name
        self._threads = threads
        self._is_started = False

    async def run(self, within_s: float, call: Callable[..., T], *args: Any) -> T:
        """Run a call in one of the threads. Errors: NoAnswer; what the call raises."""
        if self._clock.monotonic() < self._shut_until_s or self._open >= self._most:
            raise NoAnswer
        self._start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        future.add_done_callback(_looked_at)

        def _settle(result: Any, error: BaseException | None) -> None:
            self._open -= 1
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        def _job() -> None:
            result, error = None, None
            try:
                result = call(*args)
            except BaseException as failure:  # handed to who asked
                error = failure
            try:
                loop.call_soon_threadsafe(_settle, result, error)
            except RuntimeError:
                return  # the loop has ended; nobody asks any more

        self._open += 1
        self._jobs.put(_job)
        done, _ = await asyncio.wait({future}, timeout=within_s)
        if not done:
            self._shut_until_s = self._clock.monotonic() + SHUT_S
            raise NoAnswer
        return future.result()

    def _start(self) -> None:
        if self._is_started:
            return
        self._is_started = True
        for number in range(self._threads):
            threading.Thread(target=self._work, name=f"{self._name} {number + 1}", daemon=True).start()

    def _work(self) -> None:
        while True:
            self._jobs.get()()


def _looked_at(future: asyncio.Future[Any]) -> None:
    """A call that failed after it was given up is no error nobody looked at."""
    if not future.cancelled():
        future.exception()
