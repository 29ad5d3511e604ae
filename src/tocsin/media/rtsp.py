"""Pulling a picture from an RTSP camera inside a media worker: over one TCP connection, or with RTP over UDP.

The camera is asked with its password once; packets go the same way as those of every other camera.

Source: RFC 2326, OPTIONS to TEARDOWN; media reference, receive loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import structlog

from tocsin.base.clock import Clock
from tocsin.base.ids import new_token
from tocsin.base.pins import WrongPin, check_pin, tls_context
from tocsin.media.feed import Feed
from tocsin.media.ports import PortRange, PortsExhausted, UdpPort, UdpWatch
from tocsin.media.source import Source
from tocsin.protocols.rtp.reorder import WAIT_LAN_MS
from tocsin.protocols.rtp.replay import ReplayTimes
from tocsin.protocols.rtp.tracks import SoundTrack, TrackReceiver
from tocsin.protocols.rtsp.client import Answered, Conversation, Reply, pair_of, transport_of
from tocsin.protocols.rtsp.description import Description, Track, read_description, resolve
from tocsin.protocols.rtsp.message import Bad, Interleaved, Response
from tocsin.protocols.rtsp.replay import REQUIRE, play_headers

log = structlog.get_logger(__name__)

PORT: Final = 554
TLS_PORT: Final = 322
CONNECT_S: Final = 5.0
ANSWER_S: Final = 8.0
TEARDOWN_S: Final = 0.5
MAX_UNSENT_BYTES: Final = 256 << 10
PORT_TRIES: Final = 8
_RECEIVER_REPORT: Final = b"\x80\xc9\x00\x01\x00\x00\x00\x01"
_PUNCH: Final = b"\x80\x60" + bytes(10)  # opens the way back through a firewall


class PullRefused(Exception):
    """A camera that gives no picture; `code` is a stable word."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class PullOrder:
    """What is asked of a camera. `transport` is `tcp` or `udp`; the other is taken when the camera refuses it.

    An address of rtsps is asked over TLS, by TCP only, and gets nothing unless it shows the accepted `certificate`.
    """

    stream_id: str
    url: str
    username: str = ""
    password: str = ""
    transport: str = "tcp"
    wants_audio: bool = False
    wait_ms: int = WAIT_LAN_MS
    certificate: str = ""
    replays: bool = False  # a recording: it is set up, and sent once `play` says from when; by TCP only
    ahead_ms: float = 0.0  # how far the camera's clock is ahead of ours


class _Wire(asyncio.Protocol):
    """The connection; bytes go to the pull."""

    def __init__(self, pull: RtspPull) -> None:
        self._pull = pull

    def data_received(self, data: bytes) -> None:
        self._pull.take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pull.connection_lost()


class RtspPull:
    """One camera's session. `open` asks for the picture; `close` ends it without waiting."""

    def __init__(
        self,
        order: PullOrder,
        feed: Feed,
        clock: Clock,
        ports: PortRange,
        watch: UdpWatch,
        *,
        deliver: Callable[[Source, list[bytes]], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self.source: Source | None = None
        self.udp: UdpPort | None = None
        self.transport = "tcp" if order.replays or order.url.lower().startswith("rtsps:") else order.transport
        self._order = order
        self._feed = feed
        self._clock = clock
        self._ports = ports
        self._watch = watch
        self._deliver = deliver
        self._on_lost = on_lost
        self._talk = Conversation(order.username, order.password, new_token()[:16])
        self._transport: asyncio.Transport | None = None
        self._answers: dict[int, asyncio.Future[Response]] = {}
        self._url = order.url
        self._base = order.url
        self._channels: dict[int, str] = {}
        self._udp_ports: list[UdpPort] = []
        self._rtcp: list[tuple[socket.socket, tuple[str, int]]] = []
        self._keeper: asyncio.Task[None] | None = None
        self._has_get_parameter = False
        self._is_closed = False
        self._peer_ip = ""
        self._control = ""
        self._has_told_end = False

    async def open(self) -> dict[str, object]:
        """Return what was agreed once the camera says it plays. Errors: PullRefused."""
        try:
            await self._connect()
            options = await self._ask("OPTIONS", self._url, [])
            self._has_get_parameter = "GET_PARAMETER" in options.header("public").upper()
            if options.status == 401:
                raise self._refusal(options)
            description = await self._describe()
            video, audio = description.video(), description.audio() if self._order.wants_audio else None
            if video is None:
                offered = ", ".join(track.encoding or track.kind for track in description.tracks)[:120]
                raise PullRefused("rtsp_no_video", f"the camera offers no H.264 or H.265 ({offered or 'nothing'})")
            self._make_source(video, audio)
            await self._set_up(video, "video", description)
            if audio is not None:
                with contextlib.suppress(PullRefused):  # a picture without sound is better than none
                    await self._set_up(audio, "audio", description)
            self._control = resolve(self._base, description.control)
            if not self._order.replays:
                play = await self._ask("PLAY", self._control, [("Range", "npt=0.000-")])
                if play.status >= 300:
                    raise self._refusal(play)
        except (OSError, TimeoutError) as error:
            self.close()
            raise PullRefused("rtsp_unreachable", str(error) or "no answer") from error
        except ValueError as error:
            self.close()
            raise PullRefused("rtsp_bad_answer", str(error)) from error
        except PullRefused:
            self.close()
            raise
        self._punch()
        self._keeper = asyncio.create_task(self._keep_alive(), name=f"rtsp {self._order.stream_id}")
        return {
            "transport": self.transport,
            "codec": video.encoding,
            "sound": audio.encoding if audio is not None else "",
            "timeout_s": self._talk.timeout_s,
        }

    async def play(self, starts_ms: float | None, ends_ms: float, *, scale: float, is_fast: bool) -> float:
        """Send a recording from a moment, or on from where it stands; return the speed the camera plays at.

        Errors: PullRefused.
        """
        ahead_ms = self._order.ahead_ms
        headers = play_headers(
            None if starts_ms is None else starts_ms + ahead_ms, ends_ms + ahead_ms, scale=scale, is_fast=is_fast
        )
        self._has_told_end = False
        if self.source is not None and isinstance(self.source.receiver, TrackReceiver):
            self.source.receiver.is_over = False
        answer = await self._ask("PLAY", self._control, headers)
        if answer.status >= 300:
            raise self._refusal(answer)
        try:
            return float(answer.header("scale") or scale)
        except ValueError:
            return scale

    async def pause(self) -> None:
        """Let a recording stand still. Errors: PullRefused."""
        answer = await self._ask("PAUSE", self._control, [REQUIRE])
        if answer.status >= 300:
            raise self._refusal(answer)

    def close(self) -> None:
        """Tear the session down and give the ports back; twice is no error."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._keeper is not None:
            self._keeper.cancel()
        for port in self._udp_ports:
            self._watch.remove(port)
            port.close()
        for made, _ in self._rtcp:
            asyncio.get_running_loop().remove_reader(made.fileno())
            made.close()
        self._rtcp = []
        transport = self._transport
        if transport is not None and not transport.is_closing():
            if self._talk.session:
                with contextlib.suppress(ValueError):
                    transport.write(self._talk.send("TEARDOWN", self._base)[1])
            transport.close()
            asyncio.get_running_loop().call_later(TEARDOWN_S, transport.abort)
        for future in self._answers.values():
            if not future.done():
                future.cancel()

    # --- the connection ---

    async def _connect(self) -> None:
        parts = urlsplit(self._url)
        is_tls = parts.scheme.lower() == "rtsps"
        if parts.scheme.lower() not in ("rtsp", "rtsps") or not parts.hostname:
            raise PullRefused("rtsp_bad_url", "the address must begin with rtsp:// or rtsps:// and name a host")
        loop = asyncio.get_running_loop()
        port = parts.port or (TLS_PORT if is_tls else PORT)
        context = tls_context() if is_tls else None
        name = parts.hostname if is_tls else None
        async with asyncio.timeout(CONNECT_S):
            transport, _ = await loop.create_connection(
                lambda: _Wire(self), parts.hostname, port, ssl=context, server_hostname=name
            )
        self._transport = transport
        if is_tls:
            try:
                check_pin(transport.get_extra_info("ssl_object"), self._order.certificate)
            except WrongPin as wrong:
                raise PullRefused("rtsp_certificate", f"it shows the certificate {wrong.shown}") from wrong
        peer = transport.get_extra_info("peername")
        self._peer_ip = peer[0] if peer else parts.hostname

    async def _ask(self, method: str, url: str, headers: list[tuple[str, str]]) -> Response:
        transport = self._transport
        if transport is None or transport.is_closing():
            raise PullRefused("rtsp_unreachable", "the camera closed the connection")
        number, data = self._talk.send(method, url, headers)
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._answers[number] = future
        transport.write(data)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await future
        except asyncio.CancelledError as error:
            if self._transport is None or self._is_closed:
                raise PullRefused("rtsp_unreachable", "the camera closed the connection") from error
            raise
        except TimeoutError as error:
            raise PullRefused("rtsp_silent", f"no answer to {method} in {ANSWER_S:g} s") from error
        finally:
            self._answers.pop(number, None)

    def take(self, data: bytes) -> None:
        """Take bytes of the connection."""
        packets: dict[int, list[bytes]] = {}
        for event in self._talk.receive(data):
            if isinstance(event, Interleaved):
                packets.setdefault(event.channel, []).append(event.data)
            elif isinstance(event, Answered):
                future = self._answers.get(event.number)
                if future is not None and not future.done():
                    future.set_result(event.response)
            elif isinstance(event, Reply):
                if self._transport is not None and self._transport.get_write_buffer_size() < MAX_UNSENT_BYTES:
                    self._transport.write(event.data)
            elif isinstance(event, Bad):
                log.warning("camera sent no RTSP", stream_id=self._order.stream_id, reason=event.reason)
        for channel, found in packets.items():
            self._take_packets(self._channels.get(channel, ""), found)

    def connection_lost(self) -> None:
        """The camera closed the connection."""
        self._transport = None
        for future in self._answers.values():
            if not future.done():
                future.set_exception(PullRefused("rtsp_unreachable", "the camera closed the connection"))
        if not self._is_closed and self._keeper is not None and not self._has_told_end:
            self._on_lost("recording.connection_lost" if self._order.replays else "connection_closed")

    def _take_packets(self, what: str, packets: list[bytes]) -> None:
        source = self.source
        if source is None or self._is_closed:
            return
        if what == "video":
            self._deliver(source, packets)
        elif what == "audio":
            source.receive_sound(packets, self._clock.monotonic() * 1000.0)
        elif what and isinstance(source.receiver, TrackReceiver):
            for packet in packets:
                source.receiver.take_report(packet, self._clock.now().timestamp(), is_sound=what == "audio_rtcp")
        if self._order.replays:
            self._look_for_end(source)

    def _look_for_end(self, source: Source) -> None:
        """Say once that a replay is over: its last picture says so, or the camera takes its leave."""
        receiver = source.receiver
        if isinstance(receiver, TrackReceiver) and receiver.is_over and not self._has_told_end:
            self._has_told_end = True
            self._on_lost("recording.ended")

    # --- the questions ---

    async def _describe(self) -> Description:
        answer = await self._ask("DESCRIBE", self._url, [("Accept", "application/sdp")])
        if answer.status in (301, 302) and answer.header("location"):
            self._url = self._base = resolve(self._url, answer.header("location"))
            if not self._url.lower().startswith(urlsplit(self._order.url).scheme.lower() + ":"):
                raise PullRefused("rtsp_refused", "it sends us on to an address of another kind")
            answer = await self._ask("DESCRIBE", self._url, [("Accept", "application/sdp")])
        if answer.status >= 300:
            raise self._refusal(answer)
        base = answer.header("content-base") or answer.header("content-location")
        if base and urlsplit(base).scheme.lower() == urlsplit(self._url).scheme.lower():
            self._base = base
        return read_description(answer.body)

    def _refusal(self, answer: Response) -> PullRefused:
        said = f"{answer.status} {answer.reason}".strip()
        if answer.status == 401:
            code = "rtsp_wrong_password" if self._talk.sent_credentials else "rtsp_password_missing"
            return PullRefused(code, said)
        codes = {
            403: "rtsp_forbidden",
            404: "rtsp_not_found",
            453: "rtsp_busy",
            457: "rtsp_not_recorded",
            461: "rtsp_transport",
            551: "rtsp_no_replay",
            503: "rtsp_busy",
        }
        return PullRefused(codes.get(answer.status, "rtsp_refused"), said)

    def _make_source(self, video: Track, audio: Track | None) -> None:
        sound = None
        if audio is not None:
            sound = SoundTrack(audio.audio_codec, audio.rate_hz, aac=audio.aac() if audio.encoding[0] == "m" else None)
        receiver = TrackReceiver(
            video.video_codec,
            payload_type=video.payload_type,
            sound=sound,
            sets=video.sets(),
            wait_ms=self._order.wait_ms,
            wants_audio=audio is not None,
            times=ReplayTimes(self._order.ahead_ms) if self._order.replays else None,
        )
        self.source = Source.of_tracks(self._feed, receiver)

    async def _set_up(self, track: Track, what: str, description: Description) -> None:
        answer = await self._set_up_over(self.transport, track, what)
        is_tls = self._url.lower().startswith("rtsps:")  # packets beside it would travel open
        if (
            answer.status == 461 and what == "video" and not is_tls and not self._order.replays
        ):  # the camera wants the other way
            self._drop_ports()
            self.transport = "udp" if self.transport == "tcp" else "tcp"
            answer = await self._set_up_over(self.transport, track, what)
        if answer.status >= 300:
            raise self._refusal(answer)
        agreed = transport_of(answer.header("transport"))
        if self.transport == "tcp":
            first = 0 if what == "video" else 2
            low, high = pair_of(agreed.get("interleaved", "")) or (first, first + 1)
            self._channels[low], self._channels[high] = what, f"{what}_rtcp"
        else:
            ports = pair_of(agreed.get("server_port", ""))
            if ports is not None and self._rtcp:
                made, _ = self._rtcp[-1]
                self._rtcp[-1] = (made, (self._peer_ip, ports[1]))
                with contextlib.suppress(OSError):
                    self._udp_ports[-1].socket.sendto(_PUNCH, (self._peer_ip, ports[0]))

    async def _set_up_over(self, transport: str, track: Track, what: str) -> Response:
        if transport == "tcp":
            first = 0 if what == "video" else 2
            asked = f"RTP/AVP/TCP;unicast;interleaved={first}-{first + 1}"
        else:
            port = self._open_udp(what)
            asked = f"RTP/AVP;unicast;client_port={port}-{port + 1}"
        more = [REQUIRE] if self._order.replays else []
        return await self._ask("SETUP", resolve(self._base, track.control), [("Transport", asked), *more])

    # --- UDP ---

    def _open_udp(self, what: str) -> int:
        """Open an even port for packets and the odd one above it for reports; return the even one."""
        for _ in range(PORT_TRIES):
            try:
                udp = UdpPort(
                    self._ports,
                    lambda packets: self._take_packets(what, packets),
                    ssrc=None,
                    peer_ip=self._peer_ip,
                    now_s=self._clock.monotonic(),
                )
            except PortsExhausted as error:
                raise PullRefused("ports_exhausted", str(error)) from error
            made = socket.socket(socket.AF_INET6 if ":" in self._ports.ip else socket.AF_INET, socket.SOCK_DGRAM)
            made.setblocking(False)
            try:
                made.bind((self._ports.ip, udp.port + 1))
            except OSError:
                made.close()
                udp.close()
                continue
            self._watch.add(udp)
            self._udp_ports.append(udp)
            if what == "video":
                self.udp = udp
            self._rtcp.append((made, (self._peer_ip, 0)))
            asyncio.get_running_loop().add_reader(made.fileno(), self._read_reports, made, f"{what}_rtcp")
            return udp.port
        raise PullRefused("ports_exhausted", "no two neighbouring ports are free")

    def _drop_ports(self) -> None:
        for port in self._udp_ports:
            self._watch.remove(port)
            port.close()
        for made, _ in self._rtcp:
            asyncio.get_running_loop().remove_reader(made.fileno())
            made.close()
        self._udp_ports, self._rtcp, self.udp = [], [], None

    def _read_reports(self, made: socket.socket, what: str) -> None:
        for _ in range(16):
            try:
                packet, address = made.recvfrom(2048)
            except OSError:
                return
            if address[0] == self._peer_ip:
                self._take_packets(what, [packet])

    def _punch(self) -> None:
        for made, address in self._rtcp:
            if address[1]:
                with contextlib.suppress(OSError):
                    made.sendto(_RECEIVER_REPORT, address)

    # --- keeping it ---

    async def _keep_alive(self) -> None:
        """Show the camera that we are still there, well within the time it named."""
        method = "GET_PARAMETER" if self._has_get_parameter else "OPTIONS"
        while True:
            await self._clock.sleep(max(2.0, self._talk.timeout_s * 0.4))
            self._punch()
            try:
                answer = await self._ask(method, self._base, [])
            except PullRefused:
                self._on_lost("rtsp_session_lost")
                return
            if answer.status == 454:
                self._on_lost("rtsp_session_lost")
                return
            if answer.status >= 400 and method == "GET_PARAMETER":
                method = "OPTIONS"
