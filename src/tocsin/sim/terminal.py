"""`tocsin simulate terminal`: many JT/T 808 terminals against a receiver, seeded, measured, reconciled."""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from tocsin.base.clock import Clock, SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.protocols.jt808.messages import Edition
from tocsin.sim.terminal_device import SimTerminal, TerminalSpec, moments_before

PACE_S: Final = 0.01
CONNECTS_AT_A_TIME: Final = 100
RECONNECT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class TerminalPlan:
    """What to send and how.

    `rate_per_s` is the location reports of all terminals together; 0 sends as fast as answers come, `at_a_time` of each
    terminal under way, and lets each terminal's own clock, which began `clock_before_s` ago, go a second a report.
    `sos` and `dead_zones` are how many terminals press their button, or lose the network for `dead_reports` reports and
    upload them as a batch. `editions` are given out in turn. The run ends after `seconds` or `reports`, whichever is
    first.
    """

    host: str = "127.0.0.1"
    port: int = 7611
    phones: tuple[str, ...] = ("13800138000",)
    editions: tuple[Edition, ...] = (Edition.Y2013,)
    codes: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    reports: int | None = None
    rate_per_s: float = 1.0
    at_a_time: int = 8
    clock_before_s: float = 600.0
    heartbeat_s: float = 60.0
    sos: int = 0
    dead_zones: int = 0
    dead_reports: int = 30
    patience_s: float = 5.0
    tries: int = 3
    retry_after_s: float = 10.0
    lon: float = 118.3
    lat: float = 31.3
    seed: int = 1


@dataclass(slots=True)
class TerminalReport:
    """What happened. `sent` = `acknowledged` + `refused` + `no_reply`, in location reports and batches."""

    terminals: int = 0
    admitted: int = 0
    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    no_reply: int = 0
    retried: int = 0
    batches: int = 0
    positions: int = 0
    positions_acknowledged: int = 0
    heartbeats: int = 0
    heartbeats_acknowledged: int = 0
    presses: int = 0
    confirmed: int = 0
    reconnects: int = 0
    seconds: float = 0.0
    per_s: float = 0.0
    latency_ms: dict[str, float] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-able values; the codes stay out of it."""
        shown = asdict(self)
        del shown["codes"]
        return shown


async def run_terminals(plan: TerminalPlan, clock: Clock | None = None) -> TerminalReport:
    """Run a plan to its end. Errors: ValueError for a plan without an end; OSError when nobody listens."""
    if plan.seconds is None and plan.reports is None:
        raise ValueError("a plan ends after a number of reports or of seconds")
    return await _Run(plan, clock or SystemClock()).run()


class _Run:
    """One plan under way."""

    def __init__(self, plan: TerminalPlan, clock: Clock) -> None:
        self._plan = plan
        self._clock = clock
        self._rng = random.Random(plan.seed)
        self._report = TerminalReport(terminals=len(plan.phones))
        self._latencies_ms: list[float] = []
        self._left = plan.reports
        self._under_way = 0
        self._is_over = False
        self._terminals = [self._terminal(number, phone) for number, phone in enumerate(plan.phones)]
        self._away: set[SimTerminal] = set()
        self._own_clock: dict[SimTerminal, datetime] = {}

    def _terminal(self, number: int, phone: str) -> SimTerminal:
        plan, rng = self._plan, self._rng
        return SimTerminal(
            TerminalSpec(
                phone,
                plan.editions[number % len(plan.editions)],
                f"T{number:06d}",
                plan.codes.get(phone, ""),
                plan.lon + rng.uniform(-0.05, 0.05),
                plan.lat + rng.uniform(-0.05, 0.05),
                plan.tries,
                plan.retry_after_s,
            ),
            self._clock,
        )

    async def run(self) -> TerminalReport:
        """Connect, admit, send, wait for the last answers, sum up."""
        plan, terminals = self._plan, self._terminals
        for start in range(0, len(terminals), CONNECTS_AT_A_TIME):
            await asyncio.gather(*(self._begin(one) for one in terminals[start : start + CONNECTS_AT_A_TIME]))
        ready = [one for one in terminals if one.is_admitted]
        self._report.admitted = len(ready)
        began_s = self._clock.monotonic()
        helpers = [asyncio.create_task(self._tick()), asyncio.create_task(self._beat(ready))]
        helpers += [asyncio.create_task(self._keep(one)) for one in ready]
        shuffled = self._rng.sample(ready, len(ready))
        lost = shuffled[: plan.dead_zones]
        for one in shuffled[len(shuffled) - min(plan.sos, len(shuffled)) :]:
            one.press()
            self._report.presses += 1
        helpers += [asyncio.create_task(self._dead_zone(one)) for one in lost]
        try:
            if ready:
                await self._send_all(ready, began_s)
            ended_s = self._clock.monotonic()
            while self._is_waiting(ready) and self._clock.monotonic() - ended_s < plan.patience_s:
                await self._clock.sleep(PACE_S)
        finally:
            for task in helpers:
                task.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            for one in terminals:
                one.close()
        return self._sum_up(self._clock.monotonic() - began_s)

    def _is_waiting(self, ready: list[SimTerminal]) -> bool:
        return bool(self._under_way or self._away or (any(one.alarm for one in ready) and self._plan.sos))

    async def _begin(self, terminal: SimTerminal) -> None:
        await terminal.connect(self._plan.host, self._plan.port)
        await terminal.admit()

    async def _keep(self, terminal: SimTerminal) -> None:
        """Connect again when the line breaks, unless the terminal is in a dead zone."""
        while True:
            await terminal.lost.wait()
            await self._clock.sleep(RECONNECT_S)
            if terminal in self._away or not terminal.lost.is_set():
                continue
            try:
                self._report.reconnects += 1
                await self._begin(terminal)
            except OSError:
                continue

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(0.2)
            for terminal in self._terminals:
                if terminal.waiting and terminal.is_admitted:
                    terminal.tick()

    async def _beat(self, ready: list[SimTerminal]) -> None:
        if self._plan.heartbeat_s <= 0:
            return
        while True:
            for terminal in ready:
                await self._clock.sleep(self._plan.heartbeat_s / len(ready))
                if terminal.is_admitted:
                    self._report.heartbeats += 1
                    terminal.heartbeat(self._beaten)
            if not ready:
                return

    def _beaten(self, is_ok: bool, after_s: float) -> None:
        self._report.heartbeats_acknowledged += is_ok

    async def _dead_zone(self, terminal: SimTerminal) -> None:
        """Lose the network, come back, and upload what was held back."""
        self._away.add(terminal)
        await self._clock.sleep(self._rng.uniform(0.1, 0.5))
        terminal.close()
        await terminal.lost.wait()
        try:
            await self._begin(terminal)
        except OSError:
            return
        finally:
            self._away.discard(terminal)
        is_flood = self._plan.rate_per_s <= 0  # then its own clock has been where the reports of now are
        until = self._clock.now() - timedelta(seconds=self._plan.clock_before_s if is_flood else 0.0)
        held = moments_before(until, self._plan.dead_reports, 30.0)
        for start in range(0, len(held), 20):
            part = held[start : start + 20]
            self._count(len(part))
            self._report.batches += 1
            terminal.batch(part, self._settler(len(part)))

    async def _send_all(self, ready: list[SimTerminal], began_s: float) -> None:
        plan = self._plan
        if plan.rate_per_s <= 0:
            start = self._clock.now() - timedelta(seconds=plan.clock_before_s)
            self._own_clock = dict.fromkeys(ready, start)
            for terminal in ready:
                for _ in range(plan.at_a_time):
                    self._flood(terminal)
        begun, turn = 0, 0
        while not self._is_over:
            now_s = self._clock.monotonic() - began_s
            if self._left == 0 or (plan.seconds is not None and now_s >= plan.seconds):
                break
            while plan.rate_per_s > 0 and begun < int(now_s * plan.rate_per_s) + 1 and self._left != 0:
                begun += 1
                terminal = ready[turn % len(ready)]
                turn += 1
                if terminal.is_admitted:
                    self._take_one()
                    terminal.report(self._clock.now(), self._settler(1))
            await self._clock.sleep(PACE_S)
        self._is_over = True

    def _flood(self, terminal: SimTerminal) -> None:
        if self._is_over or self._left == 0 or not terminal.is_admitted:
            return
        self._take_one()
        at = self._own_clock[terminal]
        self._own_clock[terminal] = at + timedelta(seconds=1)

        def done(is_ok: bool, after_s: float) -> None:
            self._settle(1, is_ok, after_s)
            self._flood(terminal)

        terminal.report(at, done)

    def _take_one(self) -> None:
        if self._left is not None:
            self._left -= 1
        self._count(1)

    def _count(self, positions: int) -> None:
        self._report.sent += 1
        self._report.positions += positions
        self._under_way += 1

    def _settler(self, positions: int) -> Callable[[bool, float], None]:
        def done(is_ok: bool, after_s: float) -> None:
            self._settle(positions, is_ok, after_s)

        return done

    def _settle(self, positions: int, is_ok: bool, after_s: float) -> None:
        report = self._report
        self._under_way -= 1
        if is_ok:
            report.acknowledged += 1
            report.positions_acknowledged += positions
            self._latencies_ms.append(after_s * 1000)
        elif after_s >= 0:
            report.refused += 1
        else:
            report.no_reply += 1

    def _sum_up(self, seconds: float) -> TerminalReport:
        report = self._report
        report.no_reply += self._under_way  # what is still under way when patience ends got no answer
        report.retried = sum(one.retried for one in self._terminals)
        report.confirmed = sum(one.confirmed for one in self._terminals)
        report.codes = {one.spec.phone: one.code for one in self._terminals if one.code}
        report.seconds = round(seconds, 3)
        report.per_s = round(report.positions_acknowledged / seconds, 1) if seconds else 0.0
        ordered = sorted(self._latencies_ms)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
            if ordered:
                report.latency_ms[name] = round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)
        return report


# --- the command ------------------------------------------------------------------------------------------------------


def add_arguments(kinds: Any) -> argparse.ArgumentParser:
    """Add the parser of `tocsin simulate terminal`."""
    parser: argparse.ArgumentParser = kinds.add_parser("terminal", help="vehicle terminals over JT/T 808")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7611)
    parser.add_argument("--phone", default="13800138000", help="number of the first terminal (default: 13800138000)")
    parser.add_argument("--terminals", type=int, default=1, metavar="N", help="so many, numbers counted upwards")
    parser.add_argument(
        "--edition",
        action="append",
        choices=[edition.value for edition in Edition],
        help="edition of the standard, may be repeated: given out in turn (default: 2013)",
    )
    parser.add_argument("--reports", type=int, metavar="N", help="end after so many location reports")
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so many seconds (default: 10)")
    parser.add_argument(
        "--rate", type=float, default=1.0, metavar="R", help="reports a second of all; 0 as fast as answers come"
    )
    parser.add_argument("--at-a-time", type=int, default=8, metavar="N", help="reports under way of each, with rate 0")
    parser.add_argument(
        "--clock-before", type=float, default=600.0, metavar="S", help="with rate 0: how long ago their clocks begin"
    )
    parser.add_argument("--heartbeat", type=float, default=60.0, metavar="S", help="0 sends none")
    parser.add_argument("--sos", type=int, default=0, metavar="N", help="so many press their button and hold it")
    parser.add_argument("--dead-zones", type=int, default=0, metavar="N", help="so many lose the network and refill")
    parser.add_argument("--dead-reports", type=int, default=30, metavar="N", help="reports held back in a dead zone")
    parser.add_argument(
        "--patience", type=float, default=5.0, metavar="S", help="wait so long for the last answers and confirmations"
    )
    parser.add_argument("--seed", type=int, default=1)
    return parser


def run(arguments: argparse.Namespace, report: Callable[[dict[str, Any]], None]) -> int:
    """Run the command; return the exit status: 0 when everything sent was acknowledged."""
    if not arguments.phone.isdecimal() or len(arguments.phone) > 12:
        raise TocsinError(ErrorCode.INVALID, "--phone is a number of at most 12 digits")
    first = int(arguments.phone)
    ends = arguments.seconds if arguments.seconds is not None or arguments.reports is not None else 10.0
    plan = TerminalPlan(
        host=arguments.host,
        port=arguments.port,
        phones=tuple(str(first + number) for number in range(arguments.terminals)),
        editions=tuple(Edition(text) for text in arguments.edition or ["2013"]),
        seconds=ends,
        reports=arguments.reports,
        rate_per_s=arguments.rate,
        at_a_time=arguments.at_a_time,
        clock_before_s=arguments.clock_before,
        heartbeat_s=arguments.heartbeat,
        sos=arguments.sos,
        dead_zones=arguments.dead_zones,
        dead_reports=arguments.dead_reports,
        patience_s=arguments.patience,
        seed=arguments.seed,
    )
    try:
        found = asyncio.run(run_terminals(plan))
    except OSError as error:
        raise TocsinError(ErrorCode.UNAVAILABLE, f"no receiver at {plan.host}:{plan.port}/tcp: {error}") from error
    report(found.to_json())
    return 0 if found.admitted == found.terminals and found.sent == found.acknowledged else 1
