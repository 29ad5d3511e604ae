"""The one place that knows that recordings are asked for in several ways: each device by its protocol.

Implements `RecordingIndex`, `RecordingSource` and `SpeedLine`. Source: design notes 0005 and 0023.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.directory import Channel
from tocsin.domain.downloads import SpeedLine
from tocsin.domain.playback import (
    EndHeard,
    FileEndHeard,
    FoundRecordings,
    Progress,
    RecordingIndex,
    RecordingMedia,
    RecordingSession,
    RecordingSource,
    RecordingWish,
)


class RecordingLine(RecordingIndex, RecordingSource, SpeedLine, Protocol):
    """Everything about the recordings of one kind of device."""


class RoutedRecordings:
    """Recordings of every kind of device; what has no protocol of its own is GB/T 28181."""

    def __init__(
        self,
        protocol_of: Callable[[str], str],
        index: RecordingIndex,
        source: RecordingSource,
        speeds: SpeedLine,
    ) -> None:
        self._protocol_of = protocol_of
        self._index = index
        self._source = source
        self._speeds = speeds
        self._lines: dict[str, RecordingLine] = {}

    def add(self, protocol: str, line: RecordingLine) -> None:
        """Take the recordings of a protocol from this line."""
        self._lines[protocol] = line

    async def find(self, channel: Channel, starts: datetime, ends: datetime, progress: Progress) -> FoundRecordings:
        """Return the recordings of a period. Errors: UNAVAILABLE when the device cannot be asked at all."""
        line = self._line(channel)
        return await (self._index if line is None else line).find(channel, starts, ends, progress)

    async def open_recording(self, channel: Channel, media: RecordingMedia, wish: RecordingWish) -> RecordingSession:
        """Return once media arrives. Errors: UNAVAILABLE with the key of what failed."""
        line = self._line(channel)
        return await (self._source if line is None else line).open_recording(channel, media, wish)

    def on_file_end(self, callback: FileEndHeard) -> None:
        """Call back with the stream id when a device says that a file has come to its end."""
        for one in (self._source, *self._lines.values()):
            one.on_file_end(callback)

    def on_recording_ended(self, callback: EndHeard) -> None:
        """Call back with stream id and message key when a device ends its call."""
        for one in (self._source, *self._lines.values()):
            one.on_recording_ended(callback)

    async def download_speeds(self, channel: Channel) -> tuple[int, ...]:
        """Return the speeds this camera may be asked for, ascending."""
        line = self._line(channel)
        return await (self._speeds if line is None else line).download_speeds(channel)

    def _line(self, channel: Channel) -> RecordingLine | None:
        protocol = self._protocol_of(channel.device_id)
        line = self._lines.get(protocol)
        if protocol and line is None:
            raise TocsinError(ErrorCode.UNAVAILABLE, f"no recordings over {protocol}", key="recording.no_way")
        return line
