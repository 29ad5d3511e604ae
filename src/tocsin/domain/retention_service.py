"""The engine of retention: deletes what is past its ceiling, makes room on full volumes, and says so before it stops
recording. Each deletion is two commits with the removal of files between them, and leaves a signed tombstone.

Source: design notes 0017 (order of a deletion) and 0018; REQ-G12, REQ-G13.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Protocol

from tocsin.base.clock import Clock
from tocsin.base.signing import HouseKey
from tocsin.base.times import to_us
from tocsin.domain.notices import NoticeBoard, Severity
from tocsin.domain.retention import DAY_MS, Keeping, Policy, keeping
from tocsin.domain.retention_events import RecordingDeleted, RecordingResumed, RecordingStopped, SpaceShort
from tocsin.domain.segments import SegmentKey, Tier, Volume, VolumeState, segment_path
from tocsin.domain.store import Store
from tocsin.domain.tombstones import DeletionReason, Tombstone, root_of

BATCH: Final = 500
PASS_S: Final = 3 * 3_600.0
SPACE_S: Final = 30.0
LEASE: Final = timedelta(seconds=60)
WRITING_MS: Final = 10 * 60_000
PEEK: Final = 50  # oldest segments looked at per stream when room is made


class SegmentFiles(Protocol):
    """The files of segments on their volumes."""

    async def remove(self, volume: Volume, paths: Sequence[str]) -> Mapping[str, str]:
        """Remove files and make that last; return why for those that could not be. A file that is gone is no error."""

    async def usage(self, volume: Volume) -> tuple[int, int] | None:
        """Return size and free bytes of a volume now; None when it cannot be told."""


class Recorders(Protocol):
    """What starts and stops recording."""

    async def pause_for_space(self, channel_ids: Collection[str]) -> None:
        """Stop recording of cameras until told otherwise; the gap is named `disk_full`."""

    async def resume_after_space(self, channel_ids: Collection[str]) -> None:
        """Let them be recorded again."""


@dataclass(slots=True)
class Shortage:
    """A volume with no room that may be made: what it led to so far."""

    key: str
    paused: dict[int, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """Segments whose deletion is committed to, with what the tombstone will say."""

    deletion: Any
    stream: Any
    doomed: tuple[Any, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of the files."""
        return sum(one.size_bytes for one in self.doomed)


class RetentionEngine:
    """Deletes by age and by space. One at a time: the passes wait for each other."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        files: SegmentFiles,
        key: HouseKey,
        notices: NoticeBoard,
        recorders: Recorders | None = None,
    ) -> None:
        """Without `recorders` nothing is recorded here, and nothing has to stop."""
        self._store = store
        self._clock = clock
        self._files = files
        self._key = key
        self._notices = notices
        self._recorders = recorders
        self._turn = asyncio.Lock()
        self._shortages: dict[int, Shortage] = {}
        self._failing: set[int] = set()

    async def start(self) -> int:
        """Finish the deletions a crash left between their two commits; return how many segments that were.

        What was stopped for want of space stays stopped.
        """
        async with self._turn:
            self._shortages = await self._store.read(_lasting_shortages)
            stopped = {one for lack in self._shortages.values() for ids in lack.paused.values() for one in ids}
            if stopped and self._recorders is not None:
                await self._recorders.pause_for_space(sorted(stopped))
            return await self._finish_left()

    # --- by age ---

    async def pass_ceilings(self) -> int:
        """Delete what is past its ceiling and neither held nor being read; return how many segments went."""
        async with self._turn:
            gone = await self._finish_left()
            for stream_no in await self._store.read(_past_ceiling):
                while (batch := await self._store.run(_mark_past_ceiling, stream_no)) is not None:
                    done = await self._carry_out(batch)
                    gone += done
                    if done < len(batch.doomed):
                        break
            await self._store.run(_tidy)
            return gone

    # --- by space ---

    async def check_space(self) -> None:
        """Make room on volumes that are full; say so, then stop recording, where no room may be made."""
        async with self._turn:
            for volume in await self._store.read(lambda tx: tx.segments.volumes()):
                if volume.kind == "folder" and volume.state not in (VolumeState.GONE, VolumeState.FOREIGN):
                    await self._check_volume(volume)

    async def _check_volume(self, volume: Volume) -> None:
        usage = await self._files.usage(volume)
        if usage is None or usage[0] <= 0:
            return
        total, free = usage
        used = total - free
        full_at = min(total * volume.high_pct // 100, total - volume.reserve_bytes)
        until = min(total * volume.low_pct // 100, full_at)
        used_pct = round(100 * used / total, 1)
        if used < full_at:
            if used <= until or not self._is_stopped(volume.no):
                await self._end_shortage(volume, used_pct)
            return
        freed = await self._make_room(volume, used - until)
        if used - freed < full_at:
            await self._end_notice(volume.no)
        elif volume.tier is not Tier.COLD:  # a full far place stops no recording: its mover tells of it
            await self._short_of_space(volume, used_pct)

    def _is_stopped(self, volume_no: int) -> bool:
        shortage = self._shortages.get(volume_no)
        return shortage is not None and bool(shortage.paused)

    async def _make_room(self, volume: Volume, wanted_bytes: int) -> int:
        """Delete the oldest of the lowest priority, then of the next, until so many bytes are free; return how many."""
        freed = 0
        while freed < wanted_bytes:
            chosen = await self._store.read(_choose, volume.no, wanted_bytes - freed)
            before = freed
            for stream_no, until_ms, count in chosen:
                batch = await self._store.run(_mark_for_space, stream_no, volume.no, until_ms, count)
                if batch is not None and await self._carry_out(batch) == len(batch.doomed):
                    freed += batch.size_bytes
            if freed == before:
                break
        return freed

    async def _short_of_space(self, volume: Volume, used_pct: float) -> None:
        shortage = self._shortages.get(volume.no)
        if shortage is None:
            held = await self._store.read(_is_rest_held, volume.no)
            key = "recording.only_held" if held else "recording.at_floor"
            self._shortages[volume.no] = Shortage(key)
            params = {"volume": volume.location, "used_pct": used_pct}
            await self._notices.raise_notice(key, Severity.CRITICAL, subject_id=volume.id, params=params)
            rule = key.removeprefix("recording.")
            await self._store.run(_note, SpaceShort, volume.id, rule=rule, used_pct=used_pct)
            return
        found = await self._store.read(_lowest_writing, volume.no, set(shortage.paused))
        if found is None or self._recorders is None:
            return
        priority, channel_ids = found
        shortage.paused[priority] = channel_ids
        await self._store.run(
            _note, RecordingStopped, volume.id, priority=priority, channels=channel_ids, used_pct=used_pct
        )
        await self._notices.clear_notice("recording.stopped_for_space", volume.id)
        params = {"volume": volume.location, "priority": priority, "cameras": sum(map(len, shortage.paused.values()))}
        await self._notices.raise_notice(
            "recording.stopped_for_space", Severity.CRITICAL, subject_id=volume.id, params=params
        )
        await self._recorders.pause_for_space(channel_ids)

    async def _end_notice(self, volume_no: int) -> None:
        """Forget a shortage that came to nothing: room could be made after all. What was stopped stays so."""
        if not self._is_stopped(volume_no) and (shortage := self._shortages.pop(volume_no, None)) is not None:
            volume = await self._store.read(_volume, volume_no)
            await self._notices.clear_notice(shortage.key, volume.id)

    async def _end_shortage(self, volume: Volume, used_pct: float) -> None:
        shortage = self._shortages.pop(volume.no, None)
        if shortage is None:
            return
        await self._notices.clear_notice(shortage.key, volume.id)
        channel_ids = tuple(sorted({one for ids in shortage.paused.values() for one in ids}))
        if channel_ids and self._recorders is not None:
            await self._notices.clear_notice("recording.stopped_for_space", volume.id)
            await self._store.run(_note, RecordingResumed, volume.id, channels=channel_ids, used_pct=used_pct)
            await self._recorders.resume_after_space(channel_ids)

    # --- the two steps ---

    async def _finish_left(self) -> int:
        gone = 0
        for batch in await self._store.read(_left):
            gone += await self._carry_out(batch)
        return gone

    async def _carry_out(self, batch: Batch) -> int:
        """Remove the files of a batch, then its rows; return how many went."""
        volumes: dict[int, Volume] = {one.no: one for one in await self._store.read(lambda tx: tx.segments.volumes())}
        by_volume: dict[int, dict[str, SegmentKey]] = defaultdict(dict)
        for one in batch.doomed:
            path = segment_path(batch.stream.channel_id, batch.stream.stream, one.start_ms)
            by_volume[one.volume_no][path] = one.key
        for move in await self._store.read(lambda tx: tx.moves.under_way([one.key for one in batch.doomed])):
            path = segment_path(move.channel_id, move.stream, move.start_ms)
            for volume_no in (move.from_no, move.to_no):
                by_volume[volume_no][path] = move.key  # no copy outlives its tombstone
        stays: set[SegmentKey] = set()
        for volume_no, paths in by_volume.items():
            volume = volumes.get(volume_no)
            if volume is None:
                continue  # a volume nobody knows has no files to remove
            failed = await self._files.remove(volume, list(paths))
            stays.update(paths[path] for path in failed)
            await self._note_failures(volume, failed)
        gone: int = await self._store.run(_finish, batch.deletion, batch.stream, frozenset(stays), self._key)
        return gone

    async def _note_failures(self, volume: Volume, failed: Mapping[str, str]) -> None:
        if failed:
            self._failing.add(volume.no)
            params = {"volume": volume.location, "reason": next(iter(failed.values()))}
            await self._notices.raise_notice(
                "recording.cannot_delete", Severity.WARNING, subject_id=volume.id, params=params
            )
        elif volume.no in self._failing:
            self._failing.discard(volume.no)
            await self._notices.clear_notice("recording.cannot_delete", volume.id)


# --- use cases --------------------------------------------------------------------------------------------------------


def _now_ms(tx: Any) -> int:
    return to_us(tx.now) // 1000


def _volume(tx: Any, volume_no: int) -> Volume:
    found: Volume = next(one for one in tx.segments.volumes() if one.no == volume_no)
    return found


def _keeping(policies: Sequence[Policy], stream: Any) -> Keeping:
    return keeping(policies, stream.jurisdiction_code, stream.place_class)


def _past_ceiling(tx: Any) -> list[int]:
    """Return the streams that have something older than their ceiling."""
    policies: list[Policy] = tx.retention.policies()
    cutoffs: dict[int, int] = {}
    for stream in tx.kept.streams():
        days = _keeping(policies, stream).ceiling_days
        if days is not None:
            cutoffs[stream.no] = _now_ms(tx) - days * DAY_MS
    firsts: dict[int, int] = tx.kept.firsts(cutoffs)
    return [no for no, first_ms in firsts.items() if first_ms < cutoffs[no]]


def _mark_past_ceiling(tx: Any, stream_no: int) -> Batch | None:
    """Commit to the deletion of a stream's oldest segments past its ceiling, by the policies and holds of now."""
    (stream,) = tx.kept.streams([stream_no])
    kept = _keeping(tx.retention.policies(), stream)
    if kept.ceiling_days is None:
        return None
    cutoff_ms = _now_ms(tx) - max(kept.ceiling_days, kept.floor_days) * DAY_MS
    return _mark(tx, stream, cutoff_ms, DeletionReason.CEILING, kept.ceiling, BATCH)


def _mark_for_space(tx: Any, stream_no: int, volume_no: int, until_ms: int, count: int) -> Batch | None:
    """Commit to the deletion of segments of a stream on a volume that end by a time, never below its floor."""
    (stream,) = tx.kept.streams([stream_no])
    kept = _keeping(tx.retention.policies(), stream)
    cutoff_ms = min(until_ms, _now_ms(tx) - kept.floor_days * DAY_MS)
    return _mark(tx, stream, cutoff_ms, DeletionReason.SPACE, kept.floor, min(count, BATCH), volume_no)


def _mark(
    tx: Any,
    stream: Any,
    cutoff_ms: int,
    reason: DeletionReason,
    policy: Policy | None,
    limit: int,
    volume_no: int | None = None,
) -> Batch | None:
    spared = [
        *tx.retention.held_spans(tx.now).get(stream.channel_id, []),
        *tx.retention.leased_spans(stream.no, cutoff_ms, tx.now),
    ]
    doomed = tx.kept.doomed(stream.no, cutoff_ms, spared, limit=limit, volume_no=volume_no)
    if not doomed:
        return None
    tx.kept.mark_deleting(one.key for one in doomed)
    deletion = tx.retention.begin_deletion(
        stream.no,
        doomed[0].start_ms,
        doomed[-1].start_ms,
        reason.value,
        policy_id=policy.id if policy else "",
        policy_version=policy.version if policy else 0,
        basis=policy.basis if policy else "",
    )
    return Batch(deletion, stream, tuple(doomed))


def _left(tx: Any) -> list[Batch]:
    """Return deletions between their two commits."""
    batches = []
    for deletion in tx.retention.deletions():
        (stream,) = tx.kept.streams([deletion.stream_no])
        doomed = tx.kept.deleting(deletion.stream_no, deletion.from_ms, deletion.to_ms)
        batches.append(Batch(deletion, stream, tuple(doomed)))
    return batches


def _finish(tx: Any, deletion: Any, stream: Any, stays: frozenset[SegmentKey], key: HouseKey) -> int:
    """Delete the rows of removed files and leave a tombstone; the deletion stays open while files are left."""
    doomed = [one for one in tx.kept.deleting(stream.no, deletion.from_ms, deletion.to_ms) if one.key not in stays]
    if not stays:
        tx.retention.end_deletion(deletion.no)
    if not doomed:
        return 0
    tx.segments.delete([one.key for one in doomed])
    days = tx.kept.days_of(doomed)
    for day in sorted(days):
        tx.segments.count_again(stream.no, day)
    tx.kept.forget_empty_days(stream.no, days)
    first_ms = tx.kept.firsts([stream.no]).get(stream.no, doomed[-1].end_ms)
    tx.kept.trim_gaps(stream.no, first_ms)
    stone = Tombstone(
        no=tx.retention.next_tombstone(),
        at_us=to_us(tx.now),
        channel_id=stream.channel_id,
        stream=stream.stream,
        jurisdiction_code=stream.jurisdiction_code,
        from_ms=doomed[0].start_ms,
        to_ms=max(one.end_ms for one in doomed),
        segments=len(doomed),
        bytes=sum(one.size_bytes for one in doomed),
        reason=deletion.reason,
        policy_id=deletion.policy_id,
        policy_version=deletion.policy_version,
        basis=deletion.basis,
        root=root_of((one.start_ms, one.sha256) for one in doomed),
    ).signed(key)
    tx.retention.add_tombstone(stone)
    tx.record(
        RecordingDeleted(
            subject_id=stone.channel_id,
            at=tx.now,
            jurisdiction_code=stone.jurisdiction_code,
            tombstone=stone.no,
            stream=stone.stream,
            from_ms=stone.from_ms,
            to_ms=stone.to_ms,
            segments=stone.segments,
            bytes=stone.bytes,
            reason=stone.reason,
            policy_id=stone.policy_id,
            policy_version=stone.policy_version,
            basis=stone.basis,
            root=stone.root,
            key_id=stone.key_id,
            signature=stone.signature,
        )
    )
    return len(doomed)


def _tidy(tx: Any) -> None:
    """Drop what belongs to nothing any more."""
    tx.retention.trim_leases(tx.now)


def _choose(tx: Any, volume_no: int, wanted_bytes: int) -> list[tuple[int, int, int]]:
    """Return what to delete for room: stream, end of the last segment (ms) and how many; lowest priority, oldest first.

    Only the lowest priority that has anything past its floor is looked at; of it, segments in the order of their age.
    """
    policies: list[Policy] = tx.retention.policies()
    held = tx.retention.held_spans(tx.now)
    classes: dict[int, list[Any]] = defaultdict(list)
    firsts: dict[int, int] = tx.kept.firsts_on(volume_no)
    for stream in tx.kept.streams():
        if stream.no in firsts:
            classes[stream.priority].append(stream)
    for priority in sorted(classes):
        found: list[Any] = []
        whole_until_ms: int | None = None
        for stream in classes[priority]:
            cutoff_ms = _now_ms(tx) - _keeping(policies, stream).floor_days * DAY_MS
            if firsts[stream.no] >= cutoff_ms:
                continue
            some = tx.kept.doomed(
                stream.no, cutoff_ms, held.get(stream.channel_id, []), limit=PEEK, volume_no=volume_no
            )
            if len(some) == PEEK:  # it may have more between these and the others' next ones
                last_ms = some[-1].start_ms
                whole_until_ms = last_ms if whole_until_ms is None else min(whole_until_ms, last_ms)
            found.extend(some)
        if not found:
            continue
        found.sort(key=lambda one: one.start_ms)
        ends: dict[int, int] = {}
        counts: dict[int, int] = defaultdict(int)
        taken_bytes = 0
        for one in found:
            if taken_bytes >= wanted_bytes or (whole_until_ms is not None and one.start_ms > whole_until_ms):
                break
            taken_bytes += one.size_bytes
            ends[one.stream_no] = one.end_ms
            counts[one.stream_no] += 1
        return [(no, ends[no], counts[no]) for no in sorted(ends)]
    return []


def _is_rest_held(tx: Any, volume_no: int) -> bool:
    """Say whether something on a volume is past its floor, and kept by holds alone."""
    policies: list[Policy] = tx.retention.policies()
    held = tx.retention.held_spans(tx.now)
    by_days: dict[int, list[int]] = defaultdict(list)
    for stream in tx.kept.streams():
        if stream.channel_id in held:
            by_days[_keeping(policies, stream).floor_days].append(stream.no)
    return any(tx.kept.has_beyond(nos, volume_no, _now_ms(tx) - days * DAY_MS) for days, nos in by_days.items())


def _lowest_writing(tx: Any, volume_no: int, paused: set[int]) -> tuple[int, tuple[str, ...]] | None:
    """Return the lowest priority that writes to a volume and is not paused, with its cameras."""
    numbers = tx.kept.writing(volume_no, _now_ms(tx) - WRITING_MS)
    classes: dict[int, set[str]] = defaultdict(set)
    for stream in tx.kept.streams(numbers):
        if stream.priority not in paused:
            classes[stream.priority].add(stream.channel_id)
    if not classes:
        return None
    lowest = min(classes)
    return lowest, tuple(sorted(classes[lowest]))


def _lasting_shortages(tx: Any) -> dict[int, Shortage]:
    """Return the shortages of a former run, as its notices tell: which cameras wrote there when one began."""
    found: dict[int, Shortage] = {}
    for volume in tx.segments.volumes():
        begun = tx.notices.find("recording.at_floor", volume.id) or tx.notices.find("recording.only_held", volume.id)
        if begun is None:
            continue
        lack = found[volume.no] = Shortage(begun.key)
        stopped = tx.notices.find("recording.stopped_for_space", volume.id)
        if stopped is None:
            continue
        numbers = tx.kept.writing(volume.no, int(begun.since.timestamp() * 1000) - WRITING_MS)
        classes: dict[int, set[str]] = defaultdict(set)
        for stream in tx.kept.streams(numbers):
            if stream.priority <= stopped.params["priority"]:
                classes[stream.priority].add(stream.channel_id)
        lack.paused = {priority: tuple(sorted(ids)) for priority, ids in classes.items()}
    return found


def _note(tx: Any, fact: Any, volume_id: str, /, **detail: Any) -> None:
    tx.record(fact(subject_id=volume_id, at=tx.now, **detail))
