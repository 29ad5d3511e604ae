"""RTSP cameras for benches, in a process of their own: N replayed pictures, each served to whoever asks.

Reads one JSON line: {"cameras", "bitrate_bps", "width", "height"}. Prints their addresses and works until standard
input closes.
"""

from __future__ import annotations

import asyncio
import json
import sys

from tocsin.base.clock import SystemClock
from tocsin.sim.picture import LoopPictures, PictureSpec, prepare_loop
from tocsin.sim.rtsp_server import RtspCamera, RtspQuirks


async def main() -> None:
    """Serve until standard input closes."""
    clock = SystemClock()
    plan = json.loads(sys.stdin.readline())
    spec = PictureSpec(
        width=plan["width"],
        height=plan["height"],
        bitrate_bps=plan["bitrate_bps"],
        live_encoder=False,
        key_every_s=1.0,
    )
    loop = await asyncio.to_thread(prepare_loop, spec, clock)
    cameras = [
        RtspCamera(LoopPictures(loop, number), clock, quirks=RtspQuirks(auth="none"))
        for number in range(plan["cameras"])
    ]
    for camera in cameras:
        await camera.start()
    print(json.dumps([camera.url for camera in cameras]), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for camera in cameras:
        await camera.stop()


if __name__ == "__main__":
    asyncio.run(main())
