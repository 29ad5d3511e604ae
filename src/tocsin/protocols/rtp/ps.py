"""MPEG program streams as surveillance cameras send them: packs -> elementary payloads, and back. Pure.

    pack header | system header | program stream map | PES video ... | PES audio ...

The reader walks by lengths and never scans payload for start codes; it scans only where a header must be and is not.

Source: ISO/IEC 13818-1, program stream; GB/T 28181, PS encapsulation of video and audio.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple

from fastcrc import crc32

PACK = 0xBA
SYSTEM_HEADER = 0xBB
STREAM_MAP = 0xBC
PROGRAM_END = 0xB9
PADDING = 0xBE
AUDIO_ID = 0xC0
VIDEO_ID = 0xE0

MAX_STRUCTURE_BYTES = 6 + 65_535
MAX_OPEN_VIDEO_BYTES = 4 << 20
PTS_MODULUS = 1 << 33
CLOCK_HZ = 90_000

_PACK_START = b"\x00\x00\x01\xba"
_VIDEO_START = b"\x00\x00\x01\xe0"
_PREFIX = b"\x00\x00\x01"


class StreamType(IntEnum):
    """What an elementary stream holds, by the program stream map's `stream_type`."""

    UNKNOWN = 0
    AAC = 0x0F
    MPEG4 = 0x10
    H264 = 0x1B
    H265 = 0x24
    SVAC_VIDEO = 0x80
    G711A = 0x90
    G711U = 0x91
    G722_1 = 0x92
    G723_1 = 0x93
    G729 = 0x99
    SVAC_AUDIO = 0x9B


class PesUnit(NamedTuple):
    """The payload of one PES packet; a named tuple because thousands a second pass here. Times in 90 kHz ticks."""

    is_video: bool
    pts: int | None
    dts: int | None
    payload: bytes


_NO_UNITS: Final[list[PesUnit]] = []


class Demuxer:
    """Turns the payload bytes of one program stream into PES units, however they are cut.

    A wrong or missing map, unknown structures, stuffing, private data and lengths that lie are survived and counted.
    """

    __slots__ = (
        "_blind",
        "_map",
        "_need",
        "_open_video",
        "_parts",
        "_size",
        "audio_type",
        "bad_maps",
        "maps",
        "resyncs",
        "truncated",
        "video_type",
    )

    def __init__(self) -> None:
        self.video_type = 0
        self.audio_type = 0
        self.maps = 0
        self.bad_maps = 0
        self.resyncs = 0
        self.truncated = 0
        self._map = b""
        self._parts: list[bytes] = []  # an unfinished structure
        self._size = 0
        self._need = 0
        self._blind = False  # bytes are missing before what comes next
        self._open_video = False  # the last video PES may go on without a header

    def feed(self, chunk: bytes) -> list[PesUnit]:
        """Take the next bytes; return the PES units they complete, in order."""
        if not self._parts:
            return self._walk(chunk)
        units: list[PesUnit] = []
        if chunk[:4] == _PACK_START:  # the structure before was shorter than it said
            units = self.close_unfinished()
        else:
            self._parts.append(chunk)
            self._size += len(chunk)
            if self._size < self._need:
                return _NO_UNITS
            chunk = b"".join(self._parts)
            self._parts.clear()
        units += self._walk(chunk)
        return units

    def break_off(self) -> list[PesUnit]:
        """Bytes were lost: return what is left of the unfinished unit, and look for a header in what comes next."""
        units = self.close_unfinished()
        self._blind = True
        self._open_video = False
        return units

    @property
    def is_between_units(self) -> bool:
        """True when no structure is unfinished."""
        return not self._parts

    def close_unfinished(self) -> list[PesUnit]:
        """The unfinished structure ends here, whatever length it claimed: return what there is of it."""
        if not self._parts:
            return []
        data = b"".join(self._parts)
        self._parts.clear()
        self.truncated += 1
        if len(data) < 9 or data[3] < AUDIO_ID or data[3] > 0xEF:
            return []
        unit = _read_pes(data, 0, len(data))
        return [unit] if unit is not None else []

    def _walk(self, data: bytes) -> list[PesUnit]:
        units: list[PesUnit] = []
        position = 0
        size = len(data)
        while position < size:
            if data[position : position + 3] != _PREFIX:
                if size - position < 4 and _PREFIX.startswith(data[position:]):
                    break
                position = self._recover(data, position, units)
                continue
            if size - position < 6:
                if size - position >= 4 and data[position + 3] == PROGRAM_END:
                    position += 4
                    continue
                break
            code = data[position + 3]
            if (code >= VIDEO_ID and code <= 0xEF) or AUDIO_ID <= code <= 0xDF:
                end = position + 6 + (data[position + 4] << 8 | data[position + 5])
                if end == position + 6:
                    end = _next_structure(data, position + 6)
                    self._open_video = code >= VIDEO_ID
                else:
                    self._open_video = False
                if end > size:
                    break
                unit = _read_pes(data, position, end)
                if unit is not None:
                    units.append(unit)
                self._blind = False
            elif code == PACK:
                if data[position + 4] >> 6 == 1:
                    if size - position < 14:
                        break
                    end = position + 14 + (data[position + 13] & 7)
                else:
                    end = position + 12  # the MPEG-1 form, seen from old recorders
                self._blind = False
                self._open_video = False
            elif code > PROGRAM_END:
                end = position + 6 + (data[position + 4] << 8 | data[position + 5])
                if end > size:
                    break
                if code == STREAM_MAP and data[position:end] != self._map:
                    self._read_map(data[position:end])
                self._blind = False
            elif code == PROGRAM_END:
                end = position + 4
            else:
                position = self._recover(data, position, units)
                continue
            position = end
        if position < size:
            rest = data[position:] if position else data
            self._parts.append(rest)
            self._size = len(rest)
            self._need = self._measure(rest)
        return units

    def _recover(self, data: bytes, position: int, units: list[PesUnit]) -> int:
        """No header where one must be: go on at the next one, keeping what can only be the video before it.

        Devices whose length field overflowed, or is zero, send video past the end of their PES packet.
        """
        self.resyncs += not self._open_video
        if self._blind:
            starts = [at for at in (data.find(_PACK_START, position), data.find(_VIDEO_START, position)) if at >= 0]
            return min(starts) if starts else len(data)
        end = _next_structure(data, position + 1)
        if self._open_video or (units and units[-1].is_video):
            units.append(PesUnit(True, None, None, data[position:end]))
        return end

    def _measure(self, rest: bytes) -> int:
        if len(rest) < 6:
            return 6
        if rest[3] == PACK:
            return 14 if len(rest) < 14 else 14 + (rest[13] & 7)
        return 6 + (rest[4] << 8 | rest[5])

    def _read_map(self, data: bytes) -> None:
        """Take stream types from a map, trusting its own length over the inner ones; a wrong CRC is only counted."""
        self._map = data
        self.maps += 1
        size = len(data)
        if size < 16:
            self.bad_maps += 1
            return
        if crc32.mpeg_2(data):
            self.bad_maps += 1
        position = 12 + (data[8] << 8 | data[9])
        while position + 4 <= size - 4:
            kind, stream_id = data[position], data[position + 1]
            position += 4 + (data[position + 2] << 8 | data[position + 3])
            if VIDEO_ID <= stream_id <= 0xEF:
                self.video_type = kind
            elif AUDIO_ID <= stream_id <= 0xDF:
                self.audio_type = kind


def _next_structure(data: bytes, start: int) -> int:
    """Return where the next pack, map or PES begins; a NAL unit's first byte is always below these codes."""
    found = data.find(_PREFIX, start)
    while found >= 0:
        if found + 3 < len(data) and data[found + 3] >= PROGRAM_END:
            return found
        found = data.find(_PREFIX, found + 3)
    return len(data)


def _read_pes(data: bytes, start: int, end: int) -> PesUnit | None:
    is_video = data[start + 3] >= VIDEO_ID
    if end - start < 9:
        return None
    if data[start + 6] >> 6 != 2:  # no MPEG-2 header: the payload follows at once
        return PesUnit(is_video, None, None, data[start + 6 : end])
    payload = start + 9 + data[start + 8]
    if payload > end:
        return None
    flags = data[start + 7]
    pts = dts = None
    if flags & 0x80 and payload - start >= 14:
        pts = read_timestamp(data, start + 9)
        if flags & 0x40 and payload - start >= 19:
            dts = read_timestamp(data, start + 14)
    return PesUnit(is_video, pts, dts, data[payload:end])


def read_timestamp(data: bytes, at: int) -> int:
    """Read the 33-bit time stamp spread over five bytes. Source: ISO/IEC 13818-1, PES packet."""
    return (
        (data[at] >> 1 & 7) << 30 | data[at + 1] << 22 | data[at + 2] >> 1 << 15 | data[at + 3] << 7 | data[at + 4] >> 1
    )


def build_timestamp(prefix: int, ticks: int) -> bytes:
    """Write a 33-bit time stamp behind its 4-bit prefix (2 for PTS alone, 3 and 1 for PTS and DTS)."""
    return bytes(
        (
            prefix << 4 | (ticks >> 30 & 7) << 1 | 1,
            ticks >> 22 & 0xFF,
            (ticks >> 15 & 0x7F) << 1 | 1,
            ticks >> 7 & 0xFF,
            (ticks & 0x7F) << 1 | 1,
        )
    )


def build_pack_header(clock: int, rate: int) -> bytes:
    """Write a pack header without stuffing; `clock` in 90 kHz ticks, `rate` in units of 50 bytes/s."""
    value = (
        1 << 46
        | (clock >> 30 & 7) << 43
        | 1 << 42
        | (clock >> 15 & 0x7FFF) << 27
        | 1 << 26
        | (clock & 0x7FFF) << 11
        | 1 << 10
        | 1
    )
    return _PACK_START + value.to_bytes(6, "big") + (rate << 2 | 3).to_bytes(3, "big") + b"\xf8"


def build_system_header(rate: int, *, has_audio: bool) -> bytes:
    """Write the system header for one video and at most one audio stream; `rate` in units of 50 bytes/s."""
    streams = b"\xe0\xe0\x80" + (b"\xc0\xc0\x20" if has_audio else b"")
    body = (1 << 23 | rate << 1 | 1).to_bytes(3, "big") + bytes((int(has_audio) << 2, 0xE1, 0x7F)) + streams
    return _PREFIX + bytes((SYSTEM_HEADER,)) + struct.pack("!H", len(body)) + body


def build_stream_map(video_type: int, audio_type: int = 0) -> bytes:
    """Write a program stream map for video E0 and audio C0, each when its type is given."""
    entries = bytes((video_type, VIDEO_ID, 0, 0)) if video_type else b""
    if audio_type:
        entries += bytes((audio_type, AUDIO_ID, 0, 0))
    body = b"\xe1\xff\x00\x00" + struct.pack("!H", len(entries)) + entries
    whole = _PREFIX + bytes((STREAM_MAP,)) + struct.pack("!H", len(body) + 4) + body
    return whole + struct.pack("!I", crc32.mpeg_2(whole))


def build_pes_header(stream_id: int, pts: int | None, payload_bytes: int) -> bytes:
    """Write the header of a PES packet. Errors: ValueError when the payload does not fit its length field."""
    stamp = b"" if pts is None else build_timestamp(2, pts)
    length = 3 + len(stamp) + payload_bytes
    if length > 65_535:
        raise ValueError("a PES packet holds at most 65,527 payload bytes")
    flags = 0x80 if stamp else 0
    return _PREFIX + bytes((stream_id,)) + struct.pack("!HBBB", length, 0x80, flags, len(stamp)) + stamp


class Muxer:
    """Writes one pack per access unit as a camera does; key frames carry the system header and the map."""

    __slots__ = ("_audio_type", "_rate", "_stream_map", "_video_type")

    def __init__(self, video_type: int, audio_type: int = 0, *, rate: int = 50_000) -> None:
        self._video_type = video_type
        self._audio_type = audio_type
        self._rate = rate
        self._stream_map = build_stream_map(video_type, audio_type)

    def write_video(self, access_unit: bytes, pts: int, *, is_key: bool, stream_map: bytes | None = None) -> bytes:
        """Return the pack of one access unit (Annex B bytes); `stream_map` stands in for the right one."""
        pts %= PTS_MODULUS
        parts = [build_pack_header(pts, self._rate)]
        if is_key:
            parts.append(build_system_header(self._rate, has_audio=bool(self._audio_type)))
            parts.append(self._stream_map if stream_map is None else stream_map)
        self._append_pes(parts, VIDEO_ID, pts, access_unit)
        return b"".join(parts)

    def write_audio(self, payload: bytes, pts: int) -> bytes:
        """Return one audio PES packet; it follows a video pack or travels in a pack of its own."""
        parts = [build_pack_header(pts % PTS_MODULUS, self._rate)]
        self._append_pes(parts, AUDIO_ID, pts % PTS_MODULUS, payload)
        return b"".join(parts)

    @staticmethod
    def _append_pes(parts: list[bytes], stream_id: int, pts: int, payload: bytes) -> None:
        room = 65_535 - 8
        parts.append(build_pes_header(stream_id, pts, min(len(payload), room)))
        parts.append(payload[:room])
        for start in range(room, len(payload), 65_535 - 3):
            piece = payload[start : start + 65_535 - 3]
            parts.append(build_pes_header(stream_id, None, len(piece)))
            parts.append(piece)
