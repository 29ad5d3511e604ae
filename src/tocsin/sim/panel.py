"""`tocsin simulate panel`: many panels against a receiver, seeded, measured, reconciled.

`run_panels` drives a plan and returns a report; `SimPanel` is one panel that lives as long as its owner wants.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tocsin.base.clock import Clock, SystemClock
from tocsin.protocols.dc09.crypto import AesKey
from tocsin.sim.panel_device import Delivery, Line, Outcome, PanelSpec, SimPanel
from tocsin.sim.panel_profiles import CID_OF_SIA, PROFILES, CodeForm, SimEvent

__all__ = [
    "CodeForm",
    "Delivery",
    "PanelPlan",
    "PanelReport",
    "PanelSpec",
    "SimEvent",
    "SimPanel",
    "Storm",
    "run_panels",
]

PACE_S: Final = 0.005
TICK_S: Final = 0.2
CONNECTS_AT_A_TIME: Final = 200

_ALARMS: Final = ("BA", "BA", "BA", "BA", "PA", "FA", "TA", "BV", "HA", "GA", "WA", "MA")
_OTHERS: Final = ("BR", "CL", "OP", "AT", "AR", "YT", "RP", "BB", "BU", "XT", "RX")
_WITH_USER: Final = frozenset({"CL", "OP"})


@dataclass(frozen=True, slots=True)
class Storm:
    """A burst: `share` of all panels report `code` once, spread over `within_s`, beginning `after_s` into the run."""

    code: str = "AT"
    share: float = 1.0
    after_s: float = 0.0
    within_s: float = 60.0


@dataclass(frozen=True, slots=True)
class PanelPlan:
    """What to send and how.

    `keys` holds a key for each account that has one. `rate_per_s` is for all panels together; 0 sends as fast as
    answers come. The run ends after `events` events or `seconds`, whichever is first; None is no limit, but one of them
    must be set. `event` fixes what is sent, otherwise a seeded mix is. `connections` 0 gives each panel a line of its
    own. `events_at_a_time` is how many a panel may have under way; real ones have one.
    """

    host: str = "127.0.0.1"
    port: int = 10500
    transport: str = "tcp"
    accounts: tuple[str, ...] = ("1234",)
    keys: dict[str, AesKey] = field(default_factory=dict)
    form: CodeForm = CodeForm.SIA
    profile: str = "standard"
    event: SimEvent | None = None
    events: int | None = None
    seconds: float | None = None
    rate_per_s: float = 1.0
    alarm_share: float = 0.7
    zones: int = 8
    poll_interval_s: float = 60.0
    connections: int = 0
    events_at_a_time: int = 1
    tries: int = 3
    retry_after_s: float = 10.0
    clock_offset_s: float = 0.0
    storms: tuple[Storm, ...] = ()
    seed: int = 1


@dataclass(slots=True)
class PanelReport:
    """What happened. `sent` = `acknowledged` + `refused` + `no_reply`; `retried` counts repetitions."""

    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    no_reply: int = 0
    retried: int = 0
    clock_set: int = 0
    polls: int = 0
    polls_acknowledged: int = 0
    panels: int = 0
    connections: int = 0
    seconds: float = 0.0
    per_s: float = 0.0
    latency_ms: dict[str, float] = field(default_factory=dict)
    poll_latency_ms: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return asdict(self)


async def run_panels(plan: PanelPlan, clock: Clock | None = None) -> PanelReport:
    """Run a plan to its end and return what was sent, acknowledged and refused, with latencies in ms.

    Errors: ValueError for a plan that cannot be run; OSError when the receiver cannot be reached at the start.
    """
    return await _Run(plan, clock or SystemClock()).run()


class _Run:
    """One plan under way."""

    def __init__(self, plan: PanelPlan, clock: Clock) -> None:
        if plan.events is None and plan.seconds is None:
            raise ValueError("a plan ends after a number of events or of seconds")
        if plan.profile not in PROFILES:
            raise ValueError(f"no profile {plan.profile}; there are {', '.join(PROFILES)}")
        if not plan.accounts:
            raise ValueError("a plan needs an account")
        self._plan = plan
        self._clock = clock
        self._report = PanelReport(panels=len(plan.accounts))
        self._latencies_ms: list[float] = []
        self._poll_latencies_ms: list[float] = []
        self._rng = random.Random(plan.seed)
        self._panels = [self._panel(account) for account in plan.accounts]
        # One entry for each event that may be under way.
        self._idle = deque(self._panels * plan.events_at_a_time)
        self._events = self._mix()
        self._left = plan.events
        self._under_way = 0
        self._is_closed_loop = plan.rate_per_s <= 0
        self._is_over = False

    async def run(self) -> PanelReport:
        """Connect, send, wait for the last answers, sum up."""
        lines = await self._connect()
        began_s = self._clock.monotonic()
        keepers = [asyncio.create_task(self._keep(line)) for line in lines]
        ticker = asyncio.create_task(self._tick())
        storms = [asyncio.create_task(self._storm(storm)) for storm in self._plan.storms]
        try:
            await self._send_all(began_s)
            await asyncio.gather(*storms)
            ended_s = self._clock.monotonic()
            patience_s = self._plan.tries * self._plan.retry_after_s + 1.0
            while self._under_way and self._clock.monotonic() - ended_s < patience_s:
                await self._clock.sleep(PACE_S)
        finally:
            for task in (*keepers, ticker, *storms):
                task.cancel()
            await asyncio.gather(*keepers, ticker, *storms, return_exceptions=True)
            for line in lines:
                line.close()
        return self._sum_up(self._clock.monotonic() - began_s, len(lines))

    def _panel(self, account: str) -> SimPanel:
        plan = self._plan
        return SimPanel(
            PanelSpec(
                account,
                plan.keys.get(account),
                plan.form,
                plan.profile,
                plan.poll_interval_s,
                plan.tries,
                plan.retry_after_s,
                plan.clock_offset_s,
            ),
            self._clock,
        )

    async def _connect(self) -> list[Line]:
        plan = self._plan
        count = min(plan.connections or len(self._panels), len(self._panels))
        lines = [Line(plan.host, plan.port, plan.transport, self._clock) for _ in range(count)]
        for index, panel in enumerate(self._panels):
            lines[index % count].add(panel)
        for first in range(0, count, CONNECTS_AT_A_TIME):
            await asyncio.gather(*(line.open() for line in lines[first : first + CONNECTS_AT_A_TIME]))
        return lines

    async def _keep(self, line: Line) -> None:
        """Open the line again when it breaks."""
        while True:
            await line.lost.wait()
            try:
                await line.open()
            except OSError:
                await self._clock.sleep(TICK_S)

    async def _tick(self) -> None:
        """Let panels repeat themselves and poll, each at its own moment of the interval."""
        interval_s = self._plan.poll_interval_s
        began_s = self._clock.monotonic()
        due = [(began_s + self._rng.random() * interval_s, panel) for panel in self._panels] if interval_s else []
        polls = deque(sorted(due, key=lambda item: item[0]))
        while True:
            await self._clock.sleep(TICK_S)
            for panel in self._panels:
                if panel.waiting:
                    panel.tick()
            now_s = self._clock.monotonic()
            while polls and polls[0][0] <= now_s:
                at_s, panel = polls.popleft()
                polls.append((at_s + interval_s, panel))
                self._report.polls += 1
                panel.poll(self._polled)

    async def _storm(self, storm: Storm) -> None:
        chosen = self._rng.sample(self._panels, round(storm.share * len(self._panels)))
        await self._clock.sleep(storm.after_s)
        began_s = self._clock.monotonic()
        for index, panel in enumerate(chosen):
            wait_s = began_s + storm.within_s * index / len(chosen) - self._clock.monotonic()
            if wait_s > 0:
                await self._clock.sleep(wait_s)
            self._transmit(panel, SimEvent(storm.code))

    async def _send_all(self, began_s: float) -> None:
        plan = self._plan
        begun = 0
        if self._is_closed_loop:
            for panel in self._idle:
                self._send_next(panel)
        while not self._is_over:
            now_s = self._clock.monotonic() - began_s
            if self._left == 0 or (plan.seconds is not None and now_s >= plan.seconds):
                break
            if not self._is_closed_loop:
                while begun < int(now_s * plan.rate_per_s) + 1 and self._idle and self._left != 0:
                    begun += 1
                    self._send_next(self._idle.popleft())
            await self._clock.sleep(PACE_S)
        self._is_over = True

    def _send_next(self, panel: SimPanel) -> None:
        if self._left is not None:
            if self._left == 0:
                return
            self._left -= 1
        self._transmit(panel, next(self._events), is_paced=True)

    def _transmit(self, panel: SimPanel, event: SimEvent, *, is_paced: bool = False) -> None:
        self._report.sent += 1
        self._under_way += 1

        def done(delivery: Delivery) -> None:
            self._settle(delivery)
            if not is_paced:
                return
            if not self._is_closed_loop:
                self._idle.append(panel)
            elif not self._is_over:
                self._send_next(panel)

        panel.transmit(event, done)

    def _settle(self, delivery: Delivery) -> None:
        self._under_way -= 1
        if delivery.outcome is Outcome.ACKNOWLEDGED:
            self._report.acknowledged += 1
            self._latencies_ms.append(delivery.latency_ms)
        elif delivery.outcome is Outcome.REFUSED:
            self._report.refused += 1
        else:
            self._report.no_reply += 1

    def _polled(self, delivery: Delivery) -> None:
        if delivery.outcome is Outcome.ACKNOWLEDGED:
            self._report.polls_acknowledged += 1
            self._poll_latencies_ms.append(delivery.latency_ms)

    def _mix(self) -> Iterator[SimEvent]:
        """Yield what happens, from the seed alone."""
        plan, rng = self._plan, self._rng
        can_say = CID_OF_SIA.__contains__ if plan.form is CodeForm.CID or PROFILES[plan.profile].form else None
        alarms = [code for code in _ALARMS if can_say is None or can_say(code)]
        others = [code for code in _OTHERS if can_say is None or can_say(code)]
        while True:
            if plan.event is not None:
                yield plan.event
                continue
            code = rng.choice(alarms if rng.random() < plan.alarm_share else others)
            number = f"{rng.randint(1, plan.zones):03d}"
            yield SimEvent(code, user=number) if code in _WITH_USER else SimEvent(code, zone=number)

    def _sum_up(self, seconds: float, connections: int) -> PanelReport:
        report = self._report
        # What is still under way when patience ends got no answer.
        report.no_reply += self._under_way
        report.retried = sum(panel.retried for panel in self._panels)
        report.clock_set = sum(panel.clock_sets for panel in self._panels)
        report.connections = connections
        report.seconds = round(seconds, 3)
        report.per_s = round(report.acknowledged / seconds, 1) if seconds else 0.0
        report.latency_ms = _spread(self._latencies_ms)
        report.poll_latency_ms = _spread(self._poll_latencies_ms)
        return report


def _spread(latencies_ms: list[float]) -> dict[str, float]:
    ordered = sorted(latencies_ms)
    shares = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
    return {
        name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) for name, share in shares if ordered
    }
