"""Many simulated devices on one UDP socket: registrations and keepalives by the thousand, counted and timed.

Registration uses the ordinary codecs; keepalives are written from a template, so that the sender costs less than the
server it loads.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Final

from tocsin.base.clock import Clock
from tocsin.protocols.gb28181.ids import make_id
from tocsin.protocols.gb28181.manscdp import CONTENT_TYPE, keepalive_notify
from tocsin.protocols.sip.digest import answer, parse_challenge
from tocsin.protocols.sip.message import Headers, Request, Response, parse_datagram
from tocsin.sim.fleet_answers import FleetAnswers

REPEAT_AFTER_S: Final = 1.0
TRIES: Final = 8
PULSE_S: Final = 0.01
SAMPLE_EVERY: Final = 16
MAX_SAMPLES: Final = 200_000
_CALL: Final = re.compile(rb"\r\nCall-ID: k(\d+)-(\d+)@")


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """`count` devices from `first_serial` on; `rate_per_s` 0 sends as fast as `window` open requests allow.

    `answers` lets them answer questions, each with a catalogue of one picture; `tries` is how often a REGISTER is sent,
    a second apart.
    """

    server: tuple[str, int]
    password: str = field(repr=False)
    count: int = 100
    domain: str = "3402000000"
    type_code: int = 132
    first_serial: int = 1
    server_id: str = "34020000002000000001"
    realm: str = "3402000000"
    expires_s: int = 3600
    window: int = 256
    tries: int = TRIES
    rate_per_s: float = 0.0
    duration_s: float = 5.0
    local_host: str = "127.0.0.1"
    answers: bool = False


@dataclass(slots=True)
class FleetReport:
    """What the server did with it. Latencies in milliseconds, of every sixteenth keepalive."""

    devices: int = 0
    registered: int = 0
    refused: int = 0
    register_s: float = 0.0
    keepalives_sent: int = 0
    keepalives_answered: int = 0
    keepalives_refused: int = 0
    keepalives_lost: int = 0
    keepalive_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """Return the figures by name."""
        return asdict(self)


async def run_cameras(plan: FleetPlan, clock: Clock, new_word: Callable[[], str]) -> FleetReport:
    """Register every device, then send keepalives for `duration_s`."""
    async with CameraFleet(plan, clock, new_word) as fleet:
        await fleet.register_all()
        if plan.duration_s > 0:
            await fleet.keep_alive(plan.rate_per_s, plan.duration_s)
        return fleet.report


class CameraFleet:
    """The devices and their socket. Use as an asynchronous context; phases may be repeated."""

    def __init__(self, plan: FleetPlan, clock: Clock, new_word: Callable[[], str]) -> None:
        self.plan = plan
        self.report = FleetReport(devices=plan.count)
        self.ids = [make_id(plan.domain, plan.type_code, plan.first_serial + number) for number in range(plan.count)]
        self._clock = clock
        self._word = new_word()[:8]
        self._cnonce = new_word()[:8]
        self._socket: socket.socket | None = None
        self._port = 0
        self.questions: FleetAnswers | None = None
        self._take: Callable[[bytes], None] | None = None
        self._changed = asyncio.Event()
        self._open: OrderedDict[int, tuple[float, int]] = OrderedDict()
        self._samples: list[float] = []
        self._sn = 0

    async def __aenter__(self) -> CameraFleet:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
        made.bind((self.plan.local_host, 0))
        made.connect(self.plan.server)
        self._socket, self._port = made, made.getsockname()[1]
        if self.plan.answers:
            own = (self.plan.server_id, self.plan.realm)
            self.questions = FleetAnswers(self.plan.local_host, self._port, own, self._word)
        asyncio.get_running_loop().add_reader(made.fileno(), self._read)
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()

    async def register_all(self) -> None:
        """Register every device, `window` at a time, repeating what is not answered."""
        waiting = deque(range(self.plan.count))
        pending: OrderedDict[int, tuple[float, bytes, int]] = OrderedDict()
        started = self._clock.monotonic()

        def send(number: int, data: bytes, tries: int) -> None:
            pending[number] = (self._clock.monotonic() + REPEAT_AFTER_S, data, tries)
            pending.move_to_end(number)
            self._send(data)

        def fill() -> None:
            while waiting and len(pending) < self.plan.window:
                number = waiting.popleft()
                send(number, self._register(number, 1, ""), self.plan.tries)

        def take(data: bytes) -> None:
            message = parse_datagram(data)
            if not isinstance(message, Response) or not message.call_id.startswith("r"):
                return
            number = int(message.call_id[1:].partition("@")[0])
            if number not in pending:
                return
            if message.status == 401 and message.cseq == 1:
                send(number, self._register(number, 2, self._credentials(number, message)), self.plan.tries)
                return
            if message.status == 503:
                return  # the repetition comes later
            del pending[number]
            self.report.registered += message.status == 200
            self.report.refused += message.status != 200
            fill()

        self._take = take
        fill()
        while pending or waiting:
            await self._pulse()
            now = self._clock.monotonic()
            for number, (due, data, tries) in list(pending.items()):
                if due > now:
                    break
                if tries == 0:
                    del pending[number]
                    self.report.refused += 1
                else:
                    send(number, data, tries - 1)
            fill()
        self._take = None
        self.report.register_s += self._clock.monotonic() - started

    async def keep_alive(self, rate_per_s: float, duration_s: float) -> None:
        """Send keepalives of all devices in turn for a time; rate 0 is as fast as the answers come."""
        started = self._clock.monotonic()
        ends = started + duration_s
        sent_before = self.report.keepalives_sent
        heads, bodies = self._templates()

        def fill() -> None:
            now = self._clock.monotonic()
            if now >= ends:
                return
            room = self.plan.window - len(self._open)
            if rate_per_s:
                due = int((now - started) * rate_per_s) - (self.report.keepalives_sent - sent_before)
                room = min(room, due)
            for _ in range(room):
                self._sn += 1
                sn, number = self._sn, self._sn % self.plan.count
                self._open[sn] = (now, number)
                body = bodies[number] % sn
                self._send(heads[number] % (sn, number, sn, sn, len(body)) + body)
            self.report.keepalives_sent += max(0, room)

        def take(data: bytes) -> None:
            found = _CALL.search(data)
            if found is None:
                return
            opened = self._open.pop(int(found[2]), None)
            if opened is None:
                return
            if data.startswith(b"SIP/2.0 200"):
                self.report.keepalives_answered += 1
                if int(found[2]) % SAMPLE_EVERY == 0 and len(self._samples) < MAX_SAMPLES:
                    self._samples.append((self._clock.monotonic() - opened[0]) * 1000)
            else:
                self.report.keepalives_refused += 1

        self._take = take
        while (now := self._clock.monotonic()) < ends:
            fill()
            await self._pulse()
            self._forget_lost(now - REPEAT_AFTER_S)
        while self._open and self._clock.monotonic() < ends + REPEAT_AFTER_S:
            await self._pulse()
        self._forget_lost(float("inf"))
        self._take = None
        self.report.keepalive_s += min(self._clock.monotonic(), ends) - started
        ordered = sorted(self._samples)
        if ordered:
            self.report.p50_ms = round(ordered[len(ordered) // 2], 3)
            self.report.p99_ms = round(ordered[int(len(ordered) * 0.99)], 3)

    def _forget_lost(self, before: float) -> None:
        while self._open:
            sn, (sent_at, _) = next(iter(self._open.items()))
            if sent_at > before:
                return
            del self._open[sn]
            self.report.keepalives_lost += 1

    async def _pulse(self) -> None:
        """Wait for answers, at most 10 ms."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PULSE_S):
                await self._changed.wait()

    def _read(self) -> None:
        made, take = self._socket, self._take
        assert made is not None
        for _ in range(256):
            try:
                data = made.recv(65_535)
            except BlockingIOError:
                break
            except OSError:
                continue
            if self.questions is not None and not data.startswith(b"SIP/2.0"):
                for reply in self.questions.receive(data):
                    self._send(reply)
            elif take is not None:
                take(data)
        self._changed.set()

    def _send(self, data: bytes) -> None:
        assert self._socket is not None
        with contextlib.suppress(OSError):
            self._socket.send(data)

    def _register(self, number: int, cseq: int, authorization: str) -> bytes:
        gb_id, plan = self.ids[number], self.plan
        own = f"<sip:{gb_id}@{plan.realm}>"
        fields = [
            ("Via", f"SIP/2.0/UDP {plan.local_host}:{self._port};rport;branch=z9hG4bK{self._word}r{number}.{cseq}"),
            ("From", f"{own};tag=f{number}"),
            ("To", own),
            ("Call-ID", f"r{number}@{self._word}"),
            ("CSeq", f"{cseq} REGISTER"),
            ("Contact", f"<sip:{gb_id}@{plan.local_host}:{self._port}>"),
            ("Max-Forwards", "70"),
            ("Expires", str(plan.expires_s)),
        ]
        if authorization:
            fields.append(("Authorization", authorization))
        return Request("REGISTER", f"sip:{plan.server_id}@{plan.realm}", Headers(fields)).encode()

    def _credentials(self, number: int, response: Response) -> str:
        challenge = parse_challenge(response.headers.get("www-authenticate"))
        if challenge is None:
            return ""
        return answer(
            challenge,
            username=self.ids[number],
            password=self.plan.password,
            method="REGISTER",
            uri=f"sip:{self.plan.server_id}@{self.plan.realm}",
            cnonce=self._cnonce,
        ).encode()

    def _templates(self) -> tuple[list[bytes], list[bytes]]:
        plan = self.plan
        heads, bodies = [], []
        for number, gb_id in enumerate(self.ids):
            head = (
                f"MESSAGE sip:{plan.server_id}@{plan.realm} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {plan.local_host}:{self._port};rport;branch=z9hG4bK{self._word}k%d\r\n"
                f"From: <sip:{gb_id}@{plan.realm}>;tag=k{number}\r\n"
                f"To: <sip:{plan.server_id}@{plan.realm}>\r\n"
                f"Call-ID: k%d-%d@{plan.local_host}\r\n"
                "CSeq: %d MESSAGE\r\n"
                "Max-Forwards: 70\r\n"
                f"Content-Type: {CONTENT_TYPE}\r\n"
                "Content-Length: %d\r\n\r\n"
            )
            heads.append(head.encode())
            bodies.append(keepalive_notify(987654321, gb_id).replace(b"987654321", b"%d"))
        return heads, bodies
