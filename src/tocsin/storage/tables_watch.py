"""The part of the schema about hours of premises and permits to be on test. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from tocsin.storage.tables import ID, Micros, _version, metadata

schedules = Table(
    "schedules",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device_id", ID, nullable=False, comment="whose account"),
    Column("area", String(16), nullable=False, comment="area number; empty: the whole account"),
    Column("name", Text, nullable=False),
    Column(
        "weekly", Text, nullable=False, comment="JSON: {weekday from Monday 0: [hours in minutes of the wall clock]}"
    ),
    Column("is_closed_on_holidays", Boolean, nullable=False),
    Column("grace_min", Integer, nullable=False),
    Column(
        "users",
        Text,
        nullable=False,
        server_default="[]",
        comment="JSON: [user numbers and ranges of the panel that may open]; none: all",
    ),
    _version(),
    Column("changed_at_us", Micros, nullable=False),
    Column("changed_by", Text, nullable=False),
    comment="hours of premises, by which openings and closings are judged",
)
Index("ix_schedules_device", schedules.c.device_id)

schedule_exceptions = Table(
    "schedule_exceptions",
    metadata,
    Column("id", ID, primary_key=True),
    Column("schedule_id", ID, ForeignKey("schedules.id"), nullable=False),
    Column("day_from", String(10), nullable=False, comment="first day, YYYY-MM-DD of the house's zone"),
    Column("day_to", String(10), nullable=False, comment="last day"),
    Column("hours", Text, nullable=False, comment="JSON: [hours]; none: closed"),
    Column("reason", Text, nullable=False),
    Column("made_at_us", Micros, nullable=False),
    Column("made_by", Text, nullable=False),
    comment="other hours on some days",
)
Index("ix_schedule_exceptions_schedule", schedule_exceptions.c.schedule_id)

holidays = Table(
    "holidays",
    metadata,
    Column("day", String(10), primary_key=True, comment="YYYY-MM-DD of the house's zone"),
    Column("name", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    comment="days on which most premises are closed",
)

schedule_states = Table(
    "schedule_states",
    metadata,
    Column("schedule_id", ID, ForeignKey("schedules.id"), primary_key=True),
    Column("areas", Text, nullable=False, comment="JSON: {area: open?}; empty area is the whole; none: never heard"),
    Column("judged_to_us", Micros, nullable=False, comment="checkpoints up to here have been judged"),
    Column("changed_at_us", Micros, comment="last opening or closing"),
    Column("opened_at_us", Micros, comment="last opening"),
    Column("told_at_us", Micros, comment="last opening that was told to be outside the hours"),
    Column("late", String(16), nullable=False, comment="open.late | close.late | empty"),
    Column("late_since_us", Micros),
    Column("next_at_us", Micros, comment="nominal instant of the next checkpoint"),
    Column("due_at_us", Micros, comment="when it is judged; our own outages move it"),
    comment="what is known of premises, and their next deadline: a restart changes nothing",
)
Index("ix_schedule_states_due", schedule_states.c.due_at_us)
Index(
    "ix_schedule_states_late",
    schedule_states.c.late,
    sqlite_where=schedule_states.c.late != "",
    postgresql_where=schedule_states.c.late != "",
)

permits = Table(
    "permits",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device_id", ID, nullable=False, comment="whose account is on test"),
    Column("zones", Text, nullable=False, comment="JSON: zone numbers; none: the whole account"),
    Column("life_kinds", Text, nullable=False, comment="JSON: categories about life that are covered too"),
    Column("second", Text, nullable=False, comment="who agreed to that"),
    Column("owner", Text, nullable=False, comment="who works there"),
    Column("phone", Text, nullable=False, comment="deleted 30 days after the end"),
    Column("reason", Text, nullable=False),
    Column("begun_at_us", Micros, nullable=False),
    Column("until_us", Micros, nullable=False),
    Column("given_by", Text, nullable=False),
    Column("given_name", Text, nullable=False),
    Column("ended_at_us", Micros),
    Column("ended_by", Text, nullable=False, server_default=""),
    Column("how_ended", String(12), nullable=False, server_default="", comment="returned by time | ended by hand"),
    Column("left", Text, nullable=False, server_default="[]", comment="JSON: zones still in alarm at the end"),
    Column("seen", Text, nullable=False, server_default="[]", comment="JSON: what came of each zone, kept at the end"),
    _version(),
    comment="accounts, or zones of them, on test for a bounded time",
)
Index("ix_permits_device", permits.c.device_id, permits.c.id)
Index(
    "ix_permits_open",
    permits.c.until_us,
    sqlite_where=permits.c.ended_at_us.is_(None),
    postgresql_where=permits.c.ended_at_us.is_(None),
)
