"""What the recorder needs of the house: streams that keep coming, channels, and the settings of recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from zoneinfo import ZoneInfo

from tocsin.domain.directory import Channel
from tocsin.domain.streams import Stream
from tocsin.domain.video import LiveState


class Sources(Protocol):
    """The streams of the cameras, as the recorder wants them: asked for as a viewer would, shown to nobody."""

    def hold(self, channel: Channel, stream: str) -> None:
        """Keep a stream coming until it is released."""

    def release(self, stream_id: str) -> None:
        """Let a stream end when nobody else wants it."""

    def watched(self) -> list[tuple[Channel, Stream]]:
        """Return the streams whose pictures arrive now, whoever wanted them."""

    def state(self, channel_id: str, stream: str = "") -> LiveState:
        """Return how a stream is doing."""


class RecorderChannels(Protocol):
    """The part of the directory that knows channels."""

    def channel(self, channel_id: str) -> Channel | None:
        """Return a channel in use, or None."""


@dataclass(frozen=True, slots=True)
class RecorderConfig:
    """Where and how is recorded: folders in the order they are preferred, seconds a segment, the zone of schedules."""

    house_id: str
    folders: tuple[str, ...]
    segment_s: int = 60
    reserve_bytes: int = 1 << 30
    high_pct: int = 90
    low_pct: int = 85
    zone: ZoneInfo | None = None  # None: the server's own
    live_pre_s: int = 0  # of a picture that is open anyway so much stays in memory; 0: nothing


@dataclass(frozen=True, slots=True)
class RecordingState:
    """How a camera is recorded now: recording, waiting (a gap lasts), in_memory, not_now (by its schedule), off."""

    channel_id: str
    state: str
    mode: str
    stream: str = "main"
    since_ms: int | None = None
    reason: str = ""
    bitrate_bps: int = 0
