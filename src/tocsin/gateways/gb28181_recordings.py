"""What devices have recorded: RecordInfo asked piece by piece, on from where a capped list ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.directory import Channel
from tocsin.domain.playback import FoundRecordings, Piece, Progress
from tocsin.gateways.gb28181_catalog import Asker
from tocsin.gateways.gb28181_devices import DeviceTable, RegisteredDevice
from tocsin.protocols.gb28181.charset import label_for
from tocsin.protocols.gb28181.manscdp import Document
from tocsin.protocols.gb28181.recordings import (
    RECORD_INFO,
    RecordAssembler,
    Recording,
    RecordQuery,
    RecordSet,
    next_start,
    pieces_of,
    record_query,
    spans_of,
)

log = structlog.get_logger(__name__)

MAX_QUESTIONS: Final = 200
TRIES: Final = 2
MAX_FILES: Final = 50_000


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """How long to wait for the first page of a list, and for the next one, in seconds."""

    first_s: float = 10.0
    idle_s: float = 4.0


@dataclass(slots=True)
class _Line:
    """The questions to one device: one at a time, because many devices answer only the last."""

    assembler: RecordAssembler
    lock: asyncio.Lock
    changed: asyncio.Event
    found: RecordSet | None = None
    users: int = 0


class RecordingReader:
    """Asks registered devices for their recordings. Implements `RecordingIndex`."""

    def __init__(
        self,
        asker: Asker,
        table: DeviceTable,
        clock: Clock,
        *,
        charset_of: Callable[[str], str],
        config: SearchConfig,
    ) -> None:
        self._asker = asker
        self._table = table
        self._clock = clock
        self._charset_of = charset_of
        self._config = config
        self._lines: dict[str, _Line] = {}

    def take(self, device: RegisteredDevice, document: Document) -> bool:
        """Take a document of a device; True when it is a list of recordings."""
        if document.kind != "response" or document.cmd_type.lower() != RECORD_INFO.lower():
            return False
        line = self._lines.get(device.gb_id)
        if line is not None:
            result = line.assembler.receive(document, self._clock.monotonic())
            if isinstance(result, RecordSet):
                line.found = result
            line.changed.set()
        return True

    async def find(self, channel: Channel, starts: datetime, ends: datetime, progress: Progress) -> FoundRecordings:
        """Return the recordings of a period, oldest first. Errors: UNAVAILABLE when the device is not registered."""
        files, problem = await self._gather(channel, starts, ends, progress)
        return self._shown(files, starts, ends, problem, ends if not problem else None)

    async def files(self, channel: Channel, starts: datetime, ends: datetime) -> tuple[list[Recording], str]:
        """Return the files of a period as the device names them, oldest first, and why the list is not whole.

        Errors: UNAVAILABLE when the device is not registered.
        """
        found, problem = await self._gather(channel, starts, ends, lambda shown: None)
        return sorted(found.values(), key=lambda one: one.key), problem

    async def _gather(
        self, channel: Channel, starts: datetime, ends: datetime, progress: Progress
    ) -> tuple[dict[tuple[datetime, datetime, str], Recording], str]:
        device = self._table.by_id(channel.device_id)
        if device is None:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the device is not registered", key="recording.device_offline")
        line = self._lines.setdefault(
            device.gb_id,
            _Line(RecordAssembler(self._config.first_s, self._config.idle_s), asyncio.Lock(), asyncio.Event()),
        )
        line.users += 1
        files: dict[tuple[datetime, datetime, str], Recording] = {}
        problem = ""
        questions = 0
        try:
            for piece_starts, piece_ends in pieces_of(starts, ends):
                begin: datetime | None = piece_starts
                while begin is not None and not problem:
                    if questions >= MAX_QUESTIONS or len(files) >= MAX_FILES:
                        problem = "recording.too_many"
                        break
                    questions += 1
                    found, failed = await self._ask(line, device, channel, begin, piece_ends)
                    problem = failed
                    if found is None:
                        break
                    before = len(files)
                    files |= {recording.key: recording for recording in found.recordings}
                    at = next_start(found, begin, piece_ends)
                    begin = at if len(files) > before else None
                    shown = self._shown(files, starts, ends, problem, found.last_end or piece_ends)
                    progress(shown)
                if problem:
                    break
        finally:
            line.users -= 1
            if not line.users:
                self._lines.pop(device.gb_id, None)
        log.info(
            "recordings listed", channel_id=channel.id, files=len(files), questions=questions, problem=problem or "none"
        )
        return files, problem

    async def _ask(
        self, line: _Line, device: RegisteredDevice, channel: Channel, starts: datetime, ends: datetime
    ) -> tuple[RecordSet | None, str]:
        """Ask once, and once more when a page is missing; what came is kept. The second value is what went wrong."""
        kept: RecordSet | None = None
        async with line.lock:
            for _ in range(TRIES):
                found, problem = await self._ask_once(line, device, channel, starts, ends)
                if found is not None and (kept is None or len(found.recordings) >= len(kept.recordings)):
                    kept = found
                if problem != "recording.partial":
                    break
        return kept, problem

    async def _ask_once(
        self, line: _Line, device: RegisteredDevice, channel: Channel, starts: datetime, ends: datetime
    ) -> tuple[RecordSet | None, str]:
        sn = self._asker.next_sn()
        label = label_for(device.version, self._charset_of(device.gb_id))
        body = record_query(sn, RecordQuery(channel.gb_id, starts, ends), device.version, label)
        line.found = None
        line.assembler.ask(sn, self._clock.monotonic())
        response = await self._asker.message(device.peer, device.gb_id, body)
        if response is None and line.found is None:
            line.assembler.cancel(sn)
            return None, "recording.unreachable"
        if response is not None and response.status >= 300:
            line.assembler.cancel(sn)
            return None, "recording.refused"
        while line.found is None:
            line.changed.clear()
            due = line.assembler.timer()
            try:
                async with asyncio.timeout(None if due is None else max(0.0, due - self._clock.monotonic())):
                    await line.changed.wait()
            except TimeoutError:
                late = line.assembler.handle_timer(max(due or 0.0, self._clock.monotonic()))
                line.found = next((one for one in late if one.sn == sn), line.found)
        found = line.found
        if not found.pages:
            return None, "recording.no_answer"
        return found, "" if found.is_complete else "recording.partial"

    def _shown(
        self,
        files: dict[tuple[datetime, datetime, str], Recording],
        starts: datetime,
        ends: datetime,
        problem: str,
        asked_to: datetime | None,
    ) -> FoundRecordings:
        spans = spans_of(files.values(), starts, ends)
        pieces = tuple(Piece(span.starts, span.ends, span.kind, span.files, span.size_bytes) for span in spans)
        return FoundRecordings(pieces, len(files), problem, asked_to)
