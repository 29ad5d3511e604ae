"""The part of the schema about rules between signals and alarms. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from tocsin.storage.tables import ID, Micros, _code, metadata

rules = Table(
    "rules",
    metadata,
    Column("id", ID, primary_key=True),
    Column("method", String(16), nullable=False, comment="cancel_window | two_trip | cross_zone | sequential | ..."),
    Column("version_no", Integer, nullable=False, comment="the version that counts"),
    comment="rules between signals and alarms; what they say is in rule_versions",
)

rule_versions = Table(
    "rule_versions",
    metadata,
    Column("rule_id", ID, ForeignKey("rules.id"), primary_key=True),
    Column("version_no", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_en", Text, nullable=False, server_default=""),
    _code(),
    Column("device_id", ID, nullable=False, comment="empty: every device of the area"),
    Column("zone", String(64), nullable=False, comment="zone number; empty: every zone"),
    Column("knobs", Text, nullable=False, comment="JSON: {name: whole number}"),
    Column("pairs", Text, nullable=False, comment="JSON: [[zone, zone]]"),
    Column("is_on", Boolean, nullable=False),
    Column("is_exempt", Boolean, nullable=False, comment="takes its place out of a wider rule"),
    Column("owner", Text, nullable=False, comment="who answers for it"),
    Column("until_us", Micros, nullable=False, comment="it counts until then"),
    Column("reason", Text, nullable=False, comment="why this version was made"),
    Column("made_at_us", Micros, nullable=False),
    Column("made_by", Text, nullable=False),
    comment="versions are never changed; each act of a rule names the one it followed",
)

rule_states = Table(
    "rule_states",
    metadata,
    Column("device_id", ID, primary_key=True),
    Column("state", Text, nullable=False, comment="JSON: what the rules remember of the device"),
    comment="areas set, trips, alarms that wait: what the rules need to go on after a restart",
)

rule_acts = Table(
    "rule_acts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("rule_id", ID, nullable=False),
    Column("version_no", Integer, nullable=False),
    Column("method", String(16), nullable=False),
    Column(
        "what",
        String(12),
        nullable=False,
        comment="held | raised | cancelled | single | grouped | logged | lowered | confirmed",
    ),
    Column("signal_id", ID, nullable=False),
    Column("event_no", Integer, nullable=False, comment="place of the event in its signal, from 0"),
    Column("device_id", ID, nullable=False),
    _code(),
    Column("zone", String(64), nullable=False),
    Column("label_en", Text, nullable=False),
    Column("label_zh", Text, nullable=False),
    Column("priority", Integer, nullable=False, comment="as sent"),
    Column("raised_priority", Integer, nullable=False, comment="of the alarm; 0: as sent"),
    Column("cause", String(64), nullable=False, comment="zone that confirmed, user who cancelled"),
    Column("received_at_us", Micros, nullable=False),
    Column("acted_at_us", Micros, nullable=False, comment="when the rule acted"),
    Column("until_us", Micros, comment="until when it holds or hides"),
    Column("ended_at_us", Micros, comment="when a held event went on"),
    Column("alarm_id", ID, comment="the alarm it became, or is grouped under"),
    comment="what rules did to events: nothing that is held or hidden is without its row",
)
Index("ix_rule_acts_scope", rule_acts.c.jurisdiction_code, rule_acts.c.id)
Index("ix_rule_acts_signal", rule_acts.c.signal_id)
Index("ix_rule_acts_device", rule_acts.c.device_id, rule_acts.c.id)
Index("ix_rule_acts_alarm", rule_acts.c.alarm_id)
Index(
    "ix_rule_acts_held",
    rule_acts.c.until_us,
    sqlite_where=rule_acts.c.what == "held",
    postgresql_where=rule_acts.c.what == "held",
)

repair_proposals = Table(
    "repair_proposals",
    metadata,
    Column("id", ID, primary_key=True),
    Column("method", String(16), nullable=False, comment="chatter | swinger | runaway"),
    Column("rule_id", ID, nullable=False),
    Column("version_no", Integer, nullable=False),
    Column("device_id", ID, nullable=False),
    _code(),
    Column("zone", String(64), nullable=False, comment="empty: the device itself"),
    Column("opened_at_us", Micros, nullable=False),
    Column("last_at_us", Micros, nullable=False),
    Column("times", Integer, nullable=False, comment="how often it was seen since"),
    Column("state", String(12), nullable=False, comment="open | accepted | dismissed"),
    Column("decided_at_us", BigInteger),
    Column("decided_by", Text, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    comment="detectors and panels that should be repaired, as rules propose and people decide",
)
Index("ix_repair_proposals_open", repair_proposals.c.state, repair_proposals.c.device_id)
