"""Places, devices, cameras, zones, links, accounts and what they hold from a file: checked, shown, entered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.sheets import write_csv, write_xlsx
from tocsin.domain.access import Actor, Permission
from tocsin.domain.import_columns import CHINESE, template
from tocsin.domain.import_files import WrongLine, error_rows
from tocsin.domain.import_service import MAX_UPLOAD_BYTES, Import, ImportService
from tocsin.domain.import_undo import WORDS
from tocsin.domain.import_undo_service import ImportUndo, Undo
from tocsin.web.api.shapes import After, In, Limit, Out, Page, listed, reply, whole_number
from tocsin.web.deps import House, Language, allowed
from tocsin.web.errors import told
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1/imports", tags=["imports"])
Keeper = Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)]
Kind = Literal["place", "device", "camera", "zone", "link", "account", "contact", "note", "position", "password"]
Form = Literal["csv", "xlsx"]
_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_BYTES = {"schema": {"type": "string", "format": "binary"}}
TABLE_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "the file", "content": {"text/csv": _BYTES, _TYPES["xlsx"]: _BYTES}}
}
_UPLOAD = {"requestBody": {"required": True, "content": {"application/octet-stream": _BYTES}}}


class ImportLine(Out):
    """A line and what it would do."""

    line: int
    name: str
    act: Literal["create", "change"]


class ImportError_(Out):
    """A line that is wrong or was refused: where, what stands there, what to do. Keys and passwords stay empty."""

    line: int
    column: str
    value: str
    cure: str


class ImportShown(Out):
    """A file that was checked: counts by what lines would do, or did; `errors` in pages, `next` leads on."""

    id: str
    file: str
    kind: Kind
    state: Literal["checked", "applying", "done", "cancelled", "failed", "stopped"]
    counts: dict[str, int]
    done: int
    total: int
    reason: str
    expires_at: str
    sample: list[ImportLine]
    errors: list[ImportError_]
    next: str | None = None


class ImportEntered(Out):
    """An import of the last day: `lines` can still be taken back."""

    id: str
    file: str
    kind: Kind
    by: str
    entered_at: str
    until: str
    lines: int
    taken_back: int


class ImportLeft(Out):
    """A line that stays: what it is about, and why."""

    line: int
    kind: Literal["place", "device", "channel", "zone", "account", "contact", "note", "point", "password"]
    id: str
    name: str
    why: str


class ImportUndoShown(ImportEntered):
    """What taking an import back would do (`ready`), or how far it is. The first thousand lines that stay are named."""

    state: Literal["ready", "running", "done", "failed"]
    reason: str
    free: int
    left_count: int
    done: int
    total: int
    left: list[ImportLeft]


class ApplyIn(In):
    """With `skip_wrong` the wrong lines are left out; without it they keep all others out."""

    skip_wrong: bool = False


@router.post("", response_model=ImportShown, openapi_extra=_UPLOAD)
async def checktable_file(
    request: Request,
    house: House,
    actor: Keeper,
    language: Language,
    file: Annotated[str, Query(max_length=400, description="name of the file, for people")] = "",
) -> Response:
    """Check a CSV or XLSX file, sent as the body as it is (at most 16 MiB); nothing is changed.

    Errors: invalid saying what and where, too_large, too_many.
    """
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_UPLOAD_BYTES:
            raise TocsinError(ErrorCode.INVALID, "the file is over 16 MiB: split it")
    return reply(_shown(await _imports(house).check(bytes(raw), unquote(file), actor=actor), house, language))


@router.get("", response_model=Page[ImportEntered])
async def list_imports(house: House, actor: Keeper) -> Response:
    """List the imports of the last 24 hours that can be taken back, newest first."""
    return listed([one.form() for one in await _undo(house).recent(actor=actor)], None)


@router.get("/{import_id}/undo", response_model=ImportUndoShown)
async def look_at_undo(import_id: str, house: House, actor: Keeper, language: Language) -> Response:
    """Say what would be taken back of an import and what would stay, or how far it is. Errors: not_found."""
    return reply(_undo_shown(await _undo(house).look(import_id, actor=actor), language))


@router.post("/{import_id}/undo", response_model=ImportUndoShown)
async def undo_import(import_id: str, house: House, actor: Keeper, language: Language) -> Response:
    """Begin to take an import back: what it made and nobody used since is retired, what it changed is as before.

    Errors: not_found, conflict while another is taken back.
    """
    return reply(_undo_shown(await _undo(house).begin(import_id, actor=actor), language))


@router.get("/template/{kind}.{form}", response_class=Response, responses=TABLE_FILE)
async def read_template(kind: Kind, form: Form, language: Language, _actor: Keeper) -> Response:
    """Return an empty file with the columns of a kind, named in the caller's language (`?lang=`)."""
    return table_file(template(kind, language), form, f"tocsin-{kind}")


@router.get("/{import_id}", response_model=ImportShown)
async def read_import(
    import_id: str, house: House, actor: Keeper, language: Language, after: After = "", limit: Limit = 100
) -> Response:
    """Read a file that was checked: progress, counts, and a page of its wrong lines. Errors: not_found."""
    found = _imports(house).get(import_id, actor=actor)
    return reply(_shown(found, house, language, whole_number(after) or 0, limit))


@router.get("/{import_id}/errors.{form}", response_class=Response, responses=TABLE_FILE)
async def read_errors(import_id: str, form: Form, house: House, actor: Keeper, language: Language) -> Response:
    """Return the wrong lines as a file: line, column, what stands there, what to do. Errors: not_found."""
    found = _imports(house).get(import_id, actor=actor)
    rows = error_rows(found.wrong, lambda one: _words(one, house, language))
    if language.startswith("zh"):
        rows = [("行", "列", "填写内容", "处理办法"), *((r[0], _column(str(r[1]), language), *r[2:]) for r in rows[1:])]
    return table_file(rows, form, "tocsin-errors")


@router.post("/{import_id}/apply", response_model=ImportShown)
async def apply_import(import_id: str, house: House, actor: Keeper, language: Language, body: ApplyIn) -> Response:
    """Begin to enter a file, 100 lines at a time; its progress is read from it. Errors: not_found, conflict."""
    return reply(_shown(await _imports(house).apply(import_id, actor=actor, **body.model_dump()), house, language))


@router.post("/{import_id}/cancel", response_model=ImportShown)
async def cancel_import(import_id: str, house: House, actor: Keeper, language: Language) -> Response:
    """Halt before the next group; what was entered stays. Errors: not_found."""
    return reply(_shown(_imports(house).cancel(import_id, actor=actor), house, language))


def _imports(house: Services) -> ImportService:
    if house.imports is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "imports are not served here")
    return house.imports


def _undo(house: Services) -> ImportUndo:
    if house.import_undo is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "imports are not served here")
    return house.import_undo


def _undo_shown(found: Undo, language: str) -> dict[str, object]:
    left = [
        {
            "line": one.line,
            "kind": one.kind,
            "id": one.id,
            "name": one.name,
            "why": WORDS.text(f"import.left.{one.why}", language[:2], {}),
        }
        for one in found.left
    ]
    return {**found.form(), "left": left}


def _shown(found: Import, house: Services, language: str, start: int = 0, limit: int = 100) -> dict[str, object]:
    errors = [
        {"line": one.line, "column": one.column, "value": one.value, "cure": _words(one, house, language)}
        for one in found.wrong[start : start + limit]
    ]
    following = str(start + limit) if start + limit < len(found.wrong) else None
    return {**found.form(), "errors": errors, "next": following}


def _words(one: WrongLine, house: Services, language: str) -> str:
    return told(one.error, language, house.words, field=_column(one.column, language))


def _column(name: str, language: str) -> str:
    return CHINESE.get(name, name) if language.startswith("zh") else name


def table_file(rows: Iterable[tuple[object, ...]], form: str, name: str) -> Response:
    """Return a table as a file of a form."""
    write = write_xlsx if form == "xlsx" else write_csv
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    return Response(write(rows), media_type=_TYPES[form], headers=headers)
