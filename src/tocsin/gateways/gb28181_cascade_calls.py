"""Pictures for upper platforms: an INVITE from above becomes a view with its purpose and end, then a forwarded stream.

Rights first, then the record, then the stream that runs here already or is started now; the answer names our own media
address and the stream number asked for. A BYE of either side, the end of the view or of the stream ends all of it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.domain import control as asked
from tocsin.domain.cascade import ExportedItem
from tocsin.domain.control import CameraMover
from tocsin.domain.directory import Channel
from tocsin.domain.video import Endpoint, ForwardTarget, LiveState
from tocsin.gateways.gb28181_cascade_recordings import LONGEST_PLAYBACK
from tocsin.gateways.gb28181_ways import Ways
from tocsin.gateways.sip_served import ServedCall
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.gb28181 import cascade as wire
from tocsin.protocols.gb28181.history_sdp import HistoryWish, read_history_offer
from tocsin.protocols.gb28181.ids import Role, is_acceptable, role_of
from tocsin.protocols.sip.message import Request, Response
from tocsin.protocols.sip.sdp import BadSdp, Sdp, make_answer, parse_sdp

if TYPE_CHECKING:
    from tocsin.gateways.gb28181_cascade import GbCascade, UpperLine

log = structlog.get_logger(__name__)

LOOK_S: Final = 0.05
HANG_UP_WAIT_S: Final = 2.0
MAX_STEERED: Final = 64
SHOWING: Final = frozenset({"live", "stale"})
STATUS_OF: Final = {
    "cascade.not_shared": 404,
    "cascade.loop": 508,
    "cascade.bad_offer": 488,
    "cascade.bad_period": 488,
    "cascade.no_recordings": 488,
    "channel_absent": 404,
    "play.refused_unknown_id": 404,
    "play.refused_busy": 486,
    "play.refused_transport": 488,
    "play.answer_private_format": 488,
    "recording.too_many_open": 486,
    "media_ports_exhausted": 486,
    "media_external_unsupported": 488,
    "codec_unsupported": 488,
    "stream_encrypted": 488,
    "not_program_stream": 488,
}


class Forwarder(Protocol):
    """Who sends pictures on; the live streams of the house implement it."""

    async def open_forward(
        self, channel: Channel, *, forward_id: str, view_id: str, to: ForwardTarget, expires_at: datetime
    ) -> Endpoint:
        """Prepare to send; return our media address."""

    async def start_forward(self, channel_id: str, forward_id: str) -> None:
        """Begin to send."""

    async def close_forward(self, channel_id: str, forward_id: str) -> None:
        """Stop sending."""

    def state(self, channel_id: str) -> LiveState:
        """Return how the picture of a channel is doing."""


class UpperCall:
    """One picture on its way up. `steered` holds the answers to its INFO requests, None while one is worked on."""

    def __init__(self, upper: str, call: ServedCall, item: ExportedItem, serial: int) -> None:
        self.id = new_id()
        self.upper = upper
        self.call = call
        self.item = item
        self.serial = serial
        self.kind = "live"
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.steered: OrderedDict[str, Response | None] = OrderedDict()

    def end(self, reason: str) -> None:
        """Let it end; the first reason stands."""
        if not self.over.done():
            self.over.set_result(reason)

    def remember(self, number: str) -> None:
        """Note that an INFO is being worked on."""
        self.steered[number] = None
        while len(self.steered) > MAX_STEERED:
            self.steered.popitem(last=False)


class CascadeCalls:
    """The pictures upper platforms have open."""

    def __init__(self, cascade: GbCascade, forwarder: Forwarder) -> None:
        self._cascade = cascade
        self._forwarder = forwarder
        self._open: dict[str, UpperCall] = {}
        self._serial = 0
        self.channel_of: Callable[[str], Channel | None] = lambda channel_id: None
        self.gb_id_of: Callable[[str], str] = lambda device_id: ""
        self.mover: CameraMover | None = None
        self.ways: Ways = Ways(cascade.clock.monotonic)

    def __len__(self) -> int:
        return len(self._open)

    def invite(self, line: UpperLine, request: Request, peer: Peer) -> Response | None:
        """Take an INVITE from above: 100 at once, the rest when it is known."""
        sip, local_id = self._cascade.sip, line.upper.local_id
        route, hops = request.headers.get(wire.ROUTE_HEADER), request.headers.get("max-forwards")
        identity = wire.identity_of(request.headers.get(wire.IDENTITY_HEADER))
        if wire.is_loop(route, (local_id,), hops):
            return sip.reply_to(request, peer, 508)
        item = line.catalogue.by_exported.get(request.uri_user) or line.catalogue.by_exported.get(request.to_user)
        if item is None or not item.channel_id:
            asked = request.uri_user if is_acceptable(request.uri_user) else ""
            self._cascade.note_failure(line, asked, "live", "cascade.unknown_id", 404, identity)
            return sip.reply_to(request, peer, 404)
        path = wire.path_below(request.headers.get(wire.PREFERRED_HEADER), local_id)
        if path and path[0] != self.gb_id_of(item.device_id):
            way = "-".join(path)
            self._cascade.note_failure(line, item.channel_id, "live", "cascade.other_way", 404, identity, {"path": way})
            return sip.reply_to(request, peer, 404, [_warning(f"{way} does not lead to this camera")])
        call = sip.serve(request, peer, own_id=item.exported_id, realm=line.upper.domain)
        if call is None:
            return sip.reply_to(request, peer, 486)
        call.trying()
        self._carry(item, path, identity)
        self._serial += 1
        made = UpperCall(line.upper.id, call, item, self._serial)
        self._open[made.id] = made
        self._cascade.start_task(self._run(line, made, identity))
        return None

    def _carry(self, item: ExportedItem, path: tuple[str, ...], identity: str) -> None:
        """Let a platform below hear the way that is wanted, and who asks above."""
        if role_of(self.gb_id_of(item.device_id)) is not Role.PLATFORM:
            return
        headers = [(wire.PREFERRED_HEADER, "-".join(path))] if path else []
        headers += [(wire.IDENTITY_HEADER, identity)] if identity else []
        self.ways.carry(item.channel_id, tuple(headers))

    def forward_ended(self, forward_id: str, reason: str) -> None:
        """Hear that a forwarded stream ended: its time was up, it was revoked, or nobody took it."""
        found = self._open.get(forward_id)
        if found is not None:
            found.end(reason)

    def end_all(self, upper: str, reason: str) -> None:
        """End every picture of an upper platform at once."""
        for found in list(self._open.values()):
            if found.upper == upper:
                found.call.hang_up()
                found.end(reason)

    async def stop(self) -> None:
        """End every picture."""
        for found in list(self._open.values()):
            found.call.hang_up()
            found.end("restart")
        async with asyncio.timeout(5):
            while self._open:  # noqa: ASYNC110  each is ended by its own task
                await asyncio.sleep(0.01)

    async def _run(self, line: UpperLine, made: UpperCall, identity: str) -> None:
        reason = "failed"
        view_id = ""
        try:
            offer, wish = _read_offer(made.call.invite.body)
            made.kind = "live" if wish is None else "download" if wish.is_download else "playback"
            if wish is not None and not made.item.has_recordings:
                raise TocsinError(ErrorCode.UNAVAILABLE, "no GB/T 28181 device", key="cascade.no_recordings")
            is_running = self._forwarder.state(made.item.channel_id).state in SHOWING
            view = await self._cascade.service.open_view(
                line.upper.id,
                made.item.exported_id,
                kind=made.kind,
                identity=identity,
                channel_id=made.item.channel_id,
                period=None if wish is None else (wish.starts, wish.ends),
                is_running=wish is None and is_running,
            )
            view_id = view.view_id
            if wish is None:
                reason = await self._show(line, made, offer, view_id, view.expires_at)
            else:
                reason = await self._cascade.recordings.show(line, made, offer, wish, view)
        except TocsinError as error:
            reason = error.key or "failed"
            status = status_of(error)
            is_told = not made.call.is_over
            made.call.refuse(status, [_warning(error.detail)])
            if is_told:
                channel_id, params = made.item.channel_id, error.params
                self._cascade.note_failure(line, channel_id, made.kind, reason, status, identity, params)
        finally:
            try:
                await self._close(made)
                if view_id:
                    await self._cascade.service.end_view(view_id, reason)
            finally:
                self._open.pop(made.id, None)
            log.info(
                "picture for above ended",
                upper=line.upper.id,
                channel_id=made.item.channel_id,
                kind=made.kind,
                reason=reason,
            )

    async def _close(self, made: UpperCall) -> None:
        if made.kind == "live":
            await self._forwarder.close_forward(made.item.channel_id, made.id)
        elif self._cascade.recordings.relay is not None:
            await self._cascade.recordings.relay.close_playback(made.id)

    async def _show(self, line: UpperLine, made: UpperCall, offer: Sdp, view_id: str, expires_at: datetime) -> str:
        channel = self.channel_of(made.item.channel_id)
        if channel is None:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the camera has left", key="channel_absent")
        ssrc = wire.usable_ssrc(offer.ssrc, line.upper.local_id, made.serial)
        endpoint = await self._forwarder.open_forward(
            channel, forward_id=made.id, view_id=view_id, to=self.target_of(offer, ssrc), expires_at=expires_at
        )
        await self._await_picture(made, channel)
        if made.call.is_over:
            return "given_up"
        ip = self.media_ip(endpoint, made.call.peer)
        answer = make_answer(offer, own_id=made.item.exported_id, ip=ip, port=endpoint.port, ssrc=ssrc)
        made.call.accept(answer.encode(), [(wire.ROUTE_HEADER, self.route_up(line, channel))])
        if not await made.call.confirmed():
            return "unconfirmed"
        await self._forwarder.start_forward(channel.id, made.id)
        if self.mover is not None:
            self._cascade.start_task(self._ask_key_frame(self.mover, channel))
        return await self._until_over(made)

    def route_up(self, line: UpperLine, channel: Channel) -> str:
        """Return the path of an answer: ours before the one it came by. Errors: CONFLICT when it came through us."""
        route = self.ways.route(channel.id)
        if wire.is_loop(route, (line.upper.local_id,), ""):
            raise TocsinError(ErrorCode.CONFLICT, "the picture came through this platform", key="cascade.loop")
        return wire.longer_route(line.upper.local_id, route)

    def media_ip(self, endpoint: Endpoint, peer: Peer) -> str:
        """Return the media address an upper platform is told."""
        return self._cascade.config.media_ip or _announced(endpoint, self._cascade.sip.local_host(peer))

    def target_of(self, offer: Sdp, ssrc: int) -> ForwardTarget:
        """Return where the picture goes."""
        return target_of(offer, ssrc)

    async def _ask_key_frame(self, mover: CameraMover, channel: Channel) -> None:
        """Let the picture begin soon; a camera that does not obey sends its next one by itself."""
        try:
            await mover.perform(channel, asked.KeyFrame())
        except TocsinError as error:
            log.info("no key frame asked for", channel_id=channel.id, reason=error.key)

    async def _await_picture(self, made: UpperCall, channel: Channel) -> None:
        """Wait for the picture here; 183 when it takes long. Errors: UNAVAILABLE when it does not come."""
        config, clock = self._cascade.config, self._cascade.clock
        started, is_told = clock.monotonic(), False
        while (state := self._forwarder.state(channel.id)).state not in SHOWING:
            passed_s = clock.monotonic() - started
            if made.call.is_over or made.over.done():
                return
            if state.state == "failed" or passed_s > config.picture_within_s:
                raise TocsinError(ErrorCode.UNAVAILABLE, "no picture", key=state.reason or "open_timeout")
            if passed_s > config.early_answer_s and not is_told:
                made.call.trying(183)
                is_told = True
            await clock.sleep(LOOK_S)

    async def _until_over(self, made: UpperCall) -> str:
        ended = asyncio.create_task(made.call.ended())
        try:
            await asyncio.wait((ended, made.over), return_when=asyncio.FIRST_COMPLETED)
            if made.over.done():
                made.call.hang_up()
                await asyncio.wait((ended,), timeout=HANG_UP_WAIT_S)
                return made.over.result()
            return "closed" if ended.result() else "ended"
        finally:
            ended.cancel()


def status_of(error: TocsinError) -> int:
    """Return the status that says why a picture does not come: no right, no such camera, busy, format, or off line."""
    default = 403 if error.code is ErrorCode.FORBIDDEN else 480
    return STATUS_OF.get(error.key, default)


def _read_offer(body: bytes) -> tuple[Sdp, HistoryWish | None]:
    """Return the offer, and which recording it asks for, if it does. Errors: INVALID."""
    offer = parse_sdp(body)
    if isinstance(offer, BadSdp) or offer.video is None:
        raise TocsinError(ErrorCode.INVALID, "no picture is asked for", key="cascade.bad_offer")
    hours = LONGEST_PLAYBACK // timedelta(hours=1)
    try:
        wish = read_history_offer(offer)
    except ValueError as error:
        raise TocsinError(ErrorCode.INVALID, str(error), key="cascade.bad_period", hours=hours) from error
    if wish is not None and wish.ends - wish.starts > LONGEST_PLAYBACK:
        raise TocsinError(ErrorCode.INVALID, "the period is too long", key="cascade.bad_period", hours=hours)
    return offer, wish


def _warning(text: str) -> tuple[str, str]:
    plain = "".join(char if " " <= char <= "~" and char not in '"\\' else "?" for char in text)[:120]
    return "Warning", f'399 tocsin "{plain}"'


def target_of(offer: Sdp, ssrc: int) -> ForwardTarget:
    """Return where the picture goes: their passive means that we connect, their active that we listen."""
    line = offer.video
    assert line is not None
    ip = line.connection or offer.connection or offer.origin_ip
    if not line.is_tcp:
        return ForwardTarget("udp", ip, line.port, ssrc)
    setup = line.attribute("setup") or offer.attribute("setup") or "passive"
    return ForwardTarget("tcp_passive" if setup == "active" else "tcp_active", ip, line.port, ssrc)


def _announced(endpoint: Endpoint, local_host: str) -> str:
    return local_host if endpoint.ip in ("", "0.0.0.0", "::") else endpoint.ip  # noqa: S104
