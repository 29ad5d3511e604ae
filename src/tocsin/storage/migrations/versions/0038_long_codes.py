"""Codes and areas of alarms as long as messages and public warnings have them."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("alarms") as alarms:
        for name in ("code", "area"):
            alarms.alter_column(
                name, existing_type=sa.String(length=16), existing_nullable=False, type_=sa.String(length=64)
            )
