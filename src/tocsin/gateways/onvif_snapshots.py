"""Snapshots of ONVIF cameras: fetched by us from the address the camera names. Implements `SnapshotLine`.

Source: ONVIF Media and Media 2, GetSnapshotUri.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Protocol

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import TocsinError
from tocsin.domain.directory import Channel
from tocsin.domain.guarding import CommandOutcome
from tocsin.domain.snapshots import MAX_PICTURE_BYTES
from tocsin.gateways.onvif_calls import CallFailed

log = structlog.get_logger(__name__)

FETCH_WITHIN_S: Final = 10.0
MAX_AT_ONCE: Final = 16

Take = Callable[[str, str, AsyncIterator[bytes]], Awaitable[None]]
GiveUp = Callable[[str, str], Awaitable[None]]


class Fetcher(Protocol):
    """The part of the ONVIF gateway that fetches pictures."""

    def is_ready(self, device_id: str) -> bool:
        """Say whether a camera can be asked."""

    async def snapshot(self, channel: Channel, limit: int, within_s: float) -> tuple[str, bytes]:
        """Return content type and bytes of one picture. Errors: CallFailed."""


async def _nobody_takes(session: str, content_type: str, body: AsyncIterator[bytes]) -> None: ...


async def _nobody_hears(session: str, problem: str) -> None: ...


class OnvifSnapshots:
    """Fetches in the background; `on_picture` gets session, content type and bytes, `on_failed` session and a key."""

    def __init__(self, cameras: Fetcher, clock: Clock) -> None:
        self._cameras = cameras
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_picture: Take = _nobody_takes
        self.on_failed: GiveUp = _nobody_hears

    def snapshot_problem(self, channel: Channel) -> str:
        """Return the key of why this camera cannot be asked; empty when it can."""
        return "" if self._cameras.is_ready(channel.device_id) else "guard.not_connected"

    async def ask_snapshots(
        self, channel: Channel, session: str, count: int, interval_s: int, url: str
    ) -> CommandOutcome:
        """Begin to fetch `count` pictures; `url` is for cameras that upload and is not told to this one."""
        if len(self._tasks) >= MAX_AT_ONCE:
            return CommandOutcome.UNREACHABLE
        task = asyncio.create_task(self._fetch(channel, session, count, interval_s), name=f"snapshots {channel.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return CommandOutcome.DONE

    async def stop(self) -> None:
        """End what is under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _fetch(self, channel: Channel, session: str, count: int, interval_s: int) -> None:
        try:
            for number in range(count):
                if number:
                    await self._clock.sleep(interval_s)
                kind, picture = await self._cameras.snapshot(channel, MAX_PICTURE_BYTES, FETCH_WITHIN_S)
                await self.on_picture(session, kind, _whole(picture))
        except CallFailed as failed:
            log.info("snapshot failed", channel_id=channel.id, reason=failed.key)
            await self.on_failed(session, _PROBLEMS.get(failed.key, "snapshot.refused"))
        except TocsinError as error:  # no JPEG, too large, or it cannot be kept
            log.info("snapshot not kept", channel_id=channel.id, reason=str(error))
            await self.on_failed(session, "snapshot.no_jpeg")


_PROBLEMS: Final = {
    "camera.silent": "snapshot.unreachable",
    "camera.not_offered": "snapshot.not_possible",
    "camera.not_understood": "snapshot.no_jpeg",
    "camera.wrong_password": "snapshot.wrong_password",
    "camera.password_held_back": "snapshot.wrong_password",
    "camera.password_missing": "snapshot.wrong_password",
    "camera.certificate_changed": "snapshot.certificate",
    "camera.certificate_unknown": "snapshot.certificate",
}


async def _whole(picture: bytes) -> AsyncIterator[bytes]:
    yield picture
