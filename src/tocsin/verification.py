"""Checking the audit chain of a database against its heads, from outside the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.signing import read_public_key
from tocsin.domain.audit import AuditRecord, Problem, read_heads, verify
from tocsin.domain.tombstones import Tombstone, TombstoneProblem, check_tombstones
from tocsin.storage import engine as engines
from tocsin.storage import schema
from tocsin.storage.audit import AuditRepository
from tocsin.storage.retention import RetentionRepository

MAX_PROBLEMS = 1_000

T = TypeVar("T")
Watch = Callable[[Iterable[AuditRecord], int], Iterable[AuditRecord]]


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What a check found."""

    holds: bool
    checked: int
    head_seq: int
    head_hash: str
    problems: tuple[Problem, ...]


def verify_audit(url: str, heads: Path, watch: Watch = lambda records, _total: records) -> AuditReport:
    """Read the whole chain and compare it with audit.heads; works beside a running server.

    `watch(records, total)` may wrap the records to show progress. Errors: NOT_FOUND when there is no database,
    UNAVAILABLE when it cannot be read.
    """
    lines = _lines(heads)  # before the records: a head read later could be newer than the snapshot

    def _check(connection: Connection) -> AuditReport:
        if schema.current(connection) is None:
            raise TocsinError(ErrorCode.NOT_FOUND, "the database is empty: no server has started on it yet")
        repository = AuditRepository(connection)
        head_seq, head_hash = repository.head()
        total = repository.count()
        problems: list[Problem] = []
        if lines is None and head_seq:
            problems.append(Problem(0, f"{heads} is missing: a tail that was cut off cannot be noticed"))
        if head_seq != total:
            problems.append(Problem(head_seq, f"the chain's head says record {head_seq}, the newest record is {total}"))
        checked = 0

        def _counted(records: Iterable[AuditRecord]) -> Iterable[AuditRecord]:
            nonlocal checked
            for record in records:
                checked += 1
                yield record

        for problem in verify(_counted(watch(repository.all(), total)), read_heads(lines or [])):
            problems.append(problem)
            if len(problems) >= MAX_PROBLEMS:
                break
        return AuditReport(not problems, checked, head_seq, head_hash, tuple(problems))

    return with_connection(url, _check)


@dataclass(frozen=True, slots=True)
class TombstoneReport:
    """What a check of tombstones found; `segments` and `bytes` are what they say was deleted."""

    holds: bool
    checked: int
    segments: int
    bytes: int
    problems: tuple[TombstoneProblem, ...]


def verify_tombstones(url: str, public_key: Path) -> TombstoneReport:
    """Check number, signature and audit record of every tombstone; the audit chain itself is `verify_audit`'s.

    Errors: NOT_FOUND without a database, or without a key where tombstones are; UNAVAILABLE when it cannot be read.
    """

    def _check(connection: Connection) -> TombstoneReport:
        if schema.current(connection) is None:
            raise TocsinError(ErrorCode.NOT_FOUND, "the database is empty: no server has started on it yet")
        repository = RetentionRepository(connection)
        recorded = AuditRepository(connection).deletions()
        if not recorded and repository.next_tombstone() == 1:
            return TombstoneReport(True, 0, 0, 0, ())
        checked = segments = size_bytes = 0

        def _counted() -> Iterable[Tombstone]:
            nonlocal checked, segments, size_bytes
            for stone in repository.all_tombstones():
                checked += 1
                segments += stone.segments
                size_bytes += stone.bytes
                yield stone

        problems = list(islice(check_tombstones(_counted(), recorded, read_public_key(public_key)), MAX_PROBLEMS))
        return TombstoneReport(not problems, checked, segments, size_bytes, tuple(problems))

    return with_connection(url, _check)


def with_connection(url: str, work: Callable[[Connection], T]) -> T:
    """Run `work` on a read-only snapshot. Errors: NOT_FOUND for no SQLite file; UNAVAILABLE when it cannot be read."""
    try:
        if not engines.is_sqlite(url):
            return asyncio.run(_on_postgresql(url, work))
        path = engines.sqlite_path(url)
        if not path.exists():
            raise TocsinError(ErrorCode.NOT_FOUND, f"there is no database at {path}")
        engine = engines.sqlite_reader(url)
        try:
            with engine.connect() as connection, connection.begin():
                return work(connection)
        finally:
            engine.dispose()
    except (SQLAlchemyError, OSError) as error:
        raise TocsinError(ErrorCode.UNAVAILABLE, f"the database cannot be read: {error}") from error


async def _on_postgresql(url: str, work: Callable[[Connection], T]) -> T:
    engine = engines.postgresql_engine(url, 1)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def _lines(path: Path) -> list[str] | None:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            return list(file)
    except FileNotFoundError:
        return None
