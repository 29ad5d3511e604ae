"""Sessions of camera control, and presets with names."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "control_sessions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.Column(
            "jurisdiction_code",
            sa.String(length=12),
            nullable=False,
            comment="division code of the owner; scope by range",
        ),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("view_id", sa.String(length=36), nullable=False, comment="no control without a view"),
        sa.Column("purpose", sa.String(length=24), nullable=False, comment="the view's purpose"),
        sa.Column("incident_id", sa.String(length=36), nullable=True),
        sa.Column(
            "rank",
            sa.Integer(),
            nullable=False,
            comment="2 supervisor, +1 claimant of the incident; higher may take over",
        ),
        sa.Column("taken_at_us", sa.BigInteger(), nullable=False),
        sa.Column("view_ends_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.Column(
            "end_reason",
            sa.String(length=24),
            server_default="",
            nullable=False,
            comment="released | taken_over | unused | ...",
        ),
        sa.Column("moves", sa.Integer(), server_default="0", nullable=False, comment="movements begun"),
        sa.Column(
            "moved_ms",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            server_default="0",
            nullable=False,
            comment="milliseconds it moved",
        ),
        sa.Column("presets_called", sa.Integer(), server_default="0", nullable=False),
        sa.Column("other_acts", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_control_sessions_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_control_sessions")),
        comment="who moved a camera, from taking control to its end",
    )
    op.create_index("ix_control_sessions_channel", "control_sessions", ["channel_id", "id"], unique=False)
    op.create_index(
        "ix_control_sessions_open",
        "control_sessions",
        ["taken_at_us"],
        unique=False,
        sqlite_where=sa.text("ended_at_us IS NULL"),
        postgresql_where=sa.text("ended_at_us IS NULL"),
    )
    op.create_table(
        "camera_presets",
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False, comment="1-255, as the camera knows it"),
        sa.Column("name", sa.Text(), server_default="", nullable=False, comment="Chinese name"),
        sa.Column("name_en", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "is_home",
            sa.Boolean(),
            server_default="0",
            nullable=False,
            comment="the camera returns here by itself",
        ),
        sa.Column(
            "home_after_s",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="seconds without a command until then",
        ),
        sa.Column(
            "deleted_at_us", sa.BigInteger(), nullable=True, comment="deleted, and still to be forgotten by the camera"
        ),
        sa.Column(
            "version",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="counts changes; a stale writer is refused",
        ),
        sa.CheckConstraint("number BETWEEN 1 AND 255", name=op.f("ck_camera_presets_number")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_camera_presets_channel_id")),
        sa.PrimaryKeyConstraint("channel_id", "number", name=op.f("pk_camera_presets")),
        comment="places a camera remembers, with names",
    )
    op.create_index(
        "ix_camera_presets_deleted",
        "camera_presets",
        ["deleted_at_us"],
        unique=False,
        sqlite_where=sa.text("deleted_at_us IS NOT NULL"),
        postgresql_where=sa.text("deleted_at_us IS NOT NULL"),
    )
