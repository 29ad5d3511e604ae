"""One group: the use cases that queued while the last commit ran, in one transaction, each in its own savepoint."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tocsin.storage.bulk import sqlite_driver
from tocsin.storage.uow import Announcement, Transaction

Handler = Callable[[Any, Sequence[Any]], Sequence[Any]]

# SQLite primary result codes that end a group: busy, readonly, I/O, corrupt, full, cannot open, not a database
_SQLITE_FATAL = {5, 8, 10, 11, 13, 14, 26}
_POSTGRESQL_FATAL = ("08", "53", "57", "58", "XX")


@dataclass(slots=True)
class Job:
    """A use case waiting for its group, or an item of a set-based one (`name` set, `args[0]` the item)."""

    future: asyncio.Future[Any]
    work: Callable[..., Any] | None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


@dataclass(slots=True)
class Outcome:
    """What a job's future will be told once the group is on disk."""

    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


@dataclass(slots=True)
class GroupResult:
    """A group that is ready to commit."""

    outcomes: list[Outcome]
    head: tuple[int, str] | None
    announcements: list[Announcement]


def is_fatal(error: BaseException) -> bool:
    """Return whether the database, not the use case, failed: then the whole group fails."""
    if isinstance(error, sqlite3.Error):
        origin: Any = error
    elif isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        origin = error.orig
    else:
        return isinstance(error, OSError | MemoryError)
    if isinstance(origin, sqlite3.Error):
        return (getattr(origin, "sqlite_errorcode", 1) & 0xFF) in _SQLITE_FATAL
    sqlstate = getattr(origin, "sqlstate", None) or ""
    return sqlstate[:2] in _POSTGRESQL_FATAL


def run_group(
    connection: Connection, jobs: Sequence[Job], handlers: Mapping[str, Handler], now: datetime
) -> GroupResult:
    """Run every job of a group; the caller commits. Raises when the database itself failed."""
    tx = Transaction(connection, now)
    outcomes: list[Outcome] = []
    waiting: dict[str, list[Job]] = {}
    for job in jobs:
        if job.name:
            waiting.setdefault(job.name, []).append(job)
    for name, items in waiting.items():
        _run_set(tx, handlers[name], items, outcomes)
    for job in jobs:
        if job.work is not None:
            result, error = _guarded(tx, partial(job.work, tx, *job.args, **job.kwargs))
            outcomes.append(Outcome(job.future, result, error))
    head, announcements = tx.finish()
    return GroupResult(outcomes, head, announcements)


def _run_set(tx: Transaction, handler: Handler, items: list[Job], outcomes: list[Outcome]) -> None:
    results, error = _guarded(tx, partial(handler, tx, [item.args[0] for item in items]))
    if error is None:
        if len(results) != len(items):
            raise RuntimeError(f"a set-based use case answered {len(results)} of {len(items)} items")
        for item, result in zip(items, results, strict=True):
            failed = isinstance(result, BaseException)
            outcomes.append(Outcome(item.future, None if failed else result, result if failed else None))
        return
    if len(items) == 1:
        outcomes.append(Outcome(items[0].future, None, error))
        return
    for item in items:  # one of them spoiled the set: each alone, so that only that one fails
        _run_set(tx, handler, [item], outcomes)


def _guarded(tx: Transaction, work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    mark = tx.mark()
    _say(tx.connection, "SAVEPOINT use_case")
    try:
        result = work()
    except Exception as error:  # the writer owns the use cases: an error goes to the caller's future
        if is_fatal(error):
            raise
        tx.rewind(mark)
        _say(tx.connection, "ROLLBACK TO SAVEPOINT use_case")
        _say(tx.connection, "RELEASE SAVEPOINT use_case")
        return None, error
    _say(tx.connection, "RELEASE SAVEPOINT use_case")
    return result, None


def _say(connection: Connection, words: str) -> None:
    driver = sqlite_driver(connection)
    if driver is not None:
        driver.execute(words)
    else:
        connection.exec_driver_sql(words)
