"""Downloads of recordings from devices."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "downloads",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.Column(
            "jurisdiction_code",
            sa.String(length=12),
            nullable=False,
            comment="division code of the owner; scope by range",
        ),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column(
            "purpose", sa.String(length=24), nullable=False, comment="the purpose of the view it was asked under"
        ),
        sa.Column("starts_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_at_us", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.String(length=12),
            nullable=False,
            comment="running | finished | partial | failed | cancelled | deleted",
        ),
        sa.Column("reason", sa.String(length=48), server_default="", nullable=False, comment="message key"),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=True, comment="when its file is deleted"),
        sa.Column(
            "size_bytes",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            server_default="0",
            nullable=False,
        ),
        sa.Column("sha256", sa.String(length=64), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_downloads_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_downloads")),
        comment="recordings fetched from devices as files",
    )
    op.create_index("ix_downloads_user", "downloads", ["user_id", "id"], unique=False)
