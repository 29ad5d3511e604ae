"""CSV and XLSX files: read within bounds, written so that a spreadsheet takes nothing for a formula."""

from __future__ import annotations

import io
import zipfile

import pytest

from tocsin.base.errors import TocsinError
from tocsin.base.sheets import MAX_COLUMNS, read_sheet, write_csv, write_xlsx

ROWS = [("name", "lon"), ("新华学校", "118.2"), ("=HYPERLINK(1)", "")]


def repacked(raw: bytes, part: str, change: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            new.writestr(item.filename, change if item.filename == part else old.read(item))
    return out.getvalue()


def test_a_workbook_comes_back_as_written() -> None:
    sheet = read_sheet(write_xlsx(ROWS))
    assert (sheet.charset, sheet.header) == ("", ("name", "lon"))
    assert sheet.rows == ((2, ("新华学校", "118.2")), (3, ("=HYPERLINK(1)",)))


def test_csv_for_spreadsheets_holds_no_formula() -> None:
    assert b"\n'=HYPERLINK(1)" in write_csv(ROWS).replace(b"\r", b"")
    assert read_sheet(write_csv(ROWS)).charset == "utf-8"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_and_the_charset_are_found(delimiter: str) -> None:
    sheet = read_sheet(f"name{delimiter}lon\n学校{delimiter}1\n".encode("gb18030"))
    assert (sheet.charset, sheet.header, sheet.rows) == ("gb18030", ("name", "lon"), ((2, ("学校", "1")),))


def test_a_workbook_that_unpacks_beyond_bounds_is_refused_unread() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package, package.open("xl/a.xml", "w") as part:
        for _ in range(300):
            part.write(b"<" * (1 << 20))
    with pytest.raises(TocsinError, match="would unpack"):
        read_sheet(out.getvalue())


def test_a_workbook_with_entities_is_refused() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><workbook/>'
    with pytest.raises(TocsinError, match="not plain XML"):
        read_sheet(repacked(write_xlsx(ROWS), "xl/workbook.xml", bomb))


def test_a_cell_far_out_is_refused_and_costs_nothing() -> None:
    cells = b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    body = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    sheet = read_sheet(
        repacked(write_xlsx(ROWS), "xl/worksheets/sheet1.xml", body + cells + b"</sheetData></worksheet>")
    )
    assert (sheet.header, sheet.rows) == (("1",), ())


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b"PK\x03\x04", "damaged"),
        (b"\xd0\xcf\x11\xe0 old", "old .xls"),
        (b"\xff\xff\xff", "neither UTF-8 nor GB18030"),
        (",".join("a" * (MAX_COLUMNS + 1)).encode(), "columns"),
        (b"name\n" + b"x" * 5_000, "line 2, column 1"),
    ],
)
def test_another_file_is_refused_in_words(raw: bytes, words: str) -> None:
    with pytest.raises(TocsinError, match=words):
        read_sheet(raw)
