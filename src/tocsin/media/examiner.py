"""The control side of the picture worker: started at the first question, ended when it hangs, started again.

One question at a time: what is asked for meanwhile waits. Source: design note 0021.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import sys
from typing import Final

import structlog

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.media.wire import Message, WireError, pack_message, read_message

log = structlog.get_logger(__name__)

ANSWER_TIMEOUT_S: Final = 10.0
END_TIMEOUT_S: Final = 3.0
_THREADS: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Examiner:
    """Asks the picture worker. `restarts` counts how often it had to be started again."""

    def __init__(self, *, timeout_s: float = ANSWER_TIMEOUT_S, command: tuple[str, ...] = ()) -> None:
        """`command` runs another worker than ours: what it does when it misbehaves can be tried."""
        self.restarts = 0
        self._timeout_s = timeout_s
        self._command = command or (sys.executable, "-m", "tocsin.media.picture_worker")
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._questions = 0

    @property
    def problem(self) -> str:
        """The key of why pictures cannot be examined on this server; empty when they can."""
        has_all = all(importlib.util.find_spec(name) is not None for name in ("av", "numpy", "PIL"))
        return "" if has_all else "picture.no_extra"

    async def stop(self) -> None:
        """End the worker."""
        async with self._lock:
            await self._end()

    async def examine(self, question: Message) -> Message:
        """Return what the worker says of one picture.

        Errors: UNAVAILABLE with the key of what is wrong: the picture cannot be decoded, the worker hung or crashed.
        """
        async with self._lock:
            try:
                return await self._ask(question)
            except asyncio.CancelledError:
                await self._end()  # an answer that nobody waits for must not be taken for the next one
                raise

    async def _ask(self, question: Message) -> Message:
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        self._questions += 1
        number = self._questions
        try:
            async with asyncio.timeout(self._timeout_s):
                process.stdin.write(pack_message({**question, "id": number}))
                await process.stdin.drain()
                reply = await read_message(process.stdout)
        except TimeoutError:
            log.warning("picture worker hangs", limit_s=self._timeout_s)
            await self._end()
            raise self._failed("picture.worker_hung", f"no answer in {self._timeout_s:.0f} s") from None
        except (OSError, WireError) as error:
            await self._end()
            raise self._failed("picture.worker_ended", str(error)) from error
        if reply is None or reply.get("id") != number:
            status = process.returncode
            await self._end()
            log.warning("picture worker ended", status=status)
            raise self._failed("picture.worker_ended", f"exit status {status}")
        if "error" in reply:
            raise self._failed(str(reply["error"]), str(reply.get("detail", "")))
        found = reply["ok"]
        return found if isinstance(found, dict) else {}

    async def _running(self) -> asyncio.subprocess.Process:
        process = self._process
        if process is not None and process.returncode is None:
            return process
        if process is not None:
            self.restarts += 1
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **dict.fromkeys(_THREADS, "1")},
        )
        return process

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_TIMEOUT_S):
                await process.wait()

    @staticmethod
    def _failed(key: str, detail: str) -> TocsinError:
        return TocsinError(ErrorCode.UNAVAILABLE, detail, key=key)
