"""Places, devices, cameras, zones and links from a CSV or XLSX file: all lines are checked first, then all are entered.

What is there already and differs is changed, what is the same is left: the same file twice does nothing the second
time. The data folder must be free: a running server would not hear of the new devices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tocsin.app import open_store, open_vault
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.sheets import read_sheet, write_csv, write_xlsx
from tocsin.folder import FolderLock, prepare_folder
from tocsin.import_columns import KINDS, column_of, kind_of, template
from tocsin.import_plan import Importer, Planned, Row
from tocsin.settings import Settings

MAX_ERRORS_SHOWN: Final = 20
AT_ONCE: Final = 200  # lines that wait for one commit together
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class WrongLine:
    """A line that cannot be entered: where, and what to do about it."""

    line: int
    column: str
    what: str


def import_file(
    settings: Settings,
    path: Path,
    *,
    is_check: bool = False,
    errors_to: Path | None = None,
    progress: Progress = lambda _done, _all: None,
) -> list[dict[str, object]]:
    """Enter what a file lists; return one entry a line: `entered`, `changed` or `unchanged`. With `is_check`
    `to enter`, `to change` or `unchanged`. `errors_to` (.csv or .xlsx) gets the lines that are wrong.

    Errors: INVALID naming the lines that are wrong, and then nothing was entered; CONFLICT while a server works in the
    data folder.
    """
    kind, rows = read_rows(path)
    prepare_folder(settings.data)
    with FolderLock(settings.data):
        return asyncio.run(_import(settings, kind, rows, is_check, errors_to, progress))


def read_rows(path: Path) -> tuple[str, list[Row]]:
    """Return what a file lists (a kind of `KINDS`) and its lines. Errors: INVALID."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise TocsinError(ErrorCode.INVALID, f"cannot read {path}: {error.strerror}") from error
    try:
        return rows_of(raw)
    except TocsinError as error:
        raise TocsinError(error.code, f"{path}: {error.detail}") from error


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


def write_template(path: Path, kind: str, language: str) -> None:
    """Write an empty file of a kind with its column names."""
    _write(path, template(kind, language))


async def _import(
    settings: Settings, kind: str, rows: list[Row], is_check: bool, errors_to: Path | None, progress: Progress
) -> list[dict[str, object]]:
    async with open_store(settings) as store:
        importer = Importer(store, await open_vault(settings.secret_key_path, store))
        await importer.load()
        plans, wrong = plan_all(importer, kind, rows)
        if wrong:
            if errors_to is not None:
                _write(errors_to, error_rows(rows, wrong))
            raise _refused(wrong, errors_to)
        if not is_check:
            await _enter(plans, progress)
        words = (
            {"create": "to enter", "change": "to change"} if is_check else {"create": "entered", "change": "changed"}
        )
        return [
            {"line": plan.line, "kind": kind, "name": plan.name, "outcome": words.get(plan.act, "unchanged")}
            for plan in plans
        ]


def plan_all(importer: Importer, kind: str, rows: Iterable[Row]) -> tuple[list[Planned], list[WrongLine]]:
    """Return what each line would do, and the lines that are wrong."""
    plans: list[Planned] = []
    wrong: list[WrongLine] = []
    for row in rows:
        try:
            plans.append(importer.plan(kind, row))
        except TocsinError as error:
            wrong.append(WrongLine(row.line, _column(error.params), error.detail))
    return plans, wrong


async def _enter(plans: list[Planned], progress: Progress) -> None:
    waiting = [plan for plan in plans if plan.run is not None]
    for start in range(0, len(waiting), AT_ONCE):
        chunk = waiting[start : start + AT_ONCE]
        await asyncio.gather(*(_run(plan.run) for plan in chunk if plan.run is not None))
        progress(start + len(chunk), len(waiting))


async def _run(work: Callable[[], Awaitable[object]]) -> None:
    await work()


def error_rows(rows: Iterable[Row], wrong: Iterable[WrongLine]) -> list[tuple[object, ...]]:
    """Return the wrong lines as a table: line, column, what was written there, what to do."""
    values = {row.line: row.values for row in rows}
    head: list[tuple[object, ...]] = [("line", "column", "value", "error")]
    return head + [(one.line, one.column, values[one.line].get(one.column, ""), one.what) for one in wrong]


def _refused(wrong: list[WrongLine], errors_to: Path | None) -> TocsinError:
    shown = "; ".join(f"line {one.line}: {one.what}" for one in wrong[:MAX_ERRORS_SHOWN])
    more = f"; and {len(wrong) - MAX_ERRORS_SHOWN} more" if len(wrong) > MAX_ERRORS_SHOWN else ""
    where = f"; all of them are in {errors_to}" if errors_to is not None else ""
    return TocsinError(ErrorCode.INVALID, f"nothing was entered. {shown}{more}{where}")


def _column(params: Mapping[str, Any]) -> str:
    name = str(params.get("field", ""))
    name = name.removeprefix("address.")
    return {"place_id": "place", "jurisdiction_id": "jurisdiction", "number": "zone"}.get(name, name)


def _write(path: Path, rows: Iterable[tuple[object, ...]]) -> None:
    write = write_xlsx if path.suffix.lower() == ".xlsx" else write_csv
    try:
        path.write_bytes(write(rows))
    except OSError as error:
        raise TocsinError(ErrorCode.INVALID, f"cannot write {path}: {error.strerror}") from error
