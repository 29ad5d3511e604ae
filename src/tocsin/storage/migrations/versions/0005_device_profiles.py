"""What devices were found to need, and guesses by make."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "device_findings",
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("trait", sa.String(length=24), nullable=False, comment="charset | sdp_variant | media_ladder | ..."),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False, comment="when it was found"),
        sa.Column(
            "evidence",
            sa.String(length=32),
            server_default="seen",
            nullable=False,
            comment="message key: what it was found from",
        ),
        sa.Column("is_proven", sa.Boolean(), server_default="1", nullable=False, comment="false while it is a guess"),
        sa.Column("params", sa.Text(), server_default="{}", nullable=False, comment="JSON parameters of the evidence"),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_device_findings_device_id")),
        sa.PrimaryKeyConstraint("device_id", "trait", name=op.f("pk_device_findings")),
        comment="what a device was found to need, and from what",
    )
    op.create_table(
        "profile_guesses",
        sa.Column("maker", sa.String(length=100), nullable=False, comment="as compared: small letters, single spaces"),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("firmware", sa.String(length=100), nullable=False, comment="empty: any"),
        sa.Column("trait", sa.String(length=24), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column(
            "devices",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="how many showed it where it comes from",
        ),
        sa.Column("imported_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("maker", "model", "firmware", "trait", name=op.f("pk_profile_guesses")),
        comment="first guesses for devices of a make, from an imported matrix",
    )


def downgrade() -> None:
    op.drop_table("profile_guesses")
    op.drop_table("device_findings")
