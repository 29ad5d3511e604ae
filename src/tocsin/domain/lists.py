"""Long lists in pages: orders, cursors of several values, and marks by which a reader jumps into the middle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tocsin.base.cursors import pack, unpack
from tocsin.base.errors import ErrorCode, TocsinError

ORDERS: Final = ("newest", "name", "state")
_VALUES: Final = {"newest": 1, "name": 2, "state": 3}


@dataclass(frozen=True, slots=True)
class Marks:
    """How many rows a list has, how many of them are online, and the sort values of every n-th row."""

    total: int
    online: int
    rows: tuple[tuple[str, ...], ...]

    def form(self, order: str, size: int) -> dict[str, object]:
        """Return it as the API shows it: `cursors[k]` is the `after` of page k + 1."""
        return {
            "total": self.total,
            "online": self.online,
            "size": size,
            "cursors": [cursor(order, row) for row in self.rows],
        }


def checked_order(order: str) -> str:
    """Return an order. Errors: INVALID."""
    if order not in ORDERS:
        choices = ", ".join(ORDERS)
        raise TocsinError(
            ErrorCode.INVALID, f"order must be one of: {choices}", key="registry.field_choice", field="order",
            choices=choices,
        )  # fmt: skip
    return order


def cursor(order: str, values: tuple[str, ...]) -> str:
    """Return the cursor of a row: its id alone by age, else all it is sorted by."""
    return values[0] if order == "newest" else pack(*values)


def sort_values(order: str, text: str) -> tuple[str, ...] | None:
    """Return what a cursor stands for; None without one. Errors: INVALID."""
    if not text:
        return None
    return (text,) if order == "newest" else unpack(text, _VALUES[order])


def values_of(order: str, name: str, subject_id: str, rank: str) -> tuple[str, ...]:
    """Return what a row is sorted by; `rank` tells what is wrong first, "0" the worst."""
    return {"name": (name, subject_id), "state": (rank, name, subject_id)}.get(order, (subject_id,))
