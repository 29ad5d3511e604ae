"""Checking kept files against their hashes, from outside the server; copying pictures and floor plans into a backup.

The hash that counts is the one in the audit record, written when the file came; the row must say the same.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from tocsin.domain.accounts import plan_file
from tocsin.storage.tables_accounts import account_plans
from tocsin.storage.tables_clips import clips
from tocsin.storage.tables_people import downloads
from tocsin.storage.tables_proof import audit
from tocsin.storage.tables_snapshots import snapshots

SNAPSHOTS = "snapshots"
DOWNLOADS = "downloads"
CLIPS = "clips"
PLANS = "plans"
_IS_OVER = clips.c.due_at_us.is_(None)  # before, its record is still to come
_CAME = ("snapshot.received", "download.finished", "download.partial", "clip.made", "account.plan_added")


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file the database knows; `path` is relative to the data folder, `recorded` the hash of its audit record."""

    path: str
    sha256: str
    recorded: str


@dataclass(frozen=True, slots=True)
class FilesReport:
    """What a check of files found."""

    checked: int
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """True when every file is there and unchanged."""
        return not self.problems


def kept_files(connection: Connection, *, with_snapshots: bool = True, with_downloads: bool = True) -> list[KeptFile]:
    """Return the files that rows stand for: floor plans; `with_snapshots` also pictures cameras took;
    `with_downloads` also downloads nobody took yet, and clips.
    """
    known = [
        (f"{PLANS}/{plan_file(row.id, row.form)}", row.id, row.sha256)
        for row in connection.execute(select(account_plans).order_by(account_plans.c.id))
    ]
    if with_snapshots:
        known += [
            (f"{SNAPSHOTS}/{row.id}.jpg", row.id, row.sha256)
            for row in connection.execute(select(snapshots.c.id, snapshots.c.sha256).order_by(snapshots.c.id))
        ]
    if with_downloads:
        asked = select(downloads.c.id, downloads.c.sha256).where(downloads.c.state.in_(("finished", "partial")))
        known += [
            (f"{DOWNLOADS}/{row.id}.mp4", row.id, row.sha256)
            for row in connection.execute(asked.order_by(downloads.c.id))
        ]
        asked_clips = select(clips.c.id, clips.c.file, clips.c.sha256).where(clips.c.file != "", _IS_OVER)
        known += [
            (f"{CLIPS}/{row.file}", row.id, row.sha256) for row in connection.execute(asked_clips.order_by(clips.c.id))
        ]
    recorded = _recorded(connection) if known else {}
    return [KeptFile(path, digest, recorded.get(file_id, "")) for path, file_id, digest in known]


def check_files(
    files: list[KeptFile],
    folder: Path,
    is_kept: Callable[[KeptFile], bool] = lambda _one: True,
    watch: Callable[[int, int], None] = lambda _done, _total: None,
) -> FilesReport:
    """Compare files with their hashes; one that is missing is a problem unless `is_kept` says its time was up."""
    problems: list[str] = []
    for done, one in enumerate(files, start=1):
        problems += _problems_of(one, folder, is_kept)
        watch(done, len(files))
    return FilesReport(len(files), tuple(problems))


def copy_files(files: list[KeptFile], data: Path, target: Path) -> dict[str, str]:
    """Copy files and return the SHA-256 of each copy by its path; one deleted meanwhile is left out."""
    copied: dict[str, str] = {}
    for one in files:
        source, copy = data / one.path, target / one.path
        copy.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            shutil.copyfile(source, copy)
        except FileNotFoundError:
            copy.unlink(missing_ok=True)
            continue
        copied[one.path] = _digest(copy)
    return copied


def _problems_of(one: KeptFile, folder: Path, is_kept: Callable[[KeptFile], bool]) -> Iterator[str]:
    if one.recorded != one.sha256:
        yield f"{one.path}: the database says {one.sha256 or 'nothing'}, its audit record {one.recorded or 'nothing'}"
    path = folder / one.path
    if not path.exists():
        if is_kept(one):
            yield f"{one.path}: missing"
    elif (found := _digest(path)) != one.sha256:
        yield f"{one.path}: changed, its SHA-256 is {found} and should be {one.sha256}"


def _recorded(connection: Connection) -> dict[str, str]:
    found: dict[str, str] = {}
    rows = connection.execute(
        select(audit.c.subject_id, audit.c.detail).where(audit.c.action.in_(_CAME)).order_by(audit.c.seq)
    )
    for row in rows:
        detail = json.loads(row.detail)
        found[detail.get("plan_id") or row.subject_id] = str(detail.get("sha256", ""))
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
