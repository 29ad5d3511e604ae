"""The part of the schema about JT/T 808 terminals. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

from tocsin.storage.tables import ID, Micros, metadata

terminals = Table(
    "terminals",
    metadata,
    Column("device_id", ID, ForeignKey("devices.id"), primary_key=True),
    Column("code_hash", String(64), nullable=False, server_default="", comment="SHA-256 of the code it last showed"),
    Column("next_hash", String(64), nullable=False, server_default="", comment="of a code given and not shown yet"),
    Column("terminal_id", String(30), nullable=False, server_default="", comment="bound by the first registration"),
    Column("edition", String(4), nullable=False, server_default="", comment="2011 | 2013 | 2019"),
    Column("maker", String(44), nullable=False, server_default=""),
    Column("model", String(60), nullable=False, server_default=""),
    Column("registered_at_us", Micros),
    Column("word", Micros, nullable=False, server_default="0", comment="alarm bits of the last live report"),
    Column("late_word", Micros, nullable=False, server_default="0", comment="alarm bits of the last old report"),
    Column("heard_at_us", Micros, comment="when the alarm bits were last seen, to the minute while they hold"),
    Column("settled_at_us", Micros, comment="when held bits last came or went: an older upload raises nothing"),
    Column("press_serial", Integer, nullable=False, server_default="0", comment="serial of the report of the press"),
    Column("pressed_at_us", Micros, comment="null while no held bit is set"),
    Column("confirmed_at_us", Micros, comment="when an operator took the incident of the press"),
    comment="what is known of a JT/T 808 terminal beside its device",
)
Index("ix_terminals_pressed", terminals.c.pressed_at_us)

terminal_positions = Table(
    "terminal_positions",
    metadata,
    Column("device_id", ID, primary_key=True),
    Column("fix_at_us", Micros, primary_key=True, comment="the terminal's time, one position a second"),
    Column("lon_e6", Integer, nullable=False, comment="degrees x 1e6, WGS-84"),
    Column("lat_e6", Integer, nullable=False),
    Column("speed_dkmh", Integer, nullable=False, comment="0.1 km/h"),
    Column("heading_deg", Integer, nullable=False),
    comment="where units on duty were, for hours; read for a purpose and with a record",
    sqlite_with_rowid=False,
)
