"""Backups taken beside a running server: the heads first, then the database, then the key; checked before they count.

The order matters: every head in the copy has its records in the copied database.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.kept_files import KeptFile, check_files, copy_files, kept_files
from tocsin.settings import Settings
from tocsin.storage import engine as engines
from tocsin.verification import AuditReport, verify_audit, with_connection

PAGES_A_STEP = 2_000


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup."""

    folder: Path
    files: dict[str, str]
    audit: AuditReport | None


def make_backup(
    settings: Settings,
    target: Path,
    *,
    at: datetime,
    version: str,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    with_snapshots: bool = True,
) -> Backup:
    """Write a backup into a new folder `target/tocsin-<time>` and check it.

    `progress(done, total)` hears of the database's pages. Errors: INVALID when the target cannot be written;
    UNAVAILABLE when the copy does not verify. A failed backup leaves a folder ending in `.part`, never a finished one.
    """
    name = f"tocsin-{at:%Y%m%dT%H%M%SZ}"
    part, folder = target / f"{name}.part", target / name
    try:
        part.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise TocsinError(ErrorCode.INVALID, f"cannot make the folder {part}: {error.strerror}") from error
    _copy(settings.heads_path, part / "audit.heads")
    audit: AuditReport | None = None
    if engines.is_sqlite(settings.storage_url):
        copied = part / "tocsin.sqlite3"
        _copy_sqlite(engines.sqlite_path(settings.storage_url), copied, progress)
        audit = verify_audit(f"sqlite:///{copied.absolute()}", part / "audit.heads")
        for leftover in ("-wal", "-shm"):
            copied.with_name(copied.name + leftover).unlink(missing_ok=True)
        if not audit.holds:
            first = audit.problems[0].what
            raise TocsinError(ErrorCode.UNAVAILABLE, f"the copy's audit chain does not hold: {first}; kept in {part}")
    else:
        _dump_postgresql(settings.storage_url, part / "tocsin.pgdump")
    _copy(settings.secret_key_path, part / "secret.key")
    public = settings.signing_key_path.with_suffix(".pub")
    for path in (settings.signing_key_path, public):  # absent where nothing was ever signed
        if path.exists():
            _copy(path, part / path.name)
    files = {path.name: _sha256(path) for path in sorted(part.iterdir())}
    files |= _copy_kept(settings, part, with_snapshots=with_snapshots)
    manifest = {"version": version, "at": iso(at), "sha256": files}
    (part / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    for path in part.rglob("*"):
        if path.is_file():
            path.chmod(0o600)
        _sync(path)
    part.rename(folder)
    _sync(target)
    return Backup(folder, files, audit)


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        raise TocsinError(ErrorCode.NOT_FOUND, f"{source} is missing: is this the data folder of a server?")
    shutil.copyfile(source, target)


def _copy_kept(settings: Settings, part: Path, *, with_snapshots: bool) -> dict[str, str]:
    """Copy floor plans and pictures the copied database knows. Errors: UNAVAILABLE when one is not as recorded."""

    def _known(connection: Connection) -> list[KeptFile]:
        return kept_files(connection, with_snapshots=with_snapshots, with_downloads=False)

    copied = part / "tocsin.sqlite3"
    url = f"sqlite:///{copied.absolute()}" if copied.exists() else settings.storage_url
    files = with_connection(url, _known)
    for leftover in ("-wal", "-shm"):
        copied.with_name(copied.name + leftover).unlink(missing_ok=True)
    found = copy_files(files, settings.data, part)
    missing = {one.path for one in files} - set(found)
    still = {one.path for one in with_connection(settings.storage_url, _known)} if missing else set()
    report = check_files([one for one in files if one.path in found or one.path in still], part)
    if not report.holds:
        raise TocsinError(
            ErrorCode.UNAVAILABLE,
            f"{len(report.problems)} picture(s) are not as recorded: {report.problems[0]}; kept in {part}. "
            "--without-snapshots leaves them out",
        )
    return found


def _copy_sqlite(source: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    if not source.exists():
        raise TocsinError(ErrorCode.NOT_FOUND, f"there is no database at {source}")
    try:
        with (
            closing(sqlite3.connect(source.absolute().as_uri() + "?mode=rw", uri=True, timeout=30.0)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy, pages=PAGES_A_STEP, progress=lambda _status, left, total: progress(total - left, total))
            broken = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise TocsinError(ErrorCode.UNAVAILABLE, f"the database could not be copied: {error}") from error
    if broken != "ok":
        raise TocsinError(ErrorCode.UNAVAILABLE, f"the copied database is damaged: {broken}")


def _dump_postgresql(url: str, target: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise TocsinError(
            ErrorCode.UNAVAILABLE, "the database is PostgreSQL and pg_dump is not installed (postgresql-client)"
        )
    parsed = make_url(url).set(drivername="postgresql")
    environment = dict(os.environ)
    if parsed.password:
        environment["PGPASSWORD"] = str(parsed.password)
    address = parsed.set(password=None).render_as_string(hide_password=False)
    command = [program, "--format=custom", f"--file={target}", address]
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise TocsinError(ErrorCode.UNAVAILABLE, f"pg_dump failed: {done.stderr.strip()}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
