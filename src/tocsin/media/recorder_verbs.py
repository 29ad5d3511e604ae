"""What the control process asks of the recorders of a worker, and what they tell it until it is acknowledged.

Source: design note 0017, between control and worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog

from tocsin.base.clock import Clock
from tocsin.domain.recorder_told import RecordOrder, VolumeOrder
from tocsin.domain.segments import SegmentState
from tocsin.media.recorder import RING_BYTES, Memory, Recorder
from tocsin.media.recovery import changed_files, codec_row, group_rows, recover_segment, recovered_row
from tocsin.media.segment_format import Note
from tocsin.media.stages import Stages
from tocsin.media.volume import Pen, Volume, Written
from tocsin.media.volumes import Volumes
from tocsin.media.wire import Message, Refused

log = structlog.get_logger(__name__)

AGAIN_AFTER_S: Final = 30.0
MAX_KEPT: Final = 20_000
TOLD_AGAIN_AT_ONCE: Final = 500
CLOSE_S: Final = 2.0
SEEN_S: Final = 3.0
LEAST_SEGMENT_S: Final = 5
MOST_SEGMENT_S: Final = 600
MOST_PRE_ROLL_MS: Final = 60_000
MOST_VOLUMES: Final = 256
MOST_DOUBTFUL: Final = 10_000
_CHANNEL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


class Told:
    """What was told and not acknowledged yet; after half a minute it is told again. Bounded: files tell the rest."""

    def __init__(self, say: Callable[[Message], None], clock: Clock) -> None:
        self._say = say
        self._clock = clock
        self._count = 0
        self._kept: dict[str, tuple[Message, float]] = {}
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._kept)

    def tell(self, event: str, **content: object) -> None:
        """Tell something that must not be lost."""
        self._count += 1
        key = f"{os.getpid()}-{self._count}"
        message = {"event": event, "key": key, **content}
        self._kept[key] = (message, self._clock.monotonic())
        if len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]
            self.forgotten += 1
        self._say(message)

    def acknowledge(self, keys: list[str]) -> None:
        """It is in the index."""
        for key in keys:
            self._kept.pop(key, None)

    def tell_again(self) -> None:
        """Say once more what nobody acknowledged."""
        now_s = self._clock.monotonic()
        due: list[str] = []
        for key, (_, at_s) in self._kept.items():
            if now_s - at_s < AGAIN_AFTER_S or len(due) == TOLD_AGAIN_AT_ONCE:
                break
            due.append(key)
        for key in due:
            message, _ = self._kept.pop(key)
            self._kept[key] = (message, now_s)
            self._say(message)


class RecorderVerbs:
    """The verbs `record_*`, `volumes_set` and `recover` of a worker."""

    def __init__(
        self,
        stages: Stages,
        clock: Clock,
        say: Callable[[Message], None],
        *,
        ring_bytes: int = RING_BYTES,
        **how: float,
    ) -> None:
        """`ring_bytes`: the most that waits in memory for events."""
        self._stages = stages
        self._clock = clock
        self._say = say
        self._loop: asyncio.AbstractEventLoop | None = None
        self.told = Told(say, clock)
        self.memory = Memory(most_ring_bytes=ring_bytes)
        self._told_dropped = 0
        self.volumes = Volumes(clock, self._post, self._volume, **how)
        self._recovering = asyncio.Lock()
        self._doubtful: dict[int, list[tuple[str, str, int]]] = {}  # by volume: files its failing may have cut short
        self._tasks: set[asyncio.Task[None]] = set()

    def table(self) -> dict[str, Callable[[Message], Awaitable[object]]]:
        """Return the verbs by name."""
        return {
            "record_start": self._start,
            "record_stop": self._stop,
            "record_keep": self._keep,
            "record_acknowledge": self._acknowledge,
            "volumes_set": self._volumes_set,
            "recover": self._recover,
        }

    def each_second(self, now_ms: float) -> None:
        """Let recorders and volumes notice what time alone tells."""
        for stage in self._stages:
            if stage.recorder is not None:
                stage.recorder.tick(now_ms, has_source=stage.source is not None)
        self.volumes.tick()
        self.told.tell_again()
        self._tell_memory()

    def _tell_memory(self) -> None:
        """Say that pictures left memory early, if some did since it was last said."""
        memory = self.memory
        dropped, self._told_dropped = memory.dropped - self._told_dropped, memory.dropped
        if dropped:
            self._say(
                {
                    "event": "memory_short",
                    "dropped": dropped,
                    "held_bytes": memory.ring_bytes,
                    "most_bytes": memory.most_ring_bytes,
                }
            )

    async def close(self) -> None:
        """End every recording and wait a little for the disks."""
        for stage in self._stages:
            if stage.recorder is not None:
                stage.recorder.stop("stopped")
                stage.recorder = None
        if not await asyncio.to_thread(self.volumes.close, CLOSE_S):
            log.warning("a volume did not end in time; its open segments are mended at the next start")

    # -- verbs

    async def _start(self, message: Message) -> object:
        order = _read_order(message)
        stage = self._stages.open(order.stream_id)
        if stage.recorder is not None:
            stage.recorder.change(order)
        else:
            stage.recorder = Recorder(order, self.volumes, self.memory, self._clock, self)
            stage.feed_recorder()
        return {}

    async def _stop(self, message: Message) -> object:
        stage = self._stages.get(str(message["stream_id"]))
        if stage is not None and stage.recorder is not None:
            stage.recorder.stop(str(message.get("reason") or "stopped"))
            stage.recorder = None
            stage.feed_recorder()
            self._stages.drop_if_empty(stage)
        return {}

    async def _keep(self, message: Message) -> object:
        stage = self._stages.named_in(message)
        if stage.recorder is None:
            raise Refused("not_found", "the stream is not recorded")
        until_ms = message.get("until_ms")
        return {"from_ms": stage.recorder.keep(None if until_ms is None else int(until_ms))}

    async def _acknowledge(self, message: Message) -> object:
        self.told.acknowledge([str(key) for key in message["keys"]])
        return {}

    async def _volumes_set(self, message: Message) -> object:
        self._loop = asyncio.get_running_loop()
        orders = [_read_volume(row) for row in message["volumes"]]
        if len(orders) > MOST_VOLUMES:
            raise ValueError(f"{len(orders)} volumes, at most {MOST_VOLUMES}")
        self.volumes.set(orders)
        await asyncio.gather(*(asyncio.to_thread(volume.wait_seen, SEEN_S) for volume in self.volumes))
        return {}

    async def _recover(self, message: Message) -> object:
        volume = self.volumes.get(int(message["volume"]))
        if volume is None:
            raise Refused("not_found", f"no volume {message['volume']}")
        named = message.get("segments")
        segments = None if named is None else [(str(one[0]), str(one[1]), int(one[2])) for one in named]
        for channel_id, stream, _ in segments or ():
            _check_names(channel_id, stream)
        async with self._recovering:
            since_ms = int(message.get("since_ms") or 0)
            return await asyncio.to_thread(self._recover_files, volume.no, volume.path, since_ms, segments)

    def _recover_files(
        self, no: int, path: Path, since_ms: int, segments: list[tuple[str, str, int]] | None
    ) -> Message:
        """Walk and mend files, in a thread of its own."""
        counts = dict.fromkeys(("files", "cut_bytes", "removed", "foreign", "busy", "unreadable"), 0)
        for key in segments if segments is not None else changed_files(path, since_ms):
            counts["files"] += 1
            try:
                found = recover_segment(path, *key)
            except OSError as error:
                log.warning("segment cannot be read", channel=key[0], start_ms=key[2], error=str(error))
                counts["unreadable"] += 1
                continue
            if found is not None and found.is_busy:
                counts["busy"] += 1
                continue
            if found is not None and not found.is_removed and not found.walk.groups:
                counts["foreign"] += 1
                continue
            if found is not None:
                counts["cut_bytes"] += found.cut_bytes
                counts["removed"] += found.is_removed
            row = recovered_row(no, key, found)
            self._post(lambda row=row: self.told.tell("segment_closed", **row))  # type: ignore[misc]
        return dict(counts)

    # -- what recorders tell

    def opened(self, recorder: Recorder, pen: Pen, note: Note) -> None:
        """A file was begun."""
        self.told.tell(
            "segment_opened",
            stream_id=recorder.order.stream_id,
            channel_id=note.channel_id,
            stream=note.stream,
            start_ms=note.start_ms,
            volume=pen.volume.no,
            codec=codec_row(pen.parameters),
        )

    def closed(self, recorder: Recorder, pen: Pen, written: Written) -> None:
        """A file has ended; one in which nothing came to stand is not told unless it was opened."""
        lost_packets, clock_offset_ms = recorder.told_of(pen)
        if not written.groups and not pen.was_opened:
            return
        doubtful = self._doubtful.setdefault(pen.volume.no, [])
        if written.problem == "gone" and written.groups and len(doubtful) < MOST_DOUBTFUL:
            doubtful.append((written.note.channel_id, written.note.stream, written.note.start_ms))
        self.told.tell(
            "segment_closed",
            stream_id=recorder.order.stream_id,
            channel_id=written.note.channel_id,
            stream=written.note.stream,
            start_ms=written.note.start_ms,
            end_ms=written.end_ms,
            volume=pen.volume.no,
            state=int(SegmentState.OK if written.groups else SegmentState.LOST),
            bytes=written.size_bytes,
            pictures=written.pictures,
            damaged=written.damaged,
            lost_packets=lost_packets,
            clock_offset_ms=clock_offset_ms,
            sha256=written.sha256,
            groups=group_rows(written.groups),
            codec=codec_row(pen.parameters),
            end_reason=written.end_reason,
            is_recovered=False,
        )

    def gap(self, recorder: Recorder, from_ms: int, to_ms: int | None, reason: str) -> None:
        """A stretch is not there."""
        self.told.tell(
            "recording_gap",
            stream_id=recorder.order.stream_id,
            channel_id=recorder.order.channel_id,
            stream=recorder.order.stream,
            from_ms=from_ms,
            to_ms=to_ms,
            reason=reason,
        )

    def _volume(self, volume: Volume) -> None:
        if volume.state == "ok" and self._doubtful.get(volume.no):
            task = asyncio.get_running_loop().create_task(self._see_again(volume), name=f"volume {volume.no} is back")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._say(
            {
                "event": "volume",
                "no": volume.no,
                "state": volume.state,
                "total_bytes": volume.total_bytes,
                "free_bytes": volume.free_bytes,
                "queue_bytes": volume.queue_bytes,
            }
        )

    async def _see_again(self, volume: Volume) -> None:
        """A disk that was gone is back: what was told of its last files is told anew, from the files."""
        segments = self._doubtful.pop(volume.no, [])
        async with self._recovering:
            found = await asyncio.to_thread(self._recover_files, volume.no, volume.path, 0, segments)
        log.info("files of a volume that is back were seen again", no=volume.no, **found)

    def _post(self, call: Callable[[], None]) -> None:
        """Have something done on the loop, from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(call)


def _check_names(channel_id: str, stream: str) -> None:
    if _CHANNEL.match(channel_id) is None or stream not in ("main", "sub"):
        raise ValueError(f"{channel_id[:80]!r} {stream[:20]!r} is no stream of a channel")


def _read_order(message: Message) -> RecordOrder:
    """Read what is to be recorded. Errors: KeyError, TypeError, ValueError naming what is wrong."""
    offset_ms = message.get("clock_offset_ms")
    order = RecordOrder(
        str(message["stream_id"]),
        str(message["channel_id"]),
        str(message["stream"]),
        tuple(int(no) for no in message["volumes"]),
        int(message.get("segment_s", 60)),
        int(message.get("offset_s", 0)),
        int(message.get("priority", 0)),
        int(message.get("pre_roll_ms", 0)),
        None if offset_ms is None else int(offset_ms),
    )
    _check_names(order.channel_id, order.stream)
    if not LEAST_SEGMENT_S <= order.segment_s <= MOST_SEGMENT_S:
        raise ValueError(f"segments of {order.segment_s} s: from {LEAST_SEGMENT_S} to {MOST_SEGMENT_S}")
    if not 0 <= order.pre_roll_ms <= MOST_PRE_ROLL_MS:
        raise ValueError(f"{order.pre_roll_ms} ms before an event: from 0 to {MOST_PRE_ROLL_MS}")
    return order


def _read_volume(row: Message) -> VolumeOrder:
    made = VolumeOrder(
        int(row["no"]),
        str(row["volume_id"]),
        str(row["house_id"]),
        str(row["location"]),
        int(row.get("reserve_bytes", 0)),
        bool(row.get("may_enter")),
    )
    if not made.location.startswith("/"):
        raise ValueError(f"{made.location[:200]!r} is no absolute path")
    return made
