"""What a CSV or XLSX file lists, from places to what accounts hold: all lines are checked, then all are entered.

What is there already and differs is changed, what is the same is left: the same file twice does nothing the second
time. The data folder must be free: a running server would not hear of the new devices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

from tocsin.base.clock import SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.passwords import Passwords
from tocsin.base.sheets import write_csv, write_xlsx
from tocsin.domain.access import Actor
from tocsin.domain.account_files import AccountFiles
from tocsin.domain.acts import house_actor
from tocsin.domain.cameras import ChannelService
from tocsin.domain.directory import Directory
from tocsin.domain.import_columns import template
from tocsin.domain.import_entry import Entry
from tocsin.domain.import_files import Progress, WrongLine, error_rows, plan_all, rows_of
from tocsin.domain.import_keeping import begun
from tocsin.domain.import_plan import Importer, Planned, Row
from tocsin.domain.import_undo import WORDS
from tocsin.domain.import_undo_service import ImportUndo
from tocsin.domain.place_service import PlaceService
from tocsin.domain.registry import DeviceService
from tocsin.folder import FolderLock, prepare_folder
from tocsin.recording import house_zone
from tocsin.settings import Settings
from tocsin.storage.store import AnyStore
from tocsin.stores import open_store, open_vault

MAX_ERRORS_SHOWN: Final = 20


class _NobodyAsks(Directory):
    """The directory of a command that has the data folder to itself: no gateway asks it, so nothing is read again."""

    async def refresh(self, *device_ids: str) -> None:
        """Leave it."""


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
        return asyncio.run(_import(settings, path.name, kind, rows, is_check, errors_to, progress))


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


def write_template(path: Path, kind: str, language: str) -> None:
    """Write an empty file of a kind with its column names."""
    _write(path, template(kind, language))


async def _import(
    settings: Settings,
    file: str,
    kind: str,
    rows: list[Row],
    is_check: bool,
    errors_to: Path | None,
    progress: Progress,
) -> list[dict[str, object]]:
    async with open_store(settings) as store:
        vault = await open_vault(settings.secret_key_path, store)
        directory = _NobodyAsks(store, vault)
        clock = SystemClock()
        devices = DeviceService(store, clock, vault, directory)
        actor = house_actor("import")
        cameras = ChannelService(store, clock, directory)
        with closing(Passwords()) as passwords:
            accounts = AccountFiles(store, clock, passwords, house_zone(settings))
            importer = Importer(PlaceService(store, clock), devices, cameras, accounts, actor)
            await importer.load()
            plans, wrong = await plan_all(importer, kind, rows)
        if wrong:
            if errors_to is not None:
                _write(errors_to, error_rows(wrong))
            raise _refused(wrong, errors_to)
        if not is_check:
            refused = await _enter(store, devices, actor, file, kind, plans, progress)
            if refused:
                raise _refused(refused, None, head="these lines were refused, all others are entered")
        words = (
            {"create": "to enter", "change": "to change"} if is_check else {"create": "entered", "change": "changed"}
        )
        return [
            {"line": plan.line, "kind": kind, "name": plan.name, "outcome": words.get(plan.act, "unchanged")}
            for plan in plans
        ]


async def _enter(
    store: AnyStore,
    devices: DeviceService,
    actor: Actor,
    file: str,
    kind: str,
    plans: list[Planned],
    progress: Progress,
) -> list[WrongLine]:
    import_id = new_id()
    if any(plan.step is not None for plan in plans):
        await store.run(lambda tx: tx.imports.add(begun(import_id, file, kind, plans, actor, tx.now)))
    return await Entry(store, devices, actor, import_id).run(plans, progress)


def list_imports(settings: Settings) -> list[dict[str, object]]:
    """Return the imports of the last day that can be taken back. Errors: CONFLICT while a server works there."""
    return _at_rest(settings, _listed)


def undo_import(settings: Settings, import_id: str, *, is_check: bool = False) -> list[dict[str, object]]:
    """Take an import back, or say what that would do; return what stays, and a last entry with the counts.

    Errors: NOT_FOUND, CONFLICT while a server works in the data folder.
    """
    return _at_rest(settings, lambda undo, actor: _undone(undo, actor, import_id, is_check))


def _at_rest(
    settings: Settings, work: Callable[[ImportUndo, Actor], Awaitable[list[dict[str, object]]]]
) -> list[dict[str, object]]:
    async def _work() -> list[dict[str, object]]:
        async with open_store(settings) as store:
            vault = await open_vault(settings.secret_key_path, store)
            devices = DeviceService(store, SystemClock(), vault, _NobodyAsks(store, vault))
            return await work(ImportUndo(store, devices), house_actor("import"))

    prepare_folder(settings.data)
    with FolderLock(settings.data):
        return asyncio.run(_work())


async def _listed(undo: ImportUndo, actor: Actor) -> list[dict[str, object]]:
    return [one.form() for one in await undo.recent(actor=actor)]


async def _undone(undo: ImportUndo, actor: Actor, import_id: str, is_check: bool) -> list[dict[str, object]]:
    if is_check:
        run = await undo.look(import_id, actor=actor)
    else:
        run = await undo.begin(import_id, actor=actor)
        await undo.finished()
        if run.state == "failed":
            raise TocsinError(ErrorCode.UNAVAILABLE, "the import was not taken back whole: try again", key=run.reason)
    left: list[dict[str, object]] = [
        {"line": one.line, "kind": one.kind, "name": one.name, "why": WORDS.text(f"import.left.{one.why}", "en", {})}
        for one in run.left
    ]
    return [*left, {"taken_back": run.free, "left": run.left_count}]


def _refused(wrong: list[WrongLine], errors_to: Path | None, *, head: str = "nothing was entered") -> TocsinError:
    shown = "; ".join(f"line {one.line}: {one.what}" for one in wrong[:MAX_ERRORS_SHOWN])
    more = f"; and {len(wrong) - MAX_ERRORS_SHOWN} more" if len(wrong) > MAX_ERRORS_SHOWN else ""
    where = f"; all of them are in {errors_to}" if errors_to is not None else ""
    return TocsinError(ErrorCode.INVALID, f"{head}. {shown}{more}{where}")


def _write(path: Path, rows: Iterable[tuple[object, ...]]) -> None:
    write = write_xlsx if path.suffix.lower() == ".xlsx" else write_csv
    try:
        path.write_bytes(write(rows))
    except OSError as error:
        raise TocsinError(ErrorCode.INVALID, f"cannot write {path}: {error.strerror}") from error
