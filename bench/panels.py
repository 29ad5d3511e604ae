"""Panels for benches, in a process of their own.

Frames are made before the clock starts, so that what is measured is the server. Reads a plan as JSON on standard
input, prints a report as JSON.

Plan: {"port", "panels": [[account, key hex or ""]], "connections", "rate_per_s" (0: as fast as acknowledged),
"seconds", "alarm_share", "retry_share", "seed", "tag", "first"}
Report: {"sent", "acknowledged", "refused", "unanswered", "seconds", "latencies_ms": {"p50", "p95", "p99", "max"},
"texts": number of distinct signals, "next": first free sequence}
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import secrets
import sys
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.harness import percentile
from tocsin.protocols.dc09.crypto import AesKey
from tocsin.protocols.dc09.frame import encode_frame
from tocsin.protocols.dc09.messages import Header, Message, encode_message, seal_message

_ACK = re.compile(rb'"\*?(ACK|NAK|DUH)"(\d{4})(?:R[0-9A-F]*)?L[0-9A-F]*(?:#([0-9A-Za-z]+))?')


class Connection(asyncio.Protocol):
    """Panels of one line, each waiting for its ACK before its next signal."""

    def __init__(self, bench: Sending) -> None:
        self._bench = bench
        self._buffer = b""
        self.transport: asyncio.Transport | None = None
        self.queues: dict[str, deque[tuple[bytes, ...]]] = {}
        self.sent_at: dict[str, float] = {}
        self.expected: dict[str, int] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send_next(self, account: str) -> bool:
        """Send the next signal of an account, unless one is under way; return whether one was sent."""
        queue = self.queues[account]
        if not queue or account in self.sent_at:
            return False
        frames = queue.popleft()
        self.sent_at[account] = time.perf_counter()
        self.expected[account] = len(frames)
        self._bench.sent += len(frames)
        assert self.transport is not None
        self.transport.write(b"".join(frames))
        return True

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.rfind(b"\r") + 1
        replies, self._buffer = self._buffer[:end], self._buffer[end:]
        now = time.perf_counter()
        for match in _ACK.finditer(replies):
            word, _, account_bytes = match.groups()
            account = (account_bytes or b"").decode()
            if word != b"ACK":
                self._bench.refused += 1
            sent_at = self.sent_at.get(account)
            if sent_at is None:
                continue
            self._bench.acknowledged += word == b"ACK"
            self.expected[account] -= 1
            if self.expected[account] == 0:
                self._bench.latencies_ms.append((now - sent_at) * 1000)
                del self.sent_at[account]
                self._bench.answered(self, account)


class Sending:
    """One run over many connections."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.sent = self.acknowledged = self.refused = self.signals = 0
        self.latencies_ms: list[float] = []
        self.stopped = False
        self._dice = random.Random(plan["seed"])
        self._first: dict[str, int] = {}

    async def run(self) -> dict[str, Any]:
        """Connect, make the frames, send for the planned time, and wait for the last answers."""
        plan, loop = self.plan, asyncio.get_running_loop()
        panels: list[tuple[str, str]] = [tuple(panel) for panel in plan["panels"]]
        connections = []
        for _ in range(plan["connections"]):
            _, connection = await loop.create_connection(lambda: Connection(self), "127.0.0.1", plan["port"])
            connections.append(connection)
        lanes = [(connections[n % len(connections)], account, key) for n, (account, key) in enumerate(panels)]
        rate = plan["rate_per_s"]
        each = int((rate or plan.get("expected_per_s", 8_000)) * plan["seconds"] * 1.3 / len(lanes)) + 2
        stamp = datetime.now(UTC) + timedelta(seconds=plan["seconds"] / 2)  # within the window for the whole run
        for connection, account, key in lanes:
            connection.queues[account] = self._frames(account, key, each, stamp)
        started = time.perf_counter()
        if rate:
            await self._open_loop(lanes, rate, plan["seconds"])
        else:
            for connection, account, _ in lanes:
                connection.send_next(account)
            await asyncio.sleep(plan["seconds"])
        counted, counted_s = self.acknowledged, time.perf_counter() - started
        self.stopped = True
        deadline = time.perf_counter() + 20
        while any(connection.sent_at for connection in connections) and time.perf_counter() < deadline:
            await asyncio.sleep(0.02)
        unanswered = sum(len(connection.sent_at) for connection in connections)
        for connection in connections:
            if connection.transport is not None:
                connection.transport.close()
        return {
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "counted": counted,
            "refused": self.refused,
            "unanswered": unanswered,
            "seconds": counted_s,
            "signals": len(self.latencies_ms) + unanswered,
            "latencies_ms": {
                "p50": percentile(self.latencies_ms, 0.5),
                "p95": percentile(self.latencies_ms, 0.95),
                "p99": percentile(self.latencies_ms, 0.99),
                "max": max(self.latencies_ms, default=float("nan")),
            },
        }

    def answered(self, connection: Connection, account: str) -> None:
        """In a closed loop an answer is the permission to go on."""
        if not self.stopped and not self.plan["rate_per_s"]:
            connection.send_next(account)

    async def _open_loop(self, lanes: list[tuple[Connection, str, str]], rate: float, seconds: float) -> None:
        started = time.perf_counter()
        due, at = 0.0, 0
        while (elapsed := time.perf_counter() - started) < seconds:
            while due <= elapsed:
                for _ in range(len(lanes)):  # the next account that waits for nothing
                    connection, account, _key = lanes[at % len(lanes)]
                    at += 1
                    if connection.send_next(account):
                        break
                due += self._dice.expovariate(rate)
            await asyncio.sleep(max(0.0005, due - (time.perf_counter() - started)))

    def _frames(self, account: str, key_hex: str, count: int, stamp: datetime) -> deque[tuple[bytes, ...]]:
        key = AesKey(bytes.fromhex(key_hex)) if key_hex else None
        first = self.plan["first"]
        frames: deque[tuple[bytes, ...]] = deque()
        for n in range(first, first + count):
            text = f"{self.plan['tag']}-{account}-{n}"
            if self._dice.random() < self.plan["alarm_share"]:
                data = f"#{account}|Nri1/BA{n % 64 + 1:03d}^{text}^"
            else:
                data = f"#{account}|Nid7/ri1/{'OP' if n % 2 else 'CL'}007^{text}^"
            copies = 2 if self._dice.random() < self.plan["retry_share"] else 1
            header = Header("SIA-DCS", f"{(n - 1) % 9999 + 1:04d}", None, "0", account, key is not None)
            made = []
            for copy in range(copies):  # a retry carries a later time and a new pad
                message = Message(header, data.encode(), (), stamp + timedelta(seconds=copy))
                body = encode_message(message) if key is None else seal_message(message, key, secrets.token_bytes(31))
                made.append(encode_frame(body))
            frames.append(tuple(made))
        return frames


if __name__ == "__main__":
    print(json.dumps(asyncio.run(Sending(json.loads(sys.stdin.read())).run())))
