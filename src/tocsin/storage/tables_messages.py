"""The part of the schema about messages that may come again. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table

from tocsin.storage.tables import ID, Micros, metadata

message_marks = Table(
    "message_marks",
    metadata,
    Column("device_id", String(64), primary_key=True, comment="whose message"),
    Column("mark", String(64), primary_key=True, comment="a word and a hash: signature, sender's key, packet"),
    Column("signal_id", ID, nullable=False),
    Column("at_us", Micros, nullable=False, comment="forgotten three days later"),
    comment="marks of messages taken from webhooks, MQTT and feeds: what comes again is one signal",
)
Index("ix_message_marks_at", message_marks.c.at_us)
