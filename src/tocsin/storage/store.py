"""The store: use cases in, groups committed, futures resolved, the feed told.

SQLite is written by one thread, PostgreSQL by one task on the loop; both run the same groups.

Group commit without a timer: what queued while the last commit ran is the next group.
"""

from __future__ import annotations

import asyncio
import errno
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection, Engine, update
from sqlalchemy.exc import DBAPIError

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.audit import AuditEntry
from tocsin.storage import engine as engines
from tocsin.storage.group import GroupResult, Handler, Job, Outcome, is_fatal, run_group
from tocsin.storage.heads import HeadsFile
from tocsin.storage.tables_proof import chain
from tocsin.storage.uow import Announcement, Transaction
from tocsin.storage.wal import Flight, Flights, LogSync

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger(__name__)

GROUP_CAP = 2_000
PROBE_S = 1.0
CHECKPOINT_BYTES = 8 * 1024 * 1024
RESTART_BYTES = 64 * 1024 * 1024
CHECKPOINT_S = 1.0
PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """Whether commits succeed; `reason` is the database's or the disk's own word."""

    is_ok: bool = True
    reason: str = ""


class BaseStore(ABC):
    """What both stores share: jobs, handlers, listeners and health."""

    def __init__(self, clock: Clock, heads: HeadsFile, *, group_cap: int = GROUP_CAP) -> None:
        self._clock = clock
        self._heads = heads
        self._cap = group_cap
        self._handlers: dict[str, Handler] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: list[Callable[[Sequence[Announcement]], None]] = []
        self._health_listeners: list[Callable[[StoreHealth], None]] = []
        self.health = StoreHealth()
        self.groups = 0
        self.committed = 0

    def batch(self, name: str, handler: Handler) -> None:
        """Register a set-based use case."""
        self._handlers[name] = handler

    def on_committed(self, listener: Callable[[Sequence[Announcement]], None]) -> None:
        """Call `listener` on the loop with the announcements of each committed group, in order."""
        self._listeners.append(listener)

    def on_health(self, listener: Callable[[StoreHealth], None]) -> None:
        """Call `listener` on the loop when commits begin to fail or succeed again."""
        self._health_listeners.append(listener)

    async def run(self, work: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a use case in the next group; return once it is on disk."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._put(Job(future, work, args, kwargs))
        return await future

    def submit(self, name: str, item: Any) -> asyncio.Future[Any]:
        """Hand an item to a set-based use case; the future resolves once it is on disk."""
        loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._put(Job(future, None, (item,), name=name))
        return future

    async def refuse(self, entry: AuditEntry) -> None:
        """Commit the record of a refusal."""
        await self.run(_refuse, entry)

    @abstractmethod
    def _put(self, job: Job) -> None:
        """Queue a job for the next group."""

    def _deliver(self, outcomes: Sequence[Outcome], announcements: Sequence[Announcement]) -> None:
        self._note_health(StoreHealth())
        for outcome in outcomes:
            if outcome.future.done():
                continue
            if outcome.error is not None:
                outcome.future.set_exception(outcome.error)
            else:
                outcome.future.set_result(outcome.result)
        if announcements:
            for listener in self._listeners:
                listener(announcements)

    def _fail(self, jobs: Sequence[Job], error: BaseException) -> None:
        self._note_health(StoreHealth(False, _reason(error)))
        for job in jobs:
            if not job.future.done():
                job.future.set_exception(
                    TocsinError(ErrorCode.UNAVAILABLE, f"the store could not commit: {error}", key="store.failing")
                )

    def _note_health(self, health: StoreHealth) -> None:
        if health == self.health:
            return
        self.health = health
        if health.is_ok:
            log.info("store recovered")
        else:
            log.error("store failing", reason=health.reason)
        for listener in self._health_listeners:
            listener(health)


def _refuse(tx: Transaction, entry: AuditEntry) -> None:
    tx.audit_entry(entry)


def _probe(connection: Connection) -> None:
    connection.execute(update(chain).where(chain.c.id == 1).values(id=1))


def _reason(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error)


class SqliteStore(BaseStore):
    """SQLite in WAL, every group synced before it is answered: one writer thread, readers from a pool."""

    def __init__(self, url: str, clock: Clock, heads: HeadsFile, *, group_cap: int = GROUP_CAP) -> None:
        super().__init__(clock, heads, group_cap=group_cap)
        self._url = url
        self._writer: Engine = engines.sqlite_writer(url)
        self._readers: Engine = engines.sqlite_reader(url)
        self._wal = engines.sqlite_path(url).with_name(engines.sqlite_path(url).name + "-wal")
        self._log = LogSync(self._wal)
        self._flights = Flights(self._settle)
        self._is_log_in_doubt = False
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._read_threads = ThreadPoolExecutor(max_workers=engines.READERS, thread_name_prefix="store-read")
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._checkpointer: threading.Thread | None = None
        self._restart_wal = threading.Event()

    async def start(self) -> None:
        """Start the writer."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._write_groups, name="store-writer", daemon=True)
        self._thread.start()
        self._checkpointer = threading.Thread(target=self._checkpoint, name="store-checkpoint", daemon=True)
        self._checkpointer.start()

    async def stop(self) -> None:
        """Commit what is queued and close."""
        self._stopping.set()
        self._queue.put(None)
        for thread in (self._thread, self._checkpointer):
            if thread is not None:
                await asyncio.to_thread(thread.join)
        await asyncio.sleep(0)
        self._read_threads.shutdown(wait=True)
        self._writer.dispose()
        self._readers.dispose()
        self._log.close()
        self._heads.close()

    async def read(self, work: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a read on a snapshot of its own."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._read_threads, self._read, work, args, kwargs)

    def _read(self, work: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        with self._readers.connect() as connection, connection.begin() as transaction:
            try:
                return work(Transaction(connection, self._clock.now(), read_only=True), *args, **kwargs)
            finally:
                transaction.rollback()

    def _put(self, job: Job) -> None:
        if self._stopping.is_set():
            raise TocsinError(ErrorCode.UNAVAILABLE, "the store is stopping")
        self._queue.put(job)

    # --- writer thread ---

    def _write_groups(self) -> None:
        connection = self._writer.connect()
        try:
            while True:
                jobs, is_last = self._next_group()
                if jobs:
                    self._commit(connection, jobs)
                elif not is_last and not self.health.is_ok:
                    self._commit(connection, [])
                if is_last:
                    return
                self._flights.wait_for_room()
                if self._restart_wal.is_set():
                    self._restart(connection)
        finally:
            self._flights.wait_for_all()
            connection.close()

    def _next_group(self) -> tuple[list[Job], bool]:
        try:
            first = self._queue.get(timeout=None if self.health.is_ok else PROBE_S)
        except queue.Empty:
            return [], False
        if first is None:
            return [], True
        jobs = [first]
        try:
            while len(jobs) < self._cap:
                job = self._queue.get_nowait()
                if job is None:
                    return jobs, True
                jobs.append(job)
        except queue.Empty:
            pass
        return jobs, False

    def _commit(self, connection: Connection, jobs: list[Job]) -> None:
        synced: Future[None] | None = None
        try:
            if self._is_log_in_doubt:
                self._copy_log(connection)
            with connection.begin():
                if jobs:
                    result = run_group(connection, jobs, self._handlers, self._clock.now())
                else:
                    _probe(connection)
                    result = GroupResult([], None, [])
                if result.head is not None:
                    synced = self._heads.append(*result.head)
            flight = Flight(jobs, result, self._log.start(), synced)
        except Exception as error:  # the database or the disk failed: nobody is answered, everybody may retry
            if connection.in_transaction():
                connection.rollback()
            self._flights.wait_for_all()
            self._tell_failure(jobs, error)
            self._stopping.wait(0.05)  # a failing disk must not be hammered
            return
        self._flights.add(flight)

    def _settle(self, flight: Flight) -> None:
        """Answer a group whose syncs have ended. A log that could not be synced takes all that follow it down."""
        assert self._loop is not None
        error = flight.error
        if flight.log.exception() is not None:
            self._is_log_in_doubt = True
        elif self._is_log_in_doubt:
            error = OSError(errno.EIO, "the log before it could not be synced")
        if error is not None:
            self._tell_failure(flight.jobs, error)
            return
        if flight.result.head is not None:
            self._heads.confirm(flight.result.head[0])
        self.groups += 1
        self.committed += len(flight.jobs)
        self._loop.call_soon_threadsafe(self._deliver, flight.result.outcomes, flight.result.announcements)

    def _tell_failure(self, jobs: Sequence[Job], error: BaseException) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._fail, jobs, error)

    def _copy_log(self, connection: Connection) -> None:
        """Bring everything committed into the database file, after a sync of the log failed.

        Linux reports such an error once and then takes the pages for written: syncing again would prove nothing.
        """
        self._flights.wait_for_all()
        raw: Any = connection.connection.dbapi_connection
        busy, _, _ = raw.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        if busy:
            raise OSError(errno.EIO, "the log could not be synced, and is read by somebody")
        self._is_log_in_doubt = False

    def _restart(self, connection: Connection) -> None:
        """Begin the WAL anew, now that the checkpointer has copied nearly all of it."""
        self._restart_wal.clear()
        raw: Any = connection.connection.dbapi_connection
        raw.execute("PRAGMA busy_timeout=20")
        raw.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        raw.execute("PRAGMA busy_timeout=10000")

    # --- checkpoint thread ---

    def _checkpoint(self) -> None:
        """Copy the WAL into the database beside the writer, so that no commit waits for it."""
        checkpointed = self._readers.raw_connection()
        try:
            raw: Any = checkpointed.dbapi_connection
            raw.execute("PRAGMA query_only=OFF")
            copied_groups = self.groups
            while not self._stopping.wait(CHECKPOINT_S):
                try:
                    # The file never shrinks: its size says only that there may be enough to copy.
                    if self.groups == copied_groups or self._wal.stat().st_size <= CHECKPOINT_BYTES:
                        continue
                    copied_groups = self.groups
                    _, frames, _ = raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                    if frames * PAGE_BYTES > RESTART_BYTES:
                        self._restart_wal.set()
                except Exception as error:  # owner of this thread: a checkpoint that fails is tried again
                    log.warning("checkpoint failed", reason=_reason(error))
            raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            checkpointed.invalidate()


class PostgresqlStore(BaseStore):
    """PostgreSQL over asyncpg: the same synchronous use cases through `run_sync`, the same groups."""

    def __init__(self, url: str, clock: Clock, heads: HeadsFile, *, group_cap: int = GROUP_CAP) -> None:
        super().__init__(clock, heads, group_cap=group_cap)
        self._engine: AsyncEngine = engines.postgresql_engine(url, engines.READERS + 1)
        self._queue: asyncio.Queue[Job | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Start the writer."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._write_groups(), name="store-writer")

    async def stop(self) -> None:
        """Commit what is queued and close."""
        self._stopping = True
        self._queue.put_nowait(None)
        if self._task is not None:
            await self._task
        await self._engine.dispose()
        self._heads.close()

    async def read(self, work: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a read on a snapshot of its own."""

        def _work(connection: Connection) -> T:
            return work(Transaction(connection, self._clock.now(), read_only=True), *args, **kwargs)

        is_connected = False
        try:
            async with self._engine.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                is_connected = True
                return await connection.run_sync(_work)
        except (DBAPIError, OSError) as error:
            if is_connected and not is_fatal(error):
                raise
            raise TocsinError(
                ErrorCode.UNAVAILABLE, f"the database cannot be read: {_reason(error)}", key="store.failing"
            ) from error

    async def sweep(self, table: str) -> None:
        """Mark the rows of a table as seen by everybody and count them for the planner; readers and writers go on.

        Errors: UNAVAILABLE.
        """
        try:
            async with self._engine.connect() as connection:
                alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
                await alone.exec_driver_sql(f"VACUUM (FREEZE, ANALYZE) {table}")
        except (DBAPIError, OSError) as error:
            detail = f"the table {table} cannot be swept: {_reason(error)}"
            raise TocsinError(ErrorCode.UNAVAILABLE, detail, key="store.failing") from error

    def _put(self, job: Job) -> None:
        if self._stopping:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the store is stopping")
        self._queue.put_nowait(job)

    async def _write_groups(self) -> None:
        is_last = False
        while not is_last:
            jobs, is_last = await self._next_group()
            if jobs or (not is_last and not self.health.is_ok):
                await self._commit(jobs)

    async def _next_group(self) -> tuple[list[Job], bool]:
        try:
            first = await asyncio.wait_for(self._queue.get(), None if self.health.is_ok else PROBE_S)
        except TimeoutError:
            return [], False
        if first is None:
            return [], True
        jobs = [first]
        while len(jobs) < self._cap and not self._queue.empty():
            job = self._queue.get_nowait()
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False

    async def _commit(self, jobs: list[Job]) -> None:
        try:
            async with self._engine.connect() as connection:
                if jobs:
                    result = await connection.run_sync(run_group, jobs, self._handlers, self._clock.now())
                else:
                    await connection.run_sync(_probe)
                    result = GroupResult([], None, [])
                synced = None if result.head is None else self._heads.append(*result.head)
                await connection.commit()
                if synced is not None:
                    await asyncio.wrap_future(synced)
        except Exception as error:  # the database or the disk failed: nobody is answered, everybody may retry
            self._fail(jobs, error)
            await asyncio.sleep(0.05)
            return
        if result.head is not None:
            self._heads.confirm(result.head[0])
        self.groups += 1
        self.committed += len(jobs)
        self._deliver(result.outcomes, result.announcements)


AnyStore = SqliteStore | PostgresqlStore


def make_store(url: str, clock: Clock, heads: HeadsFile, *, group_cap: int = GROUP_CAP) -> AnyStore:
    """Return the store of a database URL (`sqlite:///file` or `postgresql://...`)."""
    if engines.is_sqlite(url):
        return SqliteStore(url, clock, heads, group_cap=group_cap)
    return PostgresqlStore(url, clock, heads, group_cap=group_cap)
