"""What was entered from a file, so that it can be taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "imports",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("file", sa.Text(), nullable=False, comment="its name, for people"),
        sa.Column("kind", sa.String(length=16), nullable=False, comment="place | device | camera | zone | link"),
        sa.Column("actor_kind", sa.String(length=16), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=False, comment="who entered it"),
        sa.Column("codes", sa.Text(), nullable=False, comment="JSON: division codes of what it touched"),
        sa.Column("entered_at_us", sa.BigInteger(), nullable=False),
        sa.Column(
            "until_us",
            sa.BigInteger(),
            nullable=False,
            comment="can be taken back until then; the rows are deleted after it",
        ),
        sa.Column("taken_back", sa.Integer(), server_default="0", nullable=False, comment="lines taken back so far"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
        comment="files that were entered in the last day",
    )
    op.create_index("ix_imports_until", "imports", ["until_us"], unique=False)
    op.create_table(
        "import_items",
        sa.Column("import_id", sa.String(length=36), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False, comment="of the file"),
        sa.Column("kind", sa.String(length=16), nullable=False, comment="place | device | channel | zone"),
        sa.Column("act", sa.String(length=8), nullable=False, comment="create | change"),
        sa.Column("subject_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="as the import left it"),
        sa.Column(
            "before", sa.Text(), server_default="{}", nullable=False, comment="JSON: the values a change replaced"
        ),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_import_items_import_id_imports")),
        sa.PrimaryKeyConstraint("import_id", "line", name=op.f("pk_import_items")),
        comment="what each line of an import did; gone once it is taken back",
    )
