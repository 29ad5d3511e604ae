"""The schema as a document. Every column says what it holds and in which unit.

Conventions: ids are UUIDv7 text; times end in `_at_us` and are microseconds since 1970 UTC; JSON is text written by us;
`version` counts changes of a row, a stale writer is refused; `jurisdiction_code` is the administrative division code,
copied onto each protected row so that a scope is a code range and never a join. One schema for SQLite and PostgreSQL.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = String(36)
Count = BigInteger().with_variant(Integer, "sqlite")  # SQLite gives rowid speed only to INTEGER keys
Micros = BigInteger()


def _version() -> Column[int]:
    return Column(
        "version", Integer, nullable=False, server_default="1", comment="counts changes; a stale writer is refused"
    )


def _search() -> Column[str]:
    return Column(
        "search",
        Text,
        nullable=False,
        server_default="",
        comment="names, addresses and ids folded for search, names also in pinyin and its initials",
    )


def _code() -> Column[str]:
    return Column("jurisdiction_code", String(12), nullable=False, comment="division code of the owner; scope by range")


# --- where -----------------------------------------------------------------------------------------------------------

jurisdictions = Table(
    "jurisdictions",
    metadata,
    Column("id", ID, primary_key=True),
    Column(
        "code",
        String(12),
        nullable=False,
        unique=True,
        comment="administrative division code, a child's begins with its parent's",
    ),
    Column("short", String(8), nullable=False, comment="letters in front of incident numbers"),
    Column("name", Text, nullable=False, comment="Chinese name"),
    Column("name_en", Text, nullable=False, server_default=""),
    Column("level", String(12), nullable=False, comment="city | county | township"),
    Column("parent_id", ID, ForeignKey("jurisdictions.id")),
    Column(
        "default_owner", Text, nullable=False, server_default="", comment="owner given to channels commissioned in bulk"
    ),
    Column(
        "default_purpose",
        Text,
        nullable=False,
        server_default="",
        comment="purpose given to channels commissioned in bulk",
    ),
    _version(),
    comment="a node of the city, county, township tree",
)

places = Table(
    "places",
    metadata,
    Column("id", ID, primary_key=True),
    Column("jurisdiction_id", ID, ForeignKey("jurisdictions.id"), nullable=False),
    _code(),
    Column("name", Text, nullable=False),
    Column("name_en", Text, nullable=False, server_default=""),
    Column(
        "class",
        String(24),
        nullable=False,
        server_default="other",
        comment="school | clinic | bank | waterworks | shop | residence | ...",
    ),
    Column("address", Text, nullable=False, server_default=""),
    Column("owner", Text, nullable=False, server_default="", comment="the unit responsible for the place"),
    Column("lon", Float, comment="degrees, WGS-84"),
    Column("lat", Float, comment="degrees, WGS-84"),
    Column("contacts", Text, nullable=False, server_default="[]", comment="JSON: [{name, role, phone}] in call order"),
    Column("notes", Text, nullable=False, server_default="", comment="for responders"),
    Column("retired_at_us", Micros),
    _version(),
    _search(),
    comment="an address with a position, an owner and a class",
)
Index("ix_places_scope", places.c.jurisdiction_code, places.c.name)

# --- devices ---------------------------------------------------------------------------------------------------------

devices = Table(
    "devices",
    metadata,
    Column("id", ID, primary_key=True),
    Column("kind", String(16), nullable=False, comment="panel | camera | platform | intercom | terminal | sensor"),
    Column("name", Text, nullable=False),
    Column("name_en", Text, nullable=False, server_default=""),
    Column("place_id", ID, ForeignKey("places.id")),
    Column("jurisdiction_id", ID, ForeignKey("jurisdictions.id"), nullable=False),
    _code(),
    Column("protocol", String(16), nullable=False, comment="dc09 | gb28181 | onvif | rtsp"),
    Column("account", String(64), nullable=False, server_default="", comment="panel account, exact text"),
    Column(
        "prefix", String(16), nullable=False, server_default="", comment="DC-09 L field when it narrows the account"
    ),
    Column(
        "receiver", String(16), nullable=False, server_default="", comment="DC-09 R field when it narrows the account"
    ),
    Column("gb_id", String(64), nullable=False, server_default="", comment="GB/T 28181 id, 20 digits"),
    Column("transport", String(8), nullable=False, server_default="", comment="last seen: udp | tcp"),
    Column("maker", Text, nullable=False, server_default=""),
    Column("model", Text, nullable=False, server_default=""),
    Column("firmware", Text, nullable=False, server_default=""),
    Column(
        "line", String(80), nullable=False, server_default="", comment="the network line it hangs on, as people say"
    ),
    Column("state", String(12), nullable=False, server_default="never", comment="never | online | offline"),
    Column("state_since_us", Micros),
    Column("last_seen_at_us", Micros),
    Column("peer", Text, nullable=False, server_default="", comment="address last seen, host:port"),
    Column("registered_until_us", Micros, comment="SIP registration expiry"),
    Column(
        "poll_interval_s",
        Float,
        nullable=False,
        server_default="0",
        comment="expected supervision interval; 0 is not supervised",
    ),
    Column("test_interval_s", Float, nullable=False, server_default="0", comment="expected periodic test; 0 is none"),
    Column("last_test_at_us", Micros),
    Column(
        "settings", Text, nullable=False, server_default="{}", comment="JSON: window_low_s, never_nak, send_date, ..."
    ),
    Column(
        "profile", Text, nullable=False, server_default="{}", comment="JSON: what was learned: charset, ladder, edition"
    ),
    Column("secret", LargeBinary, comment="sealed key or password; never sent, never logged"),
    Column("secret_before", LargeBinary, comment="sealed previous key during a roll-over"),
    Column("retired_at_us", Micros),
    _version(),
    _search(),
    comment="a panel, camera, platform or sensor that speaks to us",
)
Index("ix_devices_scope", devices.c.jurisdiction_code, devices.c.kind)
Index("ix_devices_account", devices.c.account)
Index("ix_devices_gb_id", devices.c.gb_id)

device_faults = Table(
    "device_faults",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device_id", ID, ForeignKey("devices.id"), nullable=False),
    Column("key", String(48), nullable=False, comment="message key: comms.path_failed, security.downgrade, ..."),
    Column("params", Text, nullable=False, server_default="{}", comment="JSON parameters of the message"),
    Column("opened_at_us", Micros, nullable=False),
    Column("closed_at_us", Micros, comment="empty while it lasts"),
    comment="what is wrong with a device; opens once, closes by itself",
)
Index("ix_device_faults_device", device_faults.c.device_id, device_faults.c.closed_at_us)

device_findings = Table(
    "device_findings",
    metadata,
    Column("device_id", ID, ForeignKey("devices.id"), primary_key=True),
    Column("trait", String(24), primary_key=True, comment="charset | sdp_variant | media_ladder | ..."),
    Column("value", Text, nullable=False),
    Column("at_us", Micros, nullable=False, comment="when it was found"),
    Column(
        "evidence", String(32), nullable=False, server_default="seen", comment="message key: what it was found from"
    ),
    Column("is_proven", Boolean, nullable=False, server_default="1", comment="false while it is a guess"),
    Column("params", Text, nullable=False, server_default="{}", comment="JSON parameters of the evidence"),
    comment="what a device was found to need, and from what",
)

profile_guesses = Table(
    "profile_guesses",
    metadata,
    Column("maker", String(100), primary_key=True, comment="as compared: small letters, single spaces"),
    Column("model", String(100), primary_key=True),
    Column("firmware", String(100), primary_key=True, comment="empty: any"),
    Column("trait", String(24), primary_key=True),
    Column("value", Text, nullable=False),
    Column("devices", Integer, nullable=False, server_default="0", comment="how many showed it where it comes from"),
    Column("imported_at_us", Micros, nullable=False),
    comment="first guesses for devices of a make, from an imported matrix",
)

zones = Table(
    "zones",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device_id", ID, ForeignKey("devices.id"), nullable=False),
    Column("number", String(64), nullable=False, comment="as the device sends it, without leading zeros"),
    Column("name", Text, nullable=False, server_default=""),
    Column("name_en", Text, nullable=False, server_default=""),
    Column(
        "kind",
        String(24),
        nullable=False,
        server_default="",
        comment="infrared | door | glass | panic | smoke | perimeter | ...",
    ),
    Column("place_id", ID, ForeignKey("places.id"), comment="when it differs from the panel's place"),
    _version(),
    UniqueConstraint("device_id", "number"),
    comment="an alarm point of a panel",
)

channels = Table(
    "channels",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device_id", ID, ForeignKey("devices.id"), nullable=False),
    Column("gb_id", String(64), nullable=False, server_default=""),
    Column("name", Text, nullable=False),
    Column("name_en", Text, nullable=False, server_default=""),
    Column("place_id", ID, ForeignKey("places.id")),
    Column("jurisdiction_id", ID, ForeignKey("jurisdictions.id"), nullable=False),
    _code(),
    Column("lon", Float),
    Column("lat", Float),
    Column("bearing_deg", Float, comment="where the picture looks, clockwise from north"),
    Column("fov_deg", Float, comment="horizontal field of view"),
    Column("range_m", Float),
    Column("owner", Text, nullable=False, server_default="", comment="who answers for the camera"),
    Column("purpose", Text, nullable=False, server_default="", comment="what it is for, in words"),
    Column(
        "stage", String(12), nullable=False, server_default="discovered", comment="discovered | in_service | retired"
    ),
    Column("status", String(8), nullable=False, server_default="", comment="the device's own word: ON | OFF"),
    Column("loss_policy", String(8), nullable=False, server_default="drop", comment="drop until key | tolerate"),
    Column("catalog", Text, nullable=False, server_default="{}", comment="JSON: the catalogue item as received"),
    Column("catalog_parent", String(64), nullable=False, server_default="", comment="what it hangs under there"),
    Column("civil_code", String(20), nullable=False, server_default="", comment="its division as the catalogue says"),
    Column("tags", Text, nullable=False, server_default="", comment="people's own words, each between line feeds"),
    Column("gone_at_us", Micros, comment="absent from the last complete catalogue since"),
    Column(
        "parent_off", Integer, nullable=False, server_default="0", comment="1: what stands above it says that it is off"
    ),
    Column("retired_at_us", Micros),
    _version(),
    _search(),
    UniqueConstraint("device_id", "gb_id"),
    CheckConstraint("stage IN ('discovered', 'in_service', 'retired')", name="stage"),
    comment="a picture of a camera or recorder",
)
Index("ix_channels_scope", channels.c.jurisdiction_code, channels.c.stage)
Index("ix_channels_name", channels.c.name, channels.c.id)

channel_health = Table(
    "channel_health",
    metadata,
    Column("channel_id", ID, ForeignKey("channels.id"), primary_key=True),
    Column("watched_from_us", Micros, nullable=False, comment="its on-line rate counts from here"),
    Column("state", String(8), nullable=False, comment="online | offline"),
    Column("because", String(8), nullable=False, server_default="", comment="device | parent | gone | self"),
    Column("since_us", Micros, nullable=False),
    Column("measured_at_us", Micros, comment="empty: never measured"),
    Column("source", String(8), nullable=False, server_default="", comment="live | check"),
    Column("last_frame_at_us", Micros),
    Column("bitrate_bps", Integer),
    Column("loss_ppm", Integer, comment="packets lost of a million"),
    Column("key_interval_ms", Integer),
    Column("codec", String(8), nullable=False, server_default=""),
    Column("width", Integer, nullable=False, server_default="0"),
    Column("height", Integer, nullable=False, server_default="0"),
    Column("checked_at_us", Micros, comment="when a check last asked it for a picture"),
    comment="how a channel is doing, and what was last measured of its picture",
)

channel_faults = Table(
    "channel_faults",
    metadata,
    Column("id", ID, primary_key=True),
    Column("channel_id", ID, ForeignKey("channels.id"), nullable=False),
    Column("key", String(32), nullable=False, comment="message key: offline.device, picture.lossy, ..."),
    Column("params", Text, nullable=False, server_default="{}", comment="JSON parameters of the message"),
    Column("opened_at_us", Micros, nullable=False),
    Column("closed_at_us", Micros, comment="empty while it lasts"),
    comment="what is wrong with a channel; opens once, closes by itself",
)
Index(
    "ux_channel_faults_open",
    channel_faults.c.channel_id,
    channel_faults.c.key,
    unique=True,
    sqlite_where=channel_faults.c.closed_at_us.is_(None),
    postgresql_where=channel_faults.c.closed_at_us.is_(None),
)
Index("ix_channel_faults_closed", channel_faults.c.closed_at_us, channel_faults.c.channel_id)

zone_cameras = Table(
    "zone_cameras",
    metadata,
    Column("zone_id", ID, ForeignKey("zones.id"), primary_key=True),
    Column("channel_id", ID, ForeignKey("channels.id"), primary_key=True),
    Column("rank", Integer, nullable=False, server_default="0", comment="0 is shown first"),
    comment="which pictures show an alarm point",
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device_id", ID, ForeignKey("devices.id"), nullable=False),
    Column("channel_id", ID),
    Column(
        "kind", String(16), nullable=False, comment="registration | catalog | play | subscription | control | report"
    ),
    Column("started_at_us", Micros, nullable=False),
    Column("ended_at_us", Micros),
    Column("outcome", String(8), nullable=False, comment="ok | failed | running"),
    Column("failure", String(64), nullable=False, server_default="", comment="message key"),
    Column("steps", Text, nullable=False, comment="JSON: [{key, state, at_ms, params}]"),
    comment="step timelines: what was tried with a device and what failed, newest 50 a device",
)
Index("ix_attempts_device", attempts.c.device_id, attempts.c.started_at_us)

pending_devices = Table(
    "pending_devices",
    metadata,
    Column("gb_id", String(64), primary_key=True),
    Column("peer", Text, nullable=False),
    Column("user_agent", Text, nullable=False, server_default=""),
    Column("first_at_us", Micros, nullable=False),
    Column("last_at_us", Micros, nullable=False),
    Column("knocks", Integer, nullable=False, server_default="1"),
    comment="devices that tried to register and are not known; newest 1,000",
)

marks = Table(
    "marks",
    metadata,
    Column("name", String(32), primary_key=True, comment="last_alive: when this installation last worked"),
    Column("at_us", Micros, nullable=False),
    comment="moments this installation remembers",
)

# --- alarms ----------------------------------------------------------------------------------------------------------

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
    Column("code", String(16), nullable=False),
    Column("priority", Integer, nullable=False, comment="1 life .. 9 log only"),
    Column("label_en", Text, nullable=False),
    Column("label_zh", Text, nullable=False),
    Column("area", String(16), nullable=False, server_default=""),
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

# --- plans and units -------------------------------------------------------------------------------------------------

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
    Column("retired_at_us", Micros),
    _version(),
    comment="a crew that can be sent",
)
Index("ix_units_scope", units.c.jurisdiction_code)

# --- people and permission -------------------------------------------------------------------------------------------

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

# --- proof and delivery ----------------------------------------------------------------------------------------------

audit = Table(
    "audit",
    metadata,
    Column("seq", Count, primary_key=True, autoincrement=False, comment="1, 2, 3, ... without gaps"),
    Column("at_us", Micros, nullable=False),
    Column("actor_kind", String(12), nullable=False, comment="user | system | device | command"),
    Column("actor_id", Text, nullable=False, comment="an id, never a name"),
    Column("action", String(48), nullable=False),
    Column("subject_kind", String(24), nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("jurisdiction_code", String(12), nullable=False),
    Column("outcome", String(8), nullable=False, comment="done | refused"),
    Column("detail", Text, nullable=False, comment="JSON, exactly as hashed"),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False, comment="SHA-256 over prev_hash and the canonical record"),
    comment="what was done, seen and refused; hash-chained",
)
Index("ix_audit_subject", audit.c.subject_id, audit.c.seq)
Index("ix_audit_actor", audit.c.actor_id, audit.c.seq)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Count, primary_key=True, autoincrement=False, comment="feed sequence"),
    Column("at_us", Micros, nullable=False),
    Column("type", String(32), nullable=False, comment="incident.opened, alarm.raised, ..."),
    Column("subject_id", Text, nullable=False),
    _code(),
    Column("permission", String(24), nullable=False, server_default="", comment="who may hear it"),
    Column("data", LargeBinary, nullable=False, comment="JSON, encoded once for every listener"),
    comment="committed facts to deliver; trimmed by age",
)

chain = Table(
    "chain",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("audit_seq", Count, nullable=False),
    Column("audit_hash", String(64), nullable=False),
    Column("feed_seq", Count, nullable=False),
    comment="one row: the head of the audit chain and of the feed, locked while a group ends",
)

notices = Table(
    "notices",
    metadata,
    Column("id", ID, primary_key=True),
    Column("key", String(48), nullable=False),
    Column("subject_id", Text, nullable=False, server_default=""),
    _code(),
    Column("severity", String(8), nullable=False, comment="critical | warning | info"),
    Column("params", Text, nullable=False, server_default="{}"),
    Column("since_us", Micros, nullable=False),
    Column("cleared_at_us", Micros),
    comment="what the control room must know about the system itself",
)
Index(
    "ix_notices_open",
    notices.c.key,
    notices.c.subject_id,
    sqlite_where=notices.c.cleared_at_us.is_(None),
    postgresql_where=notices.c.cleared_at_us.is_(None),
)

from tocsin.storage import tables_acts as tables_acts  # noqa: E402
from tocsin.storage import tables_cascade as tables_cascade  # noqa: E402  further tables of the same schema
from tocsin.storage import tables_clips as tables_clips  # noqa: E402
from tocsin.storage import tables_control as tables_control  # noqa: E402
from tocsin.storage import tables_imports as tables_imports  # noqa: E402
from tocsin.storage import tables_pictures as tables_pictures  # noqa: E402
from tocsin.storage import tables_recording as tables_recording  # noqa: E402
from tocsin.storage import tables_retention as tables_retention  # noqa: E402
from tocsin.storage import tables_snapshots as tables_snapshots  # noqa: E402
from tocsin.storage import tables_tree as tables_tree  # noqa: E402
from tocsin.storage import tables_wall as tables_wall  # noqa: E402
