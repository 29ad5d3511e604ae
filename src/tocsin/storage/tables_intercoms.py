"""The part of the schema about door intercoms. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table

from tocsin.storage.tables import ID, Micros, _code, metadata

intercom_calls = Table(
    "intercom_calls",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device_id", ID, ForeignKey("devices.id"), nullable=False),
    _code(),
    Column("called", String(64), nullable=False, comment="number the intercom rang"),
    Column("is_sos", Boolean, nullable=False),
    Column("has_sound", Boolean, nullable=False, comment="it offered sound we can play"),
    Column(
        "has_picture",
        Boolean,
        nullable=False,
        server_default="0",
        comment="it offered a picture of its own that was taken",
    ),
    Column("state", String(12), nullable=False, comment="ringing | answered | ended"),
    Column("started_at_us", Micros, nullable=False),
    Column("answered_at_us", Micros, comment="null: nobody answered"),
    Column("answered_by", ID),
    Column("ended_at_us", Micros),
    Column("end_reason", String(24), nullable=False, server_default="", comment="hung_up | missed | given_up | ..."),
    Column("signal_id", ID, nullable=False),
    Column("incident_id", ID, comment="raised by an SOS call at once, or by an operator"),
    Column("opened", Integer, nullable=False, server_default="0", comment="how often the door was opened"),
    comment="calls of door intercoms: when, who answered, how they ended; not who rang, and no sound",
)
Index("ix_intercom_calls_device", intercom_calls.c.device_id, intercom_calls.c.id)
Index(
    "ix_intercom_calls_open",
    intercom_calls.c.started_at_us,
    sqlite_where=intercom_calls.c.ended_at_us.is_(None),
    postgresql_where=intercom_calls.c.ended_at_us.is_(None),
)
