"""Tables of moving cameras and speaking through them."""

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, Integer, String, Table, Text

from tocsin.storage.tables import ID, Count, Micros, _code, _version, metadata

control_sessions = Table(
    "control_sessions",
    metadata,
    Column("id", ID, primary_key=True),
    Column("channel_id", ID, ForeignKey("channels.id"), nullable=False),
    _code(),
    Column("user_id", ID, nullable=False),
    Column("session_id", ID, nullable=False),
    Column("view_id", ID, nullable=False, comment="no control without a view"),
    Column("purpose", String(24), nullable=False, comment="the view's purpose"),
    Column("incident_id", ID),
    Column("rank", Integer, nullable=False, comment="2 supervisor, +1 claimant of the incident; higher may take over"),
    Column("taken_at_us", Micros, nullable=False),
    Column("view_ends_at_us", Micros, nullable=False),
    Column("ended_at_us", Micros),
    Column("end_reason", String(24), nullable=False, server_default="", comment="released | taken_over | unused | ..."),
    Column("moves", Integer, nullable=False, server_default="0", comment="movements begun"),
    Column("moved_ms", Count, nullable=False, server_default="0", comment="milliseconds it moved"),
    Column("presets_called", Integer, nullable=False, server_default="0"),
    Column("other_acts", Integer, nullable=False, server_default="0"),
    comment="who moved a camera, from taking control to its end",
)
Index("ix_control_sessions_channel", control_sessions.c.channel_id, control_sessions.c.id)
Index(
    "ix_control_sessions_open",
    control_sessions.c.taken_at_us,
    sqlite_where=control_sessions.c.ended_at_us.is_(None),
    postgresql_where=control_sessions.c.ended_at_us.is_(None),
)

camera_presets = Table(
    "camera_presets",
    metadata,
    Column("channel_id", ID, ForeignKey("channels.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="1-255, as the camera knows it"),
    Column("name", Text, nullable=False, server_default="", comment="Chinese name"),
    Column("name_en", Text, nullable=False, server_default=""),
    Column("is_home", Boolean, nullable=False, server_default="0", comment="the camera returns here by itself"),
    Column("home_after_s", Integer, nullable=False, server_default="0", comment="seconds without a command until then"),
    Column("deleted_at_us", Micros, comment="deleted, and still to be forgotten by the camera"),
    _version(),
    CheckConstraint("number BETWEEN 1 AND 255", name="number"),
    comment="places a camera remembers, with names",
)
Index(
    "ix_camera_presets_deleted",
    camera_presets.c.deleted_at_us,
    sqlite_where=camera_presets.c.deleted_at_us.is_not(None),
    postgresql_where=camera_presets.c.deleted_at_us.is_not(None),
)

camera_speeches = Table(
    "camera_speeches",
    metadata,
    Column("id", ID, primary_key=True),
    Column("channel_id", ID, ForeignKey("channels.id"), nullable=False),
    _code(),
    Column("user_id", ID, nullable=False),
    Column("session_id", ID, nullable=False),
    Column("view_id", ID, nullable=False, comment="no speaking without a view"),
    Column("purpose", String(24), nullable=False, comment="the view's purpose"),
    Column("incident_id", ID),
    Column("started_at_us", Micros, nullable=False),
    Column("ends_at_us", Micros, nullable=False, comment="the latest end"),
    Column("ended_at_us", Micros),
    Column("end_reason", String(48), nullable=False, server_default="", comment="ended | time_over | ..."),
    comment="who spoke through a camera, from the call to the end; sound is not kept",
)
Index(
    "ix_camera_speeches_open",
    camera_speeches.c.started_at_us,
    sqlite_where=camera_speeches.c.ended_at_us.is_(None),
    postgresql_where=camera_speeches.c.ended_at_us.is_(None),
)
