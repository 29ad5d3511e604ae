"""Feed clients for benches, in a process of their own: 50 consoles that read everything.

Each connection is a bare protocol that counts bytes and finds frames; only the sampled ones are parsed, so that the
clients do not take the core that they share with the senders.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import Callable

HANDSHAKE_END = b"\r\n\r\n"


class FeedClient(asyncio.Protocol):
    """One console's feed: bytes in, text frames out to `hear(frame, monotonic_s)`."""

    def __init__(self, path: str, host: str, token: str, hear: Callable[[bytes, float], None] | None) -> None:
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
        self.received_bytes = 0
        self.frames = 0
        self.gaps = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.received_bytes += len(data)
        self._buffer = self._buffer + data if self._buffer else data
        if not self._open:
            end = self._buffer.find(HANDSHAKE_END)
            if end < 0:
                return
            if b" 101 " not in self._buffer[:end].split(b"\r\n", 1)[0] + b" ":
                self.ready.set_exception(RuntimeError(self._buffer[:300].decode(errors="replace")))
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
            if kind == 9 and self._transport is not None:  # ping: answer with an empty masked pong
                self._transport.write(b"\x8a\x80\0\0\0\0")
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
            self._hear(frame, time.time())

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(error or ConnectionError("closed"))


async def listen(port: int, token: str, count: int, hear: Callable[[bytes, float], None] | None) -> list[FeedClient]:
    """Open `count` feeds; all of them tell `hear`."""
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(count):
        _, client = await loop.create_connection(
            lambda: FeedClient("/api/v1/feed", f"127.0.0.1:{port}", token, hear), "127.0.0.1", port
        )
        await client.ready
        clients.append(client)
    return clients


async def _main(port: int, token: str, count: int) -> None:
    """Drain feeds until standard input closes, then print what was heard."""
    clients = await listen(port, token, count, None)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(
        json.dumps(
            {
                "frames": sum(client.frames for client in clients),
                "bytes": sum(client.received_bytes for client in clients),
                "gaps": sum(client.gaps for client in clients),
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
