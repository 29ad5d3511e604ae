"""A mover killed at random moments: every recording lies where the index says, whole and once."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.crash.test_kill import KILLS, SEED
from tests.crash.tiers import HOUSE, move
from tests.support.records import note
from tocsin.base.clock import SystemClock
from tocsin.domain.segments import DAY_MS, Segment, SegmentState, Volume, segment_path
from tocsin.storage import schema
from tocsin.storage.heads import HeadsFile
from tocsin.storage.segment_files import MARK
from tocsin.storage.store import SqliteStore

pytestmark = pytest.mark.crash

ROOT = Path(__file__).parents[2]
FILES_A_KILL, SIZE = 15, 100_000
FILES = KILLS * FILES_A_KILL
FIRST_MS = int(time.time()) // 86_400 * DAY_MS - 3 * DAY_MS


def start_of(n: int) -> int:
    return FIRST_MS + n * 60_000


def content(n: int) -> bytes:
    return hashlib.shake_128(str(n).encode()).digest(SIZE)


def row(n: int) -> Segment:
    start_ms, digest = start_of(n), hashlib.sha256(content(n)).digest()
    return Segment(1, start_ms, start_ms + 60_000, 1, SegmentState.OK, SIZE, 10, sha256=digest)


async def test_a_mover_killed_at_random_moments_loses_and_doubles_nothing(tmp_path: Path) -> None:
    near, far, database = tmp_path / "near", tmp_path / "far", tmp_path / "tocsin.sqlite3"
    near.mkdir()
    (near / MARK).write_text(json.dumps({"volume": "volume-1", "house": HOUSE}))
    schema.prepare(f"sqlite:///{database}")

    async def _record(first: int) -> None:
        def _enter(tx: Any) -> None:
            tx.segments.enter_volume(Volume("volume-1", str(near)))
            tx.segments.stream_no("camera-1", "main", "340203")
            tx.segments.close([row(n) for n in range(first, first + FILES_A_KILL)])

        for n in range(first, first + FILES_A_KILL):
            path = near / segment_path("camera-1", "main", start_of(n))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content(n))
        store = SqliteStore(f"sqlite:///{database}", SystemClock(), HeadsFile(tmp_path / "audit.heads"))
        await store.start()
        await store.run(_enter)
        await store.stop()

    print(f"seed {SEED}, {KILLS} kills")
    dice = random.Random(SEED)
    command = [sys.executable, "-m", "tests.crash.tiers", str(database), str(near), str(far)]
    for kill in range(KILLS):
        await _record(kill * FILES_A_KILL)
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "moving\n"
        time.sleep(dice.uniform(0.0, 0.5))  # the moment is what is tested; nothing is waited for
        process.kill()
        process.wait()
        for n in range((kill + 1) * FILES_A_KILL):  # at every moment there is a whole copy
            name = segment_path("camera-1", "main", start_of(n))
            copies = [path.read_bytes() for path in (near / name, far / name) if path.exists()]
            assert content(n) in copies, n
    await move(database, str(near), str(far), rate_bytes_s=0)
    left = {path.relative_to(far).as_posix() for path in far.rglob("*") if path.is_file()} - {MARK}
    wanted = {segment_path("camera-1", "main", start_of(n)) for n in range(FILES)}
    behind = [path for path in near.rglob("*.mp4*") if path.is_file()]
    note(
        "mover of recordings killed",
        times=KILLS,
        acknowledged=FILES,
        lost=len(wanted - left),
        doubled=len(left - wanted) + len(behind),
        seed=str(SEED),
    )
    assert left == wanted
    assert behind == []
    assert all((far / segment_path("camera-1", "main", start_of(n))).read_bytes() == content(n) for n in range(FILES))
