"""Notices as rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update

from tocsin.base.times import from_us, optional_from_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.notices import Notice
from tocsin.storage.scope import within
from tocsin.storage.tables_proof import notices

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Any])


class NoticeRepository:
    """What the control room must know about the system itself."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open(self, *, visible_to: Scope) -> list[Notice]:
        """Return what is raised, newest first; what has no jurisdiction is the house's own."""
        rows = self._connection.execute(
            select(notices)
            .where(notices.c.cleared_at_us.is_(None), within(notices.c.jurisdiction_code, visible_to))
            .order_by(notices.c.id.desc())
            .limit(500)
        )
        return [_notice(row) for row in rows]

    def open_of(self, keys: Collection[str], raised_before: datetime) -> list[Notice]:
        """Return the notices of these keys that are raised since before a time."""
        rows = self._connection.execute(
            select(notices).where(
                notices.c.key.in_(sorted(keys)),
                notices.c.since_us < to_us(raised_before),
                notices.c.cleared_at_us.is_(None),
            )
        )
        return [_notice(row) for row in rows]

    def find(self, key: str, subject_id: str) -> Notice | None:
        """Return the notice of that key and subject, if it is raised."""
        row = self._connection.execute(
            select(notices).where(
                notices.c.key == key, notices.c.subject_id == subject_id, notices.c.cleared_at_us.is_(None)
            )
        ).first()
        return None if row is None else _notice(row)

    def add(self, notice: Notice) -> None:
        """Add a notice."""
        self._connection.execute(
            insert(notices).values(
                id=notice.id,
                key=notice.key,
                subject_id=notice.subject_id,
                jurisdiction_code=notice.jurisdiction_code,
                severity=notice.severity,
                params=_encode(notice.params).decode(),
                since_us=to_us(notice.since),
            )
        )

    def clear(self, notice: Notice, at: datetime) -> Notice:
        """Clear a notice; return it."""
        self._connection.execute(update(notices).where(notices.c.id == notice.id).values(cleared_at_us=to_us(at)))
        return replace(notice, cleared_at=at)

    def trim(self, cleared_before: datetime) -> int:
        """Delete notices cleared before a time; return how many went."""
        return self._connection.execute(delete(notices).where(notices.c.cleared_at_us < to_us(cleared_before))).rowcount


def _notice(row: Row[Any]) -> Notice:
    return Notice(
        row.id,
        row.key,
        row.severity,
        from_us(row.since_us),
        row.subject_id,
        row.jurisdiction_code,
        _object.decode(row.params),
        optional_from_us(row.cleared_at_us),
    )
