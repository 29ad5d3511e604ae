"""Cameras of bare H.264 over RTP by UDP for benches, in a process of their own: each picture goes to two receivers.

Reads one JSON line: {"ports": [[one, other], ...], "bitrate_bps", "width", "height"}. Prints the parameter sets for a
session description when the first picture is about to leave, and works until standard input closes.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from base64 import b64encode

from tocsin.base.clock import SystemClock
from tocsin.protocols.rtp import h264
from tocsin.protocols.rtp.nal import split_nals
from tocsin.protocols.rtp.payloads import NalPacker
from tocsin.protocols.rtp.ps import StreamType
from tocsin.sim.picture import PictureSpec, prepare_loop

HOST = "127.0.0.1"
FPS = 25


async def main() -> None:
    """Send until standard input closes."""
    clock = SystemClock()
    plan = json.loads(sys.stdin.readline())
    spec = PictureSpec(
        width=plan["width"],
        height=plan["height"],
        bitrate_bps=plan["bitrate_bps"],
        live_encoder=False,
        key_every_s=1.0,
    )
    loop = [split_nals(data) for data, _ in await asyncio.to_thread(prepare_loop, spec, clock)]
    sets = [nal for nal in loop[0] if nal[0] & 31 in (h264.SPS, h264.PPS)]
    print(json.dumps([b64encode(nal).decode() for nal in sets]), flush=True)
    await asyncio.to_thread(sys.stdin.readline)  # the receivers are ready
    tasks = [
        asyncio.create_task(_send(number, ports, loop), name=f"camera {number}")
        for number, ports in enumerate(plan["ports"])
    ]
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()


async def _send(number: int, ports: list[int], loop: list[list[bytes]]) -> None:
    packer = NalPacker(int(StreamType.H264), number + 1, 96, aggregates=True)
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.setblocking(False)
    now = asyncio.get_running_loop()
    start_s = now.time() + number * 0.007  # their pictures do not all fall due at once
    picture = 0
    while True:
        await asyncio.sleep(max(0.0, start_s + picture / FPS - now.time()))
        for packet in packer.packetize(loop[picture % len(loop)], picture * 90_000 // FPS & 0xFFFFFFFF):
            for port in ports:
                line.sendto(packet, (HOST, port))
        picture += 1


if __name__ == "__main__":
    asyncio.run(main())
