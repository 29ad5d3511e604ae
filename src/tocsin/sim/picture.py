"""The picture a simulated camera sends: drawn, encoded, packed as PS, cut into RTP, over UDP or TCP.

The encoder runs free: whoever asks joins it at whatever point of its key interval it is, and key-frame requests are
ignored. `live_encoder=False` replays a short loop made once, so that one process can play hundreds of cameras.
"""

from __future__ import annotations

import asyncio
import importlib
import random
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import structlog

from tocsin.base.clock import Clock, SystemClock
from tocsin.protocols.rtp.audio import encode_a_law
from tocsin.protocols.rtp.framing import frame_packet
from tocsin.protocols.rtp.packet import SenderReport, build_sender_report
from tocsin.protocols.rtp.packetizer import MAX_PAYLOAD_BYTES, Packetizer
from tocsin.protocols.rtp.ps import Muxer, StreamType, build_stream_map
from tocsin.sim.camera_head import STRAIGHT, Aim
from tocsin.sim.camera_tone import PLAIN, Tone

log = structlog.get_logger(__name__)

CLOCK_HZ = 90_000
LOOP_S = 2
LATE_PICTURES = 5
MAX_WARM = 32
MAX_TCP_BACKLOG_BYTES = 2 << 20
SEND_BUFFER_BYTES = 1 << 20
REPORT_EVERY_S = 5
CONNECT_TIMEOUT_S = 5.0
NTP_EPOCH_S = 2_208_988_800
JUMP_TICKS = 60 * CLOCK_HZ
JUMPS_EVERY = 20
TORN_BYTES = 900
_TONE = encode_a_law([0, 5400, 7600, 5400, 0, -5400, -7600, -5400])  # 1 kHz at 8 kHz


@dataclass(frozen=True, slots=True)
class PictureQuirks:
    """What real cameras do wrong. `marker`: last, always or never; shares are of packets."""

    no_stream_map: bool = False
    wrong_map_crc: bool = False
    marker: str = "last"
    ssrc_offset: int = 0
    pts_start: int = 0
    loss_share: float = 0.0
    swap_share: float = 0.0
    rtcp: bool = False
    slices: int = 1
    delimiters: bool = False
    payload_bytes: int = MAX_PAYLOAD_BYTES
    ssrc_every: int = 0  # pictures after which the number changes
    encrypted: bool = False
    times: str = ""  # jump, stand or khz8: what is wrong with the time stamps
    tears_every: int = 0  # pictures after which bytes are missing on a TCP connection


@dataclass(frozen=True, slots=True)
class PictureSpec:
    """One camera's picture. `live_encoder` False replays a loop of two seconds; `key_every_s` 1 by default."""

    seed: int = 1
    name: str = "CAM"
    codec: str = "h264"
    width: int = 640
    height: int = 360
    fps: int = 25
    bitrate_bps: int = 1_000_000
    audio: bool = False
    night: bool = False
    utc_offset_s: int = 0
    key_every_s: float = 1.0
    live_encoder: bool = True
    stamped: bool = False  # each picture of a loop says when it was sent
    listen_ip: str = "127.0.0.1"
    fault: str = ""  # what is wrong with the picture, of `picture_faults.FAULTS`
    severity: float = 1.0
    fault_after_s: float = 0.0  # from the start of the process on
    quirks: PictureQuirks = field(default_factory=PictureQuirks)

    @property
    def key_every(self) -> int:
        """Return the pictures from one key to the next."""
        return max(1, round(self.fps * self.key_every_s))


def sub_stream(spec: PictureSpec) -> PictureSpec:
    """Return the sub stream of a camera: 640x360 or half the main picture, few pictures a second, few bits."""
    width, height = (640, 360) if spec.width >= 1280 else (spec.width // 4 * 2, spec.height // 4 * 2)
    return replace(
        spec, codec="h264", width=width, height=height, fps=min(spec.fps, 12), bitrate_bps=300_000, audio=False
    )


class PictureSender(Protocol):
    """Sends one picture until stopped."""

    async def start_udp(self, ip: str, port: int, ssrc: int, *, local_port: int | None = None) -> int:
        """Send over UDP; return the local port."""

    async def start_tcp_active(self, ip: str, port: int, ssrc: int) -> int:
        """Connect and send; return the local port. Errors: OSError, TimeoutError."""

    async def start_tcp_passive(self, ssrc: int) -> int:
        """Listen, send to the first who connects; return the port."""

    async def stop(self) -> None:
        """Stop sending and close."""


def make_sender(spec: PictureSpec, clock: Clock | None = None) -> PictureSender:
    """Return a sender of the picture `spec`. Errors: ImportError without the extra tocsin[picture]."""
    importlib.import_module("tocsin.sim.street")  # here, so that this module can be imported without the extra
    return Sender(spec, clock or SystemClock())


class Pictures(Protocol):
    """Encoded pictures by number; number n is due at n / fps seconds of the wall clock."""

    def at(self, number: int) -> tuple[bytes, bool]:
        """Return the Annex B bytes of a picture and whether it is a key; called with ascending numbers."""


class LoopPictures:
    """Pictures replayed from a loop that begins with a key."""

    def __init__(self, loop: list[tuple[bytes, bool]], offset: int) -> None:
        self._loop = loop
        self._offset = offset

    def at(self, number: int) -> tuple[bytes, bool]:
        """Return the picture that the loop shows at this number."""
        return self._loop[(number + self._offset) % len(self._loop)]


STAMP_MARK = bytes.fromhex("b1d8a5c05c0e4c1a9d4e70c51b00e26d")
STAMP_DIGITS = 16


class StampedPictures:
    """Pictures that say in a supplemental message when they were taken: monotonic nanoseconds, 16 hex digits."""

    def __init__(self, pictures: Pictures, clock: Clock) -> None:
        self._pictures = pictures
        self._clock = clock

    def at(self, number: int) -> tuple[bytes, bool]:
        """Return the picture behind its stamp. Source: ITU-T H.264, user_data_unregistered."""
        picture, is_key = self._pictures.at(number)
        stamp = b"%016x" % int(self._clock.monotonic() * 1e9)
        message = bytes((6, 5, len(STAMP_MARK) + STAMP_DIGITS)) + STAMP_MARK + stamp + b"\x80"
        return b"\0\0\0\1" + message + picture, is_key


class LivePictures:
    """Pictures drawn and encoded when they are due, so that the clock in them is right."""

    def __init__(self, spec: PictureSpec, offset: int, clock: Clock) -> None:
        from tocsin.sim.street import Encoder, Street

        self._spec = spec
        self._offset = offset
        self._clock = clock
        quirks = spec.quirks
        self._street = Street(
            spec.seed, spec.name, spec.width, spec.height, night=spec.night, utc_offset_s=spec.utc_offset_s
        )
        self._encoder = Encoder(
            spec.width,
            spec.height,
            spec.fps,
            spec.bitrate_bps,
            codec=spec.codec,
            slices=quirks.slices,
            delimiters=quirks.delimiters,
        )
        self._frozen: Any = None
        self._started_s = _STARTED.setdefault(spec, clock.monotonic())  # over all its calls
        self._lock = threading.Lock()  # a call that was given up may still be encoding
        self.drawn_s = 0.0  # when the last picture was drawn, monotonic
        self.look: Callable[[], Aim] = lambda: STRAIGHT
        self.tone: Callable[[], Tone] = lambda: PLAIN
        self._encoder.encode(self._street.draw(self._now_ms()), is_key=True)  # sent to nobody: it runs already

    def at(self, number: int) -> tuple[bytes, bool]:
        """Draw and encode the present."""
        is_key = (number + self._offset) % self._spec.key_every == 0
        with self._lock:
            self.drawn_s = self._clock.monotonic()
            return self._encoder.encode(self._drawn(), is_key=is_key), is_key

    def still(self) -> bytes:
        """Draw the present as JPEG, set and turned as the stream is."""
        from tocsin.sim.street import as_jpeg

        return as_jpeg(self._drawn())

    def _drawn(self) -> Any:
        """Draw the present, with the fault the camera has by now."""
        spec = self._spec
        if not spec.fault or self._clock.monotonic() - self._started_s < spec.fault_after_s:
            return self._street.draw(self._now_ms(), self.look(), self.tone())
        from tocsin.sim.picture_faults import spoil

        if self._frozen is None or spec.fault != "frozen":
            self._frozen = self._street.draw(self._now_ms(), self.look(), self.tone())
        return spoil(self._frozen, spec.fault, spec.severity, spec.seed)

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


_STARTED: dict[PictureSpec, float] = {}
_loops: dict[PictureSpec, list[tuple[bytes, bool]]] = {}
_loops_lock = threading.Lock()
_encoders = ThreadPoolExecutor(max_workers=4, thread_name_prefix="encoder")


_warm: dict[PictureSpec, LivePictures] = {}


def phase_of(spec: PictureSpec) -> int:
    """Return where in its key interval the free-running encoder of a camera is at second 0 of the epoch."""
    return random.Random(spec.seed).randrange(spec.key_every)


def open_pictures(spec: PictureSpec, clock: Clock) -> Pictures:
    """Return the encoder of a camera, the one already warm if there is one; may take a fraction of a second."""
    if not spec.live_encoder:
        pictures = LoopPictures(prepare_loop(spec, clock), phase_of(spec))
        return StampedPictures(pictures, clock) if spec.stamped else pictures
    return take_warm(spec) or LivePictures(spec, phase_of(spec), clock)


def take_warm(spec: PictureSpec) -> Pictures | None:
    """Return the encoder kept warm for a camera, and keep it no longer; None when there is none."""
    return _warm.pop(spec, None)


def keep_warm(spec: PictureSpec, pictures: Pictures) -> None:
    """Keep an encoder for the next call; at most 32 are kept."""
    if isinstance(pictures, LivePictures) and len(_warm) < MAX_WARM:
        _warm[spec] = pictures


async def take_still(spec: PictureSpec, clock: Clock) -> bytes:
    """Return what a camera sees now as a JPEG."""
    return await asyncio.get_running_loop().run_in_executor(_encoders, _still, spec, clock)


def _still(spec: PictureSpec, clock: Clock) -> bytes:
    from tocsin.sim.street import Street, still

    street = Street(spec.seed, spec.name, spec.width, spec.height, night=spec.night, utc_offset_s=spec.utc_offset_s)
    return still(street.draw(int(clock.now().timestamp() * 1000)))


async def warm_up(specs: Iterable[PictureSpec], clock: Clock | None = None) -> None:
    """Prepare encoders and loops before anybody asks, as cameras are that run already; the first 32 live ones."""
    loop, known = asyncio.get_running_loop(), clock or SystemClock()
    for spec in specs:
        if not spec.live_encoder or len(_warm) < MAX_WARM:
            keep_warm(spec, await loop.run_in_executor(_encoders, open_pictures, spec, known))


def prepare_loop(spec: PictureSpec, clock: Clock | None = None) -> list[tuple[bytes, bool]]:
    """Return the loop of a picture, made once for a process and kept in memory; takes a second or so the first time."""
    from tocsin.sim.street import Encoder, Street, draw_loop

    # What happens to the packets later makes no other loop.
    quirks = PictureQuirks(slices=spec.quirks.slices, delimiters=spec.quirks.delimiters)
    spec = replace(spec, quirks=quirks, audio=False, stamped=False, listen_ip="")
    with _loops_lock:
        loop = _loops.get(spec)
        if loop is None:
            street = Street(
                spec.seed, spec.name, spec.width, spec.height, night=spec.night, utc_offset_s=spec.utc_offset_s
            )
            encoder = Encoder(
                spec.width,
                spec.height,
                spec.fps,
                spec.bitrate_bps,
                codec=spec.codec,
                slices=quirks.slices,
                delimiters=quirks.delimiters,
            )
            count = max(1, round(LOOP_S * spec.fps / spec.key_every)) * spec.key_every
            start_ms = int((clock or SystemClock()).now().timestamp() * 1000)
            loop = _loops[spec] = list(draw_loop(street, encoder, spec.fps, count, start_ms, spec.key_every))
        return loop


def encrypt(picture: bytes) -> bytes:
    """Return a picture as devices with a verification code send it: start codes stand, what follows is scrambled."""
    parts = picture.split(b"\x00\x00\x01")
    return b"\x00\x00\x01".join(bytes(byte ^ 0x9D for byte in part) for part in parts)


class Packer:
    """Access units to RTP packets with the quirks of one camera."""

    def __init__(self, spec: PictureSpec, ssrc: int) -> None:
        quirks = spec.quirks
        video_type = StreamType.H264 if spec.codec == "h264" else StreamType.H265
        audio_type = StreamType.G711A if spec.audio else 0
        self._quirks = quirks
        self._muxer = Muxer(video_type, audio_type)
        self._has_audio = spec.audio
        self._chance = random.Random(spec.seed)
        self._cutter = Packetizer(
            (ssrc + quirks.ssrc_offset) & 0xFFFFFFFF,
            sequence=self._chance.randrange(65_536),
            max_payload=quirks.payload_bytes,
        )
        self._stream_map: bytes | None = None
        if quirks.no_stream_map:
            self._stream_map = b""
        elif quirks.wrong_map_crc:
            self._stream_map = build_stream_map(video_type, audio_type)[:-4] + b"\xde\xad\xbe\xef"
        self._audio_samples = 0
        self._pictures = 0
        self._late: bytes | None = None
        self.sent_packets = 0
        self.sent_bytes = 0

    def pack(self, picture: bytes, pts: int, *, is_key: bool, sound_samples: int = 0) -> list[bytes]:
        """Return the packets of one picture, and of the sound that goes with it."""
        stamp = pts + self._quirks.pts_start
        pts = self._spoiled(stamp)
        self._pictures += 1
        if self._quirks.ssrc_every and self._pictures % self._quirks.ssrc_every == 0:
            self._cutter.ssrc = (self._cutter.ssrc + 1) & 0xFFFFFFFF
        if self._quirks.encrypted:
            picture = encrypt(picture)
        pack = self._muxer.write_video(picture, pts, is_key=is_key, stream_map=self._stream_map)
        if self._has_audio and sound_samples:
            start = self._audio_samples % len(_TONE)
            sound = (_TONE * (sound_samples // len(_TONE) + 2))[start : start + sound_samples]
            self._audio_samples += sound_samples
            pack += self._muxer.write_audio(sound, pts)
        packets = self._cutter.packetize(pack, stamp)
        if self._quirks.marker != "last":
            bit = 0x80 if self._quirks.marker == "always" else 0
            packets = [packet[:1] + bytes((packet[1] & 0x7F | bit,)) + packet[2:] for packet in packets]
        if self._quirks.loss_share or self._quirks.swap_share:
            packets = self._disturb(packets)
        self.sent_packets += len(packets)
        self.sent_bytes += sum(map(len, packets))
        return packets

    def _spoiled(self, pts: int) -> int:
        """Return a time stamp as devices with a bad clock write it."""
        match self._quirks.times:
            case "jump":
                return pts + JUMP_TICKS * (self._pictures // JUMPS_EVERY % 2)
            case "stand":
                return JUMP_TICKS
            case "khz8":
                return pts * 8_000 // CLOCK_HZ
            case _:
                return pts

    def report(self, epoch_s: float, pts: int) -> bytes:
        """Return a sender report for the present."""
        ntp = int((epoch_s + NTP_EPOCH_S) * (1 << 32)) & (1 << 64) - 1
        timestamp = pts + self._quirks.pts_start & 0xFFFFFFFF
        return build_sender_report(SenderReport(self._cutter.ssrc, ntp, timestamp, self.sent_packets, self.sent_bytes))

    def _disturb(self, packets: list[bytes]) -> list[bytes]:
        kept: list[bytes] = []
        for packet in packets:
            if self._chance.random() < self._quirks.loss_share:
                continue
            if self._late is None and self._chance.random() < self._quirks.swap_share:
                self._late = packet
                continue
            kept.append(packet)
            if self._late is not None:
                kept.append(self._late)
                self._late = None
        return kept


class Sender:
    """Sends one picture over one transport."""

    def __init__(self, spec: PictureSpec, clock: Clock) -> None:
        self._spec = spec
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._close: Callable[[], None] = lambda: None
        self._look: Callable[[], Aim] = lambda: STRAIGHT
        self.sent_packets = 0

    def follow(self, look: Callable[[], Aim]) -> None:
        """Draw what a head that turns and zooms looks at; a replayed loop shows the same whatever it does."""
        self._look = look

    async def start_udp(self, ip: str, port: int, ssrc: int, *, local_port: int | None = None) -> int:
        """Send over UDP; return the local port."""
        made = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            if local_port is not None:
                made.bind(("", local_port))
            made.connect((ip, port))
        except OSError:
            made.close()
            raise
        self._close = made.close

        def send(packets: list[bytes]) -> bool:
            for packet in packets:
                try:
                    made.send(packet)
                except BlockingIOError:
                    pass  # a full buffer loses datagrams, as on a real camera
                except ConnectionRefusedError:
                    pass  # nobody listens any more: the BYE is under way
            return True

        local: int = made.getsockname()[1]
        self._start(ssrc, send)
        return local

    async def start_tcp_active(self, ip: str, port: int, ssrc: int) -> int:
        """Connect and send; return the local port. Errors: OSError, TimeoutError."""
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(ip, port)
        local: int = writer.get_extra_info("sockname")[1]
        self._send_over(writer, ssrc)
        return local

    async def start_tcp_passive(self, ssrc: int) -> int:
        """Listen, send to the first who connects; return the port."""
        connected = asyncio.Event()

        async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if connected.is_set():
                writer.transport.abort()
                return
            connected.set()
            server.close()
            self._send_over(writer, ssrc)

        server = await asyncio.start_server(accept, self._spec.listen_ip, 0)
        self._close = server.close
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Stop sending and close."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._close()

    def _send_over(self, writer: asyncio.StreamWriter, ssrc: int) -> None:
        transport = writer.transport
        self._close = transport.abort
        self._writer = writer  # a stream writer that nobody holds closes its connection
        tears_every, pictures = self._spec.quirks.tears_every, 0

        def send(packets: list[bytes]) -> bool:
            nonlocal pictures
            if transport.is_closing():
                return False
            data = b"".join(map(frame_packet, packets))
            pictures += 1
            if tears_every and pictures % tears_every == 0:  # a short write that nobody looked at
                data = data[: len(data) // 2] + data[len(data) // 2 + TORN_BYTES :]
            if transport.get_write_buffer_size() < MAX_TCP_BACKLOG_BYTES:
                writer.write(data)
            return True

        self._start(ssrc, send)

    def _start(self, ssrc: int, send: Callable[[list[bytes]], bool]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._play(ssrc, send), name=f"picture {self._spec.name}")

    async def _play(self, ssrc: int, send: Callable[[list[bytes]], bool]) -> None:
        loop = asyncio.get_running_loop()
        pictures: Pictures | None = take_warm(self._spec)
        if pictures is None:
            pictures = await loop.run_in_executor(_encoders, open_pictures, self._spec, self._clock)
        if isinstance(pictures, LivePictures):
            pictures.look = self._look
        try:
            await self._send_pictures(pictures, ssrc, send)
        finally:
            keep_warm(self._spec, pictures)

    async def _send_pictures(self, pictures: Pictures, ssrc: int, send: Callable[[list[bytes]], bool]) -> None:
        spec, loop = self._spec, asyncio.get_running_loop()
        packer = Packer(spec, ssrc)
        epoch_s, started_s = self._clock.now().timestamp(), self._clock.monotonic()
        number = first = int(epoch_s * spec.fps) + 1
        due_s = started_s + number / spec.fps - epoch_s
        sound = round(8000 / spec.fps) if spec.audio else 0
        while True:
            await self._clock.sleep(max(0.0, due_s - self._clock.monotonic()))
            if spec.live_encoder:
                picture, is_key = await loop.run_in_executor(_encoders, pictures.at, number)
                late = int((pictures.drawn_s - due_s) * spec.fps) if isinstance(pictures, LivePictures) else 0
                if late >= LATE_PICTURES:  # a busy machine drew it late: it is stamped when it was drawn
                    number += late
                    due_s += late / spec.fps
            else:
                picture, is_key = pictures.at(number)
            pts = (
                number * CLOCK_HZ // spec.fps if not spec.quirks.pts_start else (number - first) * CLOCK_HZ // spec.fps
            )
            packets = packer.pack(picture, pts, is_key=is_key, sound_samples=sound)
            if spec.quirks.rtcp and (number - first) % (REPORT_EVERY_S * spec.fps) == 0:
                packets.insert(0, packer.report(self._clock.now().timestamp(), pts))
            self.sent_packets += len(packets)
            if not send(packets):
                return
            number += 1
            due_s += 1.0 / spec.fps
            behind = int((self._clock.monotonic() - due_s) * spec.fps)
            if behind > spec.fps:  # the machine slept or is far too slow: show the present, not the past
                number += behind
                due_s += behind / spec.fps
