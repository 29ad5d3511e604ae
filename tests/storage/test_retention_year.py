"""A year of retention on a clock that is moved: every promise is looked at every day.

Sixteen streams stand for hundreds of cameras: four files a day each, as the rules look at files, not at their length.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import FixedClock
from tests.support.house import CITY, NORTH, PEOPLE, SOUTH, build_town
from tests.support.kept import DAY_MS, HeardRecorders, MemoryFiles, make_volume, write
from tocsin.base.signing import HouseKey, load_house_key
from tocsin.domain.holds import Hold, HoldService
from tocsin.domain.notices import NoticeBoard
from tocsin.domain.retention import WORDS, keeping
from tocsin.domain.retention_policies import PolicyService
from tocsin.domain.retention_service import PASS_S, RetentionEngine
from tocsin.domain.segments import segment_path
from tocsin.storage import schema
from tocsin.storage.heads import HeadsFile
from tocsin.storage.store import SqliteStore
from tocsin.verification import verify_audit, verify_tombstones

DAYS = 365
FILES_A_DAY = 4
SIZE = 1_000
QUARTER_MS = DAY_MS // FILES_A_DAY
CAMERAS = [(f"camera-{n:02}", NORTH if n % 2 else SOUTH) for n in range(16)]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    url = f"sqlite:///{tmp_path / 'tocsin.sqlite3'}"
    schema.prepare(url)
    made = SqliteStore(url, FixedClock(), HeadsFile(tmp_path / "audit.heads"))
    await made.start()
    yield made
    await made.stop()


async def test_a_year_of_retention_keeps_every_promise(store: SqliteStore, tmp_path: Path) -> None:
    clock: FixedClock = store._clock  # type: ignore[assignment]
    await store.run(build_town)
    volume = await make_volume(store)
    files, recorders = MemoryFiles(size_bytes=16 * FILES_A_DAY * 55 * SIZE), HeardRecorders()
    key: HouseKey = load_house_key(tmp_path / "signing.key")
    engine = RetentionEngine(store, clock, files, key, NoticeBoard(store, clock, WORDS), recorders)
    policies, holds = PolicyService(store, clock), HoldService(store, clock)
    await policies.add(
        {"name": "City", "min_days": 30, "max_days": 60, "basis": "art. 17", "jurisdiction_id": "j-city"},
        actor=PEOPLE.admin,
    )
    await policies.add(
        {"name": "South", "min_days": 40, "max_days": None, "basis": "a contract", "jurisdiction_id": "j-south"},
        actor=PEOPLE.admin,
    )
    dice = random.Random(799)
    active: list[Hold] = []
    there: dict[tuple[str, int], int] = {}  # camera and beginning -> end of every file that was written and not deleted
    gone: set[tuple[str, int]] = set()

    for day in range(DAYS):
        now_ms = round(clock.now().timestamp() * 1000)
        begin_ms = now_ms - DAY_MS

        def _record(tx: Any, begin_ms: int = begin_ms) -> None:
            for channel_id, code in CAMERAS:
                for part in range(FILES_A_DAY):
                    start_ms = begin_ms + part * QUARTER_MS
                    write(tx, files, channel_id, code, volume.no, start_ms, start_ms + QUARTER_MS, SIZE)
                    there[channel_id, start_ms] = start_ms + QUARTER_MS

        await store.run(_record)
        if day % 20 == 19:  # somebody asks for a week of a few cameras
            chosen = tuple(channel_id for channel_id, _ in dice.sample(CAMERAS, 2))
            from_at = clock.now() - timedelta(days=dice.randint(8, 28))
            active.append(
                await _hold(store, chosen, from_at, from_at + timedelta(days=7), dice.randint(10, 180), clock)
            )
        if day % 55 == 54 and active:
            early = active.pop(0)
            if early.is_active(clock.now()):
                await holds.release(early.id, "done", actor=PEOPLE.chief, version=early.version)
        if day % 90 == 89:  # the house ends and starts anew, a deletion half done
            engine = RetentionEngine(store, clock, files, key, NoticeBoard(store, clock, WORDS), recorders)
            await engine.start()
        for _ in range(int(86_400 // PASS_S) // 4):  # every twelve hours: four times as slow as the house does it
            clock.advance(PASS_S * 4)
            await holds.check()
            held = await store.read(lambda tx: tx.retention.held_spans(tx.now))
            before = len(files.removed)
            await engine.pass_ceilings()
            await engine.check_space()
            await _look(store, clock, files, before, held, there, gone)

    stones = await store.read(lambda tx: list(tx.retention.all_tombstones()))
    assert sum(stone.segments for stone in stones) == len(files.removed) == len(gone)
    assert sum(stone.bytes for stone in stones) == len(gone) * SIZE
    assert {stone.reason for stone in stones} == {"ceiling", "space"}
    left = set(files.files[volume.no])
    assert left == {segment_path(name, "main", start) for name, start in there}
    assert len(left) > 16 * FILES_A_DAY * 40
    url = f"sqlite:///{tmp_path / 'tocsin.sqlite3'}"
    assert verify_audit(url, tmp_path / "audit.heads").holds
    report = verify_tombstones(url, tmp_path / "signing.pub")
    assert (report.holds, report.segments, report.checked) == (True, len(gone), len(stones))


async def _hold(store: Any, chosen: Any, from_at: Any, to_at: Any, lasts: int, clock: FixedClock) -> Hold:
    """Set a hold on cameras the town does not know by name, straight in the store."""
    made = Hold(
        f"hold-{from_at:%Y%m%d}-{lasts}",
        chosen,
        CITY,
        from_at,
        to_at,
        "asked for",
        "r-1",
        "chief",
        clock.now(),
        clock.now() + timedelta(days=lasts),
    )
    await store.run(lambda tx: tx.retention.add_hold(made))
    return made


async def _look(
    store: Any,
    clock: FixedClock,
    files: MemoryFiles,
    before: int,
    held: dict[str, Any],
    there: dict[tuple[str, int], int],
    gone: set[tuple[str, int]],
) -> None:
    """Look at every promise after a pass."""
    now_ms = round(clock.now().timestamp() * 1000)
    known = await store.read(lambda tx: tx.retention.policies())
    kept = {channel_id: keeping(known, code, "") for channel_id, code in CAMERAS}
    for path in files.removed[before:]:
        channel_id, start_ms = path.split("/")[3], int(path.split("/")[5].removesuffix(".mp4"))
        assert (channel_id, start_ms) not in gone, "nothing is deleted twice"
        end_ms = there.pop((channel_id, start_ms))
        gone.add((channel_id, start_ms))
        assert end_ms <= now_ms - kept[channel_id].floor_days * DAY_MS, "nothing below the floor is deleted"
        for span in held.get(channel_id, []):
            assert not (start_ms < span.to_ms and end_ms > span.from_ms), "nothing held is deleted"
    for (channel_id, start_ms), end_ms in there.items():
        ceiling = kept[channel_id].ceiling_days
        is_held = any(start_ms < span.to_ms and end_ms > span.from_ms for span in held.get(channel_id, []))
        assert is_held or end_ms > now_ms - (ceiling or 0) * DAY_MS - DAY_MS, "nothing is left a day after its ceiling"
    rows = await store.read(lambda tx: sum(one.segments for one in tx.kept.sums()))
    assert rows == len(there), "the index is equal to the files"
