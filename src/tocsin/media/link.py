"""The control side of the media workers: starts them, keeps them running, and passes words both ways.

Source: design note 0001, media borders; media reference, contract between control process and worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.video import Endpoint
from tocsin.media.wire import VERSION, Message, WireError, pack_message, read_message

log = structlog.get_logger(__name__)

CALL_TIMEOUT_S = 5.0
CONNECT_CALL_TIMEOUT_S = 15.0
RTSP_CALL_TIMEOUT_S = 30.0
READY_TIMEOUT_S = 10.0
WAIT_FOR_WORKER_S = 3.0
FIRST_RESTART_S = 0.1
LONGEST_RESTART_S = 4.0  # no picture meanwhile; a start costs a second of one core
STEADY_AFTER_S = 10.0
STOP_TIMEOUT_S = 3.0
MAX_STARTS = 3


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """How many workers there are and where they listen; worker n serves viewers on `port` + n (0: any port)."""

    run_folder: Path
    workers: int = 1
    host: str = "127.0.0.1"
    port: int = 8081
    rtp_ip: str = "127.0.0.1"
    public_ip: str = ""
    rtp_low: int = 25_000
    rtp_high: int = 29_999
    shared_port: int = -1  # -1: each stream has its own port
    transcodes: int = 1
    ffmpeg: str = "ffmpeg"
    fragment_ms: int = 200
    receive_buffer_bytes: int = 4 << 20
    viewer_queue_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class StreamStats:
    """What a worker last said of one stream; counts since the source was opened."""

    stream_id: str
    state: str = "idle"
    reason: str = ""
    viewers: int = 0
    codec: str = ""
    width: int = 0
    height: int = 0
    bitrate_bps: int = 0
    loss_share: float = 0.0
    last_picture_at: datetime | None = None
    key_interval_ms: int = 0
    pictures: int = 0
    withheld: int = 0
    packets: int = 0
    lost: int = 0
    reordered: int = 0
    late: int = 0
    damaged: int = 0
    resyncs: int = 0
    kernel_drops: int = 0
    strangers: int = 0
    buffer_bytes: int = 0
    converted: bool = False
    record_ms: int | None = None
    scale: float = 1.0
    paused: bool = False


@dataclass(frozen=True, slots=True)
class LossReport:
    """Packets that did not arrive in the last five seconds; `kernel_drops` arrived and found us too slow."""

    lost: int
    packets: int
    kernel_drops: int


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """How one worker is doing."""

    number: int
    is_alive: bool
    pid: int
    port: int
    restarts: int
    streams: int


@dataclass(slots=True)
class MediaEvents:
    """Callbacks of whoever runs the streams; each is called on the loop and must not wait."""

    on_source_up: Callable[[str], None] = lambda stream_id: None
    on_first_key: Callable[[str, datetime], None] = lambda stream_id, at: None
    on_params_changed: Callable[[str, str], None] = lambda stream_id, mime: None
    on_mime: Callable[[str, str], None] = lambda stream_id, mime: None
    on_source_lost: Callable[[str, str], None] = lambda stream_id, reason: None
    on_demand: Callable[[str], None] = lambda stream_id: None
    on_idle: Callable[[str], None] = lambda stream_id: None
    on_worker_lost: Callable[[tuple[str, ...]], None] = lambda stream_ids: None
    on_viewer: Callable[[str, str, str, str], None] = lambda view_id, viewer_id, stream_id, what: None
    on_loss: Callable[[str, LossReport], None] = lambda stream_id, report: None
    on_overload: Callable[[int], None] = lambda worker: None
    on_talk: Callable[[str, str, str], None] = lambda talk_id, what, reason: None
    on_forward_ended: Callable[[str, str], None] = lambda forward_id, reason: None


@dataclass(slots=True, eq=False)
class _Worker:
    number: int
    socket_path: Path
    process: asyncio.subprocess.Process | None = None
    writer: asyncio.StreamWriter | None = None
    port: int = 0
    restarts: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    calls: dict[int, asyncio.Future[Message]] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    unknown_packets: int = 0


class MediaLink:
    """Spawns N workers and speaks to them; implements `MediaPorts` for the gateways."""

    def __init__(self, settings: MediaSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.events = MediaEvents()
        self._workers: list[_Worker] = []
        self._servers: list[asyncio.Server] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._owner: dict[str, _Worker] = {}
        self._stats: dict[str, StreamStats] = {}
        self._arrived: dict[str, asyncio.Event] = {}
        self._forwards: dict[str, _Worker] = {}
        self._next_call = 0
        self._is_stopping = False
        self._is_failing = asyncio.Event()

    # -- life

    async def start(self) -> None:
        """Start the workers and wait until they answer.

        Errors: UNAVAILABLE when one keeps ending (a busy port) or does not answer within 10 s.
        """
        folder = self._settings.run_folder
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(self._settings.workers):
            path = folder / f"media-{number}.sock"
            path.unlink(missing_ok=True)
            worker = _Worker(number, path)
            self._workers.append(worker)
            self._servers.append(await asyncio.start_unix_server(self._accepting(worker), str(path)))
            os.chmod(path, 0o600)
            self._tasks.append(asyncio.create_task(self._keep(worker), name=f"media worker {number}"))
        if not await self._all_ready():
            await self.stop()
            port = self._settings.port
            detail = "a media worker does not start; the log says why"
            if port:
                detail = f"a media worker does not start: end what uses port {port} or set media.port"
            raise TocsinError(ErrorCode.UNAVAILABLE, detail, key="media_worker_silent")

    async def stop(self) -> None:
        """End the workers and wait for their end."""
        self._is_stopping = True
        for worker in self._workers:
            if worker.writer is not None:
                worker.writer.close()  # a worker ends with its socket
        for worker in self._workers:
            await _end(worker.process)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._servers:
            server.close()
        for worker in self._workers:
            worker.socket_path.unlink(missing_ok=True)

    async def _all_ready(self) -> bool:
        """Wait for every worker; False when one ended several times or time is up."""
        ready = asyncio.gather(*(worker.ready.wait() for worker in self._workers))
        failing = asyncio.ensure_future(self._is_failing.wait())
        await asyncio.wait((ready, failing), timeout=READY_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        is_ready = ready.done()
        ready.cancel()
        failing.cancel()
        await asyncio.gather(ready, failing, return_exceptions=True)
        return is_ready

    def health(self) -> list[WorkerHealth]:
        """Return how each worker is doing."""
        return [
            WorkerHealth(
                worker.number,
                worker.ready.is_set(),
                worker.process.pid if worker.process is not None else 0,
                worker.port,
                worker.restarts,
                sum(owner is worker for owner in self._owner.values()),
            )
            for worker in self._workers
        ]

    # -- receivers

    async def open_receiver(
        self,
        stream_id: str,
        transport: str,
        *,
        ssrc: int | None,
        peer_ip: str | None,
        audio: bool = False,
        loss: str = "drop",
    ) -> Endpoint:
        """Open a receiver; return where the device has to send. Errors: UNAVAILABLE without worker or free port."""
        worker = await self._worker_of(stream_id)
        self._arrived[stream_id] = asyncio.Event()
        found = await self._call(
            worker,
            "open_receiver",
            stream_id=stream_id,
            transport=transport,
            ssrc=ssrc,
            peer_ip=peer_ip,
            audio=audio,
            loss=loss,
            shared=self._settings.shared_port >= 0 and ssrc is not None,
        )
        return Endpoint(self._settings.public_ip or str(found["ip"]), int(found["port"]))

    async def connect(self, stream_id: str, ip: str, port: int) -> None:
        """Connect to a device that listens (`tcp_active`). Errors: UNAVAILABLE when it does not answer."""
        worker = await self._worker_of(stream_id)
        await self._call(worker, "connect", timeout_s=CONNECT_CALL_TIMEOUT_S, stream_id=stream_id, ip=ip, port=port)

    async def open_rtsp(
        self,
        stream_id: str,
        url: str,
        *,
        username: str = "",
        password: str = "",
        transport: str = "tcp",
        audio: bool = False,
        loss: str = "drop",
    ) -> Mapping[str, object]:
        """Let a worker pull a picture from an RTSP camera; return what was agreed (`transport`, `codec`, ...).

        Errors: UNAVAILABLE with `media_rtsp_...`, the detail being the camera's own word.
        """
        worker = await self._worker_of(stream_id)
        self._arrived[stream_id] = asyncio.Event()
        return await self._call(
            worker,
            "open_rtsp",
            timeout_s=RTSP_CALL_TIMEOUT_S,
            stream_id=stream_id,
            url=url,
            username=username,
            password=password,
            transport=transport,
            audio=audio,
            loss=loss,
        )

    async def first_packet(self, stream_id: str, timeout_s: float) -> bool:
        """Wait for media; False when none arrived in time."""
        arrived = self._arrived.get(stream_id)
        if arrived is None:
            return False
        try:
            async with asyncio.timeout(timeout_s):
                await arrived.wait()
        except TimeoutError:
            return False
        return True

    async def close_receiver(self, stream_id: str) -> None:
        """Close the receiver; closing twice, or after its worker died, is no error."""
        self._arrived.pop(stream_id, None)
        worker = self._owner.get(stream_id)
        if worker is None or not worker.ready.is_set():
            return
        with contextlib.suppress(TocsinError):
            await self._call(worker, "close", stream_id=stream_id)

    # -- recordings

    async def steer(self, stream_id: str, act: str, **content: float) -> None:
        """Tell a recording's stream what its device was told: `hold`, `start`, `pace`, `pause` or `resume`."""
        worker = await self._worker_of(stream_id)
        await self._call(worker, "playback", stream_id=stream_id, act=act, timeout_s=CALL_TIMEOUT_S, **content)

    async def save(self, stream_id: str, path: Path, max_bytes: int) -> None:
        """Keep a recording's pictures in a file from now on. Errors: UNAVAILABLE when it cannot be made."""
        worker = await self._worker_of(stream_id)
        await self._call(worker, "save", stream_id=stream_id, path=str(path), max_bytes=max_bytes)

    async def saved(self, stream_id: str, *, keep: bool) -> Message:
        """End the file of a stream and return its size, digest and record times; without `keep` it is thrown away."""
        worker = await self._worker_of(stream_id)
        return await self._call(worker, "saved", timeout_s=CONNECT_CALL_TIMEOUT_S, stream_id=stream_id, keep=keep)

    # -- viewers

    async def ticket(
        self,
        *,
        stream_id: str,
        ticket: str,
        viewer_id: str,
        view_id: str,
        expires_at: datetime,
        codecs: tuple[str, ...] = (),
        audio: bool = False,
        alarm: bool = False,
        may_change: bool = False,
    ) -> str:
        """Issue a one-use ticket; return the path of its URL, on the port `viewer_port`. Errors: UNAVAILABLE."""
        worker = await self._worker_of(stream_id)
        await self._call(
            worker,
            "ticket",
            stream_id=stream_id,
            ticket=ticket,
            viewer_id=viewer_id,
            view_id=view_id,
            expires_at=expires_at.timestamp(),
            codecs=list(codecs),
            audio=audio,
            alarm=alarm,
            may_change=may_change,
        )
        return f"/live/{quote(stream_id, safe='')}?ticket={quote(ticket, safe='')}"

    # -- voice: implements `TalkPorts`

    async def open_talk(
        self, talk_id: str, transport: str, *, peer_ip: str | None, ssrc: int, payload: str, payload_type: int
    ) -> Endpoint:
        """Open a voice line; return the address of ours its device deals with. Errors: UNAVAILABLE."""
        worker = await self._worker_of(talk_id)
        found = await self._call(
            worker,
            "talk_open",
            talk_id=talk_id,
            transport=transport,
            peer_ip=peer_ip,
            ssrc=ssrc,
            payload=payload,
            payload_type=payload_type,
        )
        return Endpoint(self._settings.public_ip or str(found["ip"]), int(found["port"]))

    async def aim_talk(self, talk_id: str, ip: str, port: int) -> None:
        """Say where the sound goes, over TCP by connecting there. Errors: UNAVAILABLE when nobody answers there."""
        worker = await self._worker_of(talk_id)
        await self._call(worker, "talk_aim", talk_id=talk_id, ip=ip, port=port)

    async def start_talk(self, talk_id: str) -> None:
        """Begin to send. Errors: UNAVAILABLE."""
        await self._call(await self._worker_of(talk_id), "talk_start", talk_id=talk_id)

    async def talk_address(self, talk_id: str, *, ticket: str, user_id: str, view_id: str, expires_at: datetime) -> str:
        """Issue a one-use ticket for a microphone; return its address. Errors: UNAVAILABLE."""
        worker = await self._worker_of(talk_id)
        await self._call(
            worker,
            "talk_ticket",
            talk_id=talk_id,
            ticket=ticket,
            viewer_id=user_id,
            view_id=view_id,
            expires_at=expires_at.timestamp(),
        )
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return f"ws://{host}:{worker.port}/talk/{quote(talk_id, safe='')}?ticket={quote(ticket, safe='')}"

    async def close_talk(self, talk_id: str, reason: str) -> None:
        """End a voice line; its microphone is told why. Ending it twice is no error."""
        worker = self._owner.pop(talk_id, None)
        if worker is not None and worker.ready.is_set():
            with contextlib.suppress(TocsinError):
                await self._call(worker, "talk_close", talk_id=talk_id, reason=reason)

    # -- forwards

    async def forward_open(
        self,
        *,
        stream_id: str,
        forward_id: str,
        view_id: str,
        mode: str,
        ip: str,
        port: int,
        ssrc: int,
        expires_at: datetime,
    ) -> Endpoint:
        """Prepare to send a stream on to ip:port; return our own media address. Errors: UNAVAILABLE."""
        worker = await self._worker_of(stream_id)
        found = await self._call(
            worker,
            "forward_open",
            stream_id=stream_id,
            forward_id=forward_id,
            view_id=view_id,
            mode=mode,
            ip=ip,
            port=port,
            ssrc=ssrc,
            expires_at=expires_at.timestamp(),
        )
        self._forwards[forward_id] = worker
        return Endpoint(self._settings.public_ip or str(found["ip"]), int(found["port"]))

    async def forward_start(self, stream_id: str, forward_id: str) -> None:
        """Begin to send: the receiver has acknowledged. Errors: UNAVAILABLE when it ended meanwhile."""
        await self._call(await self._worker_of(stream_id), "forward_start", forward_id=forward_id)

    async def forward_close(self, stream_id: str, forward_id: str) -> None:
        """Stop sending; stopping twice, or after the worker died, is no error."""
        worker = self._owner.get(stream_id)
        if worker is not None and worker.ready.is_set():
            with contextlib.suppress(TocsinError):
                await self._call(worker, "forward_close", forward_id=forward_id)

    def viewer_port(self, stream_id: str) -> int:
        """Return the port on which the viewers of a stream are served; 0 while its worker is down."""
        worker = self._owner.get(stream_id)
        return worker.port if worker is not None else 0

    async def revoke(self, view_id: str, reason: str) -> None:
        """End every viewer of a view and forget its unused tickets."""
        for worker in self._workers:
            if worker.ready.is_set():
                with contextlib.suppress(TocsinError):
                    await self._call(worker, "revoke", view_id=view_id, reason=reason)

    async def renew(self, view_id: str, expires_at: datetime) -> None:
        """Let the viewers and unused tickets of a view end at another time."""
        for worker in self._workers:
            if worker.ready.is_set():
                with contextlib.suppress(TocsinError):
                    await self._call(worker, "renew", view_id=view_id, expires_at=expires_at.timestamp())

    async def turn_away(self, stream_id: str, reason: str) -> None:
        """Tell the viewers of a stream to ask again; `reason` is the word they are given."""
        worker = self._owner.get(stream_id)
        if worker is not None and worker.ready.is_set():
            with contextlib.suppress(TocsinError):
                await self._call(worker, "turn_away", stream_id=stream_id, reason=reason)

    async def stats(self) -> list[StreamStats]:
        """Ask every worker about its streams now."""
        found: list[StreamStats] = []
        for worker in self._workers:
            if worker.ready.is_set():
                reply = await self._call_raw(worker, "stats", CALL_TIMEOUT_S, {})
                rows = reply.get("ok")
                found += [_read_stats(row) for row in rows or ()]
        return found

    def unknown_sources(self) -> tuple[int, dict[str, int]]:
        """Return packets on shared ports that belong to no stream, and how many of each SSRC, of 64 at most."""
        named: dict[str, int] = {}
        for worker in self._workers:
            for ssrc, count in worker.unknown.items():
                named[ssrc] = named.get(ssrc, 0) + count
        return sum(worker.unknown_packets for worker in self._workers), named

    def last_stats(self, stream_id: str) -> StreamStats | None:
        """Return what was last said of a stream, a second old at most while its worker lives."""
        return self._stats.get(stream_id)

    # -- one worker

    async def _keep(self, worker: _Worker) -> None:
        """Run one worker, and run it again when it dies: at once, then with growing pauses while it keeps dying."""
        delay_s = FIRST_RESTART_S
        while not self._is_stopping:
            started_s = self._clock.monotonic()
            try:
                worker.process = await asyncio.create_subprocess_exec(
                    *self._command(worker), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
                )
                status = await worker.process.wait()
            except OSError as error:
                log.error("media worker did not start", worker=worker.number, error=str(error))
                status = -1
            self._lose(worker)
            if self._is_stopping:
                return
            lived_s = self._clock.monotonic() - started_s
            if lived_s > STEADY_AFTER_S:
                delay_s = FIRST_RESTART_S
            worker.restarts += 1
            if worker.restarts >= MAX_STARTS:
                self._is_failing.set()
            log.error("media worker ended", worker=worker.number, status=status, lived_s=round(lived_s, 1))
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, LONGEST_RESTART_S)

    def _command(self, worker: _Worker) -> list[str]:
        settings = self._settings
        low, high = settings.rtp_low, settings.rtp_high
        if low and settings.workers > 1:
            share = (high - low + 1) // settings.workers // 2 * 2
            low, high = low + worker.number * share, low + (worker.number + 1) * share - 1
        port = settings.port + worker.number if settings.port else 0
        shared = settings.shared_port + worker.number if settings.shared_port > 0 else settings.shared_port
        return [
            sys.executable,
            "-m",
            "tocsin.media.worker",
            *("--socket", str(worker.socket_path)),
            *("--listen", f"{settings.host}:{port}"),
            *("--rtp-ip", settings.rtp_ip),
            *("--rtp-ports", f"{low}-{high}"),
            *("--rtp-shared-port", str(shared)),
            *("--transcodes", str(settings.transcodes)),
            *("--ffmpeg", settings.ffmpeg),
            *("--fragment-ms", str(settings.fragment_ms)),
            *("--receive-buffer", str(settings.receive_buffer_bytes)),
            *("--viewer-queue", str(settings.viewer_queue_bytes)),
        ]

    def _accepting(
        self, worker: _Worker
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], asyncio.Future[None] | asyncio.Task[None]]:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> asyncio.Task[None]:
            return asyncio.create_task(self._listen(worker, reader, writer), name=f"media link {worker.number}")

        return accept

    async def _listen(self, worker: _Worker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            hello = await read_message(reader)
            if hello is None or hello.get("event") != "hello" or hello.get("version") != VERSION:
                log.error("media worker speaks another protocol", worker=worker.number)
                return
            worker.writer, worker.port = writer, int(hello["port"])
            worker.ready.set()
            while (message := await read_message(reader)) is not None:
                self._hear(worker, message)
        except WireError as error:
            log.error("media link broken", worker=worker.number, error=str(error))
        finally:
            writer.close()
            if worker.writer is writer:
                self._lose(worker)

    def _lose(self, worker: _Worker) -> None:
        """The worker is gone: whoever waits for an answer gets an error, its streams are reported lost."""
        was_ready = worker.ready.is_set()
        worker.ready.clear()
        worker.writer = None
        for call in worker.calls.values():
            if not call.done():
                call.set_result({"error": "worker_lost", "detail": "the media worker ended"})
        worker.calls.clear()
        streams = tuple(stream_id for stream_id, owner in self._owner.items() if owner is worker)
        for stream_id in streams:
            del self._owner[stream_id]
            self._stats.pop(stream_id, None)
        forwards = [forward_id for forward_id, owner in self._forwards.items() if owner is worker]
        for forward_id in forwards:
            del self._forwards[forward_id]
        if was_ready and not self._is_stopping:
            self.events.on_worker_lost(streams)
            for stream_id in streams:
                self.events.on_talk(stream_id, "lost", "worker_lost")
            for forward_id in forwards:
                self.events.on_forward_ended(forward_id, "worker_lost")

    # -- words

    async def _worker_of(self, stream_id: str) -> _Worker:
        """Return the worker of a stream, the least busy one for a new stream; wait a little for one that restarts."""
        owner = self._owner.get(stream_id)
        if owner is not None and owner.ready.is_set():
            return owner
        alive = [worker for worker in self._workers if worker.ready.is_set()]
        if not alive and self._workers:
            waits = [asyncio.ensure_future(worker.ready.wait()) for worker in self._workers]
            _, pending = await asyncio.wait(waits, timeout=WAIT_FOR_WORKER_S, return_when=asyncio.FIRST_COMPLETED)
            for wait in pending:
                wait.cancel()
            alive = [worker for worker in self._workers if worker.ready.is_set()]
        if not alive:
            raise TocsinError(ErrorCode.UNAVAILABLE, "no media worker is running", key="media_worker_lost")
        load = {worker.number: 0 for worker in alive}
        for busy in self._owner.values():
            if busy.number in load:
                load[busy.number] += 1
        chosen = min(alive, key=lambda worker: load[worker.number])
        self._owner[stream_id] = chosen
        return chosen

    async def _call(
        self, worker: _Worker, verb: str, *, timeout_s: float = CALL_TIMEOUT_S, **content: object
    ) -> Message:
        reply = await self._call_raw(worker, verb, timeout_s, content)
        found = reply["ok"]
        return found if isinstance(found, dict) else {}

    async def _call_raw(self, worker: _Worker, verb: str, timeout_s: float, content: Message) -> Message:
        if worker.writer is None:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the media worker is not running", key="media_worker_lost")
        self._next_call += 1
        number = self._next_call
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        worker.calls[number] = future
        worker.writer.write(pack_message({"id": number, "do": verb, **content}))
        try:
            async with asyncio.timeout(timeout_s):
                reply = await future
        except TimeoutError as error:
            detail = f"the media worker did not answer {verb}"
            raise TocsinError(ErrorCode.UNAVAILABLE, detail, key="media_worker_silent") from error
        finally:
            worker.calls.pop(number, None)
        if "error" in reply:
            code = ErrorCode.INVALID if reply["error"] == "invalid" else ErrorCode.UNAVAILABLE
            raise TocsinError(code, str(reply.get("detail", "")), key=f"media_{reply['error']}")
        return reply

    def _hear(self, worker: _Worker, message: Message) -> None:
        if "event" not in message:
            call = worker.calls.get(message.get("id", 0))
            if call is not None and not call.done():
                call.set_result(message)
            return
        events, stream_id = self.events, str(message.get("stream_id", ""))
        match message["event"]:
            case "stats":
                worker.unknown = dict(message.get("unknown", {}))
                worker.unknown_packets = int(message.get("unknown_packets", 0))
                for row in message["streams"]:
                    self._stats[row["stream_id"]] = _read_stats(row)
            case "source_up":
                arrived = self._arrived.get(stream_id)
                if arrived is not None:
                    arrived.set()
                events.on_source_up(stream_id)
            case "first_key":
                events.on_mime(stream_id, str(message.get("mime", "")))
                events.on_first_key(stream_id, datetime.fromtimestamp(message["at"], UTC))
            case "params_changed":
                events.on_mime(stream_id, str(message["mime"]))
                events.on_params_changed(stream_id, str(message["mime"]))
            case "source_lost":
                events.on_source_lost(stream_id, str(message["reason"]))
            case "demand":
                events.on_demand(stream_id)
            case "idle":
                events.on_idle(stream_id)
            case "viewer_opened":
                events.on_viewer(message["view_id"], message["viewer_id"], stream_id, "opened")
            case "viewer_closed":
                events.on_viewer(message["view_id"], message["viewer_id"], stream_id, "closed")
            case "loss_report":
                events.on_loss(stream_id, LossReport(message["lost"], message["packets"], message["kernel_drops"]))
            case "talk":
                events.on_talk(str(message["talk_id"]), str(message["what"]), str(message["reason"]))
            case "overloaded":
                events.on_overload(worker.number)
            case "forward_ended":
                self._forwards.pop(str(message["forward_id"]), None)
                events.on_forward_ended(str(message["forward_id"]), str(message["reason"]))
            case unknown:
                log.warning("unknown word from media worker", word=str(unknown)[:40])


def _read_stats(row: Message) -> StreamStats:
    known = {name: row[name] for name in StreamStats.__slots__ if name in row and name != "last_picture_at"}
    at = row.get("last_picture_at")
    return StreamStats(**known, last_picture_at=None if at is None else datetime.fromtimestamp(at, UTC))


async def _end(process: asyncio.subprocess.Process | None) -> None:
    """Wait for a process to end by itself, then make it."""
    if process is None or process.returncode is not None:
        return
    for end in (None, process.terminate, process.kill):
        if end is not None:
            with contextlib.suppress(ProcessLookupError):
                end()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            continue
        return
