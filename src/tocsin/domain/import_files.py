"""An import from a file's bytes to the registry: its lines, what each would do, and doing it in groups."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.sheets import read_sheet
from tocsin.domain.import_columns import KINDS, column_of, kind_of
from tocsin.domain.import_plan import Importer, Planned, Row

AT_ONCE: Final = 200  # lines that wait for one commit together
SECRET_COLUMNS: Final = frozenset({"key_hex", "key_text", "password"})
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


async def plan_all(importer: Importer, kind: str, rows: Iterable[Row]) -> tuple[list[Planned], list[WrongLine]]:
    """Return what each line would do, and the lines that are wrong; others are served meanwhile."""
    plans: list[Planned] = []
    wrong: list[WrongLine] = []
    for number, row in enumerate(rows, 1):
        try:
            plans.append(importer.plan(kind, row))
        except TocsinError as error:
            column = _column(error.params)
            value = "" if column in SECRET_COLUMNS else row.values.get(column, "")
            wrong.append(WrongLine(row.line, column, value, error))
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
    return plans, wrong


async def enter(
    plans: Iterable[Planned],
    progress: Progress = lambda _done, _all: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> list[WrongLine]:
    """Do what the lines ask, a group of `AT_ONCE` to a commit; return those refused meanwhile, the others stay done.

    `is_cancelled` is asked before each group. Errors: UNAVAILABLE when nothing can be stored; groups before it stay.
    """
    waiting = [plan for plan in plans if plan.run is not None]
    refused: list[WrongLine] = []
    progress(0, len(waiting))
    for start in range(0, len(waiting), AT_ONCE):
        if is_cancelled():
            break
        chunk = waiting[start : start + AT_ONCE]
        failed = [one for one in await asyncio.gather(*(_run(plan) for plan in chunk)) if one is not None]
        refused += failed
        progress(start + len(chunk), len(waiting))
        for one in failed:
            if one.error.code is ErrorCode.UNAVAILABLE:
                raise one.error
    return refused


async def _run(plan: Planned) -> WrongLine | None:
    assert plan.run is not None
    try:
        await plan.run()
    except TocsinError as error:
        return WrongLine(plan.line, _column(error.params), "", error)
    return None


def error_rows(
    wrong: Iterable[WrongLine], words: Callable[[WrongLine], str] = lambda one: one.what
) -> list[tuple[object, ...]]:
    """Return the wrong lines as a table: line, column, what was written there, what to do."""
    head: list[tuple[object, ...]] = [("line", "column", "value", "error")]
    return head + [(one.line, one.column, one.value, words(one)) for one in wrong]


def _column(params: Mapping[str, Any]) -> str:
    name = str(params.get("field", ""))
    name = name.removeprefix("address.")
    return {"place_id": "place", "jurisdiction_id": "jurisdiction", "number": "zone"}.get(name, name)
