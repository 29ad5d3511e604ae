"""Layouts of the wall whose tiles change page together."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "wall_layouts",
        sa.Column(
            "is_together",
            sa.Boolean(),
            server_default="0",
            nullable=False,
            comment="all tiles change page together",
        ),
    )
