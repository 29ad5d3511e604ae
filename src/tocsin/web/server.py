"""uvicorn as we run it: slow senders are ended, sockets are not compressed, their transport is lent to the feed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

TRANSPORT = "tocsin.transport"
CLIENT_MESSAGE_BYTES = 64 * 1024
DEAD_AFTER_MS = 30_000
BACKLOG = 2_048
REQUEST_WITHIN_S = 20.0
MAX_CONNECTIONS = 4_000


class FeedProtocol(WebSocketsSansIOProtocol):
    """Lends the transport to the endpoint as `scope["extensions"]["tocsin.transport"]`.

    The feed writes finished frames to it; that is right as long as no extension is in force, and we offer none.
    """

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        scope = cast(dict[str, Any], getattr(self, "scope", None) or {})
        if "extensions" in scope:
            scope["extensions"][TRANSPORT] = self.transport
            _end_when_unacknowledged(self.transport)


class PatientProtocol(H11Protocol):
    """Ends connections whose request does not arrive whole in time: a slow sender holds nothing for long."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.get_protocol() is not self:  # it has become a socket of the feed: nothing is due any more
            self._rest()
            return
        state = repr(self.conn.their_state)
        if state == "SEND_BODY" or (state == "IDLE" and self.conn.trailing_data[0]):
            self._wait()
        else:
            self._rest()

    def _wait(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_WITHIN_S, self.transport.abort)

    def _rest(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Server(uvicorn.Server):
    """A uvicorn server without signal handlers of its own: `app.py` owns the end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def serve_on(self, listeners: list[socket.socket]) -> None:
        """Serve on bound sockets until `should_exit`."""
        await self.serve(sockets=listeners)


def make_server(app: ASGIApp, *, max_connections: int = MAX_CONNECTIONS) -> Server:
    """Return a server for `app`; call `serve_on(sockets)`, end it with `should_exit = True`."""
    config = uvicorn.Config(
        app,
        loop="none",
        http=PatientProtocol,
        ws=FeedProtocol,
        ws_per_message_deflate=False,
        ws_max_size=CLIENT_MESSAGE_BYTES,
        ws_ping_interval=None,  # the feed's own tick and the socket's user timeout find the dead
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        limit_concurrency=max_connections,
        timeout_graceful_shutdown=3,
        h11_max_incomplete_event_size=64 * 1024,
    )
    return Server(config)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one. Errors: OSError when the port is busy."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _end_when_unacknowledged(transport: asyncio.Transport) -> None:
    """Let the system end a connection whose peer acknowledges nothing for half a minute."""
    raw = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if raw is not None and option is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.IPPROTO_TCP, option, DEAD_AFTER_MS)
