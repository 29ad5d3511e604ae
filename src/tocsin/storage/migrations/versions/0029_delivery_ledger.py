"""The way of signals: commit times, answers, repetitions, pushes to consoles."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "signals",
        sa.Column(
            "committed_at_us",
            sa.BigInteger(),
            comment="t2, the clock of its group; empty before the ledger was kept",
        ),
    )
    op.create_index("ix_signals_received", "signals", ["received_at_us"], unique=False)
    op.create_table(
        "signal_answers",
        sa.Column(
            "arrival_id",
            sa.String(length=36),
            nullable=False,
            comment="a signal for its first arrival, a copy for a repetition",
        ),
        sa.Column("at_us", sa.BigInteger(), nullable=False, comment="t3, when the acknowledgement left"),
        sa.PrimaryKeyConstraint("arrival_id", name=op.f("pk_signal_answers")),
        comment="acknowledgements that left, kept together a second later",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "signal_copies",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("signal_id", sa.String(length=36), nullable=False),
        sa.Column("received_at_us", sa.BigInteger(), nullable=False, comment="first byte of the repetition"),
        sa.Column("committed_at_us", sa.BigInteger(), nullable=False, comment="when it was counted"),
        sa.Column("transport", sa.String(length=8), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signal_copies")),
        comment="arrivals of a signal after its first",
    )
    op.create_index("ix_signal_copies_signal", "signal_copies", ["signal_id"], unique=False)
    op.create_table(
        "alarm_pushes",
        sa.Column("alarm_id", sa.String(length=36), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False, comment="when the feed told it"),
        sa.Column(
            "consoles",
            sa.Integer(),
            nullable=False,
            comment="how many consoles that may see it were listening",
        ),
        sa.PrimaryKeyConstraint("alarm_id", name=op.f("pk_alarm_pushes")),
        comment="when alarms were told to consoles, kept together a second later",
        sqlite_with_rowid=False,
    )
