"""Stores for tests: every storage test runs on SQLite and on PostgreSQL.

In a test module or conftest: `from tests.support.stores import *  # noqa` gives the fixtures `store`, `clock`, `heads_path`.
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
from tocsin.base.ids import new_id
from tocsin.storage import schema
from tocsin.storage.heads import HeadsFile
from tocsin.storage.store import AnyStore, make_store

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
    server = request.getfixturevalue("postgresql_server")
    template = _template(server)
    name = "t" + new_id().replace("-", "")
    asyncio.run(_execute(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    yield server.rsplit("/", 1)[0] + f"/{name}"
    asyncio.run(_execute(server, f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture
async def store(database_url: str, heads_path: Path, clock: FixedClock) -> AsyncIterator[AnyStore]:
    made = make_store(database_url, clock, HeadsFile(heads_path))
    await made.start()
    yield made
    await made.stop()


_templates: dict[str, str] = {}


def _template(server: str) -> str:
    """Migrate one database and copy it for each test: migrations run once, not a hundred times."""
    if server not in _templates:
        name = "template_" + new_id().replace("-", "")
        asyncio.run(_execute(server, f'CREATE DATABASE "{name}"'))
        schema.prepare(server.rsplit("/", 1)[0] + f"/{name}")
        _templates[server] = name
    return _templates[server]


async def _execute(server: str, statement: str) -> Any:
    connection = await asyncpg.connect(server)
    try:
        return await connection.execute(statement)
    finally:
        with contextlib.suppress(Exception):
            await connection.close()
