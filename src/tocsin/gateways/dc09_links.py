"""The two kinds of link of the DC-09 gateway, TCP connections and the UDP socket, and the place of each answer."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

import structlog

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.signals import Receipt
from tocsin.protocols.dc09.frame import FrameReader, read_datagram
from tocsin.protocols.dc09.session import Received

if TYPE_CHECKING:
    from tocsin.gateways.dc09 import Dc09Gateway

log = structlog.get_logger(__name__)

READ_BYTES: Final = 16 * 1024
DATAGRAMS_A_WAKE_UP: Final = 64
LONGEST_DATAGRAM_BYTES: Final = 65_535
RECEIVE_BUFFER_BYTES: Final = 4 * 1024 * 1024
BACKLOG: Final = 2048


class Answer(ABC):
    """The place of one answer: in its connection's order, or for one datagram."""

    __slots__ = ("gateway", "peer", "received", "transport")

    def __init__(self, gateway: Dc09Gateway, transport: str, peer: str) -> None:
        self.gateway = gateway
        self.transport = transport
        self.peer = peer
        self.received: Received | None = None

    def committed(self, future: asyncio.Future[Receipt]) -> None:
        """Take the end of the commit."""
        self.gateway.committed(self, future)

    @abstractmethod
    def settle(self, reply: bytes | None) -> None:
        """Take the reply, or None for silence."""


class NoAnswer(Answer):
    """For a record whose peer was answered already."""

    __slots__ = ()

    def __init__(self, answered: Answer) -> None:
        super().__init__(answered.gateway, answered.transport, answered.peer)

    def settle(self, reply: bytes | None) -> None:
        """Send nothing."""


class Turn(Answer):
    """A place in the queue of one connection."""

    __slots__ = ("_connection", "is_settled", "reply")

    def __init__(self, gateway: Dc09Gateway, connection: Connection) -> None:
        super().__init__(gateway, "tcp", connection.peer)
        self._connection = connection
        self.reply: bytes | None = None
        self.is_settled = False

    def settle(self, reply: bytes | None) -> None:
        """Keep the reply until everything before it has left."""
        self.reply = reply
        self.is_settled = True
        self._connection.settled(self)


class Connection(asyncio.BufferedProtocol):
    """One TCP connection. All connections read into one buffer of the gateway, whose octets are taken at once."""

    def __init__(self, gateway: Dc09Gateway) -> None:
        self.peer = ""
        self.heard_s = 0.0
        self.frame_began_s = 0.0
        self._gateway = gateway
        self._host = ""
        self._reader = FrameReader()
        self._turns: deque[Turn] = deque()
        self._unread = b""
        self._is_writing_soon = False
        self._is_held = False
        self._is_write_blocked = False
        self._has_spoken = False
        self._has_ended = False
        self._transport: asyncio.Transport | None = None

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the peer, or close at once."""
        self._transport = cast(asyncio.Transport, transport)
        name = transport.get_extra_info("peername") or ("", 0)
        self._host, self.peer = str(name[0]), f"{name[0]}:{name[1]}"
        self.heard_s = self._gateway.clock.monotonic()
        reason = self._gateway.admit(self, self._host)
        if reason:
            self.close(reason)
            return
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the peer; what is being committed stays committed, and the panel will ask again."""
        self._transport = None
        self._turns.clear()
        self._gateway.leave(self, self._host)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Lend the common buffer for one read."""
        return self._gateway.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        data = bytes(memoryview(self._gateway.read_buffer)[:nbytes])
        self.heard_s = self._gateway.clock.monotonic()
        if not self._has_spoken:
            self._has_spoken = True
            if kind := _foreign_protocol(data):
                self._gateway.note_foreign(self.peer, self._host, kind)
        if self._gateway.is_full:
            self._unread += data
            self._hold_for_store()
        else:
            self._take(data)

    def eof_received(self) -> bool:
        """Keep the way back open while answers are due: some panels end their side as soon as they have sent."""
        self._has_ended = True
        return bool(self._turns)

    def pause_writing(self) -> None:
        """Stop reading from a peer that does not take its answers."""
        self._is_write_blocked = True
        self._follow()

    def resume_writing(self) -> None:
        """Read again."""
        self._is_write_blocked = False
        self._follow()

    # the gateway calls these

    def hold(self) -> None:
        """Stop reading."""
        self._is_held = True
        self._follow()

    def release(self) -> None:
        """The store has caught up: take what was read meanwhile, then read again."""
        if self._transport is None:
            return
        self._is_held = False
        data, self._unread = self._unread, b""
        if data:
            self._take(data)
        self._follow()

    def settled(self, turn: Turn) -> None:
        """Note that an answer is known; it leaves with the others of this turn of the loop."""
        if not self._is_writing_soon and self._turns and self._turns[0] is turn:
            self._is_writing_soon = True
            self._gateway.write_soon(self)

    def write_answers(self) -> None:
        """Write every answer that is known and has nothing unknown before it."""
        self._is_writing_soon = False
        turns, replies = self._turns, []
        while turns and turns[0].is_settled:
            reply = turns.popleft().reply
            if reply is not None:
                replies.append(reply)
        if replies and self._transport is not None:
            self._transport.write(b"".join(replies))
        if self._has_ended and not turns:
            self.close("ended")
        self._follow()

    def close(self, reason: str) -> None:
        """Close the connection and count why."""
        self._gateway.counters[f"closed_{reason}"] += 1
        if self._transport is not None:
            self._transport.close()

    def _take(self, data: bytes) -> None:
        gateway = self._gateway
        was_inside = self._reader.is_inside_frame
        found = self._reader.receive(data)
        for item in found:
            turn = Turn(gateway, self)
            self._turns.append(turn)
            gateway.take(item, turn)
        if self._reader.overflowed:
            log.warning("dc09 connection closed, no frame in it", peer=self.peer)
            self.close("overflow")
            return
        if self._reader.is_inside_frame:
            if found or not was_inside:
                self.frame_began_s = self.heard_s
                gateway.inside_frame.add(self)
        elif was_inside:
            gateway.inside_frame.discard(self)
        if gateway.is_full:
            self._hold_for_store()
        self._follow()

    def _hold_for_store(self) -> None:
        if not self._is_held:
            self._gateway.hold(self)
        self.hold()

    def _follow(self) -> None:
        """Read exactly while nothing speaks against it."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        has_room = len(self._turns) < self._gateway.config.max_waiting_per_connection
        should_read = has_room and not self._is_held and not self._is_write_blocked
        if should_read != transport.is_reading():
            (transport.resume_reading if should_read else transport.pause_reading)()
            self.frame_began_s = self._gateway.clock.monotonic()  # a peer we did not read from was not slow

    @property
    def is_read(self) -> bool:
        """Whether we read from the peer: what it sends meanwhile is its own doing."""
        return self._transport is not None and self._transport.is_reading()


class Datagram(Answer):
    """The answer to one datagram: it goes to the address and port the datagram came from."""

    __slots__ = ("_address", "_port")

    def __init__(self, gateway: Dc09Gateway, port: DatagramPort, address: Any) -> None:
        super().__init__(gateway, "udp", f"{address[0]}:{address[1]}")
        self._port = port
        self._address = address

    def settle(self, reply: bytes | None) -> None:
        """Send the reply."""
        if reply is not None:
            self._port.send(reply, self._address)


class DatagramPort:
    """The UDP socket, read by hand: many datagrams a wake-up, no object per read."""

    def __init__(self, gateway: Dc09Gateway, sock: socket.socket) -> None:
        self._gateway = gateway
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self.is_reading = False
        self.port: int = sock.getsockname()[1]
        self.receive_buffer_bytes = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self.resume()

    def resume(self) -> None:
        """Read, or read again."""
        if not self.is_reading and self._sock.fileno() >= 0:
            self.is_reading = True
            self._loop.add_reader(self._sock.fileno(), self._read)

    @property
    def is_open(self) -> bool:
        """Whether the socket is there."""
        return self._sock.fileno() >= 0

    def pause(self) -> None:
        """Stop reading; the socket's own buffer fills, then datagrams are lost and panels send again."""
        if self.is_reading and self.is_open:
            self._loop.remove_reader(self._sock.fileno())
        self.is_reading = False

    def send(self, reply: bytes, address: Any) -> None:
        """Send one datagram, or count that it could not leave."""
        try:
            self._sock.sendto(reply, address)
        except OSError:
            self._gateway.counters["udp_replies_lost"] += 1

    def close(self) -> None:
        """Close the socket."""
        self.pause()
        self._sock.close()

    def _read(self) -> None:
        gateway = self._gateway
        for _ in range(DATAGRAMS_A_WAKE_UP):
            if gateway.is_full:
                self.pause()
                return
            try:
                data, address = self._sock.recvfrom(LONGEST_DATAGRAM_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                # An ICMP answer to an earlier reply; the socket itself is well.
                continue
            for item in read_datagram(data):
                gateway.take(item, Datagram(gateway, self, address))


def _foreign_protocol(data: bytes) -> str:
    """Name what a first read looks like when it is not DC-09, or return ""."""
    head = data[:1]
    if head in (b"\n", b"\r", b"\0", b" ", b""):
        return ""
    if data[:2] == b"\x16\x03":
        return "TLS"
    if data[:4] in (b"GET ", b"POST", b"HEAD", b"OPTI"):
        return "HTTP"
    if len(data) >= 4 and data[1:2] in (b"F", b"#") and data[0] & 0x3F <= 0x3F:
        return "bare SIA blocks (Galaxy)"
    return "unknown"


def bind_ports(host: str, port: int, *, tcp: bool, udp: bool) -> tuple[socket.socket | None, socket.socket | None]:
    """Bind both sockets to one port; with port 0, try free ones until one suits both.

    Errors: UNAVAILABLE, with the port named, when somebody else has it.
    """
    attempts = 20 if port == 0 else 1
    while True:
        attempts -= 1
        first = second = None
        try:
            first = _bound(host, port, socket.SOCK_STREAM) if tcp else None
            second = _bound(host, first.getsockname()[1] if first else port, socket.SOCK_DGRAM) if udp else None
        except OSError as error:
            transport = "UDP" if first is not None or not tcp else "TCP"
            if first is not None:
                first.close()
            is_taken = error.errno == errno.EADDRINUSE
            if is_taken and attempts > 0:
                continue
            detail = "another program has it" if is_taken else error.strerror or str(error)
            raise TocsinError(
                ErrorCode.UNAVAILABLE,
                f"cannot listen for DC-09 on {host} port {port} ({transport}): {detail}; "
                "end what uses the port or set dc09.port",
                key="dc09.port",
                host=host,
                port=port,
                transport=transport,
            ) from error
        return first, second


def _bound(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family, _, protocol, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        sock.bind(address)
        if kind is socket.SOCK_STREAM:
            sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock
