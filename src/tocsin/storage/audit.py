"""Reading the audit chain."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Row, select

from tocsin.domain.audit import AuditRecord
from tocsin.storage.tables import audit, chain

CHUNK_ROWS = 5_000


class AuditRepository:
    """The audit chain, read only: writing happens at the end of a group (`storage/uow.py`)."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def head(self) -> tuple[int, str]:
        """Return the number and hash of the newest record; (0, zeros) when there is none."""
        row = self._connection.execute(select(chain.c.audit_seq, chain.c.audit_hash).where(chain.c.id == 1)).one()
        return row.audit_seq, row.audit_hash

    def all(self) -> Iterator[AuditRecord]:
        """Yield every record in the order the table's numbers give, a chunk at a time."""
        after = -1
        while True:
            rows = self._connection.execute(
                select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(CHUNK_ROWS)
            ).all()
            if not rows:
                return
            for row in rows:
                yield _record(row)
            after = rows[-1].seq

    def count(self) -> int:
        """Return the number of the newest record in the table itself."""
        seq = self._connection.execute(select(audit.c.seq).order_by(audit.c.seq.desc()).limit(1)).scalar()
        return int(seq or 0)

    def find(
        self,
        *,
        codes: tuple[str, ...] | None,
        includes_house: bool = False,
        actor: str = "",
        action: str = "",
        subject: str = "",
        from_us: int | None = None,
        to_us: int | None = None,
        before_seq: int | None = None,
        limit: int = 100,
    ) -> list[AuditRecord]:
        """Return records newest first. `codes` None is everything; else only those of these division-code subtrees,
        and with `includes_house` those that belong to no jurisdiction."""
        query = select(audit).order_by(audit.c.seq.desc()).limit(limit)
        if codes is not None:
            clauses = [audit.c.jurisdiction_code.startswith(code, autoescape=True) for code in codes]
            if includes_house:
                clauses.append(audit.c.jurisdiction_code == "")
            clause = clauses[0] if clauses else audit.c.seq < 0
            for other in clauses[1:]:
                clause = clause | other
            query = query.where(clause)
        if actor:
            query = query.where(audit.c.actor_id == actor)
        if action:
            query = query.where(audit.c.action.startswith(action, autoescape=True))
        if subject:
            query = query.where(audit.c.subject_id == subject)
        if from_us is not None:
            query = query.where(audit.c.at_us >= from_us)
        if to_us is not None:
            query = query.where(audit.c.at_us < to_us)
        if before_seq is not None:
            query = query.where(audit.c.seq < before_seq)
        return [_record(row) for row in self._connection.execute(query)]


def _record(row: Row[tuple[object, ...]]) -> AuditRecord:
    return AuditRecord(
        row.seq,
        row.at_us,
        row.actor_kind,
        row.actor_id,
        row.action,
        row.subject_kind,
        row.subject_id,
        row.jurisdiction_code,
        row.outcome,
        row.detail,
        row.prev_hash,
        row.hash,
    )
