"""Files of segments on volumes that are folders: removed for good, their folders synced; room told by the file system.

Nothing is touched on a folder that does not carry the volume's own mark: an empty mount point is not a volume whose
files are gone.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from tocsin.base.clock import Clock
from tocsin.domain.segments import Volume

MARK: Final = ".tocsin-volume"
NOT_THERE: Final = "the volume is not there"
DAY_FOLDERS_KEPT: Final = timedelta(days=2)  # a recorder may be about to open a file in them


class FolderVolumes:
    """Implements `SegmentFiles` for folders."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def remove(self, volume: Volume, paths: Sequence[str]) -> Mapping[str, str]:
        """Remove files and sync their folders; return why for those that could not be."""
        return await asyncio.to_thread(self.remove_now, volume, paths)

    async def usage(self, volume: Volume) -> tuple[int, int] | None:
        """Return size and free bytes of the file system; None when the volume is not there."""
        return await asyncio.to_thread(self.usage_now, volume)

    def usage_now(self, volume: Volume) -> tuple[int, int] | None:
        """Look in this thread."""
        if not is_mounted(volume):
            return None
        try:
            found = shutil.disk_usage(volume.location)
        except OSError:
            return None
        return found.used + found.free, found.free  # what is reserved for root is nobody's

    def remove_now(self, volume: Volume, paths: Sequence[str]) -> dict[str, str]:
        """Do it in this thread."""
        if not is_mounted(volume):
            return dict.fromkeys(paths, NOT_THERE)
        root = Path(volume.location)
        failed: dict[str, str] = {}
        folders: dict[Path, list[str]] = {}
        for path in paths:
            try:
                (root / path).unlink(missing_ok=True)
                folders.setdefault((root / path).parent, []).append(path)
            except OSError as error:
                failed[path] = error.strerror or str(error)
        for folder, removed in folders.items():
            try:
                _sync(folder)
            except OSError as error:
                failed.update(dict.fromkeys(removed, error.strerror or str(error)))
        keep_from = f"{self._clock.now() - DAY_FOLDERS_KEPT:%Y/%m/%d}"
        for folder in folders:
            if folder.relative_to(root).as_posix()[:10] < keep_from:
                _remove_empty(folder, root)
        return failed


def is_mounted(volume: Volume) -> bool:
    """Say whether the folder of a volume carries its mark."""
    try:
        mark = json.loads((Path(volume.location) / MARK).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(mark, dict) and mark.get("volume") == volume.id


def _sync(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return  # gone with all that was in it
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder and those above it, up to the volume, as long as they are empty."""
    while folder != root:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        folder = folder.parent
