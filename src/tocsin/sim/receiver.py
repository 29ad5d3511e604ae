"""`tocsin simulate receiver`: a hardware receiver of telephone and radio, with many panels behind it.

It calls a platform, or waits to be called, sends one message at a time, repeats what is not taken, and says at the end
what was sent, taken, refused and repeated.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tocsin.base.clock import Clock, SystemClock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.protocols.contact_id.payload import CidReport, encode_adm_cid
from tocsin.protocols.dc09.frame import Frame, FrameReader
from tocsin.protocols.dc09.messages import Header
from tocsin.protocols.receiver_lines import ademco685, dc07, radionics6500, surgard
from tocsin.protocols.receiver_lines.line import ACK, NAK

REPEAT_AFTER_S: Final = 4.0
TRIES: Final = 4
READ_BYTES: Final = 4096
MIX: Final = ("1130", "1130", "1131", "1120", "1110", "3130", "1301", "3301", "1602", "3401", "1401")
_USER_CODES: Final = frozenset({"401", "121"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one make writes a report and a heartbeat."""

    encode: Callable[[str, str, CidReport, int], bytes]
    heartbeat: bytes


def _dc07(receiver: str, line: str, report: CidReport, number: int) -> bytes:
    header = Header("ADM-CID", f"{(number - 1) % 9999 + 1:04d}", receiver, line, None)
    return dc07.encode_report(header, encode_adm_cid(report))


def _ademco685(receiver: str, line: str, report: CidReport, number: int) -> bytes:
    return ademco685.encode_contact_id(receiver, line, report, is_user=report.code in _USER_CODES)


DIALECTS: Final[Mapping[str, Dialect]] = {
    "surgard": Dialect(lambda r, li, report, _: surgard.encode_contact_id(r, li, report), surgard.HEARTBEAT),
    "685": Dialect(_ademco685, ademco685.HEARTBEAT),
    "6500": Dialect(lambda r, li, report, _: radionics6500.encode_contact_id(r, li, report), radionics6500.HEARTBEAT),
    "dc07": Dialect(_dc07, dc07.HEARTBEAT),
}


@dataclass(frozen=True, slots=True)
class ReceiverPlan:
    """What to send. `listen` waits to be called at that port instead of calling `host:port`; 0 takes a free one.

    The run ends after `events` reports. `has_parity` sets the eighth bit to even parity, as a 7E1 line does.
    """

    dialect: str = "surgard"
    host: str = "127.0.0.1"
    port: int = 10511
    listen: int | None = None
    receiver: str = "01"
    line: str = "1"
    accounts: tuple[str, ...] = ("1234",)
    code: str = ""
    zone: str = "001"
    events: int = 1
    rate_per_s: float = 1.0
    heartbeat_s: float = 30.0
    has_parity: bool = False
    seed: int = 1
    repeat_after_s: float = REPEAT_AFTER_S


@dataclass(slots=True)
class ReceiverReport:
    """What happened. `sent` = `acknowledged` + `given_up`."""

    sent: int = 0
    acknowledged: int = 0
    given_up: int = 0
    refused: int = 0
    repeated: int = 0
    heartbeats: int = 0
    heartbeats_acknowledged: int = 0
    connections: int = 0
    latency_ms: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return asdict(self)


class SimReceiver:
    """One receiver: `run` sends a plan over the connections it gets, from the first report to the last."""

    def __init__(self, plan: ReceiverPlan, clock: Clock | None = None) -> None:
        self.report = ReceiverReport()
        self.port = 0
        self._plan = plan
        self._clock = clock or SystemClock()
        self._dialect = DIALECTS[plan.dialect]
        self._rng = random.Random(plan.seed)
        self._latencies_ms: list[float] = []
        self._number = 0
        self._frames = FrameReader()

    async def run(self) -> ReceiverReport:
        """Send everything. Errors: OSError when nobody takes the call."""
        plan = self._plan
        if plan.listen is None:
            reader, writer = await asyncio.open_connection(plan.host, plan.port)
            await self._talk(reader, writer)
        else:
            await self._wait_to_be_called(plan.listen)
        self.report.latency_ms = _percentiles(self._latencies_ms)
        return self.report

    async def _wait_to_be_called(self, port: int) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):  # the platform hung up: it calls again, and the rest is sent then
                await self._talk(reader, writer)
                if not done.done():
                    done.set_result(None)

        server = await asyncio.start_server(called, self._plan.host, port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            await done
        finally:
            server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plan, report = self._plan, self.report
        report.connections += 1
        try:
            await self._beat(reader, writer)
            last_beat_s = self._clock.monotonic()
            while report.sent < plan.events:
                await self._send(reader, writer)
                if plan.rate_per_s > 0 and report.sent < plan.events:
                    await self._clock.sleep(1 / plan.rate_per_s)
                if self._clock.monotonic() - last_beat_s >= plan.heartbeat_s:
                    last_beat_s = self._clock.monotonic()
                    await self._beat(reader, writer)
        finally:
            writer.close()

    async def _beat(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.report.heartbeats += 1
        if await self._ask(reader, writer, self._dialect.heartbeat) == ACK:
            self.report.heartbeats_acknowledged += 1

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send the next report until it is taken, or given up."""
        plan, report = self._plan, self.report
        self._number += 1
        octets = self._dialect.encode(plan.receiver, plan.line, self._next_report(), self._number)
        began_s = self._clock.monotonic()
        for tries in range(TRIES):
            report.repeated += tries > 0
            answer = await self._ask(reader, writer, octets)
            if answer == ACK:
                report.sent += 1
                report.acknowledged += 1
                self._latencies_ms.append((self._clock.monotonic() - began_s) * 1000)
                return
            report.refused += answer == NAK
        report.sent += 1
        report.given_up += 1

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, octets: bytes) -> bytes:
        """Return ACK, NAK, or nothing when no answer came in time. Errors: ConnectionError when the line is cut."""
        if self._plan.has_parity and self._plan.dialect != "dc07":
            octets = bytes(octet | 0x80 if octet.bit_count() % 2 else octet for octet in octets)
        writer.write(octets)
        await writer.drain()
        try:
            async with asyncio.timeout(self._plan.repeat_after_s):
                while data := await reader.read(READ_BYTES):
                    if self._plan.dialect != "dc07":
                        return NAK if NAK in data else ACK if ACK in data else b""
                    for frame in self._frames.receive(data):
                        if isinstance(frame, Frame):
                            return ACK if b'"ACK"' in frame.body else NAK
        except TimeoutError:
            return b""
        raise ConnectionError("the platform hung up")

    def _next_report(self) -> CidReport:
        plan = self._plan
        account = plan.accounts[(self._number - 1) % len(plan.accounts)]
        full = plan.code or self._rng.choice(MIX)
        point = plan.zone if plan.code else f"{self._rng.randint(1, 8):03d}"
        return CidReport(account, full[0], full[1:], "01", point.rjust(3, "0"))


def add_arguments(kinds: Any) -> argparse.ArgumentParser:
    """Add the parser of `tocsin simulate receiver`."""
    parser: argparse.ArgumentParser = kinds.add_parser("receiver", help="a hardware receiver of telephone and radio")
    parser.add_argument("--format", choices=sorted(DIALECTS), default="surgard", dest="dialect")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=10511)
    parser.add_argument("--listen", type=int, metavar="PORT", help="wait to be called there instead of calling")
    parser.add_argument("--receiver", default="01", help="number of the receiver (default: 01)")
    parser.add_argument("--line", default="1", help="number of the line (default: 1)")
    parser.add_argument("--account", default="1234", help="account of the first panel (default: 1234)")
    parser.add_argument("--panels", type=int, default=1, metavar="N", help="so many panels, accounts counted upwards")
    parser.add_argument("--event", default="", metavar="QXYZ", help="Contact ID event such as 1130 (default: a mix)")
    parser.add_argument("--zone", default="001", help="zone or user of --event (default: 001)")
    parser.add_argument("--events", type=int, default=1, metavar="N", help="end after so many (default: 1)")
    parser.add_argument("--rate", type=float, default=1.0, metavar="R", help="events a second; 0 as answers come")
    parser.add_argument("--heartbeat", type=float, default=30.0, metavar="S", help="seconds between heartbeats")
    parser.add_argument("--parity", action="store_true", help="set the parity bit, as a 7E1 line does")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def run(arguments: argparse.Namespace) -> ReceiverReport:
    """Run the plan of a command line. Errors: INVALID for one that cannot be run, UNAVAILABLE when nobody answers."""
    event = arguments.event.upper()
    if event and (len(event) != 4 or event[0] not in "136"):
        raise TocsinError(ErrorCode.INVALID, "--event is a qualifier (1, 3 or 6) and a code of three digits, as 1130")
    try:
        first = int(arguments.account, 16)
    except ValueError as error:
        raise TocsinError(ErrorCode.INVALID, "--account has hex digits") from error
    width = len(arguments.account)
    plan = ReceiverPlan(
        dialect=arguments.dialect,
        host=arguments.host,
        port=arguments.port,
        listen=arguments.listen,
        receiver=arguments.receiver,
        line=arguments.line,
        accounts=tuple(f"{first + offset:0{width}X}" for offset in range(arguments.panels)),
        code=event,
        zone=arguments.zone,
        events=arguments.events,
        rate_per_s=arguments.rate,
        heartbeat_s=arguments.heartbeat,
        has_parity=arguments.parity,
        seed=arguments.seed,
    )
    try:
        return asyncio.run(SimReceiver(plan).run())
    except OSError as error:
        where = f"{plan.host}:{plan.port}"
        raise TocsinError(ErrorCode.UNAVAILABLE, f"nobody takes {plan.dialect} at {where}: {error}") from error


def _percentiles(values_ms: list[float]) -> dict[str, float]:
    if not values_ms:
        return {}
    ordered = sorted(values_ms)
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    }
