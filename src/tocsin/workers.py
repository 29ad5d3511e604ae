"""Timed work: what the house does by the clock. Each job is one supervised loop around one function."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.tasks import Supervisor
from tocsin.base.times import to_us
from tocsin.domain import incident_clock
from tocsin.domain.alarm_snapshots import AT_ONCE, AlarmSnapshots
from tocsin.domain.camera_desk import CameraDesk
from tocsin.domain.channel_health_service import ChannelHealthService
from tocsin.domain.clip_maker import ClipMaker
from tocsin.domain.control_service import ControlService
from tocsin.domain.downloads import DownloadService
from tocsin.domain.holds import HoldService
from tocsin.domain.intake import Intake
from tocsin.domain.load_service import FloodWatch
from tocsin.domain.notices import ClockWatch, NoticeBoard
from tocsin.domain.permit_service import PermitService
from tocsin.domain.picture_rounds import PictureRounds
from tocsin.domain.recorder_service import RecorderService
from tocsin.domain.reports import StoredReports
from tocsin.domain.retention_service import PASS_S, SPACE_S, RetentionEngine
from tocsin.domain.schedule_service import ScheduleClock
from tocsin.domain.snapshots import SnapshotService
from tocsin.domain.speaking import SpeakingService
from tocsin.domain.storage_service import StorageService
from tocsin.domain.store import Store
from tocsin.domain.supervision import Supervision
from tocsin.domain.trials import TrialService
from tocsin.domain.users import UserService
from tocsin.domain.view_service import ViewService
from tocsin.domain.zone_test_service import ZoneTestService
from tocsin.recording import keep_days, sweep_days
from tocsin.settings import Settings

FLUSH_S: Final = 5.0
TIMED_S: Final = 1.0
REPAIR_S: Final = 30.0
CLOCK_S: Final = 5.0
FLOOD_S: Final = 10.0
SEEN_S: Final = 30.0
TRIM_S: Final = 60.0
FORECAST_S: Final = 600.0
DAYS_S: Final = 3600.0
PICTURES_S: Final = 10.0
SETTLE_S: Final = 0.2  # a storm of registrations is stored in a few writes, a single one at once enough
FEED_KEPT: Final = timedelta(hours=24)
CLOSED_KEPT: Final = timedelta(days=90)
HISTORY_KEPT: Final = timedelta(days=400)  # on-line rates look back a year

Job = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Timed:
    """A job and how often it runs."""

    name: str
    period_s: float
    run: Job


def spawn_all(
    supervisor: Supervisor,
    *,
    store: Store,
    clock: Clock,
    reports: StoredReports,
    supervision: Supervision,
    views: ViewService,
    control: ControlService,
    downloads: DownloadService,
    speaking: SpeakingService,
    notices: NoticeBoard,
    intake: Intake,
    settings: Settings,
    health: ChannelHealthService,
    snapshots: SnapshotService,
    trials: TrialService,
    alarm_snapshots: AlarmSnapshots,
    clips: ClipMaker | None = None,
    users: UserService | None = None,
    camera_desk: CameraDesk | None = None,
    pictures: PictureRounds | None = None,
    recorder: RecorderService | None = None,
) -> None:
    """Start every timed job under `supervisor`."""
    watch = ClockWatch(notices, clock)
    jobs = [
        Timed("reports", FLUSH_S, reports.flush),
        Timed("supervision", settings.supervision.check_s, supervision.check),
        Timed("incidents", TIMED_S, lambda: run_incidents(store)),
        Timed("views", TIMED_S, views.expire),
        Timed("downloads", 60.0, downloads.expire),
        Timed("camera control", TIMED_S, control.check),
        Timed("speaking", TIMED_S, speaking.check),
        Timed("repair", REPAIR_S, lambda: store.run(intake.repair)),
        Timed("alarm rules", TIMED_S, intake.release_due),
        Timed("unknown zones", FLUSH_S, lambda: intake.unknown_zones.settle(store)),
        Timed("clock", CLOCK_S, watch.check),
        Timed("floods", FLOOD_S, FloodWatch(store, notices).check),
        Timed("camera health", FLUSH_S, health.check),
        Timed("picture checks", TRIM_S, health.check_pictures),
        Timed("snapshots", FLUSH_S, snapshots.check),
        Timed("camera trials", TIMED_S, trials.check),
        Timed("trim", TRIM_S, lambda: trim(store)),
    ]
    if camera_desk is not None:
        jobs.append(Timed("storage cards", TRIM_S, camera_desk.check_cards))
    if recorder is not None:
        jobs.append(Timed("recording", TIMED_S, recorder.check))
        jobs.append(Timed("days of recordings", DAYS_S, lambda: keep_days(store, clock)))
        jobs.append(Timed("days of recordings that are over", DAYS_S, lambda: sweep_days(store, clock)))
        supervisor.spawn("index of recordings", recorder.index.run)
    if clips is not None:
        jobs.append(Timed("clips", TIMED_S, clips.check))
        jobs.append(Timed("old clips", TRIM_S, clips.expire))
        supervisor.spawn("alarm clips", clips.run)
    if users is not None:
        jobs.append(Timed("users", SEEN_S, users.flush_seen))
    if pictures is not None:
        jobs.append(Timed("picture health", PICTURES_S, pictures.check))
    for job in jobs:
        supervisor.spawn(job.name, _loop(clock, job))
    supervisor.spawn("device states", lambda: settle_changes(clock, supervision))
    supervisor.spawn("view ends", views.pass_ends)
    for number in range(AT_ONCE):
        supervisor.spawn(f"alarm snapshots {number + 1}", alarm_snapshots.run)
    supervisor.spawn("control ends", control.pass_ends)
    supervisor.spawn("speech ends", speaking.pass_ends)


def spawn_watch(
    supervisor: Supervisor,
    clock: Clock,
    schedules: ScheduleClock,
    permits: PermitService,
    zone_tests: ZoneTestService,
) -> None:
    """Start what judges hours of premises and ends tests by the clock."""
    for job in (
        Timed("hours of premises", TIMED_S, schedules.check),
        Timed("zone tests", TIMED_S, zone_tests.end_due),
        Timed("permits", TIMED_S, permits.check),
        Timed("telephones of permits", DAYS_S, permits.forget_phones),
    ):
        supervisor.spawn(job.name, _loop(clock, job))


def spawn_retention(
    supervisor: Supervisor, clock: Clock, engine: RetentionEngine, holds: HoldService, storage: StorageService
) -> None:
    """Start what keeps and deletes recordings by the clock."""

    async def _pass_ceilings() -> None:
        await engine.pass_ceilings()  # once at the start: the house may have been off for days
        await every(clock, PASS_S, engine.pass_ceilings)

    supervisor.spawn("retention", _pass_ceilings)
    for job in (
        Timed("space of recordings", SPACE_S, engine.check_space),
        Timed("holds", TRIM_S, holds.check),
        Timed("storage forecast", FORECAST_S, storage.check),
    ):
        supervisor.spawn(job.name, _loop(clock, job))


def _loop(clock: Clock, job: Timed) -> Callable[[], Awaitable[None]]:
    return lambda: every(clock, job.period_s, job.run)


async def every(clock: Clock, period_s: float, run: Job) -> None:
    """Run a job, wait, and again. A store that fails is somebody else's notice: the job is tried at its next time."""
    while True:
        await clock.sleep(period_s)
        try:
            await run()
        except TocsinError as error:
            if error.code is not ErrorCode.UNAVAILABLE:
                raise


async def settle_changes(clock: Clock, supervision: Supervision) -> None:
    """Store states of devices soon after they change."""
    while True:
        await supervision.has_changes.wait()
        await clock.sleep(SETTLE_S)
        try:
            await supervision.settle()
        except TocsinError as error:
            if error.code is not ErrorCode.UNAVAILABLE:
                raise
            await clock.sleep(FLUSH_S)
            supervision.has_changes.set()


async def run_incidents(store: Store) -> None:
    """Do what time asks of incidents: leases, parked ones, late steps, absent operators; each alone, in one group."""
    results = await asyncio.gather(
        store.run(incident_clock.expire_leases),
        store.run(incident_clock.return_parked),
        store.run(incident_clock.announce_overdue),
        store.run(incident_clock.announce_unattended),
        return_exceptions=True,
    )
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def trim(store: Store) -> int:
    """Delete what is kept for a time only: feed entries, step timelines, closed faults and notices; return how many."""
    return await store.run(_trim)


def _trim(tx: Any) -> int:
    return int(
        tx.outbox.trim(to_us(tx.now - FEED_KEPT))
        + tx.attempts.trim()
        + tx.imports.trim(tx.now)
        + tx.devices.trim_faults(to_us(tx.now - CLOSED_KEPT))
        + tx.health.trim(to_us(tx.now - HISTORY_KEPT))
        + tx.notices.trim(tx.now - CLOSED_KEPT)
    )
