"""A viewer that reads slowly, on a real socket: it costs its worker a bounded queue and its neighbours nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from bench.harness import rss_mb
from tests.support.media import SSRC, HandCamera, running_link, watching
from tocsin.media.link import MediaLink
from tocsin.media.viewer import MAX_QUEUE_BYTES, MIN_QUEUE_BYTES
from tocsin.media.worker_figures import WorkerFigures

PICTURE_BYTES = 40_000
GROWTH_MB = 16


class SlowReader:
    """A viewer's connection that takes what it is told to take, and no more."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.taken = bytearray()

    async def drain(self) -> None:
        """Take everything that is there, until nothing has come for a moment."""
        while True:
            try:
                async with asyncio.timeout(0.2):
                    data = await self._reader.read(1 << 20)
            except TimeoutError:
                return
            self.taken += data
            if not data:
                return

    def says(self, words: str) -> int:
        """Return how often a text frame with these words came."""
        return bytes(self.taken).count(words.encode())

    def ask(self, text: str) -> None:
        """Send a text frame, masked with zeros."""
        body = text.encode()
        self._writer.write(bytes((0x81, 0x80 | len(body))) + bytes(4) + body)


@asynccontextmanager
async def reading(link: MediaLink, stream_id: str) -> AsyncIterator[SlowReader]:
    until = datetime.now(UTC) + timedelta(minutes=5)
    path = await link.ticket(stream_id=stream_id, ticket="slow", viewer_id="s", view_id="view", expires_at=until)
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    made.setblocking(False)
    port = link.viewer_port(stream_id)
    await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=made, limit=32 << 10)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    try:
        yield SlowReader(reader, writer)
    finally:
        writer.close()


async def _send_until(
    camera: HandCamera, address: tuple[str, int], link: MediaLink, holds: Callable[[WorkerFigures], bool]
) -> WorkerFigures:
    async with asyncio.timeout(20):
        while not holds(link.figures()):
            await camera.send_udp(*address, 1)
    return link.figures()


@pytest.fixture
def camera() -> HandCamera:
    return HandCamera(size=PICTURE_BYTES, key_every=10)


async def test_a_slow_reader_gets_key_frames_alone_while_its_queue_stays_bounded(camera: HandCamera) -> None:
    async with running_link() as link:
        endpoint = await link.open_receiver("cam", "udp", ssrc=SSRC, peer_ip="127.0.0.1")
        address = (endpoint.ip, endpoint.port)
        async with watching(link, "cam") as brisk, reading(link, "cam") as slow:
            await camera.send_udp(*address, 20)
            pid = link.health()[0].pid
            before_mb = rss_mb(pid)
            most = 0
            for gap in (1, 2, 3):
                figures = await _send_until(camera, address, link, lambda f, gap=gap: f.gaps >= gap)  # type: ignore[misc]
                most = max(most, figures.queue_bytes)
                await slow.drain()
                await camera.send_udp(*address, 12)  # a key among them: it goes on there
            figures = await _send_until(camera, address, link, lambda f: f.keys_only == 1)
            sent = camera.number * PICTURE_BYTES
            assert sent > 3 * MAX_QUEUE_BYTES
            assert MIN_QUEUE_BYTES <= most <= MAX_QUEUE_BYTES + 2 * PICTURE_BYTES
            assert rss_mb(pid) - before_mb < GROWTH_MB
            assert figures.skipped > 20
            await slow.drain()
            assert slow.says('"mode":"key_frames","reason":"slow"') == 1
            await brisk.until(lambda: camera.number - 1 in brisk.numbers())
            assert brisk.numbers() == list(range(brisk.numbers()[0], camera.number))
        camera.close()


async def test_a_page_that_falls_behind_asks_for_key_frames_and_for_all_again(camera: HandCamera) -> None:
    async with running_link() as link:
        endpoint = await link.open_receiver("cam", "udp", ssrc=SSRC, peer_ip="127.0.0.1")
        address = (endpoint.ip, endpoint.port)
        async with watching(link, "cam") as page:
            await camera.send_udp(*address, 5)
            await page.connection.send('{"type":"quality","mode":"key_frames"}')
            await _send_until(camera, address, link, lambda f: f.keys_only == 1)
            first = camera.number
            await camera.send_udp(*address, 30)
            await page.until(lambda: max(page.numbers()) >= first + 19)
            assert all(number % 10 == 0 for number in page.numbers() if number >= first)
            assert page.kinds("quality")[-1] == {"type": "quality", "mode": "key_frames", "reason": "page"}
            await page.connection.send('{"type":"quality","mode":"all"}')
            await _send_until(camera, address, link, lambda f: f.keys_only == 0)
            first = camera.number
            await camera.send_udp(*address, 15)
            await page.until(lambda: camera.number - 1 in page.numbers())
            assert set(range(first + 10, camera.number)) <= set(page.numbers())
            assert page.kinds("quality")[-1]["mode"] == "all"
        camera.close()
