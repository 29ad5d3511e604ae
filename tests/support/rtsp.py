"""A simulated RTSP camera of hand-made pictures, each recognisable by its number."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.nals import H264_PPS, H264_SPS, annex_b
from tocsin.base.clock import SystemClock
from tocsin.sim.rtsp_server import RtspCamera, RtspQuirks
from tocsin.sim.rtsp_sound import SimSound


class HandPictures:
    """Not decodable, but each says its number; a key every five."""

    def at(self, number: int) -> tuple[bytes, bool]:
        body = b"<%06d>" % number + b"\x5a" * 3000
        if number % 5 == 0:
            return annex_b(H264_SPS, H264_PPS, b"\x65\x88" + body), True
        return annex_b(b"\x41\x9a" + body), False


@asynccontextmanager
async def rtsp_camera(
    *, sound: SimSound | None = None, tls: ssl.SSLContext | None = None, **quirks: object
) -> AsyncIterator[RtspCamera]:
    """Run a camera."""
    made = RtspQuirks(**quirks)  # type: ignore[arg-type]
    camera = RtspCamera(HandPictures(), SystemClock(), quirks=made, fps=50, sound=sound, tls=tls)
    await camera.start()
    try:
        yield camera
    finally:
        await camera.stop()
