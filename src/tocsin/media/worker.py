"""A media worker: a child process that receives streams and serves their viewers. `python -m tocsin.media.worker`.

It owns the RTP ports and the picture port, is told what to open over a Unix socket, and ends when that socket does.

Source: media reference, architecture and receive loop.
"""

from __future__ import annotations

import asyncio
import gc
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from tocsin.base.clock import Clock, SystemClock
from tocsin.base.log import set_up_log
from tocsin.media.forward_verbs import ForwardVerbs
from tocsin.media.gallery import Gallery
from tocsin.media.key_pictures import KeyPictureVerbs
from tocsin.media.pace import Pace
from tocsin.media.playback_verbs import PlaybackVerbs
from tocsin.media.ports import PortRange, read_drops
from tocsin.media.receivers import Receivers
from tocsin.media.recorder_verbs import RecorderVerbs
from tocsin.media.shared import SharedPorts
from tocsin.media.stages import Stages
from tocsin.media.talk import TalkRefused, Talks
from tocsin.media.viewer import Viewer
from tocsin.media.wire import VERSION, Message, Refused, WireError, pack_message, read_message
from tocsin.media.worker_settings import WorkerSettings, read_arguments

log = structlog.get_logger(__name__)

UPKEEP_S = 0.050
SILENCE_MS = 10_000.0
REPORT_EVERY_S = 5
COLLECT_EVERY_S = 5
COLLECT_ALL_EVERY_S = 120
MAX_CONTROL_BACKLOG_BYTES = 64 << 20


class Worker:
    """Streams, viewers and transcodes of one process."""

    def __init__(self, settings: WorkerSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._writer: asyncio.StreamWriter | None = None
        self._seconds = 0
        self._is_throttled = False
        self._answering: set[asyncio.Task[None]] = set()
        self._ffmpeg = shutil.which(settings.ffmpeg)
        ports = PortRange(settings.rtp_ip, settings.rtp_low, settings.rtp_high, settings.receive_buffer_bytes)
        self._stages = Stages(settings.fragment_ms, self._say)
        self._pace = Pace(self._stages, clock)
        self._talks = Talks(ports, settings.rtp_ip, clock, self._talk_event)
        forwarding = ForwardVerbs(self._stages, ports)
        self._forwards = forwarding.forwards
        self._gallery = Gallery(
            self._stages,
            self._pace,
            self._talks,
            self._forwards,
            clock,
            host=settings.host,
            ffmpeg=self._ffmpeg,
            transcodes=settings.transcodes,
        )
        self._receivers = Receivers(self._stages, self._pace, ports, clock, self._gallery.place)
        self._recording = RecorderVerbs(self._stages, clock, self._say, ring_bytes=settings.ring_bytes)
        self._verbs: dict[str, Callable[[Message], Awaitable[object]]] = {
            **self._receivers.table(),
            **self._gallery.table(),
            **forwarding.table(),
            "stats": self._stats,
            **self._talks.verbs,
            **PlaybackVerbs(self._stages.get, clock).table(),
            **self._recording.table(),
            **KeyPictureVerbs(self._stages, clock).table(),
        }

    # -- life

    async def run(self) -> None:
        """Serve until the control process closes the socket."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            partial(Viewer, self._gallery, self._settings.viewer_queue_bytes), self._settings.host, self._settings.port
        )
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_unix_connection(self._settings.socket_path)
        self._writer = writer
        if self._settings.shared_port >= 0:
            shared = SharedPorts(self._settings.rtp_ip, self._settings.shared_port, self._settings.receive_buffer_bytes)
            await shared.start()
            self._receivers.shared = shared
            self._pace.is_shared = True
            self._pace.watch.add(shared)
            self._pace.choose()
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
            if self._receivers.shared is not None:
                self._pace.watch.remove(self._receivers.shared)
                self._receivers.shared.close()
            self._forwards.close_all()
            self._gallery.end_all("restart")
            await self._recording.close()
            await asyncio.gather(*(stage.stop_transcode() for stage in self._stages), return_exceptions=True)

    async def _obey(self, reader: asyncio.StreamReader) -> None:
        while (message := await read_message(reader)) is not None:
            verb = self._verbs.get(str(message.get("do")))
            if verb is None:
                self._reply(message, {"error": "unknown_verb", "detail": str(message.get("do"))})
                continue
            task = asyncio.get_running_loop().create_task(self._answer(verb, message))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

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

    def _talk_event(self, what: str, talk_id: str, reason: str) -> None:
        self._say({"event": "talk", "talk_id": talk_id, "what": what, "reason": reason})

    # -- verbs

    async def _stats(self, message: Message) -> object:
        return self._all_stats()

    # -- upkeep

    async def _keep_up(self) -> None:
        loop = asyncio.get_running_loop()
        next_second = loop.time() + 1.0
        while True:
            slept_from = loop.time()
            await asyncio.sleep(UPKEEP_S)
            if not self._pace.is_ticking:
                self._pace.load.note(loop.time() - slept_from - UPKEEP_S, loop.time())
            self._throttle(self._pace.load.is_overloaded)
            now_ms = self._pace.look() * 1000.0
            for stage in self._stages:
                source = stage.source
                if source is not None and (source.receiver.reorder.held or stage.feed.has_pending):
                    source.expire(now_ms)
            now = self._clock.now().timestamp()
            self._forwards.expire(now)
            self._gallery.end_expired(now)
            if loop.time() >= next_second:
                next_second += 1.0
                if next_second < loop.time():
                    next_second = loop.time() + 1.0
                self._each_second(now_ms)

    def _each_second(self, now_ms: float) -> None:
        self._seconds += 1
        now = self._clock.now().timestamp()
        self._talks.each_second()
        self._pace.watch.relatch(self._pace.now_s)
        for stage in self._stages:
            if stage.source is not None:
                stage.source.measure(now_ms)
                if stage.is_silent(now_ms, SILENCE_MS):
                    self._stages.event("source_lost", stage.stream_id, reason="silence")
            stage.say_status(now, now_ms)
            self._gallery.stop_idle_transcode(stage)
            self._stages.drop_if_empty(stage)
        self._gallery.each_second(now)
        self._recording.each_second(now_ms)
        if self._receivers.shared is not None:
            self._receivers.shared.tidy(asyncio.get_running_loop().time())
        if self._seconds % REPORT_EVERY_S == 0:
            self._report_losses()
        self._say({"event": "stats", "streams": self._all_stats(), "worker": self._figures(), **self._shared_stats()})
        if self._seconds % COLLECT_ALL_EVERY_S == 0:
            gc.collect()
        elif self._seconds % COLLECT_EVERY_S == 0:
            gc.collect(0)

    def _throttle(self, is_overloaded: bool) -> None:
        """Overloaded: viewers without an alarm get key frames only, who joins gets no catch-up; calm: all as before."""
        if is_overloaded and not self._is_throttled:
            log.error("media worker overloaded", streams=len(self._pace.watch), viewers=len(self._gallery.viewers))
            self._say({"event": "overloaded", "streams": len(self._pace.watch)})
        if not is_overloaded and not self._is_throttled:
            return
        self._is_throttled = is_overloaded
        for stage in self._stages:
            stage.feed.is_throttled = stage.feed.is_grouped = is_overloaded
        self._gallery.throttle(is_overloaded)

    def _report_losses(self) -> None:
        drops = read_drops({stage.udp.port for stage in self._stages if stage.udp is not None})
        for stage in self._stages:
            if stage.source is None:
                continue
            lost, packets = stage.source.new_losses()
            dropped = drops.get(stage.udp.port, 0) if stage.udp is not None else 0
            new_drops, stage.kernel_drops = max(0, dropped - stage.kernel_drops), dropped
            stage.loss_share = lost / (lost + packets) if lost + packets else 0.0
            if lost or new_drops:
                self._stages.event("loss_report", stage.stream_id, lost=lost, packets=packets, kernel_drops=new_drops)

    def _all_stats(self) -> list[Message]:
        now, now_ms = self._clock.now().timestamp(), self._clock.monotonic() * 1000.0
        return [stage.stats(now, now_ms) for stage in self._stages]

    def _figures(self) -> Message:
        delays = self._pace.delays
        return {**self._gallery.figures(), "delays": delays.counts, "delay_sum_s": delays.sum_s}

    def _shared_stats(self) -> Message:
        shared = self._receivers.shared
        if shared is None:
            return {}
        return {
            "unknown_packets": shared.unknown_packets,
            "unknown": {f"{ssrc:010d}": count for ssrc, count in shared.unknown.items()},
            "not_media": shared.not_media,
            "refused_connections": shared.refused_connections,
        }


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
