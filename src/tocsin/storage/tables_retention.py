"""Tables of keeping recordings: policies, holds, deletions under way, tombstones, leases of those who read.

Times of recordings are milliseconds since 1970 UTC, as in `tables_recording`.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from tocsin.storage.tables import ID, Micros, _code, _version, metadata

retention_policies = Table(
    "retention_policies",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("jurisdiction_code", String(12), nullable=False, comment="empty: the whole house"),
    Column("place_class", String(24), nullable=False, comment="empty: any"),
    Column("min_days", Integer, nullable=False, comment="nothing younger is deleted"),
    Column("max_days", Integer, comment="all that is older is deleted; null: no ceiling"),
    Column("basis", Text, nullable=False, comment="the law, contract or decision it rests on"),
    Column("hot_days", Integer, comment="recordings move to the far tier after so many days; null: says nothing of it"),
    Column("changed_at_us", Micros, nullable=False),
    _version(),
    comment="how long recordings are kept, where, and why",
)

recording_holds = Table(
    "recording_holds",
    metadata,
    Column("id", ID, primary_key=True),
    _code(),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("request_id", String(100), nullable=False, comment="number of the request or case"),
    Column("set_by", ID, nullable=False),
    Column("set_at_us", Micros, nullable=False),
    Column("ends_at_us", Micros, nullable=False),
    Column("released_at_us", Micros, comment="null while it lasts"),
    Column("release_reason", Text, nullable=False, server_default=""),
    _version(),
    comment="recordings exempt from deletion until an end",
)
Index("ix_recording_holds_scope", recording_holds.c.jurisdiction_code, recording_holds.c.ends_at_us)

hold_cameras = Table(
    "hold_cameras",
    metadata,
    Column("hold_id", ID, ForeignKey("recording_holds.id"), primary_key=True),
    Column("channel_id", ID, primary_key=True),
    comment="the cameras of a hold",
)
Index("ix_hold_cameras_channel", hold_cameras.c.channel_id)

deletions = Table(
    "deletions",
    metadata,
    Column("no", Integer, primary_key=True),
    Column("stream_no", Integer, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("reason", String(12), nullable=False, comment="ceiling | space"),
    Column("policy_id", String(36), nullable=False, comment="empty when no policy applies"),
    Column("policy_version", Integer, nullable=False),
    Column("basis", Text, nullable=False),
    comment="deletions between their two commits",
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=False, comment="1, 2, 3 without gaps"),
    Column("at_us", Micros, nullable=False),
    Column("channel_id", ID, nullable=False),
    Column("stream", String(8), nullable=False, comment="main | sub"),
    _code(),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("segments", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("reason", String(12), nullable=False, comment="ceiling | space"),
    Column("policy_id", String(36), nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("basis", Text, nullable=False),
    Column("root", String(64), nullable=False, comment="SHA-256 over start and hash of each file"),
    Column("key_id", String(16), nullable=False),
    Column("signature", String(128), nullable=False, comment="Ed25519 by the house's key, hex"),
    comment="what remains of deleted recordings",
)
Index("ix_tombstones_channel", tombstones.c.channel_id, tombstones.c.from_ms)

read_leases = Table(
    "read_leases",
    metadata,
    Column("id", ID, primary_key=True),
    Column("stream_no", Integer, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("until_us", Micros, nullable=False),
    Column("is_honoured", Boolean, nullable=False, server_default="0", comment="a deletion has waited for it"),
    comment="ranges that are being played or exported",
)
Index("ix_read_leases_stream", read_leases.c.stream_no, read_leases.c.until_us)

segment_moves = Table(
    "segment_moves",
    metadata,
    Column("stream_no", Integer, primary_key=True, autoincrement=False),
    Column("start_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("from_no", Integer, nullable=False, comment="the volume it lay on"),
    Column("to_no", Integer, nullable=False, comment="the volume it moves to"),
    Column("begun_at_us", Micros, nullable=False),
    comment="segments with a copy on two volumes; the row of the segment says which of them counts",
)
