"""A simulated RTSP camera: one stream of H.264 or H.265, with sound or without, and the oddities cameras have.

Its encoder runs while anybody looks and serves all of them: who comes later joins at whatever point it is.

Source: RFC 2326; RFC 2617 and RFC 7616 (digest); media reference for what real cameras do otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tocsin.base.clock import Clock
from tocsin.base.ids import new_token
from tocsin.protocols.rtp.access_unit import ParameterSets
from tocsin.protocols.rtp.nal import split_nals
from tocsin.protocols.rtp.packet import SenderReport, build_sender_report
from tocsin.protocols.rtp.payloads import NalPacker
from tocsin.protocols.rtp.ps import StreamType
from tocsin.protocols.rtsp.client import pair_of, transport_of
from tocsin.protocols.rtsp.message import Reader, Request, encode_response, frame
from tocsin.protocols.rtsp.replay import FEATURE, clock_range, read_clock_range
from tocsin.protocols.sip import digest
from tocsin.sim.card import Card, Kept, replay_packets
from tocsin.sim.picture import Pictures
from tocsin.sim.rtsp_sound import SimSound

NTP_EPOCH_S: Final = 2_208_988_800
REPORT_EVERY: Final = 50
MAX_UNSENT_BYTES: Final = 4 << 20
REPLAY_PATH: Final = "/replay"
Reply = Callable[..., None]


@dataclass(frozen=True, slots=True)
class RtspQuirks:
    """What this camera does otherwise than it should. `auth` is none, basic, md5 or sha256."""

    auth: str = "md5"
    refuses_udp: bool = False
    refuses_tcp: bool = False
    silent_udp: bool = False  # says it plays over UDP and sends nothing
    absolute_control: bool = False
    no_content_base: bool = False
    junk: bool = False  # bytes of no meaning between interleaved packets
    no_sets_in_band: bool = False  # parameter sets only in the description
    needs_keepalive_s: float = 0.0
    always_401: bool = False
    hangs: bool = False


@dataclass(slots=True)
class _Line:
    """Where one track of a session goes: two channels of its connection, or two sockets."""

    channel: int | None = None
    address: tuple[str, int] | None = None
    sockets: list[socket.socket] = field(default_factory=list)


@dataclass(slots=True)
class _Session:
    name: str
    lines: dict[str, _Line] = field(default_factory=dict)
    writer: asyncio.StreamWriter | None = None
    is_playing: bool = False
    last_s: float = 0.0
    packer: NalPacker | None = None  # of a replay
    replay: asyncio.Task[None] | None = None
    replayed_ms: float = 0.0
    replay_ends_ms: float = 0.0


class RtspCamera:
    """Serves `pictures` at rtsp://127.0.0.1:port/PATH. `counts` tells what was asked, `refused` wrong passwords."""

    def __init__(
        self,
        pictures: Pictures,
        clock: Clock,
        *,
        codec: int = StreamType.H264,
        fps: int = 25,
        path: str = "/stream1",
        username: str = "admin",
        password: str = "Tocsin-12",  # noqa: S107  a password of a simulated camera
        sound: SimSound | None = None,
        tls: ssl.SSLContext | None = None,
        card: Card | None = None,
        quirks: RtspQuirks = RtspQuirks(),
    ) -> None:
        """`card` is replayed at `replay_url`; while it is writing, the encoder never rests."""
        self.counts: Counter[str] = Counter()
        self.card = card
        self._changed = asyncio.Event()
        self.refused = 0
        self.sent_pictures = 0
        self.port = 0
        self.quirks = quirks
        self._pictures = pictures
        self._clock = clock
        self._codec = int(codec)
        self._fps = fps
        self._path = path
        self._username = username
        self._password = password
        self._sound = sound
        self._tls = tls
        self._nonce = new_token()[:16]
        self._producer: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._sessions: dict[str, _Session] = {}
        self._sets: list[bytes] = []

    @property
    def url(self) -> str:
        """Where the stream is."""
        return f"{'rtsps' if self._tls else 'rtsp'}://127.0.0.1:{self.port}{self._path}"

    @property
    def replay_url(self) -> str:
        """Where its card is replayed."""
        return f"{'rtsps' if self._tls else 'rtsp'}://127.0.0.1:{self.port}{REPLAY_PATH}"

    @property
    def playing(self) -> int:
        """How many sessions are being sent to."""
        return sum(session.is_playing for session in self._sessions.values())

    async def start(self, port: int = 0, *, host: str = "127.0.0.1") -> None:
        """Begin to serve. Errors: OSError."""
        self._sets = await asyncio.get_running_loop().run_in_executor(None, self._find_sets)
        self._server = await asyncio.start_server(self._serve, host, port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self._produce_if_needed()

    async def stop(self) -> None:
        """End every session."""
        if self._server is not None:
            self._server.close()
        for session in list(self._sessions.values()):
            self._end(session)
        for writer in list(self._writers):
            writer.close()
        if self._producer is not None:
            self._producer.cancel()
            await asyncio.gather(self._producer, return_exceptions=True)
        await asyncio.sleep(0)

    async def until(self, holds: Callable[[RtspCamera], bool]) -> None:
        """Wait until something holds of this camera, which is looked at whenever it was asked or a session ended."""
        while not holds(self):
            self._changed.clear()
            await self._changed.wait()

    def drop_all(self) -> None:
        """Close every connection as a camera does that restarts."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        codec = Reader()
        owned: list[_Session] = []
        try:
            while data := await reader.read(65_536):
                for event in codec.receive(data):
                    if isinstance(event, Request):
                        self.counts[event.method] += 1
                        if not self.quirks.hangs:
                            self._answer(event, writer, owned)
                        self._changed.set()
                await writer.drain()
        except (ConnectionError, ValueError):
            pass
        finally:
            for session in owned:
                self._end(session)
            self._writers.discard(writer)
            writer.close()

    def _answer(self, request: Request, writer: asyncio.StreamWriter, owned: list[_Session]) -> None:
        def reply(status: int, reason: str, headers: list[tuple[str, str]] | None = None, body: bytes = b"") -> None:
            fields = [("CSeq", request.header("cseq")), ("Server", "Hewan RTSP 1.0"), *(headers or [])]
            writer.write(encode_response(status, reason, fields, body))

        if request.method == "OPTIONS":
            methods = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER"
            reply(200, "OK", [("Public", methods)])
            return
        if not self._is_allowed(request):
            reply(401, "Unauthorized", self._challenge())
            return
        match request.method:
            case "DESCRIBE":
                path = request.uri.partition("?")[0].rstrip("/")
                is_replay = self.card is not None and path.endswith(REPLAY_PATH)
                if not path.endswith(self._path) and not is_replay:
                    reply(404, "Not Found")
                    return
                url = self.replay_url if is_replay else self.url
                base = [] if self.quirks.no_content_base else [("Content-Base", f"{url}/")]
                reply(200, "OK", [("Content-Type", "application/sdp"), *base], self._describe())
            case "SETUP":
                self._set_up(request, writer, owned, reply)
            case "PLAY":
                session = self._session_of(request)
                if session is None:
                    reply(454, "Session Not Found")
                    return
                if session.packer is not None:
                    self._replay_from(session, request, reply)
                    return
                reply(200, "OK", [("Session", session.name), ("Range", "npt=0.000-")])
                session.is_playing = True
                self._produce_if_needed()
            case "PAUSE":
                session = self._session_of(request)
                if session is None or session.packer is None:
                    reply(454, "Session Not Found")
                    return
                self._stop_replay(session)
                reply(200, "OK", [("Session", session.name)])
            case "TEARDOWN":
                session = self._session_of(request)
                reply(200, "OK")
                if session is not None:
                    self._end(session)
            case "GET_PARAMETER":
                session = self._session_of(request)
                if session is None:
                    reply(454, "Session Not Found")
                    return
                session.last_s = self._clock.monotonic()
                reply(200, "OK", [("Session", session.name)])
            case _:
                reply(501, "Not Implemented")

    def _set_up(self, request: Request, writer: asyncio.StreamWriter, owned: list[_Session], answer: Reply) -> None:
        asked = transport_of(request.header("transport"))
        is_tcp = asked["transport"].endswith("/TCP")
        if self.quirks.refuses_tcp if is_tcp else self.quirks.refuses_udp:
            answer(461, "Unsupported Transport")
            return
        session = self._session_of(request) or _Session(new_token()[:12])
        if self.card is not None and REPLAY_PATH in request.uri:
            if FEATURE not in request.header("require"):
                answer(400, f"Require: {FEATURE}")
                return
            session.packer = session.packer or NalPacker(self._codec, 0x51A7_0002, 96, aggregates=True)
        session.last_s = self._clock.monotonic()
        session.writer = writer
        what = "sound" if request.uri.rstrip("/").endswith("trackID=2") else "picture"
        line = session.lines[what] = _Line()
        if is_tcp:
            pair = pair_of(asked.get("interleaved", "")) or (0, 1)
            line.channel = pair[0]
            agreed = f"RTP/AVP/TCP;unicast;interleaved={pair[0]}-{pair[1]}"
        else:
            pair = pair_of(asked.get("client_port", "")) or (0, 0)
            line.address = (writer.get_extra_info("peername")[0], pair[0])
            made = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
            for one in made:
                one.setblocking(False)
                one.bind(("127.0.0.1", 0))
            line.sockets = made
            ports = "-".join(str(one.getsockname()[1]) for one in made)
            agreed = f"RTP/AVP;unicast;client_port={pair[0]}-{pair[1]};server_port={ports}"
        self._sessions[session.name] = session
        if session not in owned:
            owned.append(session)
        timeout = round(self.quirks.needs_keepalive_s) or 60
        headers = [("Session", f"{session.name};timeout={timeout}"), ("Transport", agreed)]
        answer(200, "OK", headers)

    def _session_of(self, request: Request) -> _Session | None:
        return self._sessions.get(request.header("session").partition(";")[0].strip())

    def _end(self, session: _Session) -> None:
        self._sessions.pop(session.name, None)
        self._changed.set()
        self._stop_replay(session)
        session.is_playing = False
        for line in session.lines.values():
            for made in line.sockets:
                made.close()
            line.sockets = []

    def _produce_if_needed(self) -> None:
        is_needed = self.playing or (self.card is not None and self.card.is_writing)
        if is_needed and (self._producer is None or self._producer.done()):
            self._producer = asyncio.create_task(self._produce(), name=f"rtsp camera {self.port}")

    def _stop_replay(self, session: _Session) -> None:
        if session.replay is not None:
            session.replay.cancel()
            session.replay = None

    def _replay_from(self, session: _Session, request: Request, answer: Reply) -> None:
        """Replay a period, or go on where it stood; at its own pace times Scale, or as fast as it is taken."""
        asked = request.header("range")
        found = read_clock_range(asked) if asked else (session.replayed_ms, session.replay_ends_ms)
        if found is None or FEATURE not in request.header("require"):
            answer(400, "Bad Request")
            return
        assert self.card is not None
        ends_ms = found[1] if found[1] is not None else found[0] + 86_400_000.0
        pictures = self.card.between(found[0], ends_ms)
        if not pictures:
            answer(457, "Invalid Range")
            return
        self._stop_replay(session)
        session.replay_ends_ms = ends_ms
        is_fast = request.header("rate-control").lower() == "no"
        scale = 1.0 if is_fast else max(0.25, min(4.0, float(request.header("scale") or 1.0)))
        first = clock_range(pictures[0].wall_ms, ends_ms)
        answer(200, "OK", [("Session", session.name), ("Range", first), ("Scale", f"{scale:g}")])
        cseq = int(request.header("cseq") or 0)
        work = self._replay(session, pictures, cseq, 0.0 if is_fast else scale)
        session.replay = asyncio.create_task(work, name=f"replay {session.name}")

    async def _replay(self, session: _Session, pictures: list[Kept], cseq: int, scale: float) -> None:
        line, writer, packer = session.lines.get("picture"), session.writer, session.packer
        if line is None or writer is None or packer is None:
            return
        began_s = self._clock.monotonic()
        for one, packets in replay_packets(pictures, packer, cseq):
            if scale:
                wait_s = began_s + (one.wall_ms - pictures[0].wall_ms) / 1000.0 / scale - self._clock.monotonic()
                await self._clock.sleep(max(0.0, wait_s))
            if writer.is_closing():
                return
            self._put_on(line, session, packets, b"")
            session.replayed_ms = one.wall_ms
            with contextlib.suppress(ConnectionError):
                await writer.drain()

    async def _produce(self) -> None:
        """Encode and send while anybody looks, and while the card is written."""
        packer = NalPacker(self._codec, 0x51A7_0001, 96, aggregates=True)
        start_s, number, sent, octets = self._clock.monotonic(), 0, 0, 0
        drops = {7, 8} if self._codec == StreamType.H264 else {32, 33, 34}
        loop = asyncio.get_running_loop()
        if self._sound is not None:
            self._sound.begin()
        while self.playing or (self.card is not None and self.card.is_writing):
            wait_s = start_s + number / self._fps - self._clock.monotonic()
            if wait_s > 0:
                await self._clock.sleep(wait_s)
            self._drop_silent()
            data, is_key = await loop.run_in_executor(None, self._pictures.at, number)
            if self.card is not None and self.card.is_writing:
                self.card.put(data, is_key=is_key)
            nals = split_nals(data)
            if self.quirks.no_sets_in_band:
                nals = [nal for nal in nals if self._kind(nal) not in drops]
            stamp = number * 90_000 // self._fps & 0xFFFFFFFF
            packets = packer.packetize(nals, stamp)
            sent += len(packets)
            octets += sum(map(len, packets))
            ntp = int((self._clock.now().timestamp() + NTP_EPOCH_S) * 2**32)
            is_due = number % REPORT_EVERY == 0
            report = build_sender_report(SenderReport(packer.ssrc, ntp, stamp, sent, octets)) if is_due else b""
            self._put("picture", packets, report)
            self.sent_pictures += 1
            self._changed.set()
            number += 1
            if self._sound is not None:
                heard = self._sound.until(number / self._fps)
                self._put("sound", heard, self._sound.report(ntp, (number - 1) / self._fps) if is_due else b"")

    def _drop_silent(self) -> None:
        limit_s = self.quirks.needs_keepalive_s
        for session in list(self._sessions.values()) if limit_s else ():
            if self._clock.monotonic() - session.last_s > limit_s and session.writer is not None:
                session.writer.transport.abort()

    def _put(self, what: str, packets: list[bytes], report: bytes) -> None:
        for session in self._sessions.values():
            line = session.lines.get(what)
            if session.is_playing and line is not None:
                self._put_on(line, session, packets, report)

    def _put_on(self, line: _Line, session: _Session, packets: list[bytes], report: bytes) -> None:
        if line.channel is not None and session.writer is not None:
            writer = session.writer
            if writer.is_closing() or writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
                return
            junk = b"\x00\x13junk" if self.quirks.junk else b""
            writer.write(b"".join(junk + frame(line.channel, packet) for packet in packets))
            if report:
                writer.write(frame(line.channel + 1, report))
        elif line.address is not None and line.sockets and not self.quirks.silent_udp:
            for packet in packets:
                with contextlib.suppress(OSError):
                    line.sockets[0].sendto(packet, line.address)
            if report:
                with contextlib.suppress(OSError):
                    line.sockets[1].sendto(report, (line.address[0], line.address[1] + 1))

    def _find_sets(self) -> list[bytes]:
        """Return the parameter sets of the first key picture."""
        sets = ParameterSets(self._codec)
        for number in range(1000):
            data, is_key = self._pictures.at(number)
            if is_key:
                return [nal for nal in split_nals(data) if sets.take(nal)]
        return []

    def _kind(self, nal: bytes) -> int:
        return nal[0] & 31 if self._codec == StreamType.H264 else nal[0] >> 1 & 63

    def _describe(self) -> bytes:
        if self._codec == StreamType.H264:
            name = "H264"
            sets = ",".join(b64encode(nal).decode() for nal in self._sets)
            form = f"packetization-mode=1;sprop-parameter-sets={sets}"
        else:
            name = "H265"
            words = zip(("vps", "sps", "pps"), self._sets, strict=False)
            form = ";".join(f"sprop-{word}={b64encode(nal).decode()}" for word, nal in words)
        control = f"{self.url}/trackID=1" if self.quirks.absolute_control else "trackID=1"
        lines = [
            "v=0",
            "o=- 0 0 IN IP4 127.0.0.1",
            "s=Hewan",
            "t=0 0",
            "a=control:*",
            "m=video 0 RTP/AVP 96",
            f"a=rtpmap:96 {name}/90000",
            f"a=fmtp:96 {form}",
            f"a=control:{control}",
        ]
        if self._sound is not None:
            control = f"{self.url}/trackID=2" if self.quirks.absolute_control else "trackID=2"
            lines += [*self._sound.lines(), f"a=control:{control}"]
        return ("\r\n".join(lines) + "\r\n").encode()

    def _challenge(self) -> list[tuple[str, str]]:
        if self.quirks.auth == "basic":
            return [("WWW-Authenticate", 'Basic realm="camera"')]
        found = [digest.Challenge("camera", self._nonce, digest.Algorithm.MD5)]
        if self.quirks.auth == "sha256":
            found.insert(0, digest.Challenge("camera", self._nonce, digest.Algorithm.SHA256))
        return [("WWW-Authenticate", challenge.encode()) for challenge in found]

    def _is_allowed(self, request: Request) -> bool:
        given = request.header("authorization")
        if self.quirks.auth == "none":
            return True
        if not given:
            return False
        if self.quirks.always_401:
            self.refused += 1
            return False
        if given.lower().startswith("basic "):
            with contextlib.suppress(ValueError):
                if b64decode(given[6:]).decode() == f"{self._username}:{self._password}":
                    return True
            self.refused += 1
            return False
        credentials = digest.parse_credentials(given)
        is_right = (
            credentials is not None
            and credentials.username == self._username
            and digest.verify(credentials, self._password, request.method)
        )
        self.refused += not is_right
        return is_right
