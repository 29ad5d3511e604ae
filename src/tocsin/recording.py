"""The parts of recording put together, as `app.py` needs them."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from math import ceil
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from tocsin.base.clock import Clock
from tocsin.domain.notices import NoticeBoard
from tocsin.domain.recorder_line import RecorderChannels, RecorderConfig, Sources
from tocsin.domain.recorder_service import RecorderService
from tocsin.domain.recorder_told import RecorderPorts
from tocsin.domain.segments import LONGEST_SEGMENT_MS, day_of
from tocsin.domain.store import Store
from tocsin.settings import Settings
from tocsin.storage import segment_days
from tocsin.storage.store import PostgresqlStore

log = structlog.get_logger(__name__)
DAYS_AHEAD: Final = 3
OVER_MS: Final = 2 * LONGEST_SEGMENT_MS  # behind the end of a day its last segments are closed
ALARM_ARRIVES_S: Final = 5
MOST_LIVE_S: Final = 60


def recorder_config(settings: Settings) -> RecorderConfig:
    """Return where and how is recorded."""
    recording = settings.recording
    return RecorderConfig(
        house_id=house_id(settings),
        folders=volume_folders(settings),
        segment_s=recording.segment_s,
        reserve_bytes=recording.reserve_mb << 20,
        high_pct=recording.high_percent,
        low_pct=recording.low_percent,
        zone=house_zone(settings),
        live_pre_s=_live_pre_s(settings),
    )


def _live_pre_s(settings: Settings) -> int:
    """Return how much of a watched picture stays in memory: the time before an alarm, and what it takes to reach us."""
    clips = settings.clips
    return min(MOST_LIVE_S, ceil(clips.pre_s) + ALARM_ARRIVES_S) if clips.on_alarm and clips.record else 0


def house_zone(settings: Settings) -> ZoneInfo | None:
    """Return the time zone days and schedules of recordings are those of; None is the server's own."""
    name = settings.recording.time_zone
    return ZoneInfo(name) if name else None


def volume_folders(settings: Settings) -> tuple[str, ...]:
    """Return the folders recordings lie in, absolute."""
    given = settings.recording.volumes or (str(settings.data / "recordings"),)
    return tuple(str(settings.data.cwd() / folder) for folder in given)


def house_id(settings: Settings) -> str:
    """Return what tells this house's volumes from another's: it follows from the secret key and comes back with it."""
    return str(UUID(bytes=sha256(b"house of recordings" + settings.secret_key_path.read_bytes()).digest()[:16]))


def make_recorder(
    settings: Settings,
    store: Store,
    clock: Clock,
    channels: RecorderChannels,
    sources: Sources,
    ports: RecorderPorts,
    notices: NoticeBoard,
) -> RecorderService:
    """Return the recorder of the house."""
    config = recorder_config(settings)
    return RecorderService(store, clock, channels, sources, ports, notices, config, report=log.info)


async def keep_days(store: Store, clock: Clock) -> None:
    """Make the partitions of the next days, and drop those that hold nothing any more (PostgreSQL)."""
    today = day_of(int(clock.now().timestamp() * 1000))
    await store.run(_keep_days, today)


async def sweep_days(store: Store, clock: Clock) -> None:
    """Sweep the partitions of days that are over, each once (PostgreSQL)."""
    if isinstance(store, PostgresqlStore):
        before = day_of(int(clock.now().timestamp() * 1000) - OVER_MS)
        for day in await store.read(lambda tx: segment_days.to_sweep(tx.connection, before)):
            await store.sweep(segment_days.name_of(day))


def _keep_days(tx: Any, today: int) -> None:
    segment_days.make(tx.connection, today - 1, today + DAYS_AHEAD)
    segment_days.drop_empty(tx.connection, today - 1)


def after(
    first: Callable[[tuple[str, ...]], None], then: Callable[[tuple[str, ...]], None]
) -> Callable[[tuple[str, ...]], None]:
    """Return a listener that tells both."""

    def tell(stream_ids: tuple[str, ...]) -> None:
        first(stream_ids)
        then(stream_ids)

    return tell
