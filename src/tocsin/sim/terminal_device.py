"""One simulated JT/T 808 terminal: it registers, shows its code, reports, holds its SOS until it is confirmed.

What was not answered is sent again under the same serial, as real terminals do; what a dead zone held back is uploaded
as a batch.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, cast

from tocsin.base.clock import Clock
from tocsin.protocols.jt808.frame import SERIALS, Frame, FrameReader, encode_frame, encode_message
from tocsin.protocols.jt808.location import Location, Status
from tocsin.protocols.jt808.messages import (
    Ack,
    Authentication,
    Batch,
    Body,
    ConfirmAlarm,
    Edition,
    Empty,
    LocationReply,
    MessageId,
    Parameter,
    Parameters,
    RegisterResult,
    Registration,
    RegistrationReply,
    Resend,
    Result,
    TerminalControl,
    Text,
    decode_body,
    encode_body,
)

SOS: Final = 1
ROUND_M: Final = 400.0
SPEED_MS: Final = 8.0
LAT_M: Final = 111_320.0
MOST_IN_A_BATCH: Final = 20

Done = Callable[[bool, float], None]
"""Hears whether something was acknowledged, and after how many seconds; negative when it never was."""


@dataclass(frozen=True, slots=True)
class TerminalSpec:
    """Who a terminal is and how it behaves. Degrees WGS-84; it drives a circle of 400 m round `lon`, `lat`."""

    phone: str
    edition: Edition = Edition.Y2013
    terminal_id: str = "T000001"
    code: str = ""
    lon: float = 118.3
    lat: float = 31.3
    tries: int = 3
    retry_after_s: float = 10.0


@dataclass(slots=True)
class _Due:
    wire: bytes
    sent_s: float
    done: Done
    tries: int = 1
    last_s: float = 0.0


class SimTerminal(asyncio.Protocol):
    """One terminal. `connect` and `admit` it, then `report`; the owner calls `tick` now and then."""

    def __init__(self, spec: TerminalSpec, clock: Clock) -> None:
        self.spec = spec
        self.clock = clock
        self.code = spec.code
        self.alarm = 0
        self.is_admitted = False
        self.retried = 0
        self.confirmed = 0
        self.texts: list[str] = []
        self.restarts = 0
        self.parameters: dict[int, bytes] = {
            Parameter.HEARTBEAT_S: (60).to_bytes(4, "big"),
            Parameter.DEFAULT_INTERVAL_S: (30).to_bytes(4, "big"),
        }
        self.lost = asyncio.Event()
        self._version = 1 if spec.edition is Edition.Y2019 else 0
        self._serial = 0
        self._reader = FrameReader()
        self._due: dict[int, _Due] = {}
        self._long: dict[int, list[bytes]] = {}
        self._registration: asyncio.Future[RegistrationReply] | None = None
        self._transport: asyncio.Transport | None = None
        self._driven_m = 0.0
        self._last_at: datetime | None = None

    # --- the line

    async def connect(self, host: str, port: int) -> None:
        """Open the connection. Errors: OSError."""
        self._reader = FrameReader()
        await asyncio.get_running_loop().create_connection(lambda: self, host, port)

    def close(self) -> None:
        """Close the connection, as a dead zone does."""
        self.is_admitted = False
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self.lost.clear()
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that it is gone; what is due is sent again on the next one."""
        self._transport = None
        self.is_admitted = False
        self.lost.set()
        if self._registration is not None and not self._registration.done():
            self._registration.cancel()

    def data_received(self, data: bytes) -> None:
        """Take what the platform sends."""
        for item in self._reader.receive(data):
            if isinstance(item, Frame):
                self._take(item)

    async def admit(self) -> bool:
        """Register when there is no code, then show it; return whether the platform took it."""
        if not self.code and not await self._register():
            return False
        shown = Authentication(self.code, "861234567890123" if self._version else "", "SIM1" if self._version else "")
        self.is_admitted = await self.ask(MessageId.AUTHENTICATE, shown)
        return self.is_admitted

    async def _register(self) -> bool:
        self._registration = asyncio.get_running_loop().create_future()
        body = Registration(34, 200, "TOCSI", "SIM-T1", self.spec.terminal_id[:7], 2, "", self.spec.edition)
        self._write(MessageId.REGISTER, body)
        try:
            reply = await asyncio.wait_for(self._registration, self.spec.retry_after_s)
        except (TimeoutError, asyncio.CancelledError):
            return False
        self.code = reply.code
        return reply.result == RegisterResult.OK

    # --- what it says

    async def ask(self, message_id: int, body: Body) -> bool:
        """Send something and return whether it was acknowledged."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def done(is_ok: bool, after_s: float) -> None:
            if not future.done():
                future.set_result(is_ok)

        self.transmit(message_id, body, done)
        return await future

    def transmit(self, message_id: int, body: Body, done: Done) -> None:
        """Send something; `done` hears how it ended."""
        serial, wires = self._frames(message_id, body)
        now_s = self.clock.monotonic()
        last = (serial + len(wires) - 1) % SERIALS
        self._due[last] = _Due(b"".join(wires), now_s, done, last_s=now_s)
        self._send(b"".join(wires))

    def report(self, at: datetime, done: Done) -> None:
        """Send a location report of a moment."""
        self.transmit(MessageId.LOCATION, self.location(at), done)

    def batch(self, moments: list[datetime], done: Done) -> None:
        """Upload the reports of moments a dead zone held back, in as many batches as it takes."""
        for start in range(0, len(moments), MOST_IN_A_BATCH):
            found = tuple(self.location(at) for at in moments[start : start + MOST_IN_A_BATCH])
            self.transmit(MessageId.BATCH, Batch(found, is_refill=True), done)

    def heartbeat(self, done: Done) -> None:
        """Send a heartbeat."""
        self.transmit(MessageId.HEARTBEAT, Empty(), done)

    def location(self, at: datetime) -> Location:
        """Return where it is at a moment: on its circle, driven on since the last one asked for."""
        if self._last_at is not None:
            self._driven_m += SPEED_MS * min(60.0, max(0.0, (at - self._last_at).total_seconds()))
        self._last_at = at
        angle = self._driven_m / ROUND_M
        lat = self.spec.lat + ROUND_M * math.sin(angle) / LAT_M
        lon = self.spec.lon + ROUND_M * math.cos(angle) / (LAT_M * math.cos(math.radians(self.spec.lat)))
        return Location(
            alarm=self.alarm,
            status=1 << Status.ACC | 1 << Status.POSITIONED | 1 << Status.BEIDOU,
            lat_e6=round(lat * 1e6),
            lon_e6=round(lon * 1e6),
            altitude_m=12,
            speed_dkmh=round(SPEED_MS * 36),
            heading_deg=round(math.degrees(angle)) % 360,
            at=at.replace(microsecond=0),
            extras=((0x01, round(self._driven_m / 100).to_bytes(4, "big")), (0x30, b"\x19"), (0x31, b"\x0b")),
        )

    def press(self) -> None:
        """Press the SOS button: the bit stays until the platform has confirmed it."""
        self.alarm |= SOS

    def tick(self) -> None:
        """Send again what waits too long; give up after the tries."""
        now_s = self.clock.monotonic()
        for serial, due in list(self._due.items()):
            if now_s - due.last_s < self.spec.retry_after_s:
                continue
            if due.tries >= self.spec.tries:
                del self._due[serial]
                due.done(False, -1.0)
                continue
            due.tries += 1
            due.last_s = now_s
            self.retried += 1
            self._send(due.wire)

    @property
    def waiting(self) -> int:
        """How much waits for its acknowledgement."""
        return len(self._due)

    # --- what it hears

    def _take(self, frame: Frame) -> None:
        body = decode_body(frame.message_id, frame.body, frame.version)
        match body:
            case Ack(serial, _, result):
                due = self._due.pop(serial, None)
                if due is not None:
                    due.done(result in (Result.OK, Result.ALARM_CONFIRMED), self.clock.monotonic() - due.sent_s)
                return
            case RegistrationReply():
                if self._registration is not None and not self._registration.done():
                    self._registration.set_result(body)
                return
            case Parameters() if frame.message_id == MessageId.SET_PARAMETERS:
                self.parameters.update(body.values)
            case ConfirmAlarm(_, bits):
                if self.alarm & bits:
                    self.confirmed += 1
                self.alarm &= ~bits
            case Text():
                self.texts.append(body.text)
            case TerminalControl():
                self.restarts += 1
            case Resend():
                kept = self._long.get(body.first_serial, [])
                self._send(b"".join(kept[index - 1] for index in body.indexes if index <= len(kept)))
                return
            case _:
                self._answer_question(frame)
                return
        self._write(MessageId.TERMINAL_ACK, Ack(frame.serial, frame.message_id, Result.OK))

    def _answer_question(self, frame: Frame) -> None:
        if frame.message_id == MessageId.QUERY_PARAMETERS:
            self._write(MessageId.PARAMETERS, Parameters(tuple(sorted(self.parameters.items())), frame.serial))
        elif frame.message_id == MessageId.QUERY_LOCATION:
            self._write(MessageId.LOCATION_REPLY, LocationReply(frame.serial, self.location(self.clock.now())))

    # --- writing

    def _write(self, message_id: int, body: Body) -> None:
        self._send(b"".join(self._frames(message_id, body)[1]))

    def _frames(self, message_id: int, body: Body) -> tuple[int, list[bytes]]:
        serial = self._serial
        octets = encode_body(message_id, body, self._version)
        frame = Frame(message_id, self.spec.phone, serial, octets, self._version)
        wires = [encode_frame(frame)] if len(octets) < 1000 else list(encode_message(replace(frame), 1000))
        if len(wires) > 1:
            self._long = {serial: wires}
        self._serial = (serial + len(wires)) % SERIALS
        return serial, wires

    def _send(self, octets: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(octets)


def moments_before(now: datetime, count: int, step_s: float) -> list[datetime]:
    """Return so many moments before now, a step apart, oldest first: what a dead zone held back."""
    return [now - timedelta(seconds=step_s * n) for n in range(count, 0, -1)]
