"""A stream sent on to another platform: its packets as they came, under another source number, as PS over RTP.

Program streams pass untouched (time stamps too); only source and sequence are written anew. Pictures of any other
source are packed as PS here. It begins with a key picture, drops until the next one when the receiver is too slow, and
ends by itself at its time.

Source: GB/T 28181, RTP encapsulation of PS; media reference, relay.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from tocsin.media.ports import PortRange
from tocsin.protocols.rtp.access_unit import AccessUnit
from tocsin.protocols.rtp.framing import frame_packet
from tocsin.protocols.rtp.packet import PT_PS, payload_span
from tocsin.protocols.rtp.packetizer import Packetizer
from tocsin.protocols.rtp.ps import Muxer

MODES = frozenset({"udp", "tcp_active", "tcp_passive"})
MAX_BACKLOG_BYTES = 2 << 20
SEND_BUFFER_BYTES = 1 << 20
KEY_WAIT_MS = 5000.0
CONNECT_TRIES = 3
CONNECT_TIMEOUT_S = 3.0
CONNECT_PAUSE_S = 1.0
MAX_KEPT_BYTES = 8 << 20
_PACK = b"\x00\x00\x01\xba"
_SYSTEM = b"\x00\x00\x01\xbb"
_MAP = b"\x00\x00\x01\xbc"

_head = struct.Struct("!BBHII")


def begins_pack(payload: bytes) -> bool:
    """Say whether a payload begins a pack of a program stream."""
    return payload[:4] == _PACK


def begins_key(payload: bytes) -> bool:
    """Say whether a payload begins the pack of a key picture: a system header or stream map follows the pack header."""
    if payload[:4] != _PACK or len(payload) < 18:
        return False
    after = 14 + (payload[13] & 7)
    return payload[after : after + 4] in (_SYSTEM, _MAP)


class Rewriter:
    """Packets of one source -> packets of another: source and sequence changed, all else kept. Pure.

    Gaps stay gaps, so that the receiver knows what was lost; a new source continues where the old one ended.
    """

    def __init__(self, ssrc: int, *, sequence: int = 0, payload_type: int = PT_PS) -> None:
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.sequence = sequence
        self._offset: int | None = None
        self._source = -1

    def write(self, packet: bytes, payload: bytes) -> bytes:
        """Return a packet with this payload under our source."""
        _, second, sequence, timestamp, source = _head.unpack_from(packet)
        if source != self._source or self._offset is None:
            self._source = source
            self._offset = self.sequence - sequence & 0xFFFF
        ours = sequence + self._offset & 0xFFFF
        if (ours - self.sequence & 0xFFFF) < 0x8000:
            self.sequence = ours + 1 & 0xFFFF
        return _head.pack(0x80, second & 0x80 | self.payload_type, ours, timestamp, self.ssrc) + payload


@dataclass(frozen=True, slots=True)
class ForwardPlan:
    """Where a stream is sent on to. `mode` is ours: `tcp_active` connects, `tcp_passive` listens."""

    forward_id: str
    view_id: str
    mode: str
    ip: str
    port: int
    ssrc: int
    expires_at_s: float
    keeps: bool = False  # what comes before the start is sent then: a recording begins at its beginning


class Forward:
    """One stream on its way to one receiver."""

    def __init__(self, plan: ForwardPlan, ports: PortRange, on_ended: Callable[[Forward, str], None]) -> None:
        self.plan = plan
        self.port = 0
        self.sent_packets = 0
        self.sent_bytes = 0
        self.dropped = 0
        self.is_over = False
        self._ports = ports
        self._on_ended = on_ended
        self._rewriter = Rewriter(plan.ssrc)
        self._cutter = Packetizer(plan.ssrc)
        self._muxer: Muxer | None = None
        self._is_program: bool | None = None
        self._started_ms = -1.0
        self._waits_for_key = True
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._transport: asyncio.Transport | None = None
        self._is_started = False
        self._connecting: asyncio.Task[None] | None = None
        self._kept: deque[tuple[list[bytes], float]] = deque()
        self._kept_bytes = 0

    async def open(self) -> None:
        """Take a local port; listen when the receiver connects to us. Errors: PortsExhausted, OSError."""
        if self.plan.mode == "tcp_passive":
            made = self._ports.bind(socket.SOCK_STREAM)
            self.port = made.getsockname()[1]
            self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), sock=made)
        elif self.plan.mode == "udp":
            made = self._ports.bind(socket.SOCK_DGRAM)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            self.port = made.getsockname()[1]
            self._socket = made
        else:
            self.port = 9  # we connect: the port in the answer says nothing

    def start(self) -> None:
        """Send from now on: the receiver has acknowledged."""
        if self._is_started or self.is_over:
            return
        self._is_started = True
        if self._socket is not None:
            self._socket.connect((self.plan.ip, self.plan.port))
            self._send_kept()
        elif self.plan.mode == "tcp_active":
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        elif self._transport is not None:
            self._send_kept()

    def close(self) -> None:
        """Stop sending and give the port back; closing twice is no error."""
        self.is_over = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.abort()
        if self._server is not None:
            self._server.close()
        if self._socket is not None:
            self._socket.close()
        if self.port and self.plan.mode != "tcp_active":
            self._ports.release(self.port)
        self._socket = self._server = self._transport = None
        self._kept.clear()

    def end(self, reason: str) -> None:
        """Close and tell the owner."""
        if not self.is_over:
            self.close()
            self._on_ended(self, reason)

    def take_packets(self, packets: list[bytes], now_ms: float) -> None:
        """Take packets as they arrived; anything that is no program stream is left to `take`."""
        if self._is_program is False:
            return
        if not self._can_send():
            self._keep(packets, now_ms)
            return
        for packet in packets:
            if len(packet) < 13 or packet[0] >> 6 != 2 or 200 <= packet[1] <= 207 or 72 <= packet[1] <= 76:
                continue
            span = (12, len(packet)) if packet[0] == 0x80 else payload_span(packet)
            if span is None:
                continue
            payload = packet[span[0] : span[1]]
            if self._is_program is None:
                if not begins_pack(payload):
                    continue
                self._is_program = True
            if self._waits(begins_key(payload), begins_pack(payload), now_ms):
                self.dropped += 1
                continue
            self._send(self._rewriter.write(packet, payload))

    def _keep(self, packets: list[bytes], now_ms: float) -> None:
        """Keep what a recording begins with until the receiver is ready; beyond 8 MiB it begins at a later picture."""
        if not self.plan.keeps or self.is_over:
            return
        self._kept.append((packets, now_ms))
        self._kept_bytes += sum(map(len, packets))
        while self._kept_bytes > MAX_KEPT_BYTES:
            self._kept_bytes -= sum(map(len, self._kept.popleft()[0]))

    def _send_kept(self) -> None:
        kept, self._kept, self._kept_bytes = self._kept, deque(), 0
        for packets, now_ms in kept:
            self.take_packets(packets, now_ms)

    def take(self, unit: AccessUnit, now_ms: float) -> None:
        """Take one picture of a source whose packets are no program stream, and pack it as one."""
        if not self._can_send() or self._is_program or unit.pts is None:
            return
        if self._is_program is None:
            self._is_program = False
        if self._muxer is None:
            self._muxer = Muxer(unit.codec)
        if self._waits(unit.is_key, True, now_ms):
            self.dropped += 1
            return
        picture = b"".join(b"\x00\x00\x00\x01" + nal for nal in unit.nals)
        pack = self._muxer.write_video(picture, unit.pts, is_key=unit.is_key)
        for packet in self._cutter.packetize(pack, unit.pts):
            self._send(packet)

    def interrupted(self) -> None:
        """The source stopped or changed: what comes next begins with a key picture, and may be of another kind."""
        self._waits_for_key = True
        self._is_program = None
        self._started_ms = -1.0

    def _can_send(self) -> bool:
        if not self._is_started or self.is_over:
            return False
        return self._socket is not None or self._transport is not None

    def _waits(self, is_key: bool, is_start: bool, now_ms: float) -> bool:
        """Say whether this must be dropped: before the first key picture, and from a full queue to the next one."""
        if self._started_ms < 0:
            self._started_ms = now_ms
        if self._transport is not None and self._transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
            self._waits_for_key = True
            self._started_ms = now_ms
            return True
        if not self._waits_for_key:
            return False
        if is_key or (is_start and now_ms - self._started_ms > KEY_WAIT_MS):  # some cameras mark no key picture
            self._waits_for_key = False
            return False
        return True

    def _send(self, packet: bytes) -> None:
        if self._socket is not None:
            try:
                self._socket.send(packet)
            except (BlockingIOError, ConnectionRefusedError):
                self.dropped += 1  # lost, as on a network; the BYE may be under way
                return
            except OSError as error:
                self.end(error.strerror or "send_failed")
                return
        elif self._transport is not None:
            self._transport.write(frame_packet(packet))
        self.sent_packets += 1
        self.sent_bytes += len(packet)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        for number in range(CONNECT_TRIES):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await loop.create_connection(lambda: _Connection(self), self.plan.ip, self.plan.port)
                return
            if number + 1 < CONNECT_TRIES:
                await asyncio.sleep(CONNECT_PAUSE_S)
        self._connecting = None
        self.end("connect_failed")

    def connected(self, transport: asyncio.Transport) -> bool:
        """Take the one connection; False for a second, and for one from elsewhere when we listen."""
        peer = transport.get_extra_info("peername")
        is_stranger = self.plan.mode == "tcp_passive" and self.plan.ip and (not peer or peer[0] != self.plan.ip)
        if self.is_over or self._transport is not None or is_stranger:
            return False
        self._transport = transport
        if self._is_started:
            self._send_kept()
        return True

    def disconnected(self, transport: asyncio.Transport) -> None:
        """The receiver closed the connection."""
        if self._transport is transport:
            self._transport = None
            self.end("connection_closed")


class _Connection(asyncio.Protocol):
    """A TCP connection that carries a forward; what arrives on it (RTCP) is not used."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast(asyncio.Transport, transport)
        if self._forward.connected(made):
            self._transport = made
        else:
            made.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._forward.disconnected(self._transport)


class Forwards:
    """The forwards of one worker."""

    def __init__(self, ports: PortRange, tell: Callable[[Forward, str, str], None]) -> None:
        """`tell` hears of ends: the forward, its stream, and why."""
        self._ports = ports
        self._tell = tell
        self._by_id: dict[str, tuple[Forward, str]] = {}

    async def open(self, stream_id: str, plan: ForwardPlan) -> Forward:
        """Open one. Errors: ValueError for an unknown mode; PortsExhausted, OSError."""
        if plan.mode not in MODES:
            raise ValueError(f"no mode {plan.mode}")
        made = Forward(plan, self._ports, self._ended)
        await made.open()
        self._by_id[plan.forward_id] = (made, stream_id)
        return made

    def start(self, forward_id: str) -> bool:
        """Begin to send; False when it is not there any more."""
        found = self._by_id.get(forward_id)
        if found is not None:
            found[0].start()
        return found is not None

    def close(self, forward_id: str, reason: str = "closed") -> None:
        """End one; ending it twice is no error."""
        found = self._by_id.get(forward_id)
        if found is not None:
            found[0].end(reason)

    def revoke(self, view_id: str, reason: str) -> int:
        """End those of a view; return how many."""
        ended = [forward for forward, _ in self._by_id.values() if forward.plan.view_id == view_id]
        for forward in ended:
            forward.end(reason)
        return len(ended)

    def expire(self, now_s: float) -> None:
        """End those whose time is up."""
        for forward, _ in list(self._by_id.values()):
            if now_s >= forward.plan.expires_at_s:
                forward.end("expired")

    def close_all(self) -> None:
        """Close every one without a word."""
        for forward, _ in self._by_id.values():
            forward.close()

    def _ended(self, forward: Forward, reason: str) -> None:
        _, stream_id = self._by_id.pop(forward.plan.forward_id)
        self._tell(forward, stream_id, reason)
