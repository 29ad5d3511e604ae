"""Makes alarm clips: hears of committed alarms, writes what is to be kept, gets its pictures, tries again, gives up.

Never in an alarm's way: it begins after the commit, waits in a bounded queue, and works a few at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.channel_health_service import clock_offset_s
from tocsin.domain.clip_events import ClipBegun, ClipDeleted, ClipExtended, ClipMade, ClipProgressed
from tocsin.domain.clips import (
    CLIP,
    FAILED,
    FETCHING,
    MINUTES,
    OWN,
    PARTIAL,
    READY,
    RECORDING,
    SLACK,
    Clip,
    ClipRules,
    clip_form,
    grow,
    new_clip,
    pause_after,
)
from tocsin.domain.directory import Channel
from tocsin.domain.store import Store
from tocsin.domain.view_service import Announced

MAX_WAITING: Final = 4_096
TOGETHER: Final = 200
AT_ONCE: Final = 6
MINUTES_AT_ONCE: Final = 2  # of those: the next alarm finds a free hand
LOOK_BACK: Final = timedelta(minutes=10)
DELETED_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Got:
    """What a way brought: ready, partial or failed, with the key of what is missing; `file` names what was fetched.

    `is_final` says that asking again would bring nothing more.
    """

    state: str
    reason: str = ""
    source: str = ""
    pre_roll: str = "none"
    file: str = ""
    size_bytes: int = 0
    sha256: str = ""
    codec: str = ""
    video_from: datetime | None = None
    video_to: datetime | None = None
    is_final: bool = False


class FetchWay(Protocol):
    """Gets the time of a clip from the device that recorded it."""

    def can_ask(self, channel: Channel) -> bool:
        """True when this camera's device can be asked at all."""

    async def fetch(self, clip: Clip, channel: Channel, offset_s: float) -> Got:
        """Return what came of one try; `offset_s` is how far the device's clock is ahead."""

    def left_s(self, clip: Clip) -> float | None:
        """Return the seconds left of a fetch under way; None when that cannot be told."""

    async def remove(self, files: Sequence[str]) -> None:
        """Delete files; one that is not there is no error."""

    async def keep_only(self, files: frozenset[str]) -> None:
        """Delete whatever else lies in the folder."""


class OwnWay(Protocol):
    """Our own recording of a camera."""

    async def keep(self, channel: Channel, until: datetime) -> str:
        """Record a camera until a time, in any case; return where its time before comes from (none, memory, disk)."""

    def covered(self, tx: Any, clip: Clip) -> Got | None:
        """Return what our segments hold of a clip's time; None for nothing."""


class Channels(Protocol):
    """The part of the directory that knows channels."""

    def channel(self, channel_id: str) -> Channel | None:
        """Return a channel, or None."""


class ClipMaker:
    """Keeps what linked cameras saw. `passed_over` counts alarms that found the queue full."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        channels: Channels,
        rules: ClipRules,
        device: FetchWay,
        own: OwnWay | None = None,
        *,
        keep_days: float = 90.0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._channels = channels
        self._rules = rules
        self._device = device
        self._own = own
        self._kept_for = timedelta(days=keep_days)
        self._waiting: asyncio.Queue[str] = asyncio.Queue(MAX_WAITING)
        self._working: dict[str, asyncio.Task[None]] = {}
        self._busy: dict[str, Clip] = {}  # by camera
        self.passed_over = 0

    async def start(self) -> None:
        """Take up what an earlier run left: alarms without a clip, fetches that broke off, files without a row."""
        await self._device.keep_only(await self._store.read(lambda tx: tx.clips.files()))
        missed = await self._store.read(lambda tx: tx.clips.alarms_without(tx.now - LOOK_BACK))
        for alarm_id in missed:
            self._put(alarm_id)

    async def stop(self) -> None:
        """End what is being fetched; it is begun again at the next start."""
        tasks = list(self._working.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- alarms ---

    def hear(self, announcements: Sequence[Announced]) -> None:
        """Take committed announcements (`store.on_committed`)."""
        for announcement in announcements:
            if announcement.type == "alarm.raised":
                self._put(announcement.subject_id)

    def _put(self, alarm_id: str) -> None:
        if self._waiting.full():
            self.passed_over += 1
        else:
            self._waiting.put_nowait(alarm_id)

    async def run(self) -> None:
        """Work off what waits, for ever."""
        while True:
            alarm_ids = [await self._waiting.get()]
            while len(alarm_ids) < TOGETHER and not self._waiting.empty():
                alarm_ids.append(self._waiting.get_nowait())
            try:
                await self.take(alarm_ids)
            except TocsinError as error:
                if error.code is not ErrorCode.UNAVAILABLE:
                    raise
                self.passed_over += len(alarm_ids)

    async def take(self, alarm_ids: Sequence[str]) -> list[Clip]:
        """Write the clips these alarms ask for, and have their cameras recorded; return them."""
        made: list[Clip] = await self._store.run(_make, alarm_ids, self._rules)
        for clip in made:
            channel = self._channels.channel(clip.channel_id)
            if self._own is not None and channel is not None and clip.kind == CLIP:
                try:
                    pre_roll = await self._own.keep(channel, clip.ends)
                except TocsinError:
                    continue  # the clip's own end tells what came of it
                if clip.ends <= self._rules.window(clip.alarm_at)[1]:  # of its first alarm: what came before that
                    await self._store.run(_note_pre_roll, clip.id, pre_roll)
        return made

    # --- pictures ---

    async def check(self) -> None:
        """Look at what is due: take our own segments, or ask the device; a few at a time, one a camera."""
        if len(self._working) >= AT_ONCE:
            return
        due: list[Clip] = await self._store.read(lambda tx: tx.clips.due(tx.now))
        for clip in due:
            if len(self._working) >= AT_ONCE:
                return
            minutes = sum(one.kind == MINUTES for one in self._busy.values())
            if clip.channel_id not in self._busy and (clip.kind != MINUTES or minutes < MINUTES_AT_ONCE):
                self._busy[clip.channel_id] = clip
                self._working[clip.id] = asyncio.create_task(self._work(clip), name=f"clip {clip.id}")

    async def _work(self, clip: Clip) -> None:
        try:
            await self.settle(clip)
        except TocsinError as error:
            if error.code is not ErrorCode.UNAVAILABLE:
                raise
            # the store cannot commit: it stays due
        finally:
            self._working.pop(clip.id, None)
            self._busy.pop(clip.channel_id, None)

    async def settle(self, clip: Clip) -> None:
        """Do for one clip what can be done now."""
        channel = self._channels.channel(clip.channel_id)
        if channel is None:
            await self._end(clip, Got(FAILED, "clip.camera_gone", is_final=True))
            return
        own = await self._store.read(self._own.covered, clip) if self._own is not None else None
        if own is not None and own.state == READY:
            await self._end(clip, own)
            return
        if clip.kind == MINUTES:
            own = None  # a part of them is the clip, which has it already
        if own is not None and not clip.file and own.video_from is not None:
            clip = await self._store.run(_show_own, clip.id, own)
        if not self._rules.may_fetch or not self._device.can_ask(channel):
            reason = "clip.no_recorder" if self._rules.may_fetch else "clip.not_fetched"
            await self._end(clip, own or Got(FAILED, reason, is_final=True))
            return
        offset_s = await self._store.run(_fetching, clip.id, channel.device_id)
        if offset_s is None:
            return
        try:
            got = await self._device.fetch(clip, channel, offset_s)
        except TocsinError as error:
            got = Got(FAILED, error.key or "download.failed")
        await self._end(clip, got)

    async def _end(self, clip: Clip, got: Got) -> None:
        dropped = await self._store.run(_finish, clip, got)
        if dropped:
            await self._device.remove(dropped)

    # --- the end ---

    async def expire(self) -> int:
        """Delete clips whose incident was closed long enough ago, with their record; return how many."""
        gone: list[Clip] = await self._store.run(_expire, self._kept_for)
        await self._device.remove([one.file for one in gone if one.file])
        return len(gone)


def _make(tx: Any, alarm_ids: Sequence[str], rules: ClipRules) -> list[Clip]:
    made: dict[str, Clip] = {}
    new: set[str] = set()
    newest: dict[tuple[str, str], Clip | None] = {}
    for seen in tx.clips.sightings(alarm_ids):
        key = (seen.incident_id, seen.channel_id)
        if key not in newest:
            newest[key] = tx.clips.newest(*key, CLIP)
        before = newest[key]
        clip = grow(before, seen, rules, tx.now)
        if clip is None:
            continue
        newest[key] = made[clip.id] = clip
        if before is None or clip.id != before.id:
            new.add(clip.id)
        if before is None and rules.wants_minutes:
            minutes = new_clip(seen, MINUTES, rules.minutes(seen.at), tx.now)
            made[minutes.id] = minutes
            new.add(minutes.id)
    for clip in made.values():
        _write(tx, clip, is_new=clip.id in new)
    return list(made.values())


def _write(tx: Any, clip: Clip, *, is_new: bool) -> None:
    told = {
        "subject_id": clip.id,
        "at": tx.now,
        "jurisdiction_code": clip.jurisdiction_code,
        "data": clip_form(clip),
        "incident_id": clip.incident_id,
        "channel_id": clip.channel_id,
        "kind": clip.kind,
        "alarm_id": clip.alarm_id,
        "ends_at": clip.ends,
    }
    if is_new:
        tx.clips.add(clip)
        tx.record(ClipBegun(**told, starts_at=clip.starts))
    else:
        tx.clips.save(clip)
        tx.record(ClipExtended(**told))


def _progressed(tx: Any, clip: Clip) -> Clip:
    tx.clips.save(clip)
    tx.record(
        ClipProgressed(
            subject_id=clip.id,
            at=tx.now,
            jurisdiction_code=clip.jurisdiction_code,
            data=clip_form(clip),
            incident_id=clip.incident_id,
            channel_id=clip.channel_id,
            kind=clip.kind,
        )
    )
    return clip


def _note_pre_roll(tx: Any, clip_id: str, pre_roll: str) -> None:
    clip: Clip = tx.clips.get(clip_id)
    if clip.pre_roll != pre_roll and not clip.has_video:
        _progressed(tx, replace(clip, pre_roll=pre_roll))


def _show_own(tx: Any, clip_id: str, own: Got) -> Clip:
    """Show our own part while the device is asked for the rest."""
    clip: Clip = tx.clips.get(clip_id)
    if clip.file:
        return clip
    shown = replace(clip, source=OWN, pre_roll=own.pre_roll, video_from=own.video_from, video_to=own.video_to)
    return clip if shown == clip else _progressed(tx, replace(shown, codec=own.codec))


def _fetching(tx: Any, clip_id: str, device_id: str) -> float | None:
    """Mark a clip as being fetched; return how far the device's clock is ahead, None when it is no longer due."""
    clip: Clip = tx.clips.get(clip_id)
    if clip.due_at is None or clip.due_at > tx.now:
        return None
    if clip.state != FETCHING:
        _progressed(tx, replace(clip, state=FETCHING))
    device = tx.devices.load([device_id]).get(device_id)
    offset_s = clock_offset_s(device.profile) if device is not None else None
    return offset_s if offset_s is not None and abs(offset_s) > SLACK.total_seconds() else 0.0


def _finish(tx: Any, asked: Clip, got: Got) -> list[str]:
    """Keep what a try brought; return the files nobody needs any more."""
    known = tx.clips.find(asked.id)
    if known is None:
        return [got.file] if got.file else []
    clip: Clip = known
    dropped: list[str] = []
    if got.video_from is not None and _is_better(got, clip):
        if clip.file:
            dropped.append(clip.file)
        clip = replace(
            clip,
            source=got.source,
            pre_roll=got.pre_roll,
            file=got.file,
            size_bytes=got.size_bytes,
            sha256=got.sha256,
            codec=got.codec or clip.codec,
            video_from=got.video_from,
            video_to=got.video_to,
        )
    elif got.file:
        dropped.append(got.file)
    if clip.ends != asked.ends:  # an alarm extended it meanwhile: its new end comes
        _progressed(tx, replace(clip, state=RECORDING))
        return dropped
    tries = clip.tries + 1
    pause = None if got.state == READY or got.is_final else pause_after(tries)
    if pause is not None:
        _progressed(tx, replace(clip, state=RECORDING, reason=got.reason, tries=tries, due_at=tx.now + pause))
        return dropped
    state = READY if got.state == READY else PARTIAL if clip.has_video else FAILED
    clip = replace(clip, state=state, reason="" if state == READY else got.reason, tries=tries, due_at=None)
    tx.clips.save(clip)
    tx.record(
        ClipMade(
            subject_id=clip.id,
            at=tx.now,
            jurisdiction_code=clip.jurisdiction_code,
            data=clip_form(clip),
            incident_id=clip.incident_id,
            channel_id=clip.channel_id,
            kind=clip.kind,
            state=state,
            source=clip.source,
            pre_roll=clip.pre_roll,
            reason=clip.reason,
            sha256=clip.sha256,
            size_bytes=clip.size_bytes,
        )
    )
    return dropped


def _is_better(got: Got, clip: Clip) -> bool:
    """Say whether what came holds more than what is there."""
    if clip.video_from is None or clip.video_to is None or got.state == READY:
        return True
    assert got.video_from is not None
    assert got.video_to is not None
    return got.video_to - got.video_from > clip.video_to - clip.video_from


def _expire(tx: Any, kept_for: timedelta) -> list[Clip]:
    gone: list[Clip] = tx.clips.expired(tx.now - kept_for, DELETED_AT_ONCE)
    tx.clips.delete([one.id for one in gone])
    tx.record_many(
        ClipDeleted(
            subject_id=one.id,
            at=tx.now,
            jurisdiction_code=one.jurisdiction_code,
            incident_id=one.incident_id,
            channel_id=one.channel_id,
            kind=one.kind,
            sha256=one.sha256,
        )
        for one in gone
    )
    return gone
