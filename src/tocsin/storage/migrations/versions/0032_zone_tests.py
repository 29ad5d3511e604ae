"""Installers' tests of zones: links for hours, tests and what was seen in them."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "test_links",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column(
            "token_hash", sa.String(length=64), nullable=False, comment="SHA-256; the token itself is kept nowhere"
        ),
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column(
            "jurisdiction_code",
            sa.String(length=12),
            nullable=False,
            comment="division code of the owner; scope by range",
        ),
        sa.Column("holder", sa.Text(), nullable=False, comment="who was given it, as whoever made it wrote"),
        sa.Column("made_at_us", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(length=36), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_test_links_token_hash")),
        comment="links with which an installer tests one device, for hours",
    )
    op.create_index("ix_test_links_device", "test_links", ["device_id", "id"], unique=False)
    op.create_table(
        "zone_tests",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("link_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column(
            "jurisdiction_code",
            sa.String(length=12),
            nullable=False,
            comment="division code of the owner; scope by range",
        ),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("begun_at_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False, comment="it ends by itself then"),
        sa.Column("asks", sa.Text(), nullable=False, comment="JSON: [[zone, when in us]], the zone tried next"),
        sa.Column(
            "permit_id",
            sa.String(length=36),
            nullable=False,
            comment="what kept the device on test; empty: another permit did",
        ),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.Column(
            "how_ended", sa.String(length=8), nullable=False, comment="hand | time | revoked; empty while it lasts"
        ),
        sa.Column(
            "summary", sa.Text(), nullable=False, comment="JSON: zones and what came of them; empty while it lasts"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_zone_tests")),
        comment="tests of zones and what was seen in them",
    )
    op.create_index("ix_zone_tests_device", "zone_tests", ["device_id", "id"], unique=False)
    op.create_index(
        "ix_zone_tests_running",
        "zone_tests",
        ["device_id"],
        unique=False,
        sqlite_where=sa.text("ended_at_us IS NULL"),
        postgresql_where=sa.text("ended_at_us IS NULL"),
    )
