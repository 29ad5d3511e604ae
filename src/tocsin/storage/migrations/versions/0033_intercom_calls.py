"""Calls of door intercoms, and views that serve one."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "intercom_calls",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column(
            "jurisdiction_code",
            sa.String(length=12),
            nullable=False,
            comment="division code of the owner; scope by range",
        ),
        sa.Column("called", sa.String(length=64), nullable=False, comment="number the intercom rang"),
        sa.Column("is_sos", sa.Boolean(), nullable=False),
        sa.Column("has_sound", sa.Boolean(), nullable=False, comment="it offered sound we can play"),
        sa.Column("state", sa.String(length=12), nullable=False, comment="ringing | answered | ended"),
        sa.Column("started_at_us", sa.BigInteger(), nullable=False),
        sa.Column("answered_at_us", sa.BigInteger(), comment="null: nobody answered"),
        sa.Column("answered_by", sa.String(length=36)),
        sa.Column("ended_at_us", sa.BigInteger()),
        sa.Column(
            "end_reason",
            sa.String(length=24),
            server_default="",
            nullable=False,
            comment="hung_up | missed | given_up | ...",
        ),
        sa.Column("signal_id", sa.String(length=36), nullable=False),
        sa.Column("incident_id", sa.String(length=36), comment="raised by an SOS call at once, or by an operator"),
        sa.Column("opened", sa.Integer(), server_default="0", nullable=False, comment="how often the door was opened"),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_intercom_calls_device_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intercom_calls")),
        comment="calls of door intercoms: when, who answered, how they ended; not who rang, and no sound",
    )
    op.create_index("ix_intercom_calls_device", "intercom_calls", ["device_id", "id"], unique=False)
    op.create_index(
        "ix_intercom_calls_open",
        "intercom_calls",
        ["started_at_us"],
        unique=False,
        sqlite_where=sa.text("ended_at_us IS NULL"),
        postgresql_where=sa.text("ended_at_us IS NULL"),
    )
    op.add_column(
        "views", sa.Column("call_id", sa.String(length=36), comment="door call it serves; it ends with the call")
    )
