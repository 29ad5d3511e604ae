"""One port for many streams: the SSRC says whose packets these are, over UDP and over TCP.

For networks that let one port through. A stream registers the SSRC it agreed on with its device; packets and
connections of others are counted, named, and cost little.

Source: GB/T 28181-2022, the y field; RFC 4571; media reference, first packet on a shared port.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

import structlog

from tocsin.media.ports import DRAIN_PACKETS, Deliver, TcpPort, ask_for_buffer
from tocsin.protocols.rtp.framing import PacketReader
from tocsin.protocols.rtp.packet import MAX_PACKET_BYTES, is_media

log = structlog.get_logger(__name__)

MAX_NAMED: Final = 64
MAX_UNNAMED_CONNECTIONS: Final = 256
MAX_UNNAMED_OF_A_HOST: Final = 16
MAX_UNNAMED_BYTES: Final = 256 << 10
NAME_WITHIN_S: Final = 10.0
DRAINS: Final = 16
FREE_PORT_TRIES: Final = 20


class SsrcTaken(Exception):
    """Another stream has this SSRC."""


@dataclass(slots=True, eq=False)
class SharedLeg:
    """One stream's part of the shared port."""

    ports: SharedPorts
    ssrc: int
    transport: str
    peer_ip: str | None
    deliver: Deliver
    on_closed: Callable[[str], None]
    connection: TcpPort | None = None
    strangers: int = 0
    packets: list[bytes] = field(default_factory=list)

    @property
    def port(self) -> int:
        """The shared port."""
        return self.ports.port

    @property
    def granted_bytes(self) -> int:
        """The shared socket's receive buffer."""
        return self.ports.granted_bytes

    def close(self) -> None:
        """Give the SSRC back and close the stream's connection."""
        self.ports.forget(self)
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def welcomes(self, host: str, transport: str) -> bool:
        """Say whether packets with its SSRC from there may be its own."""
        if transport != self.transport or (self.peer_ip is not None and host != self.peer_ip):
            self.strangers += 1
            return False
        return True

    def lost(self, reason: str) -> None:
        """Its connection ended; another one may come."""
        self.connection = None
        self.on_closed(reason)


class SharedPorts:
    """A UDP socket and a TCP listener on one port."""

    def __init__(self, ip: str, port: int, buffer_bytes: int) -> None:
        self.socket, self._listening = _bound_pair(ip, port)
        self.port: int = self.socket.getsockname()[1]
        self.granted_bytes = ask_for_buffer(self.socket, buffer_bytes)
        self.unknown = Counter[int]()
        self.unknown_packets = 0
        self.not_media = 0
        self.refused_connections = 0
        self._legs: dict[int, SharedLeg] = {}
        self._server: asyncio.Server | None = None
        self._unnamed: set[_Unnamed] = set()

    async def start(self) -> None:
        """Begin to listen for TCP."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Unnamed(self), sock=self._listening, backlog=128)

    def close(self) -> None:
        """Close everything."""
        self.socket.close()
        if self._server is not None:
            self._server.close()
        else:
            self._listening.close()
        for connection in list(self._unnamed):
            connection.abort()

    def add(
        self, ssrc: int, transport: str, deliver: Deliver, on_closed: Callable[[str], None], *, peer_ip: str | None
    ) -> SharedLeg:
        """Register a stream. Errors: SsrcTaken."""
        if ssrc in self._legs:
            raise SsrcTaken(f"SSRC {ssrc:010d} is in use")
        leg = self._legs[ssrc] = SharedLeg(self, ssrc, transport, peer_ip, deliver, on_closed)
        return leg

    def forget(self, leg: SharedLeg) -> None:
        """A stream is over: what still comes with its SSRC is a stranger's."""
        if self._legs.get(leg.ssrc) is leg:
            del self._legs[leg.ssrc]

    # -- UDP

    def drain(self, now_s: float) -> None:
        """Take what arrived and hand it to its streams, in order, a batch for each."""
        receive, legs = self.socket.recvfrom, self._legs
        touched: list[SharedLeg] = []
        for _ in range(DRAINS * DRAIN_PACKETS):
            try:
                packet, address = receive(MAX_PACKET_BYTES)
            except OSError:
                break
            leg = legs.get(int.from_bytes(packet[8:12], "big"))
            if leg is None or not is_media(packet):
                self._count(packet)
                continue
            if not leg.welcomes(address[0], "udp"):
                continue
            if not leg.packets:
                touched.append(leg)
            leg.packets.append(packet)
        for leg in touched:
            packets, leg.packets = leg.packets, []
            leg.deliver(packets)

    def _count(self, packet: bytes) -> None:
        if not is_media(packet):
            self.not_media += 1
            return
        self.unknown_packets += 1
        self.name(int.from_bytes(packet[8:12], "big"))

    def name(self, ssrc: int) -> None:
        """Count a packet or connection of an SSRC nobody expects; each new one is told once, and 64 are kept."""
        if ssrc not in self.unknown:
            if len(self.unknown) >= MAX_NAMED:
                return
            log.warning("unknown stream on the shared port", ssrc=f"{ssrc:010d}")
        self.unknown[ssrc] += 1

    # -- TCP

    def let_in(self, connection: _Unnamed) -> bool:
        """Keep a connection until its first packet says whose it is; too many, or too many of a host, are refused."""
        of_host = sum(other.host == connection.host for other in self._unnamed)
        if len(self._unnamed) >= MAX_UNNAMED_CONNECTIONS or of_host >= MAX_UNNAMED_OF_A_HOST:
            self.refused_connections += 1
            return False
        self._unnamed.add(connection)
        return True

    def gone(self, connection: _Unnamed) -> None:
        """A connection ended or got its name."""
        self._unnamed.discard(connection)

    def tidy(self, now_s: float) -> None:
        """Close connections that have not said whose they are in time; call it about once a second."""
        for connection in list(self._unnamed):
            if now_s - connection.opened_s > NAME_WITHIN_S:
                self.refused_connections += 1
                connection.abort()

    def leg_of(self, ssrc: int, host: str) -> SharedLeg | None:
        """Return the stream of a connection's first packet; None for a stranger's, and while another one stands."""
        leg = self._legs.get(ssrc)
        if leg is None:
            self.name(ssrc)
            return None
        if leg.connection is not None:
            leg.strangers += 1
            return None
        return leg if leg.welcomes(host, "tcp_passive") else None


def _bound_pair(ip: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Return a UDP and a TCP socket on one number; 0 looks for one that is free for both. Errors: OSError."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    for tries_left in range(FREE_PORT_TRIES if port == 0 else 1, 0, -1):
        udp, tcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_STREAM)
        try:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            udp.bind((ip, port))
            tcp.bind((ip, udp.getsockname()[1]))
        except OSError:
            udp.close()
            tcp.close()
            if tries_left == 1:
                raise
            continue
        udp.setblocking(False)
        tcp.setblocking(False)
        return udp, tcp
    raise AssertionError("unreachable: the last try returns or raises")


class _Unnamed(asyncio.Protocol):
    """A connection before its first packet has said whose it is."""

    def __init__(self, ports: SharedPorts) -> None:
        self._ports = ports
        self._reader = PacketReader()
        self._seen = 0
        self._raw: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self.host = ""
        self.opened_s = asyncio.get_running_loop().time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast(asyncio.Transport, transport)
        peer = made.get_extra_info("peername")
        self.host = str(peer[0]) if peer else ""
        self._transport = made
        if not self._ports.let_in(self):
            made.abort()

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        self._seen += len(data)
        self._raw.append(data)
        media = next((packet for packet in self._reader.receive(data) if is_media(packet)), None)
        if media is None:
            if self._seen > MAX_UNNAMED_BYTES:
                self._ports.refused_connections += 1
                self.abort()
            return
        leg = self._ports.leg_of(int.from_bytes(media[8:12], "big"), self.host)
        if leg is None:
            self._ports.refused_connections += 1
            self.abort()
            return
        self._ports.gone(self)
        self._transport = None
        made = leg.connection = TcpPort(leg.deliver, leg.lost)
        transport.set_protocol(made)
        made.connection_made(transport)
        made.data_received(b"".join(self._raw))
        self._raw.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._ports.gone(self)

    def abort(self) -> None:
        """Close it at once."""
        self._ports.gone(self)
        if self._transport is not None:
            self._transport.abort()
