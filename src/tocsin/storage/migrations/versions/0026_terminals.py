"""JT/T 808 terminals, and the positions of units on duty."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "terminals",
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column(
            "code_hash",
            sa.String(length=64),
            server_default="",
            nullable=False,
            comment="SHA-256 of the code it last showed",
        ),
        sa.Column(
            "next_hash",
            sa.String(length=64),
            server_default="",
            nullable=False,
            comment="of a code given and not shown yet",
        ),
        sa.Column(
            "terminal_id",
            sa.String(length=30),
            server_default="",
            nullable=False,
            comment="bound by the first registration",
        ),
        sa.Column("edition", sa.String(length=4), server_default="", nullable=False, comment="2011 | 2013 | 2019"),
        sa.Column("maker", sa.String(length=44), server_default="", nullable=False),
        sa.Column("model", sa.String(length=60), server_default="", nullable=False),
        sa.Column("registered_at_us", sa.BigInteger()),
        sa.Column(
            "word", sa.BigInteger(), server_default="0", nullable=False, comment="alarm bits of the last live report"
        ),
        sa.Column(
            "late_word",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="alarm bits of the last old report",
        ),
        sa.Column(
            "heard_at_us", sa.BigInteger(), comment="when the alarm bits were last seen, to the minute while they hold"
        ),
        sa.Column(
            "settled_at_us",
            sa.BigInteger(),
            comment="when held bits last came or went: an older upload raises nothing",
        ),
        sa.Column(
            "press_serial",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="serial of the report of the press",
        ),
        sa.Column("pressed_at_us", sa.BigInteger(), comment="null while no held bit is set"),
        sa.Column("confirmed_at_us", sa.BigInteger(), comment="when an operator took the incident of the press"),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_terminals_device_id")),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_terminals")),
        comment="what is known of a JT/T 808 terminal beside its device",
    )
    op.create_index("ix_terminals_pressed", "terminals", ["pressed_at_us"], unique=False)
    op.create_table(
        "terminal_positions",
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("fix_at_us", sa.BigInteger(), nullable=False, comment="the terminal's time, one position a second"),
        sa.Column("lon_e6", sa.Integer(), nullable=False, comment="degrees x 1e6, WGS-84"),
        sa.Column("lat_e6", sa.Integer(), nullable=False),
        sa.Column("speed_dkmh", sa.Integer(), nullable=False, comment="0.1 km/h"),
        sa.Column("heading_deg", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "fix_at_us", name=op.f("pk_terminal_positions")),
        comment="where units on duty were, for hours; read for a purpose and with a record",
        sqlite_with_rowid=False,
    )
    op.add_column(
        "units",
        sa.Column("on_duty_since_us", sa.BigInteger(), comment="null off duty, or on duty ever since it was entered"),
    )
