"""Calls of door intercoms: committed, then rung; answered by one operator, joined to a voice line, ended by either.

Nothing is passed on: a call ends here or at the operator's browser. A lost BYE is found by silence of the sound, by the
session timer, or by the browser that left.

Source: RFC 3261; RFC 4028; alarm reference, SIP door intercoms.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.domain.directory import Channel, Source
from tocsin.domain.intercom_calls import DoorCall, Finished, Rang
from tocsin.domain.signals import Signal
from tocsin.domain.video import Endpoint
from tocsin.gateways.intercom import PROTOCOL, RETRY_AFTER_S, IntercomConfig
from tocsin.gateways.intercom_pictures import CallPictures
from tocsin.gateways.sip import SipGateway
from tocsin.gateways.sip_served import ServedCall
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.intercom.call import (
    ALLOW,
    Offer,
    SessionTimer,
    TooBrief,
    called_of,
    for_evidence,
    is_emergency,
    make_answer,
    read_offer,
    session_timer,
)
from tocsin.protocols.intercom.door import DoorMethod, info_of
from tocsin.protocols.intercom.events import call_event
from tocsin.protocols.sip.message import Request, Response, response_to
from tocsin.protocols.sip.reliable import wants_reliable

log = structlog.get_logger(__name__)

MAX_LIVE: Final = 2000
SESSION_SPARE_S: Final = 32.0
EARLY_WITHIN_S: Final = 2.0
TONES: Final = DoorMethod.TONES


class CallIntake(Protocol):
    """Where calls are kept: `domain/intercom_intake.py`."""

    def rang(self, ring: Rang) -> asyncio.Future[DoorCall]:
        """Return a future that resolves after the commit."""

    def finished(self, end: Finished) -> asyncio.Future[DoorCall]:
        """Return a future that resolves after the commit."""


class CallPorts(Protocol):
    """Voice lines of the media side, as calls need them."""

    async def open_call(
        self, talk_id: str, *, peer_ip: str, codec: str, payload_type: int, event_type: int, silent_after_s: float
    ) -> Endpoint:
        """Open a line over UDP that follows its peer's port; return our address."""

    async def aim_talk(self, talk_id: str, ip: str, port: int) -> None:
        """Say where the sound goes until the peer's own is heard."""

    async def start_talk(self, talk_id: str) -> None:
        """Begin to send."""

    async def send_tones(self, talk_id: str, digits: str) -> None:
        """Send digits as telephone events."""

    async def close_talk(self, talk_id: str, reason: str) -> None:
        """End a line; ending it twice is no error."""


class LiveCall:
    """One call, from its INVITE to its end."""

    def __init__(self, call_id: str, source: Source, served: ServedCall, offer: Offer | None, is_sos: bool) -> None:
        self.call_id = call_id
        self.source = source
        self.served = served
        self.offer = offer
        self.is_sos = is_sos
        self.reason = ""
        self.media: CallPorts | None = None  # of who answered
        self.line: CallPorts | None = None  # where its sound is open, before the answer too
        self.sound: Endpoint | None = None
        self.picture: Endpoint | None = None
        self.has_picture = False
        self.opening = asyncio.Lock()
        self.is_accepted = False
        self.timer: SessionTimer | None = None
        self.alarms: list[asyncio.TimerHandle] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.watch: asyncio.Task[None] | None = None

    def rest(self) -> None:
        """Cancel what waits."""
        for alarm in self.alarms:
            alarm.cancel()
        self.alarms.clear()


class IntercomCalls:
    """The calls under way. Implements `CallLine`; `on_ended` hears of each end with its reason."""

    def __init__(self, sip: SipGateway, intake: CallIntake, clock: Clock, config: IntercomConfig) -> None:
        self.counters: Counter[str] = Counter()
        self.on_failed: Callable[[Finished], None] = lambda end: None
        self.pictures: CallPictures | None = None  # with `early`, what calls show before they are answered
        self.early: CallPorts | None = None
        self._sip = sip
        self._intake = intake
        self._clock = clock
        self._config = config
        self._live: dict[str, LiveCall] = {}
        self._by_device: dict[str, LiveCall] = {}

    def __len__(self) -> int:
        return len(self._live)

    def is_live(self, call_id: str) -> bool:
        """Say whether a call is under way."""
        return call_id in self._live

    # --- it rings

    def ring(self, source: Source, request: Request, peer: Peer) -> None:
        """Take the INVITE of an intercom that has proved who it is: it rings once that is committed."""
        timer = session_timer(request)
        if isinstance(timer, TooBrief):
            fields = [("Min-SE", str(timer.least_s))]
            self._sip.send(peer, self._sip.reply_to(request, peer, 422, fields).encode())
            return
        former = self._by_device.get(source.device_id)
        if former is not None:
            self._end(former, "replaced", status=486)
        served = None
        if len(self._live) < MAX_LIVE:
            served = self._sip.serve(request, peer, own_id=self._config.server_id, realm=self._config.realm)
        if served is None:
            self.counters["too_many"] += 1
            self._sip.send(peer, self._sip.reply_to(request, peer, 503, [("Retry-After", str(RETRY_AFTER_S))]).encode())
            return
        served.trying()
        own_number = str(source.settings.get("sos_number", ""))
        numbers = (*self._config.emergency_numbers, *([own_number] if own_number else []))
        is_sos = is_emergency(request, numbers)
        call = LiveCall(new_id(), source, served, read_offer(request.body), is_sos)
        call.timer = timer
        self._live[call.call_id] = self._by_device[source.device_id] = call
        call.watch = asyncio.create_task(self._watch(call))
        call.has_picture = self._expect_picture(call)
        signal = self._signal(call, "sos_call" if is_sos else "door_call", for_evidence(request))
        ring = Rang(
            call.call_id, source.device_id, called_of(request), is_sos, call.offer is not None, signal, call.has_picture
        )
        try:
            future = self._intake.rang(ring)
        except TocsinError as error:
            self._not_kept(call, error)
            return
        future.add_done_callback(partial(self._kept, call))

    def _kept(self, call: LiveCall, future: asyncio.Future[DoorCall]) -> None:
        if future.cancelled() or (error := future.exception()) is not None:
            self._not_kept(call, None if future.cancelled() else error)
            return
        if call.call_id not in self._live:  # it gave up while it was being kept
            self._record_end(call)
            return
        if call.offer is None:
            self._end(call, "no_sound", status=488)
            return
        self.counters["rung"] += 1
        if call.has_picture:
            self._start(call, self._show(call))
        else:
            self._say_ringing(call)
        loop = asyncio.get_running_loop()
        call.alarms.append(loop.call_later(self._config.no_answer_s, self._unanswered, call))

    def _expect_picture(self, call: LiveCall) -> bool:
        video = call.offer.video if call.offer is not None else None
        if video is None or self.pictures is None or self.early is None:
            return False
        device_id = call.source.device_id
        channel = Channel(device_id, device_id, "", stage="in_service", has_sub=False, is_of_call=True)
        return self.pictures.expect(channel, peer_ip=call.served.peer.host, payload_type=video.payload_type)

    def _say_ringing(self, call: LiveCall) -> None:
        call.served.trying(180, is_reliable=wants_reliable(call.served.invite))

    async def _show(self, call: LiveCall) -> None:
        """Let the intercom send its picture before anybody answers (183); where none can be received it rings (180)."""
        async with call.opening:
            if call.media is not None or self._live.get(call.call_id) is not call:
                return
            media = self.early
            assert media is not None
            try:
                async with asyncio.timeout(EARLY_WITHIN_S):
                    await self._open(call, media)
            except (TocsinError, OSError) as error:
                log.warning("no media before the answer", device_id=call.source.device_id, error=str(error))
                await media.close_talk(call.call_id, "failed")
            if self._live.get(call.call_id) is not call:  # it gave up meanwhile
                await self._close(call)
                return
            if call.sound is None or call.picture is None or call.offer is None:
                self._say_ringing(call)
                return
            self.counters["shown"] += 1
            body = self._answer_to(call, call.offer)
            call.served.trying(183, [("Allow", ALLOW)], body, is_reliable=wants_reliable(call.served.invite))

    async def _open(self, call: LiveCall, media: CallPorts) -> None:
        """Open what is not open yet: the line of its sound, and the receiver of its picture. Errors: of the line."""
        offer = call.offer
        assert offer is not None
        if call.line is None:
            call.line = media
            try:
                call.sound = await media.open_call(
                    call.call_id,
                    peer_ip=call.served.peer.host,
                    codec=offer.codec.value,
                    payload_type=offer.payload_type,
                    event_type=offer.event_type,
                    silent_after_s=self._config.silent_call_s,
                )
            except BaseException:
                call.line = None
                raise
        if call.has_picture and call.picture is None and self.pictures is not None:
            call.picture = await self.pictures.open(call.source.device_id)

    def _answer_to(self, call: LiveCall, offer: Offer) -> bytes:
        assert call.sound is not None
        video_port = call.picture.port if call.picture is not None else 0
        return make_answer(offer, self._address(call.sound.ip, call.served.peer), call.sound.port, video_port).encode()

    def _not_kept(self, call: LiveCall, error: BaseException | None) -> None:
        """No commit, no ring: the intercom hears that we cannot, and may ring again."""
        log.warning("call not kept", device_id=call.source.device_id, error=str(error))
        self.counters["not_kept"] += 1
        self._forget(call)
        if call.watch is not None:
            call.watch.cancel()
        if not call.served.is_over:
            call.served.refuse(503, [("Retry-After", str(RETRY_AFTER_S))])

    def _unanswered(self, call: LiveCall) -> None:
        if call.media is None:
            self._end(call, "missed", status=480)

    # --- answered: implements `CallLine`

    async def answer(self, call_id: str, media: CallPorts) -> None:
        """Join a call to a voice line and tell the intercom. Errors: CONFLICT `call.over`, UNAVAILABLE."""
        call = self._live.get(call_id)
        if call is None or call.offer is None or call.media is not None:
            raise TocsinError(ErrorCode.CONFLICT, "the call is over", key="call.over")
        call.media, offer = media, call.offer
        try:
            async with call.opening:
                await self._open(call, media)
            await media.aim_talk(call_id, offer.ip or call.served.peer.host, offer.port)
            if self._live.get(call_id) is not call:
                raise TocsinError(ErrorCode.CONFLICT, "the call is over", key="call.over")
            await media.start_talk(call_id)
        except BaseException:
            await asyncio.shield(media.close_talk(call_id, "failed"))
            self._end(call, "failed", status=500)
            raise
        call.rest()
        call.is_accepted = True
        call.served.on_refresh = partial(self._refreshed, call)
        call.served.accept(self._answer_to(call, offer), self._fields(call))
        self.counters["answered"] += 1
        self._arm_session(call)

    async def hang_up(self, call_id: str, reason: str) -> None:
        """End a call from our side; its end is recorded by whoever asks. Ending it twice is no error."""
        call = self._live.get(call_id)
        if call is not None:
            self._end(call, reason, status=603, is_recorded=True)

    async def send_code(self, call_id: str, method: str, code: str) -> None:
        """Send the digits that open the door. Errors: CONFLICT `call.over`, `call.no_tones`; UNAVAILABLE."""
        call = self._live.get(call_id)
        if call is None or call.media is None:
            raise TocsinError(ErrorCode.CONFLICT, "the call is over", key="call.over")
        way = DoorMethod(method)
        if way is TONES:
            if call.offer is None or call.offer.event_type < 0:
                raise TocsinError(ErrorCode.CONFLICT, "no tones were agreed", key="call.no_tones")
            await call.media.send_tones(call_id, code)
            return
        for digit in code:
            content_type, body = info_of(way, digit)
            response = await self._in_dialog(call, "INFO", [("Content-Type", content_type)], body)
            if response is None:
                raise TocsinError(ErrorCode.UNAVAILABLE, "no answer", key="call.code_unanswered")
            if response.status >= 300:
                raise TocsinError(
                    ErrorCode.UNAVAILABLE, "refused", key="call.code_refused", status=str(response.status)
                )

    def can_send(self, call_id: str, method: str) -> bool:
        """Say whether a code can be sent this way in this call."""
        call = self._live.get(call_id)
        return call is not None and call.offer is not None and (method != TONES or call.offer.event_type >= 0)

    # --- inside a call

    async def _in_dialog(
        self, call: LiveCall, method: str, fields: list[tuple[str, str]], body: bytes = b""
    ) -> Response | None:
        server = call.served.server
        state = server.saved
        own = f"<sip:{self._config.server_id}@{self._sip.local_host(call.served.peer)}:{self._sip.port}>"
        made = [
            ("From", state.local),
            ("To", state.remote),
            ("Call-ID", state.call_id),
            ("CSeq", f"{server.take_cseq()} {method}"),
            ("Contact", own),
            *fields,
        ]
        return await self._sip.request(call.served.peer, method, state.target, fields=made, body=body)

    def _fields(self, call: LiveCall) -> list[tuple[str, str]]:
        return [("Allow", ALLOW), *(call.timer.headers if call.timer is not None else [])]

    def _refreshed(self, call: LiveCall, request: Request) -> Response:
        """Answer UPDATE or a new INVITE: the session goes on, held or at another address if it says so."""
        peer, tag = call.served.peer, call.served.server.tag
        source = (peer.host, peer.port)
        body = b""
        if request.body:
            offer = read_offer(request.body)
            if offer is None or call.offer is None or offer.codec is not call.offer.codec:
                return response_to(request, 488, to_tag=tag, source=source)
            body = self._answer_to(call, offer)
            if call.media is not None and (offer.ip, offer.port) != (call.offer.ip, call.offer.port):
                self._start(call, call.media.aim_talk(call.call_id, offer.ip or peer.host, offer.port))
            call.offer = offer
        elif request.method == "INVITE" and call.offer is not None:
            body = self._answer_to(call, call.offer)
        self._arm_session(call)
        contact = f"<sip:{self._config.server_id}@{self._sip.local_host(peer)}:{self._sip.port}>"
        fields = [("Contact", contact), *self._fields(call)]
        if body:
            fields.append(("Content-Type", "application/sdp"))
        return response_to(request, 200, to_tag=tag, source=source, headers=fields, body=body)

    def _arm_session(self, call: LiveCall) -> None:
        call.rest()
        timer = call.timer
        if timer is None:
            return
        loop = asyncio.get_running_loop()
        if timer.we_refresh:
            call.alarms.append(loop.call_later(timer.expires_s / 2, self._begin_refresh, call))
        patience_s = timer.expires_s - min(SESSION_SPARE_S, timer.expires_s / 3)
        call.alarms.append(loop.call_later(patience_s, self._end, call, "session_expired"))

    def _begin_refresh(self, call: LiveCall) -> None:
        self._start(call, self._refresh(call))

    async def _refresh(self, call: LiveCall) -> None:
        assert call.timer is not None
        fields = [("Supported", "timer"), ("Session-Expires", f"{call.timer.expires_s};refresher=uac")]
        response = await self._in_dialog(call, "UPDATE", fields)
        if response is not None and response.status < 300 and call.call_id in self._live:
            self._arm_session(call)

    def _address(self, ip: str, peer: Peer) -> str:
        is_everywhere = ip in ("", "0.0.0.0", "::")  # noqa: S104
        return self._config.media_ip or (self._sip.local_host(peer) if is_everywhere else ip)

    # --- the end

    async def _watch(self, call: LiveCall) -> None:
        """Wait for the caller's end of it."""
        by_peer = await call.served.ended()
        if self._live.get(call.call_id) is call:
            was_answered = call.media is not None
            reason = ("caller_hung_up" if was_answered else "given_up") if by_peer else "failed"
            self._forget(call)
            call.reason = reason
            await self._close(call)
            self._record_end(call)

    def _end(self, call: LiveCall, reason: str, *, status: int = 487, is_recorded: bool = False) -> None:
        """End a call from our side, whatever state it is in."""
        if self._live.get(call.call_id) is not call:
            return
        self._forget(call)
        if call.watch is not None:
            call.watch.cancel()
        call.reason = reason
        self._say_end(call, status)
        self._start(call, self._close(call))
        if not is_recorded:
            self._record_end(call)

    def _say_end(self, call: LiveCall, status: int) -> None:
        if call.served.is_over:
            return
        if call.is_accepted:
            call.served.hang_up()
        else:
            call.served.refuse(status)

    async def _close(self, call: LiveCall) -> None:
        line, call.line = call.line, None
        if line is not None:
            await line.close_talk(call.call_id, call.reason)

    def _record_end(self, call: LiveCall) -> None:
        self.counters[f"ended_{call.reason or 'given_up'}"] += 1
        signal = self._signal(call, "door_call_missed", b"")
        end = Finished(call.call_id, call.reason or "given_up", signal)
        try:
            future = self._intake.finished(end)
        except TocsinError:
            self.on_failed(end)
            return
        future.add_done_callback(partial(self._recorded, end))

    def _recorded(self, end: Finished, future: asyncio.Future[DoorCall]) -> None:
        if future.cancelled() or future.exception() is not None:
            self.on_failed(end)

    def _forget(self, call: LiveCall) -> None:
        call.rest()
        self._live.pop(call.call_id, None)
        if self._by_device.get(call.source.device_id) is call:
            del self._by_device[call.source.device_id]
        if call.has_picture and self.pictures is not None:
            self.pictures.release(call.source.device_id)

    def _signal(self, call: LiveCall, code: str, raw: bytes) -> Signal:
        peer = call.served.peer
        return Signal(
            PROTOCOL,
            peer.transport.value,
            peer.address,
            call.source.account,
            raw,
            self._clock.now(),
            call.source.device_id,
            code[:16],
            events=(call_event(code, called_of(call.served.invite)),),
        )

    def _start(self, call: LiveCall, work: Any) -> None:
        task: asyncio.Task[Any] = asyncio.create_task(work)
        call.tasks.add(task)
        task.add_done_callback(call.tasks.discard)

    async def stop(self) -> None:
        """End every call."""
        for call in list(self._live.values()):
            self._end(call, "stopped", status=503)
            await asyncio.gather(*call.tasks, return_exceptions=True)
