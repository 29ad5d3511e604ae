"""Stores for tests: every storage test runs on SQLite and on PostgreSQL.

In a conftest: `from tests.support.stores import clock, database_url, heads_path, postgresql_server, store`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.clocks import FixedClock
from tests.support.postgresql import cluster
from tocsin.domain.audit import GENESIS
from tocsin.storage import schema
from tocsin.storage.heads import HeadsFile
from tocsin.storage.store import AnyStore, make_store
from tocsin.storage.tables import metadata

__all__ = ["clock", "database_url", "heads_path", "postgresql_server", "store"]


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    with cluster() as url:
        yield url


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def heads_path(tmp_path: Path) -> Path:
    return tmp_path / "audit.heads"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty, migrated database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'tocsin.db'}"
        schema.prepare(url)
        yield url
        return
    url = _migrated(request.getfixturevalue("postgresql_server"))
    yield url
    asyncio.run(_empty(url))


@pytest.fixture
async def store(database_url: str, heads_path: Path, clock: FixedClock) -> AsyncIterator[AnyStore]:
    made = make_store(database_url, clock, HeadsFile(heads_path))
    await made.start()
    yield made
    await made.stop()


_migrated_servers: dict[str, str] = {}


def _migrated(server: str) -> str:
    """Return the URL of a migrated database; migrations run once a session, the tables are emptied after each test."""
    if server not in _migrated_servers:
        asyncio.run(_execute(server, 'CREATE DATABASE "tests"'))
        _migrated_servers[server] = server.rsplit("/", 1)[0] + "/tests"
        schema.prepare(_migrated_servers[server])
    return _migrated_servers[server]


async def _empty(url: str) -> None:
    tables = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
    await _execute(
        url,
        f"TRUNCATE {tables} RESTART IDENTITY;"
        f"INSERT INTO chain (id, audit_seq, audit_hash, feed_seq) VALUES (1, 0, '{GENESIS}', 0);"
        f"UPDATE alembic_version SET version_num = '{schema.latest()}'",
    )


async def _execute(url: str, statement: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.execute(statement)
    finally:
        with contextlib.suppress(Exception):
            await connection.close()
