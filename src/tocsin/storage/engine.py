"""Connections to SQLite or PostgreSQL, one way to open each."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import QueuePool, StaticPool

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

READERS = 4
CACHE_KIB = 65_536


def is_sqlite(url: str) -> bool:
    """Return whether the database is an SQLite file."""
    return make_url(url).get_backend_name() == "sqlite"


def sqlite_path(url: str) -> Path:
    """Return the file of an SQLite URL."""
    database = make_url(url).database
    if not database or database == ":memory:":
        raise ValueError("the store needs a file: an SQLite database in memory proves nothing")
    return Path(database)


def sqlite_writer(url: str) -> Engine:
    """Return the engine of the single writer: WAL; transactions, syncs (see `wal`) and checkpoints are ours."""
    engine = create_engine(_sync(url), poolclass=StaticPool, connect_args={"check_same_thread": False, "timeout": 10.0})

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin or commit behind our back
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "busy_timeout=10000",
            "wal_autocheckpoint=0",
            f"cache_size=-{CACHE_KIB}",
            "temp_store=MEMORY",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def sqlite_reader(url: str) -> Engine:
    """Return a pool of read-only connections; each read sees one snapshot."""
    engine = create_engine(
        _sync(url),
        poolclass=QueuePool,
        pool_size=READERS,
        max_overflow=0,
        connect_args={"check_same_thread": False, "timeout": 10.0},
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA query_only=ON")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB // 4}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def postgresql_engine(url: str, pool_size: int) -> AsyncEngine:
    """Return an asyncpg engine; the same synchronous use cases run on it through `run_sync`."""
    from sqlalchemy.ext.asyncio import create_async_engine  # here: a tenth of a second that SQLite starts without

    target = make_url(url).set(drivername="postgresql+asyncpg")
    return create_async_engine(target, pool_size=pool_size, max_overflow=0, pool_pre_ping=True)


def _sync(url: str) -> URL:
    return make_url(url).set(drivername="sqlite+pysqlite")
