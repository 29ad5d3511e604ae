"""The sockets under SIP: who a peer is, TCP connections that serve both directions, UDP, the route to a host."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Final, NamedTuple, Protocol, cast

from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.message import BadMessage, Message, Ping
from tocsin.protocols.sip.stream import StreamReader

RECEIVE_BUFFER_BYTES: Final = 8 * 1024 * 1024
MAX_UNSENT_BYTES: Final = 1024 * 1024


class Peer(NamedTuple):
    """Where a message came from and where answers go: `link` is the socket number (UDP) or the connection (TCP)."""

    host: str
    port: int
    transport: Transport
    link: int

    @property
    def address(self) -> str:
        """The peer as text for people."""
        return f"{self.host}:{self.port}"


class Owner(Protocol):
    """What a connection tells its gateway."""

    def now(self) -> float:
        """Return seconds that do not go back."""

    def opened(self, connection: Connection) -> int:
        """Register a connection; 0 when there are too many."""

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""

    def receive(self, found: Message | BadMessage | Ping, peer: Peer, now: float) -> None:
        """Take one message."""


class Connection(asyncio.Protocol):
    """One TCP connection of a device."""

    def __init__(self, owner: Owner) -> None:
        self.reader = StreamReader()
        self.peer = Peer("", 0, Transport.TCP, 0)
        self.local_host = ""
        self.has_spoken = False
        self.opened_at = owner.now()
        self._owner = owner
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        host, port = transport.get_extra_info("peername")[:2]
        self.local_host = transport.get_extra_info("sockname")[0]
        link = self._owner.opened(self)
        self.peer = Peer(host, port, Transport.TCP, link)
        if not link:
            self.abort()

    def data_received(self, data: bytes) -> None:
        now = self._owner.now()
        for found in self.reader.receive(data):
            if isinstance(found, Ping):
                self.send(b"\r\n")
                continue
            self.has_spoken = self.has_spoken or not isinstance(found, BadMessage)
            self._owner.receive(found, self.peer, now)

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.closed(self)

    def send(self, data: bytes) -> bool:
        """Queue bytes; a peer that does not read is cut off."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.abort()
            return False
        transport.write(data)
        return True

    def abort(self) -> None:
        """Close without waiting."""
        if self._transport is not None:
            self._transport.abort()


def udp_socket(host: str, port: int) -> socket.socket:
    """Return a bound, non-blocking UDP socket with as much receive buffer as the system grants. Raises OSError."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    with contextlib.suppress(OSError):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    try:
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


def route_to(host: str) -> str:
    """Return the local address a packet to `host` would leave from; nothing is sent."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
