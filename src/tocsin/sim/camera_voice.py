"""The loudspeaker of a simulated camera: takes voice in the variants of the field, and keeps what it heard."""

from __future__ import annotations

import asyncio
import contextlib
from array import array
from collections.abc import Sequence
from enum import StrEnum
from math import cos, hypot, pi, sin
from typing import TYPE_CHECKING, Final

from tocsin.protocols.gb28181.ids import type_of
from tocsin.protocols.gb28181.manscdp import Document
from tocsin.protocols.gb28181.voice import (
    VOICE_OUTPUT,
    Broadcast,
    Payload,
    broadcast_offer,
    broadcast_response,
    read_broadcast,
    read_offer,
    talk_answer,
)
from tocsin.protocols.rtp.audio import encode_a_law
from tocsin.protocols.rtp.framing import PacketReader, frame_packet
from tocsin.protocols.rtp.g711 import RATE_HZ, decode_a_law
from tocsin.protocols.rtp.packet import PT_PCMA, RtpPacket, build_packet, read_packet
from tocsin.protocols.rtp.ps import Demuxer
from tocsin.protocols.sip.dialog import Accepted, Ended, InviteClient, Rejected, Unanswered
from tocsin.protocols.sip.message import Request, Response
from tocsin.protocols.sip.sdp import BadSdp, MediaMode, Sdp, parse_sdp
from tocsin.protocols.sip.transaction import Send

if TYPE_CHECKING:
    from tocsin.sim.camera import SimCamera

MAX_HEARD_BYTES: Final = 60 * RATE_HZ
ANSWER_TONE_HZ: Final = 1000


class VoiceQuirk(StrEnum):
    """How a device takes voice; without any it answers its loudspeaker, fetches G.711 over UDP and sends its ACK."""

    ONLY_CHANNEL = "only_channel"  # a broadcast to anything else is refused
    ONLY_DEVICE = "only_device"
    NO_RESPONSE = "no_response"  # invites without a Response
    INVITE_FIRST = "invite_first"
    REFUSES = "refuses"
    BUSY = "busy"
    NO_INVITE = "no_invite"
    TCP_ACTIVE = "tcp_active"  # it connects to us
    TCP_PASSIVE = "tcp_passive"
    NO_SSRC = "no_ssrc"
    TO_ITSELF = "to_itself"
    NO_ACK = "no_ack"
    WANTS_PS = "wants_ps"
    OTHER_FORMAT = "other_format"
    CANCELS = "cancels"
    ONLY_TALK = "only_talk"
    TALK_UDP = "talk_udp"
    SILENT = "silent"


class SimVoice:
    """Takes voice as `quirks` say; `heard` is the A-law it played."""

    def __init__(self, camera: SimCamera) -> None:
        self._camera = camera
        self.quirks: frozenset[VoiceQuirk] = frozenset()
        self.heard = bytearray()
        self.packets: list[RtpPacket] = []
        self.broadcasts: list[Broadcast] = []
        self.calls = 0
        self.byes = 0
        self.acks = 0
        self.has_heard = asyncio.Event()
        self._clients: dict[str, InviteClient] = {}
        self._closers: list[object] = []
        self._demuxer = Demuxer()

    @property
    def open_calls(self) -> int:
        """How many calls of its own are open."""
        return sum(client.state not in ("ended",) for client in self._clients.values())

    # -- broadcast

    def take(self, document: Document) -> int:
        """Take a document; the status a broadcast is answered with, 0 when it is something else."""
        asked = read_broadcast(document)
        if asked is None:
            return 0
        self.broadcasts.append(asked)
        quirks, kind = self.quirks, type_of(asked.target_id)
        if VoiceQuirk.SILENT in quirks:
            return -1
        if VoiceQuirk.BUSY in quirks:
            return 486
        if VoiceQuirk.ONLY_TALK in quirks:
            return 400
        is_device = asked.target_id == self._camera.plan.gb_id
        is_right = kind == VOICE_OUTPUT
        if VoiceQuirk.ONLY_CHANNEL in quirks:
            is_right = kind != VOICE_OUTPUT and not is_device
        if VoiceQuirk.ONLY_DEVICE in quirks:
            is_right = is_device
        self._camera.start(self._answer(asked, is_right and VoiceQuirk.REFUSES not in quirks))
        return 200

    async def _answer(self, asked: Broadcast, is_ok: bool) -> None:
        camera, quirks = self._camera, self.quirks
        body = broadcast_response(asked.sn, asked.target_id, is_ok=is_ok, label=camera.label)
        response = camera.outgoing("MESSAGE", body)
        if VoiceQuirk.INVITE_FIRST in quirks and is_ok:
            await self._fetch(asked)
        if VoiceQuirk.NO_RESPONSE not in quirks:
            await camera.wire.transact(response)
        if is_ok and not {VoiceQuirk.NO_INVITE, VoiceQuirk.INVITE_FIRST} & quirks:
            await self._fetch(asked)

    async def _fetch(self, asked: Broadcast) -> None:
        """Invite the platform and listen."""
        camera, quirks, wire = self._camera, self.quirks, self._camera.wire
        mode = MediaMode.UDP
        if VoiceQuirk.TCP_ACTIVE in quirks:
            mode = MediaMode.TCP_PASSIVE
        elif VoiceQuirk.TCP_PASSIVE in quirks:
            mode = MediaMode.TCP_ACTIVE
        port = await self._open(mode)
        payload = Payload.PS if VoiceQuirk.WANTS_PS in quirks else Payload.RAW
        ssrc = None if VoiceQuirk.NO_SSRC in quirks else 200_000_777
        offer = broadcast_offer(
            own_id=camera.plan.gb_id, ip=wire.host, port=port, mode=mode, ssrc=ssrc, payload=payload
        ).encode()
        if VoiceQuirk.OTHER_FORMAT in quirks:
            offer = offer.replace(b"RTP/AVP 8", b"RTP/AVP 0").replace(b"a=rtpmap:8 PCMA/8000\r\n", b"")
        server_id = camera.plan.gb_id if VoiceQuirk.TO_ITSELF in quirks else asked.source_id
        client = InviteClient(
            target=f"sip:{asked.source_id}@{wire.server[0]}:{wire.server[1]}",
            to_uri=f"sip:{server_id}@{camera.plan.realm}",
            local=camera.local,
            call_id=camera.new_word()[:20],
            tag=camera.new_word()[:8],
            tokens=camera.new_word,
            body=offer,
            headers=[("Subject", f"{asked.source_id}:1,{camera.plan.gb_id}:1")],
            timers=wire.timers,
        )
        self._clients[client.call_id] = client
        wire.own_call(client.call_id, camera)
        self.calls += 1
        self._perform(client, client.start(camera.clock.monotonic()), mode)
        if VoiceQuirk.CANCELS in quirks:
            self._perform(client, client.cancel(camera.clock.monotonic()), mode)
        while client.state != "ended":
            due = client.timer()
            wait_s = 0.05 if due is None else min(0.05, max(0.0, due - camera.clock.monotonic()))
            await camera.clock.sleep(wait_s)
            if due is not None and camera.clock.monotonic() >= due:
                self._perform(client, client.handle_timer(camera.clock.monotonic()), mode)
        await self.close()

    def receive(self, request: Request) -> bool:
        """Take a request of a call of ours; False when it is none."""
        client = self._clients.get(request.call_id)
        if client is None:
            return False
        self.byes += request.method == "BYE"
        self._perform(client, client.receive_request(request), MediaMode.UDP)
        return True

    def receive_response(self, response: Response) -> bool:
        """Take a response to a call of ours; False when it is to none."""
        client = self._clients.get(response.call_id)
        if client is None:
            return False
        mode = MediaMode.TCP_PASSIVE if VoiceQuirk.TCP_ACTIVE in self.quirks else MediaMode.UDP
        self._perform(client, client.receive(response, self._camera.clock.monotonic()), mode)
        return True

    def hang_up(self) -> None:
        """Say BYE on every call of its own."""
        for client in self._clients.values():
            self._perform(client, client.cancel(self._camera.clock.monotonic()), MediaMode.UDP)

    def _perform(self, client: InviteClient, outputs: Sequence[object], mode: MediaMode) -> None:
        for output in outputs:
            if isinstance(output, Send):
                is_ack = output.data.startswith(b"ACK ")
                self.acks += is_ack
                if not (is_ack and VoiceQuirk.NO_ACK in self.quirks):
                    self._camera.wire.send(output.data)
            elif isinstance(output, Accepted) and mode is MediaMode.TCP_PASSIVE:
                answer = parse_sdp(output.response.body)
                if isinstance(answer, Sdp) and answer.media:
                    self._camera.start(self._connect(answer))
            elif isinstance(output, Rejected | Unanswered | Ended):
                self._camera.start(self.close())

    # -- talk

    async def answer_talk(self, offer: Sdp, own_id: str) -> bytes | int:
        """Return the answer to a talk, or the status that refuses it; the sound comes and goes over what it says."""
        asked = read_offer(offer)
        if VoiceQuirk.BUSY in self.quirks:
            return 486
        if asked is None or (VoiceQuirk.TALK_UDP in self.quirks and asked.mode is not MediaMode.UDP):
            return 488
        self.calls += 1
        ip, ssrc = self._camera.wire.host, offer.ssrc
        port = 9
        if asked.mode is MediaMode.UDP:
            port = await self._open(MediaMode.UDP, talk_to=(asked.ip, asked.port))
        else:
            self._camera.start(self._connect(offer, talks=True))
        made = talk_answer(offer, own_id=own_id, ip=ip, port=port, ssrc=ssrc)
        return 488 if made is None else made.encode()

    # -- sound

    async def _open(self, mode: MediaMode, talk_to: tuple[str, int] | None = None) -> int:
        loop = asyncio.get_running_loop()
        if mode is MediaMode.TCP_PASSIVE:
            return 9
        if mode is MediaMode.TCP_ACTIVE:
            server = await asyncio.start_server(lambda reader, writer: self._read(reader, writer), "127.0.0.1", 0)
            self._closers.append(server)
            return int(server.sockets[0].getsockname()[1])
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Ear(self, talk_to), local_addr=(self._camera.wire.host, 0)
        )
        self._closers.append(transport)
        return int(transport.get_extra_info("sockname")[1])

    async def _connect(self, sdp: Sdp, *, talks: bool = False) -> None:
        line = sdp.media[0]
        ip = line.connection or sdp.connection or sdp.origin_ip
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(ip, line.port)
            if talks:
                for packet in tone_packets(sdp.ssrc or 1):
                    writer.write(frame_packet(packet))
            await self._read(reader, writer)

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packets = PacketReader()
        self._closers.append(writer)
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                for packet in packets.receive(data):
                    self.hear(packet)
        writer.close()

    def hear(self, data: bytes) -> None:
        """Play one packet."""
        packet = read_packet(data)
        if packet is None or len(self.heard) > MAX_HEARD_BYTES:
            return
        self.packets.append(packet)
        if packet.payload_type == PT_PCMA:
            self.heard += packet.payload
        else:
            for unit in self._demuxer.feed(packet.payload):
                self.heard += unit.payload
        self.has_heard.set()

    async def close(self) -> None:
        """Stop listening."""
        closers, self._closers = self._closers, []
        for closer in closers:
            closer.close()  # type: ignore[attr-defined]


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, voice: SimVoice, talk_to: tuple[str, int] | None) -> None:
        self._voice = voice
        self._talk_to = talk_to

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._talk_to is not None:
            for packet in tone_packets(1):
                transport.sendto(packet, self._talk_to)  # type: ignore[attr-defined]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._voice.hear(data)


def tone(frequency_hz: float, duration_s: float, *, volume: int = 12_000) -> bytes:
    """Return a sine as 16-bit little-endian samples, 8 kHz."""
    count = int(duration_s * RATE_HZ)
    return array("h", (round(volume * sin(2 * pi * frequency_hz * i / RATE_HZ)) for i in range(count))).tobytes()


def tone_packets(ssrc: int, *, frames: int = 50) -> list[bytes]:
    """Return a second of the sound a talking device sends."""
    samples = [round(8000 * sin(2 * pi * ANSWER_TONE_HZ * i / RATE_HZ)) for i in range(160)]
    body = encode_a_law(samples)
    return [build_packet(RtpPacket(PT_PCMA, i, i * 160, ssrc, i == 0, body)) for i in range(frames)]


def strength(a_law: bytes, frequency_hz: float) -> float:
    """Return the share of a frequency in A-law sound, 0 to 1. Source: the Goertzel sum of a single bin."""
    samples = array("h", decode_a_law(a_law))
    energy = sum(sample * sample for sample in samples)
    if not energy:
        return 0.0
    step = 2 * pi * frequency_hz / RATE_HZ
    real = sum(sample * cos(step * index) for index, sample in enumerate(samples))
    imaginary = sum(sample * sin(step * index) for index, sample in enumerate(samples))
    return hypot(real, imaginary) ** 2 / (energy * len(samples) / 2)


def read_talk(invite: Request) -> Sdp | None:
    """Return the offer of a talk; None for any other INVITE."""
    offer = parse_sdp(invite.body)
    if isinstance(offer, BadSdp) or not offer.media or offer.media[0].kind != "audio":
        return None
    return offer
