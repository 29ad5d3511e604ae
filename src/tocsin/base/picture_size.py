"""Form and size of a PNG or JPEG picture, from its header alone: nothing is decoded.

Source: ISO/IEC 15948 (PNG), image header; ITU-T T.81 (JPEG), frame header syntax.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
MOST_MARKERS: Final = 10_000


@dataclass(frozen=True, slots=True)
class PictureSize:
    """`form` is png or jpeg; the sides are in pixels."""

    form: str
    width_px: int
    height_px: int


def picture_size(data: bytes) -> PictureSize | None:
    """Return form and size of a picture; None when it is neither PNG nor JPEG, or its header is damaged."""
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    return None


def _png(data: bytes) -> PictureSize | None:
    if len(data) < 33 or data[8:16] != b"\0\0\0\rIHDR":
        return None
    return _sized("png", int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))


def _jpeg(data: bytes) -> PictureSize | None:
    place = 2
    for _ in range(MOST_MARKERS):
        if place + 4 > len(data) or data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        if marker in _ALONE:
            place += 2
            continue
        length = int.from_bytes(data[place + 2 : place + 4])
        if length < 2:
            return None
        if marker in _FRAMES:
            if length < 8 or place + 9 > len(data):
                return None
            height_px, width_px = data[place + 5 : place + 7], data[place + 7 : place + 9]
            return _sized("jpeg", int.from_bytes(width_px), int.from_bytes(height_px))
        place += 2 + length
    return None


def _sized(form: str, width_px: int, height_px: int) -> PictureSize | None:
    return PictureSize(form, width_px, height_px) if width_px and height_px else None
