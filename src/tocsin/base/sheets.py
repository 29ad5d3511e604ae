"""Tables in files: CSV (UTF-8 or GB18030) and XLSX, read within bounds and written.

A spreadsheet is unpacked only when what it says of itself is within bounds, holds no document type (no entities), and
is read row by row; formulas give their last result, the first sheet counts.
"""

from __future__ import annotations

import csv
import io
import itertools
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError

MAX_FILE_BYTES: Final = 32 * 1024 * 1024
MAX_UNPACKED_BYTES: Final = 256 * 1024 * 1024
MAX_PARTS: Final = 500
MAX_ROWS: Final = 100_000
MAX_COLUMNS: Final = 100
MAX_CELL: Final = 4_000
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_EMPTY_ROWS: Final = 2_000  # formatted but empty rows below a table; more end it


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as read: `charset` is empty for a spreadsheet; rows with the number of their line."""

    charset: str
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def read_sheet(raw: bytes) -> Sheet:
    """Return the table of a CSV or XLSX file, told apart by its first bytes. Errors: INVALID, saying what and where."""
    if len(raw) > MAX_FILE_BYTES:
        raise wrong(f"the file is over {MAX_FILE_BYTES >> 20} MiB: split it")
    if raw.startswith(b"\xd0\xcf\x11\xe0"):
        raise wrong("this is the old .xls form or a protected workbook: save it as .xlsx without a password, or CSV")
    if raw.startswith(b"PK"):
        return _collected("", _xlsx_rows(raw))
    charset, text = _decoded(raw)
    return _collected(charset, _csv_rows(text))


def write_csv(rows: Iterable[Sequence[object]]) -> bytes:
    """Return CSV that spreadsheets open as text: UTF-8 with its mark, nothing in it counts as a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        writer.writerow([_harmless(str(cell)) for cell in row])
    return out.getvalue().encode("utf-8-sig")


def write_xlsx(rows: Iterable[Sequence[object]]) -> bytes:
    """Return a workbook of one sheet; every cell is text."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in rows:
        cells = []
        for value in row:
            cell = WriteOnlyCell(sheet, value=_printable(str(value)))
            cell.data_type = "s"  # a text that begins with = is text
            cells.append(cell)
        sheet.append(cells)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def wrong(detail: str) -> TocsinError:
    """Return the refusal of a file."""
    return TocsinError(ErrorCode.INVALID, detail)


def _decoded(raw: bytes) -> tuple[str, str]:
    """Return charset and text. Short GB18030 texts are valid UTF-8 by chance (学校 reads ѧУ): where UTF-8 would give
    only letters of two bytes, and no mark says that it is UTF-8, GB18030 is meant.
    """
    texts: dict[str, str] = {}
    for charset in ("utf-8-sig", "gb18030"):
        try:
            texts[charset] = raw.decode(charset)
        except UnicodeDecodeError:
            continue
    utf8 = texts.get("utf-8-sig")
    if utf8 is not None:
        by_chance = not raw.isascii() and not raw.startswith(b"\xef\xbb\xbf") and max(utf8) < "\u0800"
        if not by_chance or "gb18030" not in texts:
            return "utf-8", utf8
    if "gb18030" in texts:
        return "gb18030", texts["gb18030"]
    raise wrong("the file is neither UTF-8 nor GB18030: save it as CSV UTF-8")


def _collected(charset: str, lines: Iterator[tuple[int, tuple[str, ...]]]) -> Sheet:
    header: tuple[str, ...] = ()
    rows: list[tuple[int, tuple[str, ...]]] = []
    for line, cells in lines:
        if len(cells) > MAX_COLUMNS:
            raise wrong(f"line {line} has over {MAX_COLUMNS} columns")
        for number, cell in enumerate(cells, 1):
            if len(cell) > MAX_CELL:
                raise wrong(f"line {line}, column {number}: over {MAX_CELL} characters")
        if not any(cells):
            continue
        if not header:
            header = cells
            continue
        rows.append((line, cells))
        if len(rows) > MAX_ROWS:
            raise wrong(f"the file has over {MAX_ROWS:,} lines: split it")
    if not header:
        raise wrong("the file is empty: its first line names the columns")
    return Sheet(charset, header, tuple(rows))


def _csv_rows(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    first = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise wrong(f"line {reader.line_num}: {error}") from error
        yield reader.line_num, tuple(_unmarked(cell.strip()) for cell in cells)


def _xlsx_rows(raw: bytes) -> Iterator[tuple[int, tuple[str, ...]]]:
    _check_package(raw)
    from openpyxl import load_workbook

    empty = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of drawings and validations it does not read
            book = load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
            if not book.worksheets:
                raise wrong("the workbook has no sheet")
            rows = book.worksheets[0].iter_rows(max_col=MAX_COLUMNS + 1, values_only=True)
            for line, values in enumerate(itertools.islice(rows, MAX_ROWS + _EMPTY_ROWS), 1):
                cells = tuple(_text(value) for value in values)
                while cells and not cells[-1]:
                    cells = cells[:-1]
                empty = 0 if cells else empty + 1
                if empty > _EMPTY_ROWS:
                    return
                yield line, cells
    except TocsinError:
        raise
    except Exception as error:  # the border to a foreign reader: whatever it stumbles over, the file is at fault
        raise wrong(f"the workbook cannot be read: {type(error).__name__}: {str(error)[:200]}") from error


def _check_package(raw: bytes) -> None:
    """Refuse a package that would unpack beyond bounds or declares entities. Errors: INVALID."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as package:
            parts = package.infolist()
            if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
                raise wrong(f"the workbook would unpack to over {MAX_UNPACKED_BYTES >> 20} MiB or {MAX_PARTS} parts")
            for part in parts:
                if not part.filename.lower().endswith((".xml", ".rels")):
                    continue
                with package.open(part) as opened:
                    head = opened.read(2_048).removeprefix(b"\xef\xbb\xbf").lstrip()
                if not head.startswith(b"<") or b"\0" in head or b"<!DOCTYPE" in head.upper():
                    raise wrong(f"the workbook's part {part.filename[:80]} is not plain XML")
    except TocsinError:
        raise
    except (zipfile.BadZipFile, RuntimeError, OSError, ValueError, EOFError) as error:
        raise wrong(f"the workbook is damaged: {error}") from error
    except Exception as error:  # a decompressor's own error
        raise wrong(f"the workbook is damaged: {type(error).__name__}") from error


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value).strip()


def _printable(text: str) -> str:
    return "".join(c for c in text if c >= " " or c in "\t\n")[:32_000]


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _unmarked(text: str) -> str:
    """Return a cell without the mark that keeps it from being a formula, as `write_csv` puts it."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
