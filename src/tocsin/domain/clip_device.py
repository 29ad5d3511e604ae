"""The time of a clip from the device that recorded it: its list first, then a download of that time into a file.

Implements `FetchWay`. Source: design notes 0005 and 0020.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from tocsin.base.clock import Clock
from tocsin.base.ids import new_id
from tocsin.domain.access import Purpose
from tocsin.domain.clip_maker import Got
from tocsin.domain.clips import (
    DEVICE,
    FAILED,
    LISTED_TRIES,
    PARTIAL,
    READY,
    SLACK,
    Clip,
    Coverage,
    coverage,
    lacks,
)
from tocsin.domain.directory import Channel
from tocsin.domain.downloads import SPEED, Download, Fetcher, SpeedLine
from tocsin.domain.playback import RecordingIndex

LIST_WITHIN_S: Final = 20.0
NOT_LISTED: Final = ("clip.not_written", "clip.device_has_none")


class Lender(Protocol):
    """Lets one recording at a time be fetched from a camera."""

    def lend(self, channel_id: str, key: str) -> bool:
        """Take a camera; False when somebody fetches from it."""

    def give_back(self, key: str) -> None:
        """Let others fetch from it."""


class DeviceClips:
    """Fetches clips into files of `folder`."""

    def __init__(
        self,
        index: RecordingIndex,
        fetcher: Fetcher,
        speeds: SpeedLine,
        lender: Lender,
        clock: Clock,
        folder: Path,
        *,
        can_ask: Callable[[str], bool],
    ) -> None:
        """`can_ask` takes a device id: whether its protocol lets recordings be asked for."""
        self._index = index
        self._fetcher = fetcher
        self._speeds = speeds
        self._lender = lender
        self._clock = clock
        self._folder = folder
        self._can_ask = can_ask
        self._running: dict[str, str] = {}  # download id by clip id

    def can_ask(self, channel: Channel) -> bool:
        """True when this camera's device can be asked at all."""
        return self._can_ask(channel.device_id)

    def left_s(self, clip: Clip) -> float | None:
        """Return the seconds left of a fetch under way; None when that cannot be told."""
        download_id = self._running.get(clip.id)
        return None if download_id is None else self._fetcher.progress(download_id).left_s

    async def fetch(self, clip: Clip, channel: Channel, offset_s: float) -> Got:
        """Ask the device's list, then for the time itself. Errors: UNAVAILABLE with the key of what failed."""
        if not self._lender.lend(channel.id, clip.id):
            return Got(FAILED, "clip.busy")
        try:
            return await self._fetch(clip, channel, timedelta(seconds=offset_s))
        finally:
            self._lender.give_back(clip.id)
            self._running.pop(clip.id, None)

    async def _fetch(self, clip: Clip, channel: Channel, offset: timedelta) -> Got:
        starts, ends = clip.starts + offset, clip.ends + offset
        found, is_known = await self._listed(channel, clip, offset)
        missing = lacks(found, starts, ends) if is_known else ""
        if missing in NOT_LISTED and clip.tries < LISTED_TRIES:
            return Got(FAILED, "clip.not_written")
        if self._fetcher.free_bytes() <= 0:
            return Got(FAILED, "download.disk_reserve")
        speeds = await self._speeds.download_speeds(channel)
        speed = max((one for one in speeds if one <= SPEED), default=1)
        wanted = Download(
            new_id(),
            channel.id,
            clip.jurisdiction_code,
            "",
            Purpose.ALARM_VERIFICATION.value,
            starts,
            ends,
            self._clock.now(),
            speed=speed,
        )
        self._running[clip.id] = wanted.id
        name = f"{wanted.id}.mp4"  # never the name of the file it may replace
        await asyncio.to_thread(self._make_folder)
        done = await self._fetcher.fetch(wanted, channel, self._folder / name)
        if done.state not in ("finished", "partial"):
            return Got(FAILED, missing or done.reason or "download.nothing")
        if done.state == "finished" and missing in NOT_LISTED:
            missing, found = "", None  # it listed less than it sent: what came counts
        shown = found or Coverage(starts, ends)
        if done.first_at is not None and done.last_at is not None:  # its pictures say themselves when they were taken
            shown = Coverage(done.first_at, done.last_at, found is not None and found.has_gap)
            missing = missing if missing in NOT_LISTED else lacks(shown, starts, ends)
        is_whole = done.state == "finished" and not missing
        return Got(
            READY if is_whole else PARTIAL,
            "" if is_whole else missing or done.reason,
            DEVICE,
            DEVICE if shown.starts < clip.alarm_at + offset - SLACK / 2 else "none",
            name,
            done.size_bytes,
            done.sha256,
            done.codec,
            shown.starts - offset,
            shown.ends - offset,
            is_final=bool(missing) and missing not in NOT_LISTED and done.state == "finished",
        )

    async def _listed(self, channel: Channel, clip: Clip, offset: timedelta) -> tuple[Coverage | None, bool]:
        """Return what the device says it has of that time, and whether its list could be read at all."""
        starts, ends = clip.starts + offset, clip.ends + offset
        try:
            async with asyncio.timeout(LIST_WITHIN_S):
                found = await self._index.find(channel, starts, ends, lambda shown: None)
        except TimeoutError:
            return None, False
        return coverage(found.pieces, starts, ends), not found.problem

    async def remove(self, files: Sequence[str]) -> None:
        """Delete files; one that is not there is no error."""
        for name in files:
            await asyncio.to_thread(self.path(name).unlink, missing_ok=True)

    async def keep_only(self, files: frozenset[str]) -> None:
        """Delete whatever else lies in the folder."""
        await asyncio.to_thread(self._keep_only, files)

    def path(self, name: str) -> Path:
        """Return where a file lies."""
        return self._folder / name

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _keep_only(self, files: frozenset[str]) -> None:
        self._make_folder()
        for path in self._folder.iterdir():
            if path.name not in files and path.suffix in (".mp4", ".part"):
                path.unlink(missing_ok=True)
