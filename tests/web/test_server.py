"""The server under bad peers: slow senders are ended, whole requests are not."""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.asyncio.client import connect

from tocsin.web.server import PatientProtocol, listen, make_server


async def _app(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class _Impatient(PatientProtocol):
    """The same with a deadline a test can wait for."""

    def _wait(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(0.2, self.transport.abort)


async def _ask(port: int, *parts: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_request_that_does_not_come_whole_ends_its_connection_and_no_other() -> None:
    made = make_server(_app)
    made.config.http = _Impatient
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    serving = asyncio.create_task(made.serve_on([listener]))
    try:
        whole = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        silent, half_head, half_body, good = await asyncio.gather(
            _ask(port),
            _ask(port, b"GET / HTTP/1.1\r\nHo"),
            _ask(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", b"ab"),
            _ask(port, whole),
        )
        assert (silent, half_head, half_body) == (b"", b"", b"")
        assert good.startswith(b"HTTP/1.1 200")
        assert good.endswith(b"ok")
    finally:
        made.should_exit = True
        await serving


async def test_a_kept_connection_outlives_the_deadline_of_one_request() -> None:
    made = make_server(_app)
    made.config.http = _Impatient
    listener = listen("127.0.0.1", 0)
    serving = asyncio.create_task(made.serve_on([listener]))
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        for _ in range(2):
            writer.write(request)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.3)
        writer.close()
    finally:
        made.should_exit = True
        await serving


async def test_a_socket_of_the_feed_outlives_the_deadline_of_its_request() -> None:
    async def _feed(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": "still here"})

    made = make_server(_feed)
    made.config.http = _Impatient
    listener = listen("127.0.0.1", 0)
    serving = asyncio.create_task(made.serve_on([listener]))
    try:
        async with connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/feed") as socket:
            await asyncio.sleep(0.3)
            await socket.send("?")
            assert await asyncio.wait_for(socket.recv(), 10) == "still here"
    finally:
        made.should_exit = True
        await serving
