"""Senders for benches without a server: N replayed pictures of 2 Mbit/s to a worker's ports, in a process of their own.

Reads one JSON line: {"transport", "ports", "bitrate_bps", "width", "height"}; `ports` are the worker's for `udp` and
`tcp_passive` (it listens), a count for `tcp_active` (it connects). Prints the ports it listens on, and works until
standard input closes.
"""

from __future__ import annotations

import asyncio
import json
import sys

from tocsin.base.clock import SystemClock
from tocsin.sim.picture import PictureSender, PictureSpec, make_sender, prepare_loop

HOST = "127.0.0.1"


async def main() -> None:
    """Send until standard input closes."""
    clock = SystemClock()
    plan = json.loads(sys.stdin.readline())
    spec = PictureSpec(
        width=plan["width"],
        height=plan["height"],
        bitrate_bps=plan["bitrate_bps"],
        live_encoder=False,
        stamped=True,
        key_every_s=1.0,
    )
    await asyncio.to_thread(prepare_loop, spec, clock)
    senders: list[PictureSender] = []
    listening = []
    for number, port in enumerate(plan["ports"]):
        sender = make_sender(spec, clock)
        senders.append(sender)
        if plan["transport"] == "udp":
            await sender.start_udp(HOST, port, number + 1)
        elif plan["transport"] == "tcp_passive":
            await sender.start_tcp_active(HOST, port, number + 1)
        else:
            listening.append(await sender.start_tcp_passive(number + 1))
        await asyncio.sleep(0.007)  # their pictures do not all fall due at once
    print(json.dumps(listening), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for sender in senders:
        await sender.stop()


if __name__ == "__main__":
    asyncio.run(main())
