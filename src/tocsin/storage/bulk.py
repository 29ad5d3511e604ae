"""Statements of the intake path without a detour: compiled once a dialect, then handed to the driver.

SQLAlchemy's own `execute` looks at every value of every row, and builds and looks up each statement anew: a group of
few signals would spend its time there. On SQLite the driver's cursor is used directly. Values must already be what the
driver stores (text, integers, bytes, booleans), and rows come back as plain tuples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Executable, Table, insert


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
    """One statement executed for many rows given as tuples in the order of `names`."""

    @classmethod
    def into(cls, table: Table, names: Sequence[str]) -> Bulk:
        """Return the insert of these columns."""
        return cls(insert(table).inline(), names)

    def run(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Execute for every row; none is fine."""
        if not rows:
            return
        sql, order = self._compile(connection)
        if order is not None:
            rows = [tuple([row[place] for place in order]) for row in rows]
        driver = sqlite_driver(connection)
        if driver is not None:
            driver.executemany(sql, rows)
        else:
            connection.exec_driver_sql(sql, list(rows))


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
