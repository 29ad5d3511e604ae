"""`tocsin simulate cap`: an office that issues public warnings (CAP 1.2), as an Atom feed over HTTP.

A warning at once, the next after a time; with `--cancel` each is called off by the message after it.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from tocsin.base.clock import Clock, SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.protocols.cap.alert import Alert, Area, Circle, Info, Reference, time_text, write

Runner = Callable[[Callable[[asyncio.Event], Awaitable[None]], float | None], Awaitable[None]]
SENDER: Final = "warnings@simulated.example"
ASKED_WITHIN_S: Final = 10.0
MAX_HEAD_BYTES: Final = 8192
LASTS: Final = timedelta(hours=6)
WARNINGS: Final = (
    ("Met", "Flood", "洪水", "Immediate", "Severe"),
    ("Met", "Heavy rain", "暴雨", "Expected", "Moderate"),
    ("Fire", "Forest fire", "森林火灾", "Immediate", "Extreme"),
    ("Env", "Gas release", "有毒气体泄漏", "Immediate", "Extreme"),
)


@dataclass(frozen=True, slots=True)
class WarningPlan:
    """How many warnings, how far apart, where (degrees), and whether each is called off."""

    alerts: int = 1
    every_s: float = 60.0
    cancels: bool = False
    lat: float = 30.93
    lon: float = 118.19
    seed: int = 1


@dataclass
class WarningOffice:
    """Serves the feed. `issued` in the order of time; `fetched` are the numbers that somebody has read."""

    plan: WarningPlan
    clock: Clock
    issued: list[Alert] = field(default_factory=list)
    fetched: set[int] = field(default_factory=set)
    feed_reads: int = 0
    port: int = 0
    _server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one. Errors: OSError."""
        self._server = await asyncio.start_server(self._serve, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def issue_all(self) -> None:
        """Issue the warnings of the plan, a time apart."""
        dice = random.Random(self.plan.seed)
        for number in range(self.plan.alerts):
            if number:
                await self.clock.sleep(self.plan.every_s)
            warning = self._warning(number, dice)
            self.issued.append(warning)
            if self.plan.cancels:
                await self.clock.sleep(self.plan.every_s)
                self.issued.append(self._cancel(warning))

    def _warning(self, number: int, dice: random.Random) -> Alert:
        category, event, event_zh, urgency, severity = dice.choice(WARNINGS)
        now = self.clock.now()
        place = Circle(self.plan.lat, self.plan.lon, round(dice.uniform(1, 10), 1))
        infos = tuple(
            Info(
                (category,),
                name,
                urgency,
                severity,
                "Observed",
                language,
                effective=now,
                expires=now + LASTS,
                headline=f"{name} ({number + 1})",
                areas=(Area(area, circles=(place,)),),
            )
            for language, name, area in (("en-US", event, "Lower town"), ("zh-CN", event_zh, "下城区"))
        )
        return Alert(f"sim-{int(now.timestamp())}-{number}", SENDER, now, infos=infos)

    def _cancel(self, warning: Alert) -> Alert:
        reference = Reference(SENDER, warning.identifier, time_text(warning.sent))
        now = self.clock.now()
        return Alert(f"{warning.identifier}-cancel", SENDER, now, msg_type="Cancel", references=(reference,))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ASKED_WITHIN_S):
                head = await reader.readuntil(b"\r\n\r\n")
            status, body = self._answer(head[:MAX_HEAD_BYTES].split(b" ", 2)[1].decode("latin-1"))
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
                "Connection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        except (OSError, TimeoutError, IndexError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # who asks for nothing is told nothing
        finally:
            writer.close()

    def _answer(self, path: str) -> tuple[str, bytes]:
        if path == "/feed":
            self.feed_reads += 1
            return "200 OK", self.feed()
        number = path.removeprefix("/warnings/")
        if number.isdecimal() and int(number) < len(self.issued):
            self.fetched.add(int(number))
            return "200 OK", write(self.issued[int(number)])
        return "404 Not Found", b""

    def feed(self) -> bytes:
        """Return the feed as it stands: an Atom entry for each message, the newest first."""
        entries = "".join(
            f"<entry><id>{SENDER}/{number}</id>"
            f'<link type="application/cap+xml" href="http://127.0.0.1:{self.port}/warnings/{number}"/></entry>'
            for number in reversed(range(len(self.issued)))
        )
        return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>Simulated</title>{entries}</feed>'.encode()

    def to_json(self) -> dict[str, Any]:
        """Return what happened: messages issued, and how many of them somebody fetched."""
        return {"issued": len(self.issued), "fetched": len(self.fetched), "feed_reads": self.feed_reads}


# --- the command ------------------------------------------------------------------------------------------------------


def add_arguments(kinds: Any) -> argparse.ArgumentParser:
    """Add the parser of `tocsin simulate cap`."""
    parser: argparse.ArgumentParser = kinds.add_parser("cap", help="an office that issues public warnings (CAP 1.2)")
    parser.add_argument("--port", type=int, default=8099, help="of http://127.0.0.1:PORT/feed (default: 8099)")
    parser.add_argument("--alerts", type=int, default=1, metavar="N", help="so many warnings (default: 1)")
    parser.add_argument("--every", type=float, default=60.0, metavar="S", help="a message each S seconds (default: 60)")
    parser.add_argument("--cancel", action="store_true", help="call each off with the message after it")
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so many seconds (default: Ctrl-C)")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def run(arguments: argparse.Namespace, until_told: Runner, say: Callable[[dict[str, Any]], None]) -> int:
    """Run as the command line says; return 0 when every message was fetched."""
    plan = WarningPlan(arguments.alerts, arguments.every, arguments.cancel, seed=arguments.seed)
    office = WarningOffice(plan, SystemClock())

    async def work(ended: asyncio.Event) -> None:
        await office.start("127.0.0.1", arguments.port)
        issuing = asyncio.create_task(office.issue_all())
        await ended.wait()
        issuing.cancel()
        await asyncio.gather(issuing, return_exceptions=True)
        await office.stop()

    try:
        asyncio.run(until_told(work, arguments.seconds))  # type: ignore[arg-type]
    except OSError as error:
        detail = f"port {arguments.port} is not free: choose another with --port"
        raise TocsinError(ErrorCode.UNAVAILABLE, detail) from error
    say(office.to_json())
    return 0 if office.issued and len(office.fetched) == len(office.issued) else 1
