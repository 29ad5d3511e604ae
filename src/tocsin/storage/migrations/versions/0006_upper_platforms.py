"""Upper platforms, what they may see, the ids they know, and what they opened."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "upper_platforms",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), server_default="", nullable=False),
        sa.Column("jurisdiction_id", sa.String(length=36), nullable=False),
        sa.Column(
            "jurisdiction_code",
            sa.String(length=12),
            nullable=False,
            comment="division code of the owner; scope by range",
        ),
        sa.Column("upper_id", sa.String(length=20), nullable=False, comment="GB/T 28181 id of the upper platform"),
        sa.Column("domain", sa.String(length=64), nullable=False, comment="its SIP domain"),
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("transport", sa.String(length=8), nullable=False, comment="udp | tcp"),
        sa.Column("local_id", sa.String(length=20), nullable=False, comment="the id we present"),
        sa.Column(
            "username", sa.String(length=64), server_default="", nullable=False, comment="empty: the id we present"
        ),
        sa.Column("secret", sa.LargeBinary(), nullable=True, comment="sealed password; never sent, never logged"),
        sa.Column("charset", sa.String(length=16), server_default="", nullable=False, comment="empty: by its edition"),
        sa.Column("edition", sa.String(length=8), nullable=False, comment="2016 | 2022"),
        sa.Column("expires_s", sa.Integer(), nullable=False, comment="seconds asked for at registration"),
        sa.Column("keepalive_s", sa.Integer(), nullable=False, comment="seconds between keepalives"),
        sa.Column("page_items", sa.Integer(), nullable=False, comment="catalogue items in one message"),
        sa.Column("send_alarms", sa.String(length=12), nullable=False, comment="subscribed | always | never"),
        sa.Column("view_minutes", sa.Integer(), nullable=False, comment="longest single picture, minutes"),
        sa.Column("rights", sa.Text(), nullable=False, comment="JSON: verbs it was given"),
        sa.Column("owner", sa.Text(), nullable=False, comment="who answers for the sharing agreement"),
        sa.Column(
            "purpose", sa.String(length=24), nullable=False, comment="alarm_verification | patrol | maintenance | drill"
        ),
        sa.Column("basis", sa.Text(), server_default="", nullable=False, comment="document the agreement rests on"),
        sa.Column(
            "ends_at_us", sa.BigInteger(), nullable=False, comment="end of the agreement; sharing ends by itself"
        ),
        sa.Column("is_enabled", sa.Boolean(), server_default="1", nullable=False),
        sa.Column(
            "stopped_at_us", sa.BigInteger(), nullable=True, comment="set by the stop; nothing is shared until resumed"
        ),
        sa.Column("retired_at_us", sa.BigInteger(), nullable=True),
        sa.Column(
            "version",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="counts changes; a stale writer is refused",
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id"], ["jurisdictions.id"], name=op.f("fk_upper_platforms_jurisdiction_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upper_platforms")),
        comment="a platform above us that sees an explicit selection of our cameras",
    )
    op.create_table(
        "upper_exports",
        sa.Column("upper", sa.String(length=36), nullable=False),
        sa.Column(
            "exported_id", sa.String(length=20), nullable=False, comment="GB/T 28181 id towards this upper platform"
        ),
        sa.Column("subject_kind", sa.String(length=8), nullable=False, comment="camera | node | group"),
        sa.Column("subject_id", sa.String(length=48), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False, comment="empty: the camera's own"),
        sa.Column(
            "civil_code", sa.String(length=8), server_default="", nullable=False, comment="empty: from the jurisdiction"
        ),
        sa.Column("parent_id", sa.Text(), server_default="", nullable=False, comment="empty: from the tree"),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column(
            "left_at_us", sa.BigInteger(), nullable=True, comment="no longer shared; the id stays reserved for 180 days"
        ),
        sa.ForeignKeyConstraint(["upper"], ["upper_platforms.id"], name=op.f("fk_upper_exports_upper")),
        sa.PrimaryKeyConstraint("upper", "exported_id", name=op.f("pk_upper_exports")),
        comment="ids by which an upper platform knows cameras and nodes",
    )
    op.create_index("ix_upper_exports_subject", "upper_exports", ["subject_id"], unique=False)
    op.create_table(
        "upper_selection",
        sa.Column("upper", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False, comment="node | place_class | camera"),
        sa.Column("value", sa.String(length=64), nullable=False, comment="jurisdiction id, place class or camera id"),
        sa.ForeignKeyConstraint(["upper"], ["upper_platforms.id"], name=op.f("fk_upper_selection_upper")),
        sa.PrimaryKeyConstraint("upper", "kind", "value", name=op.f("pk_upper_selection")),
        comment="what an upper platform may see",
    )
    op.create_table(
        "upper_views",
        sa.Column("view_id", sa.String(length=36), nullable=False),
        sa.Column("upper", sa.String(length=36), nullable=False),
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False, comment="live | playback"),
        sa.Column(
            "user_identity", sa.Text(), server_default="", nullable=False, comment="Monitor-User-Identity as it came"
        ),
        sa.ForeignKeyConstraint(["upper"], ["upper_platforms.id"], name=op.f("fk_upper_views_upper")),
        sa.ForeignKeyConstraint(["view_id"], ["views.id"], name=op.f("fk_upper_views_view_id")),
        sa.PrimaryKeyConstraint("view_id", name=op.f("pk_upper_views")),
        comment="pictures an upper platform opened; times and purpose are the view's",
    )
    op.create_index("ix_upper_views_upper", "upper_views", ["upper", "view_id"], unique=False)
