"""The folder the pictures of floor plans lie in. Implements `PlanKeep` of `domain/account_service.py`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tocsin.base.errors import ErrorCode, TocsinError


class PlanFolder:
    """Files named by our ids."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(self, name: str, data: bytes) -> None:
        """Keep a file; on return it is on disk. Errors: UNAVAILABLE, and then nothing stays."""
        try:
            await asyncio.to_thread(self._write, name, data)
        except OSError as error:
            await self.remove(name)
            raise TocsinError(ErrorCode.UNAVAILABLE, f"the floor plan cannot be kept: {error.strerror}") from error

    async def read(self, name: str) -> bytes:
        """Return a file. Errors: NOT_FOUND."""
        try:
            return await asyncio.to_thread((self._folder / name).read_bytes)
        except FileNotFoundError as error:
            raise TocsinError(ErrorCode.NOT_FOUND, f"the file {name} is missing") from error

    async def remove(self, name: str) -> None:
        """Delete a file; one that is not there is no error."""
        await asyncio.to_thread((self._folder / name).unlink, missing_ok=True)

    async def keep_only(self, names: frozenset[str]) -> None:
        """Delete whatever else lies there: what was written for a row that never came."""
        await asyncio.to_thread(self._keep_only, names)

    def _write(self, name: str, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def _keep_only(self, names: frozenset[str]) -> None:
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in names:
                    path.unlink(missing_ok=True)
