"""Pages by key, and marks into a list, whatever it is sorted by; the same on both engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, case, func, select, tuple_

from tocsin.domain.lists import Marks as Marks


@dataclass(frozen=True, slots=True)
class Keys:
    """What a list is sorted by: all rising, or all falling."""

    columns: tuple[ColumnElement[Any], ...]
    is_falling: bool = False

    @property
    def by(self) -> tuple[ColumnElement[Any], ...]:
        """The ORDER BY."""
        return tuple(column.desc() for column in self.columns) if self.is_falling else self.columns

    def after(self, values: Sequence[str]) -> ColumnElement[bool]:
        """Return the condition that a row comes after the one with these values."""
        if len(self.columns) == 1:
            return self.columns[0] < values[0] if self.is_falling else self.columns[0] > values[0]
        pair = tuple_(*self.columns)
        return pair < tuple(values) if self.is_falling else pair > tuple(values)


def marks_of(
    connection: Connection,
    source: FromClause,
    where: ColumnElement[bool],
    keys: Keys,
    online: ColumnElement[bool],
    size: int,
) -> Marks:
    """Count a list and return the sort values of every `size`th row but the last."""
    counts = connection.execute(
        select(func.count(), func.count(case((online, 1), else_=None))).select_from(source).where(where)
    ).one()
    total = int(counts[0])
    if total <= size:
        return Marks(total, int(counts[1]), ())
    named = [column.label(f"k{at}") for at, column in enumerate(keys.columns)]
    numbered = (
        select(*named, func.row_number().over(order_by=keys.by).label("n")).select_from(source).where(where).subquery()
    )
    picked = [numbered.c[f"k{at}"] for at in range(len(named))]
    rows = connection.execute(
        select(*picked).where(numbered.c.n % size == 0, numbered.c.n < total).order_by(numbered.c.n)
    )
    return Marks(total, int(counts[1]), tuple(tuple(row) for row in rows))
