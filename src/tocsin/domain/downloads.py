"""Downloads: a recorded period fetched from its device as a file under a view, given out once to who asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.domain.access import SYSTEM, Actor, ActorRef, Permission, Rule, scope
from tocsin.domain.directory import Channel
from tocsin.domain.events import DownloadEnded, DownloadStarted, DownloadTaken
from tocsin.domain.refusals import UseCases, forbidden, require
from tocsin.domain.store import Store
from tocsin.domain.views import View

SPEED: Final = 4
MAX_RUNNING: Final = 4
LONGEST: Final = timedelta(hours=6)
MAX_BYTES: Final = 32 << 30
CHUNK_BYTES: Final = 256 * 1024
MP4: Final = "mp4"
BARE: Final = "bare"
FORMATS: Final = (MP4, BARE)
AGREES: Final = 0.25  # a told size is believed as long as it says nearly what the time of the recording says
LEAST_SHARE: Final = 0.01  # before that no time left is guessed


@dataclass(frozen=True, slots=True)
class Download:
    """One download; `reason` is a message key.

    `state`: running, finished, partial, failed, cancelled, deleted, or handed_over when it was taken whole. `format` is
    mp4 or bare, the byte stream alone; `codec` h264 or h265 once there is a file.
    """

    id: str
    channel_id: str
    jurisdiction_code: str
    user_id: str
    purpose: str
    starts: datetime
    ends: datetime
    created_at: datetime
    state: str = "running"
    reason: str = ""
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    size_bytes: int = 0
    sha256: str = ""
    format: str = MP4
    speed: int = SPEED
    codec: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """How a fetch ended; `state` as of a download. Its first and last moment are told where the pictures say them."""

    state: str
    reason: str = ""
    size_bytes: int = 0
    sha256: str = ""
    codec: str = ""
    first_at: datetime | None = None
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """How far a fetch is: 0 to 1, the seconds left when they can be told, and what it was told from."""

    share: float = 0.0
    left_s: float | None = None
    received_bytes: int = 0
    told_bytes: int | None = None


WHOLE: Final = FetchProgress(1.0, 0.0)


def share_of(time_share: float, received_bytes: int, told_bytes: int | None) -> float:
    """Return how much of a download is there, 0 to 1.

    By the size the device told; by the time of the recording when it told none, or one that cannot be right.
    """
    by_time = min(1.0, max(0.0, time_share))
    if not told_bytes:
        return by_time
    by_size = received_bytes / told_bytes
    return min(1.0, by_size) if abs(by_size - by_time) <= AGREES else by_time


def left_of(share: float, took_s: float) -> float | None:
    """Return the seconds left when it goes on as it went; None while too little is there."""
    return took_s * (1.0 - share) / share if share >= LEAST_SHARE else None


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be chosen for a camera's downloads, and the limits that are said before they are met."""

    speeds: tuple[int, ...]
    formats: tuple[str, ...] = FORMATS
    longest_h: int = LONGEST // timedelta(hours=1)
    at_once: int = MAX_RUNNING
    running: int = 0
    keep_days: float = 0.0


class Fetcher(Protocol):
    """Fetches recordings into files."""

    async def fetch(self, download: Download, channel: Channel, path: Path) -> Fetched:
        """Return when it is over; `path` exists when it finished or is partial. Cancelling leaves no file."""

    def progress(self, download_id: str) -> FetchProgress:
        """Return how far it is."""

    def free_bytes(self) -> int:
        """Return the bytes that may still be written."""


class SpeedLine(Protocol):
    """Knows how fast devices send downloads."""

    async def download_speeds(self, channel: Channel) -> tuple[int, ...]:
        """Return the speeds this camera may be asked for, ascending."""


class Channels(Protocol):
    """The part of the directory that knows channels."""

    def channel(self, channel_id: str) -> Channel | None:
        """Return a channel, or None."""


class DownloadService(UseCases):
    """Use cases of downloads."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        channels: Channels,
        fetcher: Fetcher,
        folder: Path,
        *,
        keep_days: float,
        speeds: SpeedLine,
    ) -> None:
        super().__init__(store)
        self._speeds = speeds
        self._keep_days = keep_days
        self._clock = clock
        self._channels = channels
        self._fetcher = fetcher
        self._folder = folder
        self._keep = timedelta(days=keep_days)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._busy: dict[str, str] = {}  # channel id by download id
        self._giving: set[str] = set()
        self._lent: dict[str, str] = {}  # channel id by key: the house's own fetches

    async def start(self) -> None:
        """Mark what an earlier run left unfinished as failed, and remove its pieces."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for piece in self._folder.glob("*.part"):
            piece.unlink(missing_ok=True)
        await self._store.run(_interrupt)

    async def stop(self) -> None:
        """End what runs."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def choices(self, channel_id: str, *, actor: Actor) -> Choices:
        """Return what may be chosen for a camera; its device is asked once in a while. Errors: FORBIDDEN, NOT_FOUND."""
        require(actor, Permission.VIEW_LIVE)
        await self._store.read(
            lambda tx: tx.devices.channel(channel_id, visible_to=scope(actor, Permission.VIEW_LIVE)).id
        )
        return Choices(
            await self._speeds.download_speeds(self._known(channel_id)),
            running=len(self._busy),
            keep_days=self._keep_days,
        )

    def _known(self, channel_id: str) -> Channel:
        channel = self._channels.channel(channel_id)
        if channel is None:
            raise TocsinError(ErrorCode.UNAVAILABLE, f"channel {channel_id} is not ready", key="channel_absent")
        return channel

    async def begin(
        self,
        view_id: str,
        channel_id: str,
        starts: datetime,
        ends: datetime,
        *,
        actor: Actor,
        form: str = MP4,
        speed: int | None = None,
    ) -> Download:
        """Fetch a period under a view that covers it, as fast as the camera may be asked unless `speed` says slower.

        Errors: FORBIDDEN, NOT_FOUND, INVALID, CONFLICT, UNAVAILABLE.
        """
        if not timedelta() < ends - starts <= LONGEST:
            raise TocsinError(ErrorCode.INVALID, "name a period of at most six hours", field="ends_at")
        if form not in FORMATS:
            raise TocsinError(ErrorCode.INVALID, f"one of {', '.join(FORMATS)}", field="format")
        channel = self._known(channel_id)
        speeds = await self._speeds.download_speeds(channel)
        if speed is not None and speed not in speeds:
            raise TocsinError(ErrorCode.INVALID, f"this device sends at {speeds}", field="speed")
        chosen = speed if speed is not None else max((one for one in speeds if one <= SPEED), default=1)
        if len(self._busy) >= MAX_RUNNING:
            raise TocsinError(ErrorCode.CONFLICT, "other downloads are running", key="download.busy")
        if channel_id in self._busy.values() or channel_id in self._lent.values():
            raise TocsinError(ErrorCode.CONFLICT, "this camera is sending one", key="download.camera_busy")
        if self._fetcher.free_bytes() <= 0:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the disk is nearly full", key="download.disk_reserve")
        wanted = Download(
            new_id(), channel_id, "", actor.id, "", starts, ends, self._clock.now(), format=form, speed=chosen
        )
        self._busy[wanted.id] = channel_id
        try:
            made = await self._act("download.started", "download", view_id, actor, _begin, wanted, view_id, actor)
        except BaseException:
            self._busy.pop(wanted.id, None)
            raise
        task = asyncio.create_task(self._fetch(made, channel), name=f"download {made.id}")
        self._running[made.id] = task
        task.add_done_callback(lambda _task: self._over(made.id))
        return made

    def lend(self, channel_id: str, key: str) -> bool:
        """Let the house fetch from a camera; False when somebody does."""
        if channel_id in self._busy.values() or channel_id in self._lent.values():
            return False
        self._lent[key] = channel_id
        return True

    def give_back(self, key: str) -> None:
        """End what `lend` began."""
        self._lent.pop(key, None)

    def _over(self, download_id: str) -> None:
        self._running.pop(download_id, None)
        self._busy.pop(download_id, None)

    async def own(self, *, actor: Actor) -> list[Download]:
        """Return the actor's downloads, newest first."""
        found: list[Download] = await self._store.read(lambda tx: tx.downloads.of_user(actor.id))
        return found

    async def one(self, download_id: str, *, actor: Actor) -> Download:
        """Return one of the actor's downloads. Errors: NOT_FOUND."""
        found: Download = await self._store.read(lambda tx: tx.downloads.get(download_id, user_id=actor.id))
        return found

    def progress(self, download: Download) -> FetchProgress:
        """Return how far it is."""
        return self._fetcher.progress(download.id) if download.state == "running" else WHOLE

    def is_being_given(self, download_id: str) -> bool:
        """True while its file is on its way to who asked for it."""
        return download_id in self._giving

    async def remove(self, download_id: str, *, actor: Actor) -> Download:
        """Cancel one that runs, delete the file of one that ended. Errors: NOT_FOUND."""
        task = self._running.get(download_id)
        state = "cancelled" if task is not None else "deleted"
        done = await self._act(
            f"download.{state}", "download", download_id, actor, _end, download_id, actor.id, actor.ref
        )
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self.path(download_id).unlink(missing_ok=True)
        return done

    async def take(self, download_id: str, view_id: str, *, actor: Actor) -> tuple[Download, AsyncIterator[bytes]]:
        """Return the file's bytes, under a view that covers its period; once it has left whole it is gone from here.

        A transfer that broke off may be begun again. Errors: NOT_FOUND, FORBIDDEN, CONFLICT.
        """
        if download_id in self._giving:
            raise TocsinError(ErrorCode.CONFLICT, "it is being taken", key="download.being_taken")
        one: Download = await self._act(
            "download.taken", "download", download_id, actor, _take, download_id, view_id, actor
        )
        if not self.path(download_id).exists():
            raise TocsinError(ErrorCode.NOT_FOUND, f"no file of download {download_id}")
        return one, self._give(one, actor.ref)

    async def _give(self, one: Download, by: ActorRef) -> AsyncIterator[bytes]:
        path = self.path(one.id)
        self._giving.add(one.id)
        try:
            with await asyncio.to_thread(path.open, "rb") as file:
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    yield chunk
            await self._store.run(_handed_over, one.id, one.user_id, by)
            path.unlink(missing_ok=True)
        finally:
            self._giving.discard(one.id)

    async def expire(self) -> int:
        """Delete files whose days are over, with their record; return how many."""
        gone: list[str] = await self._store.run(_expire)
        for download_id in gone:
            self.path(download_id).unlink(missing_ok=True)
        return len(gone)

    def path(self, download_id: str) -> Path:
        """Return where the file of a download lies; what is in it does not change its name."""
        return self._folder / f"{download_id}.mp4"

    def name_of(self, one: Download) -> str:
        """Return what the file is called by who takes it: camera, period (UTC) and kind."""
        channel = self._channels.channel(one.channel_id)
        camera = channel.gb_id if channel is not None and channel.gb_id.isalnum() else one.channel_id
        kind = MP4 if one.format == MP4 else one.codec or "bin"
        return f"{camera}_{one.starts:%Y%m%dT%H%M%SZ}_{one.ends:%Y%m%dT%H%M%SZ}.{kind}"

    async def _fetch(self, download: Download, channel: Channel) -> None:
        fetched = Fetched("failed", "download.failed")
        try:
            fetched = await self._fetcher.fetch(download, channel, self.path(download.id))
        except TocsinError as error:
            fetched = Fetched("failed", error.key or "download.failed")
        await self._store.run(_finish, download.id, download.user_id, fetched, self._keep)


def _begin(tx: Any, wanted: Download, view_id: str, actor: Actor) -> Download:
    view: View = tx.views.get(view_id, user_id=actor.id)
    if not view.is_live(tx.now) or not view.shows_recording(wanted.channel_id, wanted.starts, wanted.ends):
        raise forbidden(Rule.NO_VIEW)
    made = replace(wanted, jurisdiction_code=view.jurisdiction_code, purpose=view.purpose, created_at=tx.now)
    tx.downloads.add(made)
    tx.record(
        DownloadStarted(
            subject_id=made.id,
            at=tx.now,
            jurisdiction_code=made.jurisdiction_code,
            actor=actor.ref,
            channel_id=made.channel_id,
            view_id=view_id,
            purpose=view.purpose,
            starts_at=made.starts,
            ends_at=made.ends,
            format=made.format,
            speed=made.speed,
        )
    )
    return made


def _told(tx: Any, one: Download, by: ActorRef) -> Download:
    tx.downloads.save(one)
    tx.record(
        DownloadEnded(
            subject_id=one.id,
            at=tx.now,
            jurisdiction_code=one.jurisdiction_code,
            actor=by,
            channel_id=one.channel_id,
            state=one.state,
            reason=one.reason,
            size_bytes=one.size_bytes,
            sha256=one.sha256,
        )
    )
    return one


def _finish(tx: Any, download_id: str, user_id: str, fetched: Fetched, keep: timedelta) -> None:
    known: Download = tx.downloads.get(download_id, user_id=user_id)
    if known.state != "running":
        return
    has_file = fetched.state in ("finished", "partial")
    _told(
        tx,
        replace(
            known,
            state=fetched.state,
            reason=fetched.reason,
            size_bytes=fetched.size_bytes,
            sha256=fetched.sha256,
            codec=fetched.codec,
            ended_at=tx.now,
            expires_at=tx.now + keep if has_file else None,
        ),
        SYSTEM,
    )


def _end(tx: Any, download_id: str, user_id: str, by: ActorRef) -> Download:
    known: Download = tx.downloads.get(download_id, user_id=user_id)
    if known.state in ("cancelled", "deleted", "handed_over", "failed"):
        return known
    state = "cancelled" if known.state == "running" else "deleted"  # the row knows before its task has ended
    return _told(tx, replace(known, state=state, ended_at=tx.now, expires_at=None), by)


def _interrupt(tx: Any) -> None:
    for one in tx.downloads.running():
        _told(tx, replace(one, state="failed", reason="download.interrupted", ended_at=tx.now), SYSTEM)


def _expire(tx: Any) -> list[str]:
    found: list[Download] = tx.downloads.expired(tx.now)
    for one in found:
        _told(tx, replace(one, state="deleted", reason="download.expired", expires_at=None), SYSTEM)
    return [one.id for one in found]


def _handed_over(tx: Any, download_id: str, user_id: str, by: ActorRef) -> None:
    known: Download = tx.downloads.get(download_id, user_id=user_id)
    if known.state in ("finished", "partial"):
        _told(tx, replace(known, state="handed_over", expires_at=None), by)


def _take(tx: Any, download_id: str, view_id: str, actor: Actor) -> Download:
    one: Download = tx.downloads.get(download_id, user_id=actor.id)
    if one.state == "handed_over":
        raise TocsinError(ErrorCode.CONFLICT, "it was taken already", key="download.handed_over")
    if one.state not in ("finished", "partial"):
        raise TocsinError(ErrorCode.CONFLICT, "there is no file", key="download.no_file")
    view: View = tx.views.get(view_id, user_id=actor.id)
    if not view.is_live(tx.now) or not view.shows_recording(one.channel_id, one.starts, one.ends):
        raise forbidden(Rule.NO_VIEW)
    tx.record(
        DownloadTaken(
            subject_id=one.id,
            at=tx.now,
            jurisdiction_code=one.jurisdiction_code,
            actor=actor.ref,
            channel_id=one.channel_id,
            view_id=view_id,
            purpose=view.purpose,
            sha256=one.sha256,
            size_bytes=one.size_bytes,
        )
    )
    return one
