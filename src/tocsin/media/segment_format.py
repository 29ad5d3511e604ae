"""What stands in a segment's file: initialisation, a note of whose it is, and a run of groups. Pure.

    ftyp moov uuid(note) | moof mdat | moof mdat | ...        one moof and mdat a group, nothing behind the last

Times in the file begin at 0, which is `start_ms` of the note. Each picture keeps every NAL unit byte for byte behind a
4-byte length; the degradation priority of its sample flags is 1 when packets of it were lost, so that the index can be
made again from the file alone.

Source: ISO/IEC 14496-12, file format; ISO/IEC 14496-15, avc3 and hev1; design note 0017.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Final, NamedTuple

from tocsin.domain.segment_groups import DAMAGED, GAP_BEFORE, Group
from tocsin.media.fmp4 import VIDEO_TIMESCALE, VIDEO_TRACK, box, init_segment
from tocsin.protocols.rtp.access_unit import ParameterSets
from tocsin.protocols.rtp.ps import StreamType

CONTINUES: Final = 2  # flag of a group: it does not begin with a key picture, it goes on from the group before
MAX_INIT_BYTES: Final = 64 << 10
MAX_HEAD_BYTES: Final = 256 << 10  # of one group: 16,000 pictures
MAX_GROUP_BYTES: Final = 64 << 20
MAX_FILE_GROUPS: Final = 20_000
MAX_TICKS: Final = 1 << 50
MAX_TRIES: Final = 500  # places in one file where a group might begin and does not
SEARCH_BYTES: Final = 1 << 20
TICKS_PER_MS: Final = VIDEO_TIMESCALE // 1000

_NOTE_ID: Final = bytes.fromhex("7a0c51f0e1d84c1b9d3e746f6373696e")
_KEY: Final = 0x02000000
_DELTA: Final = 0x01010000
_IS_DELTA: Final = 0x00010000
_WAS_DAMAGED: Final = 1

_head = struct.Struct("!I4sI4sIII4sI4sIII4sIQI4sIII")
_mdat = struct.Struct("!I4s")
_row = struct.Struct("!III")
_row_with_offset = struct.Struct("!IIIi")
_note = struct.Struct("!16sBqB")
_PLAIN: Final = 0x00000701
_WITH_OFFSETS: Final = 0x01000F01


class Picture(NamedTuple):
    """One picture of a group; `size_bytes` with the lengths of its NAL units, times in 90 kHz ticks."""

    size_bytes: int
    duration: int
    is_key: bool
    is_damaged: bool
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """Whose pictures a file holds and when they begin, in ms since 1970."""

    channel_id: str
    stream: str
    start_ms: int


@dataclass(frozen=True, slots=True)
class Parameters:
    """What an initialisation segment says; `sha256` is that of its bytes."""

    sha256: bytes
    codec: str
    width: int
    height: int
    mime: str
    init: bytes


@dataclass(frozen=True, slots=True)
class Walk:
    """What was found in a file. `size_bytes` is where its last whole group ends.

    `problem` is empty when nothing follows that, `torn` when something does, `no_segment` for any other file.
    `skipped_bytes` lie between whole groups and are none.
    """

    problem: str
    size_bytes: int
    groups: tuple[Group, ...] = ()
    note: Note | None = None
    parameters: Parameters | None = None
    pictures: int = 0
    damaged: int = 0
    skipped_bytes: int = 0

    @property
    def duration_ms(self) -> int:
        """From the beginning of the first group to the end of the last."""
        return self.groups[-1].end_ms if self.groups else 0


def milliseconds(ticks: int) -> int:
    """Return ticks of the video track as whole ms, so that neighbours in ticks are neighbours in ms."""
    return (ticks + TICKS_PER_MS // 2) // TICKS_PER_MS


# -- writing


def parameters_of(sets: ParameterSets) -> Parameters:
    """Return the initialisation segment of a file and what it says. Errors: ValueError while sets are missing."""
    init = init_segment(sets, in_band=True)
    sps = sets.sps
    assert sps is not None
    is_h265 = sets.codec == StreamType.H265
    entry, codec = ("hev1", "h265") if is_h265 else ("avc3", "h264")
    mime = f'video/mp4; codecs="{entry}{sps.codec[4:]}"'
    return Parameters(hashlib.sha256(init).digest(), codec, sps.width, sps.height, mime, init)


def note_box(note: Note) -> bytes:
    """Return the box that says whose a file is. Errors: ValueError for names of more than 255 bytes."""
    channel, stream = note.channel_id.encode(), note.stream.encode()
    if max(len(channel), len(stream)) > 255:
        raise ValueError("a name in the note of a segment is too long")
    fixed = _note.pack(_NOTE_ID, 1, note.start_ms, len(channel))
    return box(b"uuid", fixed, channel, bytes((len(stream),)), stream)


def group_head(sequence: int, start_ticks: int, pictures: Sequence[Picture]) -> bytes:
    """Return `moof` and the head of `mdat`; the NAL units of the pictures follow it. `start_ticks`: in the file."""
    count = len(pictures)
    if any(picture.offset for picture in pictures):
        kind, row_bytes = _WITH_OFFSETS, 16
        rows = b"".join(
            [
                _row_with_offset.pack(duration, size, (_KEY if is_key else _DELTA) | is_damaged, offset)
                for size, duration, is_key, is_damaged, offset in pictures
            ]
        )
    else:
        kind, row_bytes = _PLAIN, 12
        rows = b"".join(
            [
                _row.pack(duration, size, (_KEY if is_key else _DELTA) | is_damaged)
                for size, duration, is_key, is_damaged, _ in pictures
            ]
        )
    run = 20 + row_bytes * count
    moof = 8 + 16 + 8 + 16 + 20 + run
    fixed = _head.pack(
        *(moof, b"moof", 16, b"mfhd", 0, sequence),
        *(moof - 24, b"traf", 16, b"tfhd", 0x020000, VIDEO_TRACK),
        *(20, b"tfdt", 0x01000000, start_ticks),
        *(run, b"trun", kind, count, moof + 8),
    )
    return fixed + rows + _mdat.pack(8 + sum([picture.size_bytes for picture in pictures]), b"mdat")


# -- reading


def walk(file: BinaryIO, *, is_deep: bool = False) -> Walk:
    """Walk a file from its beginning: its initialisation, its note, its groups as far as they are whole.

    What is no group is skipped up to the next one. `is_deep` also reads the pictures and skips a group in which they
    are no rows of NAL units, as after a power cut.
    """
    size = file.seek(0, 2)
    init = _read_init(file, size)
    parameters = read_parameters(init) if init else None
    if parameters is None:
        return Walk("no_segment", 0)
    at = len(init)
    note, at = _read_note(file, at, size)
    if note is None:
        return Walk("no_segment", 0)
    groups: list[Group] = []
    pictures = damaged = end_ticks = skipped = tries = 0
    end = at
    while len(groups) < MAX_FILE_GROUPS:
        found = _group_at(file, at, size)
        if found is None or found[2] < end_ticks or (is_deep and not _is_whole(file, found[0], found[1])):
            tries += 1
            following = _next_group(file, at + 5, size) if tries <= MAX_TRIES else -1
            if following < 0:
                break
            at = following
            continue
        group, rows, start_ticks = found
        if group.start_ms > (groups[-1].end_ms if groups else 0):
            group = replace(group, flags=group.flags | GAP_BEFORE)
        groups.append(group)
        pictures += len(rows)
        damaged += sum(row.is_damaged for row in rows)
        end_ticks = start_ticks + sum(row.duration for row in rows)
        skipped += group.offset - end
        at = end = group.offset + group.size_bytes
    return Walk("" if end == size else "torn", end, tuple(groups), note, parameters, pictures, damaged, skipped)


def read_parameters(init: bytes) -> Parameters | None:
    """Return what an initialisation segment says; None when it is not one of ours."""
    entry = _find(init, (b"moov", b"trak", b"mdia", b"minf", b"stbl"))
    if entry is None:
        return None
    at = init.find(b"stsd", *entry)
    kind = init[at + 16 : at + 20] if at >= 0 else b""
    if kind not in (b"avc3", b"hev1"):
        return None
    config = init.find(b"avcC" if kind == b"avc3" else b"hvcC", at, entry[1])
    if config < 0:
        return None
    sets = ParameterSets(StreamType.H264 if kind == b"avc3" else StreamType.H265)
    for nal in _config_nals(init[config + 4 : entry[1]], is_h265=kind == b"hev1"):
        sets.take(nal)
    if not sets.is_complete:
        return None
    made = parameters_of(sets)
    return Parameters(hashlib.sha256(init).digest(), made.codec, made.width, made.height, made.mime, init)


def _read_init(file: BinaryIO, size: int) -> bytes:
    """Return `ftyp` and `moov` of a file; nothing when it does not begin with them."""
    file.seek(0)
    head = file.read(8)
    if len(head) < 8 or head[4:] != b"ftyp":
        return b""
    (first,) = struct.unpack("!I", head[:4])
    if not 8 <= first <= 1024:
        return b""
    file.seek(first)
    head = file.read(8)
    if len(head) < 8 or head[4:] != b"moov":
        return b""
    (second,) = struct.unpack("!I", head[:4])
    if second < 8 or first + second > min(size, MAX_INIT_BYTES):
        return b""
    file.seek(0)
    return file.read(first + second)


def _read_note(file: BinaryIO, at: int, size: int) -> tuple[Note | None, int]:
    file.seek(at)
    data = file.read(min(1024, size - at))
    if len(data) < 8 + _note.size + 1 or data[4:8] != b"uuid":
        return None, at
    (length,) = struct.unpack("!I", data[:4])
    note_id, version, start_ms, channel_bytes = _note.unpack_from(data, 8)
    place = 8 + _note.size
    if note_id != _NOTE_ID or version != 1 or not 8 <= length <= len(data) or start_ms < 0:
        return None, at
    channel, place = data[place : place + channel_bytes], place + channel_bytes
    if place >= length or place + 1 + data[place] != length:
        return None, at
    stream = data[place + 1 : length]
    try:
        return Note(channel.decode(), stream.decode(), start_ms), at + length
    except UnicodeDecodeError:
        return None, at


def _group_at(file: BinaryIO, at: int, size: int) -> tuple[Group, list[Picture], int] | None:
    """Return the group that begins at a byte, its pictures and when it begins, in ticks; None when it is not whole."""
    if size - at < _head.size + 12 + 8:
        return None
    file.seek(at)
    fixed = _head.unpack(file.read(_head.size))
    moof, start_ticks, run, kind, pictures = fixed[0], fixed[15], fixed[16], fixed[18], fixed[19]
    kind = _WITH_OFFSETS if kind == _WITH_OFFSETS else _PLAIN
    row_bytes = 16 if kind == _WITH_OFFSETS else 12
    expected = (
        *(moof, b"moof", 16, b"mfhd", 0, fixed[5]),
        *(moof - 24, b"traf", 16, b"tfhd", 0x020000, VIDEO_TRACK),
        *(20, b"tfdt", 0x01000000, start_ticks),
        *(20 + row_bytes * pictures, b"trun", kind, pictures, moof + 8),
    )
    if fixed != expected or run != moof - 68 or not pictures or moof > MAX_HEAD_BYTES or size - at < moof + 8:
        return None
    rows = file.read(row_bytes * pictures)
    mdat, name = _mdat.unpack(file.read(8))
    read = [
        Picture(row[1], row[0], not row[2] & _IS_DELTA, bool(row[2] & _WAS_DAMAGED), row[3] if row_bytes == 16 else 0)
        for row in (_row_with_offset if row_bytes == 16 else _row).iter_unpack(rows)
    ]
    if name != b"mdat" or mdat != 8 + sum([row.size_bytes for row in read]) or mdat > MAX_GROUP_BYTES:
        return None
    if size - at < moof + mdat or start_ticks >= MAX_TICKS:
        return None
    start = milliseconds(start_ticks)
    duration = milliseconds(start_ticks + sum([row.duration for row in read])) - start
    flags = DAMAGED if any(row.is_damaged for row in read) else 0
    if not read[0].is_key:
        flags |= CONTINUES
    return Group(at, moof + mdat, start, duration, flags), read, start_ticks


def _next_group(file: BinaryIO, at: int, size: int) -> int:
    """Return where the next thing that looks like a group begins; -1 when nothing does."""
    while size - at > 8:
        file.seek(at)
        data = file.read(SEARCH_BYTES)
        place = data.find(b"moof")
        if place >= 0:
            return at + place - 4
        if len(data) < SEARCH_BYTES:
            return -1
        at += len(data) - 3
    return -1


def _is_whole(file: BinaryIO, group: Group, rows: list[Picture]) -> bool:
    """Tell whether the pictures of a group are rows of NAL units to the last byte."""
    size = sum([row.size_bytes for row in rows])
    file.seek(group.offset + group.size_bytes - size)
    data = file.read(size)
    at = 0
    for row in rows:
        end = at + row.size_bytes
        while at < end:
            length = int.from_bytes(data[at : at + 4])
            at += 4 + length
            if not length or at > end:
                return False
    return at == len(data)


def _find(data: bytes, path: Sequence[bytes]) -> tuple[int, int] | None:
    """Return where the content of the first box of a path begins and ends."""
    start, end = 0, len(data)
    for kind in path:
        while True:
            if end - start < 8:
                return None
            size, found = struct.unpack_from("!I4s", data, start)
            if not 8 <= size <= end - start:
                return None
            if found == kind:
                start, end = start + 8, start + size
                break
            start += size
    return start, end


def _config_nals(data: bytes, *, is_h265: bool) -> Iterator[bytes]:
    """Yield the parameter sets of a decoder configuration, as far as they can be read."""
    at, arrays = (23, data[22] if len(data) > 22 else 0) if is_h265 else (5, 2)
    for number in range(arrays):
        if is_h265:
            count = int.from_bytes(data[at + 1 : at + 3])
            at += 3
        else:
            count = data[at] & (31 if number == 0 else 255) if at < len(data) else 0
            at += 1
        for _ in range(min(count, 64)):
            size = int.from_bytes(data[at : at + 2])
            nal = data[at + 2 : at + 2 + size]
            if not nal or len(nal) < size:
                return
            yield nal
            at += 2 + size
