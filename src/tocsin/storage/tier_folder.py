"""A folder as the far place: marked as ours, copied to with read-back, in blocking calls.

Source: design note 0022, order of a move.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tocsin.domain.segments import Volume, VolumeState
from tocsin.domain.tiers import PART, SourceDiffers, TierFailed
from tocsin.storage.segment_files import MARK

PIECE_BYTES: Final = 1 << 20
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
_NO_WRITING: Final = (errno.EROFS, errno.EACCES, errno.EPERM)


def prepare(volume: Volume, house_id: str) -> tuple[int, int]:
    """Mark a new folder, or see that it is ours; return size and free bytes. Errors: TierFailed."""
    root = Path(volume.location)
    try:
        found = _mark(root)
        if found is None and volume.seen_at is None:
            _enter(root, volume.id, house_id)
            found = _mark(root)
        if found is None:
            raise TierFailed(VolumeState.GONE, f"{root} carries no mark of ours: is it mounted?")
        if found != (volume.id, house_id):
            raise TierFailed(VolumeState.FOREIGN, f"{root} is marked as another house's.")
        room = shutil.disk_usage(root)
    except OSError as error:
        raise failed(error) from error
    return room.used + room.free, room.free


def copy(source: Path, volume: Volume, path: str, size_bytes: int, sha256: bytes) -> None:
    """Copy a file, and see that what lies there is what was recorded. Errors: SourceDiffers, TierFailed."""
    root = Path(volume.location)
    target = root / path
    part = target.with_name(target.name + PART)
    with open_source(source, size_bytes) as near:
        try:
            _make_folders(root, target.parent)
            with part.open("wb", buffering=0) as far:
                digest = hashlib.sha256()
                while data := read_near(near):
                    digest.update(data)
                    _write(far.fileno(), data)
                if digest.digest() != sha256:
                    part.unlink()
                    raise SourceDiffers(path)
                os.fsync(far.fileno())
                os.posix_fadvise(far.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # so that it is read from the disk
            compare(part, sha256)
            part.rename(target)
            _sync(target.parent)
        except OSError as error:
            raise failed(error) from error


def remove_parts(volume: Volume, paths: Sequence[str]) -> None:
    """Remove what broken copies left. Errors: OSError."""
    for path in paths:
        Path(volume.location, path + PART).unlink(missing_ok=True)


def open_source(path: Path, size_bytes: int) -> _Near:
    """Open a file that is to move. Errors: SourceDiffers when it is not there or has another size."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        raise SourceDiffers(error.strerror or str(error)) from error
    if os.fstat(fd).st_size != size_bytes:
        os.close(fd)
        raise SourceDiffers("its size is another")
    return _Near(fd)


class _Near:
    """A file being moved; what was read of it need not stay in memory."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __enter__(self) -> _Near:
        return self

    def __exit__(self, *_: object) -> None:
        os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(self.fd)


def read_near(near: _Near) -> bytes:
    """Read the next piece. Errors: SourceDiffers when the disk cannot."""
    try:
        return os.read(near.fd, PIECE_BYTES)
    except OSError as error:
        raise SourceDiffers(error.strerror or str(error)) from error


def failed(error: OSError) -> TierFailed:
    """Return what an error of the far disk means."""
    state = VolumeState.GONE
    if error.errno in _NO_ROOM:
        state = VolumeState.FULL
    elif error.errno in _NO_WRITING:
        state = VolumeState.READ_ONLY
    return TierFailed(state, f"{error.strerror or error}.")


def compare(part: Path, sha256: bytes) -> None:
    """See that what lies on the disk is what was to be written; else remove it. Errors: TierFailed, OSError."""
    with part.open("rb") as written:
        if hashlib.file_digest(written, "sha256").digest() != sha256:
            part.unlink()
            raise TierFailed(VolumeState.GONE, "What was written reads back otherwise: the disk is not to be trusted.")


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _make_folders(root: Path, folder: Path) -> None:
    """Make a folder and those above it below the volume, which itself must be there."""
    missing = []
    while folder != root and not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(mode=0o750, exist_ok=True)
        _sync(one.parent)


def _mark(root: Path) -> tuple[str, str] | None:
    try:
        content = json.loads((root / MARK).read_bytes()[:4096])
    except FileNotFoundError:
        return None
    except ValueError:
        return "", ""
    return (str(content.get("volume")), str(content.get("house"))) if isinstance(content, dict) else ("", "")


def _enter(root: Path, volume_id: str, house_id: str) -> None:
    root.mkdir(mode=0o750, parents=True, exist_ok=True)
    part = root / (MARK + PART)
    with part.open("wb") as file:
        file.write(mark_of(volume_id, house_id))
        file.flush()
        os.fsync(file.fileno())
    part.rename(root / MARK)
    _sync(root)


def mark_of(volume_id: str, house_id: str) -> bytes:
    """Return what says whose place it is."""
    return json.dumps({"volume": volume_id, "house": house_id}).encode() + b"\n"


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
