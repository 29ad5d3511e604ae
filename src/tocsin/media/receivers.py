"""What a worker opens to receive: UDP and TCP receivers of devices that are called, and pulls from RTSP cameras.

Source: media reference, receive loop; GB/T 28181-2022, transport of media.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from tocsin.base.clock import Clock
from tocsin.media.pace import Pace
from tocsin.media.playback_feed import PlaybackFeed
from tocsin.media.ports import ENOUGH_BUFFER_BYTES, PortRange, PortsExhausted, TcpListener, UdpPort, connect_port
from tocsin.media.rtsp import PullOrder, PullRefused, RtspPull
from tocsin.media.shared import SharedPorts, SsrcTaken
from tocsin.media.source import Source
from tocsin.media.stage import Stage
from tocsin.media.stages import Stages
from tocsin.media.viewer import Viewer
from tocsin.media.wire import Message, Refused
from tocsin.protocols.rtp.ps import StreamType
from tocsin.protocols.rtp.reorder import WAIT_LAN_MS, WAIT_WAN_MS
from tocsin.protocols.rtp.tracks import TrackReceiver

log = structlog.get_logger(__name__)

TRANSPORTS = frozenset({"udp", "tcp_passive", "tcp_active"})


class Receivers:
    """The verbs `open_receiver`, `connect`, `open_rtsp`, `replay`, `close` of a worker; `place` seats a viewer anew."""

    def __init__(
        self, stages: Stages, pace: Pace, ports: PortRange, clock: Clock, place: Callable[[Stage, Viewer], None]
    ) -> None:
        self._stages = stages
        self._pace = pace
        self._ports = ports
        self._clock = clock
        self._place = place
        self.shared: SharedPorts | None = None

    def table(self) -> dict[str, Callable[[Message], Awaitable[object]]]:
        """Return the verbs by name."""
        return {
            "open_receiver": self._open_receiver,
            "connect": self._connect,
            "open_rtsp": self._open_rtsp,
            "replay": self._replay,
            "close": self._close,
        }

    async def _open_receiver(self, message: Message) -> object:
        stream_id = str(message["stream_id"])
        transport = str(message["transport"])
        if transport not in TRANSPORTS:
            raise Refused("invalid", f"no transport {transport}")
        stage = self._stages.open(stream_id)
        self._close_source(stage)
        ssrc = None if message.get("ssrc") is None else int(message["ssrc"])
        peer_ip = message.get("peer_ip")
        stage.feed.tolerates_loss = message.get("loss") == "tolerate"
        wait_ms = WAIT_WAN_MS if message.get("wan") else WAIT_LAN_MS
        # Each of our ports serves one stream, so the port or the connection says whose packets these are; devices
        # that send another SSRC than agreed are common, and the first one seen is adopted.
        if message.get("h264_type") is not None:
            track = TrackReceiver(
                StreamType.H264, payload_type=int(message["h264_type"]), wait_ms=wait_ms, wants_audio=False
            )
            source = Source.of_tracks(stage.feed, track)
        else:
            source = Source(stage.feed, ssrc=None, wants_audio=False, wait_ms=wait_ms)
        stage.is_heard = bool(message.get("audio"))
        stage.transport = transport
        deliver = partial(self._deliver, stage, source)
        on_closed = partial(self._source_closed, stage, source)
        try:
            if message.get("shared") and self.shared is not None and ssrc is not None and transport != "tcp_active":
                source.receiver.ssrc = ssrc
                stage.shared = self.shared.add(ssrc, transport, deliver, on_closed, peer_ip=peer_ip)
                port = stage.shared.port
            elif transport == "udp":
                udp = UdpPort(self._ports, deliver, ssrc=ssrc, peer_ip=peer_ip, now_s=self._pace.now_s)
                if udp.granted_bytes < ENOUGH_BUFFER_BYTES:
                    log.warning("small receive buffer", granted_bytes=udp.granted_bytes, setting="net.core.rmem_max")
                stage.udp = udp
                self._pace.watch.add(udp)
                port = udp.port
            elif transport == "tcp_passive":
                listener = TcpListener(self._ports, deliver, on_closed, peer_ip=peer_ip)
                stage.listener = listener
                await listener.start()
                port = listener.port
            else:
                port = 9  # discard: the device listens, we connect
        except PortsExhausted as error:
            raise Refused("ports_exhausted", str(error)) from error
        except SsrcTaken as error:
            raise Refused("ssrc_taken", str(error)) from error
        stage.source = source
        stage.feed_forwards()
        stage.choose_sound()
        if stage.transcoder is not None:
            source.tap = stage.transcoder
        self._pace.choose()
        log.info(
            "receiver opened",
            stream_id=stream_id,
            transport=transport,
            port=port,
            buffer_bytes=stage.udp.granted_bytes if stage.udp is not None else 0,
        )
        return {"ip": self._ports.ip, "port": port}

    async def _connect(self, message: Message) -> object:
        stage = self._stages.named_in(message)
        source = stage.source
        if source is None or stage.transport != "tcp_active":
            raise Refused("invalid", "no receiver for an active connection")
        deliver = partial(self._deliver, stage, source)
        on_closed = partial(self._source_closed, stage, source)
        try:
            connection = await connect_port(str(message["ip"]), int(message["port"]), deliver, on_closed)
        except (OSError, TimeoutError) as error:
            raise Refused("connect_failed", str(error) or "no answer") from error
        if stage.source is not source:
            connection.close()
            raise Refused("closed", "the receiver was closed meanwhile")
        stage.connection = connection
        return {}

    async def _open_rtsp(self, message: Message) -> object:
        stream_id = str(message["stream_id"])
        order = PullOrder(
            stream_id,
            str(message["url"]),
            str(message.get("username") or ""),
            str(message.get("password") or ""),
            "udp" if message.get("transport") == "udp" else "tcp",
            bool(message.get("audio")),
            WAIT_WAN_MS if message.get("wan") else WAIT_LAN_MS,
            str(message.get("certificate") or ""),
            bool(message.get("replays")),
            float(message.get("ahead_ms") or 0.0),
        )
        stage = self._stages.open(stream_id)
        self._close_source(stage)
        stage.feed.tolerates_loss = message.get("loss") == "tolerate"
        if isinstance(stage.feed, PlaybackFeed):
            stage.feed.line.is_told = order.replays

        def lost(reason: str) -> None:
            if stage.pull is pull:
                stage.feed.interrupt()
                self._stages.event("source_lost", stream_id, reason=reason)

        pull = RtspPull(
            order,
            stage.feed,
            self._clock,
            self._ports,
            self._pace.watch,
            deliver=lambda source, packets: self._deliver_pulled(stage, source, packets),
            on_lost=lost,
        )
        stage.pull = pull
        try:
            agreed = await pull.open()
        except PullRefused as refusal:
            if stage.pull is pull:
                stage.pull = None
            raise Refused(refusal.code, str(refusal)) from refusal
        if stage.pull is not pull:
            pull.close()
            raise Refused("closed", "the receiver was closed meanwhile")
        stage.source, stage.udp, stage.transport = pull.source, pull.udp, pull.transport
        stage.feed_forwards()
        stage.is_heard = order.wants_audio
        if stage.transcoder is not None and stage.source is not None:
            stage.source.tap = stage.transcoder
        self._pace.choose()
        log.info("camera pulled", stream_id=stream_id, transport=pull.transport)
        return agreed

    async def _replay(self, message: Message) -> object:
        pull = self._stages.named_in(message).pull
        if pull is None:
            raise Refused("not_found", "no recording is pulled")
        starts_ms = message.get("starts_ms")
        try:
            if message["act"] == "pause":
                await pull.pause()
                return {}
            scale = await pull.play(
                None if starts_ms is None else float(starts_ms),
                float(message.get("ends_ms") or 0.0),
                scale=float(message.get("scale") or 1.0),
                is_fast=bool(message.get("is_fast")),
            )
        except PullRefused as refusal:
            raise Refused(refusal.code, str(refusal)) from refusal
        return {"scale": scale}

    def _deliver_pulled(self, stage: Stage, source: Source, packets: list[bytes]) -> None:
        """Take packets of a pull; those that come before its opening was answered count as well."""
        if stage.source is None and stage.pull is not None and stage.pull.source is source:
            stage.source = source
            stage.feed_forwards()
        self._deliver(stage, source, packets)

    async def _close(self, message: Message) -> object:
        stage = self._stages.get(str(message["stream_id"]))
        if stage is not None:
            self._close_source(stage)
            self._stages.drop_if_empty(stage)
            self._pace.choose()
        return {}

    # -- media in

    def _deliver(self, stage: Stage, source: Source, packets: list[bytes]) -> None:
        if stage.source is not source:
            return
        now_ms = (self._pace.now_s if stage.transport == "udp" else self._clock.monotonic()) * 1000.0
        if source.first_packet_ms < 0:
            self._stages.event("source_up", stage.stream_id)
        fragments = stage.feed.fragments
        source.receive(packets, now_ms)
        if stage.feed.fragments != fragments and self._pace.delays.is_due():
            self._measure(stage, packets[-1], now_ms)
        if source.has_news:
            source.has_news = False
            self._parameters_changed(stage)

    def _measure(self, stage: Stage, last: bytes, now_ms: float) -> None:
        """Say when the last packet of a picture came: over UDP by the kernel's stamp, over TCP when it was read."""
        if stage.udp is None:
            self._pace.note_arrival(self._clock.now().timestamp() - (self._clock.monotonic() - now_ms / 1000.0))
        elif len(last) > 1 and last[1] & 0x80:
            self._pace.note_arrival(stage.udp.arrived_s())

    def _parameters_changed(self, stage: Stage) -> None:
        feed = stage.feed
        sps = feed.sets.sps if feed.sets is not None else None
        content: Message = {"mime": feed.mime, "at": self._clock.now().timestamp()}
        if sps is not None:
            content |= {"width": sps.width, "height": sps.height}
        self._stages.event("params_changed" if stage.was_shown else "first_key", stage.stream_id, **content)
        stage.was_shown = True
        for viewer in list(stage.viewers):
            self._place(stage, viewer)

    def _source_closed(self, stage: Stage, source: Source, reason: str) -> None:
        if stage.source is source:
            stage.feed.interrupt()
            self._stages.event("source_lost", stage.stream_id, reason=reason)

    def _close_source(self, stage: Stage) -> None:
        if stage.udp is not None and stage.pull is None:
            self._pace.watch.remove(stage.udp)
        if stage.source is not None:
            stage.feed.interrupt()
        stage.close_ports()
