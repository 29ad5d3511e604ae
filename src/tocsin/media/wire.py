"""What control process and media worker say to each other: length-prefixed msgpack over a Unix socket.

len32 | map     request {"id","do",...}, reply {"id","ok"} or {"id","error","detail"}, event {"event",...}
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import msgspec

VERSION = 1
MAX_MESSAGE_BYTES = 16 << 20

Message = dict[str, Any]


class WireError(Exception):
    """The other side does not speak this protocol."""


class Refused(Exception):
    """A request of the control process that cannot be met; `code` is a stable word."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def pack_message(message: Message) -> bytes:
    """Return one message behind its length."""
    body = msgspec.msgpack.encode(message)
    return struct.pack("!I", len(body)) + body


async def read_message(reader: asyncio.StreamReader) -> Message | None:
    """Return the next message; None at the end of the stream. Errors: WireError on anything else than a map."""
    try:
        head = await reader.readexactly(4)
        (size,) = struct.unpack("!I", head)
        if size > MAX_MESSAGE_BYTES:
            raise WireError(f"a message of {size} bytes")
        body = await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    try:
        message = msgspec.msgpack.decode(body)
    except (msgspec.DecodeError, ValueError) as error:
        raise WireError("not msgpack") from error
    if not isinstance(message, dict):
        raise WireError("not a map")
    return message
