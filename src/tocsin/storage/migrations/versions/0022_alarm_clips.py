"""Alarm clips: what cameras linked to an alarm saw around it."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clips",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column(
            "kind", sa.String(length=8), nullable=False, comment="clip | minutes (the minutes around the first alarm)"
        ),
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("alarm_id", sa.String(length=36), nullable=False, comment="the alarm that began it"),
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.Column(
            "jurisdiction_code",
            sa.String(length=12),
            nullable=False,
            comment="division code of the owner; scope by range",
        ),
        sa.Column("alarm_at_us", sa.BigInteger(), nullable=False, comment="when that alarm was received"),
        sa.Column("starts_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_at_us", sa.BigInteger(), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column(
            "state", sa.String(length=12), nullable=False, comment="recording | fetching | ready | partial | failed"
        ),
        sa.Column("source", sa.String(length=8), nullable=False, comment="own | device; empty while there is no video"),
        sa.Column("pre_roll", sa.String(length=8), nullable=False, comment="where the time before the alarm came from"),
        sa.Column("reason", sa.String(length=64), nullable=False, comment="message key of what is missing"),
        sa.Column("tries", sa.Integer(), nullable=False, comment="how often the device was asked"),
        sa.Column("due_at_us", sa.BigInteger(), comment="when it is looked at next; null once it is over"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False, comment="of the file as it was written"),
        sa.Column("codec", sa.String(length=8), nullable=False, comment="h264 | h265"),
        sa.Column(
            "file",
            sa.String(length=64),
            nullable=False,
            comment="name in the folder of clips; empty for our own segments",
        ),
        sa.Column("video_from_us", sa.BigInteger(), comment="first moment there is a picture of; null without video"),
        sa.Column("video_to_us", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clips")),
        comment="what cameras linked to an alarm saw around it, kept with the incident",
    )
    op.create_index("ix_clips_incident", "clips", ["incident_id", "channel_id"], unique=False)
    op.create_index("ix_clips_due", "clips", ["due_at_us"], unique=False)
    op.create_index("ix_clips_channel", "clips", ["channel_id", "starts_at_us"], unique=False)
    op.create_index("ix_clips_alarm", "clips", ["alarm_id"], unique=False)
