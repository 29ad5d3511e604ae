"""Recordings: volumes, streams, segments by day, gaps, coverage, plans."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "volumes",
        sa.Column("no", sa.Integer(), nullable=False, comment="what segments call it"),
        sa.Column("id", sa.String(length=36), nullable=False, comment="also in the volume's file .tocsin-volume"),
        sa.Column("kind", sa.String(length=8), nullable=False, comment="folder | s3"),
        sa.Column("location", sa.Text(), nullable=False, comment="path of the folder, or address of the bucket"),
        sa.Column("tier", sa.String(length=8), nullable=False, comment="hot | warm | cold"),
        sa.Column(
            "state", sa.String(length=12), nullable=False, comment="ok | full | slow | read_only | gone | foreign"
        ),
        sa.Column("reserve_bytes", sa.BigInteger(), nullable=False, comment="bytes that stay free in any case"),
        sa.Column("high_pct", sa.Integer(), nullable=False, comment="percent used at which room is made"),
        sa.Column("low_pct", sa.Integer(), nullable=False, comment="percent used at which that ends"),
        sa.Column("total_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("free_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seen_at_us", sa.BigInteger(), nullable=True, comment="when its state was last told"),
        sa.PrimaryKeyConstraint("no", name=op.f("pk_volumes")),
        sa.UniqueConstraint("id", name=op.f("uq_volumes_id")),
        comment="folders and buckets that recordings lie in",
    )
    op.create_table(
        "recorded_streams",
        sa.Column("no", sa.Integer(), nullable=False, comment="what segments and gaps call it"),
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.Column("stream", sa.String(length=8), nullable=False, comment="main | sub"),
        sa.Column(
            "jurisdiction_code",
            sa.String(length=12),
            nullable=False,
            comment="division code of the owner; scope by range",
        ),
        sa.PrimaryKeyConstraint("no", name=op.f("pk_recorded_streams")),
        sa.UniqueConstraint("channel_id", "stream", name=op.f("uq_recorded_streams_channel_id_stream")),
        comment="every stream of which something was or is to be recorded",
    )
    op.create_table(
        "codecs",
        sa.Column("no", sa.Integer(), nullable=False, comment="what segments call it"),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False, comment="of init, 32 bytes"),
        sa.Column("codec", sa.String(length=8), nullable=False, comment="h264 | h265"),
        sa.Column("width", sa.Integer(), nullable=False, comment="pixels"),
        sa.Column("height", sa.Integer(), nullable=False, comment="pixels"),
        sa.Column("mime", sa.String(length=96), nullable=False, comment="with its codecs parameter"),
        sa.Column("init", sa.LargeBinary(), nullable=False, comment="the boxes in front of the first group"),
        sa.PrimaryKeyConstraint("no", name=op.f("pk_codecs")),
        sa.UniqueConstraint("sha256", name=op.f("uq_codecs_sha256")),
        comment="parameters of pictures, each set once",
    )
    op.create_table(
        "segments",
        sa.Column("stream_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "start_ms",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="wall clock of the first picture",
        ),
        sa.Column(
            "end_ms", sa.BigInteger(), nullable=False, comment="end of the last picture; start_ms while it is open"
        ),
        sa.Column("volume_no", sa.Integer(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False, comment="0 open, 1 ok, 2 damaged, 3 lost, 4 deleting"),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False, comment="size of the file"),
        sa.Column("pictures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lost_packets", sa.Integer(), server_default="0", nullable=False),
        sa.Column("damaged", sa.Integer(), server_default="0", nullable=False, comment="groups with a damaged picture"),
        sa.Column("codec_no", sa.Integer(), nullable=True, comment="null while it is open"),
        sa.Column(
            "sha256",
            sa.LargeBinary(length=32),
            nullable=True,
            comment="of the whole file, 32 bytes; null while it is open",
        ),
        sa.Column(
            "groups", sa.LargeBinary(), nullable=False, comment="what lies where in the file, see segment_groups"
        ),
        sa.Column(
            "clock_offset_ms", sa.Integer(), nullable=True, comment="the device's clock less ours; null when unknown"
        ),
        sa.Column("end_reason", sa.String(length=16), server_default="", nullable=False, comment="why it was closed"),
        sa.Column(
            "due_ms", sa.BigInteger(), nullable=True, comment="when the tier rule looks at it next; null is never"
        ),
        sa.PrimaryKeyConstraint("stream_no", "start_ms", name=op.f("pk_segments")),
        comment="files of recorded pictures",
        postgresql_partition_by="RANGE (start_ms)",
    )
    due, unsettled = sa.text("due_ms IS NOT NULL"), sa.text("state != 1")
    op.create_index("ix_segments_due", "segments", ["due_ms"], unique=False, sqlite_where=due, postgresql_where=due)
    op.create_index(
        "ix_segments_unsettled",
        "segments",
        ["state"],
        unique=False,
        sqlite_where=unsettled,
        postgresql_where=unsettled,
    )
    op.create_index("ix_segments_volume", "segments", ["volume_no", "start_ms"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE TABLE segments_other PARTITION OF segments DEFAULT")
    op.create_table(
        "recording_gaps",
        sa.Column("stream_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("from_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=True, comment="null while it lasts"),
        sa.Column(
            "reason",
            sa.String(length=16),
            nullable=False,
            comment="source_lost | device_offline | disk_full | ...",
        ),
        sa.PrimaryKeyConstraint("stream_no", "from_ms", name=op.f("pk_recording_gaps")),
        comment="stretches that should have been recorded and were not",
    )
    lasts = sa.text("to_ms IS NULL")
    op.create_index(
        "ix_recording_gaps_open",
        "recording_gaps",
        ["stream_no"],
        unique=False,
        sqlite_where=lasts,
        postgresql_where=lasts,
    )
    op.create_table(
        "coverage_days",
        sa.Column("stream_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False, comment="days since 1970-01-01 UTC"),
        sa.Column(
            "minutes",
            sa.LargeBinary(),
            nullable=False,
            comment="180 bytes: bit n of the day is minute n, high bit first",
        ),
        sa.Column(
            "stored_ms",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="milliseconds recorded of that day",
        ),
        sa.Column(
            "expected_ms",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="milliseconds that were to be recorded",
        ),
        sa.PrimaryKeyConstraint("stream_no", "day", name=op.f("pk_coverage_days")),
        comment="what is recorded of a day, minute by minute",
    )
    op.create_table(
        "recording_plans",
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.Column("mode", sa.String(length=12), nullable=False, comment="off | continuous | scheduled | event"),
        sa.Column("stream", sa.String(length=8), server_default="main", nullable=False, comment="main | sub"),
        sa.Column(
            "schedule",
            sa.Text(),
            server_default="[]",
            nullable=False,
            comment="JSON: [{days, from, to}] in the house's time",
        ),
        sa.Column("pre_s", sa.Integer(), server_default="10", nullable=False, comment="seconds before an event"),
        sa.Column("post_s", sa.Integer(), server_default="30", nullable=False, comment="seconds after it"),
        sa.Column(
            "is_edge_first",
            sa.Boolean(),
            server_default="0",
            nullable=False,
            comment="the device records, we fetch",
        ),
        sa.Column(
            "priority",
            sa.Integer(),
            server_default="5",
            nullable=False,
            comment="1 to 9; the lowest is dropped first",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="counts changes; a stale writer is refused",
        ),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_recording_plans")),
        comment="what is to be recorded of a camera, and when; without a row nothing is",
    )
