"""Saved layouts of the video wall."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "wall_layouts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column(
            "jurisdiction_code", sa.String(length=12), server_default="", nullable=False, comment="where it is shared"
        ),
        sa.Column("is_shared", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tiles", sa.Integer(), nullable=False, comment="1 | 4 | 9 | 16"),
        sa.Column("places", sa.Text(), server_default="[]", nullable=False, comment="JSON: the cameras of each tile"),
        sa.Column("dwell_s", sa.Integer(), nullable=False, comment="how long a tile shows one of its cameras"),
        sa.Column("changed_at_us", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wall_layouts")),
        comment="saved layouts of the video wall",
    )
    op.create_index("ix_wall_layouts_owner", "wall_layouts", ["owner_id"], unique=False)
    op.create_index("ix_wall_layouts_scope", "wall_layouts", ["jurisdiction_code", "is_shared"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(
            "devices",
            "protocol",
            existing_type=sa.String(length=16),
            existing_nullable=False,
            comment="dc09 | gb28181 | onvif | rtsp",
        )
