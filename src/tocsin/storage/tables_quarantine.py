"""The part of the schema about repairs of the quarantine. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text

from tocsin.storage.tables import ID, Micros, _code, metadata

signal_repairs = Table(
    "signal_repairs",
    metadata,
    Column("id", ID, primary_key=True),
    Column("kind", String(8), nullable=False, comment="code | account"),
    Column("reason", Text, nullable=False, comment="why, in the words of who did it"),
    _code(),
    Column("reach", String(8), nullable=False, comment="of a code: device | model | house"),
    Column("reach_value", Text, nullable=False, comment="device id, or maker and model in small letters"),
    Column("code_system", String(16), nullable=False),
    Column("code", String(64), nullable=False),
    Column("target", String(32), nullable=False, comment="event of our tables it means: cid:1130"),
    Column("event", Text, nullable=False, comment="JSON: that event as it stood then"),
    Column("protocol", String(16), nullable=False, comment="of an account"),
    Column("account", String(64), nullable=False),
    Column("device_id", String(36), nullable=False, comment="whose it is; empty for a model and the house"),
    Column("created_at_us", Micros, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("undone_at_us", Micros, comment="empty while it counts"),
    Column("undone_by", String(64), nullable=False),
    Column("read_count", Integer, nullable=False, comment="signals read again"),
    Column("late_count", Integer, nullable=False, comment="of them too old to raise an alarm"),
    Column("alarm_count", Integer, nullable=False, comment="of them that raised one"),
    comment="what somebody said a code means, or whose an account is",
)
Index("ix_signal_repairs_code", signal_repairs.c.code_system, signal_repairs.c.code)

signal_readings = Table(
    "signal_readings",
    metadata,
    Column("signal_id", ID, primary_key=True),
    Column("repair_id", ID, nullable=False),
    Column("device_id", ID, nullable=False),
    Column("events", Text, nullable=False, comment="JSON: normal events as the repair explains them"),
    Column("is_late", Boolean, nullable=False, comment="too old to raise an alarm"),
    Column("at_us", Micros, nullable=False),
    comment="what a kept signal says by a repair; the signal itself is as it came",
)
Index("ix_signal_readings_repair", signal_readings.c.repair_id)
Index("ix_signal_readings_device", signal_readings.c.device_id, signal_readings.c.signal_id)
