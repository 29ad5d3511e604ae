"""Viewers of live pictures for benches: bare sockets that drain, count and time what comes."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit

from bench.harness import percentile
from tocsin.sim.feed_client import FeedClient
from tocsin.sim.picture import STAMP_DIGITS, STAMP_MARK


class Viewer(FeedClient):
    """One viewer; `first_fragment_s` is when the first fragment with a key frame came (monotonic seconds)."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        super().__init__(f"{parts.path}?{parts.query}", parts.netloc, "", None)
        self.first_fragment_s: float | None = None
        self.fragments = 0
        self.skipped = 0
        self.delays_ms: list[float] = []
        self.first: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def heard(self, kind: int, frame: bytes) -> None:
        """Take one WebSocket frame."""
        if kind == 2 and frame[4:8] == b"moof":
            self.fragments += 1
            at = frame.find(STAMP_MARK)
            while at >= 0:
                digits = frame[at + len(STAMP_MARK) : at + len(STAMP_MARK) + STAMP_DIGITS]
                self.delays_ms.append(time.monotonic() * 1e3 - int(digits, 16) / 1e6)
                at = frame.find(STAMP_MARK, at + len(STAMP_MARK))
            if self.first_fragment_s is None:
                self.first_fragment_s = time.monotonic()
                if not self.first.done():
                    self.first.set_result(None)
        elif (
            kind == 1 and frame.startswith(b"{") and json.loads(frame).get("type", json.loads(frame).get("t")) == "gap"
        ):
            self.skipped += 1


async def watch(url: str) -> Viewer:
    """Open one live picture."""
    parts = urlsplit(url)
    _, viewer = await asyncio.get_running_loop().create_connection(
        lambda: Viewer(url), parts.hostname or "127.0.0.1", parts.port or 80
    )
    await viewer.ready
    return viewer


async def _main() -> None:
    """Drain the pictures whose URLs come as a JSON list on the first line; report each time a line comes."""
    urls = json.loads(sys.stdin.readline())
    viewers = [await watch(url) for url in urls]
    print("ready", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        delays_ms = [delay for viewer in viewers for delay in viewer.delays_ms]
        for viewer in viewers:
            viewer.delays_ms.clear()
        print(
            json.dumps(
                {
                    "playing": sum(1 for viewer in viewers if viewer.first_fragment_s is not None),
                    "fragments": sum(viewer.fragments for viewer in viewers),
                    "bytes": sum(viewer.received_bytes for viewer in viewers),
                    "gaps": sum(viewer.skipped for viewer in viewers),
                    "delays": len(delays_ms),
                    "delay_p50_ms": percentile(delays_ms, 0.5),
                    "delay_p95_ms": percentile(delays_ms, 0.95),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    asyncio.run(_main())
