"""Recordings sent by GB/T 28181 devices: playback with pause, seek and speed, and downloads.

The call climbs the same ladder as a live picture. Steering travels as INFO in the call; the end of a file is told by a
MESSAGE that may come from anybody, so the Call-ID says whose it is.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.attempts import AttemptKind
from tocsin.domain.directory import Channel
from tocsin.domain.playback import REVERSE, SPEEDS, EndHeard, FileEndHeard, RecordingMedia, RecordingWish
from tocsin.gateways.gb28181_calls import MediaCaller, Opened, Wanted
from tocsin.gateways.gb28181_devices import AttemptLog
from tocsin.protocols.gb28181.history_sdp import HistoryWish, file_size_of, history_offer
from tocsin.protocols.gb28181.manscdp import Document, parse_document
from tocsin.protocols.gb28181.mansrtsp import (
    CONTENT_TYPE,
    Pause,
    Play,
    Steered,
    Steering,
    Teardown,
    is_end_of_file,
    read_steered,
    steering_body,
)
from tocsin.protocols.sip.message import Request
from tocsin.protocols.sip.sdp import MediaMode, Sdp

log = structlog.get_logger(__name__)

TEARDOWN_WAIT_S: Final = 1.0
MAX_HEARD: Final = 256


class GbRecordingSession:
    """A device that sends a recording."""

    def __init__(self, source: GbPlayback, opened: Opened, wish: RecordingWish) -> None:
        self.stream_id = wish.stream_id
        self.file_bytes = file_size_of(opened.answer_body) if wish.download_speed else None
        self.may_reverse = opened.device.version.strip().startswith("3")
        self.tells_time = False
        self.opened = opened
        self._source = source
        self._wish = wish
        self._cseq = 0  # of MANSRTSP, which counts for itself
        self._is_closed = False

    async def pause(self) -> None:
        """Stand still."""
        await self._steer(Pause())

    async def resume(self) -> None:
        """Go on as before."""
        await self._steer(Play())

    async def seek(self, at: datetime) -> datetime:
        """Go to a moment of the recording. Errors: INVALID outside it."""
        if not self._wish.starts <= at < self._wish.ends:
            raise TocsinError(ErrorCode.INVALID, "that moment is not in this recording", field="at")
        asked_s = (at - self._wish.starts).total_seconds()
        answer = await self._steer(Play(npt_s=asked_s))
        went_s = answer.npt_s if answer is not None and answer.npt_s is not None else asked_s
        return self._wish.starts + timedelta(seconds=went_s) if abs(went_s - asked_s) < 3600 else at

    async def speed(self, scale: float) -> float:
        """Play at another speed. Errors: INVALID for one that the device's edition does not know."""
        if scale not in SPEEDS and not (scale == REVERSE and self.may_reverse):
            raise TocsinError(ErrorCode.INVALID, f"this device does not play at {scale:g}", field="speed")
        answer = await self._steer(Play(scale=scale))
        real = answer.scale if answer is not None and answer.scale is not None else scale
        return real if abs(real) in SPEEDS else scale

    async def close(self, reason: str) -> None:
        """Say TEARDOWN, then BYE, and close the receiver; closing twice is no error."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._source.end(self)
        log.info("recording closed", stream_id=self.stream_id, reason=reason)

    async def _steer(self, steering: Steering) -> Steered | None:
        if self._is_closed or self.opened.call.is_over:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the recording is over", key="recording.ended_by_device")
        self._cseq += 1
        return await self._source.steer(self.opened, steering_body(steering, self._cseq))

    def teardown_body(self) -> bytes:
        """Return the last word."""
        self._cseq += 1
        return steering_body(Teardown(), self._cseq)


class GbPlayback:
    """Asks registered devices for recordings."""

    def __init__(self, caller: MediaCaller, attempts: AttemptLog, clock: Clock) -> None:
        self._caller = caller
        self._attempts = attempts
        self._clock = clock
        self._pool = caller.new_pool(is_history=True)
        self._sessions: dict[str, GbRecordingSession] = {}  # by Call-ID
        self._heard: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._watching: set[asyncio.Task[None]] = set()
        self._file_ends: list[FileEndHeard] = []
        self._call_ends: list[EndHeard] = []

    def on_file_end(self, callback: FileEndHeard) -> None:
        """Call back with the stream id when a device says that a file has come to its end."""
        self._file_ends.append(callback)

    def on_recording_ended(self, callback: EndHeard) -> None:
        """Call back with stream id and message key when a device ends its call; `close` is still expected."""
        self._call_ends.append(callback)

    @property
    def open_calls(self) -> int:
        """How many devices are sending recordings."""
        return len(self._sessions)

    async def open_recording(self, channel: Channel, media: RecordingMedia, wish: RecordingWish) -> GbRecordingSession:
        """Return once media arrives. Errors: UNAVAILABLE with the key of what failed."""
        history = HistoryWish(
            channel.gb_id,
            wish.starts,
            wish.ends,
            is_download=wish.download_speed > 0,
            speed=max(1, wish.download_speed),
        )

        def offer(ip: str, port: int, mode: MediaMode, ssrc: int) -> Sdp:
            return history_offer(history, own_id=self._caller.server_id, ip=ip, port=port, mode=mode, ssrc=ssrc)

        timeline = self._attempts.begin()
        is_ok = False
        try:
            wanted = Wanted(channel, wish.stream_id, media, self._pool, offer, is_live=False)
            opened = await self._caller.climb(wanted, timeline)
            is_ok = True
        except asyncio.CancelledError:
            timeline.failed("play.given_up", self._clock.monotonic())
            raise
        finally:
            self._attempts.finish(AttemptKind.PLAY, channel.device_id, timeline, is_ok=is_ok, channel_id=channel.id)
        session = GbRecordingSession(self, opened, wish)
        self._sessions[opened.call.client.call_id] = session
        opened.call.on_request = lambda request: self._hear_inside(session, request)
        task = asyncio.create_task(self._watch(session), name=f"recording {wish.stream_id}")
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        return session

    async def end(self, session: GbRecordingSession) -> None:
        """Say TEARDOWN and BYE, free the number, close the receiver."""
        opened = session.opened
        try:
            if not opened.call.is_over:
                try:
                    async with asyncio.timeout(TEARDOWN_WAIT_S):
                        await self._caller.inform(opened, session.teardown_body(), CONTENT_TYPE)
                except TimeoutError:
                    pass  # the BYE says it again
            await self._caller.hang_up(opened)
        finally:
            self._sessions.pop(opened.call.client.call_id, None)
            await opened.wanted.media.close_receiver(session.stream_id)

    async def stop(self) -> None:
        """End every call."""
        await asyncio.gather(*(session.close("stop") for session in list(self._sessions.values())))
        for task in list(self._watching):
            task.cancel()

    async def steer(self, opened: Opened, body: bytes) -> Steered | None:
        """Send one act and return what the device said of it, None when it only agreed."""
        response = await self._caller.inform(opened, body, CONTENT_TYPE)
        if response is None:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the device did not answer", key="recording.steer_unanswered")
        answer = read_steered(response.body)
        status = answer.status if answer is not None and response.status < 300 else response.status
        if status >= 300:
            raise TocsinError(
                ErrorCode.UNAVAILABLE, f"the device refused with {status}", key="recording.steer_refused", status=status
            )
        return answer

    def hear(self, request: Request, document: Document | None = None) -> bool:
        """Take a MESSAGE outside a dialog; True when it told the end of a file of a recording that is being sent.

        The Call-ID says whose it is, whoever the sender claims to be; without it the only recording of that channel.
        """
        session = self._sessions.get(request.call_id)
        if session is not None:
            self._hear_inside(session, request)
            return True
        if document is None or not is_end_of_file(document):
            return False
        names = {document.device_id, request.from_user}
        found = [
            one for one in self._sessions.values() if {one.opened.wanted.channel.gb_id, one.opened.device.gb_id} & names
        ]
        exact = [one for one in found if one.opened.wanted.channel.gb_id == document.device_id]
        found = exact or found
        if len(found) == 1:
            self._told(found[0], request)
        return True

    def knows(self, request: Request, host: str) -> bool:
        """True when a MESSAGE belongs to a recording that this host is sending."""
        session = self._sessions.get(request.call_id)
        return session is not None and session.opened.call.peer.host == host

    def _hear_inside(self, session: GbRecordingSession, request: Request) -> None:
        if request.method != "MESSAGE":
            return
        document = parse_document(request.body)
        if isinstance(document, Document) and is_end_of_file(document):
            self._told(session, request)

    def _told(self, session: GbRecordingSession, request: Request) -> None:
        key = (request.call_id, request.headers.get("cseq"))
        if key in self._heard:
            return  # a repetition
        self._heard[key] = None
        while len(self._heard) > MAX_HEARD:
            self._heard.popitem(last=False)
        log.info("file ended", stream_id=session.stream_id)
        for heard in self._file_ends:
            heard(session.stream_id)

    async def _watch(self, session: GbRecordingSession) -> None:
        if await session.opened.call.ended():
            self._caller.over(session.opened)
            for heard in self._call_ends:
                heard(session.stream_id, "recording.ended_by_device")
