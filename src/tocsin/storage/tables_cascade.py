"""The part of the schema about upper platforms. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from tocsin.storage.tables import ID, Micros, _code, _version, metadata

upper_platforms = Table(
    "upper_platforms",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_en", Text, nullable=False, server_default=""),
    Column("jurisdiction_id", ID, ForeignKey("jurisdictions.id"), nullable=False),
    _code(),
    Column("upper_id", String(20), nullable=False, comment="GB/T 28181 id of the upper platform"),
    Column("domain", String(64), nullable=False, comment="its SIP domain"),
    Column("host", String(253), nullable=False),
    Column("port", Integer, nullable=False),
    Column("transport", String(8), nullable=False, comment="udp | tcp"),
    Column("local_id", String(20), nullable=False, comment="the id we present"),
    Column("username", String(64), nullable=False, server_default="", comment="empty: the id we present"),
    Column("secret", LargeBinary, comment="sealed password; never sent, never logged"),
    Column("charset", String(16), nullable=False, server_default="", comment="empty: by its edition"),
    Column("edition", String(8), nullable=False, comment="2016 | 2022"),
    Column("expires_s", Integer, nullable=False, comment="seconds asked for at registration"),
    Column("keepalive_s", Integer, nullable=False, comment="seconds between keepalives"),
    Column("page_items", Integer, nullable=False, comment="catalogue items in one message"),
    Column("send_alarms", String(12), nullable=False, comment="subscribed | always | never"),
    Column("view_minutes", Integer, nullable=False, comment="longest single picture, minutes"),
    Column("rights", Text, nullable=False, comment="JSON: verbs it was given"),
    Column("owner", Text, nullable=False, comment="who answers for the sharing agreement"),
    Column("purpose", String(24), nullable=False, comment="alarm_verification | patrol | maintenance | drill"),
    Column("basis", Text, nullable=False, server_default="", comment="document the agreement rests on"),
    Column("ends_at_us", Micros, nullable=False, comment="end of the agreement; sharing ends by itself"),
    Column("is_enabled", Boolean, nullable=False, server_default="1"),
    Column("stopped_at_us", Micros, comment="set by the stop; nothing is shared until resumed"),
    Column("retired_at_us", Micros),
    _version(),
    comment="a platform above us that sees an explicit selection of our cameras",
)

upper_selection = Table(
    "upper_selection",
    metadata,
    Column("upper", ID, ForeignKey("upper_platforms.id"), primary_key=True),
    Column("kind", String(12), primary_key=True, comment="node | place_class | camera"),
    Column("value", String(64), primary_key=True, comment="jurisdiction id, place class or camera id"),
    comment="what an upper platform may see",
)

upper_exports = Table(
    "upper_exports",
    metadata,
    Column("upper", ID, ForeignKey("upper_platforms.id"), primary_key=True),
    Column("exported_id", String(20), primary_key=True, comment="GB/T 28181 id towards this upper platform"),
    Column("subject_kind", String(8), nullable=False, comment="camera | node | group"),
    Column("subject_id", String(48), nullable=False),
    Column("name", Text, nullable=False, server_default="", comment="empty: the camera's own"),
    Column("civil_code", String(8), nullable=False, server_default="", comment="empty: from the jurisdiction"),
    Column("parent_id", Text, nullable=False, server_default="", comment="empty: from the tree"),
    Column("since_us", Micros, nullable=False),
    Column("left_at_us", Micros, comment="no longer shared; the id stays reserved for 180 days"),
    comment="ids by which an upper platform knows cameras and nodes",
)
Index("ix_upper_exports_subject", upper_exports.c.subject_id)

upper_views = Table(
    "upper_views",
    metadata,
    Column("view_id", ID, ForeignKey("views.id"), primary_key=True),
    Column("upper", ID, ForeignKey("upper_platforms.id"), nullable=False),
    Column("channel_id", ID, nullable=False),
    Column("kind", String(12), nullable=False, comment="live | playback"),
    Column("user_identity", Text, nullable=False, server_default="", comment="Monitor-User-Identity as it came"),
    comment="pictures an upper platform opened; times and purpose are the view's",
)
Index("ix_upper_views_upper", upper_views.c.upper, upper_views.c.view_id)
