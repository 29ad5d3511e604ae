"""Marks of messages as rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, tuple_

from tocsin.base.times import to_us
from tocsin.storage.tables_messages import message_marks

CHUNK = 200
Key = tuple[str, str]


class MarkRepository:
    """What was taken before."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def known(self, wanted: Collection[Key]) -> dict[Key, str]:
        """Return the signals of those marks that are kept."""
        found: dict[Key, str] = {}
        table, listed = message_marks.c, sorted(wanted)
        for start in range(0, len(listed), CHUNK):
            query = select(table.device_id, table.mark, table.signal_id).where(
                tuple_(table.device_id, table.mark).in_(listed[start : start + CHUNK])
            )
            found.update(((row.device_id, row.mark), row.signal_id) for row in self._connection.execute(query))
        return found

    def keep(self, rows: Mapping[Key, str], now: datetime) -> None:
        """Keep marks of signals; one that was there already now names the newer signal."""
        if not rows:
            return
        table, listed = message_marks.c, sorted(rows)
        for start in range(0, len(listed), CHUNK):
            chunk = listed[start : start + CHUNK]
            self._connection.execute(delete(message_marks).where(tuple_(table.device_id, table.mark).in_(chunk)))
        self._connection.execute(
            insert(message_marks),
            [
                {"device_id": device_id, "mark": mark, "signal_id": signal_id, "at_us": to_us(now)}
                for (device_id, mark), signal_id in rows.items()
            ],
        )

    def forget_before(self, moment: datetime) -> None:
        """Delete what is older."""
        self._connection.execute(delete(message_marks).where(message_marks.c.at_us < to_us(moment)))
