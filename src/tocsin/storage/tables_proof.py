"""Tables of proof and delivery: the audit, the outbox, notices. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, Text

from tocsin.storage.tables import ID, Count, Micros, _code, metadata

audit = Table(
    "audit",
    metadata,
    Column("seq", Count, primary_key=True, autoincrement=False, comment="1, 2, 3, ... without gaps"),
    Column("at_us", Micros, nullable=False),
    Column("actor_kind", String(12), nullable=False, comment="user | system | device | command"),
    Column("actor_id", Text, nullable=False, comment="an id, never a name"),
    Column("action", String(48), nullable=False),
    Column("subject_kind", String(24), nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("jurisdiction_code", String(12), nullable=False),
    Column("outcome", String(8), nullable=False, comment="done | refused"),
    Column("detail", Text, nullable=False, comment="JSON, exactly as hashed"),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False, comment="SHA-256 over prev_hash and the canonical record"),
    comment="what was done, seen and refused; hash-chained",
)
Index("ix_audit_subject", audit.c.subject_id, audit.c.seq)
Index("ix_audit_actor", audit.c.actor_id, audit.c.seq)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Count, primary_key=True, autoincrement=False, comment="feed sequence"),
    Column("at_us", Micros, nullable=False),
    Column("type", String(32), nullable=False, comment="incident.opened, alarm.raised, ..."),
    Column("subject_id", Text, nullable=False),
    _code(),
    Column("permission", String(24), nullable=False, server_default="", comment="who may hear it"),
    Column("data", LargeBinary, nullable=False, comment="JSON, encoded once for every listener"),
    comment="committed facts to deliver; trimmed by age",
)

chain = Table(
    "chain",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("audit_seq", Count, nullable=False),
    Column("audit_hash", String(64), nullable=False),
    Column("feed_seq", Count, nullable=False),
    comment="one row: the head of the audit chain and of the feed, locked while a group ends",
)

notices = Table(
    "notices",
    metadata,
    Column("id", ID, primary_key=True),
    Column("key", String(48), nullable=False),
    Column("subject_id", Text, nullable=False, server_default=""),
    _code(),
    Column("severity", String(8), nullable=False, comment="critical | warning | info"),
    Column("params", Text, nullable=False, server_default="{}"),
    Column("since_us", Micros, nullable=False),
    Column("cleared_at_us", Micros),
    comment="what the control room must know about the system itself",
)
Index(
    "ix_notices_open",
    notices.c.key,
    notices.c.subject_id,
    sqlite_where=notices.c.cleared_at_us.is_(None),
    postgresql_where=notices.c.cleared_at_us.is_(None),
)
