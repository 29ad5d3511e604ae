"""Recordings being watched: each has a stream of its own, is steered while it lasts, and is ended when it is over.

Source: design note 0005.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id, new_token
from tocsin.domain.directory import Channel
from tocsin.domain.playback import (
    END_SLACK,
    EndWatch,
    PlaybackState,
    RecordingMedia,
    RecordingSession,
    RecordingSource,
    RecordingWish,
)
from tocsin.domain.video import Endpoint, ForwardTarget
from tocsin.media.link_words import MediaEvents, StreamStats

log = structlog.get_logger(__name__)

MAX_PLAYBACKS = 64
OPEN_TIMEOUT_S = 40.0
UNWATCHED_S = 30.0
DRAIN_S = 1.5
SWEEP_S = 0.5
KEPT_ENDED_S = 120.0


class Link(RecordingMedia, Protocol):
    """What playbacks need of the media link."""

    events: MediaEvents

    async def ticket(
        self,
        *,
        stream_id: str,
        ticket: str,
        viewer_id: str,
        view_id: str,
        expires_at: datetime,
        codecs: tuple[str, ...] = (),
        audio: bool = False,
    ) -> str:
        """Issue a one-use ticket and return its path."""

    def viewer_port(self, stream_id: str) -> int:
        """Return the port of that path."""

    def last_stats(self, stream_id: str) -> StreamStats | None:
        """Return the latest figures of a stream."""

    async def forward_open(
        self,
        *,
        stream_id: str,
        forward_id: str,
        view_id: str,
        mode: str,
        ip: str,
        port: int,
        ssrc: int,
        expires_at: datetime,
        keeps: bool = False,
    ) -> Endpoint:
        """Prepare to send a stream on; with `keeps` what comes before the start is not lost."""

    async def forward_start(self, stream_id: str, forward_id: str) -> None:
        """Begin to send."""

    async def forward_close(self, stream_id: str, forward_id: str) -> None:
        """Stop sending."""

    async def steer(self, stream_id: str, act: str, **content: float) -> None:
        """Tell a recording's stream what its device was told."""

    async def save(self, stream_id: str, path: Path, max_bytes: int, *, is_bare: bool = False) -> None:
        """Keep a recording's pictures in a file, MP4 or bare."""


class RecordingPorts:
    """Receivers whose pictures begin at a moment of a recording, and are kept in a file when one is named."""

    def __init__(
        self, link: Link, starts: datetime, path: Path | None = None, max_bytes: int = 0, *, is_bare: bool = False
    ) -> None:
        self._link = link
        self._starts = starts
        self._path = path
        self._max_bytes = max_bytes
        self._is_bare = is_bare

    async def open_receiver(self, stream_id: str, transport: str, **how: Any) -> Endpoint:
        """Open a receiver and set the clock of the recording."""
        endpoint = await self._link.open_receiver(stream_id, transport, **how)
        await self._link.steer(stream_id, "start", record_ms=self._starts.timestamp() * 1000.0)
        if self._path is not None:
            await self._link.save(stream_id, self._path, self._max_bytes, is_bare=self._is_bare)
        return endpoint

    async def open_rtsp(self, *given: Any, **how: Any) -> Any:
        """Refuse: that is a live picture."""
        raise TocsinError(ErrorCode.UNAVAILABLE, "no recording", key="recording.failed")

    async def open_replay(self, stream_id: str, url: str, **how: Any) -> None:
        """Set up a replay and the clock of the recording."""
        await self._link.open_replay(stream_id, url, **how)
        await self._link.steer(stream_id, "start", record_ms=self._starts.timestamp() * 1000.0)
        if self._path is not None:
            await self._link.save(stream_id, self._path, self._max_bytes, is_bare=self._is_bare)

    async def replay(self, stream_id: str, act: str, **how: Any) -> float:
        """Let it play or pause."""
        return await self._link.replay(stream_id, act, **how)

    async def connect(self, stream_id: str, ip: str, port: int) -> None:
        """Connect to a device that listens."""
        await self._link.connect(stream_id, ip, port)

    async def first_packet(self, stream_id: str, timeout_s: float) -> bool:
        """Wait for media."""
        return await self._link.first_packet(stream_id, timeout_s)

    async def close_receiver(self, stream_id: str) -> None:
        """Close the receiver."""
        await self._link.close_receiver(stream_id)


@dataclass(slots=True, eq=False)
class _Playback:
    """One recording being watched."""

    id: str
    view_id: str
    channel: Channel
    wish: RecordingWish
    watch: EndWatch
    idle_since_s: float
    at: datetime
    state: str = "opening"
    reason: str = ""
    scale: float = 1.0
    is_paused: bool = False
    session: RecordingSession | None = None
    task: asyncio.Task[None] | None = None
    viewers: set[str] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    last_packet_s: float = 0.0
    over_since_s: float | None = None
    forward_id: str = ""
    on_over: Callable[[str], None] = lambda reason: None


class Playbacks:
    """Opens, steers and ends recordings. Implements `PlaybackService`."""

    def __init__(self, link: Link, source: RecordingSource, clock: Clock, *, public_host: str) -> None:
        self._link = link
        self._source = source
        self._clock = clock
        self._public_host = public_host
        self._open: dict[str, _Playback] = {}
        self._by_stream: dict[str, _Playback] = {}
        self._sweeper: asyncio.Task[None] | None = None
        source.on_file_end(self._file_ended)
        source.on_recording_ended(self._ended_by_device)
        events = link.events
        events.on_source_lost = both(events.on_source_lost, self._lost)
        events.on_viewer = both(events.on_viewer, self._viewer)
        events.on_worker_lost = both(events.on_worker_lost, self._worker_lost)

    async def start(self) -> None:
        """Begin to look after what is over."""
        self._sweeper = asyncio.create_task(self._sweep_forever(), name="playbacks")

    async def stop(self) -> None:
        """End every recording."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        await asyncio.gather(*(self._close(one, "stop") for one in list(self._open.values())), return_exceptions=True)

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
        """Return id and live URL; the device is asked at once and the picture is not waited for.

        Errors: UNAVAILABLE without a worker, or when too many recordings are open.
        """
        playback_id = new_id()
        one = self._new(playback_id, view_id, channel, starts, ends)
        wish = one.wish
        path = await self._link.ticket(
            stream_id=wish.stream_id,
            ticket=new_token(),
            viewer_id=f"{user_id}/{new_id()}",
            view_id=view_id,
            expires_at=expires_at,
            codecs=codecs,
        )
        self._open[playback_id] = self._by_stream[wish.stream_id] = one
        one.task = asyncio.create_task(self._begin(one), name=f"playback {playback_id}")
        host = f"[{self._public_host}]" if ":" in self._public_host else self._public_host
        return playback_id, f"ws://{host}:{self._link.viewer_port(wish.stream_id)}{path}"

    def _new(
        self, playback_id: str, view_id: str, channel: Channel, starts: datetime, ends: datetime, speed: int = 0
    ) -> _Playback:
        if len(self._by_stream) >= MAX_PLAYBACKS:
            raise TocsinError(ErrorCode.UNAVAILABLE, "too many recordings are open", key="recording.too_many_open")
        wish = RecordingWish(f"{channel.id}~r{playback_id}", starts, ends, speed)
        return _Playback(playback_id, view_id, channel, wish, EndWatch(ends), self._clock.monotonic(), starts)

    async def open_forwarded(
        self,
        playback_id: str,
        *,
        view_id: str,
        channel: Channel,
        starts: datetime,
        ends: datetime,
        expires_at: datetime,
        to: ForwardTarget,
        download_speed: int,
        on_over: Callable[[str], None],
    ) -> tuple[Endpoint, int | None]:
        """Ask for a recording that is sent on instead of shown; return once media arrives, with our media address and
        the bytes a download will have, when its device tells. `on_over` hears why it is over, whoever ended it.

        Errors: UNAVAILABLE with the key of what failed.
        """
        one = self._new(playback_id, view_id, channel, starts, ends, download_speed)
        one.forward_id = playback_id
        self._open[playback_id] = self._by_stream[one.wish.stream_id] = one
        try:
            endpoint = await self._link.forward_open(
                stream_id=one.wish.stream_id,
                forward_id=playback_id,
                view_id=view_id,
                mode=to.mode,
                ip=to.ip,
                port=to.port,
                ssrc=to.ssrc,
                expires_at=expires_at,
                keeps=True,
            )
            one.task = asyncio.create_task(self._begin(one), name=f"playback {playback_id}")
            await asyncio.wait((one.task,))
            if one.session is None:
                key = one.reason or "recording.failed"
                raise TocsinError(ErrorCode.UNAVAILABLE, "the recording did not open", key=key)
        except BaseException:
            await self._close(one, "given_up")
            raise
        one.on_over = on_over
        if one.over_since_s is not None:
            on_over(one.reason)
        return endpoint, one.session.file_bytes

    async def start_forwarded(self, playback_id: str) -> None:
        """Begin to send on: the receiver has acknowledged. Errors: NOT_FOUND, UNAVAILABLE."""
        await self._link.forward_start(self._found(playback_id).wish.stream_id, playback_id)

    async def steer_playback(
        self, playback_id: str, *, paused: bool | None = None, at: datetime | None = None, speed: float | None = None
    ) -> PlaybackState:
        """Pause or go on, go to a moment, change the speed. Errors: NOT_FOUND, CONFLICT while it opens, UNAVAILABLE."""
        one = self._found(playback_id)
        async with one.lock:
            session = one.session
            if session is None or one.state not in ("playing", "paused"):
                raise TocsinError(ErrorCode.CONFLICT, "the recording is not playing", key="recording.not_playing")
            stream_id = one.wish.stream_id
            if at is not None:
                await self._link.steer(stream_id, "hold")
                went = at
                try:
                    went = await session.seek(at)
                finally:
                    await self._link.steer(stream_id, "start", record_ms=went.timestamp() * 1000.0)
                one.at = went
                one.watch = EndWatch(one.wish.ends)
                if one.is_paused and paused is None:
                    paused = False  # a seek plays on, as devices do
            if speed is not None and speed != one.scale:
                one.scale = await session.speed(speed)
                await self._link.steer(stream_id, "pace", scale=one.scale)
            if paused is not None and paused != one.is_paused:
                if paused:
                    await session.pause()
                elif at is None:
                    await session.resume()
                await self._link.steer(stream_id, "pause" if paused else "resume")
                one.is_paused = one.watch.is_paused = paused
                one.state = "paused" if paused else "playing"
            one.last_packet_s = self._clock.monotonic()
        state = self.playback_state(playback_id)
        return state if at is None else replace(state, at=one.at)  # the figures are of before the jump

    def playback_state(self, playback_id: str) -> PlaybackState:
        """Return how a recording is doing. Errors: NOT_FOUND."""
        one = self._found(playback_id)
        stats = self._link.last_stats(one.wish.stream_id)
        at = one.at
        if stats is not None and stats.record_ms is not None:
            at = datetime.fromtimestamp(stats.record_ms / 1000.0, UTC)
        may_reverse = one.session is not None and one.session.may_reverse
        return PlaybackState(one.id, one.view_id, one.state, one.reason, at, one.scale, one.is_paused, may_reverse)

    async def close_playback(self, playback_id: str) -> None:
        """End one; ending it twice is no error."""
        one = self._open.get(playback_id)
        if one is not None:
            await self._close(one, "closed")

    async def end_view(self, view_id: str) -> None:
        """End the recordings of a view."""
        await asyncio.gather(*(self._close(one, "view") for one in list(self._open.values()) if one.view_id == view_id))

    def _found(self, playback_id: str) -> _Playback:
        one = self._open.get(playback_id)
        if one is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no playback {playback_id}")
        return one

    async def _begin(self, one: _Playback) -> None:
        ports = RecordingPorts(self._link, one.wish.starts)
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                one.session = await self._source.open_recording(one.channel, ports, one.wish)
        except TocsinError as error:
            self._over(one, "failed", error.key or "recording.failed")
            return
        except TimeoutError:
            self._over(one, "failed", "open_timeout")
            return
        one.last_packet_s = self._clock.monotonic()
        one.state = "playing"

    async def _close(self, one: _Playback, reason: str) -> None:
        self._open.pop(one.id, None)
        self._by_stream.pop(one.wish.stream_id, None)
        if one.task is not None and not one.task.done():
            one.task.cancel()
            await asyncio.gather(one.task, return_exceptions=True)
        session, one.session = one.session, None
        if session is not None:
            with contextlib.suppress(TocsinError, OSError):
                await session.close(reason)
        await self._link.close_receiver(one.wish.stream_id)
        if one.forward_id:
            await self._link.forward_close(one.wish.stream_id, one.forward_id)

    def _over(self, one: _Playback, state: str, reason: str) -> None:
        if one.over_since_s is None:
            one.state, one.reason = state, reason
            one.over_since_s = self._clock.monotonic()
            log.info("playback over", stream_id=one.wish.stream_id, state=state, reason=reason)
            one.on_over(reason)

    async def _sweep_forever(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_S)
            await self.sweep()

    async def sweep(self) -> None:
        """End what is over or what nobody watches; forget what ended some time ago."""
        now_s = self._clock.monotonic()
        for one in list(self._open.values()):
            if one.over_since_s is not None:
                session = one.session
                if session is not None and now_s - one.over_since_s >= DRAIN_S:
                    one.session = None
                    with contextlib.suppress(TocsinError, OSError):
                        await session.close(one.reason)
                if now_s - one.over_since_s >= KEPT_ENDED_S:
                    await self._close(one, "forgotten")
                continue
            if not one.viewers and now_s - one.idle_since_s >= UNWATCHED_S:
                await self._close(one, "unwatched")
                continue
            if one.session is None:
                continue
            stats = self._link.last_stats(one.wish.stream_id)
            at = None
            if stats is not None and stats.record_ms is not None:
                at = datetime.fromtimestamp(stats.record_ms / 1000.0, UTC)
                one.at = at
            one.watch.progress(at, now_s)
            if one.scale > 0 and (reason := one.watch.reason(now_s, None)):
                self._over(one, "ended", reason)

    def _file_ended(self, stream_id: str) -> None:
        one = self._by_stream.get(stream_id)
        if one is not None:
            one.watch.file_ended(self._clock.monotonic())

    def _ended_by_device(self, stream_id: str, reason: str) -> None:
        one = self._by_stream.get(stream_id)
        if one is not None:
            self._over(one, "ended", reason)

    def _lost(self, stream_id: str, reason: str) -> None:
        one = self._by_stream.get(stream_id)
        if one is not None and one.session is not None and not one.is_paused:
            if one.at >= one.wish.ends - END_SLACK:
                self._over(one, "ended", "recording.ended")
            else:
                is_over = reason in ("silence", "recording.ended")  # it says itself that nothing follows
                self._over(one, "ended", "recording.silent" if is_over else "recording.connection_lost")

    def _worker_lost(self, stream_ids: tuple[str, ...]) -> None:
        for stream_id in stream_ids:
            one = self._by_stream.get(stream_id)
            if one is not None:
                self._over(one, "failed", "worker_lost")

    def _viewer(self, view_id: str, viewer_id: str, stream_id: str, what: str) -> None:
        one = self._by_stream.get(stream_id)
        if one is None:
            return
        if what == "opened":
            one.viewers.add(viewer_id)
        else:
            one.viewers.discard(viewer_id)
            one.idle_since_s = self._clock.monotonic()


def both(first: Callable[..., None], second: Callable[..., None]) -> Callable[..., None]:
    """Return what calls one listener after the other."""

    def call(*given: Any) -> None:
        first(*given)
        second(*given)

    return call
