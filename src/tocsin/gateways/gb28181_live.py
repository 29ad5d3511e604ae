"""Live pictures over GB/T 28181: the `LiveSource` the house asks. How a device is called stands in `gb28181_calls`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Final

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.attempts import AttemptKind
from tocsin.domain.directory import Channel
from tocsin.domain.streams import Stream, stream_id_of
from tocsin.domain.video import MediaPorts
from tocsin.gateways.gb28181_calls import MediaCaller, Opened, Wanted
from tocsin.gateways.gb28181_devices import AttemptLog
from tocsin.gateways.sip import Call
from tocsin.protocols.gb28181.stream_choice import MAIN_NUMBER, SUB_NUMBER, choice_lines, ways_to_ask
from tocsin.protocols.gb28181.timeline import Timeline, refusal_key
from tocsin.protocols.gb28181.tries import FORMAT_STATUS, UNREADABLE_STATUS
from tocsin.protocols.sip.sdp import MediaMode, Sdp, make_offer

log = structlog.get_logger(__name__)

REFUSED_OFFER: Final = frozenset(refusal_key(status) for status in FORMAT_STATUS | UNREADABLE_STATUS)


class GbLiveSession:
    """A camera that is sending."""

    def __init__(self, source: GbLiveSource, opened: Opened) -> None:
        self.stream_id = opened.wanted.stream_id
        self._source = source
        self.opened = opened
        self._is_closed = False

    @property
    def call(self) -> Call:
        return self.opened.call

    async def close(self, reason: str) -> None:
        """Say BYE and close the receiver; closing twice is no error."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._source.end(self)
        log.info("live closed", channel_id=self.opened.wanted.channel.id, reason=reason)

    async def wait_ended(self) -> str:
        """Wait until the call is over; returns the message key of why."""
        by_camera = await self.call.ended()
        return "play.ended_by_camera" if by_camera else "play.ended"


class GbLiveSource:
    """Asks registered devices for live pictures."""

    def __init__(self, caller: MediaCaller, attempts: AttemptLog, clock: Clock) -> None:
        self._caller = caller
        self._attempts = attempts
        self._clock = clock
        self._pool = caller.new_pool()
        self._opening: set[str] = set()
        self._sessions: dict[str, GbLiveSession] = {}
        self._background: set[asyncio.Task[object]] = set()
        self._on_ended: Callable[[str, str], None] = lambda stream_id, reason: None

    def on_ended(self, callback: Callable[[str, str], None]) -> None:
        """Call back with stream id and message key when a camera ends its call; `close` is still expected."""
        self._on_ended = callback

    @property
    def open_calls(self) -> int:
        """How many cameras are sending."""
        return len(self._sessions)

    async def open_live(self, channel: Channel, media: MediaPorts, stream: str = Stream.MAIN) -> GbLiveSession:
        """Return once media arrives. Errors: UNAVAILABLE with the key of what failed; CONFLICT while one is opening."""
        stream_id = stream_id_of(channel.id, stream)
        if stream_id in self._opening:
            raise TocsinError(ErrorCode.CONFLICT, f"channel {stream_id} is being opened")
        former = self._sessions.get(stream_id)
        if former is not None:
            await former.close("replaced")
        timeline = self._attempts.begin()
        self._opening.add(stream_id)
        is_ok = False
        try:
            opened = await self._call(channel, media, stream, timeline)
            is_ok = True
        except asyncio.CancelledError:
            timeline.failed("play.given_up", self._clock.monotonic())
            raise
        finally:
            self._opening.discard(stream_id)
            self._attempts.finish(AttemptKind.PLAY, channel.device_id, timeline, is_ok=is_ok, channel_id=channel.id)
        session = GbLiveSession(self, opened)
        self._start(self._watch(session))
        self._sessions[stream_id] = session
        return session

    async def _call(self, channel: Channel, media: MediaPorts, stream: str, timeline: Timeline) -> Opened:
        """Ask for a stream in each way that the device may understand."""
        number = SUB_NUMBER if stream == Stream.SUB else MAIN_NUMBER
        stream_id = stream_id_of(channel.id, stream)
        ways = ways_to_ask(self._caller.stream_line(channel), number)
        for count, lines in enumerate(ways):
            offer = partial(self._offer, choice_lines(lines, number))
            try:
                opened = await self._caller.climb(Wanted(channel, stream_id, media, self._pool, offer), timeline)
            except TocsinError as error:
                if number == MAIN_NUMBER or error.key not in REFUSED_OFFER:
                    raise
                continue
            if count:
                self._caller.found_stream_line(opened, lines[0], count + 1)
            return opened
        timeline.failed("play.no_sub_stream", self._clock.monotonic())
        raise TocsinError(ErrorCode.UNAVAILABLE, "the camera refuses its sub stream", key="play.no_sub_stream")

    async def end(self, session: GbLiveSession) -> None:
        """Hang up, wait a little for the answer, close the receiver and free the stream number."""
        try:
            await self._caller.hang_up(session.opened)
        finally:
            if self._sessions.get(session.stream_id) is session:
                del self._sessions[session.stream_id]
                await session.opened.wanted.media.close_receiver(session.stream_id)

    async def stop(self) -> None:
        """End every call."""
        await asyncio.gather(*(session.close("stop") for session in list(self._sessions.values())))
        for task in list(self._background):
            task.cancel()

    def _offer(self, choice: tuple[tuple[str, str], ...], ip: str, port: int, mode: MediaMode, ssrc: int) -> Sdp:
        return make_offer(own_id=self._caller.server_id, ip=ip, port=port, mode=mode, ssrc=ssrc, choice=choice)

    async def _watch(self, session: GbLiveSession) -> None:
        """Tell when the camera says BYE; the receiver stays until whoever opened the picture closes it."""
        if await session.call.ended():
            self._caller.over(session.opened)
            self._on_ended(session.stream_id, "play.ended_by_camera")

    def _start(self, work: Coroutine[None, None, object]) -> None:
        task: asyncio.Task[object] = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("sip task failed", error=f"{type(error).__name__}: {error}")
