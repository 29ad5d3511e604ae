"""Tables of people: users, sessions, views and what was fetched under them. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from tocsin.storage.tables import ID, Count, Micros, _code, _version, metadata

users = Table(
    "users",
    metadata,
    Column("id", ID, primary_key=True),
    Column("username", String(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("password_hash", Text, nullable=False, comment="argon2id"),
    Column("roles", Text, nullable=False, comment="JSON: [role]"),
    Column("jurisdiction_ids", Text, nullable=False, comment="JSON: [id]; each covers its subtree"),
    Column("language", String(8), nullable=False, server_default=""),
    Column("disabled_at_us", Micros),
    Column("last_seen_at_us", Micros),
    Column("failed_sign_ins", Integer, nullable=False, server_default="0"),
    Column("locked_until_us", Micros, comment="after repeated failures"),
    _version(),
    comment="who works here",
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True, comment="SHA-256 of the cookie or bearer token"),
    Column("id", ID, nullable=False, unique=True),
    Column("user_id", ID, ForeignKey("users.id"), nullable=False),
    Column("kind", String(8), nullable=False, comment="cookie | token"),
    Column("csrf", String(64), nullable=False),
    Column("seat", Text, nullable=False, server_default=""),
    Column("on_duty", Boolean, nullable=False),
    Column("made_at_us", Micros, nullable=False),
    Column("expires_at_us", Micros, nullable=False),
    Column("ended_at_us", Micros),
    Column("label", Text, nullable=False, server_default="", comment="what a bearer token is for"),
    comment="server-side sessions, revocable",
)
Index("ix_sessions_user", sessions.c.user_id)

views = Table(
    "views",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, nullable=False),
    Column("session_id", ID, nullable=False),
    Column("purpose", String(24), nullable=False, comment="alarm_verification | patrol | maintenance | drill"),
    Column("incident_id", ID),
    Column("call_id", ID, comment="door call it serves; it ends with the call"),
    _code(),
    Column(
        "supervises",
        Boolean,
        nullable=False,
        server_default="0",
        comment="its holder supervises the incident: a claim does not end it",
    ),
    Column("opened_at_us", Micros, nullable=False),
    Column("expires_at_us", Micros, nullable=False),
    Column("ended_at_us", Micros),
    Column("end_reason", String(24), nullable=False, server_default=""),
    Column("recordings_from_us", Micros, comment="a view over recordings: begin of the period it permits"),
    Column("recordings_to_us", Micros, comment="end of that period; both null for live pictures"),
    comment="purpose-bound, expiring permissions to look",
)
Index(
    "ix_views_open",
    views.c.expires_at_us,
    sqlite_where=views.c.ended_at_us.is_(None),
    postgresql_where=views.c.ended_at_us.is_(None),
)
Index("ix_views_incident", views.c.incident_id)

view_channels = Table(
    "view_channels",
    metadata,
    Column("view_id", ID, ForeignKey("views.id"), primary_key=True),
    Column("channel_id", ID, primary_key=True),
    Column("first_frame_at_us", Micros, comment="t6 as the console reported it"),
    Column("is_sub", Boolean, nullable=False, server_default="0", comment="the sub stream was asked for last"),
    comment="the pictures of a view",
)
Index("ix_view_channels_channel", view_channels.c.channel_id)

downloads = Table(
    "downloads",
    metadata,
    Column("id", ID, primary_key=True),
    Column("channel_id", ID, ForeignKey("channels.id"), nullable=False),
    _code(),
    Column("user_id", ID, nullable=False),
    Column("purpose", String(24), nullable=False, comment="the purpose of the view it was asked under"),
    Column("starts_at_us", Micros, nullable=False),
    Column("ends_at_us", Micros, nullable=False),
    Column(
        "state",
        String(12),
        nullable=False,
        comment="running | finished | partial | failed | cancelled | deleted | handed_over",
    ),
    Column("reason", String(48), nullable=False, server_default="", comment="message key"),
    Column("created_at_us", Micros, nullable=False),
    Column("ended_at_us", Micros),
    Column("expires_at_us", Micros, comment="when its file is deleted"),
    Column("size_bytes", Count, nullable=False, server_default="0"),
    Column("sha256", String(64), nullable=False, server_default=""),
    Column("format", String(8), nullable=False, server_default="mp4", comment="mp4 | bare, the byte stream alone"),
    Column("speed", Integer, nullable=False, server_default="4", comment="times the pace of the recording"),
    Column("codec", String(8), nullable=False, server_default="", comment="h264 | h265, once there is a file"),
    comment="recordings fetched from devices as files",
)
Index("ix_downloads_user", downloads.c.user_id, downloads.c.id)
