"""JT/T 808 over TCP: terminals registered and authenticated, their reports handed in, answers after the commit.

A connection belongs to one terminal. Until it has shown its code nothing it says counts; what nobody has entered stands
in quarantine, once a minute. Who may come in and when reading stops is the `Door`'s (`gateways/door.py`); parts of long
messages and octets kept per connection have bounds of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.tasks import Supervisor
from tocsin.domain.directory import Source
from tocsin.domain.signals import Receipt, Signal
from tocsin.domain.terminals import Position, Report, Terminal
from tocsin.gateways.door import Door, Limits
from tocsin.gateways.jt808_links import Connection, Session
from tocsin.protocols.jt808 import alarms
from tocsin.protocols.jt808.frame import BadFrame, Frame
from tocsin.protocols.jt808.location import Location
from tocsin.protocols.jt808.messages import (
    Ack,
    Authentication,
    Batch,
    Body,
    ConfirmAlarm,
    LocationReply,
    MessageId,
    Multimedia,
    MultimediaAck,
    Parameters,
    RegisterResult,
    Registration,
    RegistrationReply,
    Resend,
    Result,
    decode_body,
)
from tocsin.protocols.jt808.wire import BadBody

log = structlog.get_logger(__name__)

BACKLOG: Final = 2048
SWEEP_S: Final = 1.0
ADMITTED_WITHIN_S: Final = 30.0
CONFIRM_AGAIN_S: Final = 30.0
MAX_UNASKED: Final = 64


class Terminals(Protocol):
    """Who keeps what terminals send: `domain/terminal_intake.py`."""

    async def register(
        self, device_id: str, terminal_id: str, edition: str, maker: str, model: str, peer: str
    ) -> str | None:
        """Return a new code; None when another terminal is bound to the device."""

    async def unregister(self, device_id: str) -> None:
        """Void the terminal's code."""

    async def authenticate(self, device_id: str, code: str) -> Terminal | None:
        """Return the terminal when the code is its own."""

    def accept(self, report: Report) -> asyncio.Future[str]:
        """Return a future that resolves after the commit with the id of the report's signal, if it has one."""


class Intake(Protocol):
    """Where quarantined signals go, and who is told when an acknowledgement left."""

    def accept(self, signal: Signal) -> asyncio.Future[Receipt]:
        """Return a future that resolves after the commit."""

    def acknowledged(self, arrival_id: str, at: datetime) -> None:
        """Note when the acknowledgement of an arrival left."""


class Devices(Protocol):
    """Who may speak."""

    def source(self, protocol: str, account: str) -> Source | None:
        """Return the device of that account."""


class Supervision(Protocol):
    """Who keeps watch over silent devices."""

    def seen(self, device_id: str, at: datetime, peer: str, transport: str) -> None:
        """Note a sign of life."""

    def lost(self, device_id: str, at: datetime, reason: str) -> None:
        """Note that a device signed off."""

    def note_fault(self, device_id: str, at: datetime, key: str, skew_s: float | None = None) -> None:
        """Note what a refused frame showed."""


@dataclass(frozen=True, slots=True)
class Jt808Config:
    """Where to listen and what to bear. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 7611
    max_connections: int = 20_000
    max_connections_per_address: int = 64
    exempt_networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    idle_timeout_s: float = 210.0
    max_waiting: int = 4096


@dataclass(frozen=True, slots=True)
class Jt808Health:
    """How the gateway stands; the port is 0 while it does not listen."""

    port: int
    connections: int
    terminals: int
    waiting: int
    is_stalled: bool


class _Due:
    """An acknowledgement that is due once every report of its message is committed."""

    __slots__ = ("connection", "frame", "has_failed", "left", "signals")

    def __init__(self, connection: Connection, frame: Frame, left: int) -> None:
        self.connection = connection
        self.frame = frame
        self.left = left
        self.has_failed = False
        self.signals: list[str] = []


class Jt808Gateway(Door[Connection]):
    """Receives terminals at one address and port."""

    def __init__(
        self,
        config: Jt808Config,
        terminals: Terminals,
        intake: Intake,
        devices: Devices,
        supervision: Supervision,
        clock: Clock,
    ) -> None:
        limits = Limits(
            config.max_connections, config.max_connections_per_address, config.exempt_networks, config.max_waiting
        )
        super().__init__("jt808", limits, clock)
        self.config = config
        self.sessions: dict[str, Connection] = {}
        self._terminals = terminals
        self._intake = intake
        self._devices = devices
        self._supervision = supervision
        self._ready: list[Connection] = []
        self._admitting: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._tasks = Supervisor(clock)
        self._readers: dict[int, Callable[[Connection, Session, Frame, Body], None]] = {
            MessageId.HEARTBEAT: self._take_heartbeat,
            MessageId.LOCATION: self._take_location,
            MessageId.BATCH: self._take_batch,
            MessageId.TERMINAL_ACK: self._take_answer,
            MessageId.PARAMETERS: self._take_answer,
            MessageId.LOCATION_REPLY: self._take_answer,
            MessageId.TERMINAL_RESEND: self._take_resend,
            MessageId.MULTIMEDIA: self._take_multimedia,
            MessageId.UNREGISTER: self._take_unregister,
        }

    # --- life

    async def start(self) -> None:
        """Listen. Errors: OSError when somebody else has the port."""
        self.is_stopping = False
        loop = asyncio.get_running_loop()
        config = self.config
        self._server = await loop.create_server(lambda: Connection(self), config.host, config.port, backlog=BACKLOG)
        self._tasks.spawn("jt808 sweep", self._sweep)
        log.info("jt808 listening", host=config.host, port=self.health().port)

    async def stop(self) -> None:
        """Stop reading, answer what is still being committed, and close everything."""
        if self._server is not None:
            self._server.close()
        await self.drain()
        await self._tasks.stop()
        for task in self._admitting:
            task.cancel()
        await asyncio.gather(*self._admitting, return_exceptions=True)
        self._write_ready()
        for connection in list(self.connections):
            connection.close("stopped")
        self._server = None

    def check(self) -> None:
        """Raise when the socket it should have is closed."""
        if self._server is None or not self._server.is_serving():
            raise ConnectionError("the TCP port is closed")

    def health(self) -> Jt808Health:
        """Say how the gateway stands."""
        port = self._server.sockets[0].getsockname()[1] if self._server and self._server.sockets else 0
        return Jt808Health(port, len(self.connections), len(self.sessions), self.waiting, self.is_stalled)

    # --- one frame

    def take(self, item: Frame | BadFrame, connection: Connection) -> None:
        """Judge one frame and answer it: now, after its commit, or not at all."""
        if isinstance(item, BadFrame):
            self.counters[f"bad_{item.reason.value}"] += 1
            return
        self.counters["frames"] += 1
        if not connection.phone:
            connection.phone, connection.version = item.phone, item.version
        if item.phone != connection.phone:
            self.counters["other_phone"] += 1
            return
        connection.version = item.version
        if item.encryption:
            self.counters["encrypted"] += 1
            connection.acknowledge(item, Result.UNSUPPORTED)
            return
        if item.message_id in (MessageId.REGISTER, MessageId.AUTHENTICATE):
            self._admit(connection, item)
            return
        source = self._devices.source("jt808", item.phone)
        session = connection.session
        if source is None or session is None:
            self._ignore(connection, item, source)
            return
        self._supervision.seen(session.device_id, self.clock.now(), connection.peer, "tcp")
        whole = item
        if item.part is not None:
            found = session.parts.add(item, self.clock.monotonic())
            if found is None:
                connection.acknowledge(item, Result.OK)
                return
            whole = Frame(found.message_id, found.phone, item.serial, found.body, found.version)
        self._take_message(connection, session, whole)

    def _take_message(self, connection: Connection, session: Session, frame: Frame) -> None:
        body = decode_body(frame.message_id, frame.body, frame.version)
        if isinstance(body, BadBody):
            if body.reason == "unknown":
                self.counters["unknown_message"] += 1
                connection.acknowledge(frame, Result.UNSUPPORTED)
            else:
                self._put_aside(connection, frame, session.device_id, "unreadable", Result.BAD_MESSAGE)
            return
        reader = self._readers.get(frame.message_id)
        if reader is None:
            self.counters["unknown_message"] += 1
            connection.acknowledge(frame, Result.UNSUPPORTED)
            return
        reader(connection, session, frame, body)

    def _ignore(self, connection: Connection, frame: Frame, source: Source | None) -> None:
        """Answer nothing to who has not shown a code; one that was taken out of the registry is closed."""
        self.counters["not_admitted"] += 1
        if source is None:
            if self.is_new(frame.phone, "unknown_account"):
                self._put_aside(connection, frame, None, "unknown_account", None)
            if connection.session is not None:
                connection.close("retired")

    def _put_aside(
        self, connection: Connection, frame: Frame, device_id: str | None, reason: str, result: int | None
    ) -> None:
        """Commit a frame with the reason it cannot be used; then say so, if it is to be answered."""
        self.counters[f"refused_{reason}"] += 1
        raw = b"" if frame.message_id in (MessageId.REGISTER, MessageId.AUTHENTICATE) else frame.raw or frame.body
        signal = Signal(
            "jt808",
            "tcp",
            connection.peer,
            frame.phone,
            raw,
            self.clock.now(),
            device_id,
            f"{frame.message_id:04x}",
            quarantine=reason,
            dedup_key=f"{frame.message_id:04x} {frame.serial} {len(frame.body)}",
        )
        try:
            future = self._intake.accept(signal)
        except TocsinError as error:
            self.note_failure(error)
            return
        self.begin()
        future.add_done_callback(partial(self._aside, connection, frame, result))

    def _aside(self, connection: Connection, frame: Frame, result: int | None, future: asyncio.Future[Receipt]) -> None:
        self.end()
        if future.cancelled() or (error := future.exception()) is not None:
            self.note_failure(None if future.cancelled() else error)
        elif result is not None:
            connection.acknowledge(frame, result)

    # --- admission

    def _admit(self, connection: Connection, frame: Frame) -> None:
        if connection.is_being_admitted:
            self.counters["admission_repeated"] += 1
            return
        body = decode_body(frame.message_id, frame.body, frame.version)
        source = self._devices.source("jt808", frame.phone)
        if isinstance(body, BadBody):
            self.counters["bad_admission"] += 1
            connection.acknowledge(frame, Result.BAD_MESSAGE)
            return
        if source is None:
            if self.is_new(frame.phone, "unknown_account"):
                log.warning("jt808 unknown terminal", phone=frame.phone, peer=connection.peer)
                self._put_aside(connection, frame, None, "unknown_account", None)
            if isinstance(body, Registration):
                reply = RegistrationReply(frame.serial, RegisterResult.TERMINAL_UNKNOWN)
                connection.send(MessageId.REGISTER_REPLY, reply)
            else:
                connection.acknowledge(frame, Result.FAILED)
            return
        connection.is_being_admitted = True
        task = asyncio.create_task(self._admit_with(connection, frame, body, source), name="jt808 admission")
        self._admitting.add(task)
        task.add_done_callback(self._admitting.discard)

    async def _admit_with(self, connection: Connection, frame: Frame, body: Body, source: Source) -> None:
        try:
            if isinstance(body, Registration):
                await self._register(connection, frame, body, source)
            elif isinstance(body, Authentication):
                await self._authenticate(connection, frame, body, source)
        except TocsinError as error:  # the store: no answer, the terminal asks again
            self.note_failure(error)
        finally:
            connection.is_being_admitted = False

    async def _register(self, connection: Connection, frame: Frame, body: Registration, source: Source) -> None:
        code = await self._terminals.register(
            source.device_id, body.terminal_id, body.edition.value, body.maker, body.model, connection.peer
        )
        if code is None:
            self.counters["other_terminal"] += 1
            self._supervision.note_fault(source.device_id, self.clock.now(), "security.other_terminal")
            reply = RegistrationReply(frame.serial, RegisterResult.TERMINAL_REGISTERED)
        else:
            self.counters["registered"] += 1
            reply = RegistrationReply(frame.serial, RegisterResult.OK, code)
        connection.send(MessageId.REGISTER_REPLY, reply)

    async def _authenticate(self, connection: Connection, frame: Frame, body: Authentication, source: Source) -> None:
        terminal = await self._terminals.authenticate(source.device_id, body.code)
        now = self.clock.now()
        if terminal is None:
            self.counters["wrong_code"] += 1
            self._supervision.note_fault(source.device_id, now, "security.wrong_code")
            connection.acknowledge(frame, Result.FAILED)
            return
        if not connection.is_open:
            return
        session = connection.session = Session(source.device_id)
        before = self.sessions.get(source.device_id)
        self.sessions[source.device_id] = connection
        if before is not None and before is not connection:
            before.close("replaced")
        self.counters["authenticated"] += 1
        self._supervision.seen(source.device_id, now, connection.peer, "tcp")
        connection.acknowledge(frame, Result.OK)
        if terminal.confirmed_at is not None:
            self._confirm_to(connection, session, terminal)

    # --- messages of an admitted terminal

    def _take_heartbeat(self, connection: Connection, session: Session, frame: Frame, body: Body) -> None:
        self.counters["heartbeats"] += 1
        connection.acknowledge(frame, Result.OK)

    def _take_location(self, connection: Connection, session: Session, frame: Frame, body: Body) -> None:
        assert isinstance(body, Location)
        self.counters["reports"] += 1
        self._hand_in(connection, session, frame, (body,), is_batch=False)
        if session.confirm_bits:
            self._confirm_again(connection, session, body)

    def _take_batch(self, connection: Connection, session: Session, frame: Frame, body: Body) -> None:
        assert isinstance(body, Batch)
        locations = tuple(one for one in body.locations if isinstance(one, Location))
        self.counters["batches"] += 1
        self.counters["reports"] += len(locations)
        if not body.is_whole or len(locations) < len(body.locations):
            self.counters["bad_batch"] += 1
            if self.is_new(frame.phone, "bad_batch"):
                self._put_aside(connection, frame, session.device_id, "unreadable", None)
        if locations:
            self._hand_in(connection, session, frame, locations, is_batch=True)
        else:
            connection.acknowledge(frame, Result.OK if body.is_whole else Result.BAD_MESSAGE)

    def _hand_in(
        self, connection: Connection, session: Session, frame: Frame, locations: tuple[Location, ...], *, is_batch: bool
    ) -> None:
        source = self._devices.source("jt808", frame.phone)
        unit_id = str(source.settings.get("unit_id") or "") if source is not None else ""
        now = self.clock.now()
        raw = frame.raw or frame.body
        due = _Due(connection, frame, len(locations))
        for location in locations:
            ignored = location.alarm & ~alarms.KEPT_BITS
            if ignored:
                self.counters["bits_not_kept"] += 1
            report = Report(
                session.device_id,
                frame.phone,
                connection.peer,
                raw,
                frame.serial,
                now,
                location.at,
                location.alarm & alarms.KEPT_BITS,
                alarms.CLEARED_BY_CONFIRMATION,
                partial(alarms.edge_events, location=location),
                _position(session.device_id, location),
                unit_id,
                is_batch,
            )
            try:
                future = self._terminals.accept(report)
            except TocsinError as error:
                self.note_failure(error)
                due.has_failed = True
                continue
            self.begin()
            future.add_done_callback(partial(self._committed, due))

    def _committed(self, due: _Due, future: asyncio.Future[str]) -> None:
        """Answer a message once all of it is committed; without a commit nothing is answered."""
        self.end()
        due.left -= 1
        if future.cancelled() or (error := future.exception()) is not None:
            due.has_failed = True
            self.note_failure(None if future.cancelled() else error)
        elif signal_id := future.result():
            due.signals.append(signal_id)
            self.counters["signals"] += 1
        if due.left or due.has_failed:
            return
        due.connection.acknowledge(due.frame, Result.OK)
        if due.signals:
            now = self.clock.now()
            for signal_id in due.signals:
                self._intake.acknowledged(signal_id, now)

    def _take_answer(self, connection: Connection, session: Session, frame: Frame, body: Body) -> None:
        """Take what a question of ours is answered with."""
        if isinstance(body, Ack | Parameters | LocationReply):
            future = session.pending.pop(body.serial, None)
            if future is not None and not future.done():
                future.set_result(body)
        if not isinstance(body, Ack):
            connection.acknowledge(frame, Result.OK)

    def _take_resend(self, connection: Connection, session: Session, frame: Frame, body: Body) -> None:
        assert isinstance(body, Resend)
        kept = session.sent_long.get(body.first_serial, [])
        found = [kept[index - 1] for index in body.indexes if 0 < index <= len(kept)]
        connection.acknowledge(frame, Result.OK if found else Result.FAILED)
        connection.write(b"".join(found))

    def _take_multimedia(self, connection: Connection, session: Session, frame: Frame, body: Body) -> None:
        """Answer a picture and keep nothing of it: nobody asked for it for a purpose."""
        assert isinstance(body, Multimedia)
        self.counters["pictures_not_kept"] += 1
        connection.send(MessageId.MULTIMEDIA_ACK, MultimediaAck(body.multimedia_id))

    def _take_unregister(self, connection: Connection, session: Session, frame: Frame, body: Body) -> None:
        if connection.is_being_admitted:
            return
        connection.is_being_admitted = True
        task = asyncio.create_task(self._unregister(connection, session, frame), name="jt808 end of registration")
        self._admitting.add(task)
        task.add_done_callback(self._admitting.discard)

    async def _unregister(self, connection: Connection, session: Session, frame: Frame) -> None:
        try:
            await self._terminals.unregister(session.device_id)
        except TocsinError as error:
            self.note_failure(error)
            return
        finally:
            connection.is_being_admitted = False
        self.counters["unregistered"] += 1
        self._supervision.lost(session.device_id, self.clock.now(), "register.removed")
        connection.acknowledge(frame, Result.OK)
        connection.close("unregistered")

    # --- to the terminal

    def confirm(self, terminal: Terminal) -> None:
        """Tell a terminal that an operator has taken its alarm, now or when it connects again."""
        connection = self.sessions.get(terminal.device_id)
        if connection is not None and connection.session is not None:
            self._confirm_to(connection, connection.session, terminal)

    def _confirm_to(self, connection: Connection, session: Session, terminal: Terminal) -> None:
        session.confirm_bits = terminal.word & alarms.CONFIRMABLE
        session.confirm_serial = terminal.press_serial
        if session.confirm_bits:
            self._send_confirmation(connection, session)

    def _confirm_again(self, connection: Connection, session: Session, location: Location) -> None:
        session.confirm_bits &= location.alarm
        if session.confirm_bits and self.clock.monotonic() - session.confirm_told_s >= CONFIRM_AGAIN_S:
            self._send_confirmation(connection, session)

    def _send_confirmation(self, connection: Connection, session: Session) -> None:
        self.counters["confirmations"] += 1
        session.confirm_told_s = self.clock.monotonic()
        connection.send(MessageId.CONFIRM_ALARM, ConfirmAlarm(session.confirm_serial, session.confirm_bits))

    def ask(self, device_id: str, message_id: int, body: Body) -> asyncio.Future[Body]:
        """Send a terminal something it answers; return the future of its answer, cancelled when the connection ends.

        Errors: UNAVAILABLE when it is not connected or has too much to answer; INVALID when the message does not fit.
        """
        connection = self.sessions.get(device_id)
        session = connection.session if connection is not None else None
        if connection is None or session is None or not connection.is_open:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the terminal is not connected", key="terminal.not_connected")
        for serial in [serial for serial, future in session.pending.items() if future.done()]:
            del session.pending[serial]
        if len(session.pending) >= MAX_UNASKED:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the terminal does not answer", key="terminal.silent")
        future: asyncio.Future[Body] = asyncio.get_running_loop().create_future()
        try:
            serial = connection.send(message_id, body)
        except ValueError as error:
            raise TocsinError(ErrorCode.INVALID, str(error), key="terminal.too_long") from error
        session.pending[serial] = future
        return future

    # --- flow

    def write_soon(self, connection: Connection) -> None:
        """Write the connection's answers once all commits of this turn are known, in one call."""
        if not self._ready:
            asyncio.get_running_loop().call_soon(self._write_ready)
        self._ready.append(connection)

    def _write_ready(self) -> None:
        ready, self._ready = self._ready, []
        for connection in ready:
            connection.flush()

    # --- connections

    def leave(self, connection: Connection, host: str) -> bool:
        """Count a connection out, and its terminal as not connected; say whether it was in."""
        session = connection.session
        if session is not None and self.sessions.get(session.device_id) is connection:
            del self.sessions[session.device_id]
        return super().leave(connection, host)

    async def _sweep(self) -> None:
        """Close who does not show a code or is silent, ask for missing parts, notice a store that has stopped."""
        while True:
            await self.clock.sleep(SWEEP_S)
            now_s = self.clock.monotonic()
            for connection in list(self.connections):
                self._look_at(connection, now_s)
            self.watch_store(now_s)

    def _look_at(self, connection: Connection, now_s: float) -> None:
        session = connection.session
        if session is None:
            if now_s - connection.opened_s > ADMITTED_WITHIN_S and not connection.is_being_admitted:
                connection.close("not_admitted")
            return
        if now_s - connection.heard_s > self.config.idle_timeout_s:
            connection.close("idle")
            return
        if len(session.parts):
            for missing in session.parts.expire(now_s):
                self.counters["parts_asked_again"] += 1
                connection.send(MessageId.PLATFORM_RESEND, Resend(missing.first_serial, missing.indexes))


def _position(device_id: str, location: Location) -> Position | None:
    if not location.is_fix or location.at is None:
        return None
    return Position(device_id, location.at, location.lon_e6, location.lat_e6, location.speed_dkmh, location.heading_deg)
