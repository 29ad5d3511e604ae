"""What places, devices and channels are found by: names, addresses and ids, and the names in pinyin."""

import json

import sqlalchemy as sa
from alembic import op

from tocsin.base.pinyin import search_text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COMMENT = "names, addresses and ids folded for search, names also in pinyin and its initials"


def upgrade() -> None:
    for table in ("places", "devices", "channels"):
        op.add_column(table, sa.Column("search", sa.Text(), server_default="", nullable=False, comment=COMMENT))
    connection = op.get_bind()
    for table, names in (
        ("places", ("name", "name_en", "address")),
        ("devices", ("name", "name_en", "account", "gb_id")),
        ("channels", ("name", "name_en", "gb_id", "catalog")),
    ):
        known = sa.table(table, sa.column("id"), sa.column("search"), *(sa.column(name) for name in names))
        rows = connection.execute(sa.select(known.c.id, *(known.c[name] for name in names))).all()
        change = sa.update(known).where(known.c.id == sa.bindparam("b_id")).values(search=sa.bindparam("b_search"))
        found = [{"b_id": row[0], "b_search": search_text(*_texts(row[1:], names))} for row in rows]
        if found:
            connection.execute(change, found)


def _texts(values: tuple[str, ...], names: tuple[str, ...]) -> list[str]:
    if names[-1] != "catalog":
        return list(values)
    return [*values[:-1], str(json.loads(values[-1]).get("address", ""))]


def downgrade() -> None:
    for table in ("places", "devices", "channels"):
        op.drop_column(table, "search")
