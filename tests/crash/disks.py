"""Disks that fill, vanish and come back, for the crash tests."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path


def fill(filler: Path) -> None:
    """Write until the disk has no room left, down to the last page."""
    with filler.open("wb", buffering=0) as file:
        for size_bytes in (1 << 20, 4096, 64):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * size_bytes)


class Disk:
    """A small disk in memory, mounted at `at`; `out` takes it away with its files open, `back` brings it again."""

    def __init__(self, folder: Path, size: str = "32m") -> None:
        self.at = folder / "disk"
        self._store = folder / "store"
        for made in (self.at, self._store):
            made.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self._store))
        self.back()

    def back(self) -> None:
        """Mount it."""
        _run("mount", "--bind", str(self._store), str(self.at))

    def out(self) -> None:
        """Take it away."""
        _run("umount", "-l", str(self.at))

    def read_only(self, *, on: bool) -> None:
        """Let nothing be written, or everything again."""
        _run("mount", "-o", f"remount,bind,{'ro' if on else 'rw'}", str(self.at))

    def close(self) -> None:
        """Take everything down."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.out()
        _run("umount", "-l", str(self._store))


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
