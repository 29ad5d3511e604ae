"""One console's feed as a bare protocol: it finds frames and hands them on, and costs next to nothing itself."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from typing import Final

HANDSHAKE_END: Final = b"\r\n\r\n"


class FeedClient(asyncio.Protocol):
    """The feed of a token: octets in, frames out to `hear(frame)`; `lost` is set when the connection has ended."""

    def __init__(self, path: str, host: str, token: str, hear: Callable[[bytes], None] | None) -> None:
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        ).encode()
        self._hear = hear
        self._buffer = b""
        self._open = False
        self._transport: asyncio.Transport | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = asyncio.Event()
        self.received_bytes = 0
        self.frames = 0
        self.gaps = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the feed."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take octets."""
        self.received_bytes += len(data)
        self._buffer = self._buffer + data if self._buffer else data
        if not self._open:
            end = self._buffer.find(HANDSHAKE_END)
            if end < 0:
                return
            if b" 101 " not in self._buffer[:end].split(b"\r\n", 1)[0] + b" ":
                refusal = RuntimeError(self._buffer[:300].decode(errors="replace"))
                if not self.ready.done():
                    self.ready.set_exception(refusal)
                return
            self._open = True
            self.ready.set_result(None)
            self._buffer = self._buffer[end + 4 :]
        at, buffer = 0, self._buffer
        while len(buffer) - at >= 2:
            kind, size_bytes, start = buffer[at] & 0x0F, buffer[at + 1] & 0x7F, at + 2
            if size_bytes == 126:
                size_bytes, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            elif size_bytes == 127:
                size_bytes, start = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
            if start > len(buffer) or len(buffer) - start < size_bytes:
                break
            if kind == 9 and self._transport is not None:  # ping: answered with what it holds, masked with zeros
                held = buffer[start : start + size_bytes]
                self._transport.write(b"\x8a" + bytes((0x80 | size_bytes,)) + b"\0\0\0\0" + held)
            elif kind in (1, 2):
                self.frames += 1
                self.heard(kind, buffer[start : start + size_bytes])
            at = start + size_bytes
        self._buffer = buffer[at:]

    def heard(self, kind: int, frame: bytes) -> None:
        """Take one frame; `kind` 1 is text, 2 binary."""
        if b'"type":"gap"' in frame[:80]:
            self.gaps += 1
        if self._hear is not None:
            self._hear(frame)

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end."""
        if not self.ready.done():
            self.ready.set_exception(error or ConnectionError("closed"))
        self.lost.set()

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.close()
