"""Retention: policies, holds, deletions under way, tombstones, read leases."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

CODE = "division code of the owner; scope by range"
VERSION = "counts changes; a stale writer is refused"


def upgrade() -> None:
    op.create_table(
        "retention_policies",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("jurisdiction_code", sa.String(length=12), nullable=False, comment="empty: the whole house"),
        sa.Column("place_class", sa.String(length=24), nullable=False, comment="empty: any"),
        sa.Column("min_days", sa.Integer(), nullable=False, comment="nothing younger is deleted"),
        sa.Column("max_days", sa.Integer(), nullable=True, comment="all that is older is deleted; null: no ceiling"),
        sa.Column("basis", sa.Text(), nullable=False, comment="the law, contract or decision it rests on"),
        sa.Column("changed_at_us", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False, comment=VERSION),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_policies")),
        comment="how long recordings are kept, where, and why",
    )
    op.create_table(
        "recording_holds",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("jurisdiction_code", sa.String(length=12), nullable=False, comment=CODE),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("request_id", sa.String(length=100), nullable=False, comment="number of the request or case"),
        sa.Column("set_by", sa.String(length=36), nullable=False),
        sa.Column("set_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_at_us", sa.BigInteger(), nullable=False),
        sa.Column("released_at_us", sa.BigInteger(), nullable=True, comment="null while it lasts"),
        sa.Column("release_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False, comment=VERSION),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording_holds")),
        comment="recordings exempt from deletion until an end",
    )
    op.create_index("ix_recording_holds_scope", "recording_holds", ["jurisdiction_code", "ends_at_us"], unique=False)
    op.create_table(
        "hold_cameras",
        sa.Column("hold_id", sa.String(length=36), nullable=False),
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["hold_id"], ["recording_holds.id"], name=op.f("fk_hold_cameras_hold_id")),
        sa.PrimaryKeyConstraint("hold_id", "channel_id", name=op.f("pk_hold_cameras")),
        comment="the cameras of a hold",
    )
    op.create_index("ix_hold_cameras_channel", "hold_cameras", ["channel_id"], unique=False)
    op.create_table(
        "deletions",
        sa.Column("no", sa.Integer(), nullable=False),
        sa.Column("stream_no", sa.Integer(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=12), nullable=False, comment="ceiling | space"),
        sa.Column("policy_id", sa.String(length=36), nullable=False, comment="empty when no policy applies"),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("no", name=op.f("pk_deletions")),
        comment="deletions between their two commits",
    )
    op.create_table(
        "tombstones",
        sa.Column("no", sa.Integer(), autoincrement=False, nullable=False, comment="1, 2, 3 without gaps"),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.Column("stream", sa.String(length=8), nullable=False, comment="main | sub"),
        sa.Column("jurisdiction_code", sa.String(length=12), nullable=False, comment=CODE),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=12), nullable=False, comment="ceiling | space"),
        sa.Column("policy_id", sa.String(length=36), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False, comment="SHA-256 over start and hash of each file"),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False, comment="Ed25519 by the house's key, hex"),
        sa.PrimaryKeyConstraint("no", name=op.f("pk_tombstones")),
        comment="what remains of deleted recordings",
    )
    op.create_index("ix_tombstones_channel", "tombstones", ["channel_id", "from_ms"], unique=False)
    op.create_table(
        "read_leases",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("stream_no", sa.Integer(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column(
            "is_honoured", sa.Boolean(), server_default="0", nullable=False, comment="a deletion has waited for it"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_read_leases")),
        comment="ranges that are being played or exported",
    )
    op.create_index("ix_read_leases_stream", "read_leases", ["stream_no", "until_us"], unique=False)
