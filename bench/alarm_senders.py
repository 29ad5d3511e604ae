"""Panels for the alarm-to-screen bench: as bench.panels, and the moment the first byte of each alarm was sent is noted.

Reads a plan as JSON on standard input (bench.panels), prints its report with "sent_at": {text: seconds since 1970}.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import sys
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

from bench.panels import Sending
from bench.registry import Panel
from tocsin.protocols.dc09.crypto import AesKey
from tocsin.protocols.dc09.frame import encode_frame
from tocsin.protocols.dc09.messages import Header, Message, encode_message, seal_message


class NotedQueue(deque[tuple[bytes, ...]]):
    """The frames of one account; taking one is the moment before it is written."""

    def __init__(self, frames: deque[tuple[bytes, ...]], texts: deque[str], sent_at: dict[str, float]) -> None:
        super().__init__(frames)
        self._texts = texts
        self._sent_at = sent_at

    def popleft(self) -> tuple[bytes, ...]:
        frames = super().popleft()
        self._sent_at[self._texts.popleft()] = time.time()
        return frames


class NotedSending(Sending):
    """Sends as planned and remembers when."""

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__(plan)
        self.sent_at: dict[str, float] = {}

    def _frames(self, account: str, key_hex: str, count: int, stamp: datetime) -> deque[tuple[bytes, ...]]:
        frames = super()._frames(account, key_hex, count, stamp)
        first = self.plan["first"]
        texts = deque(f"{self.plan['tag']}-{account}-{n}" for n in range(first, first + count))
        return NotedQueue(frames, texts, self.sent_at)


def send_one(port: int, panel: Panel, data: str) -> None:
    """Send one signal of a panel and wait for its ACK. Errors: RuntimeError when another answer comes."""
    header = Header("SIA-DCS", "0001", None, "0", panel.account, bool(panel.key))
    message = Message(header, f"#{panel.account}|{data}".encode(), (), datetime.now(UTC))
    body = seal_message(message, AesKey(panel.key), secrets.token_bytes(31)) if panel.key else encode_message(message)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(encode_frame(body))
        reply = line.recv(4096)
    if b'ACK"' not in reply:
        raise RuntimeError(f"not acknowledged: {reply!r}")


async def _main() -> None:
    sending = NotedSending(json.loads(sys.stdin.read()))
    report = await sending.run()
    print(json.dumps({**report, "sent_at": sending.sent_at}))


if __name__ == "__main__":
    asyncio.run(_main())
