"""audit.heads: the head of every committed group, on disk before any reply leaves.

The line of a head is written before the COMMIT and fsynced beside it, so that a slow disk is waited for once.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

SYNCS: Final = 4


class HeadsFile:
    """Appends heads in the order of the chain; several may be on their way to the disk."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        self._threads = ThreadPoolExecutor(max_workers=SYNCS, thread_name_prefix="audit-heads")
        self._lock = threading.Lock()
        self._mend_torn_line()

    def append(self, seq: int, digest: str) -> Future[None]:
        """Write `<seq> <hash>`; the future ends when it is on disk. Errors: OSError, here or in the future."""
        self._write(f"{seq} {digest}\n".encode())
        return self._threads.submit(os.fdatasync, self._handle)

    def confirm(self, seq: int) -> None:
        """Write `= <seq>`: the commit of that head has ended. It reaches the disk with the next head at the latest."""
        with contextlib.suppress(OSError):  # a full disk took the line; the head itself is on it
            self._write(f"= {seq}\n".encode())

    def lines(self) -> list[str]:
        """Return the file's lines."""
        with self._path.open(encoding="ascii", errors="replace") as file:
            return list(file)

    def close(self) -> None:
        """Finish what is queued, sync and close."""
        self._threads.shutdown(wait=True)
        os.fsync(self._handle)
        os.close(self._handle)

    def _write(self, line: bytes) -> None:
        with self._lock:
            size_bytes = os.fstat(self._handle).st_size
            if os.write(self._handle, line) != len(line):  # a full disk took a part: the next line must stand alone
                os.ftruncate(self._handle, size_bytes)
                raise OSError(errno.ENOSPC, "audit.heads: the disk is full", str(self._path))

    def _mend_torn_line(self) -> None:
        """Drop the last line if a power cut or a full disk tore it; its group never replied."""
        size_bytes = os.fstat(self._handle).st_size
        if size_bytes == 0:
            return
        with self._path.open("rb") as file:
            file.seek(max(0, size_bytes - 256))
            tail = file.read()
        if not tail.endswith(b"\n"):
            os.ftruncate(self._handle, size_bytes - len(tail) + tail.rfind(b"\n") + 1)
