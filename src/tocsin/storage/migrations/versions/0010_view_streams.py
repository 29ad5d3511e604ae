"""Which stream of a channel a view shows."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "view_channels",
        sa.Column(
            "is_sub", sa.Boolean(), server_default="0", nullable=False, comment="the sub stream was asked for last"
        ),
    )
