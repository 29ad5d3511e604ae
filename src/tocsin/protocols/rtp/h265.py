"""H.265: NAL unit types, sequence parameter sets, codec strings. Pure.

Source: ITU-T H.265, NAL unit header, sequence parameter set and profile_tier_level syntax;
ISO/IEC 14496-15, codecs parameter for hvc1.
"""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.protocols.rtp.h264 import MAX_SIDE_PX
from tocsin.protocols.rtp.nal import MAX_PARAMETER_SET_BYTES, BitReader, unescape

RASL_N = 8
RASL_R = 9
FIRST_KEY = 16
CRA = 21
LAST_KEY = 23
LAST_VCL = 31
VPS = 32
SPS = 33
PPS = 34
AUD = 35
END_OF_SEQUENCE = 36
END_OF_STREAM = 37
FILLER = 38
SEI_PREFIX = 39
SEI_SUFFIX = 40

DROPPED_LIVE = frozenset({AUD, END_OF_SEQUENCE, END_OF_STREAM, FILLER})


@dataclass(frozen=True, slots=True)
class Sps:
    """What a sequence parameter set says; `profile` is the 12-byte general part of profile_tier_level."""

    id: int
    width: int
    height: int
    codec: str
    profile: bytes
    chroma_format: int
    luma_bits: int
    chroma_bits: int
    temporal_layers: int
    is_nested: bool


def read_sps(nal: bytes) -> Sps | None:
    """Read a sequence parameter set; None when it is cut, absurd or over 1 KiB."""
    if len(nal) < 16 or len(nal) > MAX_PARAMETER_SET_BYTES:
        return None
    data = unescape(nal)
    try:
        return _read_sps(data)
    except ValueError:
        return None


def _read_sps(data: bytes) -> Sps | None:
    bits = BitReader(data[2:])
    bits.skip(4)
    sub_layers = bits.read(3)
    is_nested = bool(bits.read(1))
    profile = data[3:15]
    if len(profile) < 12 or sub_layers > 6:
        return None
    bits.skip(96)
    present = [(bits.read(1), bits.read(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.skip(2 * (8 - sub_layers))
    for has_profile, has_level in present:
        bits.skip(88 * has_profile + 8 * has_level)
    sps_id = bits.unsigned()
    chroma_format = bits.unsigned()
    if sps_id > 15 or chroma_format > 3:
        return None
    if chroma_format == 3:
        bits.skip(1)
    width, height = bits.unsigned(), bits.unsigned()
    if bits.read(1):
        left, right, top, bottom = (bits.unsigned() for _ in range(4))
        width -= (2 if chroma_format in (1, 2) else 1) * (left + right)
        height -= (2 if chroma_format == 1 else 1) * (top + bottom)
    luma_bits, chroma_bits = 8 + bits.unsigned(), 8 + bits.unsigned()
    if not 16 <= width <= MAX_SIDE_PX or not 16 <= height <= MAX_SIDE_PX or luma_bits > 16 or chroma_bits > 16:
        return None
    return Sps(
        sps_id,
        width,
        height,
        codec_string(profile),
        profile,
        chroma_format,
        luma_bits,
        chroma_bits,
        sub_layers + 1,
        is_nested,
    )


def codec_string(profile: bytes) -> str:
    """Return the `hvc1` codecs parameter for the 12-byte general part of profile_tier_level."""
    space = ("", "A", "B", "C")[profile[0] >> 6]
    compatibility = int(f"{int.from_bytes(profile[1:5], 'big'):032b}"[::-1], 2)
    tier = "H" if profile[0] & 0x20 else "L"
    constraints = "".join(f".{byte:X}" for byte in profile[5:11].rstrip(b"\x00"))
    return f"hvc1.{space}{profile[0] & 31}.{compatibility:X}.{tier}{profile[11]}{constraints}"


def is_leading(nals: list[bytes]) -> bool:
    """Tell whether a picture is a skipped leading one (RASL): not decodable after joining at the key before it."""
    return any(nal[0] >> 1 & 63 in (RASL_N, RASL_R) for nal in nals)


def read_pps_id(nal: bytes) -> int | None:
    """Return the id of a picture parameter set; None when it cannot be read."""
    if len(nal) < 3 or len(nal) > MAX_PARAMETER_SET_BYTES:
        return None
    try:
        pps_id = BitReader(unescape(nal[2:16])).unsigned()
    except ValueError:
        return None
    return pps_id if pps_id <= 63 else None
