"""The schema as a document. Every column says what it holds and in which unit.

Conventions: ids are UUIDv7 text; times end in `_at_us` and are microseconds since 1970 UTC; JSON is text written by us;
`version` counts changes of a row, a stale writer is refused; `jurisdiction_code` is the administrative division code,
copied onto each protected row so that a scope is a code range and never a join. One schema for SQLite and PostgreSQL.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = String(36)
Count = BigInteger().with_variant(Integer, "sqlite")  # SQLite gives rowid speed only to INTEGER keys
Micros = BigInteger()


def _version() -> Column[int]:
    return Column(
        "version", Integer, nullable=False, server_default="1", comment="counts changes; a stale writer is refused"
    )


def _search() -> Column[str]:
    return Column(
        "search",
        Text,
        nullable=False,
        server_default="",
        comment="names, addresses and ids folded for search, names also in pinyin and its initials",
    )


def _code() -> Column[str]:
    return Column("jurisdiction_code", String(12), nullable=False, comment="division code of the owner; scope by range")


from tocsin.storage import tables_accounts as tables_accounts  # noqa: E402  the tables of the schema, by area
from tocsin.storage import tables_acts as tables_acts  # noqa: E402
from tocsin.storage import tables_alarms as tables_alarms  # noqa: E402
from tocsin.storage import tables_cascade as tables_cascade  # noqa: E402
from tocsin.storage import tables_clips as tables_clips  # noqa: E402
from tocsin.storage import tables_control as tables_control  # noqa: E402
from tocsin.storage import tables_imports as tables_imports  # noqa: E402
from tocsin.storage import tables_intercoms as tables_intercoms  # noqa: E402
from tocsin.storage import tables_ledger as tables_ledger  # noqa: E402
from tocsin.storage import tables_messages as tables_messages  # noqa: E402
from tocsin.storage import tables_people as tables_people  # noqa: E402
from tocsin.storage import tables_pictures as tables_pictures  # noqa: E402
from tocsin.storage import tables_plans as tables_plans  # noqa: E402
from tocsin.storage import tables_proof as tables_proof  # noqa: E402
from tocsin.storage import tables_quarantine as tables_quarantine  # noqa: E402
from tocsin.storage import tables_recording as tables_recording  # noqa: E402
from tocsin.storage import tables_registry as tables_registry  # noqa: E402
from tocsin.storage import tables_retention as tables_retention  # noqa: E402
from tocsin.storage import tables_rules as tables_rules  # noqa: E402
from tocsin.storage import tables_snapshots as tables_snapshots  # noqa: E402
from tocsin.storage import tables_supervision as tables_supervision  # noqa: E402
from tocsin.storage import tables_terminals as tables_terminals  # noqa: E402
from tocsin.storage import tables_tree as tables_tree  # noqa: E402
from tocsin.storage import tables_wall as tables_wall  # noqa: E402
from tocsin.storage import tables_watch as tables_watch  # noqa: E402
from tocsin.storage import tables_zone_tests as tables_zone_tests  # noqa: E402
