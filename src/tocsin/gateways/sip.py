"""SIP on the wire: one UDP socket per address, TCP connections kept for both directions, timers, routing.

It moves messages and decides nothing: `Gb28181Gateway` registers a handler per method. Replies go to the observed
source on the receiving socket or connection, never to what Via or Contact say.
"""

from __future__ import annotations

import asyncio
import heapq
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

import structlog

from tocsin.base.clock import Clock
from tocsin.gateways import sip_multihome
from tocsin.gateways.sip_served import ServedCall, ServedCalls, sends
from tocsin.gateways.sip_sockets import Connection, Peer, route_to, udp_socket
from tocsin.protocols.sip.codes import (
    DEFAULT_TIMERS,
    MAX_BODY_BYTES,
    METHODS,
    Timers,
    Transport,
)
from tocsin.protocols.sip.dialog import (
    Accepted,
    Ended,
    InviteClient,
    Local,
    Output,
    Rejected,
    Ringing,
    ServerOutput,
    Unanswered,
)
from tocsin.protocols.sip.limits import Allowance, SourceLimits
from tocsin.protocols.sip.message import (
    BadMessage,
    Headers,
    Message,
    Ping,
    Request,
    Response,
    new_branch,
    response_to,
    via_value,
)
from tocsin.protocols.sip.stream import DatagramReader
from tocsin.protocols.sip.transaction import (
    Answered,
    ClientTransaction,
    Send,
    ServerState,
    ServerTransactions,
    TimedOut,
    server_key,
)

log = structlog.get_logger(__name__)

DATAGRAMS_A_WAKE_UP: Final = 64
MAX_CONNECTIONS: Final = 30_000
SILENT_CONNECTION_S: Final = 30.0
CONNECT_TIMEOUT_S: Final = 3.0
PORT_TRIES: Final = 20
_OF_A_CALL: Final = frozenset({"INVITE", "ACK", "BYE", "CANCEL", "INFO", "UPDATE", "PRACK"})


Handler = Callable[[Request, Peer], Response | None]
Front = Callable[[Request, Peer], tuple[bool, Response | None]]
ShortWay = Callable[[bytes, str, int, int, float], bytes | None]


@dataclass(frozen=True, slots=True)
class SipConfig:
    """Where to listen and what to call ourselves. Port 0 takes a free one."""

    hosts: tuple[str, ...] = ("127.0.0.1",)
    port: int = 5060
    udp: bool = True
    tcp: bool = True
    contact_ip: str = ""
    timers: Timers = DEFAULT_TIMERS
    requests_per_s: float = 2000.0


@dataclass(slots=True)
class SipHealth:
    """Counters since the start."""

    udp_ports: tuple[int, ...] = ()
    tcp_port: int = 0
    connections: int = 0
    receive_buffer_bytes: int = 0
    counts: Counter[str] = field(default_factory=Counter)


class Call:
    """A call made through the gateway."""

    def __init__(self, gateway: SipGateway, client: InviteClient, peer: Peer) -> None:
        loop = asyncio.get_running_loop()
        self.client = client
        self.peer = peer
        self._gateway = gateway
        self._answer: asyncio.Future[Accepted | Rejected | Unanswered] = loop.create_future()
        self._end: asyncio.Future[bool] = loop.create_future()
        self.was_ringing = False
        self.on_request: Callable[[Request], None] = lambda request: None

    async def answer(self) -> Accepted | Rejected | Unanswered:
        """Wait for the outcome of the INVITE."""
        return await asyncio.shield(self._answer)

    async def ended(self) -> bool:
        """Wait for the end of the call; True when the peer ended it."""
        return await asyncio.shield(self._end)

    @property
    def is_over(self) -> bool:
        return self._end.done()

    def hang_up(self) -> None:
        """CANCEL or BYE, whichever fits."""
        self._gateway.perform(self, self.client.cancel(self._gateway.now()))

    def take(self, output: Output) -> None:
        """Take what the dialog reports."""
        if isinstance(output, Ringing):
            self.was_ringing = True
        elif isinstance(output, Accepted | Rejected | Unanswered):
            if not self._answer.done():
                self._answer.set_result(output)
            if isinstance(output, Rejected) and not self._end.done():
                self._end.set_result(True)
        elif isinstance(output, Ended):
            if not self._answer.done():
                self._answer.set_result(Unanswered(self.was_ringing))
            if not self._end.done():
                self._end.set_result(output.by_peer)


@dataclass(slots=True, eq=False)
class _Waiting:
    transaction: ClientTransaction
    peer: Peer
    answer: asyncio.Future[Response | None]


class SipGateway:
    """Sockets, transactions and calls of one SIP server."""

    def __init__(self, config: SipConfig, clock: Clock, new_word: Callable[[], str]) -> None:
        self.config = config
        self.health_state = SipHealth()
        self._clock = clock
        self._new_word = new_word
        self._handlers: dict[str, Handler] = {}
        self._fronts: dict[str, Front] = {}
        self._short_ways: list[ShortWay] = []
        self._hears_response: Callable[[Response, Peer], bool] = lambda response, peer: False
        self._on_disconnect: Callable[[Peer], None] | None = None
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._connections: dict[int, Connection] = {}
        self._next_link = 1
        self._datagrams = DatagramReader()
        self._server_side = ServerTransactions(config.timers)
        self._limits = SourceLimits(config.requests_per_s, 2 * config.requests_per_s)
        self._waiting: dict[tuple[str, str], _Waiting] = {}
        self._calls: dict[str, Call] = {}
        self._served = ServedCalls()
        self._heap: list[tuple[float, int, _Waiting | Call | ServedCall]] = []
        self._heap_number = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = float("inf")
        self._housekeeping: asyncio.TimerHandle | None = None
        self._routes: dict[str, str] = {}
        self._own = sip_multihome.OwnAddresses()
        self._is_open = False

    def handle(self, method: str, handler: Handler) -> None:
        """Route requests of a method to a handler; it returns the response, or None: silence, or an `answer` later."""
        self._handlers[method] = handler

    def handler(self, method: str) -> Handler | None:
        """Return who takes requests of a method now, for one who takes some of them and passes on the rest."""
        return self._handlers.get(method)

    def handle_first(self, method: str, front: Front) -> None:
        """Offer requests of a method to `front` before their handler; it says whether it took one, and the response."""
        self._fronts[method] = front

    def hear_responses(self, hear: Callable[[Response, Peer], bool]) -> None:
        """Offer responses that belong to no transaction here to `hear`; it says whether it took one."""
        self._hears_response = hear

    def use_short_way(self, recognise: ShortWay) -> None:
        """Offer every datagram to `recognise(data, host, port, link, now)` first; bytes it returns are the reply, none
        when they are empty.
        """
        if recognise not in self._short_ways:
            self._short_ways.append(recognise)

    def on_disconnect(self, callback: Callable[[Peer], None]) -> None:
        """Call back when a TCP connection ends."""
        self._on_disconnect = callback

    def now(self) -> float:
        """Return seconds that do not go back."""
        return self._clock.monotonic()

    def new_word(self) -> str:
        """Return a fresh unguessable word for tags and Call-IDs."""
        return self._new_word()

    async def start(self) -> None:
        """Open the sockets. Raises OSError when an address or port is not free."""
        self._is_open = True
        port = self.config.port or self.port  # started again it keeps the port it had
        for tries_left in range(PORT_TRIES if port == 0 else 1, 0, -1):
            try:
                await self._listen(port)
                break
            except OSError:
                self._close_listeners()
                if tries_left == 1:
                    await self.stop()
                    raise
        state = self.health_state
        state.udp_ports = tuple(made.getsockname()[1] for made in self._sockets)
        state.tcp_port = self._servers[0].sockets[0].getsockname()[1] if self._servers else 0
        if self._sockets:
            state.receive_buffer_bytes = self._sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self._tidy()
        log.info("sip listening", hosts=self.config.hosts, port=self.port, receive_buffer=state.receive_buffer_bytes)

    async def _listen(self, port: int) -> None:
        """Open every socket on one port; a free one is taken for 0, by UDP first and TCP after it."""
        loop = asyncio.get_running_loop()
        for number, host in enumerate(self.config.hosts):
            if self.config.udp:
                made = udp_socket(host, port)
                port = port or made.getsockname()[1]
                self._sockets.append(made)
                is_anywhere = sip_multihome.wants_info(host) and sip_multihome.ask_for_info(made)
                read = self._read_anywhere if is_anywhere else self._read_datagrams
                loop.add_reader(made.fileno(), read, made, number)
            if self.config.tcp:
                server = await loop.create_server(lambda: Connection(self), host, port, backlog=1024)
                port = port or server.sockets[0].getsockname()[1]
                self._servers.append(server)

    def _close_listeners(self) -> None:
        for made in self._sockets:
            asyncio.get_running_loop().remove_reader(made.fileno())
            made.close()
        for server in self._servers:
            server.close()
        self._sockets.clear()
        self._servers.clear()

    async def stop(self) -> None:
        """Close sockets and connections; waiting requests get no answer."""
        self._is_open = False
        for handle in (self._alarm, self._housekeeping):
            if handle is not None:
                handle.cancel()
        self._close_listeners()
        for connection in list(self._connections.values()):
            connection.abort()
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_result(None)
        for call in self._calls.values():
            call.take(Ended(by_peer=False))
        for served in self._served:
            served.take(Ended(by_peer=False))
        self._waiting.clear()
        self._calls.clear()
        self._served = ServedCalls()
        self._heap.clear()
        self._alarm_at = float("inf")

    def check(self) -> None:
        """Raise when a socket it should have is closed."""
        hosts = len(self.config.hosts)
        if self.config.udp and (len(self._sockets) < hosts or any(made.fileno() < 0 for made in self._sockets)):
            raise ConnectionError("the UDP port is closed")
        if self.config.tcp and (len(self._servers) < hosts or not all(one.is_serving() for one in self._servers)):
            raise ConnectionError("the TCP port is closed")

    def health(self) -> SipHealth:
        """Return the counters."""
        self.health_state.connections = len(self._connections)
        return self.health_state

    @property
    def is_open(self) -> bool:
        """True while it listens."""
        return self._is_open

    @property
    def port(self) -> int:
        """The port in use, the same for UDP and TCP when both listen."""
        return (self.health_state.udp_ports or (self.health_state.tcp_port,))[0]

    def local_host(self, peer: Peer) -> str:
        """Return our address as this peer should see it."""
        if self.config.contact_ip:
            return self.config.contact_ip
        if peer.transport is Transport.TCP and (connection := self._connections.get(peer.link)) is not None:
            return connection.local_host
        if peer.transport is Transport.UDP and (asked := self._own.of(peer.link)):
            return socket.inet_ntoa(asked)
        number = peer.link & 0xFF
        own = self.config.hosts[min(number, len(self.config.hosts) - 1)] if peer.transport is Transport.UDP else ""
        if own and own not in ("0.0.0.0", "::"):  # noqa: S104
            return own
        if peer.host not in self._routes:
            if len(self._routes) >= 4096:
                self._routes.clear()
            self._routes[peer.host] = route_to(peer.host)
        return self._routes[peer.host]

    def trust(self, peer: Peer) -> None:
        """Accept large bodies on the connection of a registered device."""
        connection = self._connections.get(peer.link) if peer.transport is Transport.TCP else None
        if connection is not None:
            connection.reader.max_body_bytes = MAX_BODY_BYTES

    async def connect(self, host: str, port: int) -> Peer | None:
        """Open a TCP connection to a device; None when it cannot be reached in 3 s."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, made = await loop.create_connection(lambda: Connection(self), host, port)
        except (OSError, TimeoutError):
            return None
        return made.peer

    def send(self, peer: Peer, data: bytes) -> bool:
        """Put bytes on the wire towards a peer; False when its socket or connection is gone or full."""
        if peer.transport is Transport.TCP:
            connection = self._connections.get(peer.link)
            return connection is not None and connection.send(data)
        number, own = peer.link & 0xFF, self._own.of(peer.link)
        if number >= len(self._sockets):
            return False
        try:
            if own:
                sip_multihome.send(self._sockets[number], data, (peer.host, peer.port), own)
            else:
                self._sockets[number].sendto(data, (peer.host, peer.port))
        except OSError:
            self.health_state.counts["send_failed"] += 1
            return False
        return True

    async def request(
        self,
        peer: Peer,
        method: str,
        target: str,
        *,
        fields: Iterable[tuple[str, str]],
        body: bytes = b"",
    ) -> Response | None:
        """Send a request and wait for its final response; None when none came in 64 T1.

        `fields` are From, To, Call-ID, CSeq and what else belongs; Via and Max-Forwards are added.
        """
        via = via_value(peer.transport, self.local_host(peer), self.port, new_branch(self._new_word()))
        made = Request(method, target, Headers([("Via", via), *fields, ("Max-Forwards", "70")]), body)
        is_reliable = peer.transport is Transport.TCP
        transaction = ClientTransaction(made, is_reliable=is_reliable, timers=self.config.timers)
        answer: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(transaction, peer, answer)
        self._waiting[transaction.key] = waiting
        try:
            self._drive(waiting, transaction.start(self.now()))
            return await answer
        finally:
            self._waiting.pop(transaction.key, None)

    def call(self, peer: Peer, client: InviteClient) -> Call:
        """Start a call; its outcome arrives at the returned object."""
        made = Call(self, client, peer)
        self._calls[client.call_id] = made
        self.perform(made, client.start(self.now()))
        return made

    def perform(self, call: Call, outputs: Iterable[object]) -> None:
        """Send and report what a dialog produced, and arm its timer."""
        for output in outputs:
            if isinstance(output, Send):
                self.send(call.peer, output.data)
            else:
                call.take(cast(Output, output))
        self._arm(call)

    def serve(self, invite: Request, peer: Peer, *, own_id: str, realm: str) -> ServedCall | None:
        """Take a call made to us; the handler of INVITE then returns None. None when there are too many."""
        made = ServedCall(self, invite, peer, own_id=own_id, realm=realm)
        return made if self._served.add(made) else None

    def perform_served(self, call: ServedCall, outputs: Iterable[ServerOutput | Response]) -> None:
        """Send and report what the dialog of a call made to us produced, and arm its timer."""
        made = list(outputs)
        for data in sends(made):
            self.send(call.peer, data)
        for output in made:
            if not isinstance(output, Response):
                call.take(output)
        self._arm(call)

    def _arm(self, item: _Waiting | Call | ServedCall) -> None:
        at = _timer_of(item)
        if at is None or not self._is_open:
            return
        self._heap_number += 1
        heapq.heappush(self._heap, (at, self._heap_number, item))
        if at < self._alarm_at:
            self._set_alarm(at)

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = asyncio.get_running_loop().call_later(max(0.0, at - self.now()), self.run_timers)

    def run_timers(self) -> None:
        """Do what is due: repetitions and time-outs."""
        now = self.now()
        self._alarm_at = float("inf")
        while self._heap and self._heap[0][0] <= now + 0.001:
            at, _, item = heapq.heappop(self._heap)
            if isinstance(item, _Waiting):
                if item.transaction.timer() == at:
                    self._drive(item, item.transaction.handle_timer(max(now, at)))
            elif isinstance(item, ServedCall):
                if item.server.timer() == at:
                    self.perform_served(item, item.server.handle_timer(max(now, at)))
            elif item.client.timer() == at:
                self.perform(item, item.client.handle_timer(max(now, at)))
        if self._heap and self._is_open:
            self._set_alarm(self._heap[0][0])

    def _drive(self, waiting: _Waiting, outputs: Iterable[object]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                is_sent = self.send(waiting.peer, output.data)
                if not is_sent and waiting.peer.transport is Transport.TCP and not waiting.answer.done():
                    waiting.answer.set_result(None)
            elif isinstance(output, Answered | TimedOut) and not waiting.answer.done():
                waiting.answer.set_result(output.response if isinstance(output, Answered) else None)
        self._arm(waiting)

    def _read_datagrams(self, made: socket.socket, link: int) -> None:
        now = self._clock.monotonic()
        short_ways = self._short_ways
        receive, send = made.recvfrom, made.sendto
        for _ in range(DATAGRAMS_A_WAKE_UP):
            try:
                data, address = receive(65_535)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error of an earlier send: says nothing about this socket
                continue
            reply = None
            for short_way in short_ways:
                reply = short_way(data, address[0], address[1], link, now)
                if reply is not None:
                    break
            if reply is not None:
                try:
                    if reply:
                        send(reply, address)
                except OSError:
                    self.health_state.counts["send_failed"] += 1
                continue
            peer = Peer(address[0], address[1], Transport.UDP, link)
            found = self._datagrams.receive(data, (peer.host, peer.port), now)
            if found is not None:
                self.receive(found, peer, now)

    def _read_anywhere(self, made: socket.socket, number: int) -> None:
        """As `_read_datagrams`, on a socket that hears on several addresses: who asked one is answered from it."""
        now = self._clock.monotonic()
        for _ in range(DATAGRAMS_A_WAKE_UP):
            try:
                data, address, own = sip_multihome.receive(made, 65_535)
            except BlockingIOError:
                return
            except OSError:
                continue
            link = self._own.link(number, own)
            found_ways = (way(data, address[0], address[1], link, now) for way in self._short_ways)
            reply = next((made_reply for made_reply in found_ways if made_reply is not None), None)
            peer = Peer(address[0], address[1], Transport.UDP, link)
            if reply is not None:
                if reply:
                    self.send(peer, reply)
                continue
            found = self._datagrams.receive(data, (peer.host, peer.port), now)
            if found is not None:
                self.receive(found, peer, now)

    def receive(self, found: Message | BadMessage | Ping, peer: Peer, now: float) -> None:
        """Take one message from a peer."""
        counts = self.health_state.counts
        if isinstance(found, Ping):
            return
        if isinstance(found, BadMessage):
            counts["bad_messages"] += 1
            if counts["bad_messages"] & (counts["bad_messages"] - 1) == 0:  # 1, 2, 4, 8, ...: a flood fills no log
                log.warning("not sip", peer=peer.address, reason=found.reason, count=counts["bad_messages"])
            return
        if isinstance(found, Response):
            self._receive_response(found, peer, now)
            return
        allowance = self._limits.take(peer.host, now)
        if allowance is Allowance.SERVE:
            self._receive_request(found, peer, now)
            return
        counts["over_limit"] += 1
        if allowance is Allowance.REFUSE and found.method != "ACK":
            self._reply(found, peer, 503, [("Retry-After", "5")])

    def _receive_response(self, response: Response, peer: Peer, now: float) -> None:
        via = response.via
        waiting = self._waiting.get((via.branch if via else "", response.method))
        if waiting is not None:
            if waiting.peer.host == peer.host:
                self._drive(waiting, waiting.transaction.receive(response, now))
            return
        call = self._calls.get(response.call_id)
        if call is not None and call.peer.host == peer.host and response.from_tag == _own_tag(call):
            self.perform(call, call.client.receive(response, now))
            return
        served = self._served.of_response(response, peer)
        if served is not None:
            self.perform_served(served, served.server.receive_response(response, now))
            return
        if not self._hears_response(response, peer):
            self.health_state.counts["stray_responses"] += 1

    def _receive_request(self, request: Request, peer: Peer, now: float) -> None:
        self.health_state.counts[request.method if request.method in METHODS else "other_methods"] += 1
        call = self._calls.get(request.call_id)
        if call is not None and call.peer.host == peer.host and request.to_tag == _own_tag(call):
            self.perform(call, call.client.receive_request(request))
            call.on_request(request)
            return
        served = self._served.of_request(request, peer)
        if served is not None and request.method in _OF_A_CALL:
            self.perform_served(served, served.receive(request, now))
            return
        if request.method == "ACK":
            return
        key = server_key(request, f"{peer.host}:{peer.port}/{peer.transport}")
        state, known = self._server_side.receive(key, now)
        if state is not ServerState.NEW:
            if known is not None:
                self.send(peer, known)
            return
        response = self._answer(request, peer)
        if response is None:
            return
        data = response.encode()
        if response.status == 401:
            self._server_side.forget(key)  # a repeated question simply gets a new challenge
        else:
            self._server_side.answer(key, data, now)
        self.send(peer, data)

    def _answer(self, request: Request, peer: Peer) -> Response | None:
        front = self._fronts.get(request.method)
        if front is not None:
            is_taken, response = front(request, peer)
            if is_taken:
                return response
        handler = self._handlers.get(request.method)
        if handler is not None:
            return handler(request, peer)
        if request.method == "OPTIONS":
            return self.reply_to(request, peer, 200, [("Allow", self._allowed())])
        if request.method in ("BYE", "CANCEL", "INFO", "UPDATE", "NOTIFY", "PRACK"):
            return self.reply_to(request, peer, 481)
        return self.reply_to(request, peer, 405, [("Allow", self._allowed())])

    def answer(self, request: Request, peer: Peer, status: int | None) -> None:
        """Answer a request whose handler returned None; with no status its repetition is taken as a new one."""
        key = server_key(request, f"{peer.host}:{peer.port}/{peer.transport}")
        if status is None:
            self._server_side.forget(key)
            return
        data = self.reply_to(request, peer, status).encode()
        self._server_side.answer(key, data, self.now())
        self.send(peer, data)

    def reply_to(self, request: Request, peer: Peer, status: int, headers: Iterable[tuple[str, str]] = ()) -> Response:
        """Return a response with our tag and the observed source."""
        return response_to(
            request, status, to_tag=self._new_word()[:10], source=(peer.host, peer.port), headers=headers
        )

    def _reply(self, request: Request, peer: Peer, status: int, headers: Iterable[tuple[str, str]]) -> None:
        self.send(peer, self.reply_to(request, peer, status, headers).encode())

    def _allowed(self) -> str:
        return ", ".join(sorted({*self._handlers, "OPTIONS", "ACK", "BYE"}))

    def _tidy(self) -> None:
        """Each second: forget old transactions, unfinished bodies, silent strangers and finished calls."""
        now = self.now()
        self._server_side.expire(now)
        for source, message in self._datagrams.expire(now):
            self.receive(message, Peer(source[0], source[1], Transport.UDP, 0), now)
        for connection in list(self._connections.values()):
            if not connection.has_spoken and now - connection.opened_at > SILENT_CONNECTION_S:
                connection.abort()
        over = [key for key, call in self._calls.items() if call.is_over and call.client.timer() is None]
        for key in over[: max(0, len(over) - 256)]:
            del self._calls[key]
        self._served.tidy()
        self._housekeeping = asyncio.get_running_loop().call_later(1.0, self._tidy)

    def opened(self, connection: Connection) -> int:
        """Register a connection; 0 when there are too many."""
        if len(self._connections) >= MAX_CONNECTIONS or not self._is_open:
            return 0
        link = self._next_link
        self._next_link += 1
        self._connections[link] = connection
        return link

    def closed(self, connection: Connection) -> None:
        """Forget a connection; requests waiting on it get no answer."""
        if self._connections.pop(connection.peer.link, None) is None:
            return
        for waiting in list(self._waiting.values()):
            if waiting.peer == connection.peer and not waiting.answer.done():
                waiting.answer.set_result(None)
        if self._on_disconnect is not None and self._is_open:
            self._on_disconnect(connection.peer)


def local_side(gateway: SipGateway, peer: Peer, own_id: str, realm: str) -> Local:
    """Return who and where we are towards a peer."""
    host, port = gateway.local_host(peer), gateway.port
    return Local(f"sip:{own_id}@{realm}", f"sip:{own_id}@{host}:{port}", host, port, peer.transport)


def counts_of(health: SipHealth) -> Mapping[str, int]:
    """Return the counters by name, for metrics."""
    return dict(health.counts)


def _own_tag(call: Call) -> str:
    return call.client.invite.from_tag


def _timer_of(item: _Waiting | Call | ServedCall) -> float | None:
    if isinstance(item, _Waiting):
        return item.transaction.timer()
    return item.server.timer() if isinstance(item, ServedCall) else item.client.timer()
