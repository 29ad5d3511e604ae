"""SIP door intercoms at the door: registration, presence by expiry and OPTIONS, text alarms; calls have own modules.

They share the SIP port with GB/T 28181: what names an intercom of the registry is taken here, all else passes on.
Only what proves its password counts, be it REGISTER, INVITE or MESSAGE; no call is ever passed to anybody else.
"""

from __future__ import annotations

import asyncio
import heapq
import sys
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import TocsinError
from tocsin.base.tasks import Supervisor
from tocsin.domain.attempts import AttemptKind
from tocsin.domain.devices import DeviceReports
from tocsin.domain.directory import Source
from tocsin.domain.intercom_calls import Binding
from tocsin.domain.signals import Receipt, Signal
from tocsin.gateways.gb28181_devices import AttemptLog
from tocsin.gateways.sip import SipGateway
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.gb28181.register import ChallengeIt, Decision, GrantIt, KnownDevice, RefuseIt, Registrar
from tocsin.protocols.gb28181.timeline import Timeline
from tocsin.protocols.intercom.call import for_evidence
from tocsin.protocols.intercom.events import read_text
from tocsin.protocols.intercom.ping import Pinger
from tocsin.protocols.messages.codes import is_passage
from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.digest import Nonces
from tocsin.protocols.sip.limits import Allowance, SourceLimits
from tocsin.protocols.sip.message import Request, Response, parse_uri, readable

log = structlog.get_logger(__name__)

PROTOCOL: Final = "sip"
TICK_S: Final = 1.0
PIECE: Final = 500
EXPIRY_GRACE_S: Final = 10.0
SHORTEST_EXPIRES_S: Final = 60
LONGEST_EXPIRES_S: Final = 3600
FAILURE_PAUSE_S: Final = 30.0
MAX_FAILED: Final = 4096
STRANGERS_PER_S: Final = 2.0
STRANGERS_AT_ONCE: Final = 40.0
ASKED_PER_S: Final = 2.0
ASKED_AT_ONCE: Final = 20.0
RETRY_AFTER_S: Final = 5


class Intake(Protocol):
    """Where signals go."""

    def accept(self, signal: Signal) -> asyncio.Future[Receipt]:
        """Return a future that resolves after the commit."""

    def acknowledged(self, signal_id: str, at: datetime) -> None:
        """Note when the answer to a signal left."""


class Devices(Protocol):
    """Who may speak."""

    def source(self, protocol: str, account: str) -> Source | None:
        """Return the device of that account."""

    def source_of(self, device_id: str) -> Source | None:
        """Return such a device by our id."""


@dataclass(frozen=True, slots=True)
class IntercomConfig:
    """Who we are and how patient: seconds between pings, how many may be missed, how long a call rings."""

    server_id: str = "34020000002000000001"
    realm: str = "3402000000"
    ping_s: float = 60.0
    misses: int = 3
    no_answer_s: float = 60.0
    silent_call_s: float = 30.0
    emergency_numbers: tuple[str, ...] = ("sos", "110", "119", "120", "112", "911")
    media_ip: str = ""


class Bound:
    """An intercom that registered, and where it was last heard. Times are monotonic seconds."""

    __slots__ = ("account", "asked", "cseq", "device_id", "due", "expires_at", "is_lost", "last_seen", "number", "peer")

    def __init__(self, account: str, device_id: str, peer: Peer, number: int) -> None:
        self.account = account
        self.device_id = device_id
        self.number = number
        self.expires_at = 0.0
        self.last_seen = 0.0
        self.due = 0.0
        self.asked = 0
        self.cseq = 0
        self.is_lost = False
        self.peer = peer

    def move(self, peer: Peer) -> None:
        """Take over the observed source as the address to speak to."""
        if peer != self.peer:
            self.peer = peer._replace(host=sys.intern(peer.host))


class Calls(Protocol):
    """Who takes the calls of intercoms that have proved who they are."""

    def ring(self, source: Source, request: Request, peer: Peer) -> None:
        """Take an INVITE; everything further is answered there."""

    async def stop(self) -> None:
        """End every call."""


class IntercomGateway:
    """Registrar, presence and text alarms of door intercoms."""

    def __init__(
        self,
        sip: SipGateway,
        devices: Devices,
        reports: DeviceReports,
        intake: Intake,
        clock: Clock,
        calls: Calls,
        *,
        nonce_secret: bytes,
        config: IntercomConfig,
        bindings: Callable[[datetime], Awaitable[Sequence[Binding]]],
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._sip = sip
        self._devices = devices
        self._reports = reports
        self._intake = intake
        self._clock = clock
        self._calls = calls
        self._config = config
        self._read_bindings = bindings
        self._registrar = Registrar(
            config.realm, Nonces(nonce_secret), shortest_s=SHORTEST_EXPIRES_S, longest_s=LONGEST_EXPIRES_S
        )
        self._pinger = Pinger(sip.new_word()[:8].ljust(8, "0"), config.server_id, config.realm)
        self._bound: dict[str, Bound] = {}
        self._numbers: dict[int, Bound] = {}
        self._next_number = 1
        self._due: list[tuple[float, int]] = []
        self._asked = SourceLimits(ASKED_PER_S, ASKED_AT_ONCE, max_hosts=65_536)
        self._strangers = SourceLimits(STRANGERS_PER_S, STRANGERS_AT_ONCE)
        self._failed_at: OrderedDict[str, float] = OrderedDict()
        self._attempts = AttemptLog(reports, clock)
        self._tasks = Supervisor(clock)
        self._is_up = False
        self._deaf_since: float | None = None

    # --- life

    async def start(self) -> None:
        """Take what intercoms send, and ask those that were registered when we last ran. Started again it goes on with
        those it knows, and the time it was away runs against nobody.
        """
        self._is_up = True
        for method, front in (("REGISTER", self._register), ("INVITE", self._invite), ("MESSAGE", self._message)):
            self._sip.handle_first(method, front)
        self._sip.use_short_way(self._short_way)
        self._sip.hear_responses(self._hear_response)
        now = self._clock.monotonic()
        for known in await self._read_bindings(self._clock.now()):
            self._restore(known, now)
        self._tasks.spawn("intercoms asked", self._keep_asking)

    async def stop(self) -> None:
        """End every call and every task; until it is started again intercoms hear that we cannot, and when to ask."""
        self._is_up = False
        self._note_deaf(self._clock.monotonic())
        await self._tasks.stop()
        await self._calls.stop()

    def check(self) -> None:
        """Raise when nobody looks after the intercoms any more. Errors: RuntimeError."""
        if not self._is_up:
            raise RuntimeError("the intercoms are not looked after any more")
        self._tasks.check()

    @property
    def registered(self) -> int:
        """How many are registered and heard."""
        return sum(not bound.is_lost for bound in self._bound.values())

    def peer_of(self, device_id: str) -> Peer | None:
        """Return where a registered intercom is."""
        source = self._devices.source_of(device_id)
        bound = self._bound.get(source.account) if source is not None else None
        return bound.peer if bound is not None else None

    # --- registration

    def _register(self, request: Request, peer: Peer) -> tuple[bool, Response | None]:
        account = request.to_user or request.from_user
        source = self._devices.source(PROTOCOL, account)
        if source is None:
            return False, None
        reply = self._sip.reply_to
        now = self._clock.monotonic()
        refused = self._held_back(request, peer, account, now)
        if refused is not None:
            return refused
        if request.from_user and request.from_user != account:
            return True, reply(request, peer, 403)  # nobody registers another
        decision = self._prove(request, peer, source)
        self._note(source, peer, decision, now)
        if not isinstance(decision, GrantIt):
            return True, self._deny(request, peer, decision)
        current = self._bound.get(account)
        if "contact" not in request.headers:  # a question: who is bound
            left = max(0, round(current.expires_at - now)) if current is not None else 0
            return True, reply(request, peer, 200, [("Expires", str(left))])
        if decision.expires_s == 0:
            if current is not None:
                self._drop(current, "register.removed")
            return True, reply(request, peer, 200)
        self._bind(source, peer, decision.expires_s, now)
        self.counters["registrations"] += 1
        self._sip.trust(peer)
        agent = readable(request.headers.get("user-agent"))
        moment = self._clock.now()
        self._reports.registered(
            source.device_id, moment, decision.expires_s, peer.address, peer.transport.value, agent, ""
        )
        uri = parse_uri(decision.contact)
        contact = str(uri) if uri is not None and uri.host else f"sip:{account}@{peer.host}:{peer.port}"
        granted = str(decision.expires_s)
        fields = [("Contact", f"<{contact}>;expires={granted}"), ("Expires", granted)]
        return True, reply(request, peer, 200, fields)

    def _bind(self, source: Source, peer: Peer, expires_s: float, now: float) -> Bound:
        bound = self._bound.get(source.account)
        if bound is None or bound.device_id != source.device_id:
            bound = Bound(source.account, source.device_id, peer, self._next_number)
            self._next_number += 1
            self._bound[source.account] = self._numbers[bound.number] = bound
        bound.move(peer)
        bound.expires_at = now + expires_s + EXPIRY_GRACE_S
        bound.last_seen = now
        bound.asked, bound.is_lost = 0, False
        self._schedule(bound, now)
        return bound

    def _restore(self, known: Binding, now: float) -> None:
        host, _, port = known.peer.rpartition(":")
        source = self._devices.source_of(known.device_id)
        if source is None or not port.isdigit() or source.account in self._bound:
            return
        left_s = (known.until - self._clock.now()).total_seconds()
        bound = self._bind(source, Peer(host, int(port), Transport.UDP, 0), left_s, now)
        bound.last_seen = now - self._config.ping_s
        self._ask_soon(bound, now)

    def _prove(self, request: Request, peer: Peer, source: Source) -> Decision:
        current = self._bound.get(source.account)
        known = KnownDevice(
            source.account,
            source.secret.decode("utf-8", "replace"),
            username=str(source.settings.get("username", "")),
            sha256=bool(source.settings.get("sha256", False)),
            last_host=current.peer.host if current is not None else "",
        )
        word = self._sip.new_word()[:16]
        now_s = int(self._clock.now().timestamp())
        return self._registrar.prove(request, source.account, peer.host, known, now_s=now_s, random_word=word)

    def _deny(self, request: Request, peer: Peer, decision: Decision) -> Response:
        if isinstance(decision, ChallengeIt):
            self.counters["challenged"] += 1
            fields = [("WWW-Authenticate", value) for value in decision.challenges]
            return self._sip.reply_to(request, peer, 401, fields)
        assert isinstance(decision, RefuseIt)
        self.counters["refused"] += 1
        retry = [("Retry-After", str(decision.retry_after_s))] if decision.retry_after_s else []
        return self._sip.reply_to(request, peer, decision.status, retry)

    def _held_back(self, request: Request, peer: Peer, account: str, now: float) -> tuple[bool, Response | None] | None:
        """Hold back everybody while we are away, else one that asks without pause; its neighbours are not touched."""
        if not self._is_up:
            return True, self._sip.reply_to(request, peer, 503, [("Retry-After", str(RETRY_AFTER_S))])
        allowance = self._asked.take(f"{account}@{peer.host}", now)
        if allowance is Allowance.SERVE:
            return None
        self.counters["too_often"] += 1
        if allowance is Allowance.DROP:
            return True, None
        return True, self._sip.reply_to(request, peer, 503, [("Retry-After", str(RETRY_AFTER_S))])

    def _note(self, source: Source, peer: Peer, decision: Decision, now: float) -> None:
        """Tell the device's page why a registration failed, at most once in 30 s, and when the first one succeeds."""
        timeline = Timeline(now)
        timeline.ok("register.received", now, peer=peer.address, transport=peer.transport.value)
        if isinstance(decision, GrantIt):
            if source.account not in self._bound and decision.expires_s:
                timeline.ok("register.granted", now, expires_s=decision.expires_s)
                self._attempts.finish(AttemptKind.REGISTRATION, source.device_id, timeline, is_ok=True)
            return
        is_wrong = isinstance(decision, RefuseIt) or decision.key.startswith("register.wrong")
        if not is_wrong or now - self._failed_at.get(source.account, -1e9) < FAILURE_PAUSE_S:
            return
        while len(self._failed_at) >= MAX_FAILED:
            self._failed_at.popitem(last=False)
        self._failed_at[source.account] = now
        timeline.failed(decision.key, now)
        self._attempts.finish(AttemptKind.REGISTRATION, source.device_id, timeline, is_ok=False)

    # --- presence

    def _schedule(self, bound: Bound, now: float) -> None:
        due = min(now + self._config.ping_s, bound.expires_at)
        if bound.due <= now or due < bound.due:
            bound.due = due
            heapq.heappush(self._due, (due, bound.number))

    async def _keep_asking(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            for _ in self.ask_in_pieces():
                await asyncio.sleep(0)  # thousands of intercoms must not hold up an alarm

    def ask_in_pieces(self) -> Iterator[None]:
        """Ask who was not heard lately, drop who has expired, report who missed too many; yields after each piece."""
        now = self._clock.monotonic()
        if not self._sip.is_open:
            self._note_deaf(now)
            return
        if self._deaf_since is not None:
            away_s, self._deaf_since = now - self._deaf_since, None
            self._excuse(away_s, now)
        done = 0
        while self._due and self._due[0][0] <= now:
            due, number = heapq.heappop(self._due)
            bound = self._numbers.get(number)
            if bound is None or bound.due != due:
                continue
            self._look_at(bound, now)
            done += 1
            if done % PIECE == 0:
                yield

    def _note_deaf(self, now: float) -> None:
        self._deaf_since = now if self._deaf_since is None else self._deaf_since

    def _excuse(self, away_s: float, now: float) -> None:
        """Nobody could register or answer while we were away: each registration holds that much longer, and all are
        asked anew.
        """
        for bound in self._bound.values():
            bound.expires_at += away_s
            bound.asked = 0
            self._ask_soon(bound, now)

    def _ask_soon(self, bound: Bound, now: float) -> None:
        """Ask within one interval, never all at once."""
        bound.due = now + self._config.ping_s * (bound.number % 997) / 997
        heapq.heappush(self._due, (bound.due, bound.number))

    def _look_at(self, bound: Bound, now: float) -> None:
        source = self._devices.source_of(bound.device_id)
        if source is None or source.account != bound.account:
            self._drop(bound, "register.removed")
            return
        if bound.expires_at <= now:
            self._drop(bound, "register.expired")
            return
        if bound.asked >= self._config.misses and not bound.is_lost:
            bound.is_lost = True
            self.counters["lost"] += 1
            self._reports.unregistered(bound.device_id, self._clock.now(), "register.keepalive_lost", is_bound=True)
        if now - bound.last_seen >= self._config.ping_s * 0.9:
            bound.asked += 1
            bound.cseq += 1
            own = (self._sip.local_host(bound.peer), self._sip.port)
            target = (bound.peer.host, bound.peer.port)
            self._sip.send(bound.peer, self._pinger.question(bound.number, bound.account, target, own, bound.cseq))
            self.counters["pings"] += 1
        bound.due = min(now + self._config.ping_s, bound.expires_at)
        heapq.heappush(self._due, (bound.due, bound.number))

    def _short_way(self, data: bytes, host: str, port: int, link: int, now: float) -> bytes | None:
        number = self._pinger.answered(data)
        if number is None:
            return None
        self._alive(number, host, now)
        return b""

    def _hear_response(self, response: Response, peer: Peer) -> bool:
        via = response.via
        number = self._pinger.number_in(via.branch.encode("utf-8", "replace")) if via is not None else None
        if number is None:
            return False
        self._alive(number, peer.host, self._clock.monotonic())
        return True

    def _alive(self, number: int, host: str, now: float) -> None:
        bound = self._numbers.get(number)
        if bound is None or bound.peer.host != host:
            return
        self.counters["pongs"] += 1
        self._heard(bound, now)

    def _heard(self, bound: Bound, now: float) -> None:
        bound.last_seen = now
        bound.asked, bound.is_lost = 0, False
        self._reports.seen(bound.device_id, self._clock.now(), bound.peer.address, bound.peer.transport.value)

    def _drop(self, bound: Bound, reason: str) -> None:
        self._numbers.pop(bound.number, None)
        if self._bound.get(bound.account) is bound:
            del self._bound[bound.account]
        self._reports.unregistered(bound.device_id, self._clock.now(), reason)

    # --- calls and text alarms

    def _admit(self, request: Request, peer: Peer) -> Source | tuple[bool, Response | None]:
        """Return the intercom a request proves to be from; else what is to be done with it."""
        source = self._devices.source(PROTOCOL, request.from_user)
        now = self._clock.monotonic()
        if source is None:
            if self._strangers.take(peer.host, now) is Allowance.SERVE:
                return False, None  # a GB/T 28181 device may have a reason; everybody else is refused there
            self.counters["strangers_dropped"] += 1
            return True, None
        refused = self._held_back(request, peer, source.account, now)
        if refused is not None:
            return refused
        decision = self._prove(request, peer, source)
        if not isinstance(decision, GrantIt):
            return True, self._deny(request, peer, decision)
        bound = self._bound.get(source.account)
        if bound is not None and bound.peer.host == peer.host:
            self._heard(bound, now)
        return source

    def _invite(self, request: Request, peer: Peer) -> tuple[bool, Response | None]:
        found = self._admit(request, peer)
        if not isinstance(found, Source):
            return found
        self.counters["calls"] += 1
        self._calls.ring(found, request, peer)
        return True, None

    def _message(self, request: Request, peer: Peer) -> tuple[bool, Response | None]:
        if self._devices.source(PROTOCOL, request.from_user) is None:
            return False, None
        found = self._admit(request, peer)
        if not isinstance(found, Source):
            return found
        event = read_text(request.body)
        if is_passage(event):
            self.counters["passages_dropped"] += 1
            return True, self._sip.reply_to(request, peer, 200)
        signal = Signal(
            PROTOCOL,
            peer.transport.value,
            peer.address,
            found.account,
            for_evidence(request),
            self._clock.now(),
            found.device_id,
            "MESSAGE",
            events=(event,) if event.is_known else (),
            quarantine="" if event.is_known else "unknown_code",
            dedup_key=f"{request.call_id} {request.cseq}",
        )
        self.counters["texts"] += 1
        try:
            future = self._intake.accept(signal)
        except TocsinError:
            return True, self._sip.reply_to(request, peer, 503, [("Retry-After", str(RETRY_AFTER_S))])
        future.add_done_callback(partial(self._taken, request, peer))
        return True, None

    def _taken(self, request: Request, peer: Peer, future: asyncio.Future[Receipt]) -> None:
        """Answer a text alarm once it is committed; when that failed, its repetition is taken as a new one."""
        if future.cancelled() or future.exception() is not None:
            self._sip.answer(request, peer, None)
            return
        self._sip.answer(request, peer, 200)
        self._intake.acknowledged(future.result().signal_id, self._clock.now())
