"""Calls made to us: one object each, with its timers; whoever takes a call answers it when it knows the answer.

A handler of INVITE makes a `ServedCall` and returns None; `SipGateway` then brings it everything of its dialog.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.sip.dialog import Cancelled, Confirmed, Ended, InviteServer, Local, ServerOutput
from tocsin.protocols.sip.message import Request, Response
from tocsin.protocols.sip.transaction import Send

if TYPE_CHECKING:
    from tocsin.gateways.sip import SipGateway

MAX_SERVED: Final = 4096


class ServedCall:
    """A call somebody made to us. `on_info` answers INFO requests inside it; without one they are answered 200.

    `on_refresh` answers UPDATE and a new INVITE inside it.
    """

    def __init__(self, gateway: SipGateway, invite: Request, peer: Peer, *, own_id: str, realm: str) -> None:
        host, port = gateway.local_host(peer), gateway.port
        contact = f"sip:{own_id}@{host}:{port}"
        self.peer = peer
        self.invite = invite
        self.server = InviteServer(
            invite,
            tag=gateway.new_word()[:16],
            contact=contact,
            local=Local(f"sip:{own_id}@{realm}", contact, host, port, peer.transport),
            source=(peer.host, peer.port),
            tokens=gateway.new_word,
            timers=gateway.config.timers,
        )
        self.on_info: Callable[[Request], Response | None] | None = None
        self.on_refresh: Callable[[Request], Response] | None = None
        self._gateway = gateway
        loop = asyncio.get_running_loop()
        self._confirmed: asyncio.Future[bool] = loop.create_future()
        self._end: asyncio.Future[bool] = loop.create_future()

    @property
    def call_id(self) -> str:
        """Its Call-ID."""
        return self.invite.call_id

    @property
    def is_over(self) -> bool:
        """True once it was refused, given up or ended."""
        return self._end.done()

    def trying(
        self,
        status: int = 100,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        is_reliable: bool = False,
    ) -> None:
        """Say that the call is being worked on: 100 at once, 180 or 183 when it takes long, 183 with a description for
        media before the answer.
        """
        made = self.server.progress(status, self._gateway.now(), headers, body, is_reliable=is_reliable)
        self._gateway.perform_served(self, made)

    def accept(self, body: bytes, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Answer 200 with an SDP; repeated until the caller acknowledges it."""
        self._gateway.perform_served(self, self.server.accept(body, self._gateway.now(), headers))

    def refuse(self, status: int, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Answer with a failure; the call is over."""
        self._gateway.perform_served(self, self.server.refuse(status, self._gateway.now(), headers))
        self._finish(by_peer=False)

    def assume_confirmed(self) -> None:
        """Go on as if the ACK had come: some devices never send one."""
        self._gateway.perform_served(self, self.server.assume_confirmed())

    def hang_up(self) -> None:
        """Say BYE; a call that was not answered yet is refused with 487."""
        outputs = self.server.bye(self._gateway.now())
        if outputs:
            self._gateway.perform_served(self, outputs)
        elif not self.is_over:
            self.refuse(487)

    async def confirmed(self) -> bool:
        """Wait for the ACK of our 200; False when the call ended before."""
        return await asyncio.shield(self._confirmed)

    async def ended(self) -> bool:
        """Wait for the end; True when the caller ended it."""
        return await asyncio.shield(self._end)

    def receive(self, request: Request, now: float) -> Iterable[ServerOutput | Response]:
        """Take a request of this dialog."""
        if request.method == "INFO" and self.on_info is not None:
            response = self.on_info(request)
            return [] if response is None else [response]
        is_new = request.method == "UPDATE" or (request.method == "INVITE" and request.cseq != self.invite.cseq)
        if is_new and self.on_refresh is not None:
            return [self.on_refresh(request)]
        return self.server.receive(request, now)

    def take(self, output: ServerOutput) -> None:
        """Take what the dialog reports."""
        if isinstance(output, Confirmed):
            if not self._confirmed.done():
                self._confirmed.set_result(True)
        elif isinstance(output, Cancelled):
            self._finish(by_peer=True)
        elif isinstance(output, Ended):
            self._finish(output.by_peer)

    def _finish(self, by_peer: bool) -> None:
        if not self._confirmed.done():
            self._confirmed.set_result(False)
        if not self._end.done():
            self._end.set_result(by_peer)


class ServedCalls:
    """The calls made to us, by Call-ID and the caller's tag."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], ServedCall] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[ServedCall]:
        return iter(list(self._calls.values()))

    def add(self, call: ServedCall) -> bool:
        """Keep a call; False when there are too many."""
        if len(self._calls) >= MAX_SERVED:
            return False
        self._calls[call.call_id, call.invite.from_tag] = call
        return True

    def of_request(self, request: Request, peer: Peer) -> ServedCall | None:
        """Return the call a request belongs to; another host cannot touch it."""
        call = self._calls.get((request.call_id, request.from_tag))
        return call if call is not None and call.peer.host == peer.host else None

    def of_response(self, response: Response, peer: Peer) -> ServedCall | None:
        """Return the call whose BYE a response answers: there the caller's tag stands in To."""
        call = self._calls.get((response.call_id, response.to_tag))
        return call if call is not None and call.peer.host == peer.host else None

    def tidy(self) -> None:
        """Forget calls that are over and have nothing left to repeat."""
        for key, call in list(self._calls.items()):
            if call.is_over and call.server.timer() is None:
                del self._calls[key]


def sends(outputs: Iterable[ServerOutput | Response]) -> Iterable[bytes]:
    """Yield the bytes among outputs."""
    for output in outputs:
        if isinstance(output, Send):
            yield output.data
        elif isinstance(output, Response):
            yield output.encode()
