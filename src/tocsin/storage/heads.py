"""audit.heads: the head of every committed group, on disk before any reply leaves.

The line of a head is appended and fsynced while the database commits, so that a slow disk is waited for once.
"""

from __future__ import annotations

import errno
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path


class HeadsFile:
    """Appends heads; one writer thread, so that the order is the order of the chain."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audit-heads")
        self._mend_torn_line()

    def append(self, seq: int, digest: str) -> Future[None]:
        """Write and fsync `<seq> <hash>`; the future ends when it is on disk or raises OSError."""
        return self._thread.submit(self._write, f"{seq} {digest}\n".encode(), True)

    def confirm(self, seq: int) -> None:
        """Write `= <seq>`: the commit of that head has ended. It reaches the disk with the next head at the latest."""
        self._thread.submit(self._write, f"= {seq}\n".encode(), False)

    def lines(self) -> list[str]:
        """Return the file's lines."""
        with self._path.open(encoding="ascii", errors="replace") as file:
            return list(file)

    def close(self) -> None:
        """Finish what is queued, sync and close."""
        self._thread.shutdown(wait=True)
        os.fsync(self._handle)
        os.close(self._handle)

    def _write(self, line: bytes, sync: bool) -> None:
        size_bytes = os.fstat(self._handle).st_size
        if os.write(self._handle, line) != len(line):  # a full disk took a part of it: the next head must stand alone
            os.ftruncate(self._handle, size_bytes)
            raise OSError(errno.ENOSPC, "audit.heads: the disk is full", str(self._path))
        if sync:
            os.fdatasync(self._handle)

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
