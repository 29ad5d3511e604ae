"""The trees of cameras: directories of catalogues, groups and tags of people."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "channels",
        sa.Column(
            "catalog_parent",
            sa.String(length=64),
            server_default="",
            nullable=False,
            comment="what it hangs under there",
        ),
    )
    op.add_column(
        "channels",
        sa.Column(
            "civil_code",
            sa.String(length=20),
            server_default="",
            nullable=False,
            comment="its division as the catalogue says",
        ),
    )
    op.add_column(
        "channels",
        sa.Column(
            "tags", sa.Text(), server_default="", nullable=False, comment="people's own words, each between line feeds"
        ),
    )
    op.create_index("ix_channels_name", "channels", ["name", "id"], unique=False)
    _fill(op.get_bind())
    op.create_table(
        "catalog_nodes",
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("gb_id", sa.String(length=64), nullable=False),
        sa.Column(
            "kind", sa.String(length=16), nullable=False, comment="group | organisation | division | platform | device"
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "parent_id",
            sa.String(length=64),
            server_default="",
            nullable=False,
            comment="empty: directly below the device",
        ),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_catalog_nodes_device_id_devices")),
        sa.PrimaryKeyConstraint("device_id", "gb_id", name=op.f("pk_catalog_nodes")),
        comment="what a device's catalogue names that is no picture: groups, organisations, divisions, platforms",
    )
    op.create_table(
        "camera_groups",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("parent_id", sa.String(length=36), nullable=True),
        sa.Column("jurisdiction_id", sa.String(length=36), nullable=False),
        sa.Column("jurisdiction_code", sa.String(length=12), server_default="", nullable=False, comment="whose it is"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("changed_at_us", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["camera_groups.id"], name=op.f("fk_camera_groups_parent_id_camera_groups")
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id"], ["jurisdictions.id"], name=op.f("fk_camera_groups_jurisdiction_id_jurisdictions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_camera_groups")),
        comment="groups of cameras as people make them",
    )
    op.create_index("ix_camera_groups_parent", "camera_groups", ["parent_id"], unique=False)
    op.create_table(
        "camera_group_members",
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["camera_groups.id"], name=op.f("fk_camera_group_members_group_id_camera_groups")
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("fk_camera_group_members_channel_id_channels")
        ),
        sa.PrimaryKeyConstraint("group_id", "channel_id", name=op.f("pk_camera_group_members")),
        comment="which cameras are in a group",
    )
    op.create_index("ix_camera_group_members_channel", "camera_group_members", ["channel_id"], unique=False)


def _fill(connection: sa.Connection) -> None:
    """Take from the catalogue items kept already what now has its own column."""
    known = sa.table(
        "channels", sa.column("id"), sa.column("catalog"), sa.column("catalog_parent"), sa.column("civil_code")
    )
    found = []
    for channel_id, text in connection.execute(sa.select(known.c.id, known.c.catalog)).all():
        item = json.loads(text)
        parent, code = str(item.get("parent_id", ""))[:64], str(item.get("civil_code", ""))[:20]
        if parent or code:
            found.append({"b_id": channel_id, "b_parent": parent, "b_code": code})
    if found:
        connection.execute(
            sa.update(known)
            .where(known.c.id == sa.bindparam("b_id"))
            .values(catalog_parent=sa.bindparam("b_parent"), civil_code=sa.bindparam("b_code")),
            found,
        )


def downgrade() -> None:
    op.drop_table("camera_group_members")
    op.drop_table("camera_groups")
    op.drop_table("catalog_nodes")
    op.drop_index("ix_channels_name", table_name="channels")
    for column in ("catalog_parent", "civil_code", "tags"):
        op.drop_column("channels", column)
