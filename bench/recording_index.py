"""recording-index: forty million segments on PostgreSQL in partitions of a day; any camera's day listed, a day dropped.

The rows are made in the database itself, in the order time would bring them: a camera's segments of a day lie all over
its partition. The groups of a row are short but in the days that are timed, where they have the size of five minutes of
two-second groups. `TOCSIN_BENCH_INDEX_DAYS` makes fewer days, for a first look.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event, text

from bench.harness import percentile
from bench.report import Bench
from tests.support.postgresql import cluster
from tocsin.base.clock import SystemClock
from tocsin.domain.segments import DAY_MS
from tocsin.storage import schema, segment_days
from tocsin.storage.heads import HeadsFile
from tocsin.storage.segments import beginning_between
from tocsin.storage.store import AnyStore, PostgresqlStore

STREAMS: Final = 4_514
SEGMENT_MS: Final = 300_000
A_DAY: Final = DAY_MS // SEGMENT_MS
FIRST_DAY: Final = 20_750
DAYS: Final = int(os.environ.get("TOCSIN_BENCH_INDEX_DAYS", "31"))
EARLY: Final = max(1, DAYS // 4)
GROUP_BYTES: Final = 150 * 7
SHORT_BYTES: Final = 64
LISTS: Final = 200
PLANS: Final = 20


def run(seconds: float) -> Mapping[str, float]:
    """Fill a quarter of the days and list, fill all and list again, then drop a day."""
    with cluster() as server, tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        return asyncio.run(_measure(server, Path(folder)))


async def _measure(url: str, folder: Path) -> dict[str, float]:
    await asyncio.to_thread(schema.prepare, url)
    store = PostgresqlStore(url, SystemClock(), HeadsFile(folder / "audit.heads"))
    await store.start()
    try:
        started = time.perf_counter()
        timed = {0, EARLY - 1, DAYS - 1}
        for day in range(EARLY):
            await _day(store, FIRST_DAY + day, GROUP_BYTES if day in timed else SHORT_BYTES)
        early = await _listed(store, (0, EARLY - 1), _timeline)
        early_whole = await _listed(store, (0, EARLY - 1), _whole)
        early_pages = await store.read(_pages, FIRST_DAY, _timeline) + await store.read(_pages, FIRST_DAY, _whole)
        for day in range(EARLY, DAYS):
            await _day(store, FIRST_DAY + day, GROUP_BYTES if day in timed else SHORT_BYTES)
        filled_s = time.perf_counter() - started
        late = await _listed(store, tuple(sorted(timed)), _timeline)
        whole = await _listed(store, tuple(sorted(timed)), _whole)
        pages = [await store.read(_pages, FIRST_DAY, how) for how in (_timeline, _whole)]
        sums = [await _timed(store, _sums, FIRST_DAY + DAYS) for _ in range(20)]
        partitions = await store.read(_partitions, FIRST_DAY + DAYS - 1)
        started = time.perf_counter()
        await store.run(lambda tx: segment_days.drop(tx.connection, FIRST_DAY))
        dropped_s = time.perf_counter() - started
        return {
            "segments_million": DAYS * STREAMS * A_DAY / 1e6,
            "segments_a_day_million": STREAMS * A_DAY / 1e6,
            "list_day_early_p95_ms": percentile(early, 0.95),
            "list_day_p95_ms": percentile(late, 0.95),
            "list_day_p50_ms": percentile(late, 0.5),
            "list_day_worst_ms": max(late),
            "growth": percentile(late, 0.95) / percentile(early, 0.95),
            "whole_day_early_p95_ms": percentile(early_whole, 0.95),
            "whole_day_p50_ms": percentile(whole, 0.5),
            "whole_day_p95_ms": percentile(whole, 0.95),
            "whole_day_worst_ms": max(whole),
            "growth_whole": percentile(whole, 0.95) / percentile(early_whole, 0.95),
            "list_day_pages": pages[0],
            "whole_day_pages": pages[1],
            "growth_pages": sum(pages) / early_pages,
            "storage_sums_ms": percentile(sums, 0.95),
            "partitions_touched": float(partitions),
            "drop_day_s": dropped_s,
            "fill_s": filled_s,
        }
    finally:
        await store.stop()


def _fill(tx: Any, day: int, group_bytes: int) -> None:
    """Make a day's partition with its rows, ordered by time."""
    low, name = day * DAY_MS, segment_days.name_of(day)
    tx.connection.execute(text(f"CREATE TABLE {name} (LIKE segments INCLUDING DEFAULTS)"))
    tx.connection.execute(
        text(
            f"INSERT INTO {name} (stream_no, start_ms, end_ms, volume_no, state, bytes, pictures, codec_no, sha256, "
            f"groups, end_reason, due_ms) SELECT s, {low} + k * {SEGMENT_MS}::bigint + s % 250, "
            f"{low} + (k + 1) * {SEGMENT_MS}::bigint + s % 250, 1 + s % 8, 1, 75000000, 7500, 1, "
            f"sha256((s * 1000 + k)::text::bytea), decode(repeat('a7', {group_bytes}), 'hex'), 'time', "
            f"{low + 30 * DAY_MS} FROM generate_series(0, {A_DAY - 1}) k, generate_series(1, {STREAMS}) s"
        )
    )
    tx.connection.execute(
        text(
            "INSERT INTO segment_sums SELECT stream_no, start_ms / 86400000, volume_no, count(*), sum(bytes), "
            f"sum(end_ms - start_ms), min(start_ms), max(end_ms) FROM {name} GROUP BY 1, 2, 3"
        )
    )
    bounds = f"FOR VALUES FROM ({low}) TO ({low + DAY_MS})"
    tx.connection.execute(text(f"ALTER TABLE segments ATTACH PARTITION {name} {bounds}"))


def _pages(tx: Any, day: int, how: Callable[[Any, int, int], int]) -> float:
    """Return how many pages the database looks at for a list, on average; other work does not change it."""
    asked: list[tuple[str, Any]] = []

    def _note(_connection: Any, _cursor: Any, sql: str, values: Any, *_: Any) -> None:
        asked.append((sql, values))

    event.listen(tx.connection, "before_cursor_execute", _note)
    for stream in range(1, PLANS + 1):
        how(tx, stream, day * DAY_MS)
    event.remove(tx.connection, "before_cursor_execute", _note)
    looked = 0
    for sql, values in asked:
        found = tx.connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", values).scalar_one()
        plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
        looked += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return looked / PLANS


async def _timed(store: PostgresqlStore, how: Callable[[Any, int], object], day: int) -> float:
    """Return the milliseconds of a read."""
    started = time.perf_counter()
    await store.read(how, day)
    return (time.perf_counter() - started) * 1000


def _sums(tx: Any, today: int) -> object:
    """Read what the storage page is made of: what every stream has on every volume, and what it wrote in a day."""
    return tx.kept.sums(), tx.kept.sums(since_ms=today * DAY_MS - DAY_MS // 2), tx.segments.stored_bytes()


async def _day(store: PostgresqlStore, day: int, group_bytes: int) -> None:
    """Make a day, and sweep it as the server does when it is over."""
    await store.run(_fill, day, group_bytes)
    await store.sweep(segment_days.name_of(day))


def _timeline(tx: Any, stream: int, low: int) -> int:
    """List the stretches of a day, a segment each, as a timeline asks for them."""
    return len(tx.segments.stretches(stream, low, low + DAY_MS, now_ms=low + DAY_MS))


def _whole(tx: Any, stream: int, low: int) -> int:
    """List the segments of a day with all that lies in them: six times what a player asks for at once."""
    return len(tx.segments.between(stream, low, low + DAY_MS))


async def _listed(store: AnyStore, days: tuple[int, ...], how: Callable[[Any, int, int], int]) -> list[float]:
    """List the day of cameras taken at random; return the milliseconds of each."""
    chance = random.Random(4)
    taken = []
    for _ in range(LISTS):
        low, stream = (FIRST_DAY + chance.choice(days)) * DAY_MS, chance.randint(1, STREAMS)
        started = time.perf_counter()
        found = await store.read(how, stream, low)
        taken.append((time.perf_counter() - started) * 1000)
        if not A_DAY <= found <= A_DAY + 1:
            raise RuntimeError(f"{found} segments of a day, {A_DAY} were expected")
    return taken


def _partitions(tx: Any, day: int) -> int:
    """Return how many partitions the plan of a camera-day touches."""
    asked = beginning_between(7, day * DAY_MS, (day + 1) * DAY_MS)
    sql = asked.compile(dialect=tx.connection.dialect, compile_kwargs={"literal_binds": True})
    plan = "\n".join(tx.connection.execute(text(f"EXPLAIN {sql}")).scalars())
    return sum(f" {segment_days.name_of(FIRST_DAY + one)} " in plan for one in range(DAYS)) + ("segments_other" in plan)


BENCH = Bench(
    "recording-index",
    f"the index of recordings on PostgreSQL, {STREAMS:,} streams in segments of five minutes: "
    f"{STREAMS * A_DAY / 1e6:.1f} million rows a day in a partition each, {DAYS} days; {LISTS} camera-days taken at "
    "random and listed through the store, after a quarter of the days and after all: as a timeline does (`list_day`), "
    "and with the groups of every segment (`whole_day`; a player asks for four hours); `partitions_touched` is the "
    "plan's word; `growth` the p95 after all over that after a quarter, `growth_pages` that of the pages the database "
    "looks at, which other work on the machine does not change; `storage_sums` what the storage page is made "
    "of, for all streams; a day dropped with its partition",
    run,
    {
        "list_day_p95_ms": {"at_most": 50},
        "whole_day_p95_ms": {"at_most": 50},
        "growth": {"at_most": 1.5},
        "growth_pages": {"at_most": 1.05},
        "partitions_touched": {"at_most": 1},
        "drop_day_s": {"at_most": 5},
    },
    seconds=1.0,
)
