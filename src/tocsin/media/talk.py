"""Voice to cameras inside a media worker: sound from a browser's microphone, paced by our clock, out as RTP.

A talk has a socket towards its device and at most one microphone, a WebSocket let in by a one-use ticket. Frames leave
each 20 ms, silence where none is there; what comes faster than it is spoken is dropped, never sent in a burst.

Source: RFC 3551, PCMA; GB/T 28181-2022, voice broadcast; RFC 4571, framing over TCP.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, cast

import structlog

from tocsin.base.clock import Clock
from tocsin.media.ports import PortRange, PortsExhausted, TcpPort
from tocsin.media.tickets import Ticket, TicketBox
from tocsin.media.viewer import Viewer
from tocsin.media.websocket import binary_frame, text_frame
from tocsin.media.wire import Message
from tocsin.protocols.rtp.framing import frame_packet
from tocsin.protocols.rtp.g711 import (
    A_LAW_SILENCE,
    FRAME_SAMPLES,
    MU_LAW_SILENCE,
    decode_a_law,
    decode_mu_law,
    encode_a_law,
    encode_mu_law,
    peak,
)
from tocsin.protocols.rtp.packet import PT_PCMA, read_packet
from tocsin.protocols.rtp.ps import AUDIO_ID, StreamType, build_pack_header, build_pes_header, build_stream_map
from tocsin.protocols.rtp.tones import Tone, tones

log = structlog.get_logger(__name__)

FRAME_S: Final = 0.020
FRAME_BYTES: Final = 2 * FRAME_SAMPLES
AHEAD_FRAMES: Final = 3
MOST_FRAMES: Final = 10
MAP_EVERY_FRAMES: Final = 50
MAX_UNSENT_BYTES: Final = 4096
MAX_TALKS: Final = 200
MAX_TONES: Final = 16
DRAIN: Final = 32

_header = struct.Struct("!BBHII").pack


@dataclass(frozen=True, slots=True)
class Sound:
    """How a line's sound is written: payload type, G.711 of which law, and the type of its tones (-1: none).

    `silent_after_s` is how long the other side may be silent before the line counts as lost; 0: for ever.
    """

    payload_type: int = PT_PCMA
    is_mu_law: bool = False
    event_type: int = -1
    silent_after_s: float = 0.0

    def encode(self, pcm: bytes | None) -> bytes:
        """Return the octets of a frame; None is silence."""
        if pcm is None:
            return bytes((MU_LAW_SILENCE if self.is_mu_law else A_LAW_SILENCE,)) * FRAME_SAMPLES
        return encode_mu_law(pcm) if self.is_mu_law else encode_a_law(pcm)

    def decode(self, payload: bytes) -> bytes:
        """Return the samples of a packet."""
        return decode_mu_law(payload) if self.is_mu_law else decode_a_law(payload)


A_LAW: Final = Sound()


class TalkRefused(Exception):
    """A talk that cannot be opened or reached; `code` is a stable word."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class JitterBuffer:
    """Evens out how speech arrives: three frames are gathered before it plays, and ten wait at most. Pure."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._rest = b""
        self._is_playing = False
        self.dropped = 0
        self.silent = 0
        self.spoken = 0

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, pcm: bytes) -> None:
        """Take 16-bit little-endian samples, however cut; the oldest frames go when too many wait."""
        data = self._rest + pcm
        whole = len(data) - len(data) % FRAME_BYTES
        for start in range(0, whole, FRAME_BYTES):
            self._frames.append(data[start : start + FRAME_BYTES])
        self._rest = data[whole:]
        while len(self._frames) > MOST_FRAMES:
            self._frames.popleft()
            self.dropped += 1

    def end_of_speech(self) -> None:
        """The key was let go: what is there is played out without waiting for more."""
        self._is_playing = bool(self._frames)
        self._rest = b""

    def take(self) -> bytes | None:
        """Return the frame whose time has come; None for silence."""
        if not self._is_playing and len(self._frames) >= AHEAD_FRAMES:
            self._is_playing = True
        if not self._is_playing or not self._frames:
            self._is_playing = False
            self.silent += 1
            return None
        self.spoken += 1
        return self._frames.popleft()


class Packer:
    """Packs A-law frames as RTP: as they are (payload type 8, 8 kHz) or inside a program stream (96, 90 kHz). Pure."""

    def __init__(self, ssrc: int, payload: str, payload_type: int) -> None:
        self.is_ps = payload == "ps"
        self._ssrc = ssrc
        self._type = payload_type
        self._sequence = 0
        self._samples = 0
        self._is_first = True
        self._frames = 0
        self._tone_stamp = 0

    def skip(self, frames: int) -> None:
        """Time passed without a frame."""
        self._samples += frames * FRAME_SAMPLES

    def pack(self, a_law: bytes) -> bytes:
        """Return the packet of one frame; the first one carries the marker, as speech that begins does."""
        stamp, body = self._samples, a_law
        marker = 0x80 if self._is_first or self.is_ps else 0
        if self.is_ps:
            stamp = self._samples * 90 // 8
            parts = [build_pack_header(stamp, 320)]
            if self._frames % MAP_EVERY_FRAMES == 0:
                parts.append(build_stream_map(0, StreamType.G711A))
            parts += [build_pes_header(AUDIO_ID, stamp, len(a_law)), a_law]
            body = b"".join(parts)
        packet = _header(0x80, self._type | marker, self._sequence, stamp & 0xFFFFFFFF, self._ssrc) + body
        self._sequence = self._sequence + 1 & 0xFFFF
        self._samples += FRAME_SAMPLES
        self._frames += 1
        self._is_first = False
        return packet

    def pack_tone(self, tone: Tone, event_type: int) -> bytes:
        """Return the packet of a tone in place of a frame: all of one tone carry the time of its beginning."""
        if tone.is_first:
            self._tone_stamp = self._samples
        marker = 0x80 if tone.is_first else 0
        stamp = self._tone_stamp & 0xFFFFFFFF
        packet = _header(0x80, event_type | marker, self._sequence, stamp, self._ssrc) + tone.payload
        self._sequence = self._sequence + 1 & 0xFFFF
        self._samples += FRAME_SAMPLES
        return packet


class Talk:
    """One voice line to a device."""

    def __init__(
        self, talk_id: str, transport: str, peer_ip: str | None, packer: Packer, sound: Sound | None = None
    ) -> None:
        self.sound = sound or A_LAW
        self.follows_peer = sound is not None
        self.heard_s = 0.0
        self.is_lost = False
        self.talk_id = talk_id
        self.transport = transport
        self.peer_ip = peer_ip
        self.buffer = JitterBuffer()
        self.microphone: Viewer | None = None
        self.level = 0
        self.sent = 0
        self.choked = 0
        self.strangers = 0
        self.late_frames = 0
        self.is_started = False
        self._packer = packer
        self._udp: socket.socket | None = None
        self._target: tuple[str, int] | None = None
        self._server: asyncio.Server | None = None
        self._writer: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._tones: deque[Tone | None] = deque()

    # -- towards the device

    def open_udp(self, ports: PortRange) -> int:
        """Bind the port packets leave from, and where the device's own sound may come back."""
        made = ports.bind(socket.SOCK_DGRAM)
        self._udp = made
        asyncio.get_running_loop().add_reader(made.fileno(), self._read_udp)
        return int(made.getsockname()[1])

    async def listen(self, ports: PortRange, on_closed: Callable[[Talk, str], None]) -> int:
        """Wait for the device's connection; others are refused."""
        raw = ports.bind(socket.SOCK_STREAM)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Line(self, on_closed), sock=raw, backlog=2)
        return int(raw.getsockname()[1])

    async def connect(self, ip: str, port: int, on_closed: Callable[[Talk, str], None]) -> None:
        """Connect to a device that listens. Errors: OSError, TimeoutError."""
        async with asyncio.timeout(3.0):
            await asyncio.get_running_loop().create_connection(lambda: _Line(self, on_closed), ip, port)

    def aim(self, ip: str, port: int) -> None:
        """Say where packets go over UDP."""
        self._target = (ip, port)

    def adopt(self, transport: asyncio.Transport) -> bool:
        """Take a connection as the device's; False when it is a stranger's or a second one."""
        peer = transport.get_extra_info("peername")
        if self._writer is not None or (self.peer_ip and (not peer or peer[0] != self.peer_ip)):
            self.strangers += 1
            return False
        self._writer = transport
        return True

    def lose(self, transport: asyncio.Transport | None) -> bool:
        """Say whether the connection that ended was the device's."""
        if transport is None or transport is not self._writer:
            return False
        self._writer = None
        return True

    def hear(self, packets: list[bytes]) -> None:
        """Pass the device's own sound on to the operator; anything that is not G.711 A is left out."""
        viewer = self.microphone
        if viewer is None:
            return
        for packet in packets:
            found = read_packet(packet)
            if found is not None and found.payload_type == self.sound.payload_type and found.payload:
                viewer.send_media(binary_frame([self.sound.decode(found.payload[:1600])]), is_key=True)

    def send_tones(self, digits: str) -> None:
        """Send digits as telephone events in place of speech; those before are sent to their end first."""
        self._tones.extend(tones(digits))

    def is_silent(self, now_s: float) -> bool:
        """Say, once, that the other side has sent nothing for too long."""
        limit_s = self.sound.silent_after_s
        if not self.is_started or self.is_lost or not limit_s or now_s - self.heard_s < limit_s:
            return False
        self.is_lost = True
        return True

    def start(self) -> None:
        """Begin to send, a frame each 20 ms."""
        if self.is_started:
            return
        self.is_started = True
        loop = asyncio.get_running_loop()
        self._due_s = self.heard_s = loop.time()
        self._beat()

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        behind = int((loop.time() - self._due_s) / FRAME_S)
        if behind > 0:  # the time is lost: what was due then would only come as a burst now
            self.late_frames += behind
            self._packer.skip(behind)
            self._due_s += behind * FRAME_S
        pcm = self.buffer.take()
        tone = self._tones.popleft() if self._tones else None
        if tone is not None:
            self._send(self._packer.pack_tone(tone, self.sound.event_type))
        else:
            self._send(self._packer.pack(self.sound.encode(pcm)))
        self._due_s += FRAME_S
        self._timer = loop.call_at(self._due_s, self._beat)

    def _send(self, packet: bytes) -> None:
        if self._udp is not None and self._target is not None:
            try:
                self._udp.sendto(packet, self._target)
            except OSError:
                self.choked += 1
                return
        elif self._writer is not None:
            if self._writer.get_write_buffer_size() > MAX_UNSENT_BYTES:
                self.choked += 1  # the device does not read: old speech is of no use to it
                return
            self._writer.write(frame_packet(packet))
        else:
            return
        self.sent += 1

    def _read_udp(self) -> None:
        made = self._udp
        if made is None:
            return
        packets: list[bytes] = []
        for _ in range(DRAIN):
            try:
                data, address = made.recvfrom(2048)
            except OSError:
                break
            if self.follows_peer and address[0] == self.peer_ip and address != self._target:
                self._target = address  # behind an address translation the port is another than it says
            if self._target is not None and address[0] == self._target[0]:
                packets.append(data)
            else:
                self.strangers += 1
        if packets:
            self.heard_s = asyncio.get_running_loop().time()
        self.hear(packets)

    def close(self, ports: PortRange, reason: str) -> None:
        """End it: the microphone is told why, sockets are closed."""
        if self._timer is not None:
            self._timer.cancel()
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp.fileno())
            ports.release(self._udp.getsockname()[1])
            self._udp.close()
            self._udp = None
        if self._server is not None:
            ports.release(self._server.sockets[0].getsockname()[1])
            self._server.close()
            self._server = None
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        viewer, self.microphone = self.microphone, None
        if viewer is not None:
            viewer.end(reason)

    # -- from the operator

    def take(self, pcm: bytes) -> None:
        """Take samples of the microphone; an empty message says that the key was let go."""
        if not pcm:
            self.buffer.end_of_speech()
            return
        self.level = max(self.level, peak(pcm))
        self.buffer.put(pcm)

    def status(self) -> Message:
        """Return how the line is doing, for its operator."""
        level, self.level = self.level, 0
        return {
            "type": "status",
            "sent": self.sent,
            "waiting_ms": len(self.buffer) * 20,
            "dropped": self.buffer.dropped,
            "choked": self.choked,
            "level": round(level / 32_768, 3),
        }


class _Line(asyncio.Protocol):
    """The TCP connection of a talk, whoever opened it."""

    def __init__(self, talk: Talk, on_closed: Callable[[Talk, str], None]) -> None:
        self._talk = talk
        self._on_closed = on_closed
        self._transport: asyncio.Transport | None = None
        self._port = TcpPort(talk.hear, lambda reason: None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast(asyncio.Transport, transport)
        if not self._talk.adopt(made):
            made.abort()
            return
        self._transport = made
        raw: socket.socket | None = made.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._port.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._talk.lose(self._transport):
            self._on_closed(self._talk, "connection_closed")


class Talks:
    """The voice lines of a worker: the verbs about them, and the microphones that join them."""

    def __init__(self, ports: PortRange, ip: str, clock: Clock, event: Callable[[str, str, str], None]) -> None:
        """`event` tells the control process: what happened (joined, left, lost), of which talk, why."""
        self._ports = ports
        self._ip = ip
        self._clock = clock
        self._event = event
        self._talks: dict[str, Talk] = {}
        self._tickets = TicketBox()
        self.verbs: dict[str, Callable[[Message], Awaitable[object]]] = {
            "talk_open": self._open,
            "talk_aim": self._aim,
            "talk_start": self._start,
            "talk_tones": self._send_tones,
            "talk_ticket": self._ticket,
            "talk_close": self._close,
        }

    def __len__(self) -> int:
        return len(self._talks)

    def get(self, talk_id: str) -> Talk | None:
        """Return a talk, or None."""
        return self._talks.get(talk_id)

    # -- verbs

    async def _open(self, message: Message) -> object:
        talk_id, transport = str(message["talk_id"]), str(message["transport"])
        if talk_id in self._talks or len(self._talks) >= MAX_TALKS:
            raise TalkRefused("busy", "the talk is open already, or too many are")
        packer = Packer(int(message["ssrc"]), str(message["payload"]), int(message["payload_type"]))
        peer_ip = message.get("peer_ip")
        talk = Talk(talk_id, transport, None if peer_ip is None else str(peer_ip), packer, _sound_of(message))
        port = 9
        try:
            if transport == "udp":
                port = talk.open_udp(self._ports)
            elif transport == "tcp_passive":
                port = await talk.listen(self._ports, self._lost)
            elif transport != "tcp_active":
                raise TalkRefused("invalid", f"no transport {transport}")
        except PortsExhausted as error:
            raise TalkRefused("ports_exhausted", str(error)) from error
        self._talks[talk_id] = talk
        return {"ip": self._ip, "port": port}

    async def _aim(self, message: Message) -> object:
        talk = self._of(message)
        ip, port = str(message["ip"]), int(message["port"])
        if talk.transport == "udp":
            talk.aim(ip, port)
        else:
            try:
                await talk.connect(ip, port, self._lost)
            except (OSError, TimeoutError) as error:
                raise TalkRefused("connect_failed", str(error) or "no answer") from error
        return {}

    async def _start(self, message: Message) -> object:
        self._of(message).start()
        return {}

    async def _send_tones(self, message: Message) -> object:
        digits = str(message["digits"])[:MAX_TONES]
        self._of(message).send_tones(digits)
        return {}

    async def _ticket(self, message: Message) -> object:
        talk = self._of(message)
        ticket = Ticket(
            str(message["ticket"]),
            talk.talk_id,
            str(message["viewer_id"]),
            str(message["view_id"]),
            float(message["expires_at"]),
        )
        self._tickets.put(ticket, self._clock.now().timestamp())
        return {}

    async def _close(self, message: Message) -> object:
        talk = self._talks.pop(str(message["talk_id"]), None)
        if talk is not None:
            talk.close(self._ports, str(message.get("reason") or "ended"))
        return {}

    def _of(self, message: Message) -> Talk:
        talk = self._talks.get(str(message["talk_id"]))
        if talk is None:
            raise TalkRefused("not_found", "no such talk")
        return talk

    def _lost(self, talk: Talk, reason: str) -> None:
        if self._talks.get(talk.talk_id) is talk:
            self._event("lost", talk.talk_id, reason)

    # -- microphones

    def admit(self, viewer: Viewer, talk_id: str, secret: str) -> tuple[int, str]:
        """Check the ticket of a microphone."""
        ticket = self._tickets.take(secret, talk_id, self._clock.now().timestamp())
        if ticket is None or talk_id not in self._talks:
            return HTTPStatus.FORBIDDEN, "this ticket is unknown, used or too old"
        viewer.ticket = ticket
        viewer.is_microphone = True
        return HTTPStatus.SWITCHING_PROTOCOLS, ""

    def seat(self, viewer: Viewer) -> None:
        """Let a microphone speak; the one before it is told to leave."""
        talk = self._talk_of(viewer)
        if talk is None:
            viewer.end("ended")
            return
        former, talk.microphone = talk.microphone, viewer
        if former is not None:
            former.end("replaced")
        viewer.send_text(text_frame({"type": "ready", "rate_hz": 8000, "frame_samples": FRAME_SAMPLES}))
        self._event("joined", talk.talk_id, "")

    def heard(self, viewer: Viewer, data: bytes) -> None:
        """Take samples of a microphone."""
        talk = self._talk_of(viewer)
        if talk is not None and talk.microphone is viewer:
            talk.take(data)

    def left(self, viewer: Viewer) -> None:
        """A microphone is gone."""
        talk = self._talk_of(viewer)
        if talk is not None and talk.microphone is viewer:
            talk.microphone = None
            talk.buffer.end_of_speech()
            self._event("left", talk.talk_id, viewer.ended or "left")

    def each_second(self) -> None:
        """Tell operators how their lines do; forget tickets nobody used."""
        self._tickets.expire(self._clock.now().timestamp())
        now_s = asyncio.get_running_loop().time()
        for talk in self._talks.values():
            if talk.is_silent(now_s):
                self._event("lost", talk.talk_id, "rtp_timeout")
            if talk.microphone is not None:
                with contextlib.suppress(OSError):
                    talk.microphone.send_text(text_frame(talk.status()))

    def close(self) -> None:
        """End every line."""
        for talk in self._talks.values():
            talk.close(self._ports, "restart")
        self._talks.clear()

    def _talk_of(self, viewer: Viewer) -> Talk | None:
        return self._talks.get(viewer.ticket.stream_id) if viewer.ticket is not None else None


def _sound_of(message: Message) -> Sound | None:
    """Return how a call's sound is written; None for a line to a camera."""
    if "law" not in message:
        return None
    return Sound(
        int(message["payload_type"]),
        message["law"] == "pcmu",
        int(message["event_type"]),
        float(message["silent_after_s"]),
    )
