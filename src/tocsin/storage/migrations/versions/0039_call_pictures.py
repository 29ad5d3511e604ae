"""Pictures that door calls bring themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "intercom_calls",
        sa.Column(
            "has_picture",
            sa.Boolean(),
            server_default="0",
            nullable=False,
            comment="it offered a picture of its own that was taken",
        ),
    )


def downgrade() -> None:
    op.drop_column("intercom_calls", "has_picture")
