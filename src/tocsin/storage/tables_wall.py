"""Tables of the video wall."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text

from tocsin.storage.tables import ID, Micros, metadata

wall_layouts = Table(
    "wall_layouts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("owner_id", ID, nullable=False),
    Column("jurisdiction_code", String(12), nullable=False, server_default="", comment="where it is shared"),
    Column("is_shared", Boolean, nullable=False, server_default="0"),
    Column("name", Text, nullable=False),
    Column("tiles", Integer, nullable=False, comment="1 | 4 | 9 | 16"),
    Column("places", Text, nullable=False, server_default="[]", comment="JSON: the cameras of each tile"),
    Column("dwell_s", Integer, nullable=False, comment="how long a tile shows one of its cameras"),
    Column("is_together", Boolean, nullable=False, server_default="0", comment="all tiles change page together"),
    Column("changed_at_us", Micros, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    comment="saved layouts of the video wall",
)
Index("ix_wall_layouts_owner", wall_layouts.c.owner_id)
Index("ix_wall_layouts_scope", wall_layouts.c.jurisdiction_code, wall_layouts.c.is_shared)
