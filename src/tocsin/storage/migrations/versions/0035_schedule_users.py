"""Which users of a panel may open."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("schedules") as batch:
        batch.add_column(
            sa.Column(
                "users",
                sa.Text(),
                server_default="[]",
                nullable=False,
                comment="JSON: [user numbers and ranges of the panel that may open]; none: all",
            )
        )
