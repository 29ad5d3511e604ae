"""The part of the schema about alarm clips. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from tocsin.storage.tables import ID, Micros, _code, metadata

clips = Table(
    "clips",
    metadata,
    Column("id", ID, primary_key=True),
    Column("kind", String(8), nullable=False, comment="clip | minutes (the minutes around the first alarm)"),
    Column("incident_id", ID, nullable=False),
    Column("alarm_id", ID, nullable=False, comment="the alarm that began it"),
    Column("channel_id", ID, nullable=False),
    _code(),
    Column("alarm_at_us", Micros, nullable=False, comment="when that alarm was received"),
    Column("starts_at_us", Micros, nullable=False),
    Column("ends_at_us", Micros, nullable=False),
    Column("created_at_us", Micros, nullable=False),
    Column("state", String(12), nullable=False, comment="recording | fetching | ready | partial | failed"),
    Column("source", String(8), nullable=False, comment="own | device; empty while there is no video"),
    Column("pre_roll", String(8), nullable=False, comment="where the time before the alarm came from"),
    Column("reason", String(64), nullable=False, comment="message key of what is missing"),
    Column("tries", Integer, nullable=False, comment="how often the device was asked"),
    Column("due_at_us", Micros, comment="when it is looked at next; null once it is over"),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False, comment="of the file as it was written"),
    Column("codec", String(8), nullable=False, comment="h264 | h265"),
    Column("file", String(64), nullable=False, comment="name in the folder of clips; empty for our own segments"),
    Column("video_from_us", Micros, comment="first moment there is a picture of; null without video"),
    Column("video_to_us", Micros),
    comment="what cameras linked to an alarm saw around it, kept with the incident",
)
Index("ix_clips_incident", clips.c.incident_id, clips.c.channel_id)
Index("ix_clips_due", clips.c.due_at_us)
Index("ix_clips_channel", clips.c.channel_id, clips.c.starts_at_us)
Index("ix_clips_alarm", clips.c.alarm_id)
