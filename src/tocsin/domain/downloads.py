"""Downloads: a recorded period fetched from its device as a file, asked for and taken under a view, kept some days."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.domain.access import SYSTEM, Actor, ActorRef, Rule
from tocsin.domain.directory import Channel
from tocsin.domain.events import DownloadEnded, DownloadStarted, DownloadTaken
from tocsin.domain.refusals import UseCases, forbidden
from tocsin.domain.store import Store
from tocsin.domain.views import View

SPEED: Final = 4
MAX_RUNNING: Final = 4
LONGEST: Final = timedelta(hours=6)
MAX_BYTES: Final = 32 << 30


@dataclass(frozen=True, slots=True)
class Download:
    """One download; `state` is running, finished, partial, failed, cancelled or deleted, `reason` a message key."""

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


@dataclass(frozen=True, slots=True)
class Fetched:
    """How a fetch ended; `state` as of a download."""

    state: str
    reason: str = ""
    size_bytes: int = 0
    sha256: str = ""


class Fetcher(Protocol):
    """Fetches recordings into files."""

    async def fetch(self, download_id: str, channel: Channel, starts: datetime, ends: datetime, path: Path) -> Fetched:
        """Return when it is over; `path` exists when it finished or is partial. Cancelling leaves no file."""

    def progress(self, download_id: str) -> float:
        """Return how much is there, 0 to 1."""

    def free_bytes(self) -> int:
        """Return the bytes that may still be written."""


class Channels(Protocol):
    """The part of the directory that knows channels."""

    def channel(self, channel_id: str) -> Channel | None:
        """Return a channel, or None."""


class DownloadService(UseCases):
    """Use cases of downloads."""

    def __init__(
        self, store: Store, clock: Clock, channels: Channels, fetcher: Fetcher, folder: Path, *, keep_days: float
    ) -> None:
        super().__init__(store)
        self._clock = clock
        self._channels = channels
        self._fetcher = fetcher
        self._folder = folder
        self._keep = timedelta(days=keep_days)
        self._running: dict[str, asyncio.Task[None]] = {}

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

    async def begin(self, view_id: str, channel_id: str, starts: datetime, ends: datetime, *, actor: Actor) -> Download:
        """Fetch a period under a view that covers it. Errors: FORBIDDEN, NOT_FOUND, INVALID, CONFLICT, UNAVAILABLE."""
        if not timedelta() < ends - starts <= LONGEST:
            raise TocsinError(ErrorCode.INVALID, "name a period of at most six hours", field="ends_at")
        channel = self._channels.channel(channel_id)
        if channel is None:
            raise TocsinError(ErrorCode.UNAVAILABLE, f"channel {channel_id} is not ready", key="channel_absent")
        if len(self._running) >= MAX_RUNNING:
            raise TocsinError(ErrorCode.CONFLICT, "other downloads are running", key="download.busy")
        if self._fetcher.free_bytes() <= 0:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the disk is nearly full", key="download.disk_reserve")
        made = await self._act(
            "download.started", "download", view_id, actor, _begin, new_id(), view_id, channel_id, starts, ends, actor
        )
        task = asyncio.create_task(self._fetch(made, channel), name=f"download {made.id}")
        self._running[made.id] = task
        task.add_done_callback(lambda _task: self._running.pop(made.id, None))
        return made

    async def own(self, *, actor: Actor) -> list[Download]:
        """Return the actor's downloads, newest first."""
        found: list[Download] = await self._store.read(lambda tx: tx.downloads.of_user(actor.id))
        return found

    async def one(self, download_id: str, *, actor: Actor) -> Download:
        """Return one of the actor's downloads. Errors: NOT_FOUND."""
        found: Download = await self._store.read(lambda tx: tx.downloads.get(download_id, user_id=actor.id))
        return found

    def progress(self, download: Download) -> float:
        """Return how much of it is there, 0 to 1."""
        return self._fetcher.progress(download.id) if download.state == "running" else 1.0

    async def remove(self, download_id: str, *, actor: Actor) -> Download:
        """Cancel one that runs, delete the file of one that ended. Errors: NOT_FOUND."""
        task = self._running.get(download_id)
        state = "cancelled" if task is not None else "deleted"
        done = await self._act(
            f"download.{state}", "download", download_id, actor, _end, download_id, state, actor.id, actor.ref
        )
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self.path(download_id).unlink(missing_ok=True)
        return done

    async def take(self, download_id: str, view_id: str, *, actor: Actor) -> Path:
        """Return the file, under a view that covers its period. Errors: NOT_FOUND, FORBIDDEN, CONFLICT."""
        await self._act("download.taken", "download", download_id, actor, _take, download_id, view_id, actor)
        path = self.path(download_id)
        if not path.exists():
            raise TocsinError(ErrorCode.NOT_FOUND, f"no file of download {download_id}")
        return path

    async def expire(self) -> int:
        """Delete files whose days are over, with their record; return how many."""
        gone: list[str] = await self._store.run(_expire)
        for download_id in gone:
            self.path(download_id).unlink(missing_ok=True)
        return len(gone)

    def path(self, download_id: str) -> Path:
        """Return where the file of a download lies."""
        return self._folder / f"{download_id}.mp4"

    async def _fetch(self, download: Download, channel: Channel) -> None:
        fetched = Fetched("failed", "download.failed")
        try:
            fetched = await self._fetcher.fetch(
                download.id, channel, download.starts, download.ends, self.path(download.id)
            )
        except TocsinError as error:
            fetched = Fetched("failed", error.key or "download.failed")
        await self._store.run(_finish, download.id, download.user_id, fetched, self._keep)


def _begin(
    tx: Any, download_id: str, view_id: str, channel_id: str, starts: datetime, ends: datetime, actor: Actor
) -> Download:
    view: View = tx.views.get(view_id, user_id=actor.id)
    if not view.is_live(tx.now) or not view.shows_recording(channel_id, starts, ends):
        raise forbidden(Rule.NO_VIEW)
    made = Download(download_id, channel_id, view.jurisdiction_code, actor.id, view.purpose, starts, ends, tx.now)
    tx.downloads.add(made)
    tx.record(
        DownloadStarted(
            subject_id=made.id,
            at=tx.now,
            jurisdiction_code=made.jurisdiction_code,
            actor=actor.ref,
            channel_id=channel_id,
            view_id=view_id,
            purpose=view.purpose,
            starts_at=starts,
            ends_at=ends,
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
            ended_at=tx.now,
            expires_at=tx.now + keep if has_file else None,
        ),
        SYSTEM,
    )


def _end(tx: Any, download_id: str, state: str, user_id: str, by: ActorRef) -> Download:
    known: Download = tx.downloads.get(download_id, user_id=user_id)
    if known.state in ("cancelled", "deleted"):
        return known
    return _told(tx, replace(known, state=state, ended_at=tx.now, expires_at=None), by)


def _interrupt(tx: Any) -> None:
    for one in tx.downloads.running():
        _told(tx, replace(one, state="failed", reason="download.interrupted", ended_at=tx.now), SYSTEM)


def _expire(tx: Any) -> list[str]:
    found: list[Download] = tx.downloads.expired(tx.now)
    for one in found:
        _told(tx, replace(one, state="deleted", reason="download.expired", expires_at=None), SYSTEM)
    return [one.id for one in found]


def _take(tx: Any, download_id: str, view_id: str, actor: Actor) -> None:
    one: Download = tx.downloads.get(download_id, user_id=actor.id)
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
        )
    )
