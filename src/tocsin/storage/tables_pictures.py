"""The part of the schema about the health of pictures. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, String, Table, Text

from tocsin.storage.tables import ID, Micros, _code, metadata

picture_health = Table(
    "picture_health",
    metadata,
    Column("channel_id", ID, ForeignKey("channels.id"), primary_key=True),
    Column("checked_at_us", Micros, comment="when its picture was last examined, or was tried to be"),
    Column("source", String(8), nullable=False, server_default="", comment="stream (ran already) | opened"),
    Column("problem", String(64), nullable=False, server_default="", comment="message key: why it was not examined"),
    Column("score", Integer, comment="100 far from every limit, 50 at one, 0 far beyond; empty: never examined"),
    Column("pictures", Integer, nullable=False, server_default="0", comment="accepted pictures in the reference used"),
    Column("is_doubtful", Integer, nullable=False, server_default="0", comment="1: looked at again soon"),
    Column("doubted_at_us", Micros, comment="when a limit was last passed; nothing is learned for some minutes"),
    Column("tracks", Text, nullable=False, server_default="{}", comment="JSON: last checks of each kind of fault"),
    Column("measures", Text, nullable=False, server_default="{}", comment="JSON: figures of the last picture"),
    Column("ratios", Text, nullable=False, server_default="{}", comment="JSON: measure over limit of each kind"),
    Column("trend", Text, nullable=False, server_default="[]", comment="JSON: [day, checks, sum, lowest], 30 days"),
    comment="whether a camera's picture is one: figures of a texture, nothing of what it shows",
)
Index("ix_picture_health_checked", picture_health.c.checked_at_us)

picture_stills = Table(
    "picture_stills",
    metadata,
    Column("id", ID, primary_key=True, comment="also the name of the file"),
    Column("channel_id", ID, ForeignKey("channels.id"), nullable=False),
    _code(),
    Column("fault_id", ID, nullable=False),
    Column("key", String(32), nullable=False, comment="key of the fault"),
    Column("taken_at_us", Micros, nullable=False),
    Column("expires_at_us", Micros, nullable=False, comment="row and file are deleted then, a day later"),
    Column("size_bytes", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    comment="stills of faults for upkeep: at most 640 px, watermarked; the files lie in the data folder",
)
Index("ix_picture_stills_channel", picture_stills.c.channel_id)
Index("ix_picture_stills_expires", picture_stills.c.expires_at_us)

picture_denials = Table(
    "picture_denials",
    metadata,
    Column("id", ID, primary_key=True),
    Column("channel_id", ID, ForeignKey("channels.id"), nullable=False),
    Column("fault_id", ID, nullable=False),
    Column("key", String(32), nullable=False, comment="kind of fault without its prefix"),
    Column("at_us", Micros, nullable=False),
    Column("until_us", Micros, nullable=False, comment="the rule is relaxed for this camera until then"),
    Column("user_id", ID, nullable=False),
    Column("factor", Float, nullable=False, comment="the ratio is divided by it"),
    Column("measures", Text, nullable=False, server_default="{}", comment="JSON: the figures it was wrong about"),
    comment="faults that somebody said are none",
)
Index("ix_picture_denials_channel", picture_denials.c.channel_id, picture_denials.c.until_us)

picture_site_faults = Table(
    "picture_site_faults",
    metadata,
    Column("id", ID, primary_key=True),
    Column("site", ID, nullable=False, comment="a place's id, else a division code"),
    _code(),
    Column("key", String(32), nullable=False, comment="message key"),
    Column("cameras", Integer, nullable=False, comment="how many looked wrong at once"),
    Column("of_cameras", Integer, nullable=False),
    Column("opened_at_us", Micros, nullable=False),
    Column("seen_at_us", Micros, nullable=False, comment="when it was last so"),
    Column("closed_at_us", Micros, comment="empty while it lasts"),
    comment="much of a site looking wrong at once: weather or power, not cameras",
)
Index(
    "ux_picture_site_faults_open",
    picture_site_faults.c.site,
    unique=True,
    sqlite_where=picture_site_faults.c.closed_at_us.is_(None),
    postgresql_where=picture_site_faults.c.closed_at_us.is_(None),
)
