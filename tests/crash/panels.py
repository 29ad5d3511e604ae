"""Panels that never give up: each signal is sent until it is acknowledged, across every crash of the server."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from datetime import UTC, datetime

from bench.registry import Panel
from tocsin.protocols.dc09.crypto import AesKey
from tocsin.protocols.dc09.frame import encode_frame
from tocsin.protocols.dc09.messages import Header, Message, encode_message, seal_message

RETRY_S = 2.0


class StubbornPanel:
    """One account; sends numbered alarms one after the other, each until its ACK has come."""

    def __init__(self, panel: Panel, port: int) -> None:
        self.panel = panel
        self._port = port
        self._key = AesKey(panel.key) if panel.key else None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.acknowledged: list[str] = []
        self.unsure: str = ""

    async def run(self, count: int, stop: asyncio.Event, pause_s: float) -> None:
        """Send up to `count` alarms, or until told to stop; the one under way may stay unsure."""
        for n in range(1, count + 1):
            if stop.is_set():
                return
            text = f"{self.panel.account}-{n:05d}"
            self.unsure = text
            while not stop.is_set():
                if await self._try(n, text):
                    self.acknowledged.append(text)
                    self.unsure = ""
                    break
                await asyncio.sleep(0.05)
            await asyncio.sleep(pause_s)

    async def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _try(self, n: int, text: str) -> bool:
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            sequence = f"{(n - 1) % 9999 + 1:04d}"
            writer.write(self._frame(sequence, n, text))
            reply = await asyncio.wait_for(reader.readuntil(b"\r"), RETRY_S)
            if f'ACK"{sequence}'.encode() in reply:
                return True
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        with contextlib.suppress(Exception):
            await self.close()
        return False

    def _frame(self, sequence: str, n: int, text: str) -> bytes:
        account = self.panel.account
        data = f"#{account}|Nri1/BA{n % 900 + 1:03d}^{text}^".encode()
        message = Message(
            Header("SIA-DCS", sequence, None, "0", account, self._key is not None), data, (), datetime.now(UTC)
        )
        if self._key is None:
            return encode_frame(encode_message(message))
        return encode_frame(seal_message(message, self._key, secrets.token_bytes(31)))
