"""Fuzz target: import files, CSV and XLSX."""

import contextlib
from datetime import UTC

from tocsin.base.errors import TocsinError
from tocsin.base.sheets import MAX_CELL, MAX_COLUMNS, write_csv, write_xlsx
from tocsin.domain.accounts import note_end
from tocsin.domain.import_files import rows_of

_ROWS = [("jurisdiction", "name", "lon", "lat"), ("3402", "新华学校", "118.2", "30.9"), ("3402", "=1+1", "", "")]
SEEDS: list[bytes] = [
    write_csv(_ROWS),
    write_xlsx(_ROWS),
    "行政区划代码;名称\n3402;市场\n".encode("gb18030"),
    write_csv([("account", "responder_note", "until"), ("1", "x", "2027/6/30 18:00+08:00"), ("1", "x", "9999-12-31")]),
    b'name,account\n"a\nb",1\n',
]


def _read_end(given: str) -> None:
    with contextlib.suppress(TocsinError):
        assert note_end(given, UTC).tzinfo is not None


def run_one(data: bytes) -> None:
    """Read the bytes as a file; a refusal names what is wrong."""
    try:
        kind, rows = rows_of(data)
    except TocsinError:
        return
    for row in rows:
        if kind == "note":
            _read_end(row.values.get("until", ""))
        assert len(row.values) <= MAX_COLUMNS
        assert all(len(value) <= MAX_CELL for value in row.values.values())
