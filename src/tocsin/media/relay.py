"""The streams of the channels: one upstream each, started when somebody wants to look, stopped when nobody does.

Source: design note 0001, media borders; media reference, architecture.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id, new_token
from tocsin.domain.directory import Channel
from tocsin.domain.streams import Stream, choose, may_use_sub, plays_h265, stream_id_of
from tocsin.domain.video import Endpoint, ForwardTarget, LiveAddress, LiveSession, LiveSource, LiveState, MediaPorts
from tocsin.media.knowledge import MEANS_NO_SUB, StreamKnowledge
from tocsin.media.link_words import LossReport, MediaEvents, StreamStats

log = structlog.get_logger(__name__)

IDLE_STOP_S = 30.0
OPEN_TIMEOUT_S = 40.0
SWEEP_S = 1.0
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 15.0
STEADY_AFTER_S = 20.0
FORGET_AFTER_S = 300.0
PROBE_WAIT_S = 25.0
PROBE_LOOK_S = 5.0
PROBE_STEP_S = 0.2


class Link(MediaPorts, Protocol):
    """What the streams need of the media link."""

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
        alarm: bool = False,
        may_change: bool = False,
    ) -> str:
        """Issue a one-use ticket and return its path."""

    def viewer_port(self, stream_id: str) -> int:
        """Return the port of that path."""

    async def revoke(self, view_id: str, reason: str) -> None:
        """End a view's viewers."""

    async def renew(self, view_id: str, expires_at: datetime) -> None:
        """Let a view's viewers go on until another time."""

    async def turn_away(self, stream_id: str, reason: str) -> None:
        """Tell a stream's viewers to ask again."""

    def last_stats(self, stream_id: str) -> StreamStats | None:
        """Return the latest figures of a stream."""

    async def key_picture(self, stream_id: str, path: Path) -> dict[str, Any]:
        """Write the last key picture of a stream to a file."""

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
    ) -> Endpoint:
        """Prepare to send a stream on."""

    async def forward_start(self, stream_id: str, forward_id: str) -> None:
        """Begin to send."""

    async def forward_close(self, stream_id: str, forward_id: str) -> None:
        """Stop sending."""


@dataclass(slots=True, eq=False)
class _Upstream:
    """One channel's way from its device to us."""

    channel: Channel
    keep_until_s: float
    state: str = "idle"  # idle, starting, live, stale, failed
    reason: str = ""
    attempts: int = 0
    viewers: set[str] = field(default_factory=set)
    task: asyncio.Task[None] | None = None
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    lost_reason: str = ""
    idle_since_s: float = 0.0
    is_ending: bool = False
    is_wanted_again: bool = False
    is_held: bool = False  # wanted without anybody looking: it is recorded
    stream: Stream = Stream.MAIN

    @property
    def stream_id(self) -> str:
        """The id under which media keeps it."""
        return stream_id_of(self.channel.id, self.stream)


class LiveStreams:
    """Opens views, keeps one upstream a channel and stream alive while it is wanted, and knows how each is doing."""

    def __init__(
        self,
        link: Link,
        source: LiveSource,
        clock: Clock,
        *,
        public_host: str,
        public_scheme: str = "ws",
        idle_stop_s: float = IDLE_STOP_S,
        channel_of: Callable[[str], Channel | None] | None = None,
    ) -> None:
        """`channel_of` says which channels are in use; the upstream of one that left is stopped at the next sweep."""
        self._link = link
        self._source = source
        self._clock = clock
        self._public_host = public_host
        self._public_scheme = public_scheme
        self._idle_stop_s = idle_stop_s
        self._channel_of = channel_of
        self._upstreams: dict[str, _Upstream] = {}
        self._pausing: dict[str, tuple[str, asyncio.Event]] = {}  # stream id -> device id and what ends the pause
        self._streams = StreamKnowledge(clock)
        self._background: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None
        events = link.events
        events.on_mime = self._streams.heard
        events.on_first_key = self._first_key
        events.on_source_lost = self._source_lost
        events.on_demand = self._demand
        events.on_worker_lost = self._worker_lost
        events.on_viewer = self._viewer
        events.on_loss = self._loss

    async def start(self) -> None:
        """Begin to look after idle streams."""
        self._sweeper = asyncio.create_task(self._sweep_forever(), name="live streams")

    async def stop(self) -> None:
        """End every upstream."""
        tasks = [upstream.task for upstream in self._upstreams.values() if upstream.task is not None]
        if self._sweeper is not None:
            tasks.append(self._sweeper)
        for upstream in self._upstreams.values():
            upstream.is_wanted_again, upstream.is_ending = False, False
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- views

    async def open_view(
        self,
        *,
        view_id: str,
        channel: Channel,
        user_id: str,
        expires_at: datetime,
        codecs: tuple[str, ...],
        audio: bool,
        is_alarm: bool = False,
        stream: str = Stream.MAIN,
    ) -> LiveAddress:
        """Return the live URL; the upstream is started at once, the picture is not waited for.

        Errors: UNAVAILABLE when no media worker is running.
        """
        can_h265, known = plays_h265(codecs), self._streams.of(channel)
        choice = choose(stream, known, h265=can_h265)
        stream_id = self._want(channel, choice.stream).stream_id
        viewer_id = f"{user_id}/{new_id()}"
        path = await self._link.ticket(
            stream_id=stream_id,
            ticket=new_token(),
            viewer_id=viewer_id,
            view_id=view_id,
            expires_at=expires_at,
            codecs=codecs,
            audio=audio,
            alarm=is_alarm,
            may_change=choice.stream is Stream.MAIN and may_use_sub(known, h265=can_h265),
        )
        host = f"[{self._public_host}]" if ":" in self._public_host else self._public_host
        url = f"{self._public_scheme}://{host}:{self._link.viewer_port(stream_id)}{path}"
        return LiveAddress(url, choice.stream.value, choice.reason)

    async def renew_view(self, view_id: str, expires_at: datetime) -> None:
        """Let the pictures of a view go on until another time."""
        await self._link.renew(view_id, expires_at)

    async def end_view(self, view_id: str, reason: str) -> None:
        """End every picture of a view."""
        await self._link.revoke(view_id, reason)

    async def open_forward(
        self, channel: Channel, *, forward_id: str, view_id: str, to: ForwardTarget, expires_at: datetime
    ) -> Endpoint:
        """Prepare to send a channel's picture on, from the stream that runs already or from one started now.

        Errors: UNAVAILABLE when no media worker is running.
        """
        self._want(channel)
        return await self._link.forward_open(
            stream_id=channel.id,
            forward_id=forward_id,
            view_id=view_id,
            mode=to.mode,
            ip=to.ip,
            port=to.port,
            ssrc=to.ssrc,
            expires_at=expires_at,
        )

    async def start_forward(self, channel_id: str, forward_id: str) -> None:
        """Begin to send. Errors: UNAVAILABLE when it ended meanwhile."""
        await self._link.forward_start(channel_id, forward_id)

    async def close_forward(self, channel_id: str, forward_id: str) -> None:
        """Stop sending; stopping twice is no error."""
        await self._link.forward_close(channel_id, forward_id)

    def state(self, channel_id: str, stream: str = "") -> LiveState:
        """Return how a stream of a channel is doing; without `stream` the main one, the sub one if only that runs."""
        if not stream:
            main = self.state(channel_id, Stream.MAIN)
            return main if main.state != "idle" else self._sub_or(main, channel_id)
        stream_id = stream_id_of(channel_id, stream)
        upstream = self._upstreams.get(stream_id)
        stats = self._link.last_stats(stream_id)
        main_only = self._streams.main_only(channel_id)
        if upstream is None:
            return LiveState(stream=stream, main_only=main_only)
        state, reason = upstream.state, upstream.reason
        if stats is None or state in ("idle", "failed"):
            return LiveState(state, reason, len(upstream.viewers), stream=stream, main_only=main_only)
        if state == "live" and stats.state in ("live", "stale"):
            state = stats.state
        return LiveState(
            state,
            reason or stats.reason,
            len(upstream.viewers),
            stats.codec,
            stats.width,
            stats.height,
            stats.bitrate_bps,
            stats.loss_share,
            stats.last_picture_at,
            stats.converted,
            stats.key_interval_ms,
            stream,
            main_only,
            stats.strangers,
            stats.kernel_drops,
            stats.late,
            stats.resyncs,
        )

    def _sub_or(self, main: LiveState, channel_id: str) -> LiveState:
        sub = self.state(channel_id, Stream.SUB)
        return sub if sub.state != "idle" else main

    def running(self) -> dict[str, LiveState]:
        """Return how each wanted main stream is doing, by channel id."""
        return {
            stream_id: self.state(stream_id, Stream.MAIN)
            for stream_id, upstream in self._upstreams.items()
            if "~" not in stream_id
            and upstream.task is not None
            and not upstream.task.done()
            and not upstream.channel.is_of_call
        }

    async def probe(self, channel: Channel) -> LiveState:
        """Ask for a picture for its figures' sake, shown to nobody; the camera is told to stop if nobody else looks.

        Returns after a few seconds: live with its figures, failed with the reason, or starting when time was up.
        """
        upstream = self._want(channel)
        until_s = self._clock.monotonic() + PROBE_WAIT_S
        while upstream.state not in ("live", "failed") and self._clock.monotonic() < until_s:
            await self._clock.sleep(PROBE_STEP_S)
        if upstream.state == "live":
            await self._clock.sleep(PROBE_LOOK_S)
        found = self.state(channel.id, Stream.MAIN)
        if not upstream.viewers:
            upstream.keep_until_s = self._clock.monotonic()
        return found

    # -- recording

    def hold(self, channel: Channel, stream: str = Stream.MAIN) -> None:
        """Keep a stream coming until it is released, shown to nobody."""
        self._want(channel, Stream(stream)).is_held = True

    def release(self, stream_id: str) -> None:
        """Let a stream end when nobody else wants it; releasing twice is no error."""
        upstream = self._upstreams.get(stream_id)
        if upstream is not None and upstream.is_held:
            upstream.is_held, upstream.keep_until_s = False, self._clock.monotonic()

    def watched(self) -> list[tuple[Channel, Stream]]:
        """Return the cameras' streams whose pictures arrive now, whoever wanted them."""
        return [
            (one.channel, one.stream)
            for one in self._upstreams.values()
            if one.state == "live" and not one.channel.is_of_call
        ]

    async def key_picture(self, channel: Channel, path: Path, *, may_open: bool) -> dict[str, Any]:
        """Have the last key picture of a channel written to a file; its codec, age and motion come back.

        A camera that sends already is not asked anything; another only with `may_open`, for as long as it takes.
        Errors: UNAVAILABLE with the key of why there is none.
        """
        upstream = self._upstreams.get(channel.id)
        is_running = upstream is not None and upstream.state == "live"
        if not is_running and not may_open:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the stream does not run", key="media_not_found")
        if not is_running:
            upstream = self._want(channel)
            until_s = self._clock.monotonic() + PROBE_WAIT_S
            while upstream.state not in ("live", "failed") and self._clock.monotonic() < until_s:
                await self._clock.sleep(PROBE_STEP_S)
        assert upstream is not None
        try:
            if upstream.state != "live":
                raise TocsinError(ErrorCode.UNAVAILABLE, "no picture came", key=upstream.reason or "open_timeout")
            return await self._link.key_picture(channel.id, path)
        finally:
            if not is_running and not upstream.viewers:
                upstream.keep_until_s = self._clock.monotonic()

    # -- upstreams

    def _want(self, channel: Channel, stream: Stream = Stream.MAIN) -> _Upstream:
        stream_id = stream_id_of(channel.id, stream)
        upstream = self._upstreams.get(stream_id)
        if upstream is None:
            upstream = self._upstreams[stream_id] = _Upstream(channel, 0.0, stream=stream)
        upstream.channel = channel
        upstream.keep_until_s = self._clock.monotonic() + self._idle_stop_s
        self._ensure_running(upstream)
        return upstream

    def _ensure_running(self, upstream: _Upstream) -> None:
        if upstream.task is None or upstream.task.done():
            upstream.state, upstream.reason = "starting", ""
            upstream.is_ending = upstream.is_wanted_again = False
            upstream.task = asyncio.create_task(self._run(upstream), name=f"live {upstream.stream_id}")
            upstream.task.add_done_callback(lambda _task: self._ended(upstream))
        elif upstream.is_ending:
            upstream.is_wanted_again = True  # the camera is being told to stop: it is asked again right after

    def _ended(self, upstream: _Upstream) -> None:
        if upstream.is_wanted_again:
            self._ensure_running(upstream)

    async def _run(self, upstream: _Upstream) -> None:
        """Keep the upstream open until it is cancelled; after a failure or a loss, try again with growing pauses."""
        delay_s = FIRST_RETRY_S
        session: LiveSession | None = None
        stream_id = upstream.stream_id
        try:
            while True:
                started_s = self._clock.monotonic()
                upstream.lost.clear()
                upstream.attempts += 1
                session = await self._open(upstream)
                if session is not None:
                    await upstream.lost.wait()
                    upstream.state, upstream.reason = "stale", upstream.lost_reason
                    log.info("live source lost", stream_id=stream_id, reason=upstream.lost_reason)
                    ended, session = session, None
                    await self._close(ended, stream_id, upstream.lost_reason)
                    if self._clock.monotonic() - started_s > STEADY_AFTER_S:
                        delay_s = FIRST_RETRY_S
                is_back = await self._pause(upstream, delay_s)
                delay_s = FIRST_RETRY_S if is_back else min(delay_s * 2, LONGEST_RETRY_S)
                if upstream.state == "failed":
                    upstream.state = "starting"
        finally:
            if session is not None:
                await asyncio.shield(self._close(session, stream_id, "idle"))
            else:
                await self._link.close_receiver(stream_id)
            upstream.state, upstream.reason = "idle", ""
            upstream.idle_since_s = self._clock.monotonic()

    async def _pause(self, upstream: _Upstream, delay_s: float) -> bool:
        """Wait before the next try; True when the device registered meanwhile, which ends the wait."""
        is_back = asyncio.Event()
        self._pausing[upstream.stream_id] = (upstream.channel.device_id, is_back)
        tasks = [asyncio.create_task(self._clock.sleep(delay_s)), asyncio.create_task(is_back.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._pausing[upstream.stream_id]
            for task in tasks:
                task.cancel()
        return is_back.is_set()

    def device_registered(self, device_id: str) -> None:
        """Hear that a device is there again: what waits for it is tried at once, its sub streams too."""
        self._streams.device_returned(device_id)
        for waits_for, is_back in self._pausing.values():
            if waits_for == device_id:
                is_back.set()

    async def _open(self, upstream: _Upstream) -> LiveSession | None:
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                session = await self._source.open_live(upstream.channel, self._link, upstream.stream)
        except TocsinError as error:
            upstream.state, upstream.reason = "failed", error.key
        except TimeoutError:
            upstream.state, upstream.reason = "failed", "open_timeout"
        else:
            if upstream.state != "live":
                upstream.state, upstream.reason = "starting", ""
            return session
        log.info("live source did not open", stream_id=upstream.stream_id, reason=upstream.reason)
        if upstream.stream is Stream.SUB and upstream.reason in MEANS_NO_SUB:
            self._fall_back(upstream, MEANS_NO_SUB[upstream.reason])
        return None

    def _fall_back(self, upstream: _Upstream, reason: str) -> None:
        """The camera gives no sub stream of its own: its viewers are told to come again and get the main one."""
        self._streams.is_main_only(upstream.channel, reason)
        log.info("camera gives its main stream only", channel_id=upstream.channel.id, reason=reason)
        task = asyncio.create_task(self._turn_away(upstream), name=f"fall back {upstream.stream_id}")
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _turn_away(self, upstream: _Upstream) -> None:
        self._want(upstream.channel)
        await self._link.turn_away(upstream.stream_id, "no_sub_stream")
        upstream.is_held = False  # the recorder asks for the main one by itself
        if upstream.task is not None and not upstream.is_ending:
            upstream.is_ending = True
            upstream.task.cancel()

    async def _close(self, session: LiveSession, stream_id: str, reason: str) -> None:
        with contextlib.suppress(TocsinError, OSError):
            await session.close(reason)
        await self._link.close_receiver(stream_id)

    async def _sweep_forever(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_S)
            self.sweep()

    def sweep(self) -> None:
        """Stop upstreams that nobody watched for the idle time or whose channel was retired; forget the long idle."""
        now_s = self._clock.monotonic()
        for stream_id, upstream in list(self._upstreams.items()):
            is_running = upstream.task is not None and not upstream.task.done()
            is_retired = self._channel_of is not None and self._channel_of(upstream.channel.id) is None
            stats = self._link.last_stats(stream_id)
            if stats is not None and upstream.state == "live" and self._streams.measured(upstream.channel, stats):
                self._fall_back(upstream, "sub_ignored")
            is_wanted = upstream.is_held or bool(upstream.viewers)
            if is_running and (is_retired or (not is_wanted and now_s >= upstream.keep_until_s)):
                assert upstream.task is not None
                if not upstream.is_ending:
                    upstream.is_ending = True
                    upstream.task.cancel()
            elif not is_running and upstream.is_held and not is_retired:
                self._ensure_running(upstream)  # its camera came back into service
            elif not is_running and not is_wanted and now_s - upstream.idle_since_s > FORGET_AFTER_S:
                del self._upstreams[stream_id]

    # -- events of the workers

    def _first_key(self, stream_id: str, at: datetime) -> None:
        upstream = self._upstreams.get(stream_id)
        if upstream is not None:
            upstream.state, upstream.reason = "live", ""

    def source_ended(self, stream_id: str, reason: str) -> None:
        """Hear that a camera ended its picture by itself; it is asked again while somebody wants it."""
        self._source_lost(stream_id, reason)

    def _source_lost(self, stream_id: str, reason: str) -> None:
        upstream = self._upstreams.get(stream_id)
        if upstream is not None:
            upstream.lost_reason = reason
            upstream.lost.set()

    def _worker_lost(self, stream_ids: tuple[str, ...]) -> None:
        for stream_id in stream_ids:
            upstream = self._upstreams.get(stream_id)
            if upstream is not None:
                upstream.viewers.clear()
                upstream.keep_until_s = self._clock.monotonic() + self._idle_stop_s
                self._source_lost(stream_id, "worker_lost")

    def _demand(self, stream_id: str) -> None:
        upstream = self._upstreams.get(stream_id)
        if upstream is not None:
            self._want(upstream.channel, upstream.stream)

    def _viewer(self, view_id: str, viewer_id: str, stream_id: str, what: str) -> None:
        upstream = self._upstreams.get(stream_id)
        if upstream is None:
            return
        if what == "opened":
            upstream.viewers.add(viewer_id)
        else:
            upstream.viewers.discard(viewer_id)
            upstream.keep_until_s = self._clock.monotonic() + self._idle_stop_s

    def _loss(self, stream_id: str, report: LossReport) -> None:
        if report.kernel_drops:
            log.warning("datagrams dropped because the worker was slow", stream_id=stream_id, count=report.kernel_drops)
