"""The part of the schema about the way of signals: answers, repetitions, pushes. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from tocsin.storage.tables import ID, Micros, metadata

signal_answers = Table(
    "signal_answers",
    metadata,
    Column("arrival_id", ID, primary_key=True, comment="a signal for its first arrival, a copy for a repetition"),
    Column("at_us", Micros, nullable=False, comment="t3, when the acknowledgement left"),
    comment="acknowledgements that left, kept together a second later",
    sqlite_with_rowid=False,
)

signal_copies = Table(
    "signal_copies",
    metadata,
    Column("id", ID, primary_key=True),
    Column("signal_id", ID, nullable=False),
    Column("received_at_us", Micros, nullable=False, comment="first byte of the repetition"),
    Column("committed_at_us", Micros, nullable=False, comment="when it was counted"),
    Column("transport", String(8), nullable=False),
    Column("peer", Text, nullable=False),
    comment="arrivals of a signal after its first",
)
Index("ix_signal_copies_signal", signal_copies.c.signal_id)

alarm_pushes = Table(
    "alarm_pushes",
    metadata,
    Column("alarm_id", ID, primary_key=True),
    Column("at_us", Micros, nullable=False, comment="when the feed told it"),
    Column("consoles", Integer, nullable=False, comment="how many consoles that may see it were listening"),
    comment="when alarms were told to consoles, kept together a second later",
    sqlite_with_rowid=False,
)
