"""What the domain asks of storage: one transaction per use case, committed in groups; facts recorded with the act."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from tocsin.domain.audit import AuditEntry

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One change to tell the consoles that may see it. `data` is the object as the API shows it.

    Within one use case a later entry of the same `type` and `subject_id` takes the place of an earlier one.
    """

    at: datetime
    type: str
    subject_id: str
    jurisdiction_code: str
    data: Mapping[str, object]
    permission: str = "read_incidents"


class Fact(Protocol):
    """Something that happened: what the audit keeps and what the consoles hear of it."""

    def audit(self) -> AuditEntry | None:
        """Return the audit entry; None for a change that is nobody's act (a keepalive state)."""

    def feed(self) -> Sequence[FeedEntry]:
        """Return what the consoles hear."""


class Recorder(Protocol):
    """The part of a transaction every use case has: it writes proof and announcements beside the rows."""

    def record(self, fact: Fact) -> None:
        """Write a fact to audit and outbox in this transaction."""

    def record_many(self, facts: Iterable[Fact]) -> None:
        """Write facts in order."""

    def audit_entry(self, entry: AuditEntry) -> None:
        """Write an audit entry alone."""

    def announce(self, entry: FeedEntry) -> None:
        """Write a feed entry alone."""


class Store(Protocol):
    """Runs use cases. `Any` stands for the storage's own Transaction, which carries the repositories."""

    async def run(self, work: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(tx, ...)` in a savepoint of the current group; return its result once the group is on disk.

        Errors: whatever `work` raised (nothing of it is kept); UNAVAILABLE when the group could not be committed.
        """

    async def read(self, work: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(tx, ...)` on a read-only connection."""

    def batch(self, name: str, handler: Callable[[Any, Sequence[Any]], Sequence[Any]]) -> None:
        """Register a set-based use case: all items waiting under `name` are handled together, once a group.

        The handler returns one result, or one exception instance, per item. If it raises, each item is handled alone.
        """

    def submit(self, name: str, item: Any) -> asyncio.Future[Any]:
        """Hand an item to the set-based use case `name`; the future resolves once the group is on disk."""

    async def refuse(self, entry: AuditEntry) -> None:
        """Commit the record of a refusal in a transaction of its own."""
