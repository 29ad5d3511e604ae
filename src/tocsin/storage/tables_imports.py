"""Tables of imports: what was entered from a file and can still be taken back."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from tocsin.storage.tables import ID, Micros, metadata

imports = Table(
    "imports",
    metadata,
    Column("id", ID, primary_key=True),
    Column("file", Text, nullable=False, comment="its name, for people"),
    Column("kind", String(16), nullable=False, comment="place | device | camera | zone | link"),
    Column("actor_kind", String(16), nullable=False),
    Column("actor_id", String(64), nullable=False, comment="who entered it"),
    Column("codes", Text, nullable=False, comment="JSON: division codes of what it touched"),
    Column("entered_at_us", Micros, nullable=False),
    Column("until_us", Micros, nullable=False, comment="can be taken back until then; the rows are deleted after it"),
    Column("taken_back", Integer, nullable=False, server_default="0", comment="lines taken back so far"),
    comment="files that were entered in the last day",
)
Index("ix_imports_until", imports.c.until_us)

import_items = Table(
    "import_items",
    metadata,
    Column("import_id", ID, ForeignKey("imports.id"), primary_key=True),
    Column("line", Integer, primary_key=True, comment="of the file"),
    Column("kind", String(16), nullable=False, comment="place | device | channel | zone"),
    Column("act", String(8), nullable=False, comment="create | change"),
    Column("subject_id", ID, nullable=False),
    Column("version", Integer, nullable=False, comment="as the import left it"),
    Column("before", Text, nullable=False, server_default="{}", comment="JSON: the values a change replaced"),
    comment="what each line of an import did; gone once it is taken back",
)
