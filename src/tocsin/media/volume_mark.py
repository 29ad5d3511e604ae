"""The mark of a volume: whose folder it is. A folder without its mark, or with another's, is never written.

Source: design note 0017, files.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Final

from tocsin.media.segment_file import sync_folder

MARK: Final = ".tocsin-volume"
TRIAL: Final = ".tocsin-trial"
MAX_MARK_BYTES: Final = 4096


def read_mark(path: Path) -> tuple[str, str] | None:
    """Return volume and house a folder is marked with; None without a mark, two empty words when it is unreadable.

    Errors: OSError.
    """
    try:
        with (path / MARK).open("rb") as file:
            content = json.loads(file.read(MAX_MARK_BYTES))
    except FileNotFoundError:
        return None
    except ValueError:
        return "", ""
    if not isinstance(content, dict):
        return "", ""
    return str(content.get("volume", "")), str(content.get("house", ""))


def enter(path: Path, volume_id: str, house_id: str) -> None:
    """Mark a folder that has no mark as ours; one that others marked meanwhile stays theirs. Errors: OSError."""
    path.mkdir(mode=0o750, parents=True, exist_ok=True)
    data = json.dumps({"volume": volume_id, "house": house_id}).encode() + b"\n"
    partial = path / f"{MARK}.{os.getpid()}"
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        os.write(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    with contextlib.suppress(FileExistsError):
        os.link(partial, path / MARK)
    partial.unlink()
    sync_folder(path)


def try_to_write(path: Path) -> None:
    """Write and sync a byte, and remove it again. Errors: OSError."""
    trial = path / f"{TRIAL}.{os.getpid()}"
    fd = os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        os.write(fd, b"x")
        os.fsync(fd)
    finally:
        os.close(fd)
        trial.unlink()
