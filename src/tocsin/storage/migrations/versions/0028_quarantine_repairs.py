"""Repairs of the quarantine: what a code means, whose an account is, and what signals say by it."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "signal_repairs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False, comment="code | account"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why, in the words of who did it"),
        sa.Column(
            "jurisdiction_code",
            sa.String(length=12),
            nullable=False,
            comment="division code of the owner; scope by range",
        ),
        sa.Column("reach", sa.String(length=8), nullable=False, comment="of a code: device | model | house"),
        sa.Column("reach_value", sa.Text(), nullable=False, comment="device id, or maker and model in small letters"),
        sa.Column("code_system", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=32), nullable=False, comment="event of our tables it means: cid:1130"),
        sa.Column("event", sa.Text(), nullable=False, comment="JSON: that event as it stood then"),
        sa.Column("protocol", sa.String(length=16), nullable=False, comment="of an account"),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column(
            "device_id", sa.String(length=36), nullable=False, comment="whose it is; empty for a model and the house"
        ),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("undone_at_us", sa.BigInteger(), comment="empty while it counts"),
        sa.Column("undone_by", sa.String(length=64), nullable=False),
        sa.Column("read_count", sa.Integer(), nullable=False, comment="signals read again"),
        sa.Column("late_count", sa.Integer(), nullable=False, comment="of them too old to raise an alarm"),
        sa.Column("alarm_count", sa.Integer(), nullable=False, comment="of them that raised one"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signal_repairs")),
        comment="what somebody said a code means, or whose an account is",
    )
    op.create_index("ix_signal_repairs_code", "signal_repairs", ["code_system", "code"], unique=False)
    op.create_table(
        "signal_readings",
        sa.Column("signal_id", sa.String(length=36), nullable=False),
        sa.Column("repair_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("events", sa.Text(), nullable=False, comment="JSON: normal events as the repair explains them"),
        sa.Column("is_late", sa.Boolean(), nullable=False, comment="too old to raise an alarm"),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("signal_id", name=op.f("pk_signal_readings")),
        comment="what a kept signal says by a repair; the signal itself is as it came",
    )
    op.create_index("ix_signal_readings_repair", "signal_readings", ["repair_id"], unique=False)
    op.create_index("ix_signal_readings_device", "signal_readings", ["device_id", "signal_id"], unique=False)
