"""A media worker: a child process that receives streams and serves their viewers. `python -m tocsin.media.worker`.

It owns the RTP ports and the picture port, is told what to open over a Unix socket, and ends when that socket does.

Source: media reference, architecture and receive loop.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from urllib.parse import parse_qs, unquote, urlsplit

import structlog

from tocsin.base.clock import Clock, SystemClock
from tocsin.base.log import set_up_log
from tocsin.media.feed import FRAGMENT_MS
from tocsin.media.forward import Forward, ForwardPlan, Forwards
from tocsin.media.load import LoadGauge
from tocsin.media.playback_verbs import PlaybackVerbs
from tocsin.media.ports import (
    ENOUGH_BUFFER_BYTES,
    RECEIVE_BUFFER_BYTES,
    PortRange,
    PortsExhausted,
    TcpListener,
    UdpPort,
    UdpWatch,
    connect_port,
    read_drops,
)
from tocsin.media.rtsp import PullOrder, PullRefused, RtspPull
from tocsin.media.shared import SharedPorts, SsrcTaken
from tocsin.media.source import Source
from tocsin.media.stage import Stage
from tocsin.media.talk import TalkRefused, Talks
from tocsin.media.tickets import Ticket, TicketBox
from tocsin.media.transcode import IDLE_S, Transcoder
from tocsin.media.viewer import CLOSE_SLOW, HANDSHAKE_S, MIN_QUEUE_BYTES, Viewer
from tocsin.media.wire import VERSION, Message, WireError, pack_message, read_message
from tocsin.protocols.rtp.reorder import WAIT_LAN_MS, WAIT_WAN_MS

log = structlog.get_logger(__name__)

TICK_S = 0.010
UPKEEP_S = 0.050
FEW_STREAMS = 20
GROUP_ABOVE_STREAMS = 32
SILENCE_MS = 10_000.0
REPORT_EVERY_S = 5
COLLECT_EVERY_S = 5
COLLECT_ALL_EVERY_S = 120
MAX_CONNECTIONS = 4000
MAX_CONTROL_BACKLOG_BYTES = 64 << 20
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})

TRANSPORTS = frozenset({"udp", "tcp_passive", "tcp_active"})


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker is started with; `rtp_low` 0 and `port` 0 let the system choose."""

    socket_path: str
    host: str = "127.0.0.1"
    port: int = 0
    rtp_ip: str = "127.0.0.1"
    rtp_low: int = 0
    rtp_high: int = 0
    shared_port: int = -1
    transcodes: int = 1
    ffmpeg: str = "ffmpeg"
    fragment_ms: int = FRAGMENT_MS
    receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES
    viewer_queue_bytes: int = MIN_QUEUE_BYTES


class Refused(Exception):
    """A request of the control process that cannot be met; `code` is a stable word."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Worker:
    """Streams, viewers and transcodes of one process."""

    def __init__(self, settings: WorkerSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._ports = PortRange(settings.rtp_ip, settings.rtp_low, settings.rtp_high, settings.receive_buffer_bytes)
        self._watch = UdpWatch()
        self._talks = Talks(self._ports, settings.rtp_ip, clock, self._talk_event)
        self._stages: dict[str, Stage] = {}
        self._tickets = TicketBox()
        self._forwards = Forwards(self._ports, self._forward_ended)
        self._viewers: set[Viewer] = set()
        self._writer: asyncio.StreamWriter | None = None
        self._is_ticking = False
        self._is_reading = False
        self._now_s = clock.monotonic()
        self._seconds = 0
        self._load = LoadGauge()
        self._is_throttled = False
        self._shared: SharedPorts | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._ffmpeg = shutil.which(settings.ffmpeg)
        self._verbs: dict[str, Callable[[Message], Awaitable[object]]] = {
            "open_receiver": self._open_receiver,
            "connect": self._connect,
            "open_rtsp": self._open_rtsp,
            "close": self._close,
            "ticket": self._ticket,
            "revoke": self._revoke,
            "forward_open": self._forward_open,
            "forward_start": self._forward_start,
            "forward_close": self._forward_close,
            "renew": self._renew,
            "turn_away": self._turn_away,
            "stats": self._stats,
            **self._talks.verbs,
            **PlaybackVerbs(self._stages.get, clock).table(),
        }

    # -- life

    async def run(self) -> None:
        """Serve until the control process closes the socket."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            partial(Viewer, self, self._settings.viewer_queue_bytes), self._settings.host, self._settings.port
        )
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_unix_connection(self._settings.socket_path)
        self._writer = writer
        if self._settings.shared_port >= 0:
            self._shared = SharedPorts(
                self._settings.rtp_ip, self._settings.shared_port, self._settings.receive_buffer_bytes
            )
            await self._shared.start()
            self._watch.add(self._shared)
            self._choose_pace()
        self._say({"event": "hello", "version": VERSION, "port": port, "ffmpeg": bool(self._ffmpeg)})
        upkeep = loop.create_task(self._keep_up(), name="upkeep")
        gc.collect()
        gc.freeze()
        gc.disable()
        log.info("media worker ready", port=port, rtp=f"{self._settings.rtp_low}-{self._settings.rtp_high}")
        try:
            await self._obey(reader)
        finally:
            upkeep.cancel()
            server.close()
            self._talks.close()
            if self._shared is not None:
                self._watch.remove(self._shared)
                self._shared.close()
            self._forwards.close_all()
            for viewer in list(self._viewers):
                viewer.end("restart")
            await asyncio.gather(*(stage.stop_transcode() for stage in self._stages.values()), return_exceptions=True)

    async def _obey(self, reader: asyncio.StreamReader) -> None:
        while (message := await read_message(reader)) is not None:
            verb = self._verbs.get(str(message.get("do")))
            if verb is None:
                self._reply(message, {"error": "unknown_verb", "detail": str(message.get("do"))})
                continue
            task = asyncio.get_running_loop().create_task(self._answer(verb, message))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _answer(self, verb: Callable[[Message], Awaitable[object]], message: Message) -> None:
        try:
            self._reply(message, {"ok": await verb(message)})
        except (Refused, TalkRefused) as refusal:
            self._reply(message, {"error": refusal.code, "detail": str(refusal)})
        except (KeyError, TypeError, ValueError) as error:
            self._reply(message, {"error": "invalid", "detail": f"{type(error).__name__}: {error}"})
        except OSError as error:
            self._reply(message, {"error": "unavailable", "detail": error.strerror or str(error)})

    def _reply(self, message: Message, content: Message) -> None:
        self._say({"id": message.get("id"), **content})

    def _say(self, message: Message) -> None:
        writer = self._writer
        if writer is None or writer.transport.is_closing():
            return
        if writer.transport.get_write_buffer_size() > MAX_CONTROL_BACKLOG_BYTES:
            log.error("control process does not read", backlog_bytes=writer.transport.get_write_buffer_size())
            writer.transport.abort()
            return
        writer.write(pack_message(message))

    def _event(self, name: str, stream_id: str, **content: object) -> None:
        self._say({"event": name, "stream_id": stream_id, **content})

    def _talk_event(self, what: str, talk_id: str, reason: str) -> None:
        self._say({"event": "talk", "talk_id": talk_id, "what": what, "reason": reason})

    # -- verbs

    async def _open_receiver(self, message: Message) -> object:
        stream_id = str(message["stream_id"])
        transport = str(message["transport"])
        if transport not in TRANSPORTS:
            raise Refused("invalid", f"no transport {transport}")
        stage = self._stages.get(stream_id)
        if stage is None:
            stage = self._stages[stream_id] = self._new_stage(stream_id)
        self._close_source(stage)
        ssrc = None if message.get("ssrc") is None else int(message["ssrc"])
        peer_ip = message.get("peer_ip")
        stage.feed.tolerates_loss = message.get("loss") == "tolerate"
        wait_ms = WAIT_WAN_MS if message.get("wan") else WAIT_LAN_MS
        # Each of our ports serves one stream, so the port or the connection says whose packets these are; devices
        # that send another SSRC than agreed are common, and the first one seen is adopted.
        source = Source(stage.feed, ssrc=None, wants_audio=False, wait_ms=wait_ms)
        source.forwards = stage.forwards
        for forward in stage.forwards:
            forward.interrupted()
        stage.is_heard = bool(message.get("audio"))
        stage.transport = transport
        deliver = partial(self._deliver, stage, source)
        on_closed = partial(self._source_closed, stage, source)
        try:
            if message.get("shared") and self._shared is not None and ssrc is not None and transport != "tcp_active":
                source.receiver.ssrc = ssrc
                stage.shared = self._shared.add(ssrc, transport, deliver, on_closed, peer_ip=peer_ip)
                port = stage.shared.port
            elif transport == "udp":
                udp = UdpPort(self._ports, deliver, ssrc=ssrc, peer_ip=peer_ip, now_s=self._now_s)
                if udp.granted_bytes < ENOUGH_BUFFER_BYTES:
                    log.warning("small receive buffer", granted_bytes=udp.granted_bytes, setting="net.core.rmem_max")
                stage.udp = udp
                self._watch.add(udp)
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
        stage.choose_sound()
        if stage.transcoder is not None:
            source.tap = stage.transcoder
        self._choose_pace()
        log.info(
            "receiver opened",
            stream_id=stream_id,
            transport=transport,
            port=port,
            buffer_bytes=stage.udp.granted_bytes if stage.udp is not None else 0,
        )
        return {"ip": self._settings.rtp_ip, "port": port}

    async def _connect(self, message: Message) -> object:
        stage = self._stage_of(message)
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
        )
        stage = self._stages.get(stream_id)
        if stage is None:
            stage = self._stages[stream_id] = self._new_stage(stream_id)
        self._close_source(stage)
        stage.feed.tolerates_loss = message.get("loss") == "tolerate"

        def lost(reason: str) -> None:
            if stage.pull is pull:
                stage.feed.interrupt()
                self._event("source_lost", stream_id, reason=reason)

        pull = RtspPull(
            order,
            stage.feed,
            self._clock,
            self._ports,
            self._watch,
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
        stage.is_heard = order.wants_audio
        if stage.transcoder is not None and stage.source is not None:
            stage.source.tap = stage.transcoder
        self._choose_pace()
        log.info("camera pulled", stream_id=stream_id, transport=pull.transport)
        return agreed

    def _deliver_pulled(self, stage: Stage, source: Source, packets: list[bytes]) -> None:
        """Take packets of a pull; those that come before its opening was answered count as well."""
        if stage.source is None and stage.pull is not None and stage.pull.source is source:
            stage.source = source
        self._deliver(stage, source, packets)

    async def _close(self, message: Message) -> object:
        stage = self._stages.get(str(message["stream_id"]))
        if stage is not None:
            self._close_source(stage)
            self._drop_if_empty(stage)
            self._choose_pace()
        return {}

    async def _ticket(self, message: Message) -> object:
        ticket = Ticket(
            str(message["ticket"]),
            str(message["stream_id"]),
            str(message["viewer_id"]),
            str(message["view_id"]),
            float(message["expires_at"]),
            tuple(str(codec) for codec in message.get("codecs", ())),
            bool(message.get("audio")),
            is_alarm=bool(message.get("alarm")),
            may_change=bool(message.get("may_change")),
        )
        self._tickets.put(ticket, self._clock.now().timestamp())
        return {}

    async def _revoke(self, message: Message) -> object:
        view_id, reason = str(message["view_id"]), str(message.get("reason") or "revoked")
        self._tickets.revoke(view_id)
        ended = 0
        for viewer in list(self._viewers):
            if viewer.ticket is not None and viewer.ticket.view_id == view_id:
                viewer.end(reason)
                ended += 1
        return {"ended": ended + self._forwards.revoke(view_id, reason)}

    async def _forward_open(self, message: Message) -> object:
        stream_id = str(message["stream_id"])
        plan = ForwardPlan(
            str(message["forward_id"]),
            str(message["view_id"]),
            str(message["mode"]),
            str(message["ip"]),
            int(message["port"]),
            int(message["ssrc"]),
            float(message["expires_at"]),
        )
        stage = self._stages.get(stream_id)
        if stage is None:
            stage = self._stages[stream_id] = self._new_stage(stream_id)
        try:
            made = await self._forwards.open(stream_id, plan)
        except PortsExhausted as error:
            raise Refused("ports_exhausted", str(error)) from error
        stage.forwards.append(made)
        self._event("viewer_opened", stream_id, viewer_id=plan.forward_id, view_id=plan.view_id)
        self._event("demand", stream_id)
        return {"ip": self._settings.rtp_ip, "port": made.port}

    async def _forward_start(self, message: Message) -> object:
        if not self._forwards.start(str(message["forward_id"])):
            raise Refused("not_found", "the forward has ended")
        return {}

    async def _forward_close(self, message: Message) -> object:
        self._forwards.close(str(message["forward_id"]))
        return {}

    def _forward_ended(self, forward: Forward, stream_id: str, reason: str) -> None:
        plan, stage = forward.plan, self._stages.get(stream_id)
        if stage is not None and forward in stage.forwards:
            stage.forwards.remove(forward)
        self._event("viewer_closed", stream_id, viewer_id=plan.forward_id, view_id=plan.view_id, reason=reason, gaps=0)
        self._event("forward_ended", stream_id, forward_id=plan.forward_id, reason=reason, sent=forward.sent_packets)
        if stage is not None:
            if not stage.viewers and not stage.forwards:
                self._event("idle", stream_id)
            self._drop_if_empty(stage)

    async def _renew(self, message: Message) -> object:
        view_id, expires_at_s = str(message["view_id"]), float(message["expires_at"])
        self._tickets.renew(view_id, expires_at_s)
        for viewer in self._viewers:
            if viewer.ticket is not None and viewer.ticket.view_id == view_id:
                viewer.ticket = replace(viewer.ticket, expires_at_s=expires_at_s)
        return {}

    async def _turn_away(self, message: Message) -> object:
        stage = self._stages.get(str(message["stream_id"]))
        return {"ended": 0 if stage is None else stage.turn_away(str(message["reason"]))}

    async def _stats(self, message: Message) -> object:
        return self._all_stats()

    def _new_stage(self, stream_id: str) -> Stage:
        return Stage(stream_id, fragment_ms=self._settings.fragment_ms)

    def _stage_of(self, message: Message) -> Stage:
        stage = self._stages.get(str(message["stream_id"]))
        if stage is None:
            raise Refused("not_found", "no such stream")
        return stage

    # -- media in

    def _deliver(self, stage: Stage, source: Source, packets: list[bytes]) -> None:
        if stage.source is not source:
            return
        now_ms = (self._now_s if stage.transport == "udp" else self._clock.monotonic()) * 1000.0
        if source.first_packet_ms < 0:
            self._event("source_up", stage.stream_id)
        source.receive(packets, now_ms)
        if source.has_news:
            source.has_news = False
            self._parameters_changed(stage)

    def _parameters_changed(self, stage: Stage) -> None:
        feed = stage.feed
        sps = feed.sets.sps if feed.sets is not None else None
        content: Message = {"mime": feed.mime, "at": self._clock.now().timestamp()}
        if sps is not None:
            content |= {"width": sps.width, "height": sps.height}
        self._event("params_changed" if stage.was_shown else "first_key", stage.stream_id, **content)
        stage.was_shown = True
        for viewer in list(stage.viewers):
            self._place(stage, viewer)

    def _source_closed(self, stage: Stage, source: Source, reason: str) -> None:
        if stage.source is source:
            stage.feed.interrupt()
            self._event("source_lost", stage.stream_id, reason=reason)

    def _close_source(self, stage: Stage) -> None:
        if stage.udp is not None and stage.pull is None:
            self._watch.remove(stage.udp)
        if stage.source is not None:
            stage.feed.interrupt()
        stage.close_ports()

    def _choose_pace(self) -> None:
        """With few ports react to each; with many, look at all of them every 10 ms and group pictures."""
        loop = asyncio.get_running_loop()
        many = sum(stage.source is not None for stage in self._stages.values()) > FEW_STREAMS
        wants_tick = len(self._watch) > FEW_STREAMS or (self._shared is not None and many)
        wants_reader = len(self._watch) > 0 and not wants_tick
        if wants_reader != self._is_reading:
            if wants_reader:
                loop.add_reader(self._watch.fileno(), self._drain_now)
            else:
                loop.remove_reader(self._watch.fileno())
            self._is_reading = wants_reader
        if wants_tick and not self._is_ticking:
            self._is_ticking = True
            loop.call_later(TICK_S, self._tick, loop.time() + TICK_S)
        elif not wants_tick:
            self._is_ticking = False
        is_grouped = sum(stage.source is not None for stage in self._stages.values()) > GROUP_ABOVE_STREAMS
        for stage in self._stages.values():
            stage.feed.is_grouped = is_grouped

    def _drain_now(self) -> None:
        self._now_s = self._clock.monotonic()
        self._watch.drain(self._now_s)

    def _tick(self, due_s: float) -> None:
        if not self._is_ticking:
            return
        loop = asyncio.get_running_loop()
        late_s = loop.time() - due_s
        self._load.note(late_s, loop.time())
        self._drain_now()
        following = max(due_s + TICK_S, loop.time() + 0.001)
        loop.call_at(following, self._tick, following)

    # -- upkeep

    async def _keep_up(self) -> None:
        loop = asyncio.get_running_loop()
        next_second = loop.time() + 1.0
        while True:
            slept_from = loop.time()
            await asyncio.sleep(UPKEEP_S)
            if not self._is_ticking:
                self._load.note(loop.time() - slept_from - UPKEEP_S, loop.time())
            self._throttle(self._load.is_overloaded)
            self._now_s = self._clock.monotonic()
            now_ms = self._now_s * 1000.0
            for stage in self._stages.values():
                source = stage.source
                if source is not None and (source.receiver.reorder.held or stage.feed.has_pending):
                    source.expire(now_ms)
            self._end_expired()
            if loop.time() >= next_second:
                next_second += 1.0
                if next_second < loop.time():
                    next_second = loop.time() + 1.0
                self._each_second(now_ms)

    def _end_expired(self) -> None:
        now = self._clock.now().timestamp()
        self._forwards.expire(now)
        for viewer in list(self._viewers):
            ticket = viewer.ticket
            if ticket is not None and now >= ticket.expires_at_s:
                viewer.end("expired")
            elif not viewer.is_seated and self._now_s - viewer.connected_s > HANDSHAKE_S:
                viewer.end("handshake_timeout")

    def _each_second(self, now_ms: float) -> None:
        self._seconds += 1
        now = self._clock.now().timestamp()
        self._tickets.expire(now)
        self._talks.each_second()
        self._watch.relatch(self._now_s)
        for stage in list(self._stages.values()):
            if stage.source is not None:
                stage.source.measure(now_ms)
                if stage.is_silent(now_ms, SILENCE_MS):
                    self._event("source_lost", stage.stream_id, reason="silence")
            stage.say_status(now, now_ms)
            self._stop_idle_transcode(stage)
            self._drop_if_empty(stage)
        for viewer in list(self._viewers):
            if viewer.is_stuck(self._now_s):
                viewer.end("slow", CLOSE_SLOW)
        if self._shared is not None:
            self._shared.tidy(asyncio.get_running_loop().time())
        if self._seconds % REPORT_EVERY_S == 0:
            self._report_losses()
        self._say({"event": "stats", "streams": self._all_stats(), **self._shared_stats()})
        if self._seconds % COLLECT_ALL_EVERY_S == 0:
            gc.collect()
        elif self._seconds % COLLECT_EVERY_S == 0:
            gc.collect(0)

    def _throttle(self, is_overloaded: bool) -> None:
        """Overloaded: viewers without an alarm get key frames only, who joins gets no catch-up; calm: all as before."""
        if is_overloaded and not self._is_throttled:
            log.error("media worker overloaded", streams=len(self._watch), viewers=len(self._viewers))
            self._say({"event": "overloaded", "streams": len(self._watch)})
        if not is_overloaded and not self._is_throttled:
            return
        self._is_throttled = is_overloaded
        for stage in self._stages.values():
            stage.feed.is_throttled = is_overloaded
        for viewer in self._viewers:
            viewer.is_throttled = is_overloaded and (viewer.ticket is None or not viewer.ticket.is_alarm)

    def _report_losses(self) -> None:
        drops = read_drops({stage.udp.port for stage in self._stages.values() if stage.udp is not None})
        for stage in self._stages.values():
            if stage.source is None:
                continue
            lost, packets = stage.source.new_losses()
            dropped = drops.get(stage.udp.port, 0) if stage.udp is not None else 0
            new_drops, stage.kernel_drops = max(0, dropped - stage.kernel_drops), dropped
            stage.loss_share = lost / (lost + packets) if lost + packets else 0.0
            if lost or new_drops:
                self._event("loss_report", stage.stream_id, lost=lost, packets=packets, kernel_drops=new_drops)

    def _all_stats(self) -> list[Message]:
        now, now_ms = self._clock.now().timestamp(), self._clock.monotonic() * 1000.0
        return [stage.stats(now, now_ms) for stage in self._stages.values()]

    def _shared_stats(self) -> Message:
        shared = self._shared
        if shared is None:
            return {}
        return {
            "unknown_packets": shared.unknown_packets,
            "unknown": {f"{ssrc:010d}": count for ssrc, count in shared.unknown.items()},
            "not_media": shared.not_media,
            "refused_connections": shared.refused_connections,
        }

    def _drop_if_empty(self, stage: Stage) -> None:
        if stage.source is None and not stage.viewers and not stage.forwards and stage.transcoder is None:
            self._stages.pop(stage.stream_id, None)

    # -- viewers

    def arrived(self, viewer: Viewer) -> None:
        """Note when somebody connected, or end the connection when far too many are there."""
        viewer.connected_s = self._now_s
        self._viewers.add(viewer)
        if len(self._viewers) > MAX_CONNECTIONS:
            viewer.end("too_many")

    def admit(self, viewer: Viewer, path: str, host: str) -> tuple[int, str]:
        """Check the Host header, the path and the ticket."""
        if self._settings.host in ("127.0.0.1", "::1", "localhost") and _name_of(host) not in LOOPBACK_NAMES:
            return HTTPStatus.FORBIDDEN, "this port answers to this machine's own names"
        parts = urlsplit(path)
        if parts.path == "/healthz":
            return HTTPStatus.OK, "ok"
        secret = (parse_qs(parts.query).get("ticket") or [""])[0]
        if parts.path.startswith("/talk/"):
            return self._talks.admit(viewer, unquote(parts.path.removeprefix("/talk/")), secret)
        if not parts.path.startswith("/live/"):
            return HTTPStatus.NOT_FOUND, "not found"
        stream_id = unquote(parts.path.removeprefix("/live/"))
        ticket = self._tickets.take(secret, stream_id, self._clock.now().timestamp())
        if ticket is None:
            return HTTPStatus.FORBIDDEN, "this ticket is unknown, used or too old"
        viewer.ticket = ticket
        viewer.wants_audio = ticket.wants_audio
        return HTTPStatus.SWITCHING_PROTOCOLS, ""

    def seat(self, viewer: Viewer) -> None:
        """Put a viewer on the stage of its stream and ask for the stream if nobody sends it."""
        ticket = viewer.ticket
        assert ticket is not None
        if viewer.is_microphone:
            self._talks.seat(viewer)
            return
        stage = self._stages.get(ticket.stream_id)
        if stage is None:
            stage = self._stages[ticket.stream_id] = self._new_stage(ticket.stream_id)
        stage.viewers.add(viewer)
        stage.choose_sound()
        self._event("viewer_opened", stage.stream_id, viewer_id=ticket.viewer_id, view_id=ticket.view_id)
        self._event("demand", stage.stream_id)
        if stage.feed.codec:
            self._place(stage, viewer)

    def left(self, viewer: Viewer) -> None:
        """Take a viewer off its stage."""
        self._viewers.discard(viewer)
        ticket = viewer.ticket
        if ticket is None or not viewer.is_seated:
            return
        if viewer.is_microphone:
            self._talks.left(viewer)
            return
        stage = self._stages.get(ticket.stream_id)
        if stage is None or viewer not in stage.viewers:
            return
        stage.leave(viewer)
        self._event(
            "viewer_closed",
            stage.stream_id,
            viewer_id=ticket.viewer_id,
            view_id=ticket.view_id,
            reason=viewer.ended or "left",
            gaps=viewer.gaps,
        )
        if not stage.viewers:
            self._event("idle", stage.stream_id)
        self._drop_if_empty(stage)

    def heard(self, viewer: Viewer, data: bytes) -> None:
        """Take sound of a microphone."""
        self._talks.heard(viewer, data)

    def resumed(self, viewer: Viewer) -> None:
        """Show a viewer that paused what it missed since the last key picture."""
        stage = self._stages.get(viewer.ticket.stream_id) if viewer.ticket is not None else None
        if stage is not None:
            stage.resume(viewer)

    def _place(self, stage: Stage, viewer: Viewer) -> None:
        """Join a viewer to the stream as it is, or to its conversion."""
        if not stage.needs_conversion(viewer):
            stage.show(viewer, stage.feed)
            return
        if viewer.ticket is not None and viewer.ticket.may_change:
            viewer.end("use_sub_stream")
            return
        if stage.transcoder is None:
            if self._ffmpeg is None:
                viewer.end("transcode_missing")
                return
            if sum(other.transcoder is not None for other in self._stages.values()) >= self._settings.transcodes:
                viewer.end("transcode_limit")
                return
            stage.transcoder = Transcoder(stage.stream_id, self._ffmpeg, self._clock, self._transcode_ended)
            stage.transcoder.start()
            if stage.source is not None:
                stage.source.tap = stage.transcoder
            log.info("transcode started", stream_id=stage.stream_id)
        stage.show(viewer, stage.transcoder.feed)

    def _transcode_ended(self, stream_id: str) -> None:
        stage = self._stages.get(stream_id)
        if stage is not None:
            stage.forget_transcode("source_lost")

    def _stop_idle_transcode(self, stage: Stage) -> None:
        transcoder = stage.transcoder
        if transcoder is None:
            return
        if transcoder.feed.outlets:
            transcoder.idle_since_s = self._now_s
        elif self._now_s - transcoder.idle_since_s > IDLE_S:
            task = asyncio.get_running_loop().create_task(stage.stop_transcode())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _name_of(host: str) -> str:
    """Return the name in a Host header, without its port."""
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.rsplit(":", 1)[0]


def read_arguments(arguments: list[str]) -> WorkerSettings:
    """Read the command line of a worker."""
    parser = argparse.ArgumentParser(prog="tocsin.media.worker")
    parser.add_argument("--socket", required=True, help="Unix socket of the control process")
    parser.add_argument("--listen", default="127.0.0.1:0", help="HOST:PORT of the picture port")
    parser.add_argument("--rtp-ip", default="127.0.0.1", help="address the RTP ports are bound to")
    parser.add_argument("--rtp-ports", default="0-0", help="LOW-HIGH; 0-0 lets the system choose")
    parser.add_argument("--rtp-shared-port", type=int, default=-1, help="one port for all streams; -1 none, 0 any")
    parser.add_argument("--transcodes", type=int, default=1, help="H.265 conversions at a time")
    parser.add_argument("--ffmpeg", default="ffmpeg", help="the ffmpeg program for conversions")
    parser.add_argument("--fragment-ms", type=int, default=FRAGMENT_MS, help="longest fragment, milliseconds")
    parser.add_argument("--receive-buffer", type=int, default=RECEIVE_BUFFER_BYTES, help="asked for per socket, bytes")
    parser.add_argument("--viewer-queue", type=int, default=MIN_QUEUE_BYTES, help="least queue of a viewer, bytes")
    found = parser.parse_args(arguments)
    host, _, port = str(found.listen).rpartition(":")
    low, _, high = str(found.rtp_ports).partition("-")
    return WorkerSettings(
        found.socket,
        host.strip("[]") or "127.0.0.1",
        int(port),
        found.rtp_ip,
        int(low),
        int(high),
        found.rtp_shared_port,
        found.transcodes,
        found.ffmpeg,
        found.fragment_ms,
        found.receive_buffer,
        found.viewer_queue,
    )


async def _serve(settings: WorkerSettings) -> None:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C is the control process's business
    try:
        await Worker(settings, SystemClock()).run()
    except asyncio.CancelledError:
        log.info("media worker stopped")


def main() -> int:
    """Run one worker; exit status 1 when the control process cannot be reached or a port is taken."""
    set_up_log()
    settings = read_arguments(sys.argv[1:])
    try:
        import uvloop

        run: Callable[[Awaitable[None]], None] = uvloop.run  # type: ignore[assignment]
    except ImportError:
        run = asyncio.run  # type: ignore[assignment]
    try:
        run(_serve(settings))
    except (OSError, WireError) as error:
        log.error("media worker cannot run", error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
