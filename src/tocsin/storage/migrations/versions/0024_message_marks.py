"""Marks of messages from webhooks, MQTT and feeds: what comes again is one signal."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "message_marks",
        sa.Column("device_id", sa.String(length=64), nullable=False, comment="whose message"),
        sa.Column(
            "mark", sa.String(length=64), nullable=False, comment="a word and a hash: signature, sender's key, packet"
        ),
        sa.Column("signal_id", sa.String(length=36), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False, comment="forgotten three days later"),
        sa.PrimaryKeyConstraint("device_id", "mark", name=op.f("pk_message_marks")),
        comment="marks of messages taken from webhooks, MQTT and feeds: what comes again is one signal",
    )
    op.create_index("ix_message_marks_at", "message_marks", ["at_us"], unique=False)
