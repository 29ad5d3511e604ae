"""Accounts of alarm devices."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_contacts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False, comment="call order, from 1"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "role",
            sa.String(length=16),
            nullable=False,
            comment="key_holder | manager | owner | guard | neighbour | technician | other",
        ),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("languages", sa.Text(), server_default="[]", nullable=False, comment="JSON: language tags"),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "review_on", sa.String(length=10), nullable=False, comment="date by which somebody looks at it again"
        ),
        sa.Column("ends_on", sa.String(length=10), nullable=True, comment="deleted after this date"),
        sa.Column(
            "version",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="counts changes; a stale writer is refused",
        ),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_account_contacts_device_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_contacts")),
        comment="whom to call about an account; each reading of them is a record",
    )
    op.create_index("ix_account_contacts_device", "account_contacts", ["device_id", "rank"], unique=False)
    op.create_index("ix_account_contacts_ends", "account_contacts", ["ends_on"], unique=False)
    op.create_table(
        "account_notes",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False, comment="shown to responders until then"),
        sa.Column("made_at_us", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False, comment="user id"),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_account_notes_device_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_notes")),
        comment="what responders must know for a time; deleted thirty days after its end",
    )
    op.create_index("ix_account_notes_device", "account_notes", ["device_id", "until_us"], unique=False)
    op.create_index("ix_account_notes_until", "account_notes", ["until_us"], unique=False)
    op.create_table(
        "account_passwords",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("label", sa.Text(), nullable=False, comment="whose or what for, as the account says it"),
        sa.Column("is_duress", sa.Boolean(), server_default="0", nullable=False, comment="said under threat"),
        sa.Column("hash", sa.Text(), nullable=False, comment="Argon2id; never sent, never logged"),
        sa.Column("ends_on", sa.String(length=10), nullable=True, comment="deleted after this date"),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_account_passwords_device_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_passwords")),
        comment="words people on the premises are asked for on the telephone",
    )
    op.create_index("ix_account_passwords_device", "account_passwords", ["device_id"], unique=False)
    op.create_table(
        "account_plans",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="such as the floor it shows"),
        sa.Column("form", sa.String(length=8), nullable=False, comment="png | jpeg"),
        sa.Column("width_px", sa.Integer(), nullable=False),
        sa.Column("height_px", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False, comment="of the file in the folder plans"),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_account_plans_device_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_plans")),
        comment="floor plans; the pictures are files of the data folder",
    )
    op.create_index("ix_account_plans_device", "account_plans", ["device_id"], unique=False)
    op.create_table(
        "accounts",
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.Text(), server_default="", nullable=False, comment="organisation; empty: the place's"),
        sa.Column("access", sa.Text(), server_default="", nullable=False, comment="how to get in, for responders"),
        sa.Column(
            "checks_wrong", sa.Integer(), server_default="0", nullable=False, comment="passwords not proved right since"
        ),
        sa.Column(
            "checks_since_us",
            sa.BigInteger(),
            nullable=True,
            comment="the first of them; ten minutes later they count no more",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="counts changes; a stale writer is refused",
        ),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_accounts_device_id")),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_accounts")),
        comment="what is kept of an account beside its device and place; made by the first thing written",
    )
    op.create_table(
        "zone_points",
        sa.Column("zone_id", sa.String(length=36), nullable=False),
        sa.Column("plan_id", sa.String(length=36), nullable=False),
        sa.Column("x", sa.Float(), nullable=False, comment="share of the picture's width, from its left"),
        sa.Column("y", sa.Float(), nullable=False, comment="share of the picture's height, from its top"),
        sa.ForeignKeyConstraint(["plan_id"], ["account_plans.id"], name=op.f("fk_zone_points_plan_id")),
        sa.ForeignKeyConstraint(["zone_id"], ["zones.id"], name=op.f("fk_zone_points_zone_id")),
        sa.PrimaryKeyConstraint("zone_id", name=op.f("pk_zone_points")),
        comment="where zones are on floor plans",
    )
    op.create_index("ix_zone_points_plan", "zone_points", ["plan_id"], unique=False)
