"""Fetches recordings into files: opens the download, watches its record time, ends by itself. Implements `Fetcher`."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from tocsin.base.clock import Clock
from tocsin.base.errors import TocsinError
from tocsin.domain.directory import Channel
from tocsin.domain.downloads import BARE, MAX_BYTES, Download, Fetched, FetchProgress, left_of, share_of
from tocsin.domain.playback import END_SLACK, EndWatch, RecordingSource, RecordingWish
from tocsin.media.playback import DRAIN_S, OPEN_TIMEOUT_S, Link, RecordingPorts, both
from tocsin.media.wire import Message

LOOK_S = 0.5
_ENDS = ("first", "last")


class SavingLink(Link, Protocol):
    """A link that can end a file."""

    async def saved(self, stream_id: str, *, keep: bool) -> Message:
        """End the file of a stream and return its size, digest and record times."""


@dataclass(slots=True)
class _Course:
    """How a fetch goes: since when, the size the device told, what has come."""

    began_s: float
    told_bytes: int | None = None
    received_bytes: int = 0
    share: float = 0.0


class Downloads:
    """The fetches under way. `reserve_bytes` of the disk are never used."""

    def __init__(
        self, link: SavingLink, source: RecordingSource, clock: Clock, folder: Path, *, reserve_bytes: int
    ) -> None:
        self._link = link
        self._source = source
        self._clock = clock
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._watches: dict[str, EndWatch] = {}
        self._ends: dict[str, str] = {}
        self._courses: dict[str, _Course] = {}
        events = link.events
        events.on_source_lost = both(events.on_source_lost, self._ended)
        source.on_file_end(self.file_ended)
        source.on_recording_ended(self.ended)

    def file_ended(self, stream_id: str) -> None:
        """Hear that the device says a file has ended."""
        watch = self._watches.get(stream_id)
        if watch is not None:
            watch.file_ended(self._clock.monotonic())

    def ended(self, stream_id: str, reason: str) -> None:
        """Hear that the device ended its call."""
        self._ended(stream_id, reason)

    def progress(self, download_id: str) -> FetchProgress:
        """Return how far it is; nothing before the device sends."""
        course = self._courses.get(download_id)
        if course is None:
            return FetchProgress()
        left_s = left_of(course.share, self._clock.monotonic() - course.began_s)
        return FetchProgress(course.share, left_s, course.received_bytes, course.told_bytes)

    def free_bytes(self) -> int:
        """Return the bytes that may still be written."""
        folder = self._folder if self._folder.exists() else self._folder.parent
        return max(0, shutil.disk_usage(folder).free - self._reserve_bytes)

    async def fetch(self, download: Download, channel: Channel, path: Path) -> Fetched:
        """Return when it is over. Cancelling leaves no file. Errors: UNAVAILABLE when it cannot begin."""
        starts, ends = download.starts, download.ends
        stream_id = f"{channel.id}~r{download.id}"
        watch = self._watches[stream_id] = EndWatch(ends)
        max_bytes = min(MAX_BYTES, self.free_bytes())
        ports = RecordingPorts(self._link, starts, path, max_bytes, is_bare=download.format == BARE)
        keep = False
        session = None
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                wish = RecordingWish(stream_id, starts, ends, download.speed)
                session = await self._source.open_recording(channel, ports, wish)
            course = self._courses[download.id] = _Course(self._clock.monotonic(), session.file_bytes)
            at, reason = starts, ""
            while not reason:
                await self._clock.sleep(LOOK_S)
                stats = self._link.last_stats(stream_id)
                if stats is not None and stats.record_ms:
                    at = datetime.fromtimestamp(stats.record_ms / 1000.0, UTC)
                    course.received_bytes = stats.received_bytes
                    share = share_of((at - starts) / (ends - starts), stats.received_bytes, course.told_bytes)
                    course.share = max(course.share, share)
                watch.progress(at, self._clock.monotonic())
                reason = self._ends.get(stream_id, "") or watch.reason(self._clock.monotonic(), None)
                if not reason and self.free_bytes() <= 0:
                    reason = "download.disk_reserve"
            await self._clock.sleep(DRAIN_S)
            keep = True
            done = await self._link.saved(stream_id, keep=True)
        except TimeoutError:
            return Fetched("failed", "open_timeout")
        finally:
            self._watches.pop(stream_id, None)
            self._ends.pop(stream_id, None)
            self._courses.pop(download.id, None)
            if not keep:
                with contextlib.suppress(TocsinError):
                    await self._link.saved(stream_id, keep=False)
            if session is not None:
                with contextlib.suppress(TocsinError, OSError):
                    await session.close("download over")
            await self._link.close_receiver(stream_id)
        if done["problem"] or not done["pictures"]:
            return Fetched("failed", str(done["problem"]) or "download.nothing")
        first_at = last_at = None
        if session.tells_time:
            first_at, last_at = (datetime.fromtimestamp(done[f"{word}_record_ms"] / 1000.0, UTC) for word in _ENDS)
            at = max(at, last_at)
        # A device that says nothing at the end falls silent there, or hangs up.
        is_whole = at >= ends - END_SLACK and reason.startswith("recording.")
        return Fetched(
            "finished" if is_whole else "partial",
            "" if is_whole else reason if reason != "recording.ended" else "recording.silent",
            int(done["size_bytes"]),
            str(done["sha256"]),
            str(done["codec"]),
            first_at,
            last_at,
        )

    def _ended(self, stream_id: str, reason: str) -> None:
        if stream_id in self._watches:
            self._ends[stream_id] = "recording.silent" if reason == "silence" else reason
