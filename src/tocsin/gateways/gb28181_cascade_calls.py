"""Pictures for upper platforms: an INVITE from above becomes a view with its purpose and end, then a forwarded stream.

Rights first, then the record, then the stream that runs here already or is started now; the answer names our own media
address and the stream number asked for. A BYE of either side, the end of the view or of the stream ends all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.domain import control as asked
from tocsin.domain.cascade import ExportedItem
from tocsin.domain.control import CameraMover
from tocsin.domain.directory import Channel
from tocsin.domain.video import Endpoint, ForwardTarget, LiveState
from tocsin.gateways.sip_served import ServedCall
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.gb28181 import cascade as wire
from tocsin.protocols.sip.message import Request, Response
from tocsin.protocols.sip.sdp import BadSdp, Sdp, make_answer, parse_sdp

if TYPE_CHECKING:
    from tocsin.gateways.gb28181_cascade import GbCascade, UpperLine

log = structlog.get_logger(__name__)

LOOK_S: Final = 0.05
HANG_UP_WAIT_S: Final = 2.0
STATUS_OF: Final = {"cascade.not_shared": 404}


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
    """One picture on its way up."""

    def __init__(self, upper: str, call: ServedCall, item: ExportedItem) -> None:
        self.id = new_id()
        self.upper = upper
        self.call = call
        self.item = item
        self.reason = ""
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def end(self, reason: str) -> None:
        """Let it end; the first reason stands."""
        if not self.over.done():
            self.over.set_result(reason)


class CascadeCalls:
    """The pictures upper platforms have open."""

    def __init__(self, cascade: GbCascade, forwarder: Forwarder) -> None:
        self._cascade = cascade
        self._forwarder = forwarder
        self._open: dict[str, UpperCall] = {}
        self._serial = 0
        self.channel_of: Callable[[str], Channel | None] = lambda channel_id: None
        self.mover: CameraMover | None = None

    def __len__(self) -> int:
        return len(self._open)

    def invite(self, line: UpperLine, request: Request, peer: Peer) -> Response | None:
        """Take an INVITE from above: 100 at once, the rest when it is known."""
        sip, local_id = self._cascade.sip, line.upper.local_id
        route, hops = request.headers.get(wire.ROUTE_HEADER), request.headers.get("max-forwards")
        if wire.is_loop(route, (local_id,), hops):
            return sip.reply_to(request, peer, 508)
        item = line.catalogue.by_exported.get(request.uri_user) or line.catalogue.by_exported.get(request.to_user)
        if item is None or not item.channel_id:
            return sip.reply_to(request, peer, 404)
        call = sip.serve(request, peer, own_id=item.exported_id, realm=line.upper.domain)
        if call is None:
            return sip.reply_to(request, peer, 486)
        call.trying()
        made = UpperCall(line.upper.id, call, item)
        self._open[made.id] = made
        self._cascade.start_task(self._run(line, made))
        return None

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

    async def _run(self, line: UpperLine, made: UpperCall) -> None:
        reason = "failed"
        view_id = ""
        try:
            offer = parse_sdp(made.call.invite.body)
            if isinstance(offer, BadSdp) or offer.video is None:
                made.call.refuse(488)
                return
            if offer.name.lower() in ("playback", "download"):
                made.call.refuse(488, [("Warning", '399 tocsin "recordings are not relayed"')])
                return
            identity = wire.identity_of(made.call.invite.headers.get(wire.IDENTITY_HEADER))
            view = await self._cascade.service.open_view(
                line.upper.id,
                made.item.exported_id,
                kind="live",
                identity=identity,
                channel_id=made.item.channel_id,
            )
            view_id = view.view_id
            reason = await self._show(line, made, offer, view_id, view.expires_at)
        except TocsinError as error:
            reason = error.key or "failed"
            default = 403 if error.code is ErrorCode.FORBIDDEN else 480
            made.call.refuse(STATUS_OF.get(error.key, default))
        finally:
            self._open.pop(made.id, None)
            await self._forwarder.close_forward(made.item.channel_id, made.id)
            if view_id:
                await self._cascade.service.end_view(view_id, reason)
            log.info("picture for above ended", upper=line.upper.id, channel_id=made.item.channel_id, reason=reason)

    async def _show(self, line: UpperLine, made: UpperCall, offer: Sdp, view_id: str, expires_at: datetime) -> str:
        channel = self.channel_of(made.item.channel_id)
        if channel is None:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the camera has left", key="channel_absent")
        self._serial += 1
        ssrc = wire.usable_ssrc(offer.ssrc, line.upper.local_id, self._serial)
        endpoint = await self._forwarder.open_forward(
            channel, forward_id=made.id, view_id=view_id, to=target_of(offer, ssrc), expires_at=expires_at
        )
        await self._await_picture(made, channel)
        if made.call.is_over:
            return "given_up"
        peer = made.call.peer
        ip = self._cascade.config.media_ip or _announced(endpoint, self._cascade.sip.local_host(peer))
        answer = make_answer(offer, own_id=made.item.exported_id, ip=ip, port=endpoint.port, ssrc=ssrc)
        made.call.accept(answer.encode(), [(wire.ROUTE_HEADER, wire.longer_route(line.upper.local_id))])
        if not await made.call.confirmed():
            return "unconfirmed"
        await self._forwarder.start_forward(channel.id, made.id)
        if self.mover is not None:
            self._cascade.start_task(self._ask_key_frame(self.mover, channel))
        return await self._until_over(made)

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
        while (state := self._forwarder.state(channel.id)).state not in ("live", "stale"):
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
