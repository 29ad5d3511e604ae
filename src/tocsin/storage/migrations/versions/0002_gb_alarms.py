"""Alarm points with ids of 20 digits and more, and the picture that raised an alarm itself.

SQLite keeps no length with the data, so widening a text is a change of the schema's wording alone: it is made there, as
SQLite's page on ALTER TABLE describes, instead of copying tables that may hold years of alarms.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = "as the device sends it, without leading zeros"
KIND = "registration | catalog | play | subscription | control"


def upgrade() -> None:
    op.add_column(
        "alarms",
        sa.Column("channel_id", sa.String(length=36), nullable=True, comment="the picture that raised it itself"),
    )
    op.create_index(
        "ix_alarms_channel",
        "alarms",
        ["channel_id"],
        unique=False,
        sqlite_where=sa.text("channel_id IS NOT NULL"),
        postgresql_where=sa.text("channel_id IS NOT NULL"),
    )
    if op.get_bind().dialect.name == "sqlite":
        _widen_sqlite()
        return
    wide, narrow = sa.String(length=64), sa.String(length=16)
    op.alter_column("alarms", "zone", type_=wide, existing_type=narrow, existing_nullable=False)
    op.alter_column("zones", "number", type_=wide, existing_type=narrow, existing_nullable=False, comment=NUMBER)
    op.alter_column("attempts", "kind", existing_type=sa.String(length=16), existing_nullable=False, comment=KIND)


def _widen_sqlite() -> None:
    connection = op.get_bind()
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema=ON")
    for table, column in (("alarms", "zone"), ("zones", "number")):
        narrow, wide = f"{column} VARCHAR(16)", f"{column} VARCHAR(64)"
        changed = connection.exec_driver_sql(
            "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = ? AND instr(sql, ?) > 0",
            (narrow, wide, table, narrow),
        )
        if changed.rowcount != 1:
            raise RuntimeError(f"the table {table} is not as revision 0001 left it")
    connection.exec_driver_sql(f"PRAGMA schema_version={version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema=OFF")
