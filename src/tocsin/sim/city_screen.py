"""The screen of the city's run: one feed of the server, which notes when it heard of each alarm."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Final
from urllib.parse import urlsplit

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.sim.feed_client import FeedClient

RAISED: Final = b'"alarm.raised"'
HEAD_BYTES: Final = 160
AGAIN_S: Final = 0.2
PATH: Final = "/api/v1/feed"


class CityScreen:
    """A feed that is opened again where it broke off. `heard`: alarm id -> when, on the monotonic clock."""

    def __init__(self, url: str, token: str, clock: Clock) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._token = token
        self._clock = clock
        self._client: FeedClient | None = None
        self._task: asyncio.Task[None] | None = None
        self._seq = 0
        self.heard: dict[str, float] = {}
        self.gaps = 0
        self.breaks = 0

    async def start(self) -> None:
        """Open the feed. Errors: UNAVAILABLE when the server does not serve it to this token."""
        try:
            self._client = await self._open()
        except (OSError, RuntimeError) as error:
            raise TocsinError(ErrorCode.UNAVAILABLE, f"the feed cannot be opened: {str(error)[:200]}") from error
        self._task = asyncio.create_task(self._keep(self._client), name="screen")

    async def stop(self) -> None:
        """Close it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._client is not None:
            self._client.close()

    def hear(self, frame: bytes) -> None:
        """Take one frame."""
        head = frame[:HEAD_BYTES]
        if b'"type":"gap"' in head:
            self.gaps += 1
            return
        if RAISED not in head:
            return
        told = json.loads(frame)
        self._seq = max(self._seq, int(told["seq"]))
        self.heard.setdefault(str(told["data"]["id"]), self._clock.monotonic())

    async def _open(self) -> FeedClient:
        path = f"{PATH}?after={self._seq}" if self._seq else PATH
        _, client = await asyncio.get_running_loop().create_connection(
            lambda: FeedClient(path, f"{self._host}:{self._port}", self._token, self.hear), self._host, self._port
        )
        await client.ready
        return client

    async def _keep(self, client: FeedClient) -> None:
        while True:
            await client.lost.wait()
            self.breaks += 1
            while client.lost.is_set():
                await self._clock.sleep(AGAIN_S)
                with contextlib.suppress(OSError, RuntimeError):
                    self._client = client = await self._open()
