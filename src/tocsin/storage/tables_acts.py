"""The part of the schema about acts that maintain devices. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text

from tocsin.storage.tables import ID, Micros, _code, metadata

device_acts = Table(
    "device_acts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("kind", String(16), nullable=False, comment="format_card | upgrade"),
    Column("device_id", ID, nullable=False),
    Column("channel_id", ID, comment="the camera whose card it is"),
    _code(),
    Column("params", Text, nullable=False, comment="JSON: {card} or {firmware, url, manufacturer, session}"),
    Column("reason", Text, nullable=False, server_default=""),
    Column("session", String(128), nullable=False, server_default="", comment="by which a device names its upgrade"),
    Column("asked_by", ID, nullable=False),
    Column("asked_at_us", Micros, nullable=False),
    Column("expires_at_us", Micros, comment="no confirmation after it; an upgrade still running then is given up"),
    Column("state", String(12), nullable=False, comment="waiting | withdrawn | running | taken | done | failed"),
    Column("decided_by", String(36), nullable=False, server_default="", comment="who confirmed or withdrew it"),
    Column("decided_at_us", Micros),
    Column("result", String(128), nullable=False, server_default="", comment="what came of it"),
    Column("ended_at_us", Micros),
    comment="acts that cannot be taken back: erased cards, which take two people, and firmware",
)
Index("ix_device_acts_device", device_acts.c.device_id, device_acts.c.asked_at_us)
Index("ix_device_acts_state", device_acts.c.state)
