"""Reading the audit chain."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Connection, Row, select

from tocsin.domain.audit import AuditRecord
from tocsin.storage.tables_alarms import alarms, incidents
from tocsin.storage.tables_people import users
from tocsin.storage.tables_plans import plans, units
from tocsin.storage.tables_proof import audit, chain
from tocsin.storage.tables_registry import channels, devices, jurisdictions, places, zones

CHUNK_ROWS = 5_000
CHUNK_IDS = 500
ID_LENGTH = 36


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

    def deletions(self) -> dict[int, dict[str, Any]]:
        """Return the detail of every record of deleted recordings, with `channel_id`, by its tombstone's number."""
        rows = self._connection.execute(
            select(audit.c.subject_id, audit.c.detail).where(audit.c.action == "recording.deleted")
        )
        found: dict[int, dict[str, Any]] = {}
        for row in rows:
            detail = json.loads(row.detail)
            found[int(detail["tombstone"])] = {**detail, "channel_id": row.subject_id}
        return found

    def find(
        self,
        *,
        codes: tuple[str, ...] | None,
        includes_house: bool = False,
        actor: str = "",
        action: str = "",
        subject: str = "",
        outcome: str = "",
        from_us: int | None = None,
        to_us: int | None = None,
        before_seq: int | None = None,
        limit: int = 100,
        without: Collection[str] = (),
    ) -> list[AuditRecord]:
        """Return records newest first. `codes` None is everything; else only those of these division-code subtrees,
        and with `includes_house` those that belong to no jurisdiction. `without` are beginnings of actions left out."""
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
        for start in without:
            query = query.where(audit.c.action.not_like(f"{start}%"))
        if subject:
            query = query.where(audit.c.subject_id == subject)
        if outcome:
            query = query.where(audit.c.outcome == outcome)
        if from_us is not None:
            query = query.where(audit.c.at_us >= from_us)
        if to_us is not None:
            query = query.where(audit.c.at_us < to_us)
        if before_seq is not None:
            query = query.where(audit.c.seq < before_seq)
        return [_record(row) for row in self._connection.execute(query)]

    def names(self, ids: Collection[str]) -> dict[str, dict[str, str]]:
        """Return kind, name and English name of whatever the registry knows under `ids`; other texts are left out."""
        wanted = sorted(one for one in ids if 0 < len(one) <= ID_LENGTH)
        found: dict[str, dict[str, str]] = {}
        for kind, key, name, name_en in _NAMED:
            for start in range(0, len(wanted), CHUNK_IDS):
                rows = self._connection.execute(
                    select(key.label("id"), name.label("name"), name_en.label("name_en")).where(
                        key.in_(wanted[start : start + CHUNK_IDS])
                    )
                )
                for row in rows:
                    found[row.id] = {"kind": kind, "name": row.name, "name_en": row.name_en}
        return found


_NAMED = (
    ("user", users.c.id, users.c.name, users.c.name),
    ("incident", incidents.c.id, incidents.c.number, incidents.c.number),
    ("alarm", alarms.c.id, alarms.c.number, alarms.c.number),
    ("device", devices.c.id, devices.c.name, devices.c.name_en),
    ("channel", channels.c.id, channels.c.name, channels.c.name_en),
    ("zone", zones.c.id, zones.c.number, zones.c.number),
    ("place", places.c.id, places.c.name, places.c.name_en),
    ("jurisdiction", jurisdictions.c.id, jurisdictions.c.name, jurisdictions.c.name_en),
    ("unit", units.c.id, units.c.call_sign, units.c.call_sign),
    ("plan", plans.c.id, plans.c.name, plans.c.name_en),
)


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
