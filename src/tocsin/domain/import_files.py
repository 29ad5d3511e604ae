"""An import from a file's bytes to the registry: its lines, and what each would do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.sheets import read_sheet
from tocsin.domain.import_columns import CHINESE, KINDS, column_of, kind_of
from tocsin.domain.import_plan import Importer, Planned, Row

CHECKED_AT_ONCE: Final = 50  # lines: a hundredth of a second that others wait
SECRET_COLUMNS: Final = frozenset({"key_hex", "key_text", "password", "word"})
_COLUMNS: Final = {
    "place_id": "place",
    "jurisdiction_id": "jurisdiction",
    "number": "zone",
    "text": "responder_note",
}  # where a field has another name than its column
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class WrongLine:
    """A line that cannot be entered: where, what stands there, and why. Keys and passwords are never shown."""

    line: int
    column: str
    value: str
    error: TocsinError

    @property
    def what(self) -> str:
        """What is wrong, in English."""
        return self.error.detail


def rows_of(raw: bytes) -> tuple[str, list[Row]]:
    """Return what the bytes of a file list, and its lines. Errors: INVALID."""
    sheet = read_sheet(raw)
    columns = [column_of(name) for name in sheet.header]
    named = [name for name in columns if name]
    kind = kind_of(named)
    if not set(named) & set(CHINESE):  # nothing of it is said: without a line of names it is the first line of data
        raise TocsinError(ErrorCode.INVALID, "the first line names no column an import knows: take a template")
    doubled = sorted({name for name in named if named.count(name) > 1})
    if doubled:
        raise TocsinError(ErrorCode.INVALID, f"these columns stand there twice: {', '.join(doubled)}")
    unknown = sorted(set(named) - set(KINDS[kind]))
    if unknown:
        known = ", ".join(KINDS[kind])
        raise TocsinError(ErrorCode.INVALID, f"unknown columns: {', '.join(unknown)}; a {kind} file has {known}")
    if kind in ("place", "device") and "name" not in named:
        raise TocsinError(ErrorCode.INVALID, f"there is no column name; a {kind} file has {', '.join(KINDS[kind])}")
    rows = []
    for line, cells in sheet.rows:
        given = {name: cell for name, cell in zip(columns, cells, strict=False) if name and cell}
        if given:
            rows.append(Row(line, given))
    return kind, rows


async def plan_all(importer: Importer, kind: str, rows: Sequence[Row]) -> tuple[list[Planned], list[WrongLine]]:
    """Return what each line would do, and the lines that are wrong; others are served meanwhile. Errors: INVALID."""
    plans: list[Planned] = []
    wrong: list[WrongLine] = []
    await importer.prepare(kind, rows)
    for number, row in enumerate(rows, 1):
        try:
            plans.append(importer.plan(kind, row))
        except TocsinError as error:
            column = column_named(error.params)
            value = "" if column in SECRET_COLUMNS else row.values.get(column, "")
            wrong.append(WrongLine(row.line, column, value, error))
        if number % CHECKED_AT_ONCE == 0:
            await asyncio.sleep(0)
    return plans, wrong


def error_rows(
    wrong: Iterable[WrongLine], words: Callable[[WrongLine], str] = lambda one: one.what
) -> list[tuple[object, ...]]:
    """Return the wrong lines as a table: line, column, what was written there, what to do."""
    head: list[tuple[object, ...]] = [("line", "column", "value", "error")]
    return head + [(one.line, one.column, one.value, words(one)) for one in wrong]


def column_named(params: Mapping[str, Any]) -> str:
    """Return the column that an error's parameters name."""
    name = str(params.get("field", ""))
    name = name.removeprefix("address.")
    return _COLUMNS.get(name, name)
