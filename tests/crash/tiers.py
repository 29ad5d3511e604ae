"""A process that moves recordings until it is killed: `python -m tests.crash.tiers DATABASE NEAR FAR`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tocsin.base.clock import SystemClock
from tocsin.domain.notices import NoticeBoard
from tocsin.domain.tier_service import TierMover
from tocsin.domain.tiers import WORDS, TierRules
from tocsin.storage.heads import HeadsFile
from tocsin.storage.store import SqliteStore
from tocsin.storage.tier_volumes import TierVolumes

HOUSE = "house-1"
RATE_BYTES_S = 10_000_000


async def move(database: Path, near: str, far: str, *, rate_bytes_s: int = RATE_BYTES_S) -> None:
    """Move all that is due, and say when it begins."""
    clock = SystemClock()
    store = SqliteStore(f"sqlite:///{database}", clock, HeadsFile(database.with_name("audit.heads")))
    await store.start()
    rules = TierRules(far, "folder", HOUSE, (near,), after_days=1, rate_bytes_s=rate_bytes_s, at_pct=98)
    mover = TierMover(store, clock, TierVolumes(clock), NoticeBoard(store, clock, WORDS), rules)
    await mover.start()
    sys.stdout.write("moving\n")
    sys.stdout.flush()
    while await mover.check():
        pass
    await store.stop()


if __name__ == "__main__":
    asyncio.run(move(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
