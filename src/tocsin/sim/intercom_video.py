"""The picture of a simulated intercom's call: the loop of a simulated camera as bare H.264 over RTP.

Source: RFC 6184.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Final

from tocsin.protocols.rtp.nal import split_nals
from tocsin.protocols.rtp.payloads import NalPacker
from tocsin.protocols.rtp.ps import StreamType
from tocsin.protocols.sip.sdp import MediaLine
from tocsin.sim.picture import PictureSpec, prepare_loop

PAYLOAD_TYPE: Final = 99
SPEC: Final = PictureSpec(seed=11, name="DOOR", width=320, height=240, fps=15, bitrate_bps=300_000, live_encoder=False)
CLOCK_HZ: Final = 90_000


class DoorVideo:
    """A socket of its own, and the picture sent from it once it is known whereto. Needs the extra tocsin[picture]."""

    def __init__(self, local_host: str, ssrc: int) -> None:
        self.sent = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((local_host, 0))
        self._packer = NalPacker(StreamType.H264, ssrc, PAYLOAD_TYPE)
        self._task: asyncio.Task[None] | None = None

    def line(self) -> MediaLine:
        """Return what it offers."""
        attributes = [
            ("rtpmap", f"{PAYLOAD_TYPE} H264/90000"),
            ("fmtp", f"{PAYLOAD_TYPE} profile-level-id=42e01f;packetization-mode=1"),
            ("sendonly", ""),
        ]
        return MediaLine("video", self._socket.getsockname()[1], "RTP/AVP", (str(PAYLOAD_TYPE),), tuple(attributes))

    def start(self, ip: str, port: int) -> None:
        """Send from now on; starting twice changes nothing."""
        if self._task is None and port:
            self._task = asyncio.create_task(self._send((ip, port)), name="picture of a door")

    def stop(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
        self._socket.close()

    async def _send(self, target: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        pictures = await loop.run_in_executor(None, prepare_loop, SPEC)
        due_s, number = loop.time(), 0
        while True:
            picture, _ = pictures[number % len(pictures)]
            for packet in self._packer.packetize(split_nals(picture), number * CLOCK_HZ // SPEC.fps):
                with contextlib.suppress(OSError):
                    self._socket.sendto(packet, target)
                    self.sent += 1
            number += 1
            due_s += 1 / SPEC.fps
            await asyncio.sleep(max(0.0, due_s - loop.time()))
