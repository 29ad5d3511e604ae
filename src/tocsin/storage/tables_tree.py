"""Tables of the trees of cameras: what catalogues name above their channels, and people's own groups."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from tocsin.storage.tables import ID, Micros, metadata

catalog_nodes = Table(
    "catalog_nodes",
    metadata,
    Column("device_id", ID, ForeignKey("devices.id"), primary_key=True),
    Column("gb_id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False, comment="group | organisation | division | platform | device"),
    Column("name", Text, nullable=False),
    Column("parent_id", String(64), nullable=False, server_default="", comment="empty: directly below the device"),
    comment="what a device's catalogue names that is no picture: groups, organisations, divisions, platforms",
)

camera_groups = Table(
    "camera_groups",
    metadata,
    Column("id", ID, primary_key=True),
    Column("parent_id", ID, ForeignKey("camera_groups.id")),
    Column("jurisdiction_id", ID, ForeignKey("jurisdictions.id"), nullable=False),
    Column("jurisdiction_code", String(12), nullable=False, server_default="", comment="whose it is"),
    Column("name", Text, nullable=False),
    Column("changed_at_us", Micros, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    comment="groups of cameras as people make them",
)
Index("ix_camera_groups_parent", camera_groups.c.parent_id)

camera_group_members = Table(
    "camera_group_members",
    metadata,
    Column("group_id", ID, ForeignKey("camera_groups.id"), primary_key=True),
    Column("channel_id", ID, ForeignKey("channels.id"), primary_key=True),
    comment="which cameras are in a group",
)
Index("ix_camera_group_members_channel", camera_group_members.c.channel_id)
