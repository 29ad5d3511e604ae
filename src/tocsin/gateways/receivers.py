"""Hardware receivers of telephone and radio over TCP: they call us, or we call them; one message at a time.

A receiver sends a message and waits; the octet that takes it leaves after the commit. A second answer to one message
would be taken for the answer to the next, so a repetition that arrives while its first is still being committed is
counted and not answered. What one line of a receiver breaks is that line.

The panels behind a receiver are devices of the registry, found by receiver number, line and account.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, Protocol, cast
from urllib.parse import urlsplit

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import TocsinError
from tocsin.domain.directory import DirectoryDevice, Source
from tocsin.domain.paths import Way
from tocsin.domain.signals import Receipt, Signal
from tocsin.domain.spoken import RECEIVERS
from tocsin.gateways.door import Door, Limits
from tocsin.protocols.receiver_lines.line import Heartbeat, Item, Report
from tocsin.protocols.receiver_lines.lines import LINES

log = structlog.get_logger(__name__)

REPEATED_WITHIN_S: Final = 15.0
MAX_QUEUED: Final = 32
MAX_REFUSALS: Final = 2
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
CONNECT_WITHIN_S: Final = 10.0
SILENT_MISSES: Final = 4
SWEEP_S: Final = 5.0
USUAL_HEARTBEAT_S: Final = 30.0
UNKNOWN_RECEIVER: Final = "unknown_receiver"


class Intake(Protocol):
    """Where signals go."""

    def accept(self, signal: Signal) -> asyncio.Future[Receipt]:
        """Return a future that resolves after the commit and raises when nothing was committed."""

    def acknowledged(self, arrival_id: str, at: datetime) -> None:
        """Note when the acknowledgement of an arrival left."""


class Accounts(Protocol):
    """Who may speak."""

    def relayed(self, receiver: str, line: str, account: str) -> str:
        """Return the id of the panel a receiver names; empty when nobody has entered it."""

    def sources(self, *protocols: str) -> list[Source]:
        """Return the receivers that were entered."""


class Supervision(Protocol):
    """Who keeps watch over silent devices."""

    def touch(self, device_id: str, at: datetime, way: Way | None = None) -> None:
        """Note a good frame of the device."""


@dataclass(frozen=True, slots=True)
class ReceiversConfig:
    """Where to listen: a port for each protocol, 0 takes a free one. SIA blocks carry the panels' local time."""

    host: str = "127.0.0.1"
    ports: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(RECEIVERS, 0))
    max_connections: int = 64
    panel_utc_offset_s: float = 8 * 3600.0


class ReceiverGateway(Door["Link"]):
    """Takes what hardware receivers send."""

    def __init__(
        self, config: ReceiversConfig, intake: Intake, accounts: Accounts, supervision: Supervision, clock: Clock
    ) -> None:
        super().__init__("receivers", Limits(config.max_connections), clock)
        self.config = config
        self.intake = intake
        self._accounts = accounts
        self._supervision = supervision
        self._servers: dict[str, asyncio.Server] = {}
        self._calls: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._sweeper: asyncio.Task[None] | None = None

    # --- life

    async def start(self) -> None:
        """Listen, and call the receivers that are to be called. Errors: OSError when a port is not free."""
        loop = asyncio.get_running_loop()
        for protocol, port in self.config.ports.items():
            self._servers[protocol] = await loop.create_server(
                partial(Link, self, protocol, None), self.config.host, port
            )
        self._sweeper = asyncio.create_task(self._sweep(), name="receivers sweep")
        self._call_as_entered()
        log.info("receivers listening", host=self.config.host, ports=self.ports)

    async def stop(self) -> None:
        """Close everything; what is being committed stays committed, and the receivers send again."""
        for server in self._servers.values():
            server.close()
        tasks = [task for _, task in self._calls.values()] + ([self._sweeper] if self._sweeper else [])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._calls.clear()
        self._servers.clear()
        self._sweeper = None
        for link in list(self.connections):
            link.close("stopped")

    def check(self) -> None:
        """Raise when a port is closed, or a task that never ends has ended."""
        for protocol in self.config.ports:
            server = self._servers.get(protocol)
            if server is None or not server.is_serving():
                raise ConnectionError(f"the {protocol} port is closed")
        for task in (self._sweeper, *(task for _, task in self._calls.values())):
            if task is None or task.done():
                raise RuntimeError("a task of the receivers has ended")

    @property
    def ports(self) -> dict[str, int]:
        """The ports it listens on, by protocol."""
        return {
            protocol: server.sockets[0].getsockname()[1] for protocol, server in self._servers.items() if server.sockets
        }

    def entries_changed(self, read: Sequence[DirectoryDevice], gone: Collection[str]) -> None:
        """Hear that devices were read again: receivers entered are called, those gone are not any more."""
        if self._sweeper is not None and (gone or any(device.protocol in RECEIVERS for device in read)):
            self._call_as_entered()

    # --- those we call

    def _call_as_entered(self) -> None:
        wanted = {s.device_id: s for s in self._accounts.sources(*RECEIVERS) if _port_of(s.url)}
        for device_id, (url, task) in list(self._calls.items()):
            source = wanted.get(device_id)
            if source is None or source.url != url:
                task.cancel()
                del self._calls[device_id]
        for device_id, source in wanted.items():
            if device_id not in self._calls:
                task = asyncio.create_task(self._keep_calling(source), name=f"receiver {device_id}")
                self._calls[device_id] = (source.url, task)
        for link in list(self.connections):
            link.known_as(self._source_of(link))

    async def _keep_calling(self, source: Source) -> None:
        """Hold a connection to one receiver, for ever."""
        pause_s = FIRST_PAUSE_S
        parts = urlsplit(source.url)
        while True:
            ended = asyncio.Event()
            link = Link(self, source.protocol, source, ended)
            try:
                loop = asyncio.get_running_loop()
                connecting = loop.create_connection(partial(_same, link), parts.hostname or "", parts.port or 0)
                await asyncio.wait_for(connecting, CONNECT_WITHIN_S)
            except (OSError, TimeoutError) as error:
                self.counters["calls_failed"] += 1
                if self.is_new(source.device_id, "no_answer"):
                    log.warning("receiver does not answer", device_id=source.device_id, error=str(error))
            else:
                pause_s = FIRST_PAUSE_S
                try:
                    await ended.wait()
                finally:
                    link.close("ended")
            await self.clock.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    # --- links call these

    def admit(self, connection: Link, host: str) -> str:
        """Count a new connection in and find whose it is; return why not, or ""."""
        if refused := super().admit(connection, host):
            return refused
        if connection.source is None:
            connection.known_as(self._source_of(connection))
        if connection.source is None and self.is_new(host, "nobody"):
            log.warning("receiver nobody has entered", protocol=connection.protocol, peer=connection.peer)
        return ""

    def touch(self, link: Link) -> None:
        """Note a sign of life of a receiver."""
        if link.source is not None:
            self._supervision.touch(link.source.device_id, self.clock.now())

    def signal(self, link: Link, report: Report) -> Signal:
        """Return a report as the house keeps it."""
        now = self.clock.now()
        device_id = self._accounts.relayed(report.receiver, report.line, report.account) if report.account else ""
        quarantine, flags = report.reason, report.flags
        if not device_id and (report.is_own or not report.account) and link.source is not None:
            device_id = link.source.device_id
        elif not device_id:
            quarantine = "unknown_account" if report.account else report.reason
        if device_id and not report.is_own:
            way = Way(receiver=report.receiver, line=report.line, host=link.host, transport=link.protocol)
            self._supervision.touch(device_id, now, way)
        if link.source is None:
            flags = (*flags, UNKNOWN_RECEIVER)
        return Signal(
            link.protocol,
            "tcp",
            link.peer,
            report.account or (link.source.name[:64] if link.source else ""),
            report.raw,
            now,
            device_id or None,
            report.token[:16],
            dedup_key=f"{report.receiver}|{report.line}|{report.key}",
            events=report.events,
            quarantine=quarantine,
            flags=flags,
            repeat_within_s=REPEATED_WITHIN_S,
        )

    # --- inside

    def _source_of(self, link: Link) -> Source | None:
        """Return the receiver a connection is of: the one called, else the one of that protocol and address."""
        for source in self._accounts.sources(link.protocol):
            if link.is_called and link.source is not None:
                if source.device_id == link.source.device_id:
                    return source
            elif not _port_of(source.url) and _host_of(source.url) == link.host:
                return source
        return None

    async def _sweep(self) -> None:
        """Close lines that have said nothing for several heartbeats: they are called again, or call again."""
        while True:
            await self.clock.sleep(SWEEP_S)
            now_s = self.clock.monotonic()
            for link in list(self.connections):
                usual_s = (link.source.poll_interval_s if link.source else 0.0) or USUAL_HEARTBEAT_S
                if now_s - link.heard_s > SILENT_MISSES * usual_s:
                    link.close("silent")


class Link(asyncio.Protocol):
    """One connection of a receiver: at most one message is being committed, at most `MAX_QUEUED` wait behind it."""

    def __init__(
        self, gateway: ReceiverGateway, protocol: str, source: Source | None, ended: asyncio.Event | None = None
    ) -> None:
        self.protocol = protocol
        self.source = source
        self.is_called = source is not None
        self.peer = self.host = ""
        self.heard_s = gateway.clock.monotonic()
        self._gateway = gateway
        self._ended = ended
        self._line = LINES[protocol](gateway.config.panel_utc_offset_s)
        self._queue: deque[Item] = deque()
        self._pending: Report | None = None
        self._refusals = 0
        self._transport: asyncio.Transport | None = None

    def known_as(self, source: Source | None) -> None:
        """Take which receiver of the registry this is."""
        self.source = source

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or close it at once."""
        self._transport = cast(asyncio.Transport, transport)
        name = transport.get_extra_info("peername") or ("", 0)
        self.host, self.peer = str(name[0]), f"{name[0]}:{name[1]}"
        self.heard_s = self._gateway.clock.monotonic()
        if reason := self._gateway.admit(self, self.host):
            self.close(reason)
            return
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the line; what was not answered comes again."""
        self._transport = None
        self._queue.clear()
        self._gateway.leave(self, self.host)
        if self._ended is not None:
            self._ended.set()

    def data_received(self, data: bytes) -> None:
        """Take octets."""
        self.heard_s = self._gateway.clock.monotonic()
        for item in self._line.receive(data, self._gateway.clock.now()):
            if self._pending is None:
                self._take(item)
            elif isinstance(item, Report) and item.key == self._pending.key:
                self._gateway.counters["repeated_while_waiting"] += 1
                self._hand_in(item)  # one more copy; the answer of the first stands for both
            else:
                self._queue.append(item)
        self._follow()

    def close(self, reason: str) -> None:
        """Close the connection and count why."""
        if self._transport is not None:
            self._gateway.counters[f"closed_{reason}"] += 1
            self._transport.close()
            self._gateway.leave(self, self.host)

    def hold(self) -> None:
        """Stop reading."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def release(self) -> None:
        """Read again, while there is room."""
        self._follow()

    # inside

    def _take(self, item: Item) -> None:
        counters = self._gateway.counters
        if isinstance(item, Heartbeat):
            counters["heartbeats"] += 1
            self._gateway.touch(self)
            self._write(item.reply)
        elif not isinstance(item, Report):
            counters[f"noise_{item.reason}"] += 1
        elif item.is_garbled and item.refusal and self._refusals < MAX_REFUSALS:
            self._refusals += 1
            counters["refused"] += 1
            self._write(item.refusal)
        else:
            self._refusals = 0
            counters["reports"] += 1
            self._gateway.touch(self)
            self._pending = item
            future = self._hand_in(item)
            if future is None:
                self._pending = None
            else:
                future.add_done_callback(lambda done: self._committed(item, done))

    def _hand_in(self, item: Report) -> asyncio.Future[Receipt] | None:
        try:
            future = self._gateway.intake.accept(self._gateway.signal(self, item))
        except TocsinError as error:
            self._gateway.note_failure(error)
            return None
        future.add_done_callback(_look_at)
        return future

    def _committed(self, item: Report, future: asyncio.Future[Receipt]) -> None:
        """Answer a message whose commit has ended well; go on with those that came meanwhile."""
        self._pending = None
        if future.cancelled() or (error := future.exception()) is not None:
            self._gateway.note_failure(None if future.cancelled() else error)
        elif self._transport is not None and not self._transport.is_closing():
            receipt = future.result()
            if receipt.is_duplicate:
                self._gateway.counters["duplicates"] += 1
            if item.reply:
                self._write(item.reply)
                self._gateway.intake.acknowledged(receipt.arrival_id, self._gateway.clock.now())
        while self._queue and self._pending is None:
            self._take(self._queue.popleft())
        self._follow()

    def _write(self, octets: bytes) -> None:
        if self._transport is not None and octets:
            self._transport.write(octets)

    def _follow(self) -> None:
        """Read exactly while there is room."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if (len(self._queue) < MAX_QUEUED) != transport.is_reading():
            (transport.resume_reading if len(self._queue) < MAX_QUEUED else transport.pause_reading)()


def _look_at(future: asyncio.Future[Receipt]) -> None:
    """Take the exception of a commit nobody waits for: `_committed` and the store have told of it."""
    with contextlib.suppress(asyncio.CancelledError):
        future.exception()


def _same(link: Link) -> Link:
    return link


def _port_of(url: str) -> int:
    return urlsplit(url).port or 0


def _host_of(url: str) -> str:
    return urlsplit(url).hostname or ""
