"""Feed clients for benches, in a process of their own: 50 consoles that read everything.

Each connection is a bare protocol that counts bytes and finds frames; only the sampled ones are parsed, so that the
clients do not take the core that they share with the senders.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable

from tocsin.sim.feed_client import FeedClient


async def listen(port: int, token: str, count: int, hear: Callable[[bytes, float], None] | None) -> list[FeedClient]:
    """Open `count` feeds; all of them tell `hear`."""
    loop = asyncio.get_running_loop()
    note = None if hear is None else lambda frame: hear(frame, time.time())
    clients = []
    for _ in range(count):
        _, client = await loop.create_connection(
            lambda: FeedClient("/api/v1/feed", f"127.0.0.1:{port}", token, note), "127.0.0.1", port
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
