"""How channels are doing: states and measures, faults as intervals, the line of a device, parents that are off."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ID = sa.String(length=36)
Micros = sa.BigInteger()
OPEN = sa.text("closed_at_us IS NULL")


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":  # SQLite keeps no comments
        op.alter_column(
            "devices",
            "protocol",
            existing_type=sa.String(length=16),
            existing_nullable=False,
            comment="dc09 | gb28181 | onvif | rtsp",
        )
    op.add_column(
        "devices",
        sa.Column(
            "line",
            sa.String(length=80),
            server_default="",
            nullable=False,
            comment="the network line it hangs on, as people say",
        ),
    )
    op.add_column(
        "channels",
        sa.Column(
            "parent_off",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="1: what stands above it says that it is off",
        ),
    )
    op.create_table(
        "channel_health",
        sa.Column("channel_id", ID, nullable=False),
        sa.Column("watched_from_us", Micros, nullable=False, comment="its on-line rate counts from here"),
        sa.Column("state", sa.String(length=8), nullable=False, comment="online | offline"),
        sa.Column(
            "because", sa.String(length=8), server_default="", nullable=False, comment="device | parent | gone | self"
        ),
        sa.Column("since_us", Micros, nullable=False),
        sa.Column("measured_at_us", Micros, nullable=True, comment="empty: never measured"),
        sa.Column("source", sa.String(length=8), server_default="", nullable=False, comment="live | check"),
        sa.Column("last_frame_at_us", Micros, nullable=True),
        sa.Column("bitrate_bps", sa.Integer(), nullable=True),
        sa.Column("loss_ppm", sa.Integer(), nullable=True, comment="packets lost of a million"),
        sa.Column("key_interval_ms", sa.Integer(), nullable=True),
        sa.Column("codec", sa.String(length=8), server_default="", nullable=False),
        sa.Column("width", sa.Integer(), server_default="0", nullable=False),
        sa.Column("height", sa.Integer(), server_default="0", nullable=False),
        sa.Column("checked_at_us", Micros, nullable=True, comment="when a check last asked it for a picture"),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_channel_health_channel_id_channels")),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_channel_health")),
        comment="how a channel is doing, and what was last measured of its picture",
    )
    op.create_table(
        "channel_faults",
        sa.Column("id", ID, nullable=False),
        sa.Column("channel_id", ID, nullable=False),
        sa.Column(
            "key", sa.String(length=32), nullable=False, comment="message key: offline.device, picture.lossy, ..."
        ),
        sa.Column("params", sa.Text(), server_default="{}", nullable=False, comment="JSON parameters of the message"),
        sa.Column("opened_at_us", Micros, nullable=False),
        sa.Column("closed_at_us", Micros, nullable=True, comment="empty while it lasts"),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_channel_faults_channel_id_channels")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_faults")),
        comment="what is wrong with a channel; opens once, closes by itself",
    )
    op.create_index(
        "ux_channel_faults_open",
        "channel_faults",
        ["channel_id", "key"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_index("ix_channel_faults_closed", "channel_faults", ["closed_at_us", "channel_id"], unique=False)
