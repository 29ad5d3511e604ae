"""A house that recorded before there were sums gets them with the upgrade."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from tests.support.clocks import FixedClock
from tocsin.domain.coverage import recorded_between
from tocsin.domain.segments import DAY_MS, MINUTE_MS, DaySum, Segment, SegmentState, Span, minutes_of
from tocsin.storage import engine, schema
from tocsin.storage.heads import HeadsFile
from tocsin.storage.store import make_store

DAY = 20_784
HOUR_MS = 60 * MINUTE_MS


def _before(url: str, fill: Any) -> None:
    """Make a database of the revision before, with rows."""

    def _work(connection: Any) -> None:
        config = Config()
        config.set_main_option("script_location", str(schema.MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0024")
        fill(connection)
        connection.commit()

    async def _postgresql() -> None:
        made = engine.postgresql_engine(url, 1)
        async with made.connect() as connection:
            await connection.run_sync(_work)
        await made.dispose()

    if engine.is_sqlite(url):
        writer = engine.sqlite_writer(url)
        with writer.connect() as connection:
            _work(connection)
        writer.dispose()
    else:
        asyncio.run(_postgresql())


def _rows(connection: Any) -> None:
    for stream_no, start_ms, state, size in (
        (1, DAY * DAY_MS, 1, 100),
        (1, DAY * DAY_MS + HOUR_MS, 3, 7),
        (1, (DAY + 1) * DAY_MS, 2, 50),
        (2, DAY * DAY_MS, 0, 0),
    ):
        connection.execute(
            text(
                "INSERT INTO segments (stream_no, start_ms, end_ms, volume_no, state, bytes, groups) "
                "VALUES (:no, :start, :end, 1, :state, :bytes, :groups)"
            ),
            {
                "no": stream_no,
                "start": start_ms,
                "end": start_ms + MINUTE_MS,
                "state": state,
                "bytes": size,
                "groups": b"",
            },
        )
    connection.execute(
        text(
            "INSERT INTO coverage_days (stream_no, day, minutes, stored_ms, expected_ms) "
            "VALUES (1, :day, :min, :ms, :ms)"
        ),
        {"day": DAY, "min": minutes_of([Span(DAY * DAY_MS, DAY * DAY_MS + HOUR_MS)], DAY), "ms": HOUR_MS},
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def url_before(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind, of no revision."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'before.db'}"
    server: str = request.getfixturevalue("postgresql_server")

    async def _make() -> None:
        made = engine.postgresql_engine(server, 1)
        async with made.connect() as connection:
            alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await alone.exec_driver_sql("CREATE DATABASE before_sums")
        await made.dispose()

    asyncio.run(_make())
    return server.rsplit("/", 1)[0] + "/before_sums"


def test_an_upgrade_counts_what_there_is(url_before: str, tmp_path: Path) -> None:
    _before(url_before, _rows)
    schema.prepare(url_before)

    async def _check() -> None:
        store = make_store(url_before, FixedClock(), HeadsFile(tmp_path / "audit.heads"))
        await store.start()
        first, second = DAY * DAY_MS, (DAY + 1) * DAY_MS
        assert await store.read(lambda tx: tx.segments.sums.of_volume(1)) == [
            DaySum(1, DAY, 1, 2, 100, MINUTE_MS, first, first + HOUR_MS + MINUTE_MS),
            DaySum(1, DAY + 1, 1, 1, 50, MINUTE_MS, second, second + MINUTE_MS),
        ]
        more = Segment(1, second + MINUTE_MS, second + 3 * MINUTE_MS, 1, SegmentState.OK, 9)
        await store.run(lambda tx: tx.segments.close([more]))
        assert (await store.read(lambda tx: tx.segments.stored_bytes())) == {1: 159}
        days = await store.read(lambda tx: tx.segments.coverage([1], DAY, DAY + 1))
        assert recorded_between(days, first, first + 2 * HOUR_MS) == (HOUR_MS, HOUR_MS)
        assert recorded_between(days, first + 2 * HOUR_MS, second + DAY_MS) == (2 * MINUTE_MS, 0)
        await store.stop()

    asyncio.run(_check())
