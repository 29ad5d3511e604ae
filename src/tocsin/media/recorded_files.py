"""Reads files of recordings for those who look: groups as they stand, key pictures alone. In threads alone.

The path is made from the index; no part of it may be a link. A file that is deleted meanwhile is read to its end.
What lies in the far place is read by ranges, in threads that are for it alone.

Source: design notes 0017, 0019 and 0022; ISO/IEC 14496-12, file format.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, BinaryIO, Final, TypeVar

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.recorded import FarFile, FarFiles, Keys, OpenFile, Part
from tocsin.domain.segment_groups import Group
from tocsin.domain.segments import Codec, Tier, Volume
from tocsin.media.fmp4 import Sample, fragment
from tocsin.media.segment_format import CONTINUES, walk

T = TypeVar("T")
PIECE_BYTES: Final = 256 << 10
KEYS_AT_ONCE: Final = 8
MOST_KEY_BYTES: Final = 8 << 20
TICKS_PER_MS: Final = 90
_RUN: Final = struct.Struct("!III")  # flags, count, data offset of the only `trun`, which ends the head of `moof`
_RUN_AT: Final = 8 + 16 + 8 + 16 + 20 + 8  # behind mfhd, the head of traf, tfhd, tfdt and the head of trun
_HEAD_BYTES: Final = _RUN_AT + _RUN.size + 8


class _Disk:
    """An open file of a folder."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.peek_bytes = _HEAD_BYTES
        self.size_bytes = os.fstat(file.fileno()).st_size

    def pread(self, size_bytes: int, at: int) -> bytes:
        return os.pread(self.file.fileno(), size_bytes, at)

    def pread_many(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self.pread(size_bytes, at) for size_bytes, at in places]

    def close(self) -> None:
        self.file.close()


class VolumeFiles:
    """Implements `RecordedFiles` for folders of this machine, and with `far` for the far place."""

    def __init__(self, far: FarFiles | None = None) -> None:
        self._far = far

    async def look(self, volume: Volume, path: str) -> OpenFile:
        """Return what lies in a file that is being written. Errors: UNAVAILABLE."""
        return await asyncio.to_thread(_look, volume, path)

    async def take(self, volume: Volume, path: str, groups: Sequence[Group]) -> Part:
        """Return neighbouring groups as they stand in the file. Errors: UNAVAILABLE."""
        start = groups[0].offset
        length = groups[-1].offset + groups[-1].size_bytes - start
        file = await self._call(volume, self._open, volume, path, start, start + length)
        try:
            first = await self._call(volume, file.pread, min(PIECE_BYTES, length), start)
            if start + length > file.size_bytes or first[4:8] != b"moof":
                raise _gone()
        except TocsinError:
            file.close()
            raise
        return Part(self._pieces(volume, file, first, start, length), start, length, file.size_bytes)

    async def keys(self, volume: Volume, path: str, groups: Sequence[Group], *, pace: int, is_reverse: bool) -> Keys:
        """Return the key pictures of groups as one fragment. Errors: UNAVAILABLE."""
        return await self._call(volume, self._keys, volume, path, groups, pace, is_reverse)

    async def _pieces(self, volume: Volume, file: FarFile, data: bytes, at: int, left: int) -> AsyncIterator[bytes]:
        try:
            while data:
                yield data
                at += len(data)
                left -= len(data)
                if not left:
                    return
                data = await self._call(volume, file.pread, min(PIECE_BYTES, left), at)
            # cut short: the server sees that the answer is, and breaks the connection off
        finally:
            file.close()

    async def _call(self, volume: Volume, call: Callable[..., T], *args: Any) -> T:
        if self._far is None or (volume.kind == "folder" and volume.tier is not Tier.COLD):
            return await asyncio.to_thread(call, *args)
        return await self._far.call(call, *args)

    def _open(self, volume: Volume, path: str, start: int, end: int) -> FarFile:
        if self._far is not None and volume.kind != "folder":
            return self._far.open(volume, path, start, end)
        return _Disk(_open(volume, path))

    def _keys(self, volume: Volume, path: str, groups: Sequence[Group], pace: int, is_reverse: bool) -> Keys:
        """Each picture lasts to the next key, the last to the end of its group; in reverse the latest comes first."""
        places = [n for n, group in enumerate(groups) if not group.flags & CONTINUES]
        ends = [groups[n].start_ms for n in places[1:]] + [groups[-1].end_ms]
        rows = list(zip(places, ends, strict=True))
        if is_reverse:
            rows.reverse()
        samples: list[Sample] = []
        reached = len(groups) - 1
        file = self._open(volume, path, 0, 0)
        try:
            used = 0
            for at in range(0, len(rows), KEYS_AT_ONCE):
                some = rows[at : at + KEYS_AT_ONCE]
                for (n, end_ms), data in zip(some, _first_pictures(file, [groups[n] for n, _ in some]), strict=True):
                    group = groups[n]
                    used += len(data)
                    if samples and used > MOST_KEY_BYTES:
                        before = rows[len(samples) - 1][0]
                        reached = len(groups) - 1 - before if is_reverse else n - 1
                        return Keys(b"".join(fragment(1, 0, samples)), reached)
                    ticks = max(1, (end_ms - group.start_ms) * TICKS_PER_MS // pace)
                    samples.append(Sample(data, ticks, True))
        finally:
            file.close()
        if not samples:
            return Keys(b"", reached)
        return Keys(b"".join(fragment(1, 0, samples)), reached)


def _look(volume: Volume, path: str) -> OpenFile:
    with _open(volume, path) as file:
        seen = walk(file)
    given = seen.parameters
    codec = (
        None if given is None else Codec(given.sha256, given.codec, given.width, given.height, given.mime, given.init)
    )
    return OpenFile(seen.groups, codec)


def _first_pictures(file: FarFile, groups: Sequence[Group]) -> list[bytes]:
    """Return the first picture of each group; what does not come with its head is asked for once more."""
    if any(group.offset + group.size_bytes > file.size_bytes for group in groups):
        raise _gone()
    heads = file.pread_many([(min(file.peek_bytes, group.size_bytes), group.offset) for group in groups])
    found = []
    for group, head in zip(groups, heads, strict=True):
        at, length = _picture_in(head, group)
        data = head[at : at + length]
        if len(data) < length:
            data += file.pread(length - len(data), group.offset + at + len(data))
        if len(data) < length:
            raise _gone()
        found.append(data)
    return found


def _picture_in(head: bytes, group: Group) -> tuple[int, int]:
    """Return where in a group its first picture lies, and its length."""
    if len(head) < _HEAD_BYTES or head[4:8] != b"moof" or head[_RUN_AT - 4 : _RUN_AT] != b"trun":
        raise _gone()
    _flags, count, data_at = _RUN.unpack_from(head, _RUN_AT)
    _duration, length = struct.unpack_from("!II", head, _RUN_AT + _RUN.size)
    if not count or data_at + length > group.size_bytes:
        raise _gone()
    return data_at, length


def _open(volume: Volume, path: str) -> BinaryIO:
    if volume.kind != "folder":
        raise TocsinError(ErrorCode.UNAVAILABLE, "the volume is no folder of this machine", key="recorded.volume")
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        folder = os.open(volume.location, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise TocsinError(ErrorCode.UNAVAILABLE, f"volume {volume.no}: {error}", key="recorded.volume") from None
    try:
        *parents, name = path.split("/")
        for part in parents:
            below = os.open(part, flags | os.O_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = below
        file = os.fdopen(os.open(name, flags, dir_fd=folder), "rb")
    except OSError:
        raise _gone() from None
    finally:
        os.close(folder)
    return file


def _gone() -> TocsinError:
    return TocsinError(ErrorCode.UNAVAILABLE, "the file is not there or shorter than the index", key="recorded.gone")
