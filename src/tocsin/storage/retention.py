"""Policies, holds, deletions under way, tombstones and read leases as rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.holds import Hold
from tocsin.domain.retention import Policy
from tocsin.domain.segments import Span
from tocsin.domain.tombstones import Tombstone
from tocsin.storage.clips import ClipRepository
from tocsin.storage.places import stale
from tocsin.storage.scope import within
from tocsin.storage.tables_retention import (
    deletions,
    hold_cameras,
    read_leases,
    recording_holds,
    retention_policies,
    tombstones,
)

LEASES_KEPT: Final = timedelta(days=2)
_h = recording_holds.c


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion between its two commits."""

    no: int
    stream_no: int
    from_ms: int
    to_ms: int
    reason: str
    policy_id: str
    policy_version: int
    basis: str


class RetentionRepository:
    """What decides about recordings, and what is left of those that are gone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- policies ---

    def policies(self) -> list[Policy]:
        """Return every policy, by name."""
        rows = self._connection.execute(select(retention_policies).order_by(retention_policies.c.name))
        return [_policy(row) for row in rows]

    def policy(self, policy_id: str) -> Policy:
        """Return one policy. Errors: NOT_FOUND."""
        row = self._connection.execute(
            select(retention_policies).where(retention_policies.c.id == policy_id)
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no policy {policy_id}")
        return _policy(row)

    def add_policy(self, policy: Policy) -> None:
        """Add a policy."""
        self._connection.execute(insert(retention_policies).values(id=policy.id, version=1, **_policy_values(policy)))

    def save_policy(self, policy: Policy) -> Policy:
        """Write a changed policy over the version it was read at. Errors: CONFLICT."""
        saved = replace(policy, version=policy.version + 1)
        done = self._connection.execute(
            update(retention_policies)
            .where(retention_policies.c.id == policy.id, retention_policies.c.version == policy.version)
            .values(version=saved.version, **_policy_values(saved))
        )
        if done.rowcount != 1:
            raise stale("policy", policy.id)
        return saved

    def remove_policy(self, policy_id: str) -> None:
        """Delete a policy."""
        self._connection.execute(delete(retention_policies).where(retention_policies.c.id == policy_id))

    # --- holds ---

    def holds(self, *, visible_to: Scope, active_at: datetime | None) -> list[Hold]:
        """Return holds, newest first; with `active_at` only those that keep something then."""
        asked = select(recording_holds).where(within(_h.jurisdiction_code, visible_to))
        if active_at is not None:
            asked = asked.where(_h.released_at_us.is_(None), _h.ends_at_us > to_us(active_at))
        return self._with_cameras(self._connection.execute(asked.order_by(_h.id.desc()).limit(1_000)).all())

    def hold(self, hold_id: str, *, visible_to: Scope) -> Hold:
        """Return one hold. Errors: NOT_FOUND."""
        rows = self._connection.execute(
            select(recording_holds).where(_h.id == hold_id, within(_h.jurisdiction_code, visible_to))
        ).all()
        if not rows:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no hold {hold_id}")
        return self._with_cameras(rows)[0]

    def holds_to_release(self, now: datetime) -> list[Hold]:
        """Return holds whose end has come and that are not released yet."""
        rows = self._connection.execute(
            select(recording_holds)
            .where(_h.released_at_us.is_(None), _h.ends_at_us <= to_us(now))
            .order_by(_h.id)
            .limit(200)
        ).all()
        return self._with_cameras(rows)

    def held_spans(self, now: datetime) -> dict[str, list[Span]]:
        """Return the ranges that holds or alarm clips keep now, by channel, sorted and joined."""
        rows = self._connection.execute(
            select(hold_cameras.c.channel_id, _h.from_ms, _h.to_ms)
            .join(recording_holds, _h.id == hold_cameras.c.hold_id)
            .where(_h.released_at_us.is_(None), _h.ends_at_us > to_us(now))
        )
        kept = [(row.channel_id, row.from_ms, row.to_ms) for row in rows]
        found: dict[str, list[Span]] = {}
        for channel_id, from_ms, to_ms in sorted(kept + ClipRepository(self._connection).protected()):
            spans = found.setdefault(channel_id, [])
            if spans and from_ms <= spans[-1].to_ms:
                spans[-1] = Span(spans[-1].from_ms, max(spans[-1].to_ms, to_ms))
            else:
                spans.append(Span(from_ms, to_ms))
        return found

    def holds_of(self, channel_ids: Collection[str], from_ms: int, to_ms: int, now: datetime) -> list[Hold]:
        """Return active holds of some cameras that touch a range: for a timeline."""
        ids = (
            select(hold_cameras.c.hold_id)
            .where(hold_cameras.c.channel_id.in_(sorted(channel_ids)))
            .distinct()
            .scalar_subquery()
        )
        rows = self._connection.execute(
            select(recording_holds)
            .where(
                _h.id.in_(ids),
                _h.released_at_us.is_(None),
                _h.ends_at_us > to_us(now),
                _h.from_ms < to_ms,
                _h.to_ms > from_ms,
            )
            .order_by(_h.from_ms)
        ).all()
        return self._with_cameras(rows)

    def add_hold(self, hold: Hold) -> None:
        """Add a hold."""
        self._connection.execute(
            insert(recording_holds).values(
                id=hold.id,
                jurisdiction_code=hold.jurisdiction_code,
                from_ms=_ms(hold.from_at),
                to_ms=_ms(hold.to_at),
                reason=hold.reason,
                request_id=hold.request_id,
                set_by=hold.set_by,
                set_at_us=to_us(hold.set_at),
                ends_at_us=to_us(hold.ends_at),
            )
        )
        self._connection.execute(
            insert(hold_cameras), [{"hold_id": hold.id, "channel_id": one} for one in hold.channel_ids]
        )

    def end_hold(
        self,
        hold: Hold,
        *,
        ends_at: datetime | None = None,
        released_at: datetime | None = None,
        release_reason: str = "",
    ) -> Hold:
        """Write another end of a hold, or that it is released. Errors: CONFLICT when it has changed since."""
        saved = replace(
            hold,
            ends_at=ends_at or hold.ends_at,
            released_at=released_at,
            release_reason=release_reason,
            version=hold.version + 1,
        )
        done = self._connection.execute(
            update(recording_holds)
            .where(_h.id == hold.id, _h.version == hold.version)
            .values(
                ends_at_us=to_us(saved.ends_at),
                released_at_us=optional_us(saved.released_at),
                release_reason=release_reason,
                version=saved.version,
            )
        )
        if done.rowcount != 1:
            raise stale("hold", hold.id)
        return saved

    def _with_cameras(self, rows: Sequence[Any]) -> list[Hold]:
        cameras: dict[str, list[str]] = {row.id: [] for row in rows}
        ids = sorted(cameras)
        for at in range(0, len(ids), 500):
            for row in self._connection.execute(
                select(hold_cameras)
                .where(hold_cameras.c.hold_id.in_(ids[at : at + 500]))
                .order_by(hold_cameras.c.channel_id)
            ):
                cameras[row.hold_id].append(row.channel_id)
        return [_hold(row, tuple(cameras[row.id])) for row in rows]

    # --- deletions under way ---

    def begin_deletion(
        self,
        stream_no: int,
        from_ms: int,
        to_ms: int,
        reason: str,
        *,
        policy_id: str,
        policy_version: int,
        basis: str,
    ) -> Deletion:
        """Write that a deletion has begun: of segments that begin from one time to another, both included."""
        no = self._connection.execute(
            insert(deletions)
            .values(
                stream_no=stream_no,
                from_ms=from_ms,
                to_ms=to_ms,
                reason=reason,
                policy_id=policy_id,
                policy_version=policy_version,
                basis=basis,
            )
            .returning(deletions.c.no)
        ).scalar_one()
        return Deletion(int(no), stream_no, from_ms, to_ms, reason, policy_id, policy_version, basis)

    def deletions(self) -> list[Deletion]:
        """Return the deletions that are under way, in the order they began."""
        rows = self._connection.execute(select(deletions).order_by(deletions.c.no))
        return [
            Deletion(
                row.no,
                row.stream_no,
                row.from_ms,
                row.to_ms,
                row.reason,
                row.policy_id,
                row.policy_version,
                row.basis,
            )
            for row in rows
        ]

    def end_deletion(self, no: int) -> None:
        """Write that a deletion is over."""
        self._connection.execute(delete(deletions).where(deletions.c.no == no))

    # --- tombstones ---

    def next_tombstone(self) -> int:
        """Return the number of the next tombstone."""
        return int(self._connection.execute(select(func.max(tombstones.c.no))).scalar() or 0) + 1

    def add_tombstone(self, stone: Tombstone) -> None:
        """Add a tombstone."""
        self._connection.execute(
            insert(tombstones).values(**{column.name: getattr(stone, column.name) for column in tombstones.c})
        )

    def tombstones(
        self,
        *,
        visible_to: Scope,
        channel_id: str = "",
        from_ms: int | None = None,
        to_ms: int | None = None,
        before_no: int | None = None,
        limit: int = 100,
    ) -> list[Tombstone]:
        """Return tombstones, newest first."""
        t = tombstones.c
        asked = select(tombstones).where(within(t.jurisdiction_code, visible_to)).order_by(t.no.desc()).limit(limit)
        if channel_id:
            asked = asked.where(t.channel_id == channel_id)
        if from_ms is not None:
            asked = asked.where(t.to_ms > from_ms)
        if to_ms is not None:
            asked = asked.where(t.from_ms < to_ms)
        if before_no is not None:
            asked = asked.where(t.no < before_no)
        return [_tombstone(row) for row in self._connection.execute(asked)]

    def tombstones_of(
        self, channel_ids: Collection[str], from_ms: int, to_ms: int
    ) -> dict[tuple[str, str], list[Tombstone]]:
        """Return the tombstones of some cameras that touch a range, newest first, by channel and stream."""
        t, found, wanted = tombstones.c, defaultdict(list), sorted(channel_ids)
        for at in range(0, len(wanted), 500):
            asked = select(tombstones).where(
                t.channel_id.in_(wanted[at : at + 500]), t.to_ms > from_ms, t.from_ms < to_ms
            )
            for row in self._connection.execute(asked.order_by(t.no.desc())):
                found[row.channel_id, row.stream].append(_tombstone(row))
        return found

    def all_tombstones(self, chunk: int = 5_000) -> Iterator[Tombstone]:
        """Yield every tombstone in the order of its number, a chunk at a time."""
        after = 0
        while True:
            rows = self._connection.execute(
                select(tombstones).where(tombstones.c.no > after).order_by(tombstones.c.no).limit(chunk)
            ).all()
            if not rows:
                return
            yield from map(_tombstone, rows)
            after = rows[-1].no

    # --- leases of those who read ---

    def take_lease(self, stream_no: int, from_ms: int, to_ms: int, until: datetime) -> str:
        """Write that a range of a stream is being read; return the id of the lease."""
        lease_id = new_id()
        self._connection.execute(
            insert(read_leases).values(
                id=lease_id, stream_no=stream_no, from_ms=from_ms, to_ms=to_ms, until_us=to_us(until)
            )
        )
        return lease_id

    def end_lease(self, lease_id: str) -> None:
        """Write that reading has ended."""
        self._connection.execute(delete(read_leases).where(read_leases.c.id == lease_id))

    def leased_spans(self, stream_no: int, before_ms: int, now: datetime) -> list[Span]:
        """Return the ranges beginning before a time that a deletion passes over now. Each lease is honoured once: one
        that follows on another which was honoured does not count.
        """
        rows = self._connection.execute(
            select(read_leases).where(read_leases.c.stream_no == stream_no, read_leases.c.from_ms < before_ms)
        ).all()
        now_us = to_us(now)
        spent = [row for row in rows if row.is_honoured and row.until_us <= now_us]
        honoured = [
            row
            for row in rows
            if row.until_us > now_us and not any(one.from_ms < row.to_ms and row.from_ms < one.to_ms for one in spent)
        ]
        fresh = [row.id for row in honoured if not row.is_honoured]
        if fresh:
            self._connection.execute(update(read_leases).where(read_leases.c.id.in_(fresh)).values(is_honoured=True))
        return sorted(Span(row.from_ms, row.to_ms) for row in honoured)

    def trim_leases(self, now: datetime) -> int:
        """Delete leases that ended days ago; return how many."""
        old = read_leases.c.until_us < to_us(now - LEASES_KEPT)
        return int(self._connection.execute(delete(read_leases).where(old)).rowcount)


def _ms(moment: datetime) -> int:
    return to_us(moment) // 1000


def _policy_values(policy: Policy) -> dict[str, Any]:
    assert policy.changed_at is not None
    return {
        "name": policy.name,
        "jurisdiction_code": policy.jurisdiction_code,
        "place_class": policy.place_class,
        "min_days": policy.min_days,
        "max_days": policy.max_days,
        "basis": policy.basis,
        "hot_days": policy.hot_days,
        "changed_at_us": to_us(policy.changed_at),
    }


def _policy(row: Any) -> Policy:
    return Policy(
        row.id,
        row.name,
        row.min_days,
        row.basis,
        row.max_days,
        row.jurisdiction_code,
        row.place_class,
        from_us(row.changed_at_us),
        row.version,
        row.hot_days,
    )


def _hold(row: Any, channel_ids: tuple[str, ...]) -> Hold:
    return Hold(
        row.id,
        channel_ids,
        row.jurisdiction_code,
        from_us(row.from_ms * 1000),
        from_us(row.to_ms * 1000),
        row.reason,
        row.request_id,
        row.set_by,
        from_us(row.set_at_us),
        from_us(row.ends_at_us),
        optional_from_us(row.released_at_us),
        row.release_reason,
        row.version,
    )


def _tombstone(row: Any) -> Tombstone:
    return Tombstone(**{column.name: getattr(row, column.name) for column in tombstones.c})
