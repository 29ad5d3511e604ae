"""Recordings: sums by stream, day and volume; coverage by quarters of an hour; the key carries what a list needs."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "segment_sums",
        sa.Column("stream_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "day",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="days since 1970-01-01 UTC, of the beginning",
        ),
        sa.Column("volume_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False, comment="closed ones, lost ones among them"),
        sa.Column("bytes", sa.BigInteger(), nullable=False, comment="of those whose file is there"),
        sa.Column(
            "ms", sa.BigInteger(), nullable=False, comment="milliseconds of pictures of those whose file is there"
        ),
        sa.Column("first_ms", sa.BigInteger(), nullable=False, comment="where the first begins"),
        sa.Column("last_ms", sa.BigInteger(), nullable=False, comment="where the last ends"),
        sa.PrimaryKeyConstraint("stream_no", "day", "volume_no", name=op.f("pk_segment_sums")),
        comment="sums of segments by stream, day and volume, kept in the transaction that changes the segments",
    )
    op.create_index("ix_segment_sums_volume", "segment_sums", ["volume_no", "day"], unique=False)
    op.execute(
        "INSERT INTO segment_sums (stream_no, day, volume_no, segments, bytes, ms, first_ms, last_ms) "
        "SELECT stream_no, start_ms / 86400000, volume_no, count(*), "
        "sum(CASE WHEN state IN (1, 2) THEN bytes ELSE 0 END), "
        "sum(CASE WHEN state IN (1, 2) THEN end_ms - start_ms ELSE 0 END), min(start_ms), max(end_ms) "
        "FROM segments WHERE state <> 0 GROUP BY stream_no, start_ms / 86400000, volume_no"
    )
    op.add_column(
        "coverage_days",
        sa.Column(
            "stored_quarters",
            sa.LargeBinary(),
            comment="stored_ms by quarters of an hour, see coverage; null: not known",
        ),
    )
    op.add_column("coverage_days", sa.Column("expected_quarters", sa.LargeBinary(), comment="expected_ms likewise"))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE segments DROP CONSTRAINT pk_segments")
        op.execute(
            "ALTER TABLE segments ADD CONSTRAINT pk_segments PRIMARY KEY (stream_no, start_ms) "
            "INCLUDE (end_ms, state, volume_no, bytes)"
        )
