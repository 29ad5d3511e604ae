"""Many rows in one statement without a detour: compiled once a dialect, then handed to the driver as tuples.

SQLAlchemy's own `executemany` looks at every value of every row; on the intake path that is half the time. Values must
already be what the driver stores (text, integers, bytes, booleans).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Executable, Table, insert


class Bulk:
    """One statement with named parameters, executed for many rows given as tuples in the order of `names`."""

    def __init__(self, statement: Executable, names: Sequence[str]) -> None:
        self._statement = statement
        self._names = tuple(names)
        self._compiled: dict[str, tuple[str, tuple[int, ...] | None]] = {}

    @classmethod
    def into(cls, table: Table, names: Sequence[str]) -> Bulk:
        """Return the insert of these columns."""
        return cls(insert(table), names)

    def run(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Execute for every row; none is fine."""
        if not rows:
            return
        sql, order = self._compile(connection)
        if order is not None:
            rows = [tuple([row[place] for place in order]) for row in rows]
        connection.exec_driver_sql(sql, list(rows))

    def _compile(self, connection: Connection) -> tuple[str, tuple[int, ...] | None]:
        name = connection.dialect.name
        found = self._compiled.get(name)
        if found is None:
            compiled: Any = self._statement.compile(dialect=connection.dialect, column_keys=list(self._names))  # type: ignore[attr-defined]
            order = tuple(self._names.index(key) for key in compiled.positiontup)
            found = (str(compiled), None if order == tuple(range(len(self._names))) else order)
            self._compiled[name] = found
        return found
