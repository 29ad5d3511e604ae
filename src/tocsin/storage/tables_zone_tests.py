"""The part of the schema about installers' tests of zones. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text

from tocsin.storage.tables import ID, Micros, _code, metadata

test_links = Table(
    "test_links",
    metadata,
    Column("id", ID, primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True, comment="SHA-256; the token itself is kept nowhere"),
    Column("device_id", ID, nullable=False),
    _code(),
    Column("holder", Text, nullable=False, comment="who was given it, as whoever made it wrote"),
    Column("made_at_us", Micros, nullable=False),
    Column("made_by", ID, nullable=False),
    Column("expires_at_us", Micros, nullable=False),
    Column("revoked_at_us", Micros),
    comment="links with which an installer tests one device, for hours",
)
Index("ix_test_links_device", test_links.c.device_id, test_links.c.id)

zone_tests = Table(
    "zone_tests",
    metadata,
    Column("id", ID, primary_key=True),
    Column("link_id", ID, nullable=False),
    Column("device_id", ID, nullable=False),
    _code(),
    Column("holder", Text, nullable=False),
    Column("begun_at_us", Micros, nullable=False),
    Column("until_us", Micros, nullable=False, comment="it ends by itself then"),
    Column("asks", Text, nullable=False, comment="JSON: [[zone, when in us]], the zone tried next"),
    Column("permit_id", String(36), nullable=False, comment="what kept the device on test; empty: another permit did"),
    Column("ended_at_us", Micros),
    Column("how_ended", String(8), nullable=False, comment="hand | time | revoked; empty while it lasts"),
    Column("summary", Text, nullable=False, comment="JSON: zones and what came of them; empty while it lasts"),
    comment="tests of zones and what was seen in them",
)
Index("ix_zone_tests_device", zone_tests.c.device_id, zone_tests.c.id)
Index(
    "ix_zone_tests_running",
    zone_tests.c.device_id,
    sqlite_where=zone_tests.c.ended_at_us.is_(None),
    postgresql_where=zone_tests.c.ended_at_us.is_(None),
)
