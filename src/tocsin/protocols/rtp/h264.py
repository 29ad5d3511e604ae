"""H.264: NAL unit types, sequence parameter sets, codec strings. Pure.

Source: ITU-T H.264, NAL unit semantics, sequence parameter set syntax; RFC 6381, codecs parameter for avc1.
"""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.protocols.rtp.nal import MAX_PARAMETER_SET_BYTES, BitReader, unescape

SLICE = 1
IDR = 5
SEI = 6
SPS = 7
PPS = 8
AUD = 9
END_OF_SEQUENCE = 10
END_OF_STREAM = 11
FILLER = 12
SPS_EXTENSION = 13

DROPPED_LIVE = frozenset({AUD, END_OF_SEQUENCE, END_OF_STREAM, FILLER})
PROFILES_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135, 144})
_SEI_RECOVERY_POINT = 6
MAX_SIDE_PX = 16_384


@dataclass(frozen=True, slots=True)
class Sps:
    """What a sequence parameter set says about the picture."""

    id: int
    width: int
    height: int
    codec: str
    chroma_format: int
    luma_bits: int
    chroma_bits: int


def read_sps(nal: bytes) -> Sps | None:
    """Read a sequence parameter set; None when it is cut, absurd or over 1 KiB."""
    if len(nal) < 5 or len(nal) > MAX_PARAMETER_SET_BYTES:
        return None
    data = unescape(nal)
    try:
        return _read_sps(data)
    except ValueError:
        return None


def _read_sps(data: bytes) -> Sps | None:
    bits = BitReader(data[4:])
    profile = data[1]
    sps_id = bits.unsigned()
    chroma_format, luma_bits, chroma_bits, separate_planes = 1, 8, 8, 0
    if profile in PROFILES_WITH_CHROMA:
        chroma_format = bits.unsigned()
        if chroma_format == 3:
            separate_planes = bits.read(1)
        luma_bits = 8 + bits.unsigned()
        chroma_bits = 8 + bits.unsigned()
        bits.skip(1)
        if bits.read(1):
            for index in range(12 if chroma_format == 3 else 8):
                if bits.read(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    if sps_id > 31 or chroma_format > 3 or luma_bits > 14 or chroma_bits > 14:
        return None
    bits.unsigned()
    order_type = bits.unsigned()
    if order_type == 0:
        bits.unsigned()
    elif order_type == 1:
        bits.skip(1)
        bits.signed()
        bits.signed()
        count = bits.unsigned()
        if count > 255:
            return None
        for _ in range(count):
            bits.signed()
    bits.unsigned()
    bits.skip(1)
    width = (bits.unsigned() + 1) * 16
    map_units = bits.unsigned() + 1
    frames_only = bits.read(1)
    if not frames_only:
        bits.skip(1)
    bits.skip(1)
    height = (2 - frames_only) * map_units * 16
    if bits.read(1):
        left, right, top, bottom = (bits.unsigned() for _ in range(4))
        has_colour = chroma_format and not separate_planes
        unit_x = 2 if has_colour and chroma_format != 3 else 1
        unit_y = (2 - frames_only) * (2 if has_colour and chroma_format == 1 else 1)
        width -= unit_x * (left + right)
        height -= unit_y * (top + bottom)
    if not 16 <= width <= MAX_SIDE_PX or not 16 <= height <= MAX_SIDE_PX:
        return None
    return Sps(sps_id, width, height, f"avc1.{data[1:4].hex().upper()}", chroma_format, luma_bits, chroma_bits)


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) & 0xFF
        last = following or last


def read_pps_id(nal: bytes) -> int | None:
    """Return the id of a picture parameter set; None when it cannot be read."""
    if len(nal) < 2 or len(nal) > MAX_PARAMETER_SET_BYTES:
        return None
    try:
        pps_id = BitReader(unescape(nal[1:16])).unsigned()
    except ValueError:
        return None
    return pps_id if pps_id <= 255 else None


def is_recovery_point(nal: bytes) -> bool:
    """Tell whether an SEI unit begins with a recovery point message (cameras with intra refresh send no IDR)."""
    return len(nal) > 2 and nal[1] == _SEI_RECOVERY_POINT
