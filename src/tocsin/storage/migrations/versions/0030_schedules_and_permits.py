"""Hours of premises, what is known by them, holidays, and permits to be on test."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "holidays",
        sa.Column("day", sa.String(length=10), nullable=False, comment="YYYY-MM-DD of the house's zone"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_holidays")),
        comment="days on which most premises are closed",
    )
    op.create_table(
        "permits",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=36), nullable=False, comment="whose account is on test"),
        sa.Column("zones", sa.Text(), nullable=False, comment="JSON: zone numbers; none: the whole account"),
        sa.Column("life_kinds", sa.Text(), nullable=False, comment="JSON: categories about life that are covered too"),
        sa.Column("second", sa.Text(), nullable=False, comment="who agreed to that"),
        sa.Column("owner", sa.Text(), nullable=False, comment="who works there"),
        sa.Column("phone", sa.Text(), nullable=False, comment="deleted 30 days after the end"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("begun_at_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("given_by", sa.Text(), nullable=False),
        sa.Column("given_name", sa.Text(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "how_ended",
            sa.String(length=12),
            server_default="",
            nullable=False,
            comment="returned by time | ended by hand",
        ),
        sa.Column(
            "left", sa.Text(), server_default="[]", nullable=False, comment="JSON: zones still in alarm at the end"
        ),
        sa.Column(
            "seen",
            sa.Text(),
            server_default="[]",
            nullable=False,
            comment="JSON: what came of each zone, kept at the end",
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="counts changes; a stale writer is refused",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_permits")),
        comment="accounts, or zones of them, on test for a bounded time",
    )
    op.create_index("ix_permits_device", "permits", ["device_id", "id"], unique=False)
    op.create_index(
        "ix_permits_open",
        "permits",
        ["until_us"],
        unique=False,
        sqlite_where=sa.text("ended_at_us IS NULL"),
        postgresql_where=sa.text("ended_at_us IS NULL"),
    )
    op.create_table(
        "schedules",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=36), nullable=False, comment="whose account"),
        sa.Column("area", sa.String(length=16), nullable=False, comment="area number; empty: the whole account"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "weekly",
            sa.Text(),
            nullable=False,
            comment="JSON: {weekday from Monday 0: [hours in minutes of the wall clock]}",
        ),
        sa.Column("is_closed_on_holidays", sa.Boolean(), nullable=False),
        sa.Column("grace_min", sa.Integer(), nullable=False),
        sa.Column(
            "version",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="counts changes; a stale writer is refused",
        ),
        sa.Column("changed_at_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        comment="hours of premises, by which openings and closings are judged",
    )
    op.create_index("ix_schedules_device", "schedules", ["device_id"], unique=False)
    op.create_table(
        "schedule_exceptions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("schedule_id", sa.String(length=36), nullable=False),
        sa.Column(
            "day_from", sa.String(length=10), nullable=False, comment="first day, YYYY-MM-DD of the house's zone"
        ),
        sa.Column("day_to", sa.String(length=10), nullable=False, comment="last day"),
        sa.Column("hours", sa.Text(), nullable=False, comment="JSON: [hours]; none: closed"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_at_us", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"], name=op.f("fk_schedule_exceptions_schedule_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule_exceptions")),
        comment="other hours on some days",
    )
    op.create_index("ix_schedule_exceptions_schedule", "schedule_exceptions", ["schedule_id"], unique=False)
    op.create_table(
        "schedule_states",
        sa.Column("schedule_id", sa.String(length=36), nullable=False),
        sa.Column(
            "areas",
            sa.Text(),
            nullable=False,
            comment="JSON: {area: open?}; empty area is the whole; none: never heard",
        ),
        sa.Column("judged_to_us", sa.BigInteger(), nullable=False, comment="checkpoints up to here have been judged"),
        sa.Column("changed_at_us", sa.BigInteger(), nullable=True, comment="last opening or closing"),
        sa.Column("opened_at_us", sa.BigInteger(), nullable=True, comment="last opening"),
        sa.Column(
            "told_at_us", sa.BigInteger(), nullable=True, comment="last opening that was told to be outside the hours"
        ),
        sa.Column("late", sa.String(length=16), nullable=False, comment="open.late | close.late | empty"),
        sa.Column("late_since_us", sa.BigInteger(), nullable=True),
        sa.Column("next_at_us", sa.BigInteger(), nullable=True, comment="nominal instant of the next checkpoint"),
        sa.Column("due_at_us", sa.BigInteger(), nullable=True, comment="when it is judged; our own outages move it"),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"], name=op.f("fk_schedule_states_schedule_id")),
        sa.PrimaryKeyConstraint("schedule_id", name=op.f("pk_schedule_states")),
        comment="what is known of premises, and their next deadline: a restart changes nothing",
    )
    op.create_index("ix_schedule_states_due", "schedule_states", ["due_at_us"], unique=False)
    op.create_index(
        "ix_schedule_states_late",
        "schedule_states",
        ["late"],
        unique=False,
        sqlite_where=sa.text("late != ''"),
        postgresql_where=sa.text("late != ''"),
    )
