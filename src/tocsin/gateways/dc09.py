"""SIA DC-09 on the wire, TCP and UDP: moves frames, hands signals in, and lets an ACK leave only after the commit.

Signals are handed in without waiting for one another, so thousands of sockets, or one that sends ahead, share the
commits of the store; the answers of one connection still leave in order. What may be answered is decided by the codec's
`Receiver`. Who may come in and when reading stops is the `Door`'s (`gateways/door.py`); octets kept per connection have
a bound of their own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import TocsinError
from tocsin.base.tasks import Supervisor
from tocsin.domain.directory import Dc09Account
from tocsin.domain.paths import Way
from tocsin.domain.signals import Receipt, Signal
from tocsin.gateways.dc09_links import (
    BACKLOG,
    READ_BYTES,
    Answer,
    Connection,
    DatagramPort,
    NoAnswer,
    bind_ports,
)
from tocsin.gateways.door import Door, Limits
from tocsin.protocols.dc09 import xdata
from tocsin.protocols.dc09.crypto import AesKey
from tocsin.protocols.dc09.frame import BadFrame, Frame
from tocsin.protocols.dc09.messages import LINK_TESTS
from tocsin.protocols.dc09.payload import Payload, read_payload
from tocsin.protocols.dc09.session import AccountRules, Flag, Reason, Received, Receiver, Verdict

log = structlog.get_logger(__name__)

SWEEP_S: Final = 1.0

_FAULT_OF_REASON: Final[dict[str, str]] = {
    Reason.DOWNGRADE: "security.downgrade",
    Reason.KEY_MISMATCH: "security.key_mismatch",
    Reason.UNKNOWN_KEY: "security.key_missing",
    Reason.CLOCK: "clock.skew",
}


class Intake(Protocol):
    """Where signals go."""

    def accept(self, signal: Signal) -> asyncio.Future[Receipt]:
        """Return a future that resolves after the commit and raises when nothing was committed."""

    def acknowledged(self, arrival_id: str, at: datetime) -> None:
        """Note when the acknowledgement of an arrival left."""


class Accounts(Protocol):
    """Who may speak."""

    def dc09_account(self, receiver: str, prefix: str, account: str) -> Dc09Account | None:
        """Return the account of that text, if there is one."""


class Supervision(Protocol):
    """Who keeps watch over silent devices."""

    def touch(self, device_id: str, at: datetime, way: Way | None = None, skew_s: float | None = None) -> None:
        """Note a good frame and how it came; `skew_s` is how far ahead the clock is when that is too far."""

    def note_fault(self, device_id: str, at: datetime, key: str, skew_s: float | None = None) -> None:
        """Note what is wrong with the device, until its next good frame."""


class Keys(Protocol):
    """Who keeps the keys."""

    def confirmed(self, device_id: str, key: bytes) -> None:
        """Note that a device has used its new key: the previous one is over."""


@dataclass(frozen=True, slots=True)
class Dc09Config:
    """Where to listen and what to bear. Port 0 takes a free one, the same for TCP and UDP.

    `panel_utc_offset_s` is how far the wall clock of panels is ahead of UTC (SIA blocks carry local time).
    """

    host: str = "127.0.0.1"
    port: int = 10500
    tcp: bool = True
    udp: bool = True
    max_connections: int = 20_000
    max_connections_per_address: int = 8
    exempt_networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    frame_timeout_s: float = 10.0
    idle_timeout_s: float = 900.0
    max_waiting: int = 4096
    max_waiting_per_connection: int = 512
    answers_duh: bool = False
    panel_utc_offset_s: float = 8 * 3600.0


@dataclass(frozen=True, slots=True)
class Dc09Health:
    """How the gateway stands; ports are 0 while it does not listen."""

    tcp_port: int
    udp_port: int
    connections: int
    waiting: int
    is_stalled: bool
    receive_buffer_bytes: int


class Dc09Gateway(Door[Connection]):
    """Receives DC-09 for one address and port."""

    def __init__(
        self,
        config: Dc09Config,
        intake: Intake,
        accounts: Accounts,
        supervision: Supervision,
        clock: Clock,
        keys: Keys | None = None,
    ) -> None:
        limits = Limits(
            config.max_connections, config.max_connections_per_address, config.exempt_networks, config.max_waiting
        )
        super().__init__("dc09", limits, clock)
        self.config = config
        self.inside_frame: set[Connection] = set()
        self.read_buffer = bytearray(READ_BYTES)
        self._intake = intake
        self._accounts = accounts
        self._supervision = supervision
        self._keys = keys
        self._receiver = Receiver(self._find_account, answers_duh=config.answers_duh)
        self._rules: dict[str, tuple[Dc09Account, AccountRules]] = {}
        self._ready: list[Connection] = []
        self._server: asyncio.Server | None = None
        self._udp: DatagramPort | None = None
        self._tasks = Supervisor(clock)

    # --- life

    async def start(self) -> None:
        """Listen. Errors: UNAVAILABLE, with the port named, when somebody else has it."""
        config = self.config
        self.is_stopping = False
        tcp, udp = bind_ports(config.host, config.port, tcp=config.tcp, udp=config.udp)
        loop = asyncio.get_running_loop()
        if tcp is not None:
            self._server = await loop.create_server(lambda: Connection(self), sock=tcp, backlog=BACKLOG)
        if udp is not None:
            self._udp = DatagramPort(self, udp)
        self._tasks.spawn("dc09 sweep", self._sweep)
        health = self.health()
        log.info(
            "dc09 listening",
            host=config.host,
            tcp_port=health.tcp_port,
            udp_port=health.udp_port,
            udp_receive_buffer_bytes=health.receive_buffer_bytes,
        )

    async def stop(self) -> None:
        """Stop reading, answer what is still being committed, and close everything."""
        if self._server is not None:
            self._server.close()
        if self._udp is not None:
            self._udp.pause()
        await self.drain()
        await self._tasks.stop()
        self._write_ready()
        for connection in list(self.connections):
            connection.close("stopped")
        if self._udp is not None:
            self._udp.close()
        self._server = self._udp = None

    def check(self) -> None:
        """Raise when a socket it should have is closed."""
        if self.config.tcp and (self._server is None or not self._server.is_serving()):
            raise ConnectionError("the TCP port is closed")
        if self.config.udp and (self._udp is None or not self._udp.is_open):
            raise ConnectionError("the UDP port is closed")

    def health(self) -> Dc09Health:
        """Say how the gateway stands."""
        tcp_port = self._server.sockets[0].getsockname()[1] if self._server and self._server.sockets else 0
        return Dc09Health(
            tcp_port,
            self._udp.port if self._udp else 0,
            len(self.connections),
            self.waiting,
            self.is_stalled,
            self._udp.receive_buffer_bytes if self._udp else 0,
        )

    # --- one frame

    def take(self, item: Frame | BadFrame, answer: Answer) -> None:
        """Judge one frame; `answer` is told its reply now, after the commit, or that there is none."""
        counters = self.counters
        if isinstance(item, BadFrame):
            counters[f"bad_{item.reason.value}"] += 1
            answer.settle(None)
            return
        now = self.clock.now()
        received = self._receiver.receive(item, now)
        verdict = received.verdict
        counters[verdict.value] += 1
        if verdict is Verdict.SIGNAL:
            self._touch(received, answer, now)
            self._commit(received, answer, now)
        elif verdict is Verdict.LINK_TEST:
            self._touch(received, answer, now)
            answer.settle(self._receiver.acknowledge(received, now))
        elif verdict is Verdict.IGNORED:
            answer.settle(None)
        else:
            self._put_aside(received, answer, now)

    def _put_aside(self, received: Received, answer: Answer, now: datetime) -> None:
        """Commit what cannot be trusted or read. Link tests and stale clocks repeat for ever: one record a minute."""
        self.counters[f"refused_{received.reason}"] += 1
        is_repeating = received.header is not None and received.header.token in LINK_TESTS
        is_new = self.is_new(received.account, received.reason)
        fault = _FAULT_OF_REASON.get(received.reason)
        if fault is not None and received.owner:
            self._supervision.note_fault(received.owner, now, fault, self._skew_s(received, now))
        if is_new:
            log.warning("dc09 signal put aside", reason=received.reason, account=received.account, peer=answer.peer)
        if received.verdict is Verdict.CLOCK_REFUSED:
            # Our time goes out at once; the record only tells people that this panel's clock is wrong.
            answer.settle(self._receiver.acknowledge(received, now))
            if is_new:
                self._commit(received, NoAnswer(answer), now)
        elif is_repeating and not is_new:
            answer.settle(self._receiver.acknowledge(received, now))
        else:
            self._commit(received, answer, now)

    def _commit(self, received: Received, answer: Answer, now: datetime) -> None:
        signal = self._signal(received, answer, now)
        try:
            future = self._intake.accept(signal)
        except TocsinError as error:
            self.note_failure(error)
            answer.settle(None)
            return
        self.begin()
        answer.received = received
        future.add_done_callback(answer.committed)

    def committed(self, answer: Answer, future: asyncio.Future[Receipt]) -> None:
        """Answer a signal whose commit has ended, well or not; without a commit nothing is answered."""
        if future.cancelled() or (error := future.exception()) is not None:
            self.note_failure(None if future.cancelled() else error)
            answer.settle(None)
        else:
            receipt, received, now = future.result(), answer.received, self.clock.now()
            reply = self._receiver.acknowledge(received, now) if received is not None else None
            answer.settle(reply)
            if receipt.is_duplicate:
                self.counters["duplicates"] += 1
            if reply is not None and not isinstance(answer, NoAnswer):
                self._intake.acknowledged(receipt.arrival_id, now)
        self.end()

    def _signal(self, received: Received, answer: Answer, now: datetime) -> Signal:
        message = received.message
        is_signal = received.verdict is Verdict.SIGNAL
        rules = self._rules[received.owner][1] if received.owner else None
        payload = _NOTHING
        if message is not None and (is_signal or rules is None):
            # What a known account said and we refused must not raise an alarm; of an unknown one it is worth reading.
            payload = read_payload(message, now, self.config.panel_utc_offset_s)
            if payload.reason:
                self.counters[f"payload_{payload.reason}"] += 1
        sent_at = message.sent_at if message is not None else None
        if sent_at is not None and rules is not None and rules.clock_offset_s:
            sent_at -= timedelta(seconds=rules.clock_offset_s)
        header, dedup_key = received.header, received.dedup_key
        return Signal(
            "dc09",
            answer.transport,
            answer.peer,
            received.account,
            received.raw,
            now,
            received.owner or None,
            header.token if header is not None else "",
            sent_at,
            # What was refused must never make the accepted repetition look like a duplicate, but repeats itself.
            dedup_key if is_signal or not dedup_key else f"{received.reason} {dedup_key}",
            payload.events,
            received.reason or payload.reason,
            received.flags + payload.flags,
            header is not None and header.is_encrypted,
        )

    def _touch(self, received: Received, answer: Answer, now: datetime) -> None:
        message = received.message
        number = xdata.first(message.xdata, xdata.Letter.PATH) if message is not None and message.xdata else None
        header = received.header
        way = Way(
            number.text if number is not None else "",
            (header.receiver or "") if header is not None else "",
            (header.prefix or "") if header is not None else "",
            answer.peer.rpartition(":")[0],
            answer.transport,
        )
        skew_s = self._skew_s(received, now) if Flag.CLOCK_SKEW in received.flags else None
        self._supervision.touch(received.owner, now, way, skew_s)
        if received.key is not None and received.key_index == 0:
            self._confirm_key(received.owner)

    def _skew_s(self, received: Received, now: datetime) -> float | None:
        """Return how far ahead of ours the clock of a message's sender is; None when it told no time."""
        message = received.message
        if message is None or message.sent_at is None:
            return None
        return (message.sent_at - now).total_seconds() - self._rules[received.owner][1].clock_offset_s

    def _find_account(self, receiver: str, prefix: str, account: str) -> AccountRules | None:
        found = self._accounts.dc09_account(receiver, prefix, account)
        if found is None:
            return None
        cached = self._rules.get(found.device_id)
        if cached is not None and cached[0] is found:
            return cached[1]
        rules = AccountRules(
            found.device_id,
            tuple(map(AesKey, found.keys)),
            found.require_encryption,
            found.window_low_s,
            found.window_high_s,
            found.never_nak,
            found.clock_offset_s,
        )
        self._rules[found.device_id] = (found, rules)
        return rules

    def _confirm_key(self, device_id: str) -> None:
        """Forget the old key once the new one has worked."""
        found, rules = self._rules[device_id]
        if len(rules.keys) > 1:
            self._rules[device_id] = (found, replace(rules, keys=rules.keys[:1]))
            log.info("dc09 new key in use", device_id=device_id)
            if self._keys is not None:
                self._keys.confirmed(device_id, found.keys[0])

    def note_foreign(self, peer: str, host: str, kind: str) -> None:
        """Count and, once a minute for each address, log a peer that does not speak DC-09."""
        self.counters["foreign_protocol"] += 1
        if self.is_new(host, "foreign_protocol"):
            log.warning("dc09 peer speaks something else", peer=peer, looks_like=kind)

    # --- flow

    @property
    def is_reading_held(self) -> bool:
        """Whether a connection or the UDP socket is not read from."""
        return super().is_reading_held or (self._udp is not None and not self._udp.is_reading)

    def write_soon(self, connection: Connection) -> None:
        """Write the connection's answers once all commits of this turn are known, in one call."""
        if not self._ready:
            asyncio.get_running_loop().call_soon(self._write_ready)
        self._ready.append(connection)

    def _write_ready(self) -> None:
        ready, self._ready = self._ready, []
        for connection in ready:
            connection.write_answers()

    def read_again(self) -> None:
        """Read from the UDP socket and those that were held."""
        if self._udp is not None:
            self._udp.resume()
        super().read_again()

    async def _sweep(self) -> None:
        """Close what is too slow or too silent, and notice a store that has stopped."""
        idle_round_s = 0.0
        while True:
            await self.clock.sleep(SWEEP_S)
            now_s = self.clock.monotonic()
            slow = [c for c in self.inside_frame if now_s - c.frame_began_s > self.config.frame_timeout_s and c.is_read]
            for connection in slow:
                connection.close("frame_timeout")
            if now_s - idle_round_s >= 10.0:
                idle_round_s = now_s
                for connection in [c for c in self.connections if now_s - c.heard_s > self.config.idle_timeout_s]:
                    connection.close("idle")
            if self.watch_store(now_s) and self._udp is not None:
                self._udp.pause()

    def leave(self, connection: Connection, host: str) -> bool:
        """Count a connection out; say whether it was in."""
        self.inside_frame.discard(connection)
        return super().leave(connection, host)


_NOTHING = Payload(())
