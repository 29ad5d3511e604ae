"""The door of a TCP gateway: who may come in, what waits for the store, and when reading stops and goes on.

Everything that grows has a bound: connections, connections per address, work that waits for its commit (reading stops
there, and the peers' own buffers fill), and the memory of what was logged already.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import structlog

from tocsin.base.clock import Clock

log = structlog.get_logger(__name__)

STALLED_AFTER_S: Final = 2.0
NOTED_AGAIN_AFTER_S: Final = 60.0
MAX_NOTED: Final = 4096
STOP_WAIT_S: Final = 3.0


class Guest(Protocol):
    """A connection, as the door knows it."""

    def hold(self) -> None:
        """Stop reading."""

    def release(self) -> None:
        """Take what was read meanwhile, then read again."""


C = TypeVar("C", bound=Guest)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is borne. `per_address` 0: as many as there may be; `waiting` is work not yet committed."""

    connections: int
    per_address: int = 0
    exempt_networks: tuple[str, ...] = ()
    waiting: int = 4096


class Door(Generic[C]):
    """What the gateways that listen on TCP have in common; `name` begins their log lines."""

    def __init__(self, name: str, limits: Limits, clock: Clock) -> None:
        self.clock = clock
        self.counters: Counter[str] = Counter()
        self.connections: set[C] = set()
        self.waiting = 0
        self.is_stalled = False
        self.is_stopping = False
        self._name = name
        self.limits = limits
        self._exempt = tuple(ipaddress.ip_network(text, strict=False) for text in limits.exempt_networks)
        self._per_address: Counter[str] = Counter()
        self._noted: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._held: set[C] = set()
        self._last_progress_s = 0.0
        self._nothing_waits = asyncio.Event()

    # --- who comes and goes

    def admit(self, connection: C, host: str) -> str:
        """Count a new connection in; return why not, or ""."""
        limits = self.limits
        if len(self.connections) >= limits.connections:
            return "too_many_connections"
        if limits.per_address and self._per_address[host] >= limits.per_address and not self._is_exempt(host):
            return "too_many_from_address"
        self._per_address[host] += 1
        self.connections.add(connection)
        self.counters["connections"] += 1
        return ""

    def leave(self, connection: C, host: str) -> bool:
        """Count a connection out; say whether it was in."""
        if connection not in self.connections:
            return False
        self.connections.discard(connection)
        self._held.discard(connection)
        self._per_address[host] -= 1
        if self._per_address[host] <= 0:
            del self._per_address[host]
        return True

    def _is_exempt(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self._exempt)

    # --- what waits for the store

    @property
    def is_full(self) -> bool:
        """Whether reading should stop: too much waits for the store, or the store does not answer."""
        return self.is_stalled or self.is_stopping or self.waiting >= self.limits.waiting

    def hold(self, connection: C) -> None:
        """Remember a connection that stopped reading until the store has caught up."""
        self._held.add(connection)
        self.counters["held"] += 1

    def begin(self, count: int = 1) -> None:
        """Note work that waits for its commit."""
        if self.waiting == 0:
            self._last_progress_s = self.clock.monotonic()
        self.waiting += count
        self._nothing_waits.clear()

    def end(self) -> None:
        """Note that one commit has ended, well or not; when enough have, reading goes on."""
        self.waiting -= 1
        self._last_progress_s = self.clock.monotonic()
        if self.is_stalled:
            self.is_stalled = False
            log.info("store answers again", gateway=self._name)
        if not self.waiting:
            self._nothing_waits.set()
        if self.is_reading_held and not self.is_stopping and self.waiting <= self.limits.waiting // 2:
            self.read_again()

    @property
    def is_reading_held(self) -> bool:
        """Whether something is not read from."""
        return bool(self._held)

    def read_again(self) -> None:
        """Read from those that were held."""
        held, self._held = self._held, set()
        for connection in held:
            connection.release()

    def watch_store(self, now_s: float) -> bool:
        """Notice that no commit has ended for a while: reading stops. Say whether it was noticed just now."""
        if not self.waiting or self.is_stalled or now_s - self._last_progress_s <= STALLED_AFTER_S:
            return False
        self.is_stalled = True
        self.counters["stalls"] += 1
        log.error("store does not answer, reading stopped", gateway=self._name, waiting=self.waiting)
        return True

    async def drain(self) -> None:
        """Stop reading and wait a little for what is being committed."""
        self.is_stopping = True
        for connection in self.connections:
            connection.hold()
        if self.waiting and not self.is_stalled:
            self._nothing_waits.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nothing_waits.wait(), STOP_WAIT_S)

    # --- what is said once

    def note_failure(self, error: BaseException | None) -> None:
        """Count what was not committed: nothing is answered, and the peer sends it again."""
        self.counters["not_committed"] += 1
        if self.is_new("", "not_committed"):
            log.error("not committed, no answer sent", gateway=self._name, error=str(error) if error else "cancelled")

    def is_new(self, account: str, reason: str) -> bool:
        """Say whether this has not been seen within a minute; the memory of it is bounded."""
        now_s = self.clock.monotonic()
        key = (account, reason)
        noted_s = self._noted.get(key)
        if noted_s is not None and now_s - noted_s < NOTED_AGAIN_AFTER_S:
            return False
        self._noted[key] = now_s
        self._noted.move_to_end(key)
        if len(self._noted) > MAX_NOTED:
            self._noted.popitem(last=False)
        return True
