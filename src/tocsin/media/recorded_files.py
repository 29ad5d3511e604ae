"""Reads files of recordings for those who look: groups as they stand, key pictures alone. In threads alone.

The path is made from the index; no part of it may be a link. A file that is deleted meanwhile is read to its end.

Source: design notes 0017 and 0019; ISO/IEC 14496-12, file format.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Sequence
from typing import BinaryIO, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.recorded import Keys, OpenFile, Part
from tocsin.domain.segment_groups import Group
from tocsin.domain.segments import Codec, Volume
from tocsin.media.fmp4 import Sample, fragment
from tocsin.media.segment_format import CONTINUES, walk

PIECE_BYTES: Final = 256 << 10
MOST_KEY_BYTES: Final = 8 << 20
TICKS_PER_MS: Final = 90
_RUN: Final = struct.Struct("!III")  # flags, count, data offset of the only `trun`, which ends the head of `moof`
_RUN_AT: Final = 8 + 16 + 8 + 16 + 20 + 8  # behind mfhd, the head of traf, tfhd, tfdt and the head of trun


class VolumeFiles:
    """Implements `RecordedFiles` for folders of this machine."""

    async def look(self, volume: Volume, path: str) -> OpenFile:
        """Return what lies in a file that is being written. Errors: UNAVAILABLE."""
        return await asyncio.to_thread(_look, volume, path)

    async def take(self, volume: Volume, path: str, groups: Sequence[Group]) -> Part:
        """Return neighbouring groups as they stand in the file. Errors: UNAVAILABLE."""
        file, size = await asyncio.to_thread(_open, volume, path)
        start = groups[0].offset
        length = groups[-1].offset + groups[-1].size_bytes - start
        head = await asyncio.to_thread(os.pread, file.fileno(), 8, start)
        if start + length > size or head[4:] != b"moof":
            file.close()
            raise _gone()
        return Part(_pieces(file, start, length), start, length, size)

    async def keys(self, volume: Volume, path: str, groups: Sequence[Group], *, pace: int, is_reverse: bool) -> Keys:
        """Return the key pictures of groups as one fragment. Errors: UNAVAILABLE."""
        return await asyncio.to_thread(_keys, volume, path, groups, pace, is_reverse)


async def _pieces(file: BinaryIO, at: int, left: int) -> AsyncIterator[bytes]:
    with file:
        while left:
            data = await asyncio.to_thread(os.pread, file.fileno(), min(PIECE_BYTES, left), at)
            if not data:
                return  # the server sees that the answer is short and breaks the connection off
            at += len(data)
            left -= len(data)
            yield data


def _look(volume: Volume, path: str) -> OpenFile:
    file, _ = _open(volume, path)
    with file:
        seen = walk(file)
    given = seen.parameters
    codec = (
        None if given is None else Codec(given.sha256, given.codec, given.width, given.height, given.mime, given.init)
    )
    return OpenFile(seen.groups, codec)


def _keys(volume: Volume, path: str, groups: Sequence[Group], pace: int, is_reverse: bool) -> Keys:
    """Each picture lasts to the next key, the last to the end of its group; in reverse the latest comes first."""
    places = [n for n, group in enumerate(groups) if not group.flags & CONTINUES]
    ends = [groups[n].start_ms for n in places[1:]] + [groups[-1].end_ms]
    rows = list(zip(places, ends, strict=True))
    if is_reverse:
        rows.reverse()
    samples: list[Sample] = []
    reached = len(groups) - 1
    file, size = _open(volume, path)
    with file:
        used = 0
        for done, (n, end_ms) in enumerate(rows):
            group = groups[n]
            if group.offset + group.size_bytes > size:
                raise _gone()
            data = _first_picture(file.fileno(), group)
            used += len(data)
            if samples and used > MOST_KEY_BYTES:
                before = rows[done - 1][0]
                reached = len(groups) - 1 - before if is_reverse else n - 1
                break
            ticks = max(1, (end_ms - group.start_ms) * TICKS_PER_MS // pace)
            samples.append(Sample(data, ticks, True))
    if not samples:
        return Keys(b"", reached)
    return Keys(b"".join(fragment(1, 0, samples)), reached)


def _first_picture(fd: int, group: Group) -> bytes:
    head = os.pread(fd, _RUN_AT + _RUN.size + 8, group.offset)
    if len(head) < _RUN_AT + _RUN.size + 8 or head[4:8] != b"moof" or head[_RUN_AT - 4 : _RUN_AT] != b"trun":
        raise _gone()
    _flags, count, data_at = _RUN.unpack_from(head, _RUN_AT)
    _duration, length = struct.unpack_from("!II", head, _RUN_AT + _RUN.size)
    if not count or data_at + length > group.size_bytes:
        raise _gone()
    data = os.pread(fd, length, group.offset + data_at)
    if len(data) < length:
        raise _gone()
    return data


def _open(volume: Volume, path: str) -> tuple[BinaryIO, int]:
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
    return file, os.fstat(file.fileno()).st_size


def _gone() -> TocsinError:
    return TocsinError(ErrorCode.UNAVAILABLE, "the file is not there or shorter than the index", key="recorded.gone")
