"""How a download was asked for and what came; pictures the house itself asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "downloads",
        sa.Column(
            "format",
            sa.String(length=8),
            nullable=False,
            server_default="mp4",
            comment="mp4 | bare, the byte stream alone",
        ),
    )
    op.add_column(
        "downloads",
        sa.Column(
            "speed",
            sa.Integer(),
            nullable=False,
            server_default="4",
            comment="times the pace of the recording",
        ),
    )
    op.add_column(
        "downloads",
        sa.Column(
            "codec",
            sa.String(length=8),
            nullable=False,
            server_default="",
            comment="h264 | h265, once there is a file",
        ),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(
            "downloads",
            "state",
            existing_type=sa.String(length=12),
            existing_nullable=False,
            comment="running | finished | partial | failed | cancelled | deleted | handed_over",
        )
        op.alter_column(
            "snapshots",
            "user_id",
            existing_type=sa.String(length=36),
            existing_nullable=False,
            comment="who asked; empty when the house did for an incident",
        )
        op.alter_column(
            "snapshots",
            "view_id",
            existing_type=sa.String(length=36),
            existing_nullable=False,
            comment="the view it was asked under; empty when the incident itself was the reason",
        )
