"""Who spoke through which camera."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "camera_speeches",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.Column(
            "jurisdiction_code",
            sa.String(length=12),
            nullable=False,
            comment="division code of the owner; scope by range",
        ),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("view_id", sa.String(length=36), nullable=False, comment="no speaking without a view"),
        sa.Column("purpose", sa.String(length=24), nullable=False, comment="the view's purpose"),
        sa.Column("incident_id", sa.String(length=36), nullable=True),
        sa.Column("started_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_at_us", sa.BigInteger(), nullable=False, comment="the latest end"),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.Column(
            "end_reason", sa.String(length=48), server_default="", nullable=False, comment="ended | time_over | ..."
        ),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_camera_speeches_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_camera_speeches")),
        comment="who spoke through a camera, from the call to the end; sound is not kept",
    )
    op.create_index(
        "ix_camera_speeches_open",
        "camera_speeches",
        ["started_at_us"],
        unique=False,
        sqlite_where=sa.text("ended_at_us IS NULL"),
        postgresql_where=sa.text("ended_at_us IS NULL"),
    )
