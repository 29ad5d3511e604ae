"""Moving to the far place with real files in real folders: every step interrupted, every failure told."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import START, FixedClock
from tests.support.house import NORTH, PEOPLE, YARD, build_town
from tests.support.kept import DAY_MS, HeardRecorders, make_volume
from tests.support.tiers import Killed
from tocsin.base.far_calls import FarCalls, NoAnswer
from tocsin.base.signing import HouseKey
from tocsin.domain.notices import NoticeBoard
from tocsin.domain.retention import WORDS
from tocsin.domain.retention_policies import PolicyService
from tocsin.domain.retention_service import RetentionEngine
from tocsin.domain.segments import Segment, SegmentState, Volume, VolumeState, segment_path
from tocsin.domain.tier_service import TierMover
from tocsin.domain.tiers import PART, TierFailed, TierRules
from tocsin.storage import tier_folder
from tocsin.storage.segment_files import MARK
from tocsin.storage.store import AnyStore
from tocsin.storage.tables_recording import recording_plans
from tocsin.storage.tier_volumes import TierVolumes

NOW_MS = round(START.timestamp() * 1000)
HOUSE = "house-1"


class Interrupted(TierVolumes):
    """The files of all volumes, until the process ends at a step."""

    def __init__(self, clock: FixedClock, step: str = "") -> None:
        super().__init__(clock)
        self.step = step

    async def copy(self, source: Volume, target: Volume, path: str, size_bytes: int, sha256: bytes) -> None:
        if self.step == "before the copy":
            raise Killed
        if self.step == "in the copy":
            part = Path(target.location, path + PART)
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(Path(source.location, path).read_bytes()[:100])
            raise Killed
        await super().copy(source, target, path, size_bytes, sha256)
        if self.step == "behind the copy":
            raise Killed

    async def remove(self, volume: Volume, paths: Any) -> Any:
        if self.step == "before the removal":
            raise Killed
        if self.step == "in the removal":
            await super().remove(volume, paths[:1])
            raise Killed
        done = await super().remove(volume, paths)
        if self.step == "behind the removal":
            raise Killed
        return done


@dataclass
class Tiered:
    """A house with a near and a far folder."""

    store: AnyStore
    clock: FixedClock
    near: Path
    far: Path
    volume: Volume
    rules: TierRules

    def mover(self, step: str = "", **changed: Any) -> TierMover:
        board = NoticeBoard(self.store, self.clock, WORDS)
        return TierMover(self.store, self.clock, Interrupted(self.clock, step), board, replace(self.rules, **changed))

    async def write(self, age_days: float, channel_id: str = YARD, size_bytes: int = 5_000) -> str:
        """Record a file of a minute that ended so long ago; return its path."""
        end_ms = round(self.clock.now().timestamp() * 1000) - round(age_days * DAY_MS)
        start_ms = end_ms - 60_000
        path = segment_path(channel_id, "main", start_ms)
        data = hashlib.shake_128(path.encode()).digest(size_bytes)
        (self.near / path).parent.mkdir(parents=True, exist_ok=True)
        (self.near / path).write_bytes(data)

        def _enter(tx: Any) -> None:
            no = tx.segments.stream_no(channel_id, "main", NORTH)
            digest = hashlib.sha256(data).digest()
            row = Segment(no, start_ms, end_ms, self.volume.no, SegmentState.OK, size_bytes, 10, sha256=digest)
            tx.segments.close([row])

        await self.store.run(_enter)
        return path

    async def lies(self) -> dict[str, str]:
        """Return where the index says that each file lies."""

        def _read(tx: Any) -> dict[str, str]:
            names = {one.no: one.location for one in tx.segments.volumes()}
            return {
                segment_path(stream.channel_id, stream.stream, one.start_ms): Path(names[one.volume_no]).name
                for stream in tx.segments.streams()
                for one in tx.segments.between(stream.no, 0, 2**45)
            }

        return await self.store.read(_read)

    def files(self) -> dict[str, str]:
        """Return where files lie, each named once; one that lies twice fails."""
        found: dict[str, str] = {}
        for root in (self.near, self.far):
            for path in root.rglob("*"):
                name = path.relative_to(root).as_posix()
                if path.is_file() and name != MARK:
                    assert name not in found, f"{name} lies twice"
                    found[name] = root.name
        return found

    async def notices(self) -> set[str]:
        return {str(one["key"]) for one in await NoticeBoard(self.store, self.clock).shown_to(PEOPLE.admin)}


@pytest.fixture
async def tiered(store: AnyStore, clock: FixedClock, tmp_path: Path) -> AsyncIterator[Tiered]:
    await store.run(build_town)
    near, far = tmp_path / "near", tmp_path / "far"
    near.mkdir()
    volume = await make_volume(store, str(near))
    (near / MARK).write_text(json.dumps({"volume": volume.id, "house": HOUSE}))
    rules = TierRules(str(far), "folder", HOUSE, (str(near),), after_days=7)
    return Tiered(store, clock, near, far, volume, rules)


async def test_what_is_old_enough_moves_and_the_rest_stays(tiered: Tiered) -> None:
    old, young = await tiered.write(8), await tiered.write(6)
    mover = tiered.mover()
    await mover.start()
    assert await mover.check() is False
    assert await tiered.lies() == tiered.files() == {old: "far", young: "near"}
    assert (tiered.far / old).read_bytes() == hashlib.shake_128(old.encode()).digest(5_000)
    status = mover.status()
    assert (status.moved, status.moved_bytes, status.state, status.waiting) == (1, 5_000, "ok", 0)
    (record,) = [
        one for one in await tiered.store.read(lambda tx: list(tx.audit.all())) if one.action == "recording.moved"
    ]
    assert '"segments":1' in record.detail.replace(" ", "")
    tiered.clock.advance(2 * 86_400)
    await mover.check()
    assert await tiered.lies() == tiered.files() == {old: "far", young: "far"}


STEPS = (
    "before the copy",
    "in the copy",
    "behind the copy",
    "before the removal",
    "in the removal",
    "behind the removal",
)


@pytest.mark.parametrize("step", STEPS)
async def test_a_process_that_ends_at_any_step_leaves_nothing_lost_and_nothing_twice(tiered: Tiered, step: str) -> None:
    paths = [await tiered.write(8 + n / 100) for n in range(3)]
    mover = tiered.mover(step)
    await mover.start()
    with pytest.raises(Killed):
        await mover.check()
    lies = await tiered.lies()
    for path in paths:
        assert (tiered.near.parent / lies[path] / path).stat().st_size == 5_000, "where the index points it is whole"
    again = tiered.mover()
    await again.start()
    await again.check()
    assert await tiered.lies() == tiered.files() == dict.fromkeys(paths, "far")
    assert await tiered.store.read(lambda tx: tx.moves.under_way()) == []


async def test_a_policy_says_otherwise_and_what_is_held_stays(tiered: Tiered) -> None:
    policies = PolicyService(tiered.store, tiered.clock)
    policy = {"name": "North", "min_days": 30, "hot_days": 20, "basis": "a contract", "jurisdiction_id": "j-north"}
    made = await policies.add(policy, actor=PEOPLE.admin)
    assert made.hot_days == 20
    path = await tiered.write(19)
    mover = tiered.mover()
    await mover.start()
    await mover.check()
    assert tiered.files() == {path: "near"}
    await policies.change(made.id, {"hot_days": None}, actor=PEOPLE.admin, version=1)
    await mover.check()
    assert tiered.files() == {path: "far"}


async def test_a_full_disk_gives_up_the_least_important_first(tiered: Tiered) -> None:
    rare, usual = await tiered.write(1, "camera-a"), await tiered.write(2, "camera-b")
    plan = {"channel_id": "camera-a", "mode": "continuous", "priority": 2, "version": 1}
    await tiered.store.run(lambda tx: tx.connection.execute(recording_plans.insert().values(**plan)))
    mover = tiered.mover(at_pct=0)  # any disk is fuller
    await mover.start()
    await mover.check()
    assert tiered.files() == {rare: "far", usual: "near"}
    await mover.check()
    assert tiered.files() == {rare: "far", usual: "far"}


async def test_a_far_place_that_is_away_foreign_or_full_is_told_and_tried_again(tiered: Tiered) -> None:
    path = await tiered.write(8)
    mover = tiered.mover()
    await mover.start()
    tiered.far.mkdir()
    (tiered.far / MARK).write_text(json.dumps({"volume": "another", "house": "another"}))
    assert await mover.check() is False
    assert (mover.status().state, await tiered.notices()) == ("foreign", {"recording.tier_failing"})
    (tiered.far / MARK).unlink()
    tiered.clock.advance(59)
    await mover.check()
    assert tiered.files() == {path: "near"}, "it waits a minute"
    tiered.clock.advance(1)
    await mover.check()
    assert (tiered.files(), await tiered.notices(), mover.status().state) == ({path: "far"}, set(), "ok")
    later = await tiered.write(8)
    (tiered.far / MARK).rename(tiered.far / "away")
    await mover.check()
    assert (mover.status().state, tiered.files()[later]) == ("gone", "near")
    (tiered.far / "away").rename(tiered.far / MARK)
    tiered.clock.advance(60)
    full = tiered.mover(high_pct=0)
    await full.start()
    await full.check()
    assert (full.status().state, await tiered.notices()) == ("full", {"recording.tier_full"})


async def test_a_file_that_is_not_as_it_was_recorded_stays_and_is_told(tiered: Tiered) -> None:
    bad, good = await tiered.write(9), await tiered.write(8)
    data = bytearray((tiered.near / bad).read_bytes())
    data[77] ^= 1
    (tiered.near / bad).write_bytes(data)
    mover = tiered.mover()
    await mover.start()
    await mover.check()
    assert await tiered.lies() == tiered.files() == {bad: "near", good: "far"}
    assert (mover.status().differing, await tiered.notices()) == (1, {"recording.tier_differs"})
    data[77] ^= 1
    (tiered.near / bad).write_bytes(data)
    tiered.clock.advance(2 * 86_400)
    await mover.check()
    assert (tiered.files()[bad], await tiered.notices()) == ("far", set())


async def test_a_deletion_takes_both_copies_of_a_move_under_way(tiered: Tiered) -> None:
    path = await tiered.write(8)
    mover = tiered.mover("before the removal")
    await mover.start()
    with pytest.raises(Killed):
        await mover.check()
    assert (tiered.near / path).exists()
    assert (tiered.far / path).exists()
    policy = {"name": "Short", "min_days": 0, "max_days": 3, "basis": "a wish"}
    await PolicyService(tiered.store, tiered.clock).add(policy, actor=PEOPLE.admin)
    files, board = TierVolumes(tiered.clock), NoticeBoard(tiered.store, tiered.clock, WORDS)
    engine = RetentionEngine(tiered.store, tiered.clock, files, HouseKey(bytes(32)), board, HeardRecorders())
    assert await engine.pass_ceilings() == 1
    assert tiered.files() == await tiered.lies() == {}
    await tiered.mover().check()
    assert await tiered.store.read(lambda tx: tx.moves.under_way()) == []


async def test_no_more_is_moved_in_a_second_than_allowed(tiered: Tiered) -> None:
    for n in range(3):
        await tiered.write(8 + n / 100, size_bytes=1_000)
    mover = tiered.mover(rate_bytes_s=100)  # ten seconds a file
    await mover.start()
    moving = asyncio.create_task(mover.check())
    while not moving.done():
        tiered.clock.advance(1)
        await asyncio.sleep(0)
    assert mover.status().moved == 3
    assert (tiered.clock.now() - START).total_seconds() >= 20


def test_a_copy_that_reads_back_otherwise_does_not_count(tmp_path: Path) -> None:
    part = tmp_path / "one.mp4.part"
    part.write_bytes(b"picture")
    tier_folder.compare(part, hashlib.sha256(b"picture").digest())
    with pytest.raises(TierFailed) as found:
        tier_folder.compare(part, hashlib.sha256(b"Picture").digest())
    assert (found.value.state, part.exists()) == (VolumeState.GONE, False)


async def test_a_call_that_hangs_holds_nobody_up(clock: FixedClock) -> None:
    calls, free = FarCalls(clock, threads=1, name="test"), threading.Event()
    with pytest.raises(NoAnswer):
        await calls.run(0.01, free.wait)
    with pytest.raises(NoAnswer):
        await calls.run(60, int)  # refused at once: nothing is asked of what did not answer
    free.set()
    clock.advance(30)
    assert await calls.run(60, int, "7") == 7
    with pytest.raises(ValueError):
        await calls.run(60, int, "x")
