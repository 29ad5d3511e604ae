"""Headers of pictures, as floor plans have them."""

from __future__ import annotations

import struct
import zlib


def png(width_px: int, height_px: int) -> bytes:
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def jpeg(width_px: int, height_px: int, before: bytes = b"") -> bytes:
    frame = struct.pack(">HBHHB", 11, 8, height_px, width_px, 1) + b"\1\x11\0"
    return b"\xff\xd8" + before + b"\xff\xc0" + frame + b"\xff\xd9"
