"""Password hashing: Argon2id in a few threads, so that a shift change does not take the machine.

Source: OWASP Password Storage Cheat Sheet, Argon2id (19 MiB, two passes, one lane).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError

from tocsin.base.errors import ErrorCode, TocsinError

T = TypeVar("T")
MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2
LANES: Final = 1
THREADS: Final = 2
MOST_WAITING: Final = 400  # a shift change of 300 at once is served; more is an attack


class Passwords:
    """Hashes and verifies; at most `threads` at a time, at most `most_waiting` in line."""

    def __init__(
        self,
        *,
        memory_kib: int = MEMORY_KIB,
        passes: int = PASSES,
        threads: int = THREADS,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=LANES, type=Type.ID)
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="passwords")
        self._most_waiting = most_waiting
        self._waiting = 0
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """Return the hash of a password. Errors: TOO_MANY when the line is full."""
        return await self._run(self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Say whether a password is the stored one; None, an unknown user, takes the same time and is False.

        Errors: TOO_MANY when the line is full.
        """
        is_right = await self._run(self._verify, stored or self._nobody, password)
        return is_right and stored is not None

    def needs_rehash(self, stored: str) -> bool:
        """Say whether a stored hash was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, work: Callable[..., T], *args: str) -> T:
        if self._waiting >= self._most_waiting:
            raise TocsinError(ErrorCode.TOO_MANY, "too many sign-ins at the same time", retry_after_s=5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        finally:
            self._waiting -= 1
