"""Supervision at scale: paths of devices, our own silences, outages by one cause, and what devices have in common."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "devices",
        sa.Column(
            "network", sa.String(length=80), server_default="", nullable=False, comment="the carrier it reports through"
        ),
    )
    op.add_column(
        "devices",
        sa.Column(
            "feeder", sa.String(length=80), server_default="", nullable=False, comment="the power district it hangs on"
        ),
    )
    op.create_table(
        "device_paths",
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False, comment="as entered, or the number the device gives"),
        sa.Column("state", sa.String(length=8), nullable=False, comment="never | ok | failed"),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_device_paths_device_id_devices")),
        sa.PrimaryKeyConstraint("device_id", "name", name=op.f("pk_device_paths")),
        comment="the ways a device reports by, and how each stands",
    )
    op.create_table(
        "own_silences",
        sa.Column("begins_at_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("protocols", sa.String(length=120), nullable=False, comment="words between commas; empty: all"),
        sa.Column("ends_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("begins_at_us", "protocols", name=op.f("pk_own_silences")),
        comment="when we could not hear: deadlines of devices do not count that time",
    )
    op.create_table(
        "outages",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column(
            "kind", sa.String(length=12), nullable=False, comment="receiver | line | network | feeder | town | county"
        ),
        sa.Column("value", sa.String(length=80), nullable=False, comment="name or division code of what they share"),
        sa.Column("protocol", sa.String(length=16), nullable=False, comment="of a town and county; else empty"),
        sa.Column(
            "is_slow",
            sa.Boolean(),
            nullable=False,
            comment="whether its devices report more seldom than every 10 min",
        ),
        sa.Column("size", sa.Integer(), nullable=False, comment="devices of it that could be heard when it began"),
        sa.Column(
            "device_id",
            sa.String(length=36),
            nullable=False,
            comment="the first that fell silent: its signal stands for all",
        ),
        sa.Column("label", sa.String(length=64), nullable=False, comment="that device's account or name"),
        sa.Column("opened_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True, comment="empty while it lasts"),
        sa.Column(
            "signal_id",
            sa.String(length=36),
            server_default="",
            nullable=False,
            comment="the signal that told of it",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outages")),
        comment="many devices that fell silent by one cause: one incident for all",
    )
    op.create_index("ix_outages_signal", "outages", ["signal_id"], unique=False)
    op.create_index("ix_outages_ended", "outages", ["ended_at_us"], unique=False)
    op.create_table(
        "outage_devices",
        sa.Column("outage_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("lost_at_us", sa.BigInteger(), nullable=False, comment="its last sign of life"),
        sa.Column("back_at_us", sa.BigInteger(), nullable=True, comment="empty while it is away"),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_outage_devices_device_id_devices")),
        sa.ForeignKeyConstraint(["outage_id"], ["outages.id"], name=op.f("fk_outage_devices_outage_id_outages")),
        sa.PrimaryKeyConstraint("outage_id", "device_id", name=op.f("pk_outage_devices")),
        comment="the devices of an outage",
    )
