"""Views over recordings name the period they permit."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "views",
        sa.Column(
            "recordings_from_us",
            sa.BigInteger(),
            nullable=True,
            comment="a view over recordings: begin of the period it permits",
        ),
    )
    op.add_column(
        "views",
        sa.Column(
            "recordings_to_us",
            sa.BigInteger(),
            nullable=True,
            comment="end of that period; both null for live pictures",
        ),
    )
