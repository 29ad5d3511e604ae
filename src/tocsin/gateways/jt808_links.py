"""The TCP connections of the JT/T 808 gateway: one terminal each, answers written together, bounded in every way."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, Final, cast

import structlog

from tocsin.protocols.jt808.frame import SERIALS, Frame, FrameReader, encode_message
from tocsin.protocols.jt808.messages import Ack, Body, MessageId, encode_body
from tocsin.protocols.jt808.parts import Reassembler

if TYPE_CHECKING:
    from tocsin.gateways.jt808 import Jt808Gateway

log = structlog.get_logger(__name__)

LONG_MESSAGES_KEPT: Final = 4
MOST_UNSENT_BYTES: Final = 64 * 1024


class Session:
    """What is known of a terminal that has shown its code on this connection."""

    __slots__ = ("confirm_bits", "confirm_serial", "confirm_told_s", "device_id", "parts", "pending", "sent_long")

    def __init__(self, device_id: str) -> None:
        self.device_id = device_id
        self.parts = Reassembler()
        self.pending: dict[int, asyncio.Future[Body]] = {}
        self.sent_long: dict[int, list[bytes]] = {}
        self.confirm_bits = 0  # what an operator has taken, told to the terminal until it clears it
        self.confirm_serial = 0
        self.confirm_told_s = 0.0


class Connection(asyncio.Protocol):
    """One TCP connection. `phone` and `version` are of the first frame; `session` is there once it has shown a code."""

    def __init__(self, gateway: Jt808Gateway) -> None:
        self.peer = ""
        self.phone = ""
        self.version = 0
        self.session: Session | None = None
        self.is_being_admitted = False
        self.opened_s = 0.0
        self.heard_s = 0.0
        self.waiting = 0
        self._gateway = gateway
        self._host = ""
        self._serial = 0
        self._reader = FrameReader()
        self._unread = b""
        self._out: list[bytes] = []
        self._is_held = False
        self._is_write_blocked = False
        self._transport: asyncio.Transport | None = None

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the peer, or close at once."""
        self._transport = cast(asyncio.Transport, transport)
        name = transport.get_extra_info("peername") or ("", 0)
        self._host, self.peer = str(name[0]), f"{name[0]}:{name[1]}"
        self.opened_s = self.heard_s = self._gateway.clock.monotonic()
        reason = self._gateway.admit(self, self._host)
        if reason:
            self.close(reason)
            return
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the peer; what is being committed stays committed, and the terminal will send again."""
        self._transport = None
        self._out.clear()
        self._gateway.leave(self, self._host)
        if self.session is not None:
            for future in self.session.pending.values():
                if not future.done():
                    future.cancel()

    def data_received(self, data: bytes) -> None:
        """Take what was read."""
        self.heard_s = self._gateway.clock.monotonic()
        if self._is_held or self._gateway.is_full:
            self._unread += data
            self._hold_for_store()
        else:
            self._take(data)

    def pause_writing(self) -> None:
        """Stop reading from a peer that does not take its answers."""
        self._is_write_blocked = True
        self._follow()

    def resume_writing(self) -> None:
        """Read again."""
        self._is_write_blocked = False
        self._follow()

    # the gateway calls these

    @property
    def is_open(self) -> bool:
        """Whether something can still be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, message_id: int, body: Body) -> int:
        """Send a message of ours with the next serial; return the serial. Errors: ValueError when it does not fit."""
        serial = self._serial
        frame = Frame(message_id, self.phone, serial, encode_body(message_id, body, self.version), self.version)
        wires = list(encode_message(frame))
        self._serial = (serial + len(wires)) % SERIALS
        if len(wires) > 1 and self.session is not None:
            kept = self.session.sent_long
            kept[serial] = wires
            if len(kept) > LONG_MESSAGES_KEPT:
                del kept[next(iter(kept))]
        self.write(b"".join(wires))
        return serial

    def acknowledge(self, frame: Frame, result: int) -> None:
        """Send the general acknowledgement of a frame."""
        self.send(MessageId.PLATFORM_ACK, Ack(frame.serial, frame.message_id, result))

    def write(self, octets: bytes) -> None:
        """Write octets together with what else this turn of the loop brings."""
        if not self.is_open:
            return
        if not self._out:
            self._gateway.write_soon(self)
        self._out.append(octets)

    def flush(self) -> None:
        """Write what is there; a peer that takes nothing is closed before it fills our memory."""
        out, self._out = self._out, []
        transport = self._transport
        if transport is None or not out:
            return
        transport.write(b"".join(out))
        if transport.get_write_buffer_size() > MOST_UNSENT_BYTES:
            self.close("takes_nothing")

    def hold(self) -> None:
        """Stop reading."""
        self._is_held = True
        self._follow()

    def release(self) -> None:
        """The store has caught up: take what was read meanwhile, then read again."""
        if self._transport is None:
            return
        self._is_held = False
        data, self._unread = self._unread, b""
        if data:
            self._take(data)
        self._follow()

    def close(self, reason: str) -> None:
        """Close the connection, with what is to be written written, and count why."""
        self._gateway.counters[f"closed_{reason}"] += 1
        self.flush_quietly()
        if self._transport is not None:
            self._transport.close()

    def flush_quietly(self) -> None:
        """Write what is there without looking at how much waits."""
        out, self._out = self._out, []
        if self._transport is not None and out:
            self._transport.write(b"".join(out))

    def _take(self, data: bytes) -> None:
        gateway = self._gateway
        for item in self._reader.receive(data):
            gateway.take(item, self)
            if not self.is_open:
                return
        if self._reader.overflowed:
            log.warning("jt808 connection closed, no frame in it", peer=self.peer)
            self.close("overflow")
            return
        if gateway.is_full:
            self._hold_for_store()

    def _hold_for_store(self) -> None:
        if not self._is_held:
            self._gateway.hold(self)
        self.hold()

    def _follow(self) -> None:
        """Read exactly while nothing speaks against it."""
        transport: Any = self._transport
        if transport is None or transport.is_closing():
            return
        should_read = not self._is_held and not self._is_write_blocked
        if should_read != transport.is_reading():
            (transport.resume_reading if should_read else transport.pause_reading)()
