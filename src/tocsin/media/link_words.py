"""What is said of media workers: how they are set, what they tell of streams and of themselves.

Source: design note 0001, media borders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tocsin.media.wire import Message


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
    ring_bytes: int = 256 << 20  # of all workers together: what waits in memory for events


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
    received_bytes: int = 0
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


def read_stats(row: Message) -> StreamStats:
    """Read one stream's row of a worker's `stats`."""
    known = {name: row[name] for name in StreamStats.__slots__ if name in row and name != "last_picture_at"}
    at = row.get("last_picture_at")
    return StreamStats(**known, last_picture_at=None if at is None else datetime.fromtimestamp(at, UTC))
