"""Recordings that move to a far tier: after which days, and the moves under way."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "retention_policies",
        sa.Column(
            "hot_days",
            sa.Integer(),
            nullable=True,
            comment="recordings move to the far tier after so many days; null: says nothing of it",
        ),
    )
    op.create_table(
        "segment_moves",
        sa.Column("stream_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("from_no", sa.Integer(), nullable=False, comment="the volume it lay on"),
        sa.Column("to_no", sa.Integer(), nullable=False, comment="the volume it moves to"),
        sa.Column("begun_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream_no", "start_ms", name=op.f("pk_segment_moves")),
        comment="segments with a copy on two volumes; the row of the segment says which of them counts",
    )
