"""Tables of response plans and of the crews that can be sent. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from tocsin.storage.tables import ID, Micros, _code, _version, metadata

plans = Table(
    "plans",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_en", Text, nullable=False, server_default=""),
    Column("kind", String(16), nullable=False, comment="alarm category it answers; * any"),
    Column("place_class", String(24), nullable=False, server_default="*", comment="class of place it is for; * any"),
    Column(
        "jurisdiction_code", String(12), nullable=False, server_default="", comment="where it applies; empty everywhere"
    ),
    Column("version_no", Integer, nullable=False, comment="current version"),
    Column("active", Boolean, nullable=False),
    _version(),
    comment="response plans; the steps are in plan_versions",
)

plan_versions = Table(
    "plan_versions",
    metadata,
    Column("plan_id", ID, ForeignKey("plans.id"), primary_key=True),
    Column("version_no", Integer, primary_key=True),
    Column(
        "steps", Text, nullable=False, comment="JSON: [{title_en, title_zh, kind, mandatory, applies, due_s, due_from}]"
    ),
    Column("dispositions", Text, nullable=False, server_default="[]", comment="JSON: keys offered; empty offers all"),
    Column("false_causes", Text, nullable=False, server_default="[]", comment="JSON: keys offered; empty offers all"),
    Column("made_at_us", Micros, nullable=False),
    Column("made_by", Text, nullable=False),
    comment="versions are never changed; an incident keeps the one it began with",
)

units = Table(
    "units",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_en", Text, nullable=False, server_default=""),
    Column("call_sign", String(16), nullable=False),
    Column("kind", String(12), nullable=False, comment="car | motorcycle | foot"),
    Column("crew", Integer, nullable=False, server_default="1", comment="people"),
    Column("jurisdiction_id", ID, ForeignKey("jurisdictions.id"), nullable=False),
    _code(),
    Column("state", String(20), nullable=False),
    Column("state_reason", Text, nullable=False, server_default=""),
    Column("state_since_us", Micros),
    Column("lon", Float),
    Column("lat", Float),
    Column("fix_at_us", Micros, comment="age of the position"),
    Column("incident_id", ID),
    Column("on_duty_since_us", Micros, comment="null off duty, or on duty ever since it was entered"),
    Column("retired_at_us", Micros),
    _version(),
    comment="a crew that can be sent",
)
Index("ix_units_scope", units.c.jurisdiction_code)
