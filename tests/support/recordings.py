"""Recordings without a device: an index that knows what it is told, and playbacks that keep what they are asked."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.directory import Channel
from tocsin.domain.downloads import Download, Fetched, FetchProgress
from tocsin.domain.playback import FoundRecordings, PlaybackState, Progress


@dataclass
class KnownRecordings:
    """An index with one answer."""

    found: FoundRecordings = field(default_factory=FoundRecordings)
    is_offline: bool = False
    asked: list[tuple[str, datetime, datetime]] = field(default_factory=list)

    async def find(self, channel: Channel, starts: datetime, ends: datetime, progress: Progress) -> FoundRecordings:
        self.asked.append((channel.id, starts, ends))
        if self.is_offline:
            raise TocsinError(ErrorCode.UNAVAILABLE, "not registered", key="recording.device_offline")
        progress(self.found)
        return self.found


@dataclass
class FakePlaybacks:
    """Playbacks that begin at once."""

    states: dict[str, PlaybackState] = field(default_factory=dict)
    ended_views: list[str] = field(default_factory=list)

    async def open_playback(
        self,
        *,
        view_id: str,
        channel: Channel,
        user_id: str,
        starts: datetime,
        ends: datetime,
        expires_at: datetime,
        codecs: tuple[str, ...],
    ) -> tuple[str, str]:
        playback_id = f"playback-{len(self.states) + 1}"
        self.states[playback_id] = PlaybackState(playback_id, view_id, "playing", "", starts, 1.0, False, True)
        return playback_id, f"ws://127.0.0.1:8081/live/{channel.id}~r{playback_id}?ticket=once"

    async def steer_playback(
        self, playback_id: str, *, paused: bool | None = None, at: datetime | None = None, speed: float | None = None
    ) -> PlaybackState:
        state = self.states[playback_id]
        if paused is not None:
            state = replace(state, is_paused=paused, state="paused" if paused else "playing")
        if at is not None:
            state = replace(state, at=at)
        if speed is not None:
            state = replace(state, speed=speed)
        self.states[playback_id] = state
        return state

    def playback_state(self, playback_id: str) -> PlaybackState:
        if playback_id not in self.states:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no playback {playback_id}")
        return self.states[playback_id]

    async def close_playback(self, playback_id: str) -> None:
        self.states.pop(playback_id, None)

    async def end_view(self, view_id: str) -> None:
        self.ended_views.append(view_id)


class FakeFetcher:
    """Writes a small file when `go` is set; cameras send at 1, 2 and 4."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.is_full = False
        self.outcome = "finished"
        self.asked: list[Download] = []

    async def fetch(self, download: Download, channel: Channel, path: Path) -> Fetched:
        self.asked.append(download)
        await self.go.wait()
        path.write_bytes(b"pictures")
        return Fetched(self.outcome, "", 8, hashlib.sha256(b"pictures").hexdigest(), "h265")

    def progress(self, download_id: str) -> FetchProgress:
        return FetchProgress(0.5, 12.0, 500, 1000)

    async def download_speeds(self, channel: Channel) -> tuple[int, ...]:
        return (1, 2, 4)

    def free_bytes(self) -> int:
        return 0 if self.is_full else 1 << 30
