"""A recording on its way to its viewers or into a file: a feed whose times are those of the recording. No sockets."""

from __future__ import annotations

from typing import Protocol

from tocsin.media.feed import FIRST_TICK, FRAGMENT_MS, Feed, Outlet
from tocsin.media.record_line import RecordLine
from tocsin.media.websocket import text_frame
from tocsin.protocols.rtp.access_unit import AccessUnit
from tocsin.protocols.rtp.clock import MediaClock

PLAYBACK_MARK = "~r"


def is_playback(stream_id: str) -> bool:
    """Tell a recording's stream from a live one by its id, `<channel>~r<session>`."""
    return PLAYBACK_MARK in stream_id


class PictureFile(Protocol):
    """Whoever keeps the pictures: a download."""

    def take(self, unit: AccessUnit, media: int, record_ms: float) -> None:
        """Take one picture; `media` in ticks, `record_ms` since 1970."""


class _GivenClock(MediaClock):
    """Believes what it is told: the times were made here."""

    __slots__ = ()

    def place(self, pts: int | None, arrival_ms: float) -> int:
        self.time = pts or 0
        return self.time

    def relate(self, pts: int | None) -> int:
        return self.time


class PlaybackFeed(Feed):
    """A feed whose pictures carry record time; viewers are told how it relates to media time whenever that changes."""

    def __init__(self, stream_id: str, *, fragment_ms: int = FRAGMENT_MS) -> None:
        super().__init__(stream_id, fragment_ms=fragment_ms)
        self._clock = _GivenClock()
        self.line = RecordLine()
        self.file: PictureFile | None = None
        self._told = -1

    @property
    def is_paused(self) -> bool:
        """True while the device was asked to stand still: silence is no loss then."""
        return self.line.is_paused

    def take(self, unit: AccessUnit, now_ms: float) -> bool:
        """Take one picture under its record time."""
        line = self.line
        media = line.place(unit.pts, now_ms, is_key=unit.is_key)
        if media is None:
            return False
        dts = None
        if unit.pts is not None and unit.dts is not None:
            offset = (unit.pts - unit.dts) & (1 << 33) - 1
            pace = 1.0 if line.keeps_pace else abs(line.scale)
            dts = max(0, media - round(offset / pace)) if offset < 90_000 else None
        stamped = unit._replace(pts=media, dts=dts)
        if self.file is not None:
            self.file.take(stamped, media, line.record_ms)
        if line.version != self._told:
            self._told = line.version
            self.flush()  # what came with it belongs to the former clock
            self.say(self._clock_frame())
        return super().take(stamped, now_ms)

    def join(self, outlet: Outlet) -> None:
        """Add a viewer and tell it the clock of the recording."""
        if self.line.has_picture:
            outlet.send_text(self._clock_frame())
        super().join(outlet)

    def hold(self) -> None:
        """A seek begins: what stands in the cache is of before it, and viewers wait for a key picture."""
        self.line.hold()
        self.flush()
        self._waits_for_key = True
        self._cache, self._cache_times, self._cache_offsets, self._cache_bytes = [], [], [], 0
        self.say(text_frame({"type": "gap", "reason": "seek"}))

    def more_status(self) -> dict[str, object]:
        """Return what a status frame says of a recording."""
        line = self.line
        return {
            "record_ms": round(line.record_ms) if line.has_picture else None,
            "scale": line.scale,
            "paused": line.is_paused,
        }

    def _clock_frame(self) -> bytes:
        return text_frame(self.line.clock(FIRST_TICK))
