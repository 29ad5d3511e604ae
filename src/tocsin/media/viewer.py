"""One viewer's connection: handshake, frames, and a bounded queue that skips to the next key picture.

The handshake and what the client says go through `websockets`; media leaves as frames built once for all viewers.
The queue is the transport's write buffer, so the kernel's share of it is capped, or it would hide seconds of picture.

Source: RFC 6455; media reference, bounded queue and gap policy.
"""

from __future__ import annotations

import asyncio
import json
import socket
from enum import Enum
from http import HTTPStatus
from typing import Protocol, cast

from websockets.exceptions import InvalidState, ProtocolError
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from tocsin.media.load import StepDown
from tocsin.media.tickets import Ticket
from tocsin.media.websocket import text_frame

SEND_BUFFER_BYTES = 128 << 10
MIN_QUEUE_BYTES = 1 << 20
MAX_QUEUE_BYTES = 4 << 20
QUEUE_S = 2.0
STUCK_S = 15.0
HANDSHAKE_S = 5.0
MAX_MESSAGE_BYTES = 4096
CLOSE_NORMAL = 1000
CLOSE_SLOW = 4408


class QueueState(Enum):
    """Whether media is passed on."""

    RUN = "run"
    SKIP = "skip"
    PAUSED = "paused"


class Hall(Protocol):
    """Where viewers are let in: the worker."""

    def arrived(self, viewer: Viewer) -> None:
        """Somebody connected; the handshake is awaited."""

    def admit(self, viewer: Viewer, path: str, host: str) -> tuple[int, str]:
        """Return 101 and take the viewer in after the handshake, or an HTTP status and a text."""

    def seat(self, viewer: Viewer) -> None:
        """The handshake is done: join the viewer to its stream."""

    def left(self, viewer: Viewer) -> None:
        """The connection is gone."""

    def resumed(self, viewer: Viewer) -> None:
        """The client asks for media again after a pause."""

    def heard(self, viewer: Viewer, data: bytes) -> None:
        """A microphone sent sound."""


class Viewer(asyncio.Protocol):
    """A connection to the picture port, from its first byte to its last."""

    def __init__(self, hall: Hall, min_queue_bytes: int = MIN_QUEUE_BYTES) -> None:
        self._hall = hall
        self._min_queue_bytes = min_queue_bytes
        self._protocol = ServerProtocol(max_size=MAX_MESSAGE_BYTES)
        self._transport: asyncio.Transport | None = None
        self.ticket: Ticket | None = None
        self.wants_audio = False
        self.is_microphone = False
        self.state = QueueState.RUN
        self.queue_bytes = min_queue_bytes
        self.gaps = 0
        self.step = StepDown()
        self.is_throttled = False
        self.asks_keys_only = False  # the page cannot show more
        self.told_keys_only = False
        self.skipped = 0
        self.sent_bytes = 0
        self.is_seated = False
        self.ended = ""
        self.connected_s = 0.0
        self.client: dict[str, object] = {}  # what it last said of its buffer and delay
        self._drained_bytes = -1
        self._drained_s = 0.0

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Cap the kernel's buffer so that ours fills and the gap policy works."""
        transport = cast(asyncio.Transport, transport)  # uvloop's are not registered as such
        self._transport = transport
        transport.set_write_buffer_limits(high=MAX_QUEUE_BYTES)
        raw: socket.socket | None = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._hall.arrived(self)

    def data_received(self, data: bytes) -> None:
        """Handshake first, then the client's few words."""
        protocol = self._protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                self._answer(event)
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._hear(event.data)
            elif isinstance(event, Frame) and event.opcode is Opcode.BINARY and self.is_microphone:
                self._hall.heard(self, bytes(event.data))
        self._write_protocol()

    def eof_received(self) -> bool:
        """The client is leaving."""
        self._protocol.receive_eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the stream."""
        self._transport = None
        self._hall.left(self)

    # -- to the client

    def send_media(self, frame: bytes, *, is_key: bool) -> None:
        """Queue one fragment, or skip while the queue is over its limit; never waits."""
        transport = self._transport
        if transport is None or self.ended:
            return
        if (
            self.told_keys_only or self.is_throttled or self.asks_keys_only or self.step.is_down
        ) and not self._is_wanted(is_key):
            self.skipped += 1
            return
        if self.state is QueueState.RUN:
            if transport.get_write_buffer_size() <= self.queue_bytes:
                transport.write(frame)
                self.sent_bytes += len(frame)
                return
            self.state = QueueState.SKIP
            self.gaps += 1
            self.step.gap(asyncio.get_running_loop().time())
        elif self.state is QueueState.SKIP and is_key and transport.get_write_buffer_size() < self.queue_bytes // 4:
            transport.write(text_frame({"type": "gap", "reason": "slow" if self.gaps else "join"}))
            transport.write(frame)
            self.sent_bytes += len(frame)
            self.state = QueueState.RUN
            return
        self.skipped += 1

    def _is_wanted(self, is_key: bool) -> bool:
        """Say whether a fragment goes to a viewer of key frames alone; a key is also where it gets everything again."""
        if not is_key:
            return False
        self.step.may_step_up(asyncio.get_running_loop().time())
        keys_only = self.is_throttled or self.step.is_down or self.asks_keys_only
        if keys_only != self.told_keys_only and self.waiting_bytes <= self.queue_bytes:  # else it would not be heard
            self.told_keys_only = keys_only
            mode = "key_frames" if keys_only else "all"
            reason = "overload" if self.is_throttled else "slow" if self.step.is_down else "page" if keys_only else ""
            self.send_text(text_frame({"type": "quality", "mode": mode, "reason": reason}))
        return True

    def send_init(self, frames: bytes) -> None:
        """Queue a type and its initialisation segment."""
        if self._transport is not None and not self.ended:
            self._transport.write(frames)

    def send_text(self, frame: bytes) -> None:
        """Queue a text message unless the queue is full."""
        transport = self._transport
        if transport is not None and not self.ended and transport.get_write_buffer_size() <= self.queue_bytes:
            transport.write(frame)

    def wait_for_key(self) -> None:
        """What follows builds on pictures this viewer does not have."""
        if self.state is QueueState.RUN:
            self.state = QueueState.SKIP

    def end(self, reason: str, code: int = CLOSE_NORMAL) -> None:
        """Say why, and close; what a slow client has not taken by then is dropped."""
        if self.ended:
            return
        transport = self._transport
        if transport is None:
            self.ended = reason
            return
        if self.is_seated and self._protocol.state is OPEN:
            transport.write(text_frame({"type": "end", "reason": reason}))
            self.ended = reason
            try:
                self._protocol.send_close(code, reason)
            except (InvalidState, ProtocolError):
                pass  # the client was quicker
            self._write_protocol()
            if not transport.is_closing():
                transport.close()
            asyncio.get_running_loop().call_later(HANDSHAKE_S, self._abort)
        else:
            self.ended = reason
            transport.abort()

    @property
    def waiting_bytes(self) -> int:
        """How much waits for the client to take it."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def is_stuck(self, now_s: float) -> bool:
        """Tell whether nothing left the queue for 15 s; call it about once a second."""
        transport = self._transport
        if transport is None:
            return False
        waiting = transport.get_write_buffer_size()
        drained = self.sent_bytes - waiting
        if not waiting or drained != self._drained_bytes:
            self._drained_bytes, self._drained_s = drained, now_s
            return False
        return now_s - self._drained_s >= STUCK_S

    def measure(self, bitrate_bps: float) -> None:
        """Set the queue to two seconds of the stream, at least the setting (1 MiB) and at most 4 MiB."""
        self.queue_bytes = min(max(int(bitrate_bps / 8 * QUEUE_S), self._min_queue_bytes), MAX_QUEUE_BYTES)

    # -- from the client

    def _answer(self, request: Request) -> None:
        if self._protocol.parser_exc is not None:  # rubbish came with the request: nobody to answer
            self.end("protocol")
            return
        host = request.headers.get("Host", "")
        status, text = self._hall.admit(self, request.path, host)
        if status != HTTPStatus.SWITCHING_PROTOCOLS:
            self._protocol.send_response(self._protocol.reject(status, text + "\n"))
            return
        response = self._protocol.accept(request)
        self._protocol.send_response(response)
        self._write_protocol()
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            self.is_seated = True
            self._hall.seat(self)

    def _hear(self, data: bytes | bytearray | memoryview) -> None:
        try:
            message = json.loads(bytes(data))
        except (ValueError, RecursionError):
            return
        if not isinstance(message, dict):
            return
        kind = message.get("type")
        if kind == "stat":
            self.client = {str(key)[:20]: value for key, value in list(message.items())[:10]}
        elif kind == "quality":
            self.asks_keys_only = message.get("mode") == "key_frames"
        elif kind == "pause":
            self.state = QueueState.PAUSED
        elif kind == "resume" and self.state is QueueState.PAUSED:
            self.state = QueueState.RUN
            self._hall.resumed(self)

    def _write_protocol(self) -> None:
        transport = self._transport
        if transport is None:
            return
        for data in self._protocol.data_to_send():
            if data:
                transport.write(data)
            else:
                transport.close()
        if self._protocol.close_expected() and not self.is_seated:
            transport.close()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
