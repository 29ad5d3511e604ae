"""The outbox: committed changes in the order of the feed."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, select

from tocsin.storage.tables_proof import chain, outbox
from tocsin.storage.uow import Announcement


class OutboxRepository:
    """What the feed has said, kept for those who come back."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def head(self) -> int:
        """Return the `seq` of the newest change."""
        return int(self._connection.execute(select(chain.c.feed_seq).where(chain.c.id == 1)).scalar_one())

    def oldest(self) -> int:
        """Return the `seq` of the oldest change still kept; one past the newest when nothing is kept."""
        oldest = self._connection.execute(select(func.min(outbox.c.seq))).scalar()
        return self.head() + 1 if oldest is None else int(oldest)

    def after(self, seq: int, limit: int) -> list[Announcement]:
        """Return up to `limit` changes after `seq`, in order."""
        rows = self._connection.execute(select(outbox).where(outbox.c.seq > seq).order_by(outbox.c.seq).limit(limit))
        return [
            Announcement(row.seq, row.at_us, row.type, row.subject_id, row.jurisdiction_code, row.permission, row.data)
            for row in rows
        ]

    def trim(self, before_us: int, limit: int = 5_000) -> int:
        """Delete up to `limit` changes older than a time; return how many went."""
        last = self._connection.execute(
            select(outbox.c.seq).where(outbox.c.at_us < before_us).order_by(outbox.c.seq).limit(limit)
        ).all()
        if not last:
            return 0
        result = self._connection.execute(delete(outbox).where(outbox.c.seq <= last[-1].seq))
        return result.rowcount
