"""A year of tiers and retention on a clock that is moved: the far place goes away, the house is killed."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.storage.test_retention_year import _hold, store  # noqa: F401  the fixture
from tests.support.clocks import FixedClock
from tests.support.house import NORTH, PEOPLE, SOUTH, build_town
from tests.support.kept import DAY_MS, HeardRecorders, make_volume, write
from tests.support.tiers import Killed, MemoryTiers
from tocsin.base.signing import load_house_key
from tocsin.domain.holds import HoldService
from tocsin.domain.notices import NoticeBoard
from tocsin.domain.retention import WORDS, keeping
from tocsin.domain.retention_policies import PolicyService
from tocsin.domain.retention_service import RetentionEngine
from tocsin.domain.segments import Tier, VolumeState, segment_path
from tocsin.domain.tier_service import TierMover
from tocsin.domain.tiers import TierRules
from tocsin.storage.store import SqliteStore
from tocsin.verification import verify_audit, verify_tombstones

DAYS = 365
FILES_A_DAY = 1
SIZE = 1_000
PART_MS = DAY_MS // FILES_A_DAY
CAMERAS = [(f"camera-{n:02}", NORTH if n % 2 else SOUTH) for n in range(6)]
RULES = TierRules("/far", "folder", "house-1", ("/volumes/1",), after_days=10)


async def test_a_year_with_tiers_keeps_every_promise(store: SqliteStore, tmp_path: Path) -> None:  # noqa: F811
    clock: FixedClock = store._clock  # type: ignore[assignment]
    await store.run(build_town)
    hot = await make_volume(store)
    dice = random.Random(22)
    files = MemoryTiers(size_bytes=6 * FILES_A_DAY * 60 * SIZE, dice=dice)
    key, board = load_house_key(tmp_path / "signing.key"), NoticeBoard(store, clock, WORDS)
    engine = RetentionEngine(store, clock, files, key, board, HeardRecorders())
    mover = TierMover(store, clock, files, board, RULES)
    await mover.start()
    (cold,) = [one for one in await store.read(lambda tx: tx.segments.volumes()) if one.tier is Tier.COLD]
    policies, holds = PolicyService(store, clock), HoldService(store, clock)
    near = {NORTH: 10, SOUTH: 20}
    await policies.add(
        {"name": "City", "min_days": 30, "max_days": 60, "basis": "art. 17", "jurisdiction_id": "j-city"},
        actor=PEOPLE.admin,
    )
    await policies.add(
        {"name": "South", "min_days": 40, "hot_days": 20, "basis": "a contract", "jurisdiction_id": "j-south"},
        actor=PEOPLE.admin,
    )
    there: dict[tuple[str, int], int] = {}
    kills = away_days = gone = 0

    for day in range(DAYS):
        begin_ms = round(clock.now().timestamp() * 1000) - DAY_MS

        def _record(tx: Any, begin_ms: int = begin_ms) -> None:
            for channel_id, code in CAMERAS:
                for part in range(FILES_A_DAY):
                    start_ms = begin_ms + part * PART_MS
                    write(tx, files, channel_id, code, hot.no, start_ms, start_ms + PART_MS, SIZE)
                    there[channel_id, start_ms] = start_ms + PART_MS

        await store.run(_record)
        if day % 30 == 29:
            chosen = tuple(channel_id for channel_id, _ in dice.sample(CAMERAS, 2))
            from_at = clock.now() - timedelta(days=dice.randint(5, 25))
            await _hold(store, chosen, from_at, from_at + timedelta(days=5), dice.randint(10, 120), clock)
        is_away = day % 40 in (20, 21, 22)  # three days without the far place, now and then
        away_days += is_away
        files.state = VolumeState.GONE if is_away else VolumeState.OK
        clock.advance(86_400)
        await holds.check()
        held = await store.read(lambda tx: tx.retention.held_spans(tx.now))
        before, kills_before = set(there), kills
        for pass_once in (engine.pass_ceilings, engine.check_space, mover.check):
            files.one_of = 40 if day % 3 == 0 else 0
            try:
                while await pass_once() and pass_once == mover.check:
                    pass
            except Killed:
                kills += 1
                files.one_of = 0
                engine = RetentionEngine(store, clock, files, key, board, HeardRecorders())
                mover = TierMover(store, clock, files, board, RULES)
                await engine.start()
                await mover.start()
                await engine.pass_ceilings()
        files.one_of = 0
        if kills > kills_before:
            while await mover.check():
                pass
        clock.advance(1_000)  # whatever wait a failure began is over
        rows = await _rows(store)
        now_ms = round(clock.now().timestamp() * 1000)
        known = await store.read(lambda tx: tx.retention.policies())
        for channel_id, start_ms in before - set(rows):
            end_ms = there.pop((channel_id, start_ms))
            gone += 1
            floor = keeping(known, dict(CAMERAS)[channel_id], "").floor_days
            assert end_ms <= now_ms - floor * DAY_MS, "nothing below the floor is deleted, wherever it lies"
            assert not _is_held(held, channel_id, start_ms, end_ms), "nothing held is deleted"
        assert set(rows) == set(there), "every recording is in the index, once"
        if not is_away:
            assert not files.twice(), "no recording lies in two places"
            expected = {no: set() for no in (hot.no, cold.no)}
            for (channel_id, start_ms), volume_no in rows.items():
                expected[volume_no].add(segment_path(channel_id, "main", start_ms))
            assert {no: set(files.files.get(no, {})) for no in expected} == expected, "each lies where the index says"
        for (channel_id, start_ms), end_ms in there.items():
            age_ms, code = now_ms - end_ms, dict(CAMERAS)[channel_id]
            is_held = _is_held(held, channel_id, start_ms, end_ms)
            is_far = rows[channel_id, start_ms] == cold.no
            assert not is_far or age_ms >= near[code] * DAY_MS, "nothing moves before its time"
            if not (is_held or is_away):
                assert is_far or age_ms <= near[code] * DAY_MS + DAY_MS, "what is old enough has moved"
                ceiling = keeping(known, code, "").ceiling_days
                assert ceiling is None or age_ms <= ceiling * DAY_MS + DAY_MS, "age counts from capture"

    assert kills > 20
    assert away_days > 20
    stones = await store.read(lambda tx: list(tx.retention.all_tombstones()))
    assert sum(stone.segments for stone in stones) == gone > 1_500
    assert await store.read(lambda tx: tx.moves.under_way()) == []
    assert sum(volume_no == cold.no for volume_no in (await _rows(store)).values()) > 100
    url = f"sqlite:///{tmp_path / 'tocsin.sqlite3'}"
    assert verify_audit(url, tmp_path / "audit.heads").holds
    assert verify_tombstones(url, tmp_path / "signing.pub").holds


def _is_held(held: dict[str, Any], channel_id: str, start_ms: int, end_ms: int) -> bool:
    return any(start_ms < span.to_ms and end_ms > span.from_ms for span in held.get(channel_id, []))


async def _rows(held_in: Any) -> dict[tuple[str, int], int]:
    """Return every segment of the index with the volume it lies on."""

    def _read(tx: Any) -> dict[tuple[str, int], int]:
        return {
            (stream.channel_id, one.start_ms): one.volume_no
            for stream in tx.segments.streams()
            for one in tx.segments.between(stream.no, 0, 2**45)
        }

    found: dict[tuple[str, int], int] = await held_in.read(_read)
    return found
