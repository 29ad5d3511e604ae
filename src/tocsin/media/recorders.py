"""The control side of recording: asks the workers to record, and passes on what they tell. Implements `RecorderPorts`.

Source: design note 0017, between control and worker.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Final

from tocsin.base.errors import TocsinError
from tocsin.domain.recorder_told import (
    CodecTold,
    GapTold,
    MemoryTold,
    RecorderEvents,
    RecordOrder,
    RecoveredTold,
    SegmentClosed,
    SegmentOpened,
    VolumeOrder,
    VolumeTold,
)
from tocsin.domain.segment_groups import Group
from tocsin.domain.segments import SegmentState
from tocsin.media.wire import Message
from tocsin.media.workers import WorkerProcess, Workers

RECOVER_TIMEOUT_S: Final = 3600.0
MAX_ACKNOWLEDGED: Final = 1000
MAX_KEYS: Final = 100_000


class Recorders:
    """Speaks to the recorders of every worker."""

    def __init__(self, workers: Workers) -> None:
        self.events = RecorderEvents()
        self._workers = workers
        self._volumes: list[Message] = []
        self._version = 0
        self._told: dict[int, tuple[int, int]] = {}  # by worker: its process and the volumes it knows
        self._keys: dict[str, WorkerProcess] = {}
        self._hears: dict[str, Callable[[WorkerProcess, Message], None]] = {
            "segment_opened": self._opened,
            "segment_closed": self._closed,
            "recording_gap": self._gap,
            "volume": self._volume,
            "memory_short": self._memory,
        }

    # -- asking

    async def record_start(self, order: RecordOrder) -> None:
        """Record a stream from its next key picture on; asking again changes how. Errors: UNAVAILABLE."""
        worker = await self._workers.worker_of(order.stream_id)
        await self._tell_volumes(worker)
        await self._workers.call(worker, "record_start", **{**asdict(order), "volumes": list(order.volumes)})

    async def record_stop(self, stream_id: str, reason: str) -> None:
        """End the recording of a stream; ending it twice, or after its worker died, is no error."""
        worker = self._workers.owner.get(stream_id)
        if worker is not None and worker.ready.is_set():
            with contextlib.suppress(TocsinError):
                await self._workers.call(worker, "record_stop", stream_id=stream_id, reason=reason)

    async def record_keep(self, stream_id: str, until_ms: int | None = None) -> int | None:
        """Write what memory holds and go on until then; return where it begins. Errors: UNAVAILABLE."""
        worker = await self._workers.worker_of(stream_id)
        found = await self._workers.call(worker, "record_keep", stream_id=stream_id, until_ms=until_ms)
        return None if found.get("from_ms") is None else int(found["from_ms"])

    async def record_acknowledge(self, keys: Sequence[str]) -> None:
        """What was told under these keys is committed; keys of a worker that died are forgotten."""
        by_worker: dict[int, tuple[WorkerProcess, list[str]]] = {}
        for key in keys:
            worker = self._keys.pop(key, None)
            if worker is not None and worker.ready.is_set():
                by_worker.setdefault(worker.number, (worker, []))[1].append(key)
        for worker, own in by_worker.values():
            for start in range(0, len(own), MAX_ACKNOWLEDGED):
                with contextlib.suppress(TocsinError):
                    part = own[start : start + MAX_ACKNOWLEDGED]
                    await self._workers.call(worker, "record_acknowledge", keys=part)

    async def volumes_set(self, volumes: Sequence[VolumeOrder]) -> None:
        """Let every worker know the volumes; one that is started later hears of them before it records."""
        self._volumes = [asdict(volume) for volume in volumes]
        self._version += 1
        for worker in self._workers.alive:
            await self._tell_volumes(worker)

    async def recover(
        self, volume_no: int, *, since_ms: int = 0, segments: Sequence[tuple[str, str, int]] | None = None
    ) -> RecoveredTold:
        """Make the files of a volume whole; each is told as a closed segment. Errors: UNAVAILABLE."""
        worker = await self._workers.any_worker()
        await self._tell_volumes(worker)
        found = await self._workers.call(
            worker,
            "recover",
            timeout_s=RECOVER_TIMEOUT_S,
            volume=volume_no,
            since_ms=since_ms,
            segments=None if segments is None else [list(one) for one in segments],
        )
        return RecoveredTold(**{name: int(found[name]) for name in RecoveredTold.__slots__})

    async def _tell_volumes(self, worker: WorkerProcess) -> None:
        state = (worker.process.pid if worker.process is not None else 0, self._version)
        if self._told.get(worker.number) != state:
            await self._workers.call(worker, "volumes_set", volumes=self._volumes)
            self._told[worker.number] = state

    # -- hearing

    def hear(self, worker: WorkerProcess, message: Message) -> bool:
        """Pass on what a recorder says; False when it is not about recording."""
        said = self._hears.get(str(message["event"]))
        if said is None:
            return False
        if "key" in message:
            self._keys[str(message["key"])] = worker
            if len(self._keys) > MAX_KEYS:  # it will be told again
                del self._keys[next(iter(self._keys))]
        said(worker, message)
        return True

    def lost(self, worker: WorkerProcess) -> None:
        """A worker is gone, and what it was told with it."""
        self._told.pop(worker.number, None)
        for key in [key for key, owner in self._keys.items() if owner is worker]:
            del self._keys[key]

    def _opened(self, worker: WorkerProcess, row: Message) -> None:
        self.events.on_segment_opened(
            SegmentOpened(
                str(row["key"]),
                str(row["channel_id"]),
                str(row["stream"]),
                int(row["start_ms"]),
                int(row["volume"]),
                CodecTold(**row["codec"]),
            )
        )

    def _closed(self, worker: WorkerProcess, row: Message) -> None:
        codec = row["codec"]
        self.events.on_segment_closed(
            SegmentClosed(
                str(row["key"]),
                str(row["channel_id"]),
                str(row["stream"]),
                int(row["start_ms"]),
                int(row["end_ms"]),
                int(row["volume"]),
                SegmentState(row["state"]),
                int(row["bytes"]),
                int(row["pictures"]),
                int(row["damaged"]),
                row["lost_packets"],
                row["clock_offset_ms"],
                bytes(row["sha256"]),
                tuple(Group(*group) for group in row["groups"]),
                None if codec is None else CodecTold(**codec),
                str(row["end_reason"]),
                bool(row["is_recovered"]),
            )
        )

    def _gap(self, worker: WorkerProcess, row: Message) -> None:
        to_ms = row["to_ms"]
        self.events.on_gap(
            GapTold(
                str(row["key"]),
                str(row["channel_id"]),
                str(row["stream"]),
                int(row["from_ms"]),
                None if to_ms is None else int(to_ms),
                str(row["reason"]),
            )
        )

    def _volume(self, worker: WorkerProcess, row: Message) -> None:
        self.events.on_volume(
            VolumeTold(
                int(row["no"]),
                str(row["state"]),
                int(row["total_bytes"]),
                int(row["free_bytes"]),
                int(row["queue_bytes"]),
            )
        )

    def _memory(self, worker: WorkerProcess, row: Message) -> None:
        self.events.on_memory(MemoryTold(int(row["dropped"]), int(row["held_bytes"]), int(row["most_bytes"])))
