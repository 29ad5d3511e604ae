"""Tables of accounts of alarm devices; an account's id is its device's. Conventions as in `tables.py`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from tocsin.storage.tables import ID, Micros, _version, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("device_id", ID, ForeignKey("devices.id"), primary_key=True),
    Column("owner", Text, nullable=False, server_default="", comment="organisation; empty: the place's"),
    Column("access", Text, nullable=False, server_default="", comment="how to get in, for responders"),
    Column("checks_wrong", Integer, nullable=False, server_default="0", comment="passwords not proved right since"),
    Column("checks_since_us", Micros, comment="the first of them; ten minutes later they count no more"),
    _version(),
    comment="what is kept of an account beside its device and place; made by the first thing written",
)

account_contacts = Table(
    "account_contacts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device_id", ID, ForeignKey("devices.id"), nullable=False),
    Column("rank", Integer, nullable=False, comment="call order, from 1"),
    Column("name", Text, nullable=False),
    Column(
        "role",
        String(16),
        nullable=False,
        comment="key_holder | manager | owner | guard | neighbour | technician | other",
    ),
    Column("phone", String(40), nullable=False),
    Column("languages", Text, nullable=False, server_default="[]", comment="JSON: language tags"),
    Column("note", Text, nullable=False, server_default=""),
    Column("review_on", String(10), nullable=False, comment="date by which somebody looks at it again"),
    Column("ends_on", String(10), comment="deleted after this date"),
    _version(),
    comment="whom to call about an account; each reading of them is a record",
)
Index("ix_account_contacts_device", account_contacts.c.device_id, account_contacts.c.rank)
Index("ix_account_contacts_ends", account_contacts.c.ends_on)

account_notes = Table(
    "account_notes",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device_id", ID, ForeignKey("devices.id"), nullable=False),
    Column("text", Text, nullable=False),
    Column("until_us", Micros, nullable=False, comment="shown to responders until then"),
    Column("made_at_us", Micros, nullable=False),
    Column("made_by", String(64), nullable=False, comment="user id"),
    comment="what responders must know for a time; deleted thirty days after its end",
)
Index("ix_account_notes_device", account_notes.c.device_id, account_notes.c.until_us)
Index("ix_account_notes_until", account_notes.c.until_us)

account_plans = Table(
    "account_plans",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device_id", ID, ForeignKey("devices.id"), nullable=False),
    Column("name", Text, nullable=False, comment="such as the floor it shows"),
    Column("form", String(8), nullable=False, comment="png | jpeg"),
    Column("width_px", Integer, nullable=False),
    Column("height_px", Integer, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("sha256", String(64), nullable=False, comment="of the file in the folder plans"),
    comment="floor plans; the pictures are files of the data folder",
)
Index("ix_account_plans_device", account_plans.c.device_id)

zone_points = Table(
    "zone_points",
    metadata,
    Column("zone_id", ID, ForeignKey("zones.id"), primary_key=True),
    Column("plan_id", ID, ForeignKey("account_plans.id"), nullable=False),
    Column("x", Float, nullable=False, comment="share of the picture's width, from its left"),
    Column("y", Float, nullable=False, comment="share of the picture's height, from its top"),
    comment="where zones are on floor plans",
)
Index("ix_zone_points_plan", zone_points.c.plan_id)

account_passwords = Table(
    "account_passwords",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device_id", ID, ForeignKey("devices.id"), nullable=False),
    Column("label", Text, nullable=False, comment="whose or what for, as the account says it"),
    Column("is_duress", Boolean, nullable=False, server_default="0", comment="said under threat"),
    Column("hash", Text, nullable=False, comment="Argon2id; never sent, never logged"),
    Column("ends_on", String(10), comment="deleted after this date"),
    comment="words people on the premises are asked for on the telephone",
)
Index("ix_account_passwords_device", account_passwords.c.device_id)
