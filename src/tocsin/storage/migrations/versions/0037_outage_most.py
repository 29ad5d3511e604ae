"""How many devices of an outage were away at once at the worst."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "outages",
        sa.Column(
            "most",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="how many were away at once at the worst",
        ),
    )
    # Of outages from before, the list is all that is known.
    op.execute(
        "UPDATE outages SET most = (SELECT count(*) FROM outage_devices WHERE outage_devices.outage_id = outages.id)"
    )
