"""The data folder: made with tight permissions, and used by one server at a time."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tocsin.base.errors import ErrorCode, TocsinError

LOCK_NAME = "serve.lock"


def prepare_folder(data: Path) -> None:
    """Make the data folder, readable by its owner alone. Errors: INVALID when it cannot be made or written to."""
    try:
        if not data.exists():
            data.mkdir(parents=True, mode=0o700)
        probe = data / f".write-{os.getpid()}"
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise TocsinError(ErrorCode.UNAVAILABLE, f"the disk of the data folder {data} is full") from error
        raise TocsinError(
            ErrorCode.INVALID, f"the data folder {data} cannot be used: {error.strerror}; choose another with --data"
        ) from error


def write_private(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON that only its owner can read; the file is never half there."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, indent=1)
        file.write("\n")
    part.replace(path)


class FolderLock:
    """Held by the server while it runs; a second server on the same folder is refused."""

    def __init__(self, data: Path) -> None:
        self._path = data / LOCK_NAME
        self._handle: int | None = None

    def __enter__(self) -> FolderLock:
        """Take the lock. Errors: CONFLICT when another server has it."""
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._handle, 32).decode(errors="replace").strip()
            os.close(self._handle)
            self._handle = None
            whose = f" (process {holder})" if holder else ""
            raise TocsinError(
                ErrorCode.CONFLICT, f"a server{whose} already works in {self._path.parent.absolute()}"
            ) from error
        os.ftruncate(self._handle, 0)
        os.write(self._handle, str(os.getpid()).encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back."""
        if self._handle is not None:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None


def is_served(data: Path) -> bool:
    """Return whether a server works in this folder now."""
    try:
        handle = os.open(data / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
