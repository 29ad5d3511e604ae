"""Use cases of recordings that lie in devices: what there is, and watching it under a view that names the period.

The rule of who may look is that of live pictures; the view's audit record says which period was looked at and why.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission, Rule, scope
from tocsin.domain.directory import Channel
from tocsin.domain.events import RecordingOpened
from tocsin.domain.playback import FoundRecordings, PlaybackService, PlaybackState, RecordingIndex
from tocsin.domain.refusals import UseCases, forbidden, require
from tocsin.domain.store import Store
from tocsin.domain.view_service import Announced
from tocsin.domain.views import View

LONGEST_SEARCH: Final = timedelta(days=7)
LONGEST_PLAYBACK: Final = timedelta(hours=24)
FRESH_S: Final = 60.0
STILL_GROWING: Final = timedelta(minutes=5)
MAX_SEARCHES: Final = 64
ANSWER_WITHIN_S: Final = 2.0


class Channels(Protocol):
    """The part of the directory that knows channels."""

    def channel(self, channel_id: str) -> Channel | None:
        """Return a channel, or None."""


@dataclass(slots=True, eq=False)
class Search:
    """A search under way or done: `state` is searching, whole, partial or failed; `problem` a message key."""

    starts: datetime
    ends: datetime
    began_s: float
    state: str = "searching"
    found: FoundRecordings = field(default_factory=FoundRecordings)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def progress(self) -> float:
        """How much of the period has been asked, 0 to 1."""
        if self.state != "searching":
            return 1.0
        if self.found.asked_to is None:
            return 0.0
        return min(1.0, max(0.0, (self.found.asked_to - self.starts) / (self.ends - self.starts)))


class RecordingService(UseCases):
    """Searches and playbacks."""

    def __init__(
        self, store: Store, clock: Clock, channels: Channels, index: RecordingIndex, playbacks: PlaybackService
    ) -> None:
        super().__init__(store)
        self._clock = clock
        self._channels = channels
        self._index = index
        self._playbacks = playbacks
        self._searches: OrderedDict[tuple[str, datetime, datetime], Search] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def search(
        self, channel_id: str, starts: datetime, ends: datetime, *, actor: Actor, again: bool = False
    ) -> Search:
        """Return what is known of a period, asking the device when that is not known yet. A search that takes longer
        than two seconds goes on by itself: ask again for its progress.

        Errors: FORBIDDEN, NOT_FOUND, INVALID for a period that is empty or longer than seven days.
        """
        require(actor, Permission.VIEW_LIVE)
        if not timedelta() < ends - starts <= LONGEST_SEARCH:
            raise TocsinError(ErrorCode.INVALID, "name a period of at most seven days", field="to")
        await self._store.read(_visible, channel_id, actor)
        channel = self._channels.channel(channel_id)
        if channel is None:
            raise TocsinError(ErrorCode.CONFLICT, "the camera is not in use", key="recording.channel_not_in_use")
        key = (channel_id, starts, ends)
        search = self._searches.get(key)
        if search is None or self._is_stale(search, again=again):
            search = Search(starts, ends, self._clock.monotonic())
            self._searches[key] = search
            self._searches.move_to_end(key)
            while len(self._searches) > MAX_SEARCHES:
                self._searches.popitem(last=False)
            task = asyncio.create_task(self._run(search, channel), name=f"recordings of {channel_id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await search.done.wait()
        except TimeoutError:
            pass
        return search

    def _is_stale(self, search: Search, *, again: bool) -> bool:
        if search.state == "searching":
            return False
        age_s = self._clock.monotonic() - search.began_s
        is_growing = search.ends > self._clock.now() - STILL_GROWING
        return again or search.state != "whole" or (is_growing and age_s > FRESH_S) or age_s > 10 * FRESH_S

    async def _run(self, search: Search, channel: Channel) -> None:
        def note(found: FoundRecordings) -> None:
            search.found = found

        try:
            search.found = await self._index.find(channel, search.starts, search.ends, note)
            problem = search.found.problem
            search.state = "whole" if not problem else "partial" if search.found.pieces else "failed"
        except TocsinError as error:
            search.state = "failed"
            search.found = FoundRecordings(problem=error.key or "recording.failed")
        finally:
            if search.state == "searching":
                search.state = "failed"
            search.done.set()

    async def open(
        self,
        view_id: str,
        channel_id: str,
        starts: datetime,
        ends: datetime,
        *,
        actor: Actor,
        codecs: Sequence[str] = (),
    ) -> tuple[str, str, View]:
        """Begin to play a period under a view that covers it; return id, one-use address and view.

        Errors: NOT_FOUND, INVALID, FORBIDDEN when the view does not permit it, UNAVAILABLE.
        """
        if not timedelta() < ends - starts <= LONGEST_PLAYBACK:
            raise TocsinError(ErrorCode.INVALID, "name a period of at most 24 hours", field="to")
        view = await self._act(
            "recording.opened", "view", view_id, actor, _open, view_id, channel_id, starts, ends, actor
        )
        channel = self._channels.channel(channel_id)
        if channel is None:
            raise TocsinError(ErrorCode.UNAVAILABLE, f"channel {channel_id} is not ready", key="channel_absent")
        playback_id, url = await self._playbacks.open_playback(
            view_id=view.id,
            channel=channel,
            user_id=actor.id,
            starts=starts,
            ends=ends,
            expires_at=view.expires_at,
            codecs=tuple(codecs),
        )
        return playback_id, url, view

    async def steer(
        self,
        view_id: str,
        playback_id: str,
        *,
        actor: Actor,
        paused: bool | None = None,
        at: datetime | None = None,
        speed: float | None = None,
    ) -> PlaybackState:
        """Steer one of the actor's own playbacks. Errors: NOT_FOUND, FORBIDDEN, CONFLICT, INVALID, UNAVAILABLE."""
        await self._own(view_id, playback_id, actor)
        return await self._playbacks.steer_playback(playback_id, paused=paused, at=at, speed=speed)

    async def state(self, view_id: str, playback_id: str, *, actor: Actor) -> PlaybackState:
        """Return how one of the actor's own playbacks is doing. Errors: NOT_FOUND, FORBIDDEN."""
        return await self._own(view_id, playback_id, actor)

    async def close(self, view_id: str, playback_id: str, *, actor: Actor) -> None:
        """End one of the actor's own playbacks. Errors: NOT_FOUND, FORBIDDEN."""
        await self._own(view_id, playback_id, actor)
        await self._playbacks.close_playback(playback_id)

    def hear(self, announcements: Sequence[Announced]) -> None:
        """Take committed announcements (`store.on_committed`): with a view its recordings end."""
        for announcement in announcements:
            if announcement.type == "view.ended":
                task = asyncio.create_task(self._playbacks.end_view(announcement.subject_id))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _own(self, view_id: str, playback_id: str, actor: Actor) -> PlaybackState:
        view: View = await self._store.read(lambda tx: tx.views.get(view_id, user_id=actor.id))
        if not view.is_live(self._clock.now()):
            raise forbidden(Rule.NO_VIEW)
        state = self._playbacks.playback_state(playback_id)
        if state.view_id != view_id:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no playback {playback_id}")
        return state


def _visible(tx: Any, channel_id: str, actor: Actor) -> None:
    tx.devices.channel(channel_id, visible_to=scope(actor, Permission.VIEW_LIVE))


def _open(tx: Any, view_id: str, channel_id: str, starts: datetime, ends: datetime, actor: Actor) -> View:
    view: View = tx.views.get(view_id, user_id=actor.id)
    if not view.is_live(tx.now) or not view.shows_recording(channel_id, starts, ends):
        raise forbidden(Rule.NO_VIEW)
    tx.record(
        RecordingOpened(
            subject_id=channel_id,
            at=tx.now,
            jurisdiction_code=view.jurisdiction_code,
            actor=actor.ref,
            view_id=view.id,
            purpose=view.purpose,
            starts_at=starts,
            ends_at=ends,
            incident_id=view.incident_id or "",
        )
    )
    return view
