"""The part of the schema about watching over devices. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table

from tocsin.storage.tables import ID, Micros, metadata

device_paths = Table(
    "device_paths",
    metadata,
    Column("device_id", ID, ForeignKey("devices.id"), primary_key=True),
    Column("name", String(32), primary_key=True, comment="as entered, or the number the device gives"),
    Column("state", String(8), nullable=False, comment="never | ok | failed"),
    Column("since_us", Micros, nullable=False),
    Column("last_seen_at_us", Micros),
    comment="the ways a device reports by, and how each stands",
)

own_silences = Table(
    "own_silences",
    metadata,
    Column("begins_at_us", Micros, primary_key=True, autoincrement=False),
    Column("protocols", String(120), primary_key=True, comment="words between commas; empty: all"),
    Column("ends_at_us", Micros, nullable=False),
    comment="when we could not hear: deadlines of devices do not count that time",
)

outages = Table(
    "outages",
    metadata,
    Column("id", ID, primary_key=True),
    Column("kind", String(12), nullable=False, comment="receiver | line | network | feeder | town | county"),
    Column("value", String(80), nullable=False, comment="name or division code of what they share"),
    Column("protocol", String(16), nullable=False, comment="of a town and county; else empty"),
    Column("is_slow", Boolean, nullable=False, comment="whether its devices report more seldom than every 10 min"),
    Column("size", Integer, nullable=False, comment="devices of it that could be heard when it began"),
    Column("device_id", ID, nullable=False, comment="the first that fell silent: its signal stands for all"),
    Column("label", String(64), nullable=False, comment="that device's account or name"),
    Column("opened_at_us", Micros, nullable=False),
    Column("ended_at_us", Micros, comment="empty while it lasts"),
    Column("signal_id", ID, nullable=False, server_default="", comment="the signal that told of it"),
    Column("most", Integer, nullable=False, server_default="0", comment="how many were away at once at the worst"),
    comment="many devices that fell silent by one cause: one incident for all",
)
Index("ix_outages_signal", outages.c.signal_id)
Index("ix_outages_ended", outages.c.ended_at_us)

outage_devices = Table(
    "outage_devices",
    metadata,
    Column("outage_id", ID, ForeignKey("outages.id"), primary_key=True),
    Column("device_id", ID, ForeignKey("devices.id"), primary_key=True),
    Column("lost_at_us", Micros, nullable=False, comment="its last sign of life"),
    Column("back_at_us", Micros, comment="empty while it is away"),
    comment="the devices of an outage",
)
