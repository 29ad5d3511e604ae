"""Pictures that cameras uploaded on request."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "snapshots",
        sa.Column("id", sa.String(length=36), nullable=False, comment="also the name of the file"),
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.Column(
            "jurisdiction_code",
            sa.String(length=12),
            nullable=False,
            comment="division code of the owner; scope by range",
        ),
        sa.Column("user_id", sa.String(length=36), nullable=False, comment="who asked"),
        sa.Column("view_id", sa.String(length=36), nullable=False, comment="no snapshot without a view"),
        sa.Column("purpose", sa.String(length=24), nullable=False, comment="the view's purpose"),
        sa.Column("incident_id", sa.String(length=36), nullable=True),
        sa.Column("received_at_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False, comment="row and file are deleted then"),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False, comment="of the file as received"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshots")),
        comment="pictures cameras uploaded on request; the files lie in the data folder",
    )
    op.create_index("ix_snapshots_view", "snapshots", ["view_id"], unique=False)
    op.create_index("ix_snapshots_incident", "snapshots", ["incident_id"], unique=False)
    op.create_index("ix_snapshots_expires", "snapshots", ["expires_at_us"], unique=False)
