"""One honest panel that must be served whatever others do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bench.registry import Panel
from tocsin.protocols.dc09.crypto import AesKey
from tocsin.protocols.dc09.frame import Frame, FrameReader
from tocsin.protocols.dc09.sender import ReplyKind, Sender

PATIENCE_S = 20.0


@dataclass
class HonestPanel:
    """Sends numbered alarms one after the other on one connection and remembers which were acknowledged."""

    panel: Panel
    port: int
    acknowledged: list[str] = field(default_factory=list)

    async def run(self, ending: asyncio.Event, pause_s: float = 0.05) -> None:
        """Send until told to stop. Errors: TimeoutError when an answer does not come, AssertionError on a refusal."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        sender = Sender(self.panel.account, key=AesKey(self.panel.key) if self.panel.key else None)
        frames = FrameReader()
        number = 0
        while not ending.is_set():
            number += 1
            text = f"{self.panel.account}-{number:04d}"
            body = f"#{self.panel.account}|Nri1/BA001*'{text}'NM".encode()
            writer.write(sender.send("SIA-DCS", body, datetime.now(UTC)))
            found: list[object] = []
            async with asyncio.timeout(PATIENCE_S):
                while not found:
                    found = list(frames.receive(await reader.read(4096)))
            (frame,) = found
            assert isinstance(frame, Frame)
            assert sender.receive(frame, datetime.now(UTC)).kind is ReplyKind.ACKNOWLEDGED
            self.acknowledged.append(text)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), pause_s)
        writer.close()


@contextlib.asynccontextmanager
async def served(panel: Panel, port: int) -> AsyncIterator[HonestPanel]:
    """Let an honest panel work during the block; it must have been served without a break."""
    honest = HonestPanel(panel, port)
    ending = asyncio.Event()
    work = asyncio.create_task(honest.run(ending))
    try:
        yield honest
        before = len(honest.acknowledged)
        async with asyncio.timeout(PATIENCE_S):  # and it is served now, after whatever happened
            while len(honest.acknowledged) <= before and not work.done():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        ending.set()
        await work
