"""A sender of webhooks: signs, repeats what was not answered, and counts what came of it."""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC
from typing import Any, Final

import httpx

from tocsin.base.clock import Clock, SystemClock
from tocsin.protocols.messages import event
from tocsin.protocols.messages.signature import IDEMPOTENCY, SIGNATURE, TIMESTAMP, sign

Runner = Callable[[Callable[[asyncio.Event], Awaitable[None]], float | None], Awaitable[None]]
MIX: Final = ("burglary", "burglary.restore", "door_forced", "door_held", "tamper", "battery", "access_granted")
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class SenderPlan:
    """What is sent: `count` messages, `per_s` a second, `repeats` of them (a share) a second time as if unanswered."""

    url: str
    secret: bytes = field(repr=False)
    count: int = 1
    per_s: float = 10.0
    code: str = ""
    zones: int = 8
    repeats: float = 0.0
    clock_skew_s: float = 0.0
    tries: int = 5
    seed: int = 1


@dataclass(slots=True)
class SenderReport:
    """What came of it; latencies in milliseconds."""

    sent: int = 0
    acknowledged: int = 0
    repeated: int = 0
    duplicates: int = 0
    dropped: int = 0
    refused: int = 0
    unanswered: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    latency_ms: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        found = asdict(self)
        times = sorted(found.pop("latency_ms"))
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            found[f"latency_{name}_ms"] = times[min(len(times) - 1, int(len(times) * share))] if times else None
        return found


class WebhookSender:
    """Sends the messages of a plan."""

    def __init__(self, plan: SenderPlan, clock: Clock, http: httpx.AsyncClient) -> None:
        self._plan = plan
        self._clock = clock
        self._http = http
        self._random = random.Random(plan.seed)
        self.report = SenderReport()

    async def run(self, ended: asyncio.Event) -> None:
        """Send everything, or until told to end."""
        waiting: set[asyncio.Task[None]] = set()
        for number in range(self._plan.count):
            if ended.is_set():
                break
            task = asyncio.create_task(self._deliver(number))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
            if number + 1 < self._plan.count:
                await self._clock.sleep(1 / self._plan.per_s)
        await asyncio.gather(*waiting)

    async def _deliver(self, number: int) -> None:
        plan = self._plan
        body = event.write(
            [
                {
                    "id": f"{plan.seed}-{number}",
                    "code": plan.code or self._random.choice(MIX),
                    "zone": str(self._random.randrange(plan.zones) + 1),
                    "occurred_at": self._clock.now().astimezone(UTC).isoformat(),
                }
            ]
        )
        self.report.sent += 1
        pause_s = FIRST_PAUSE_S
        for _ in range(plan.tries):
            if await self._post(body, f"{plan.seed}-{number}"):
                if self._random.random() < plan.repeats:
                    self.report.repeated += 1
                    await self._post(body, f"{plan.seed}-{number}")
                return
            await self._clock.sleep(pause_s * self._random.uniform(0.8, 1.2))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        self.report.unanswered += 1

    async def _post(self, body: bytes, key: str) -> bool:
        """Send once; True when it need not be sent again."""
        stamp_s = int(self._clock.now().timestamp() + self._plan.clock_skew_s)
        headers = {
            TIMESTAMP: str(stamp_s),
            SIGNATURE: sign(self._plan.secret, stamp_s, body),
            IDEMPOTENCY: key,
            "content-type": "application/json",
        }
        began_s = self._clock.monotonic()
        try:
            answer = await self._http.post(self._plan.url, content=body, headers=headers)
        except httpx.HTTPError as error:
            self._count(type(error).__name__)
            return False
        self._count(str(answer.status_code))
        if answer.status_code in (429, 503):
            return False
        if answer.status_code not in (200, 201):
            self.report.refused += 1
            return True
        self.report.latency_ms.append(round((self._clock.monotonic() - began_s) * 1e3, 1))
        told = answer.json()
        if told["duplicate"]:
            self.report.duplicates += 1
        elif told["signal_id"]:
            self.report.acknowledged += 1
        else:
            self.report.dropped += 1
        return True

    def _count(self, word: str) -> None:
        self.report.answers[word] = self.report.answers.get(word, 0) + 1


def add_arguments(kinds: Any) -> argparse.ArgumentParser:
    """Add the parser of `tocsin simulate webhook`."""
    parser: argparse.ArgumentParser = kinds.add_parser("webhook", help="a system that sends signed webhooks")
    parser.add_argument("url", help="such as http://127.0.0.1:8080/api/v1/ingest/gate-1")
    parser.add_argument("--secret", required=True, help="the secret made on the source's page")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--rate", type=float, default=10.0, metavar="PER_S")
    parser.add_argument("--code", default="", help="such as door_forced (default: a mix)")
    parser.add_argument("--zones", type=int, default=8)
    parser.add_argument("--repeats", type=float, default=0.0, metavar="SHARE", help="share that is sent twice")
    parser.add_argument("--skew", type=float, default=0.0, metavar="S", help="how far the sender's clock is ahead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so many seconds")
    return parser


def run(arguments: argparse.Namespace, until_told: Runner, report: Callable[[dict[str, Any]], None]) -> int:
    """Send and report; the exit status is 0 when nothing was refused or left unanswered."""
    plan = SenderPlan(
        url=arguments.url,
        secret=arguments.secret.encode(),
        count=arguments.count,
        per_s=arguments.rate,
        code=arguments.code,
        zones=arguments.zones,
        repeats=arguments.repeats,
        clock_skew_s=arguments.skew,
        seed=arguments.seed,
    )
    found = SenderReport()

    async def _work(ended: asyncio.Event) -> None:
        async with httpx.AsyncClient(timeout=15.0, trust_env=False) as http:
            sender = WebhookSender(plan, SystemClock(), http)
            sender.report = found
            await sender.run(ended)

    asyncio.run(until_told(_work, arguments.seconds))  # type: ignore[arg-type]
    report(found.figures())
    return 0 if not found.refused and not found.unanswered else 1
