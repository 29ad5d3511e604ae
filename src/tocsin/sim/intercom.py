"""Simulated SIP door intercoms, many on one UDP socket: they register, answer questions, ring, hear their door code.

An intercom that does nothing costs its account and three numbers; questions are answered from their own lines. A call
is an object of its own, with a sound socket when the plan wants sound.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.protocols.sip.digest import answer, parse_challenge
from tocsin.protocols.sip.message import Headers, Request, Response, expires_of, parse_datagram, response_to
from tocsin.sim.intercom_call import SimCall

REPEAT_AFTER_S: Final = 1.0
PULSE_S: Final = 0.02
DRAIN: Final = 256
NOBODY: Final = -1
RENEW_SHARE: Final = 0.8
_LINES: Final = re.compile(rb"\r\n(?:Via|From|To|Call-ID|CSeq): [^\r]*")
_NUMBER: Final = re.compile(r"[rm](\d{1,9})\.")
_ASKED: Final = re.compile(rb"[A-Z]+ sips?:([^@;> ]+)@")
_ANSWERED: Final = re.compile(rb"\r\nCall-ID: *[rmc](\d{1,9})\.", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class IntercomPlan:
    """Who the intercoms are. `password` is of all of them unless `passwords` has one of the account.

    `window` is how many registrations are under way at a time, `tries` how often each is sent, a second apart.
    `sound` lets each call open a socket of its own and send a tone. `video` is "early" for a picture before the answer
    where the platform lets it, "late" for one with the answer, or empty; `prack` insists on acknowledged ringing.
    """

    server: tuple[str, int]
    accounts: tuple[str, ...]
    password: str = field(default="", repr=False)
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    realm: str = "3402000000"
    server_id: str = "34020000002000000001"
    expires_s: int = 3600
    window: int = 256
    tries: int = 8
    local_host: str = "127.0.0.1"
    called: str = "1000"
    sos_number: str = "sos"
    sound: bool = True
    video: str = ""
    prack: bool = False


@dataclass(slots=True)
class IntercomReport:
    """What happened. `rings` = `answered` + `refused` + `given_up` once every call is over."""

    devices: int = 0
    registered: int = 0
    refused_registrations: int = 0
    renewed: int = 0
    register_s: float = 0.0
    questions_answered: int = 0
    unheard: int = 0
    rings: int = 0
    rang: int = 0
    answered: int = 0
    refused: int = 0
    given_up: int = 0
    hung_up_by_platform: int = 0
    texts: int = 0
    texts_acknowledged: int = 0
    digits: list[str] = field(default_factory=list)
    packets_heard: int = 0
    video_packets: int = 0
    ring_ms: list[float] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        shown = asdict(self)
        waits = sorted(shown.pop("ring_ms"))
        if waits:
            shown["ring_p50_ms"] = round(waits[len(waits) // 2], 1)
            shown["ring_p99_ms"] = round(waits[int(len(waits) * 0.99)], 1)
        return shown


class SimIntercoms:
    """The intercoms and their socket. Use as an asynchronous context: `register_all`, then `ring` and `text`."""

    def __init__(self, plan: IntercomPlan, clock: Clock, new_word: Callable[[], str]) -> None:
        self.plan = plan
        self.report = IntercomReport(devices=len(plan.accounts))
        self.clock = clock
        self.new_word = new_word
        self.calls: dict[str, SimCall] = {}
        self.port = 0
        self._word = new_word()[:8]
        self._socket: socket.socket | None = None
        self._cseq = array("L", bytes(array("L").itemsize * len(plan.accounts)))
        self._renewals: deque[tuple[float, int]] = deque()
        self._waiting: deque[int] = deque()
        self._pending: OrderedDict[str, tuple[float, int, bytes, int]] = OrderedDict()
        self._done: dict[str, asyncio.Future[int]] = {}
        self._texts: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._is_registered = bytearray(len(plan.accounts))
        self._numbers = {account.encode(): number for number, account in enumerate(plan.accounts)}
        self._dark: set[int] = set()
        self._to_register: set[int] = set()

    async def __aenter__(self) -> SimIntercoms:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
        made.bind((self.plan.local_host, 0))
        made.connect(self.plan.server)
        self._socket, self.port = made, made.getsockname()[1]
        asyncio.get_running_loop().add_reader(made.fileno(), self._read)
        self._life = asyncio.create_task(self._run(), name="simulated intercoms")
        return self

    async def __aexit__(self, *error: object) -> None:
        for call in list(self.calls.values()):
            call.close()
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()

    # --- registration

    async def register_all(self) -> int:
        """Register every intercom; return how many the platform took. They renew by themselves from then on."""
        started = self.clock.monotonic()
        self.register()
        while self._waiting or any(key.startswith("r") for key in self._pending):
            await self._changed_or(PULSE_S)
        self.report.register_s = round(self.clock.monotonic() - started, 3)
        return self.report.registered

    def register(self) -> None:
        """Begin to register every intercom."""
        self._waiting.extend(range(len(self.plan.accounts)))
        self._fill()

    def password_of(self, number: int) -> str:
        """Return the password of an intercom."""
        return self.plan.passwords.get(self.plan.accounts[number], self.plan.password)

    def credentials(self, number: int, response: Response, method: str, uri: str) -> str:
        """Return what answers a challenge."""
        challenge = parse_challenge(response.headers.get("www-authenticate"))
        if challenge is None:
            return ""
        account, password = self.plan.accounts[number], self.password_of(number)
        made = answer(
            challenge, username=account, password=password, method=method, uri=uri, cnonce=self.new_word()[:8]
        )
        return made.encode()

    def _fill(self) -> None:
        while self._waiting and len(self._pending) < self.plan.window:
            number = self._waiting.popleft()
            if number in self._dark:
                self._to_register.add(number)
            else:
                self._ask(f"r{number}.{self._word}", number, self._register(number, ""))

    def _ask(self, key: str, number: int, data: bytes, tries: int = 0) -> None:
        self._pending[key] = (self.clock.monotonic() + REPEAT_AFTER_S, number, data, tries or self.plan.tries)
        self._pending.move_to_end(key)
        self.send(data, number)

    def _register(self, number: int, authorization: str) -> bytes:
        account, plan = self.plan.accounts[number], self.plan
        fields = [
            ("Contact", f"<sip:{account}@{plan.local_host}:{self.port}>"),
            ("Expires", str(plan.expires_s)),
            ("User-Agent", "Tocsin Sim Intercom"),
        ]
        if authorization:
            fields.append(("Authorization", authorization))
        return self._request("REGISTER", number, account, f"r{number}.{self._word}", fields).encode()

    def _request(
        self, method: str, number: int, to: str, call_id: str, fields: list[tuple[str, str]], body: bytes = b""
    ) -> Request:
        account, plan = self.plan.accounts[number], self.plan
        self._cseq[number] += 1
        cseq = self._cseq[number]
        via = f"SIP/2.0/UDP {plan.local_host}:{self.port};rport;branch=z9hG4bK{self._word}{call_id}.{cseq}"
        head = [
            ("Via", via),
            ("From", f"<sip:{account}@{plan.realm}>;tag={self._word}"),
            ("To", f"<sip:{to}@{plan.realm}>"),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
            ("Max-Forwards", "70"),
        ]
        target = plan.realm if method == "REGISTER" else f"{to}@{plan.realm}"
        return Request(method, f"sip:{target}", Headers([*head, *fields]), body)

    def _registered(self, number: int, response: Response) -> None:
        if response.status == 200:
            granted_s = expires_of(response) or self.plan.expires_s
            self._renewals.append((self.clock.monotonic() + granted_s * RENEW_SHARE, number))
            if self._is_registered[number]:
                self.report.renewed += 1
            else:
                self._is_registered[number] = 1
                self.report.registered += 1
        else:
            self.report.refused_registrations += 1
        self._fill()
        self._changed.set()

    # --- without power, or without a way to the platform

    @property
    def reachable(self) -> int:
        """How many are registered and not in the dark."""
        return self.report.registered - sum(self._is_registered[number] for number in self._dark)

    def darken(self, numbers: Collection[int], *, has_power: bool = True) -> None:
        """Let nothing pass from and to intercoms until `light`; without power they forget that they were registered."""
        self._dark.update(numbers)
        for key in [key for key, (_, number, _, _) in self._pending.items() if key[0] == "r" and number in self._dark]:
            self._to_register.add(self._pending.pop(key)[1])
        if has_power:
            return
        lost = set(numbers)
        self._renewals = deque(renewal for renewal in self._renewals if renewal[1] not in lost)
        self._to_register |= lost
        for call in [call for call in self.calls.values() if call.number in lost]:
            call.vanish()
        for number in lost:
            self.report.registered -= self._is_registered[number]
            self._is_registered[number] = 0

    def light(self, numbers: Collection[int]) -> None:
        """Let them speak again: those that had no power, or whose registration fell due, register anew."""
        self._dark.difference_update(numbers)
        back = sorted(self._to_register.intersection(numbers))
        self._to_register.difference_update(back)
        self._waiting.extend(back)
        self._fill()

    def _is_for_the_dark(self, data: bytes) -> bool:
        asked = _ASKED.match(data)
        if asked is not None:
            return self._numbers.get(asked[1]) in self._dark
        answered = _ANSWERED.search(data)
        return answered is not None and int(answered[1]) in self._dark

    # --- what an intercom does

    def ring(self, number: int, *, is_sos: bool = False, called: str = "", hold_s: float = 0.0) -> SimCall:
        """Ring the platform; the call tells how it goes. `hold_s` hangs up that long after an answer; 0: never."""
        call = SimCall(self, number, called or (self.plan.sos_number if is_sos else self.plan.called), hold_s, is_sos)
        self.calls[call.call_id] = call
        self.report.rings += 1
        call.start()
        return call

    async def text(self, number: int, words: str) -> bool:
        """Send a text alarm; return whether the platform acknowledged it."""
        key = f"m{number}.{self.new_word()[:12]}"
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._done[key] = future
        self._texts[key] = words
        self.report.texts += 1
        self._ask(key, number, self._message(number, key, words, ""))
        status = await future
        self.report.texts_acknowledged += status == 200
        return status == 200

    def _message(self, number: int, key: str, words: str, authorization: str) -> bytes:
        fields = [("Content-Type", "text/plain")]
        if authorization:
            fields.append(("Authorization", authorization))
        return self._request("MESSAGE", number, self.plan.called, key, fields, words.encode()).encode()

    # --- the wire

    def send(self, data: bytes, number: int) -> None:
        """Put a datagram of an intercom on the wire; a lost one is sent again by whoever waits."""
        if self._socket is not None and number not in self._dark:
            with contextlib.suppress(OSError):
                self._socket.send(data)

    async def _run(self) -> None:
        """Repeat what is not answered, renew registrations, drive the timers of calls."""
        while True:
            await self.clock.sleep(PULSE_S)
            now = self.clock.monotonic()
            for key, (due, number, data, tries) in list(self._pending.items()):
                if due > now:
                    break
                if tries > 1:
                    self._ask(key, number, data, tries - 1)
                else:
                    self._give_up(key)
            while self._renewals and self._renewals[0][0] <= now:
                self._waiting.append(self._renewals.popleft()[1])
            self._fill()
            for call in list(self.calls.values()):
                call.tick(now)

    def _give_up(self, key: str) -> None:
        del self._pending[key]
        if key.startswith("r"):
            self.report.refused_registrations += 1
        elif (future := self._done.pop(key, None)) is not None and not future.done():
            future.set_result(408)
        self._changed.set()

    async def _changed_or(self, seconds: float) -> None:
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _read(self) -> None:
        made = self._socket
        assert made is not None
        for _ in range(DRAIN):
            try:
                data = made.recv(65_535)
            except BlockingIOError:
                break
            except OSError:
                continue
            if self._dark and self._is_for_the_dark(data):
                self.report.unheard += 1
                continue
            if data.startswith(b"OPTIONS "):
                self._answer_question(data)
                continue
            message = parse_datagram(data)
            if isinstance(message, Response):
                self._take_response(message)
            elif isinstance(message, Request):
                self._take_request(message)

    def _answer_question(self, data: bytes) -> None:
        self.report.questions_answered += 1
        self.send(b"SIP/2.0 200 OK" + b"".join(_LINES.findall(data)) + b"\r\nContent-Length: 0\r\n\r\n", NOBODY)

    def _take_response(self, response: Response) -> None:
        key = response.call_id
        call = self.calls.get(key)
        if call is not None:
            call.take_response(response)
            return
        match = _NUMBER.match(key)
        if match is None or key not in self._pending or response.status < 200:
            return
        number, method = int(match[1]), response.method
        if method == "REGISTER" and response.cseq != self._cseq[number]:
            return  # to an earlier one, which was sent twice
        if response.status == 401 and "Authorization" not in self._pending[key][2].decode("utf-8", "replace"):
            if method == "REGISTER":
                uri = f"sip:{self.plan.realm}"
                self._ask(key, number, self._register(number, self.credentials(number, response, method, uri)))
            else:
                uri = f"sip:{self.plan.called}@{self.plan.realm}"
                given = self.credentials(number, response, method, uri)
                self._ask(key, number, self._message(number, key, self._texts.get(key, ""), given))
            return
        if response.status == 503:
            return  # the repetition comes later
        del self._pending[key]
        if method == "REGISTER":
            self._registered(number, response)
        elif (future := self._done.pop(key, None)) is not None and not future.done():
            self._texts.pop(key, None)
            future.set_result(response.status)

    def _take_request(self, request: Request) -> None:
        call = self.calls.get(request.call_id)
        if call is not None:
            call.take_request(request)
        elif request.method != "ACK":
            self.send(response_to(request, 481, to_tag=self._word).encode(), NOBODY)
