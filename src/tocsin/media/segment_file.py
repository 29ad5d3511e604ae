"""Segments on a disk: written group by group with their SHA-256, cut after the last whole group, read by group.

One write a group; room is asked for ahead and given back at the close. A file that is being written is locked, so that
nobody mends it meanwhile; the lock ends with its process, however that ends.

Source: design note 0017; media reference, recorder and storage.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tocsin.domain.segment_groups import Group
from tocsin.domain.segments import segment_path
from tocsin.media.segment_format import Note, Parameters, Walk, note_box, walk

MOST_SAME_NAMES: Final = 16
READ_BYTES: Final = 1 << 20
TORN_HEAD_BYTES: Final = 4096
_KEEP_SIZE: Final = 1
_START_WRITING: Final = 2
_libc = ctypes.CDLL(None, use_errno=True)
_fallocate = getattr(_libc, "fallocate", None)
if _fallocate is not None:
    _fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_sync_file_range = getattr(_libc, "sync_file_range", None)
if _sync_file_range is not None:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class SegmentWriter:
    """One file being written; `size_bytes` and `digest` are of what was written whole.

    Errors: OSError from every method that touches the disk; the file then ends after its last whole group.
    """

    def __init__(self, volume: Path, note: Note, parameters: Parameters, expected_bytes: int = 0) -> None:
        """Make the file; one that is there already moves the beginning on by a millisecond."""
        self._reserved_bytes = max(0, expected_bytes)
        self._fd = -1
        for later_ms in range(MOST_SAME_NAMES):
            self.note = Note(note.channel_id, note.stream, note.start_ms + later_ms)
            self.path = volume / segment_path(note.channel_id, note.stream, self.note.start_ms)
            try:
                self._fd = _create(volume, self.path)
                break
            except FileExistsError:
                if later_ms == MOST_SAME_NAMES - 1:
                    raise
        self._digest = hashlib.sha256()
        self.size_bytes = 0
        self._synced_bytes = 0
        self.is_entered = False  # its name in the folder is safe too
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._reserved_bytes and _fallocate is not None:
                _fallocate(self._fd, _KEEP_SIZE, 0, self._reserved_bytes)  # refused: the writes will tell
            self.append(parameters.init + note_box(self.note))
        except OSError:
            self.discard()
            raise

    @property
    def sha256(self) -> bytes:
        """The SHA-256 of the file as it is."""
        return self._digest.digest()

    def append(self, data: bytes) -> None:
        """Write one group. Errors: OSError, and nothing of it stays in the file."""
        try:
            written = os.write(self._fd, data)
            while written < len(data):
                more = os.write(self._fd, memoryview(data)[written:])
                if not more:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                written += more
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self.size_bytes)
                os.lseek(self._fd, self.size_bytes, os.SEEK_SET)
            raise
        self._digest.update(data)
        self.size_bytes += len(data)

    @property
    def unsynced_bytes(self) -> int:
        """What was written and is not known to be on the disk."""
        return self.size_bytes - self._synced_bytes

    def send(self) -> None:
        """Let what was written begin its way to the disk, without waiting."""
        if _sync_file_range is not None:
            _sync_file_range(self._fd, 0, 0, _START_WRITING)  # refused: `sync` will do it

    def sync(self) -> None:
        """Wait until all that was written is on the disk, the first time also its name. Another thread may append."""
        size = self.size_bytes
        os.fdatasync(self._fd)
        self._synced_bytes = size
        if not self.is_entered:
            sync_folder(self.path.parent)
            self.is_entered = True

    def close(self) -> None:
        """Give back what was reserved, wait for the disk, and let the file go. Errors: OSError; it is let go anyway."""
        try:
            if self._reserved_bytes > self.size_bytes:
                os.ftruncate(self._fd, self.size_bytes)
            self.sync()
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Close the file as it is, without waiting for the disk."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def discard(self) -> None:
        """Remove the file: nothing was written that anybody could play."""
        self.let_go()
        with contextlib.suppress(OSError):
            self.path.unlink()


@dataclass(frozen=True, slots=True)
class Recovered:
    """A file made whole: what it holds, its digest, and how many bytes were cut.

    `is_busy`: somebody writes it, nothing was done. `is_removed`: it held no whole group.
    """

    walk: Walk
    sha256: bytes = b""
    cut_bytes: int = 0
    is_busy: bool = False
    is_removed: bool = False


def recover(path: Path) -> Recovered:
    """Cut a file after its last whole group, or remove it when it has none; a file of another kind is left alone.

    Errors: OSError.
    """
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(fd, "r+b") as file:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return Recovered(Walk("", 0), is_busy=True)
        size = os.fstat(fd).st_size
        found = walk(file, is_deep=True)
        if not found.groups:
            if found.note is None and not _is_torn_head(fd, size):
                return Recovered(found)
            path.unlink()
            sync_folder(path.parent)
            return Recovered(found, cut_bytes=size, is_removed=True)
        os.ftruncate(fd, found.size_bytes)  # also gives back what was reserved beyond the end
        os.fdatasync(fd)
        return Recovered(found, digest_of(fd, found.size_bytes), size - found.size_bytes)


def examine(path: Path, *, is_deep: bool = False) -> Walk:
    """Walk a file and change nothing. Errors: OSError."""
    with path.open("rb") as file:
        return walk(file, is_deep=is_deep)


def digest_of(fd: int, size_bytes: int) -> bytes:
    """Return the SHA-256 of the first bytes of an open file. Errors: OSError."""
    digest = hashlib.sha256()
    at = 0
    while at < size_bytes:
        data = os.pread(fd, min(READ_BYTES, size_bytes - at), at)
        if not data:
            break
        digest.update(data)
        at += len(data)
    return digest.digest()


def read_groups(path: Path, groups: Sequence[Group]) -> bytes:
    """Return neighbouring groups of a file as one run of bytes. Errors: OSError; ValueError when they are not there."""
    if not groups:
        return b""
    start, end = groups[0].offset, groups[-1].offset + groups[-1].size_bytes
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(end - start)
    if len(data) < end - start or data[4:8] != b"moof":
        raise ValueError(f"{path.name} does not hold these groups")
    return data


def problem_of(error: OSError) -> str:
    """Return the state an error of a disk puts its volume in: `full`, `read_only` or `gone`."""
    if error.errno in _NO_ROOM:
        return "full"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return "read_only"
    return "gone"


def _is_torn_head(fd: int, size: int) -> bool:
    """Tell whether a file without groups was ours: empty, or a beginning that never became whole."""
    data = os.pread(fd, min(size, TORN_HEAD_BYTES), 0)
    return size <= TORN_HEAD_BYTES and (data[4:8] == b"ftyp" or not data.strip(b"\0"))


def _create(volume: Path, path: Path) -> int:
    """Make a new file and the folders above it below the volume, which itself must be there."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags, 0o640)
    except FileNotFoundError:
        parents = [path.parent, *path.parent.parents]
        for folder in reversed(parents[: parents.index(volume)]):
            try:
                folder.mkdir(mode=0o750)
                sync_folder(folder.parent)
            except FileExistsError:
                continue
        return os.open(path, flags, 0o640)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk. Errors: OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
