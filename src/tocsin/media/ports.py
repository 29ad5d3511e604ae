"""Where media arrives: UDP sockets drained in batches, TCP listeners and connectors. Bytes only, no pictures.

Many UDP sockets share one epoll object; it is looked at every 10 ms, or, while there are few, whenever it is readable.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import random
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, cast

import structlog

from tocsin.protocols.rtp.framing import PacketReader
from tocsin.protocols.rtp.packet import MAX_PACKET_BYTES, is_media

log = structlog.get_logger(__name__)

RECEIVE_BUFFER_BYTES = 4 << 20
ENOUGH_BUFFER_BYTES = 1 << 20
MAX_DATAGRAM_BYTES = 2048
DRAIN_PACKETS = 256
LATCH_PACKETS = 2
MAX_CANDIDATES = 8
RELATCH_S = 3.0
DESYNC_TIMES = 3
DESYNC_WITHIN_S = 10.0
CONNECT_TRIES = 3
CONNECT_TIMEOUT_S = 3.0
CONNECT_PAUSE_S = 1.0
LISTEN_BACKLOG = 4
SIOCGSTAMP = 0x8906

_stamp = struct.Struct("ll").unpack
_stamp_size = struct.calcsize("ll")

Deliver = Callable[[list[bytes]], None]


class PortsExhausted(Exception):
    """No port of the range could be bound."""


@dataclass(slots=True)
class PortRange:
    """Even ports handed out from a random start; `low` 0 lets the system choose (tests)."""

    ip: str
    low: int
    high: int
    buffer_bytes: int = RECEIVE_BUFFER_BYTES
    _used: set[int] = field(default_factory=set)

    def bind(self, kind: socket.SocketKind) -> socket.socket:
        """Return a bound, non-blocking socket. Errors: PortsExhausted."""
        if not self.low:
            return self._bound(kind, 0)
        first = self.low + (self.low & 1)
        count = (self.high - first) // 2 + 1
        start = random.randrange(count) if count > 0 else 0
        for step in range(count):
            port = first + 2 * ((start + step) % count)
            if port in self._used:
                continue
            try:
                made = self._bound(kind, port)
            except OSError:
                continue
            self._used.add(port)
            return made
        raise PortsExhausted(f"no free port in {self.low}-{self.high}")

    def release(self, port: int) -> None:
        """Give a port back."""
        self._used.discard(port)

    def _bound(self, kind: socket.SocketKind, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.ip else socket.AF_INET
        made = socket.socket(family, kind)
        try:
            made.setblocking(False)
            if kind is socket.SOCK_STREAM:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((self.ip, port))
        except OSError:
            made.close()
            raise
        return made


class UdpPort:
    """One UDP port of one stream: latches on its sender, then the kernel keeps strangers out.

    `peer_ip` is the only address accepted; without one the SSRC decides, and without that the first valid sender.
    """

    def __init__(
        self, ports: PortRange, deliver: Deliver, *, ssrc: int | None, peer_ip: str | None, now_s: float
    ) -> None:
        self._ports = ports
        self._deliver = deliver
        self._ssrc = ssrc
        self._peer_ip = peer_ip
        self.socket = ports.bind(socket.SOCK_DGRAM)
        self.port: int = self.socket.getsockname()[1]
        self.granted_bytes = ask_for_buffer(self.socket, ports.buffer_bytes)
        self.strangers = 0
        self.is_latched = False
        self.last_packet_s = now_s
        self._room = MAX_DATAGRAM_BYTES
        self._candidates: dict[tuple[str, int], list[bytes]] = {}

    def drain(self, now_s: float) -> None:
        """Take what arrived, without waiting."""
        packets: list[bytes] = []
        if self.is_latched:
            receive = self.socket.recv
            room = self._room
            try:
                for _ in range(DRAIN_PACKETS):
                    packets.append(receive(room))
            except BlockingIOError:
                pass
            except OSError:
                pass  # an ICMP error of our own making: the sender is gone, silence will tell
            if packets:
                self.last_packet_s = now_s
                if len(packets[0]) >= self._room:
                    self._room = MAX_PACKET_BYTES  # a sender of giant datagrams: give it room from now on
                self._deliver(packets)
        else:
            self._drain_unlatched(now_s)

    def arrived_s(self) -> float:
        """Return when the kernel got the packet taken last, epoch seconds. Source: socket(7), SIOCGSTAMP."""
        seconds, microseconds = _stamp(fcntl.ioctl(self.socket.fileno(), SIOCGSTAMP, bytes(_stamp_size)))
        return int(seconds) + int(microseconds) / 1e6

    def reopen(self) -> None:
        """Listen to any sender again on the same port; the caller has to watch the new socket."""
        self.socket.close()
        self._ports.release(self.port)
        made = self._ports._bound(socket.SOCK_DGRAM, self.port)
        self._ports._used.add(self.port)
        self.granted_bytes = ask_for_buffer(made, self._ports.buffer_bytes)
        self.socket = made
        self.is_latched = False
        self._candidates.clear()

    def close(self) -> None:
        """Close the socket and give the port back."""
        self.socket.close()
        self._ports.release(self.port)

    def _drain_unlatched(self, now_s: float) -> None:
        for _ in range(DRAIN_PACKETS):
            try:
                packet, address = self.socket.recvfrom(MAX_PACKET_BYTES)
            except OSError:
                return
            peer = (address[0], address[1])
            if not self._is_welcome(packet, peer[0]):
                self.strangers += 1
                continue
            seen = self._candidates.setdefault(peer, [])
            seen.append(packet)
            if len(self._candidates) > MAX_CANDIDATES:
                self._candidates.pop(next(iter(self._candidates)))
            if len(seen) < LATCH_PACKETS and not self._is_expected(packet):
                continue
            with contextlib.suppress(OSError):
                self.socket.connect(peer)
            self.is_latched = True
            self.last_packet_s = now_s
            self._candidates.clear()
            # Packets queued before the kernel knew the peer may be strangers': look at each until the queue is empty.
            self._deliver(seen + self._rest_of_queue(peer))
            return

    def _rest_of_queue(self, peer: tuple[str, int]) -> list[bytes]:
        packets: list[bytes] = []
        for _ in range(DRAIN_PACKETS):
            try:
                packet, address = self.socket.recvfrom(MAX_PACKET_BYTES)
            except OSError:
                break
            if (address[0], address[1]) == peer:
                packets.append(packet)
            else:
                self.strangers += 1
        return packets

    def _is_welcome(self, packet: bytes, ip: str) -> bool:
        if not is_media(packet):
            return False
        if self._peer_ip is not None:
            return ip == self._peer_ip
        return self._ssrc is None or int.from_bytes(packet[8:12], "big") == self._ssrc

    def _is_expected(self, packet: bytes) -> bool:
        """Address and source both as agreed: no second packet is needed to believe the first."""
        return self._peer_ip is not None and int.from_bytes(packet[8:12], "big") == self._ssrc


def ask_for_buffer(made: socket.socket, size_bytes: int) -> int:
    """Ask for a receive buffer; return what was granted."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size_bytes)
    return made.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


class WatchedPort(Protocol):
    """A UDP socket as the watch knows it."""

    @property
    def socket(self) -> socket.socket: ...
    def drain(self, now_s: float) -> None:
        """Take what arrived, without waiting."""


class UdpWatch:
    """Looks after all UDP ports of a worker."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._by_fd: dict[int, WatchedPort] = {}

    def __len__(self) -> int:
        return len(self._by_fd)

    def fileno(self) -> int:
        """The epoll object is itself readable when a port has something."""
        return self._poll.fileno()

    def add(self, port: WatchedPort) -> None:
        """Watch a port."""
        fd = port.socket.fileno()
        self._by_fd[fd] = port
        self._poll.register(fd, select.EPOLLIN)

    def remove(self, port: WatchedPort) -> None:
        """Watch a port no longer; call it before closing."""
        fd = port.socket.fileno()
        if self._by_fd.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def drain(self, now_s: float) -> int:
        """Take what arrived on every port; return how many ports had something."""
        ready = self._poll.poll(0)
        by_fd = self._by_fd
        for fd, _ in ready:
            port = by_fd.get(fd)
            if port is not None:
                port.drain(now_s)
        return len(ready)

    def relatch(self, now_s: float) -> None:
        """Let ports whose sender fell silent for 3 s accept another one."""
        for port in [
            port
            for port in self._by_fd.values()
            if isinstance(port, UdpPort) and port.is_latched and now_s - port.last_packet_s > RELATCH_S
        ]:
            self.remove(port)
            try:
                port.reopen()
            except OSError as error:
                log.warning("media port lost", port=port.port, error=str(error))
                continue
            self.add(port)

    def close(self) -> None:
        """Close the epoll object; the ports are their owners'."""
        self._poll.close()


class TcpPort(asyncio.Protocol):
    """One TCP connection that carries RTP, whoever opened it."""

    def __init__(
        self, deliver: Deliver, on_closed: Callable[[str], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self._resynced_s: list[float] = []
        self._deliver = deliver
        self._on_closed = on_closed
        self._reader = PacketReader()
        self._transport: asyncio.Transport | None = None
        self.is_wanted = True

    @property
    def resyncs(self) -> int:
        """How often the place in the byte stream was lost."""
        return self._reader.resyncs

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to close it."""
        transport = cast(asyncio.Transport, transport)  # uvloop's are not registered as such
        self._transport = transport
        if not self.is_wanted:
            transport.abort()
            return
        raw: socket.socket | None = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        """Cut packets and pass them on."""
        resyncs = self._reader.resyncs
        packets = self._reader.receive(data)
        if packets:
            self._deliver(packets)
        if self._reader.resyncs > resyncs and self.is_wanted:
            self._note_resync(self._now())

    def _note_resync(self, now_s: float) -> None:
        """Three losses of the place in ten seconds: the sender overwrites its buffer, only a new call helps."""
        recent = [at for at in self._resynced_s if now_s - at < DESYNC_WITHIN_S]
        self._resynced_s = [*recent[-DESYNC_TIMES:], now_s]
        if len(self._resynced_s) >= DESYNC_TIMES:
            self.close()
            self._on_closed("desync")

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner."""
        self._transport = None
        if self.is_wanted:
            self._on_closed("connection_closed")

    def close(self) -> None:
        """Close without telling the owner."""
        self.is_wanted = False
        if self._transport is not None:
            self._transport.abort()


class TcpListener:
    """Listens for the one connection of a stream; others are refused while it stands."""

    def __init__(
        self, ports: PortRange, deliver: Deliver, on_closed: Callable[[str], None], *, peer_ip: str | None
    ) -> None:
        self._ports = ports
        self._deliver = deliver
        self._on_closed = on_closed
        self._peer_ip = peer_ip
        self._raw = ports.bind(socket.SOCK_STREAM)
        self.port: int = self._raw.getsockname()[1]
        self._server: asyncio.Server | None = None
        self.connection: TcpPort | None = None
        self.strangers = 0

    async def start(self) -> None:
        """Begin to listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, sock=self._raw, backlog=LISTEN_BACKLOG)

    def close(self) -> None:
        """Stop listening, close the connection, give the port back."""
        if self._server is not None:
            self._server.close()
        if self.connection is not None:
            self.connection.close()
        self._ports.release(self.port)

    def _accept(self) -> asyncio.Protocol:
        return _Candidate(self)

    def adopt(self, transport: asyncio.Transport) -> TcpPort | None:
        """Make a connection the stream's, or refuse it."""
        peer = transport.get_extra_info("peername")
        is_stranger = self._peer_ip is not None and (not peer or peer[0] != self._peer_ip)
        if is_stranger or self.connection is not None:
            self.strangers += 1
            transport.abort()
            return None
        self.connection = TcpPort(self._deliver, self._closed)
        return self.connection

    def _closed(self, reason: str) -> None:
        self.connection = None
        self._on_closed(reason)


class _Candidate(asyncio.Protocol):
    """A connection before it is known to be the stream's."""

    def __init__(self, listener: TcpListener) -> None:
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)
        adopted = self._listener.adopt(transport)
        if adopted is not None:
            transport.set_protocol(adopted)
            adopted.connection_made(transport)


async def connect_port(ip: str, port: int, deliver: Deliver, on_closed: Callable[[str], None]) -> TcpPort:
    """Connect to a device that listens, three times a second apart. Errors: OSError, TimeoutError of the last try."""
    loop = asyncio.get_running_loop()
    for attempt in range(1, CONNECT_TRIES + 1):
        made = TcpPort(deliver, on_closed)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await loop.create_connection(lambda made=made: made, ip, port)  # type: ignore[misc]
        except (OSError, TimeoutError):
            made.is_wanted = False
            if attempt == CONNECT_TRIES:
                raise
            await asyncio.sleep(CONNECT_PAUSE_S)
        else:
            return made
    raise AssertionError("unreachable: the last attempt returns or raises")


def read_drops(ports: set[int]) -> dict[int, int]:
    """Return how many datagrams the kernel dropped for each local UDP port, because we were slow."""
    drops: dict[int, int] = {}
    for name in ("/proc/net/udp", "/proc/net/udp6"):
        try:
            with open(name, encoding="ascii") as table:
                rows = table.readlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            port = int(columns[1].rsplit(":", 1)[1], 16)
            if port in ports:
                drops[port] = int(columns[-1])
    return drops
