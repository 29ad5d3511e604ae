"""A whole city of simulated devices against one server, and what became of everything it sent.

Enter it, connect it, let it live through its schedule, settle, reckon: sent = acknowledged + refused + no reply, what
was acknowledged is stored once, and each alarm of it was on the screen.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import quote

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.sim import city_plan, city_registry
from tocsin.sim.city_intercoms import CityIntercoms
from tocsin.sim.city_ledger import Ledger, Reckoning, reckon, spread
from tocsin.sim.city_panels import CityPanels
from tocsin.sim.city_part import CityPart
from tocsin.sim.city_plan import CityPlan, Cut, Happening, Press
from tocsin.sim.city_screen import CityScreen
from tocsin.sim.city_terminals import CityTerminals
from tocsin.sim.radio import Radio, RadioError

API_TIMEOUT_S: Final = 60.0
LOOK_S: Final = 0.05
LAST_SHOWN_S: Final = 5.0
CONNECT_WITHIN_S: Final = 120.0
PAGE: Final = 500
DOORS: Final = {"panels": "dc09", "terminals": "jt808", "intercoms": "sip"}

Told = Callable[[str, int, int], None]
Due = TypeVar("Due", Happening, Press)


def _nothing(what: str, done: int, of: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class CityServer:
    """Where the server is: its API with a token, and its doors."""

    url: str
    token: str = field(repr=False)
    dc09: tuple[str, int] = ("127.0.0.1", 10500)
    jt808: tuple[str, int] = ("127.0.0.1", 7611)
    sip: tuple[str, int] = ("127.0.0.1", 5060)


@dataclass(slots=True)
class CityReport:
    """What happened, for the last line of the command."""

    share: float
    seed: int
    schedule: str
    devices: dict[str, int]
    connected: dict[str, int]
    connected_at_end: dict[str, int]
    imports: list[str]
    connect_s: float
    seconds: float
    ended_early: bool
    retried: int
    reconnects: int
    polls: int
    cut: int
    feed_breaks: int
    feed_gaps: int
    ack_ms: dict[str, float]
    reckoning: Reckoning

    @property
    def away(self) -> int:
        """How many devices are not connected at the end."""
        return sum(self.devices.values()) - sum(self.connected_at_end.values())

    @property
    def is_whole(self) -> bool:
        """Whether every device was connected, and is at the end."""
        return self.connected == self.connected_at_end == self.devices

    @property
    def holds(self) -> bool:
        """Whether the city is whole and everything adds up."""
        return self.is_whole and self.reckoning.holds

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        shown = asdict(self)
        del shown["reckoning"]
        return {**shown, **self.reckoning.to_json(), "holds": self.holds}


class City:
    """One run of the city. The steps may be taken one by one, as benches and crash tests do."""

    def __init__(self, plan: CityPlan, server: CityServer, clock: Clock) -> None:
        self.plan = plan
        self.ledger = Ledger()
        self.homes = city_plan.city_panels(plan)
        self.crews = city_plan.city_terminals(plan)
        self.panels = CityPanels(
            self.homes, server.dc09, self.ledger, clock, retry_after_s=plan.retry_after_s, seed=plan.seed
        )
        self.terminals = CityTerminals(
            self.crews, server.jt808, self.ledger, clock, retry_after_s=plan.retry_after_s, seed=plan.seed
        )
        self.doors = city_plan.city_intercoms(plan)
        self.intercoms = CityIntercoms(self.doors, city_plan.password_of_city(), server.sip, self.ledger, clock)
        self._doors = (server.dc09, server.jt808, server.sip)
        self.ended = asyncio.Event()
        self.screen = CityScreen(server.url, server.token, clock)
        self._radio = Radio(server.url, server.token, API_TIMEOUT_S)
        self._clock = clock
        self._began_at = clock.now()
        self._imports: list[str] = []
        self._connect_s = 0.0
        self._connected: dict[str, int] = {}
        self._lived_s = 0.0
        self._cut = 0
        self.schedule: list[Happening] = city_plan.happenings(plan, self.homes)
        self.presses: list[Press] = city_plan.presses(plan, len(self.crews), plan.presses)
        self.sos_calls: list[Press] = city_plan.presses(plan, len(self.doors), plan.sos_calls)

    @property
    def devices(self) -> dict[str, int]:
        """How many of each kind take part."""
        return {"panels": len(self.homes), "terminals": len(self.crews), "intercoms": len(self.doors)}

    @property
    def connected(self) -> dict[str, int]:
        """How many of each kind are connected now."""
        return {name: part.connected for name, part in self._parts}

    @property
    def _parts(self) -> tuple[tuple[str, CityPart], ...]:
        return ("panels", self.panels), ("terminals", self.terminals), ("intercoms", self.intercoms)

    @property
    def sockets(self) -> int:
        """How many sockets it needs."""
        return self.panels.sockets + self.terminals.sockets + 8

    async def enter(self, told: Told = _nothing) -> None:
        """Enter the places, devices and zones that are not there. Errors: UNAVAILABLE."""
        self._imports = await city_registry.enter(self._radio, self.homes, self.crews, self.doors, told)

    async def connect(self, told: Told = _nothing, within_s: float = CONNECT_WITHIN_S) -> None:
        """Open the screen and all lines. Errors: UNAVAILABLE when the feed is refused, or all of one kind."""
        began_s = self._clock.monotonic()
        await self.screen.start()
        for (name, part), (host, port) in zip(self._parts, self._doors, strict=True):
            connected = await part.connect(within_s, _telling(told, f"connecting {name}"))
            if not connected:
                raise TocsinError(
                    ErrorCode.UNAVAILABLE,
                    f"none of {self.devices[name]:,} {name} was answered at {host}:{port}: "
                    f"--{DOORS[name]} says where the server receives them",
                )
            self._connected[name] = connected
        self._connect_s = round(self._clock.monotonic() - began_s, 2)

    async def live(self, told: Told = _nothing) -> None:
        """Let the schedule happen, with its outages, and return when it is over, or `ended` is set."""
        plan, began_s = self.plan, self._clock.monotonic()
        work = [
            asyncio.create_task(self._play(began_s, self.schedule, self.panels.happen)),
            asyncio.create_task(self._play(began_s, self.presses, lambda one: self.terminals.press(one.number))),
            asyncio.create_task(
                self._play(began_s, self.sos_calls, lambda one: self.intercoms.call_for_help(one.number))
            ),
        ]
        work += [asyncio.create_task(self._cut_off(began_s, cut)) for cut in city_plan.cuts(plan)]
        ends_s = max([plan.seconds, *(one.at_s for one in self.schedule)])
        try:
            while not self.ended.is_set() and (
                any(not task.done() for task in work) or self._clock.monotonic() - began_s < ends_s
            ):
                for task in work:
                    if task.done():
                        task.result()
                told("living", min(round(self._clock.monotonic() - began_s), round(ends_s)), round(ends_s))
                await self._clock.sleep(LOOK_S)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            self._lived_s = round(self._clock.monotonic() - began_s, 2)

    async def settle(self, told: Told = _nothing) -> None:
        """Wait until everything sent has its answer and every device is connected again, for `patience_s` at most."""
        ends_s = self._clock.monotonic() + self.plan.patience_s
        while self._clock.monotonic() < ends_s:
            if waiting := sum(part.waiting for _, part in self._parts):
                told("waiting for the last answers", max(0, self.ledger.sent - waiting), self.ledger.sent)
            elif any(self.connected[name] < count for name, count in self._connected.items()):
                told("waiting for the last to come back", sum(self.connected.values()), sum(self._connected.values()))
            else:
                break
            await self._clock.sleep(LOOK_S)

    async def reckon(self, told: Told = _nothing) -> CityReport:
        """Read what the server stored and compare it with what was sent and shown. Errors: UNAVAILABLE."""
        signals = await self._signals(told)
        wanted = {alarm_id for signal in signals for alarm_id in signal["alarm_ids"] if self._is_ours(signal)}
        ends_s = self._clock.monotonic() + LAST_SHOWN_S
        while not self.screen.heard.keys() >= wanted and self._clock.monotonic() < ends_s:
            await self._clock.sleep(LOOK_S)
        missing = wanted - self.screen.heard.keys()
        listed = await self._listed(missing) if missing and self.screen.gaps else frozenset[str]()
        return CityReport(
            self.plan.share,
            self.plan.seed,
            city_plan.fingerprint(self.schedule),
            self.devices,
            dict(self._connected),
            self.connected,
            self._imports,
            self._connect_s,
            self._lived_s,
            self.ended.is_set(),
            self.panels.retried + self.terminals.retried,
            self.panels.reconnects + self.terminals.reconnects,
            self.panels.polls,
            self._cut,
            self.screen.breaks,
            self.screen.gaps,
            spread(self.ledger.latencies_ms()),
            reckon(self.ledger, signals, self.screen.heard, listed),
        )

    async def stop(self) -> None:
        """Hang up everywhere."""
        for _, part in self._parts:
            await part.stop()
        await self.screen.stop()

    async def _play(self, began_s: float, schedule: Sequence[Due], happen: Callable[[Due], None]) -> None:
        for one in schedule:
            wait_s = began_s + one.at_s - self._clock.monotonic()
            if wait_s > 0:
                await self._clock.sleep(wait_s)
            happen(one)

    async def _cut_off(self, began_s: float, cut: Cut) -> None:
        """Let something fail for its time, and all that hang on it come back."""
        await self._clock.sleep(max(0.0, began_s + cut.at_s - self._clock.monotonic()))
        self._cut += sum(part.cut(cut.kind) for _, part in self._parts)
        try:
            await self._clock.sleep(cut.until_s - cut.at_s)
        finally:
            for _, part in self._parts:
                part.restore(cut.kind)

    def _is_ours(self, signal: Any) -> bool:
        return bool(signal["account"]) and (
            signal["account"] in self.ledger.presses or signal["account"] in {home.account for home in self.homes}
        )

    async def _signals(self, told: Told) -> list[Any]:
        """Return every signal received since the run began."""
        found: list[Any] = []
        after = ""
        while True:
            page = await self._get(f"/api/v1/signals?from={quote(iso(self._began_at))}&limit={PAGE}&after={after}")
            found += page["items"]
            told("reading what is stored", len(found), 0)
            if page["next"] is None:
                return found
            after = page["next"]

    async def _listed(self, missing: set[str]) -> frozenset[str]:
        """Return those of the alarms that a list shows, read as a console reads it after a gap."""
        found: set[str] = set()
        after = ""
        while True:
            page = await self._get(f"/api/v1/alarms?from={quote(iso(self._began_at))}&limit={PAGE}&after={after}")
            found |= {alarm["id"] for alarm in page["items"]} & missing
            if page["next"] is None or found == missing:
                return frozenset(found)
            after = page["next"]

    async def _get(self, path: str) -> Any:
        try:
            return await self._radio.get(path)
        except RadioError as error:
            raise TocsinError(ErrorCode.UNAVAILABLE, f"{path.partition('?')[0]}: {error}") from error


@contextlib.asynccontextmanager
async def open_city(plan: CityPlan, server: CityServer, clock: Clock) -> AsyncIterator[City]:
    """Build a city and hang up at the end, whatever happens."""
    city = City(plan, server, clock)
    try:
        yield city
    finally:
        await city.stop()


def _telling(told: Told, what: str) -> Callable[[int, int], None]:
    return lambda done, of: told(what, done, of)
