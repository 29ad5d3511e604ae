"""The control side of the media workers: starts them, keeps them running, and passes words both ways.

Source: design note 0001, media borders; media reference, contract between control process and worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.video import Endpoint
from tocsin.media.link_words import LossReport, MediaEvents, MediaSettings, StreamStats, WorkerHealth, read_stats
from tocsin.media.recorders import Recorders
from tocsin.media.wire import Message
from tocsin.media.worker_figures import WorkerFigures, read_figures, summed
from tocsin.media.workers import CALL_TIMEOUT_S, WorkerProcess, Workers

log = structlog.get_logger(__name__)

CONNECT_CALL_TIMEOUT_S = 15.0
RTSP_CALL_TIMEOUT_S = 30.0


class MediaLink:
    """Spawns N workers and speaks to them; implements `MediaPorts` for the gateways."""

    def __init__(self, settings: MediaSettings, clock: Clock) -> None:
        self._settings = settings
        self.events = MediaEvents()
        self._workers = Workers(settings, clock, self._hear, self._lost)
        self.recorders = Recorders(self._workers)
        self._stats: dict[str, StreamStats] = {}
        self._arrived: dict[str, asyncio.Event] = {}
        self._forwards: dict[str, WorkerProcess] = {}

    # -- life

    async def start(self) -> None:
        """Start the workers and wait until they answer.

        Errors: UNAVAILABLE when one keeps ending (a busy port) or does not answer within 10 s.
        """
        await self._workers.start()

    async def stop(self) -> None:
        """End the workers and wait for their end."""
        await self._workers.stop()

    def health(self) -> list[WorkerHealth]:
        """Return how each worker is doing."""
        return [
            WorkerHealth(
                worker.number,
                worker.ready.is_set(),
                worker.process.pid if worker.process is not None else 0,
                worker.port,
                worker.restarts,
                sum(owner is worker for owner in self._workers.owner.values()),
            )
            for worker in self._workers.all
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
        worker = await self._workers.worker_of(stream_id)
        self._arrived[stream_id] = asyncio.Event()
        found = await self._workers.call(
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

    async def open_track(self, stream_id: str, *, peer_ip: str, payload_type: int) -> Endpoint:
        """Open a receiver of bare H.264 over UDP, from one address alone: a picture inside a call. Errors: as above."""
        worker = await self._workers.worker_of(stream_id)
        self._arrived[stream_id] = asyncio.Event()
        found = await self._workers.call(
            worker,
            "open_receiver",
            stream_id=stream_id,
            transport="udp",
            peer_ip=peer_ip,
            h264_type=payload_type,
            loss="tolerate",
        )
        return Endpoint(self._settings.public_ip or str(found["ip"]), int(found["port"]))

    async def connect(self, stream_id: str, ip: str, port: int) -> None:
        """Connect to a device that listens (`tcp_active`). Errors: UNAVAILABLE when it does not answer."""
        worker = await self._workers.worker_of(stream_id)
        await self._workers.call(
            worker, "connect", timeout_s=CONNECT_CALL_TIMEOUT_S, stream_id=stream_id, ip=ip, port=port
        )

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
        certificate: str = "",
    ) -> Mapping[str, object]:
        """Let a worker pull a picture from an RTSP camera; return what was agreed (`transport`, `codec`, ...).

        Errors: UNAVAILABLE with `media_rtsp_...`, the detail being the camera's own word.
        """
        worker = await self._workers.worker_of(stream_id)
        self._arrived[stream_id] = asyncio.Event()
        return await self._workers.call(
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
            certificate=certificate,
        )

    async def open_replay(
        self,
        stream_id: str,
        url: str,
        *,
        username: str = "",
        password: str = "",
        certificate: str = "",
        ahead_ms: float = 0.0,
    ) -> None:
        """Let a worker set up the replay of a recording; `replay` begins it. Errors: as `open_rtsp`."""
        worker = await self._workers.worker_of(stream_id)
        self._arrived[stream_id] = asyncio.Event()
        await self._workers.call(
            worker,
            "open_rtsp",
            timeout_s=RTSP_CALL_TIMEOUT_S,
            stream_id=stream_id,
            url=url,
            username=username,
            password=password,
            certificate=certificate,
            replays=True,
            ahead_ms=ahead_ms,
            wan=True,
        )

    async def replay(
        self,
        stream_id: str,
        act: str,
        *,
        starts: datetime | None = None,
        ends: datetime | None = None,
        scale: float = 1.0,
        is_fast: bool = False,
    ) -> float:
        """Let a replay `play`, from a moment or on from where it stands, or `pause`; return its speed.

        Errors: UNAVAILABLE.
        """
        worker = await self._workers.worker_of(stream_id)
        found = await self._workers.call(
            worker,
            "replay",
            timeout_s=RTSP_CALL_TIMEOUT_S,
            stream_id=stream_id,
            act=act,
            starts_ms=None if starts is None else starts.timestamp() * 1000.0,
            ends_ms=None if ends is None else ends.timestamp() * 1000.0,
            scale=scale,
            is_fast=is_fast,
        )
        return float(found.get("scale", scale))

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
        worker = self._workers.owner.get(stream_id)
        if worker is None or not worker.ready.is_set():
            return
        with contextlib.suppress(TocsinError):
            await self._workers.call(worker, "close", stream_id=stream_id)

    # -- recordings

    async def steer(self, stream_id: str, act: str, **content: float) -> None:
        """Tell a recording's stream what its device was told: `hold`, `start`, `pace`, `pause` or `resume`."""
        worker = await self._workers.worker_of(stream_id)
        await self._workers.call(worker, "playback", stream_id=stream_id, act=act, timeout_s=CALL_TIMEOUT_S, **content)

    async def save(self, stream_id: str, path: Path, max_bytes: int, *, is_bare: bool = False) -> None:
        """Keep a recording's pictures in a file from now on, MP4 or bare. Errors: UNAVAILABLE."""
        worker = await self._workers.worker_of(stream_id)
        await self._workers.call(
            worker, "save", stream_id=stream_id, path=str(path), max_bytes=max_bytes, is_bare=is_bare
        )

    async def saved(self, stream_id: str, *, keep: bool) -> Message:
        """End the file of a stream and return its size, digest and record times; without `keep` it is thrown away."""
        worker = await self._workers.worker_of(stream_id)
        return await self._workers.call(
            worker, "saved", timeout_s=CONNECT_CALL_TIMEOUT_S, stream_id=stream_id, keep=keep
        )

    async def key_picture(self, stream_id: str, path: Path) -> Message:
        """Have the last key picture of a stream written to a file that is not there; return codec, age and motion.

        Errors: UNAVAILABLE when the stream does not run or has sent no key picture of late.
        """
        worker = self._workers.owner.get(stream_id)
        if worker is None or not worker.ready.is_set():
            raise TocsinError(ErrorCode.UNAVAILABLE, "no such stream", key="media_not_found")
        return await self._workers.call(worker, "key_picture", stream_id=stream_id, path=str(path))

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
        worker = await self._workers.worker_of(stream_id)
        await self._workers.call(
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
        worker = await self._workers.worker_of(talk_id)
        found = await self._workers.call(
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

    async def open_call(
        self, talk_id: str, *, peer_ip: str, codec: str, payload_type: int, event_type: int, silent_after_s: float
    ) -> Endpoint:
        """Open the voice line of a call over UDP; it follows its peer's port and is lost when the peer falls silent.

        `codec` is pcma or pcmu. Errors: UNAVAILABLE.
        """
        worker = await self._workers.worker_of(talk_id)
        found = await self._workers.call(
            worker,
            "talk_open",
            talk_id=talk_id,
            transport="udp",
            peer_ip=peer_ip,
            ssrc=zlib.crc32(talk_id.encode()),
            payload="raw",
            payload_type=payload_type,
            law=codec,
            event_type=event_type,
            silent_after_s=silent_after_s,
        )
        return Endpoint(self._settings.public_ip or str(found["ip"]), int(found["port"]))

    async def send_tones(self, talk_id: str, digits: str) -> None:
        """Send digits as telephone events. Errors: UNAVAILABLE."""
        await self._workers.call(await self._workers.worker_of(talk_id), "talk_tones", talk_id=talk_id, digits=digits)

    async def aim_talk(self, talk_id: str, ip: str, port: int) -> None:
        """Say where the sound goes, over TCP by connecting there. Errors: UNAVAILABLE when nobody answers there."""
        worker = await self._workers.worker_of(talk_id)
        await self._workers.call(worker, "talk_aim", talk_id=talk_id, ip=ip, port=port)

    async def start_talk(self, talk_id: str) -> None:
        """Begin to send. Errors: UNAVAILABLE."""
        await self._workers.call(await self._workers.worker_of(talk_id), "talk_start", talk_id=talk_id)

    async def talk_address(self, talk_id: str, *, ticket: str, user_id: str, view_id: str, expires_at: datetime) -> str:
        """Issue a one-use ticket for a microphone; return its address. Errors: UNAVAILABLE."""
        worker = await self._workers.worker_of(talk_id)
        await self._workers.call(
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
        worker = self._workers.owner.pop(talk_id, None)
        if worker is not None and worker.ready.is_set():
            with contextlib.suppress(TocsinError):
                await self._workers.call(worker, "talk_close", talk_id=talk_id, reason=reason)

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
        keeps: bool = False,
    ) -> Endpoint:
        """Prepare to send a stream on to ip:port; return our own media address. Errors: UNAVAILABLE.

        `keeps`: what comes before the start is not lost, as for a recording.
        """
        worker = await self._workers.worker_of(stream_id)
        found = await self._workers.call(
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
            keeps=keeps,
        )
        self._forwards[forward_id] = worker
        return Endpoint(self._settings.public_ip or str(found["ip"]), int(found["port"]))

    async def forward_start(self, stream_id: str, forward_id: str) -> None:
        """Begin to send: the receiver has acknowledged. Errors: UNAVAILABLE when it ended meanwhile."""
        await self._workers.call(await self._workers.worker_of(stream_id), "forward_start", forward_id=forward_id)

    async def forward_close(self, stream_id: str, forward_id: str) -> None:
        """Stop sending; stopping twice, or after the worker died, is no error."""
        worker = self._workers.owner.get(stream_id)
        if worker is not None and worker.ready.is_set():
            with contextlib.suppress(TocsinError):
                await self._workers.call(worker, "forward_close", forward_id=forward_id)

    def viewer_port(self, stream_id: str) -> int:
        """Return the port on which the viewers of a stream are served; 0 while its worker is down."""
        worker = self._workers.owner.get(stream_id)
        return worker.port if worker is not None else 0

    async def revoke(self, view_id: str, reason: str) -> None:
        """End every viewer of a view and forget its unused tickets."""
        for worker in self._workers.alive:
            with contextlib.suppress(TocsinError):
                await self._workers.call(worker, "revoke", view_id=view_id, reason=reason)

    async def renew(self, view_id: str, expires_at: datetime) -> None:
        """Let the viewers and unused tickets of a view end at another time."""
        for worker in self._workers.alive:
            with contextlib.suppress(TocsinError):
                await self._workers.call(worker, "renew", view_id=view_id, expires_at=expires_at.timestamp())

    async def turn_away(self, stream_id: str, reason: str) -> None:
        """Tell the viewers of a stream to ask again; `reason` is the word they are given."""
        worker = self._workers.owner.get(stream_id)
        if worker is not None and worker.ready.is_set():
            with contextlib.suppress(TocsinError):
                await self._workers.call(worker, "turn_away", stream_id=stream_id, reason=reason)

    async def stats(self) -> list[StreamStats]:
        """Ask every worker about its streams now."""
        found: list[StreamStats] = []
        for worker in self._workers.all:
            if worker.ready.is_set():
                reply = await self._workers.ask(worker, "stats", CALL_TIMEOUT_S, {})
                rows = reply.get("ok")
                found += [read_stats(row) for row in rows or ()]
        return found

    def unknown_sources(self) -> tuple[int, dict[str, int]]:
        """Return packets on shared ports that belong to no stream, and how many of each SSRC, of 64 at most."""
        named: dict[str, int] = {}
        for worker in self._workers.all:
            for ssrc, count in worker.unknown.items():
                named[ssrc] = named.get(ssrc, 0) + count
        return sum(worker.unknown_packets for worker in self._workers.all), named

    def figures(self) -> WorkerFigures:
        """Return what the workers last said of themselves, together; a second old at most."""
        return summed(worker.figures for worker in self._workers.alive)

    def last_stats(self, stream_id: str) -> StreamStats | None:
        """Return what was last said of a stream, a second old at most while its worker lives."""
        return self._stats.get(stream_id)

    # -- words

    def _lost(self, worker: WorkerProcess, streams: tuple[str, ...], is_news: bool) -> None:
        """A worker is gone with its streams, lines and forwards."""
        self.recorders.lost(worker)
        for stream_id in streams:
            self._stats.pop(stream_id, None)
        forwards = [forward_id for forward_id, owner in self._forwards.items() if owner is worker]
        for forward_id in forwards:
            del self._forwards[forward_id]
        if is_news:
            self.events.on_worker_lost(streams)
            for stream_id in streams:
                self.events.on_talk(stream_id, "lost", "worker_lost")
            for forward_id in forwards:
                self.events.on_forward_ended(forward_id, "worker_lost")

    def _hear(self, worker: WorkerProcess, message: Message) -> None:
        events, stream_id = self.events, str(message.get("stream_id", ""))
        if self.recorders.hear(worker, message):
            return
        match message["event"]:
            case "stats":
                worker.unknown = dict(message.get("unknown", {}))
                worker.figures = read_figures(message.get("worker", {}))
                worker.unknown_packets = int(message.get("unknown_packets", 0))
                for row in message["streams"]:
                    self._stats[row["stream_id"]] = read_stats(row)
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
