"""The part of the schema about snapshots. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table

from tocsin.storage.tables import ID, Micros, _code, metadata

snapshots = Table(
    "snapshots",
    metadata,
    Column("id", ID, primary_key=True, comment="also the name of the file"),
    Column("channel_id", ID, nullable=False),
    _code(),
    Column("user_id", ID, nullable=False, comment="who asked; empty when the house did for an incident"),
    Column(
        "view_id",
        ID,
        nullable=False,
        comment="the view it was asked under; empty when the incident itself was the reason",
    ),
    Column("purpose", String(24), nullable=False, comment="the view's purpose"),
    Column("incident_id", ID),
    Column("received_at_us", Micros, nullable=False),
    Column("expires_at_us", Micros, nullable=False, comment="row and file are deleted then"),
    Column("size_bytes", Integer, nullable=False),
    Column("sha256", String(64), nullable=False, comment="of the file as received"),
    comment="pictures cameras uploaded on request; the files lie in the data folder",
)
Index("ix_snapshots_view", snapshots.c.view_id)
Index("ix_snapshots_incident", snapshots.c.incident_id)
Index("ix_snapshots_expires", snapshots.c.expires_at_us)
