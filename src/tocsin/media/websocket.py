"""Server-to-client WebSocket frames, built once and handed to every viewer. Pure.

Frames from a server are not masked, so the same bytes serve all.

Source: RFC 6455, base framing protocol.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence

_TEXT = 0x81
_BINARY = 0x82


def binary_frame(parts: Sequence[bytes]) -> bytes:
    """Return one binary message made of `parts`."""
    return b"".join([_header(_BINARY, sum(map(len, parts))), *parts])


def text_frame(content: Mapping[str, object]) -> bytes:
    """Return one text message holding a JSON object."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return _header(_TEXT, len(body)) + body


def _header(first: int, size: int) -> bytes:
    if size < 126:
        return bytes((first, size))
    if size < 65_536:
        return struct.pack("!BBH", first, 126, size)
    return struct.pack("!BBQ", first, 127, size)
