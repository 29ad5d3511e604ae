"""The worker processes: started, kept running, asked, and each stream's worker chosen.

Source: design note 0001, media borders; media reference, contract between control process and worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.media.link_words import MediaSettings
from tocsin.media.wire import VERSION, Message, WireError, pack_message, read_message
from tocsin.media.worker_figures import WorkerFigures

log = structlog.get_logger(__name__)

CALL_TIMEOUT_S = 5.0
READY_TIMEOUT_S = 10.0
WAIT_FOR_WORKER_S = 3.0
FIRST_RESTART_S = 0.1
LONGEST_RESTART_S = 4.0  # no picture meanwhile; a start costs a second of one core
STEADY_AFTER_S = 10.0
STOP_TIMEOUT_S = 3.0
MAX_STARTS = 3


@dataclass(slots=True, eq=False)
class WorkerProcess:
    """One worker: its process, its socket, and the calls it has not answered."""

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
    figures: WorkerFigures = field(default_factory=WorkerFigures)


class Workers:
    """N worker processes. `hear` takes each event, `lost` the streams of a worker that ended and whether that is news.

    Streams and voice lines are owned: `worker_of` gives a new one to the least busy worker.
    """

    def __init__(
        self,
        settings: MediaSettings,
        clock: Clock,
        hear: Callable[[WorkerProcess, Message], None],
        lost: Callable[[WorkerProcess, tuple[str, ...], bool], None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._hear = hear
        self._lost = lost
        self._workers: list[WorkerProcess] = []
        self._servers: list[asyncio.Server] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.owner: dict[str, WorkerProcess] = {}
        self._next_call = 0
        self._is_stopping = False
        self._is_failing = asyncio.Event()

    @property
    def all(self) -> tuple[WorkerProcess, ...]:
        """Every worker, alive or not."""
        return tuple(self._workers)

    @property
    def alive(self) -> tuple[WorkerProcess, ...]:
        """The workers that answer."""
        return tuple(worker for worker in self._workers if worker.ready.is_set())

    async def start(self) -> None:
        """Start the workers and wait until they answer.

        Errors: UNAVAILABLE when one keeps ending (a busy port) or does not answer within 10 s.
        """
        folder = self._settings.run_folder
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(self._settings.workers):
            path = folder / f"media-{number}.sock"
            path.unlink(missing_ok=True)
            worker = WorkerProcess(number, path)
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

    # -- one worker

    async def _keep(self, worker: WorkerProcess) -> None:
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

    def _command(self, worker: WorkerProcess) -> list[str]:
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
            *("--ring", str(settings.ring_bytes // settings.workers)),
        ]

    def _accepting(
        self, worker: WorkerProcess
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], asyncio.Future[None] | asyncio.Task[None]]:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> asyncio.Task[None]:
            return asyncio.create_task(self._listen(worker, reader, writer), name=f"media link {worker.number}")

        return accept

    async def _listen(self, worker: WorkerProcess, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            hello = await read_message(reader)
            if hello is None or hello.get("event") != "hello" or hello.get("version") != VERSION:
                log.error("media worker speaks another protocol", worker=worker.number)
                return
            worker.writer, worker.port = writer, int(hello["port"])
            worker.ready.set()
            while (message := await read_message(reader)) is not None:
                self._take(worker, message)
        except WireError as error:
            log.error("media link broken", worker=worker.number, error=str(error))
        finally:
            writer.close()
            if worker.writer is writer:
                self._lose(worker)

    def _lose(self, worker: WorkerProcess) -> None:
        """The worker is gone: whoever waits for an answer gets an error, its streams are reported lost."""
        was_ready = worker.ready.is_set()
        worker.ready.clear()
        worker.writer = None
        worker.figures = WorkerFigures()
        for call in worker.calls.values():
            if not call.done():
                call.set_result({"error": "worker_lost", "detail": "the media worker ended"})
        worker.calls.clear()
        streams = tuple(stream_id for stream_id, owner in self.owner.items() if owner is worker)
        for stream_id in streams:
            del self.owner[stream_id]
        self._lost(worker, streams, was_ready and not self._is_stopping)

    def _take(self, worker: WorkerProcess, message: Message) -> None:
        if "event" in message:
            self._hear(worker, message)
            return
        call = worker.calls.get(message.get("id", 0))
        if call is not None and not call.done():
            call.set_result(message)

    # -- calls

    async def worker_of(self, stream_id: str) -> WorkerProcess:
        """Return the worker of a stream, the least busy one for a new stream; wait a little for one that restarts."""
        owner = self.owner.get(stream_id)
        if owner is not None and owner.ready.is_set():
            return owner
        alive = await self._some_alive()
        load = {worker.number: 0 for worker in alive}
        for busy in self.owner.values():
            if busy.number in load:
                load[busy.number] += 1
        chosen = min(alive, key=lambda worker: load[worker.number])
        self.owner[stream_id] = chosen
        return chosen

    async def any_worker(self) -> WorkerProcess:
        """Return a worker for what belongs to no stream. Errors: UNAVAILABLE."""
        return (await self._some_alive())[0]

    async def _some_alive(self) -> tuple[WorkerProcess, ...]:
        """Return the workers that answer; wait a little for one that restarts. Errors: UNAVAILABLE."""
        alive = self.alive
        if not alive and self._workers:
            waits = [asyncio.ensure_future(worker.ready.wait()) for worker in self._workers]
            _, pending = await asyncio.wait(waits, timeout=WAIT_FOR_WORKER_S, return_when=asyncio.FIRST_COMPLETED)
            for wait in pending:
                wait.cancel()
            alive = self.alive
        if not alive:
            raise TocsinError(ErrorCode.UNAVAILABLE, "no media worker is running", key="media_worker_lost")
        return alive

    async def call(
        self, worker: WorkerProcess, verb: str, *, timeout_s: float = CALL_TIMEOUT_S, **content: object
    ) -> Message:
        """Ask a worker to do something; return its answer. Errors: UNAVAILABLE with the worker's word, INVALID."""
        reply = await self.ask(worker, verb, timeout_s, content)
        found = reply["ok"]
        return found if isinstance(found, dict) else {}

    async def ask(self, worker: WorkerProcess, verb: str, timeout_s: float, content: Message) -> Message:
        """Ask a worker; return its whole reply. Errors: as `call`."""
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
