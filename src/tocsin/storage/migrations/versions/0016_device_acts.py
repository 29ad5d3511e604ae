"""Acts that cannot be taken back: erased cards, which take two people, and firmware; reports of devices as attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

KIND = "registration | catalog | play | subscription | control | report"


def upgrade() -> None:
    op.create_table(
        "device_acts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False, comment="format_card | upgrade"),
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("channel_id", sa.String(length=36), nullable=True, comment="the camera whose card it is"),
        sa.Column(
            "jurisdiction_code",
            sa.String(length=12),
            nullable=False,
            comment="division code of the owner; scope by range",
        ),
        sa.Column(
            "params", sa.Text(), nullable=False, comment="JSON: {card} or {firmware, url, manufacturer, session}"
        ),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column(
            "session",
            sa.String(length=128),
            nullable=False,
            server_default="",
            comment="by which a device names its upgrade",
        ),
        sa.Column("asked_by", sa.String(length=36), nullable=False),
        sa.Column("asked_at_us", sa.BigInteger(), nullable=False),
        sa.Column(
            "expires_at_us",
            sa.BigInteger(),
            nullable=True,
            comment="no confirmation after it; an upgrade still running then is given up",
        ),
        sa.Column(
            "state",
            sa.String(length=12),
            nullable=False,
            comment="waiting | withdrawn | running | taken | done | failed",
        ),
        sa.Column(
            "decided_by",
            sa.String(length=36),
            nullable=False,
            server_default="",
            comment="who confirmed or withdrew it",
        ),
        sa.Column("decided_at_us", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.String(length=128), nullable=False, server_default="", comment="what came of it"),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_acts")),
        comment="acts that cannot be taken back: erased cards, which take two people, and firmware",
    )
    op.create_index("ix_device_acts_device", "device_acts", ["device_id", "asked_at_us"], unique=False)
    op.create_index("ix_device_acts_state", "device_acts", ["state"], unique=False)
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        op.alter_column("attempts", "kind", existing_type=sa.String(length=16), existing_nullable=False, comment=KIND)
