"""Statements of the intake path without a detour: compiled once a dialect, then handed to the driver.

SQLAlchemy's own `execute` looks at every value of every row, and builds and looks up each statement anew: a group of
few signals would spend its time there. On SQLite the driver's cursor is used directly. Values must already be what the
driver stores (text, integers, bytes, booleans), and rows come back as plain tuples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Final

from sqlalchemy import Column, Connection, Executable, Insert, Table, bindparam, insert, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert

PIECES: Final = (64, 16, 4, 1)


def sqlite_driver(connection: Connection) -> Any:
    """Return the driver's own connection (`sqlite3.Connection`); None on another database."""
    return connection.connection.dbapi_connection if connection.dialect.name == "sqlite" else None


class Prepared:
    """A statement with named parameters, compiled once for each dialect."""

    def __init__(self, statement: Executable, names: Sequence[str] = ()) -> None:
        self._statement = statement
        self._names = tuple(names)
        self._compiled: dict[str, tuple[str, tuple[int, ...] | None]] = {}

    def _compile(self, connection: Connection) -> tuple[str, tuple[int, ...] | None]:
        """Return the SQL and the places of its parameters in `names`; None when they are in order."""
        name = connection.dialect.name
        found = self._compiled.get(name)
        if found is None:
            compiled: Any = self._statement.compile(dialect=connection.dialect, column_keys=list(self._names))  # type: ignore[attr-defined]
            order = tuple(self._names.index(key) for key in compiled.positiontup)
            found = (str(compiled), None if order == tuple(range(len(self._names))) else order)
            self._compiled[name] = found
        return found


class Bulk(Prepared):
    """One statement for many rows given as tuples in the order of `names`.

    The driver gives up the interpreter for every statement it steps, and must then wait for it behind a busy loop. So
    inserts and changes by key go to SQLite many rows at a time; anything else is executed for each row.
    """

    def __init__(
        self,
        statement: Executable,
        names: Sequence[str] = (),
        *,
        key: Column[Any] | None = None,
        keeps_known: bool = False,
    ) -> None:
        super().__init__(statement, names)
        self._key = key
        self._insert = "INSERT OR IGNORE" if keeps_known else "INSERT"
        self._many: dict[int, str] = {}

    @classmethod
    def into(cls, table: Table, names: Sequence[str]) -> Bulk:
        """Return the insert of these columns."""
        return cls(insert(table).inline(), names)

    @classmethod
    def into_new(cls, table: Table, names: Sequence[str]) -> Bulk:
        """Return the insert of these columns that leaves a row alone whose key is there already."""
        return cls(postgresql_insert(table).inline().on_conflict_do_nothing(), names, keeps_known=True)

    @classmethod
    def change(cls, key: Column[Any], names: Sequence[str]) -> Bulk:
        """Return the update of these columns where `key` has the first value of a row; a key must occur once."""
        statement = update(key.table).where(key == bindparam("b_key"))
        return cls(
            statement.values({name: bindparam(f"b_{name}") for name in names}),
            ("b_key", *(f"b_{name}" for name in names)),
            key=key,
        )

    def run(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Execute for every row; none is fine."""
        if not rows:
            return
        sql, order = self._compile(connection)
        driver = sqlite_driver(connection)
        if driver is None:
            if order is not None:
                rows = [tuple([row[place] for place in order]) for row in rows]
            connection.exec_driver_sql(sql, list(rows))
        elif self._key is None and not self._is_insert:
            if order is not None:
                rows = [tuple([row[place] for place in order]) for row in rows]
            driver.executemany(sql, rows)
        else:
            at = 0
            for count in _pieces(len(rows)):
                values = tuple(chain.from_iterable(rows[at : at + count]))
                driver.execute(self._many.get(count) or self._of_many(connection, count), values)
                at += count

    @property
    def _is_insert(self) -> bool:
        return isinstance(self._statement, Insert)

    def _of_many(self, connection: Connection, count: int) -> str:
        """Return the SQL for so many rows at once; their values are in the order of `names`."""
        quote = connection.dialect.identifier_preparer.quote
        row = f"({', '.join('?' * len(self._names))})"
        values = ", ".join([row] * count)
        if self._key is None:
            table = quote(self._statement.table.name)  # type: ignore[attr-defined]
            sql = f"{self._insert} INTO {table} ({', '.join(map(quote, self._names))}) VALUES {values}"
        else:
            names = [name.removeprefix("b_") for name in self._names[1:]]
            table, key = quote(self._key.table.name), quote(self._key.name)
            columns = ", ".join(f"given_{place}" for place in range(len(self._names)))
            changes = ", ".join(f"{quote(name)} = given.given_{place}" for place, name in enumerate(names, 1))
            sql = (
                f"WITH given ({columns}) AS (VALUES {values}) "
                f"UPDATE {table} SET {changes} FROM given WHERE {table}.{key} = given.given_0"
            )
        self._many[count] = sql
        return sql


def _pieces(rows: int) -> Iterator[int]:
    """Cut a number of rows into a few sizes, so that few statements are prepared."""
    for size in PIECES:
        while rows >= size:
            yield size
            rows -= size


class Question(Prepared):
    """A query whose parameters are given in the order of `names`."""

    def ask(self, connection: Connection, *values: Any) -> list[tuple[Any, ...]]:
        """Return every row."""
        sql, order = self._compile(connection)
        if order is not None:
            values = tuple([values[place] for place in order])
        driver = sqlite_driver(connection)
        if driver is not None:
            rows: list[tuple[Any, ...]] = driver.execute(sql, values).fetchall()
            return rows
        return [tuple(row) for row in connection.exec_driver_sql(sql, values)]
