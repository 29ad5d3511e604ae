"""Tables of alarms: signals as received, alarms, incidents and the work on them. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from tocsin.storage.tables import ID, Count, Micros, _code, _version, metadata

signals = Table(
    "signals",
    metadata,
    Column("id", ID, primary_key=True),
    Column("protocol", String(16), nullable=False),
    Column("transport", String(8), nullable=False),
    Column("peer", Text, nullable=False),
    Column("account", String(64), nullable=False),
    Column("device_id", ID),
    Column("token", String(16), nullable=False, server_default=""),
    Column("received_at_us", Micros, nullable=False, comment="first byte, t1"),
    Column("sent_at_us", Micros, comment="the device's own transmission time"),
    Column("committed_at_us", Micros, comment="t2, the clock of its group; empty before the ledger was kept"),
    Column("raw", LargeBinary, nullable=False, comment="the frame; keys redacted"),
    Column("encrypted", Boolean, nullable=False),
    Column("copies", Integer, nullable=False, server_default="1", comment="times received; retries add one"),
    Column(
        "quarantine",
        String(32),
        nullable=False,
        server_default="",
        comment="reason it is kept aside; empty when normal",
    ),
    Column("flags", Text, nullable=False, server_default="[]", comment="JSON: clock_skew, len_mismatch, ..."),
    Column("events", Text, nullable=False, comment="JSON: normal events read from it"),
    Column("state", String(12), nullable=False, comment="processed | unprocessed | quarantined"),
    comment="what devices sent, kept as evidence",
)
Index("ix_signals_device", signals.c.device_id, signals.c.id)
Index(
    "ix_signals_state",
    signals.c.state,
    sqlite_where=signals.c.state != "processed",
    postgresql_where=signals.c.state != "processed",
)

Index("ix_signals_received", signals.c.received_at_us)

last_signals = Table(
    "last_signals",
    metadata,
    Column("source", String(160), primary_key=True, comment="device or account, and receiver path"),
    Column("dedup_key", Text, nullable=False),
    Column("signal_id", ID, nullable=False),
    Column("received_at_us", Micros, nullable=False),
    Column("sent_at_us", Micros),
    comment="the last event frame of each source: a retry equals it within 60 s",
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", ID, primary_key=True),
    Column("number", String(24), nullable=False, comment="A-2611-000417"),
    Column("signal_id", ID, nullable=False),
    Column("incident_id", ID, nullable=False),
    Column("device_id", ID),
    Column("zone_id", ID),
    Column("place_id", ID),
    Column("jurisdiction_id", ID, nullable=False),
    _code(),
    Column("kind", String(16), nullable=False, comment="category: burglary, fire, panic, ..."),
    Column("code_system", String(8), nullable=False),
    Column("code", String(64), nullable=False),
    Column("priority", Integer, nullable=False, comment="1 life .. 9 log only"),
    Column("label_en", Text, nullable=False),
    Column("label_zh", Text, nullable=False),
    Column("area", String(64), nullable=False, server_default=""),
    Column("zone", String(64), nullable=False, server_default=""),
    Column("text", Text, nullable=False, server_default=""),
    Column("state", String(12), nullable=False, comment="open | restored | closed"),
    Column("occurred_at_us", Micros, comment="t0, the device's word"),
    Column("received_at_us", Micros, nullable=False, comment="t1"),
    Column("committed_at_us", Micros, nullable=False, comment="t2"),
    Column("restored_at_us", Micros),
    Column("presented_at_us", Micros, comment="t4"),
    Column("channel_id", ID, comment="the picture that raised it itself"),
    comment="a signal that asks for an operator's decision",
)
Index("ix_alarms_incident", alarms.c.incident_id)
Index(
    "ix_alarms_open",
    alarms.c.device_id,
    alarms.c.zone,
    sqlite_where=alarms.c.state == "open",
    postgresql_where=alarms.c.state == "open",
)
Index("ix_alarms_scope", alarms.c.jurisdiction_code, alarms.c.id)
Index("ix_alarms_signal", alarms.c.signal_id)
Index("ix_alarms_received", alarms.c.received_at_us)
Index(
    "ix_alarms_channel",
    alarms.c.channel_id,
    sqlite_where=alarms.c.channel_id.is_not(None),
    postgresql_where=alarms.c.channel_id.is_not(None),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", ID, primary_key=True),
    Column("number", String(24), nullable=False, unique=True, comment="HW-2611-0417"),
    Column("jurisdiction_id", ID, nullable=False),
    _code(),
    Column("place_id", ID),
    Column("device_id", ID, comment="when no place is known, the source groups"),
    Column("title_en", Text, nullable=False),
    Column("title_zh", Text, nullable=False),
    Column("kind", String(16), nullable=False, comment="category of the gravest alarm"),
    Column("priority", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("owner_id", ID, comment="who has claimed it"),
    Column("lease_until_us", Micros, comment="the claim ends here unless renewed"),
    Column("verdict", String(8), nullable=False, server_default="none", comment="none | genuine | false | unsure"),
    Column("cause", String(32), nullable=False, server_default="", comment="cause of a false alarm"),
    Column("disposition", String(32), nullable=False, server_default=""),
    Column("opened_at_us", Micros, nullable=False, comment="t8"),
    Column("last_alarm_at_us", Micros, nullable=False),
    Column("alarm_count", Integer, nullable=False),
    Column("parked_until_us", Micros),
    Column("park_reason", String(32), nullable=False, server_default=""),
    Column("plan_id", ID),
    Column("plan_version_no", Integer),
    Column("next_deadline_at_us", Micros),
    Column("merged_into_id", ID),
    Column(
        "stamps", Text, nullable=False, server_default="{}", comment="JSON: each stamp as it counts now, of `stamps`"
    ),
    Column(
        "undo",
        Text,
        nullable=False,
        server_default="",
        comment="JSON: what a verdict or parking replaced, and until when",
    ),
    Column("unattended_at_us", Micros, comment="when the absence of an operator was announced"),
    Column("closed_at_us", Micros, comment="t16; also of a cancelled or merged incident"),
    _version(),
    comment="the work: one or more alarms, owned by a jurisdiction",
)
Index("ix_incidents_scope", incidents.c.jurisdiction_code, incidents.c.id)
Index(
    "ix_incidents_open",
    incidents.c.place_id,
    incidents.c.device_id,
    sqlite_where=incidents.c.closed_at_us.is_(None),
    postgresql_where=incidents.c.closed_at_us.is_(None),
)

incident_points = Table(
    "incident_points",
    metadata,
    Column("incident_id", ID, primary_key=True),
    Column("device_id", ID, nullable=False, comment="the terminal whose button was pressed"),
    Column("heard_at_us", Micros, nullable=False, comment="when its newest report came"),
    Column("has_fix", Boolean, nullable=False, comment="whether that report had a position"),
    Column("fix_at_us", Micros, comment="of the newest position"),
    Column("lon_e6", Integer, comment="degrees x 1e6, WGS-84"),
    Column("lat_e6", Integer),
    Column("speed_dkmh", Integer, nullable=False, comment="0.1 km/h"),
    Column("heading_deg", Integer, nullable=False),
    Column("pressed_lon_e6", Integer, comment="where it was pressed, which chooses the cameras"),
    Column("pressed_lat_e6", Integer),
    comment="where an incident is as its terminal says: where it was pressed and where it is, nothing between",
)
Index("ix_incident_points_device", incident_points.c.device_id)

stamps = Table(
    "stamps",
    metadata,
    Column("id", Count, primary_key=True, autoincrement=True),
    Column("incident_id", ID, nullable=False),
    Column("stamp", String(4), nullable=False, comment="t0 .. t16 of the dispatch reference"),
    Column("at_us", Micros, nullable=False),
    Column(
        "source",
        String(20),
        nullable=False,
        comment="device | server | operator | operator_console | unit | unit_button",
    ),
    Column("who", Text, nullable=False, server_default=""),
    Column(
        "reason", Text, nullable=False, server_default="", comment="of a correction; the first row of a stamp stays"
    ),
    Column("withdrawn", Boolean, nullable=False, server_default="0", comment="the act was undone at that time"),
    comment="timestamps, append-only",
)
Index("ix_stamps_incident", stamps.c.incident_id, stamps.c.id)

incident_steps = Table(
    "incident_steps",
    metadata,
    Column("incident_id", ID, primary_key=True),
    Column("n", Integer, primary_key=True, comment="order, from 1"),
    Column("title_en", Text, nullable=False),
    Column("title_zh", Text, nullable=False),
    Column("kind", String(12), nullable=False, comment="view | verdict | assign | call | note | check"),
    Column("mandatory", Boolean, nullable=False),
    Column("applies", String(8), nullable=False, comment="any | genuine | unsure"),
    Column("due_s", Integer, comment="seconds; empty has no deadline"),
    Column("due_from", String(8), nullable=False, server_default="opening", comment="opening | previous step done"),
    Column("state", String(16), nullable=False, comment="waiting | done | skipped"),
    Column("done_at_us", Micros),
    Column("done_by", ID),
    Column("note", Text, nullable=False, server_default=""),
    Column("overdue_at_us", Micros, comment="when its lateness was announced"),
    comment="the plan as copied onto one incident",
)

assignments = Table(
    "assignments",
    metadata,
    Column("id", ID, primary_key=True),
    Column("incident_id", ID, nullable=False),
    Column("unit_id", ID, nullable=False),
    Column(
        "state",
        String(12),
        nullable=False,
        comment="sent | delivered | accepted | en_route | on_scene | cleared | recalled",
    ),
    Column("sent_at_us", Micros, nullable=False),
    Column("delivered_at_us", Micros),
    Column("accepted_at_us", Micros),
    Column("en_route_at_us", Micros),
    Column("on_scene_at_us", Micros),
    Column("ended_at_us", Micros),
    Column("source", String(20), nullable=False, server_default="operator"),
    comment="a unit sent to an incident",
)
Index("ix_assignments_incident", assignments.c.incident_id)
Index("ix_assignments_unit", assignments.c.unit_id, assignments.c.ended_at_us)

incident_notes = Table(
    "incident_notes",
    metadata,
    Column("id", ID, primary_key=True),
    Column("incident_id", ID, nullable=False),
    Column("at_us", Micros, nullable=False),
    Column("user_id", ID, nullable=False),
    Column("kind", String(16), nullable=False, server_default="note", comment="note | report | under_control"),
    Column("text", Text, nullable=False),
    comment="what people wrote, append-only",
)
Index("ix_incident_notes_incident", incident_notes.c.incident_id)

counters = Table(
    "counters",
    metadata,
    Column("name", String(48), primary_key=True, comment="incident numbers: <short>-<yymm>"),
    Column("value", Integer, nullable=False),
    comment="numbers people read",
)
