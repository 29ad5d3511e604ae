"""What the house says to those who bring recordings from devices, and the rule by which a recording is over.

Source: design note 0005.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from tocsin.domain.directory import Channel
from tocsin.domain.video import MediaPorts

SPEEDS: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
REVERSE: Final = -1.0
END_SLACK: Final = timedelta(seconds=2)
AFTER_FILE_S: Final = 5.0
SILENCE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of recorded time; `kind` is time, alarm, manual or empty."""

    starts: datetime
    ends: datetime
    kind: str = ""
    files: int = 1
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class FoundRecordings:
    """What a device says it has. `problem` is the key of why the list is not whole, empty when it is."""

    pieces: tuple[Piece, ...] = ()
    files: int = 0
    problem: str = ""
    asked_to: datetime | None = None


class RecordingIndex(Protocol):
    """Asks devices what they have recorded."""

    async def find(self, channel: Channel, starts: datetime, ends: datetime, progress: Progress) -> FoundRecordings:
        """Return the recordings of a period. Errors: UNAVAILABLE when the device cannot be asked at all."""


class Progress(Protocol):
    """Hears how far a search is."""

    def __call__(self, found: FoundRecordings) -> None:
        """Take what has been found so far; `asked_to` says up to when."""


@dataclass(frozen=True, slots=True)
class RecordingWish:
    """Which recording is wanted; `download_speed` 0 means to watch it."""

    stream_id: str
    starts: datetime
    ends: datetime
    download_speed: int = 0


class RecordingMedia(MediaPorts, Protocol):
    """Receivers for recordings, and replays that are pulled."""

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
        """Set up a replay; `ahead_ms` is how far the device's clock is ahead of ours. Errors: UNAVAILABLE."""

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
        """Let a replay `play`, from a moment or on from where it stands, or `pause`; return its speed."""


class RecordingSession(Protocol):
    """A recording that is being sent. Its acts raise UNAVAILABLE when the device refuses or does not answer.

    `tells_time`: its pictures say when they were taken.
    """

    stream_id: str
    file_bytes: int | None
    may_reverse: bool
    tells_time: bool

    async def pause(self) -> None:
        """Stand still."""

    async def resume(self) -> None:
        """Go on as before."""

    async def seek(self, at: datetime) -> datetime:
        """Go to a moment; return the one the device says it went to."""

    async def speed(self, scale: float) -> float:
        """Change the speed; return the one the device says it plays at."""

    async def close(self, reason: str) -> None:
        """Ask the device to stop; closing twice is no error."""


class RecordingSource(Protocol):
    """Asks a device for a recording."""

    async def open_recording(self, channel: Channel, media: RecordingMedia, wish: RecordingWish) -> RecordingSession:
        """Return once media arrives. Errors: UNAVAILABLE with the key of what failed."""

    def on_file_end(self, callback: FileEndHeard) -> None:
        """Call back with the stream id when a device says that a file has come to its end."""

    def on_recording_ended(self, callback: EndHeard) -> None:
        """Call back with stream id and message key when a device ends its call."""


class FileEndHeard(Protocol):
    """Hears the end of a file."""

    def __call__(self, stream_id: str) -> None: ...


class EndHeard(Protocol):
    """Hears the end of a call."""

    def __call__(self, stream_id: str, reason: str) -> None: ...


class EndWatch:
    """Says when a recording is over. Times in seconds that do not go back; the device's word alone is not believed.

    It is over when its record time has reached the end, when a file ended there, when nothing followed the end of a
    file, or when nothing arrived for 10 s while it was not paused.
    """

    def __init__(self, ends: datetime) -> None:
        self._ends = ends
        self._file_ended_s: float | None = None
        self._record_at: datetime | None = None
        self.is_paused = False

    def file_ended(self, now_s: float) -> None:
        """The device said that a file ended: the last, the only, or one of many."""
        self._file_ended_s = now_s

    def progress(self, record_at: datetime | None, now_s: float) -> None:
        """Take the record time of the last picture; pictures after the end of a file mean that more follow."""
        if record_at is not None and record_at != self._record_at:
            if self._record_at is not None and self._file_ended_s is not None and now_s - self._file_ended_s > 1.0:
                self._file_ended_s = None
            self._record_at = record_at

    def reason(self, now_s: float, last_packet_s: float | None) -> str:
        """Return the key of why it is over, empty while it is not."""
        if self.is_paused:
            return ""
        if self._record_at is not None and self._record_at >= self._ends:
            return "recording.ended"
        if self._file_ended_s is not None:
            if self._record_at is not None and self._record_at >= self._ends - END_SLACK:
                return "recording.ended"
            if now_s - self._file_ended_s >= AFTER_FILE_S:
                return "recording.ended"
        if last_packet_s is not None and now_s - last_packet_s >= SILENCE_S:
            is_near = self._record_at is not None and self._record_at >= self._ends - END_SLACK
            return "recording.ended" if is_near else "recording.silent"
        return ""


@dataclass(frozen=True, slots=True)
class PlaybackState:
    """How a recording being watched is doing: opening, playing, paused, ended or failed; `reason` is a message key."""

    id: str
    view_id: str
    state: str
    reason: str
    at: datetime
    speed: float
    is_paused: bool
    may_reverse: bool


class PlaybackService(Protocol):
    """What recordings under a view ask of media."""

    async def open_playback(
        self,
        *,
        view_id: str,
        channel: Channel,
        user_id: str,
        starts: datetime,
        ends: datetime,
        expires_at: datetime,
        codecs: tuple[str, ...],
    ) -> tuple[str, str]:
        """Return id and live URL; the picture is not waited for."""

    async def steer_playback(
        self, playback_id: str, *, paused: bool | None = None, at: datetime | None = None, speed: float | None = None
    ) -> PlaybackState:
        """Pause or go on, go to a moment, change the speed."""

    def playback_state(self, playback_id: str) -> PlaybackState:
        """Return how one is doing. Errors: NOT_FOUND."""

    async def close_playback(self, playback_id: str) -> None:
        """End one."""

    async def end_view(self, view_id: str) -> None:
        """End the recordings of a view."""
