"""The unit of work on both engines: groups, savepoints, numbering, audit heads."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from tests.support.clocks import START, FixedClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.audit import AuditEntry, Head, Outcome, read_heads, verify
from tocsin.domain.store import FeedEntry
from tocsin.storage import schema, segment_days
from tocsin.storage.heads import HeadsFile
from tocsin.storage.store import AnyStore, make_store
from tocsin.storage.tables import metadata
from tocsin.storage.tables_alarms import counters
from tocsin.storage.uow import Announcement, Transaction

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # PostgreSQL syncs within its COMMIT


def _count(tx: Transaction, name: str) -> None:
    tx.connection.execute(insert(counters).values(name=name, value=1))
    tx.audit_entry(AuditEntry(START, "system", "test", "count", "counter", name))
    tx.announce(FeedEntry(START, "counter.changed", name, "3402", {"name": name}))


def _count_then_fail(tx: Transaction, name: str) -> None:
    _count(tx, name)
    raise TocsinError(ErrorCode.CONFLICT, "no")


def _names(tx: Transaction) -> list[str]:
    return sorted(tx.connection.execute(select(counters.c.name)).scalars())


async def test_a_use_case_returns_after_its_rows_audit_and_feed_are_committed(store: AnyStore) -> None:
    heard: list[Announcement] = []
    store.on_committed(heard.extend)
    await store.run(_count, "a")
    assert await store.read(_names) == ["a"]
    assert [(item.seq, item.type, item.data) for item in heard] == [(1, "counter.changed", b'{"name":"a"}')]
    assert (await store.read(lambda tx: tx.audit.head()))[0] == 1


async def test_a_failing_use_case_leaves_nothing_and_spares_its_neighbours(store: AnyStore) -> None:
    results = await asyncio.gather(
        store.run(_count, "a"), store.run(_count_then_fail, "b"), store.run(_count, "c"), return_exceptions=True
    )
    assert isinstance(results[1], TocsinError)
    assert await store.read(_names) == ["a", "c"]
    records = await store.read(lambda tx: list(tx.audit.all()))
    assert [record.subject_id for record in records] == ["a", "c"]


async def test_a_broken_statement_spares_its_neighbours(store: AnyStore) -> None:
    def _break(tx: Transaction) -> None:
        tx.connection.execute(text("SELECT nonsense FROM nowhere"))

    results = await asyncio.gather(
        store.run(_count, "a"), store.run(_break), store.run(_count, "c"), return_exceptions=True
    )
    assert isinstance(results[1], Exception)
    assert await store.read(_names) == ["a", "c"]


async def test_waiting_items_are_handled_as_one_set_and_a_bad_one_fails_alone(store: AnyStore) -> None:
    sets: list[int] = []

    def _handle(tx: Transaction, names: list[str]) -> list[Any]:
        sets.append(len(names))
        if "bad" in names:
            raise ValueError("bad")
        for name in names:
            _count(tx, name)
        return [name.upper() for name in names]

    store.batch("count", _handle)
    futures = [store.submit("count", name) for name in ("a", "bad", "c")]
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert results[0] == "A"
    assert isinstance(results[1], ValueError)
    assert results[2] == "C"
    assert await store.read(_names) == ["a", "c"]


async def test_audit_numbers_have_no_gaps_and_heads_bind_the_tail(store: AnyStore, heads_path: Path) -> None:
    await asyncio.gather(*(store.run(_count, f"n{n}") for n in range(40)))
    await store.refuse(AuditEntry(START, "user", "u", "open_view", "view", "v", outcome=Outcome.REFUSED))
    records = await store.read(lambda tx: list(tx.audit.all()))
    assert [record.seq for record in records] == list(range(1, 42))
    heads = list(read_heads(heads_path.read_text().splitlines(keepends=True)))
    assert heads[-1] == Head(41, records[-1].hash, confirmed=True)
    assert list(verify(records, heads)) == []


@ON_SQLITE
async def test_groups_are_answered_in_the_order_of_their_commits_while_later_ones_run(
    store: AnyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fdatasync, itertools.count()

    def _slower_at_first(handle: int) -> None:
        time.sleep(0.2 if next(calls) == 0 else 0.01)
        real(handle)

    monkeypatch.setattr(os, "fdatasync", _slower_at_first)
    answered: list[str] = []
    heard: list[Announcement] = []
    store.on_committed(heard.extend)

    async def _say(name: str) -> None:
        await store.run(_count, name)
        answered.append(name)

    tasks = []
    for name in ("a", "b", "c"):
        tasks.append(asyncio.create_task(_say(name)))
        await asyncio.sleep(0.03)
    assert answered == []  # b and c were on the disk before a, and wait for it
    assert await store.read(_names) == ["a", "b", "c"]
    await asyncio.gather(*tasks)
    assert answered == ["a", "b", "c"]
    assert [item.seq for item in heard] == [1, 2, 3]


@ON_SQLITE
async def test_a_log_that_cannot_be_synced_answers_nobody_until_it_has_been_copied(
    store: AnyStore, heads_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fdatasync
    await store.run(_count, "a")

    def _fail(handle: int) -> None:
        if os.readlink(f"/proc/self/fd/{handle}").endswith("-wal"):
            raise OSError(errno.EIO, "Input/output error")
        real(handle)

    monkeypatch.setattr(os, "fdatasync", _fail)
    results = await asyncio.gather(store.run(_count, "b"), store.run(_count, "c"), return_exceptions=True)
    assert [getattr(result, "code", None) for result in results] == [ErrorCode.UNAVAILABLE, ErrorCode.UNAVAILABLE]
    assert not store.health.is_ok
    monkeypatch.setattr(os, "fdatasync", real)
    await store.run(_count, "d")
    assert store.health.is_ok
    records = await store.read(lambda tx: list(tx.audit.all()))
    assert [record.subject_id for record in records] == ["a", "b", "c", "d"]  # unanswered, not undone
    assert list(verify(records, read_heads(heads_path.read_text().splitlines(keepends=True)))) == []


async def test_a_read_sees_one_snapshot_and_cannot_write(store: AnyStore) -> None:
    with pytest.raises(Exception, match="read"):
        await store.read(_count, "a")
    assert await store.read(_names) == []


async def test_the_feed_keeps_the_order_of_commits_and_can_be_read_again(store: AnyStore) -> None:
    heard: list[Announcement] = []
    store.on_committed(heard.extend)
    await asyncio.gather(*(store.run(_count, f"n{n}") for n in range(30)))
    assert [item.seq for item in heard] == list(range(1, 31))
    assert await store.read(lambda tx: tx.outbox.after(10, 5)) == heard[10:15]


async def test_a_database_newer_than_the_code_is_refused(
    database_url: str, clock: FixedClock, heads_path: Path
) -> None:
    store = make_store(database_url, clock, HeadsFile(heads_path))
    await store.start()
    await store.run(lambda tx: tx.connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    await store.stop()
    with pytest.raises(TocsinError, match="newer") as caught:
        await asyncio.to_thread(schema.prepare, database_url)
    assert caught.value.code is ErrorCode.UNAVAILABLE


async def test_the_migrations_give_the_schema_of_the_document(store: AnyStore) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def _differences(tx: Transaction) -> list[Any]:
        def _is_ours(thing: Any, _name: str | None, kind: str, is_found: bool, _other: Any) -> bool:
            table = thing.name if kind == "table" else getattr(getattr(thing, "table", None), "name", "")
            return not (is_found and segment_days.is_partition(str(table)))

        context = MigrationContext.configure(tx.connection, opts={"include_object": _is_ours})
        return list(compare_metadata(context, metadata))

    assert await store.read(_differences) == []
