"""Moves closed segments from the disks they were recorded on to the far place, by age and by level.

Each move is two commits around the copy and one behind the removal; what a crash leaves is found by its row.

Source: design note 0022.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.ids import new_id
from tocsin.base.times import to_us
from tocsin.domain.notices import NoticeBoard, Severity
from tocsin.domain.retention import DAY_MS, Policy, keeping
from tocsin.domain.retention_events import RecordingMoved
from tocsin.domain.segments import LONGEST_SEGMENT_MS, SegmentKey, Tier, Volume, VolumeState, segment_path
from tocsin.domain.store import Store
from tocsin.domain.tiers import Movable, Move, SourceDiffers, TierFailed, TierFiles, TierRules, TierStatus
from tocsin.domain.tombstones import root_of

CHECK_S: Final = 30.0
SOON_S: Final = 1.0
BATCH: Final = 128
AT_ONCE: Final = 4
PEEK: Final = 200  # oldest segments looked at per stream in a pass
MOST: Final = 2_000  # segments moved in a pass before the disks are looked at again
LEVEL_STEP: Final = 5  # percent below `at_pct` at which moving by level ends
YOUNG_MS: Final = 10 * 60_000
HOUR_MS: Final = 3_600_000
BUNDLE: Final = 60  # files of one stream that move together: the sums of a day are counted anew for each bundle
AGAIN_MS: Final = DAY_MS  # a file that differs is looked at again after that
LOOK_AGAIN_S: Final = 6 * 3_600.0  # all of a disk, for what a hold has given free
FIRST_WAIT_S: Final = 60.0
LONGEST_WAIT_S: Final = 900.0
BEHIND_HOURS: Final = 24.0


@dataclass(frozen=True, slots=True)
class Chosen:
    """Segments to move, lowest priority and oldest first; whether there are more; when the oldest was due (ms)."""

    segments: tuple[Movable, ...] = ()
    has_more: bool = False
    oldest_due_ms: int | None = None
    seen: tuple[tuple[int, int], ...] = ()  # streams all of whose older segments are moved or held, and up to when


class TierMover:
    """Owns the far place: its row, its state, and every move to it. One pass at a time."""

    def __init__(self, store: Store, clock: Clock, files: TierFiles, notices: NoticeBoard, rules: TierRules) -> None:
        self._store = store
        self._clock = clock
        self._files = files
        self._notices = notices
        self._rules = rules
        self._since: dict[tuple[int, int], int] = {}  # by volume and stream: older ones are moved or held
        self._since_reset_s = clock.monotonic()
        self._failures = 0
        self._again_s = 0.0
        self._rate_free_s = 0.0
        self._differing: dict[int, int] = {}  # by volume, as last told
        self._raised: set[str] = set()
        self._least_behind: float | None = None
        self._status = TierStatus(
            rules.location,
            rules.kind,
            "ok",
            after_days=rules.after_days,
            at_pct=rules.at_pct,
            rate_bytes_s=rules.rate_bytes_s,
        )

    def status(self) -> TierStatus:
        """Return how moving is doing."""
        return self._status

    async def start(self) -> None:
        """Enter the far place; nothing of it is touched yet."""
        await self._store.run(_enter, self._rules)
        await self._notices.clear_notice("recording.tier_behind", "tier")  # of a former run

    async def run(self) -> None:
        """Move what is due, for ever."""
        while True:
            await self._clock.sleep(SOON_S if await self.check() else CHECK_S)

    async def check(self) -> bool:
        """Finish what a crash left, and move what is due; return whether more is due at once."""
        if self._clock.monotonic() < self._again_s:
            return False
        volumes: list[Volume] = await self._store.read(lambda tx: tx.segments.volumes())
        target = next(one for one in volumes if one.kind == self._rules.kind and one.location == self._rules.location)
        near = [one for one in volumes if one.kind == "folder" and one.location in self._rules.folders]
        try:
            usage = await self._files.prepare(target, self._rules.house_id)
            target = await self._seen(target, usage)
            await self._finish_left({one.no: one for one in volumes})
            if usage is not None and usage[0] - usage[1] >= full_at(target, usage[0]):
                raise TierFailed(VolumeState.FULL, "")
            has_more = await self._pass(target, near)
        except TierFailed as failure:
            await self._failed(target, failure)
            return False
        await self._well(target)
        return has_more

    async def _seen(self, target: Volume, usage: tuple[int, int] | None) -> Volume:
        """Keep size and room of the far place."""
        total, free = usage or (0, 0)
        seen = replace(target, state=VolumeState.OK, total_bytes=total, free_bytes=free, seen_at=self._clock.now())
        stale = target.seen_at is None or seen.seen_at is None or seen.seen_at - target.seen_at > timedelta(seconds=60)
        if stale or target.state is not seen.state:
            await self._store.run(lambda tx: tx.segments.save_volume_state(seen))
        return seen

    # --- what is due ---

    async def _pass(self, target: Volume, near: Sequence[Volume]) -> bool:
        if self._clock.monotonic() - self._since_reset_s > LOOK_AGAIN_S:
            self._since.clear()
            self._since_reset_s = self._clock.monotonic()
        has_more = False
        waiting: list[Chosen] = []
        for volume in near:
            wanted = await self._over_level(volume)
            if wanted > 0:
                chosen = await self._store.read(_by_level, volume.no, wanted, self._since)
                await self._move(chosen.segments, target, volume)
                has_more |= bool(chosen.segments)
        for volume in near:
            chosen = await self._store.read(_by_age, volume.no, self._rules.after_days, self._since)
            waiting.append(chosen)
            self._tell_waiting(waiting)
            await self._move(chosen.segments, target, volume)
            self._since.update({(volume.no, stream_no): since_ms for stream_no, since_ms in chosen.seen})
            has_more |= chosen.has_more
        await self._tell_behind(waiting)
        await self._tell_differing(near)
        self._tell_waiting([replace(one, segments=(), oldest_due_ms=None) for one in waiting])
        return has_more

    async def _over_level(self, volume: Volume) -> int:
        """Return how many bytes a disk is over its level, counted down to where moving ends; 0 when it is below."""
        usage = await self._files.usage(volume)
        if usage is None or usage[0] <= 0:
            return 0
        used = usage[0] - usage[1]
        if used < usage[0] * self._rules.at_pct // 100:
            return 0
        return used - usage[0] * (self._rules.at_pct - LEVEL_STEP) // 100

    def _tell_waiting(self, waiting: Sequence[Chosen]) -> None:
        segments = [one for chosen in waiting for one in chosen.segments]
        due = [chosen.oldest_due_ms for chosen in waiting if chosen.oldest_due_ms is not None]
        self._status = replace(
            self._status,
            waiting=len(segments),
            waiting_bytes=sum(one.size_bytes for one in segments),
            has_more=any(chosen.has_more for chosen in waiting),
            oldest_due_ms=min(due, default=None),
        )

    # --- moving ---

    async def _move(self, chosen: Sequence[Movable], target: Volume, source: Volume) -> None:
        """Move segments in batches. Errors: TierFailed, behind the bookkeeping of what was moved before."""
        for at in range(0, len(chosen), BATCH):
            await self._move_batch(chosen[at : at + BATCH], target, source)

    async def _move_batch(self, chosen: Sequence[Movable], target: Volume, source: Volume) -> None:
        begun, paths = await self._store.run(_begin, chosen, target.no)
        if not begun:
            return
        copied: list[Movable] = []
        differing: list[Movable] = []
        failures: list[TierFailed] = []
        permits = asyncio.Semaphore(AT_ONCE)

        async def _copy(one: Movable) -> None:
            async with permits:
                if failures:
                    return
                await self._wait_for_rate(one.size_bytes)
                try:
                    await self._files.copy(source, target, paths[one.key], one.size_bytes, one.sha256)
                except TierFailed as failure:
                    failures.append(failure)
                except SourceDiffers:
                    differing.append(one)
                else:
                    copied.append(one)

        await asyncio.gather(*map(_copy, begun))
        copied.sort(key=lambda one: one.key)
        settled = await self._store.run(partial(_settle, copied, differing, target=target, source=source))
        kept = {one.key for one in settled}
        left = [one for one in begun if one.key not in kept]
        stays = await self._remove(source, {one.key: paths[one.key] for one in settled})
        stays |= await self._remove(target, {one.key: paths[one.key] for one in left})
        await self._store.run(lambda tx: tx.moves.end({one.key for one in begun} - stays))
        size_bytes = sum(one.size_bytes for one in settled)
        if settled:
            self._status = replace(
                self._status,
                moved=self._status.moved + len(settled),
                moved_bytes=self._status.moved_bytes + size_bytes,
                moved_at=self._clock.now(),
                waiting=max(0, self._status.waiting - len(settled)),
                waiting_bytes=max(0, self._status.waiting_bytes - size_bytes),
            )
        if failures:
            raise failures[0]

    async def _wait_for_rate(self, size_bytes: int) -> None:
        """Wait so that over time no more is moved in a second than the house allows."""
        if self._rules.rate_bytes_s <= 0:
            return
        now_s = self._clock.monotonic()
        begin_s = max(now_s, self._rate_free_s)
        self._rate_free_s = begin_s + size_bytes / self._rules.rate_bytes_s
        if begin_s > now_s:
            await self._clock.sleep(begin_s - now_s)

    async def _remove(self, volume: Volume, paths: dict[SegmentKey, str]) -> set[SegmentKey]:
        """Remove files; return whose could not be: their rows stay, and it is tried again."""
        if not paths:
            return set()
        failed = await self._files.remove(volume, list(paths.values()))
        return {key for key, path in paths.items() if path in failed}

    async def _finish_left(self, volumes: dict[int, Volume]) -> None:
        """End the moves that a crash, or a place that was away, left: where the row points the file stays."""
        moves: list[Move] = await self._store.read(lambda tx: tx.moves.under_way())
        extra: dict[int, dict[SegmentKey, str]] = defaultdict(dict)
        for move in moves:
            for no in {move.from_no, move.to_no} - {move.now_no}:
                extra[no][move.key] = segment_path(move.channel_id, move.stream, move.start_ms)
        stays: set[SegmentKey] = set()
        for no, paths in extra.items():
            if no in volumes:
                stays |= await self._remove(volumes[no], paths)
        over = {move.key for move in moves} - stays
        if over:
            await self._store.run(lambda tx: tx.moves.end(over))

    # --- how it is doing ---

    async def _failed(self, target: Volume, failure: TierFailed) -> None:
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**self._failures)
        self._failures += 1
        self._again_s = self._clock.monotonic() + wait_s
        self._since.clear()
        now = self._clock.now()
        self._status = replace(
            self._status, state=failure.state.value, reason=failure.reason, again_at=now + timedelta(seconds=wait_s)
        )
        if target.state is not failure.state:
            changed = replace(target, state=failure.state)
            await self._store.run(lambda tx: tx.segments.save_volume_state(changed))
        key = "recording.tier_full" if failure.state is VolumeState.FULL else "recording.tier_failing"
        await self._clear({"recording.tier_full", "recording.tier_failing"} - {key}, target.id)
        params = {"location": target.location, "reason": failure.reason}
        await self._notices.raise_notice(key, Severity.WARNING, subject_id=target.id, params=params)
        self._raised.add(key)

    async def _well(self, target: Volume) -> None:
        self._status = replace(self._status, state="ok", reason="", again_at=None)
        if self._failures or not self._raised:  # the first time also those of a former run
            await self._clear(("recording.tier_full", "recording.tier_failing"), target.id)
            self._raised.add("")
        self._failures = 0

    async def _clear(self, keys: Iterable[str], subject_id: str) -> None:
        for key in keys:
            await self._notices.clear_notice(key, subject_id)

    async def _tell_differing(self, near: Sequence[Volume]) -> None:
        """Say how many files of each disk are not as they were recorded."""
        left: dict[int, int] = await self._store.read(lambda tx: tx.moves.left_alone())
        for volume in near:
            files = left.get(volume.no, 0)
            if files == self._differing.get(volume.no):
                continue
            await self._notices.clear_notice("recording.tier_differs", volume.id)
            if files:
                params = {"location": volume.location, "files": files}
                await self._notices.raise_notice(
                    "recording.tier_differs", Severity.WARNING, subject_id=volume.id, params=params
                )
            self._differing[volume.no] = files
        self._status = replace(self._status, differing=sum(self._differing.values()))

    async def _tell_behind(self, waiting: Sequence[Chosen]) -> None:
        """Say when moving falls a day further behind than it has been; a backlog that shrinks is no failure."""
        due = [one.oldest_due_ms for one in waiting if one.oldest_due_ms is not None and one.has_more]
        now_ms = to_us(self._clock.now()) // 1000
        hours = (now_ms - min(due)) / 3_600_000 if due else 0.0
        self._least_behind = hours if self._least_behind is None else min(self._least_behind, hours)
        key, is_raised = "recording.tier_behind", "recording.tier_behind" in self._raised
        if hours > self._least_behind + BEHIND_HOURS and not is_raised:
            params = {"location": self._rules.location, "hours": round(hours)}
            await self._notices.raise_notice(key, Severity.WARNING, subject_id="tier", params=params)
            self._raised.add(key)
        elif is_raised and hours <= self._least_behind + BEHIND_HOURS / 2:
            await self._notices.clear_notice(key, "tier")
            self._raised.discard(key)


def full_at(volume: Volume, total_bytes: int) -> int:
    """Return at how many used bytes a volume takes no more, and the space rule begins."""
    return min(total_bytes * volume.high_pct // 100, total_bytes - volume.reserve_bytes)


# --- use cases --------------------------------------------------------------------------------------------------------


def _enter(tx: Any, rules: TierRules) -> Volume:
    known = [one for one in tx.segments.volumes() if one.kind == rules.kind and one.location == rules.location]
    volume = known[0] if known else Volume(new_id(), rules.location, rules.kind)
    entered: Volume = tx.segments.enter_volume(
        replace(
            volume,
            tier=Tier.COLD,
            reserve_bytes=rules.reserve_bytes,
            high_pct=rules.high_pct,
            low_pct=rules.low_pct,
        )
    )
    return entered


def _begin(tx: Any, chosen: Sequence[Movable], to_no: int) -> tuple[list[Movable], dict[SegmentKey, str]]:
    """Commit to moves; return those with the path of each."""
    begun: list[Movable] = tx.moves.begin(chosen, to_no, tx.now)
    names = {one.no: one for one in tx.kept.streams({one.stream_no for one in begun})}
    paths = {}
    for one in begun:
        stream = names[one.stream_no]
        paths[one.key] = segment_path(stream.channel_id, stream.stream, one.start_ms)
    return begun, paths


def _settle(
    copied: Sequence[Movable], differing: Sequence[Movable], tx: Any, *, target: Volume, source: Volume
) -> list[Movable]:
    """Say that copied segments lie on the far place now, with one record; those that differ are left alone a while."""
    if differing:
        tx.segments.set_due([one.key for one in differing], to_us(tx.now) // 1000 + AGAIN_MS)
    settled: list[Movable] = tx.moves.settle(copied, target.no)
    if settled:
        tx.record(
            RecordingMoved(
                subject_id=target.id,
                at=tx.now,
                from_volume=source.id,
                segments=len(settled),
                bytes=sum(one.size_bytes for one in settled),
                from_ms=min(one.start_ms for one in settled),
                to_ms=max(one.end_ms for one in settled),
                root=root_of((one.start_ms, one.sha256) for one in settled),
            )
        )
    return settled


def _by_age(tx: Any, volume_no: int, after_days: int | None, since: dict[tuple[int, int], int]) -> Chosen:
    """Return what is old enough to move from a volume."""
    policies: list[Policy] = tx.retention.policies()
    now_ms = to_us(tx.now) // 1000
    days: dict[int, int] = {}
    streams = tx.kept.streams()
    for stream in streams:
        near = keeping(policies, stream.jurisdiction_code, stream.place_class).hot_days
        near = after_days if near is None else near
        if near is not None:
            days[stream.no] = near
    firsts: dict[int, int] = tx.kept.firsts_on(volume_no) if days else {}
    held = tx.retention.held_spans(tx.now) if firsts else {}
    found: list[Movable] = []
    seen: list[tuple[int, int]] = []
    has_more = False
    for stream in sorted(streams, key=lambda one: (one.priority, one.no)):
        if stream.no not in days or stream.no not in firsts:
            continue
        cutoff_ms = hour_before(stream.no, now_ms - days[stream.no] * DAY_MS)
        since_ms = max(firsts[stream.no], since.get((volume_no, stream.no), 0))
        if since_ms >= cutoff_ms:
            continue
        if len(found) >= MOST:
            has_more = True
            break
        spared = held.get(stream.channel_id, [])
        some = tx.moves.movable(stream.no, volume_no, since_ms, cutoff_ms, spared, now_ms, limit=PEEK)
        found += some
        if len(some) == PEEK:
            has_more = True
            seen.append((stream.no, some[-1].start_ms))
        else:
            seen.append((stream.no, cutoff_ms - LONGEST_SEGMENT_MS))
    due = [one.end_ms + days[one.stream_no] * DAY_MS for one in found]
    return Chosen(tuple(found), has_more, min(due, default=None), tuple(seen))


def _by_level(tx: Any, volume_no: int, wanted_bytes: int, since: dict[tuple[int, int], int]) -> Chosen:
    """Return what makes room on a volume: of the lowest priority that has anything the oldest, an hour of a stream."""
    now_ms = to_us(tx.now) // 1000
    firsts: dict[int, int] = tx.kept.firsts_on(volume_no)
    held = tx.retention.held_spans(tx.now)
    classes: dict[int, list[Any]] = defaultdict(list)
    for stream in tx.kept.streams():
        if stream.no in firsts:
            classes[stream.priority].append(stream)
    for priority in sorted(classes):
        bundles: list[list[Movable]] = []
        for stream in classes[priority]:
            since_ms = max(firsts[stream.no], since.get((volume_no, stream.no), 0))
            spared = held.get(stream.channel_id, [])
            some = tx.moves.movable(stream.no, volume_no, since_ms, now_ms - YOUNG_MS, spared, now_ms, limit=BUNDLE)
            if some:
                bundles.append(some)
        bundles.sort(key=lambda bundle: bundle[0].start_ms)
        chosen: list[Movable] = []
        taken_bytes = 0
        for one in (one for bundle in bundles for one in bundle):
            if taken_bytes >= wanted_bytes or len(chosen) >= MOST:
                break
            taken_bytes += one.size_bytes
            chosen.append(one)
        if chosen:
            return Chosen(tuple(chosen))
    return Chosen()


def hour_before(stream_no: int, at_ms: int) -> int:
    """Return the last beginning of an hour before a time; each stream has its own, spread over the hour."""
    offset_ms = stream_no * 7 % 60 * 60_000
    return (at_ms - offset_ms) // HOUR_MS * HOUR_MS + offset_ms
