"""Text frames of a WebSocket server, unmasked and whole, as bytes ready for the socket.

Source: RFC 6455, Base Framing Protocol.
"""

from __future__ import annotations

_TEXT = 0x81  # FIN and opcode text


def text_frame(payload: bytes) -> bytes:
    """Return the frame of a UTF-8 payload."""
    size_bytes = len(payload)
    if size_bytes < 126:
        return bytes((_TEXT, size_bytes)) + payload
    if size_bytes < 65_536:
        return b"\x81\x7e" + size_bytes.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size_bytes.to_bytes(8, "big") + payload
