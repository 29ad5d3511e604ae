"""A running media link with real workers, a camera of hand-made pictures, and a viewer that keeps what it is told."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.nals import H264_PPS, H264_SPS, annex_b
from tocsin.base.clock import SystemClock
from tocsin.media.link import MediaLink
from tocsin.media.link_words import MediaSettings
from tocsin.protocols.rtp.framing import frame_packet
from tocsin.protocols.rtp.packetizer import Packetizer
from tocsin.protocols.rtp.ps import Muxer, StreamType

SSRC = 0x0BEBC201
FRAME_TICKS = 3600


@asynccontextmanager
async def running_link(**settings: object) -> AsyncIterator[MediaLink]:
    """Run a media link with one worker on ports the system chooses."""
    with tempfile.TemporaryDirectory(prefix="tm") as folder:
        made = MediaSettings(Path(folder), port=0, rtp_low=0, rtp_high=0, **settings)  # type: ignore[arg-type]
        link = MediaLink(made, SystemClock())
        await link.start()
        try:
            yield link
        finally:
            await link.stop()


class HandCamera:
    """Sends hand-made H.264 pictures: not decodable, but each one recognisable by its number."""

    def __init__(self, *, size: int = 2000, key_every: int = 5, sps: bytes = H264_SPS) -> None:
        self.number = 0
        self.size = size
        self.key_every = key_every
        self.sps = sps
        self._muxer = Muxer(StreamType.H264)
        self._cutter = Packetizer(SSRC)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # one port, as a camera has

    def packets(self) -> list[bytes]:
        """Return the RTP packets of the next picture."""
        number, self.number = self.number, self.number + 1
        body = b"<%06d>" % number + b"\x5a" * self.size
        is_key = number % self.key_every == 0
        picture = annex_b(self.sps, H264_PPS, b"\x65\x88" + body) if is_key else annex_b(b"\x41\x9a" + body)
        stamp = number * FRAME_TICKS
        return self._cutter.packetize(self._muxer.write_video(picture, stamp, is_key=is_key), stamp)

    async def send_udp(self, ip: str, port: int, count: int, *, pause_s: float = 0.004) -> None:
        """Send the next pictures as datagrams."""
        for _ in range(count):
            for packet in self.packets():
                self._socket.sendto(packet, (ip, port))
            await asyncio.sleep(pause_s)

    def close(self) -> None:
        """Close the socket the pictures come from."""
        self._socket.close()

    def framed(self, count: int) -> bytes:
        """Return the next pictures framed for TCP."""
        return b"".join(frame_packet(packet) for _ in range(count) for packet in self.packets())


class Watcher:
    """A viewer: everything it got, in order, and ways to wait for more."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.texts: list[dict[str, object]] = []
        self.binaries: list[bytes] = []
        self.close_code = 0
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for message in self.connection:
                if isinstance(message, str):
                    self.texts.append(json.loads(message))
                else:
                    self.binaries.append(message)
                self._changed.set()
        except ConnectionClosed:
            pass
        self.close_code = self.connection.close_code or 0
        self._changed.set()

    async def until(self, holds: object, timeout_s: float = 8.0) -> None:
        """Wait until `holds()` is true."""
        async with asyncio.timeout(timeout_s):
            while not holds():  # type: ignore[operator]
                self._changed.clear()
                await self._changed.wait()

    def numbers(self) -> list[int]:
        """Return the numbers of the hand-made pictures received."""
        found: list[int] = []
        for data in self.binaries:
            at = data.find(b"<")
            while at >= 0:
                if data[at + 7 : at + 8] == b">":
                    found.append(int(data[at + 1 : at + 7]))
                at = data.find(b"<", at + 1)
        return found

    def kinds(self, kind: str) -> list[dict[str, object]]:
        """Return the text frames of one type."""
        return [text for text in self.texts if text.get("type") == kind]

    async def close(self) -> None:
        """Leave."""
        await self.connection.close()
        await self._task


@asynccontextmanager
async def watching(
    link: MediaLink,
    stream_id: str,
    *,
    view_id: str = "view",
    codecs: tuple[str, ...] = (),
    audio: bool = False,
    life_s: float = 60.0,
    secret: str = "",
) -> AsyncIterator[Watcher]:
    """Open a viewer with a fresh ticket."""
    path = await link.ticket(
        stream_id=stream_id,
        ticket=secret or f"t{id(object())}{datetime.now(UTC).timestamp()}",
        viewer_id="v",
        view_id=view_id,
        expires_at=datetime.now(UTC) + timedelta(seconds=life_s),
        codecs=codecs,
        audio=audio,
    )
    url = f"ws://127.0.0.1:{link.viewer_port(stream_id)}{path}"
    async with connect(url, compression=None, max_size=None) as connection:
        watcher = Watcher(connection)
        yield watcher
        await watcher.close()


def top_boxes(data: bytes) -> list[str]:
    """Return the kinds of the top-level boxes."""
    kinds: list[str] = []
    position = 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from("!I4s", data, position)
        kinds.append(kind.decode())
        position += size
    return kinds
