"""Whether pictures are pictures: what is kept of a camera, stills of faults, denials, faults of sites."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

ID = sa.String(length=36)
Micros = sa.BigInteger()
OPEN = sa.text("closed_at_us IS NULL")


def _code() -> sa.Column[Any]:
    return sa.Column(
        "jurisdiction_code", sa.String(length=12), nullable=False, comment="division code of the owner; scope by range"
    )


def _text(name: str, size: int, comment: str, default: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length=size), server_default=default, nullable=False, comment=comment)


def _json(name: str, comment: str, default: str = "{}") -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False, comment=comment)


def upgrade() -> None:
    op.create_table(
        "picture_health",
        sa.Column("channel_id", ID, nullable=False),
        sa.Column(
            "checked_at_us", Micros, nullable=True, comment="when its picture was last examined, or was tried to be"
        ),
        _text("source", 8, "stream (ran already) | opened", ""),
        _text("problem", 64, "message key: why it was not examined", ""),
        sa.Column(
            "score",
            sa.Integer(),
            nullable=True,
            comment="100 far from every limit, 50 at one, 0 far beyond; empty: never examined",
        ),
        sa.Column(
            "pictures",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="accepted pictures in the reference used",
        ),
        sa.Column("is_doubtful", sa.Integer(), server_default="0", nullable=False, comment="1: looked at again soon"),
        sa.Column(
            "doubted_at_us",
            Micros,
            nullable=True,
            comment="when a limit was last passed; nothing is learned for some minutes",
        ),
        _json("tracks", "JSON: last checks of each kind of fault"),
        _json("measures", "JSON: figures of the last picture"),
        _json("ratios", "JSON: measure over limit of each kind"),
        _json("trend", "JSON: [day, checks, sum, lowest], 30 days", "[]"),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_picture_health_channel_id_channels")),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_picture_health")),
        comment="whether a camera's picture is one: figures of a texture, nothing of what it shows",
    )
    op.create_index("ix_picture_health_checked", "picture_health", ["checked_at_us"], unique=False)
    op.create_table(
        "picture_stills",
        sa.Column("id", ID, nullable=False, comment="also the name of the file"),
        sa.Column("channel_id", ID, nullable=False),
        _code(),
        sa.Column("fault_id", ID, nullable=False),
        _text("key", 32, "key of the fault"),
        sa.Column("taken_at_us", Micros, nullable=False),
        sa.Column("expires_at_us", Micros, nullable=False, comment="row and file are deleted then, a day later"),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_picture_stills_channel_id_channels")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_picture_stills")),
        comment="stills of faults for upkeep: at most 640 px, watermarked; the files lie in the data folder",
    )
    op.create_index("ix_picture_stills_channel", "picture_stills", ["channel_id"], unique=False)
    op.create_index("ix_picture_stills_expires", "picture_stills", ["expires_at_us"], unique=False)
    op.create_table(
        "picture_denials",
        sa.Column("id", ID, nullable=False),
        sa.Column("channel_id", ID, nullable=False),
        sa.Column("fault_id", ID, nullable=False),
        _text("key", 32, "kind of fault without its prefix"),
        sa.Column("at_us", Micros, nullable=False),
        sa.Column("until_us", Micros, nullable=False, comment="the rule is relaxed for this camera until then"),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("factor", sa.Float(), nullable=False, comment="the ratio is divided by it"),
        _json("measures", "JSON: the figures it was wrong about"),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_picture_denials_channel_id_channels")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_picture_denials")),
        comment="faults that somebody said are none",
    )
    op.create_index("ix_picture_denials_channel", "picture_denials", ["channel_id", "until_us"], unique=False)
    op.create_table(
        "picture_site_faults",
        sa.Column("id", ID, nullable=False),
        sa.Column("site", ID, nullable=False, comment="a place's id, else a division code"),
        _code(),
        _text("key", 32, "message key"),
        sa.Column("cameras", sa.Integer(), nullable=False, comment="how many looked wrong at once"),
        sa.Column("of_cameras", sa.Integer(), nullable=False),
        sa.Column("opened_at_us", Micros, nullable=False),
        sa.Column("seen_at_us", Micros, nullable=False, comment="when it was last so"),
        sa.Column("closed_at_us", Micros, nullable=True, comment="empty while it lasts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_picture_site_faults")),
        comment="much of a site looking wrong at once: weather or power, not cameras",
    )
    op.create_index(
        "ux_picture_site_faults_open",
        "picture_site_faults",
        ["site"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
