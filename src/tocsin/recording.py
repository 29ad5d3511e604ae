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
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.notices import NoticeBoard
from tocsin.domain.recorder_line import RecorderChannels, RecorderConfig, Sources
from tocsin.domain.recorder_service import RecorderService
from tocsin.domain.recorder_told import RecorderPorts
from tocsin.domain.segments import LONGEST_SEGMENT_MS, day_of
from tocsin.domain.store import Store
from tocsin.domain.tier_service import TierMover
from tocsin.domain.tiers import TierRules
from tocsin.settings import Settings
from tocsin.storage import segment_days
from tocsin.storage.store import PostgresqlStore
from tocsin.storage.tier_s3 import SCHEME, S3Config
from tocsin.storage.tier_volumes import TierVolumes

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


def tier_rules(settings: Settings) -> TierRules | None:
    """Return where recordings move and when; None without a far place. Errors: INVALID."""
    tiers, recording = settings.tiers, settings.recording
    if not tiers.cold:
        return None
    is_bucket = tiers.cold.startswith(SCHEME)
    location = tiers.cold if is_bucket else str(settings.data.cwd() / tiers.cold)
    folders = volume_folders(settings)
    if location in folders:
        raise TocsinError(ErrorCode.INVALID, f"tiers.cold is {location}, which recording.volumes names too")
    if tiers.at_percent >= recording.high_percent:
        raise TocsinError(ErrorCode.INVALID, "tiers.at_percent must be below recording.high_percent")
    return TierRules(
        location=location,
        kind="s3" if is_bucket else "folder",
        house_id=house_id(settings),
        folders=folders,
        after_days=tiers.after_days,
        at_pct=tiers.at_percent,
        rate_bytes_s=round(tiers.rate_mb_s * 1_000_000),
        reserve_bytes=recording.reserve_mb << 20,
        high_pct=recording.high_percent,
        low_pct=recording.low_percent,
    )


def tier_volumes(settings: Settings, clock: Clock) -> TierVolumes:
    """Return the files of all volumes, the far place among them."""
    tiers = settings.tiers
    secret = tiers.secret_key.get_secret_value()
    return TierVolumes(clock, S3Config(tiers.endpoint, tiers.region, tiers.path_style, tiers.access_key, secret))


def make_mover(
    settings: Settings, store: Store, clock: Clock, volumes: TierVolumes, notices: NoticeBoard
) -> TierMover | None:
    """Return what moves recordings to the far place; None without one. Errors: INVALID."""
    rules = tier_rules(settings)
    return None if rules is None else TierMover(store, clock, volumes, notices, rules)


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
