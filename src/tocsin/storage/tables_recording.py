"""Tables of what is recorded: volumes, streams, segments, gaps, coverage and plans.

On PostgreSQL `segments` is partitioned by day of `start_ms` (UTC); see `segment_days`. Times here are milliseconds
since 1970 UTC: the beginning of a segment is also the name of its file.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from tocsin.storage.tables import ID, Micros, _code, _version, metadata

Millis = BigInteger()

volumes = Table(
    "volumes",
    metadata,
    Column("no", Integer, primary_key=True, comment="what segments call it"),
    Column("id", ID, nullable=False, unique=True, comment="also in the volume's file .tocsin-volume"),
    Column("kind", String(8), nullable=False, comment="folder | s3"),
    Column("location", Text, nullable=False, comment="path of the folder, or address of the bucket"),
    Column("tier", String(8), nullable=False, comment="hot | warm | cold"),
    Column("state", String(12), nullable=False, comment="ok | full | slow | read_only | gone | foreign"),
    Column("reserve_bytes", BigInteger, nullable=False, comment="bytes that stay free in any case"),
    Column("high_pct", Integer, nullable=False, comment="percent used at which room is made"),
    Column("low_pct", Integer, nullable=False, comment="percent used at which that ends"),
    Column("total_bytes", BigInteger, nullable=False, server_default="0"),
    Column("free_bytes", BigInteger, nullable=False, server_default="0"),
    Column("seen_at_us", Micros, comment="when its state was last told"),
    comment="folders and buckets that recordings lie in",
)

recorded_streams = Table(
    "recorded_streams",
    metadata,
    Column("no", Integer, primary_key=True, comment="what segments and gaps call it"),
    Column("channel_id", ID, nullable=False),
    Column("stream", String(8), nullable=False, comment="main | sub"),
    _code(),
    UniqueConstraint("channel_id", "stream"),
    comment="every stream of which something was or is to be recorded",
)

codecs = Table(
    "codecs",
    metadata,
    Column("no", Integer, primary_key=True, comment="what segments call it"),
    Column("sha256", LargeBinary(32), nullable=False, unique=True, comment="of init, 32 bytes"),
    Column("codec", String(8), nullable=False, comment="h264 | h265"),
    Column("width", Integer, nullable=False, comment="pixels"),
    Column("height", Integer, nullable=False, comment="pixels"),
    Column("mime", String(96), nullable=False, comment="with its codecs parameter"),
    Column("init", LargeBinary, nullable=False, comment="the boxes in front of the first group"),
    comment="parameters of pictures, each set once",
)

segments = Table(
    "segments",
    metadata,
    Column("stream_no", Integer, nullable=False),
    Column("start_ms", Millis, nullable=False, comment="wall clock of the first picture"),
    Column("end_ms", Millis, nullable=False, comment="end of the last picture; start_ms while it is open"),
    Column("volume_no", Integer, nullable=False),
    Column("state", SmallInteger, nullable=False, comment="0 open, 1 ok, 2 damaged, 3 lost, 4 deleting"),
    Column("bytes", BigInteger, nullable=False, server_default="0", comment="size of the file"),
    Column("pictures", Integer, nullable=False, server_default="0"),
    Column("lost_packets", Integer, nullable=False, server_default="0"),
    Column("damaged", Integer, nullable=False, server_default="0", comment="groups with a damaged picture"),
    Column("codec_no", Integer, comment="null while it is open"),
    Column("sha256", LargeBinary(32), comment="of the whole file, 32 bytes; null while it is open"),
    Column("groups", LargeBinary, nullable=False, comment="what lies where in the file, see segment_groups"),
    Column("clock_offset_ms", Integer, comment="the device's clock less ours; null when unknown"),
    Column("end_reason", String(16), nullable=False, server_default="", comment="why it was closed"),
    Column("due_ms", Millis, comment="when the tier rule looks at it next; null is never"),
    PrimaryKeyConstraint("stream_no", "start_ms", postgresql_include=["end_ms", "state", "volume_no", "bytes"]),
    comment="files of recorded pictures",
    postgresql_partition_by="RANGE (start_ms)",
)
Index(
    "ix_segments_due",
    segments.c.due_ms,
    sqlite_where=segments.c.due_ms.is_not(None),
    postgresql_where=segments.c.due_ms.is_not(None),
)
Index(
    "ix_segments_unsettled",
    segments.c.state,
    sqlite_where=segments.c.state != 1,
    postgresql_where=segments.c.state != 1,
)
Index("ix_segments_volume", segments.c.volume_no, segments.c.start_ms)

segment_sums = Table(
    "segment_sums",
    metadata,
    Column("stream_no", Integer, primary_key=True, autoincrement=False),
    Column(
        "day", Integer, primary_key=True, autoincrement=False, comment="days since 1970-01-01 UTC, of the beginning"
    ),
    Column("volume_no", Integer, primary_key=True, autoincrement=False),
    Column("segments", Integer, nullable=False, comment="closed ones, lost ones among them"),
    Column("bytes", BigInteger, nullable=False, comment="of those whose file is there"),
    Column("ms", BigInteger, nullable=False, comment="milliseconds of pictures of those whose file is there"),
    Column("first_ms", Millis, nullable=False, comment="where the first begins"),
    Column("last_ms", Millis, nullable=False, comment="where the last ends"),
    comment="sums of segments by stream, day and volume, kept in the transaction that changes the segments",
)
Index("ix_segment_sums_volume", segment_sums.c.volume_no, segment_sums.c.day)

recording_gaps = Table(
    "recording_gaps",
    metadata,
    Column("stream_no", Integer, primary_key=True, autoincrement=False),
    Column("from_ms", Millis, primary_key=True, autoincrement=False),
    Column("to_ms", Millis, comment="null while it lasts"),
    Column("reason", String(16), nullable=False, comment="source_lost | device_offline | disk_full | ..."),
    comment="stretches that should have been recorded and were not",
)
Index(
    "ix_recording_gaps_open",
    recording_gaps.c.stream_no,
    sqlite_where=recording_gaps.c.to_ms.is_(None),
    postgresql_where=recording_gaps.c.to_ms.is_(None),
)

coverage_days = Table(
    "coverage_days",
    metadata,
    Column("stream_no", Integer, primary_key=True, autoincrement=False),
    Column("day", Integer, primary_key=True, autoincrement=False, comment="days since 1970-01-01 UTC"),
    Column("minutes", LargeBinary, nullable=False, comment="180 bytes: bit n of the day is minute n, high bit first"),
    Column("stored_ms", Integer, nullable=False, server_default="0", comment="milliseconds recorded of that day"),
    Column("expected_ms", Integer, nullable=False, server_default="0", comment="milliseconds that were to be recorded"),
    Column("stored_quarters", LargeBinary, comment="stored_ms by quarters of an hour, see coverage; null: not known"),
    Column("expected_quarters", LargeBinary, comment="expected_ms likewise"),
    comment="what is recorded of a day, minute by minute",
)

recording_plans = Table(
    "recording_plans",
    metadata,
    Column("channel_id", ID, primary_key=True),
    Column("mode", String(12), nullable=False, comment="off | continuous | scheduled | event"),
    Column("stream", String(8), nullable=False, server_default="main", comment="main | sub"),
    Column(
        "schedule", Text, nullable=False, server_default="[]", comment="JSON: [{days, from, to}] in the house's time"
    ),
    Column("pre_s", Integer, nullable=False, server_default="10", comment="seconds before an event"),
    Column("post_s", Integer, nullable=False, server_default="30", comment="seconds after it"),
    Column("is_edge_first", Boolean, nullable=False, server_default="0", comment="the device records, we fetch"),
    Column("priority", Integer, nullable=False, server_default="5", comment="1 to 9; the lowest is dropped first"),
    _version(),
    comment="what is to be recorded of a camera, and when; without a row nothing is",
)
