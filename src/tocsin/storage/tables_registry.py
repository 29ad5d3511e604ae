"""Tables of the registry: jurisdictions, places, devices with zones and channels. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from tocsin.storage.tables import ID, Micros, _code, _search, _version, metadata

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
Index("ix_places_lat", places.c.lat)

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
    Column("network", String(80), nullable=False, server_default="", comment="the carrier it reports through"),
    Column("feeder", String(80), nullable=False, server_default="", comment="the power district it hangs on"),
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
Index("ix_channels_lat", channels.c.lat)

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
