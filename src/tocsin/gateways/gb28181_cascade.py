"""The way up: we register with platforms above, keep alive, and take what they ask and tell.

Several at once, each on its own line. A message belongs to an upper platform by its From user and the address it came
from: two systems may be above and below each other at the same time. Source: GB reference, cascade.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import TocsinError
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain.cascade import Catalogue, Sharing, Upper
from tocsin.domain.cascade_service import Account, Announced, CascadeService
from tocsin.gateways.gb28181_cascade_calls import CascadeCalls, Forwarder
from tocsin.gateways.gb28181_cascade_control import CascadeControl
from tocsin.gateways.gb28181_cascade_positions import CascadePositions
from tocsin.gateways.gb28181_cascade_queries import CascadeQueries
from tocsin.gateways.gb28181_cascade_recordings import CascadeRecordings
from tocsin.gateways.gb28181_cascade_subscriptions import Subscriptions, SubscriptionsFile
from tocsin.gateways.gb28181_devices import RegisteredDevice
from tocsin.gateways.sip import SipGateway
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.gb28181 import cascade as wire
from tocsin.protocols.gb28181.alarm import AlarmNotice
from tocsin.protocols.gb28181.cascade import Registration, Step
from tocsin.protocols.gb28181.charset import Label, label_for
from tocsin.protocols.gb28181.manscdp import CONTENT_TYPE, BadDocument, Document, keepalive_notify, parse_document
from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.digest import Algorithm, Challenge, answer, parse_challenge
from tocsin.protocols.sip.message import Request, Response, expires_of, parse_uri

log = structlog.get_logger(__name__)

TICK_S: Final = 0.5
MAX_EVENTS: Final = 30
TOLD_AGAIN_S: Final = 30.0
MAX_TOLD: Final = 4096
_ASKING: Final = (b"<query", b"<control")

WORDS: Final = Words(
    {
        "upper.registering": ("Registering.", "正在注册。"),
        "upper.online": ("Registered; the upper platform answers.", "已注册，上级平台应答正常。"),
        "upper.unresolved": ("The host name {host} is not known.", "无法解析主机名 {host}。"),
        "upper.unreachable": (
            "No answer from {address}. Next try in {retry_s} s.",
            "{address} 无应答，{retry_s} 秒后重试。",
        ),
        "upper.wrong_password": (
            "The upper platform refuses name or password ({status}). Next try in {retry_s} s.",
            "上级平台拒绝用户名或密码（{status}），{retry_s} 秒后重试。",
        ),
        "upper.wrong_id": (
            "The upper platform does not answer to {upper_id} ({status}): check its id.",
            "上级平台编号 {upper_id} 不被接受（{status}），请核对编号。",
        ),
        "upper.expects_id": (
            "The upper platform expects the id {expected}, not {upper_id}.",
            "上级平台编号应为 {expected}，而不是 {upper_id}。",
        ),
        "upper.refused": (
            "Registration refused ({status}). Next try in {retry_s} s.",
            "注册被拒绝（{status}），{retry_s} 秒后重试。",
        ),
        "upper.keepalive_lost": (
            "Three keepalives without an answer. Registering again in {retry_s} s.",
            "连续 3 次心跳无应答，{retry_s} 秒后重新注册。",
        ),
        "upper.forgotten": (
            "The upper platform no longer knows us ({status}): registering again.",
            "上级平台已无本级注册信息（{status}），重新注册。",
        ),
        "upper.connection_lost": ("The connection broke: registering again.", "连接中断，重新注册。"),
        "upper.off": ("Switched off.", "未启用。"),
        "upper.stopped": ("Stopped by hand: nothing is shared.", "已紧急停止，不再共享。"),
        "upper.ended": ("The agreement has ended: nothing is shared.", "协议已到期，不再共享。"),
        "upper.redirected": ("Sent on to {address}.", "被重定向到 {address}。"),
    }
)


@dataclass(frozen=True, slots=True)
class CascadeConfig:
    """Seconds: how long changes are collected, how long after our start nothing is reported OFF, and for a picture."""

    debounce_s: float = 10.0
    start_grace_s: float = 120.0
    picture_within_s: float = 20.0
    early_answer_s: float = 8.0
    media_ip: str = ""
    version: str = ""
    subscriptions_path: Path | None = None


class UpperLine:
    """One upper platform: where it is, how we stand with it, what it was told."""

    def __init__(self, account: Account, now: float) -> None:
        self.account = account
        self.registration = Registration(account.upper.keepalive_s, now)
        self.peer: Peer | None = None
        self.redirect: tuple[str, int] | None = None
        self.key = "upper.registering"
        self.params: dict[str, object] = {}
        self.events: deque[dict[str, object]] = deque(maxlen=MAX_EVENTS)
        self.catalogue = Catalogue()
        self.subscriptions = Subscriptions()
        self.register_call_id = ""
        self.cseq = 0
        self.sn = 0
        self.is_closing = False

    @property
    def upper(self) -> Upper:
        """The entry."""
        return self.account.upper

    @property
    def label(self) -> Label:
        """How text for it is declared."""
        return label_for(self.upper.gb_version, self.upper.charset)

    def next_sn(self) -> int:
        """Return the next serial number of ours."""
        self.sn = self.sn % 999_999_999 + 1
        return self.sn

    def matches(self, from_user: str, peer: Peer) -> bool:
        """Say whether a message from there is this upper platform's: its id, and its address or connection."""
        known = self.peer
        if known is None or from_user != self.upper.upper_id or peer.host != known.host:
            return False
        if peer.transport is Transport.TCP:
            return True  # its connections come from any port
        return peer.port == known.port or known.transport is Transport.TCP


class GbCascade:
    """Every line up."""

    def __init__(
        self,
        sip: SipGateway,
        service: CascadeService,
        clock: Clock,
        *,
        forwarder: Forwarder,
        control: CascadeControl,
        config: CascadeConfig = CascadeConfig(),
    ) -> None:
        self.sip = sip
        self.service = service
        self.clock = clock
        self.config = config
        self.lines: dict[str, UpperLine] = {}
        self.calls = CascadeCalls(self, forwarder)
        self.control = control
        self.queries = CascadeQueries(self)
        self.recordings = CascadeRecordings(self)
        self.positions = CascadePositions(self)
        self._kept = SubscriptionsFile(config.subscriptions_path)
        self._told: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._started_at = clock.monotonic()
        self._is_stale = asyncio.Event()
        self._stale_since: dict[str, float] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runners: dict[str, asyncio.Task[None]] = {}
        self._ticker: asyncio.Task[None] | None = None
        self._next_invite: Callable[[Request, Peer], Response | None] | None = None
        self._next_subscribe: Callable[[Request, Peer], Response | None] | None = None
        service.state_of = self.state
        service.end_streams = self.calls.end_all

    async def start(self) -> None:
        """End what an earlier run left open, then register everywhere."""
        await self.service.end_leftovers()
        self._next_invite, self._next_subscribe = self.sip.handler("INVITE"), self.sip.handler("SUBSCRIBE")
        self.sip.handle("INVITE", self._invite)
        self.sip.handle("SUBSCRIBE", self._subscribe)
        self._started_at = self.clock.monotonic()
        await self.reload()
        self._ticker = asyncio.create_task(self._tick_forever(), name="cascade")

    async def stop(self) -> None:
        """End pictures, sign off where we are registered, end every task."""
        if self._ticker is not None:
            self._ticker.cancel()
        for runner in self._runners.values():
            runner.cancel()
        await self.calls.stop()
        await self.control.stop()
        await asyncio.gather(*(self._sign_off(line) for line in self.lines.values()), return_exceptions=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._runners.values(), return_exceptions=True)

    # --- entries ---

    async def reload(self) -> None:
        """Take over what was entered, changed or stopped."""
        now = self.clock.now()
        found = {account.upper.id: account for account in await self.service.accounts()}
        for upper, line in list(self.lines.items()):
            account = found.get(upper)
            if account is None or account.upper.sharing(now) is not Sharing.ACTIVE:
                self._kept.save(upper, (), 0.0, 0.0)
            if account is None or account.upper.sharing(now) is not Sharing.ACTIVE or account != line.account:
                await self._close(line)
        for upper, account in found.items():
            if upper not in self.lines and account.upper.sharing(now) is Sharing.ACTIVE:
                line = self.lines[upper] = UpperLine(account, self.clock.monotonic())
                self._note(line, "upper.registering")
                self._runners[upper] = asyncio.create_task(self._run(line), name=f"upper {upper}")
        self._known = found

    async def _close(self, line: UpperLine) -> None:
        line.is_closing = True
        self.lines.pop(line.upper.id, None)
        runner = self._runners.pop(line.upper.id, None)
        if runner is not None:
            runner.cancel()
        self.calls.end_all(line.upper.id, "closed")
        self.start_task(self._sign_off(line))

    def state(self, upper: str) -> dict[str, object]:
        """Return how the connection with an upper platform stands, in words and with what happened lately."""
        line = self.lines.get(upper)
        if line is None:
            known = getattr(self, "_known", {}).get(upper)
            sharing = known.upper.sharing(self.clock.now()) if known is not None else Sharing.OFF
            key = {Sharing.STOPPED: "upper.stopped", Sharing.ENDED: "upper.ended"}.get(sharing, "upper.off")
            return _said("off", key, {}, ())
        return {
            **_said(line.registration.standing.value, line.key, line.params, line.events),
            "subscriptions": line.subscriptions.names(),
        }

    def hear(self, announcements: Sequence[Announced]) -> None:
        """Hear of commits (`store.on_committed`): entries are taken over, catalogues told above."""
        for item in announcements:
            if item.type == "upper.changed":
                self._is_stale.set()
            elif item.type in ("camera.changed", "device.changed", "jurisdiction.changed"):
                for upper in self.lines:
                    self._stale_since.setdefault(upper, self.clock.monotonic())

    async def _tick_forever(self) -> None:
        while True:
            await self.clock.sleep(TICK_S)
            try:
                await self.tick()
            except TocsinError as error:
                log.warning("cascade waits for the store", reason=error.detail)

    async def tick(self) -> None:
        """Take over entries that changed or whose agreement ended, and push catalogue changes that waited enough."""
        now = self.clock.now()
        has_ended = any(line.upper.sharing(now) is not Sharing.ACTIVE for line in self.lines.values())
        if self._is_stale.is_set() or has_ended:
            self._is_stale.clear()
            await self.reload()
            for upper in self.lines:
                self._stale_since.setdefault(upper, self.clock.monotonic())
        self.positions.tick()
        due = self.clock.monotonic() - self.config.debounce_s
        for upper, since in list(self._stale_since.items()):
            line = self.lines.get(upper)
            if line is None:
                del self._stale_since[upper]
            elif since <= due:
                del self._stale_since[upper]
                self.start_task(self.queries.push(line, is_settling=self.is_settling))

    @property
    def is_settling(self) -> bool:
        """True for a while after our own start: devices must be heard before one is reported off."""
        return self.clock.monotonic() - self._started_at < self.config.start_grace_s

    def mark_stale(self, upper: str) -> None:
        """Tell an upper platform soon what changed."""
        self._stale_since.setdefault(upper, self.clock.monotonic())

    # --- one line ---

    async def _run(self, line: UpperLine) -> None:
        while True:
            now = self.clock.monotonic()
            step = line.registration.next_step(now)
            if step is Step.REGISTER:
                await self._register(line)
            elif step is Step.KEEPALIVE:
                await self._keep_alive(line)
            else:
                await self.clock.sleep(max(0.05, min(1.0, line.registration.due - now)))

    async def _reach(self, line: UpperLine) -> Peer | None:
        host, port = line.redirect or (line.upper.host, line.upper.port)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except OSError:
            self._note(line, "upper.unresolved", host=host)
            return None
        address = str(found[0][4][0])
        if line.upper.transport == "udp":
            return Peer(address, port, Transport.UDP, 0)
        return await self.sip.connect(address, port)

    async def _register(self, line: UpperLine) -> None:
        peer = await self._reach(line)
        if peer is None:
            self._refused(line, "upper.unreachable", address=f"{line.upper.host}:{line.upper.port}")
            return
        line.peer = peer
        self.sip.trust(peer)
        response = await self._send_register(line, peer, line.upper.expires_s)
        now = self.clock.monotonic()
        if response is None:
            self._refused(line, "upper.unreachable", address=peer.address)
        elif response.status == 200:
            was_online = line.registration.is_online
            line.registration.registered(expires_of(response) or line.upper.expires_s, now)
            if not was_online:
                self._note(line, "upper.online")
                line.catalogue = await self.service.catalogue(line.upper.id)
                self._resume(line)
        elif response.status in (301, 302) and (target := _contact(response)) is not None and line.redirect is None:
            line.redirect = target
            self._note(line, "upper.redirected", address=f"{target[0]}:{target[1]}")
            line.registration.again(now)
        else:
            self._explain(line, response)

    def _resume(self, line: UpperLine) -> None:
        """Go on in the dialogs an earlier run left, as if they had just been asked for."""
        now = self.clock.monotonic()
        if line.subscriptions.all(now):
            return
        for subscription in self._kept.take(line.upper.id, now, self.clock.now().timestamp()):
            line.subscriptions.put(subscription)
            self.queries.begin(line, subscription)

    def keep_subscriptions(self, line: UpperLine) -> None:
        """Keep what an upper platform has subscribed to, for a restart of ours."""
        now = self.clock.monotonic()
        self._kept.save(line.upper.id, line.subscriptions.all(now), now, self.clock.now().timestamp())

    async def _send_register(self, line: UpperLine, peer: Peer, expires_s: int) -> Response | None:
        line.register_call_id = line.register_call_id or self.sip.new_word()[:24]
        tag, upper = self.sip.new_word()[:10], line.upper
        uri = f"sip:{upper.upper_id}@{upper.domain}"
        authorization = ""
        response: Response | None = None
        for _ in range(3):  # a challenge, and once more when the nonce was stale
            line.cseq += 1
            own = f"<sip:{upper.local_id}@{upper.domain}>"
            fields = [
                ("From", f"{own};tag={tag}"),
                ("To", own),
                ("Call-ID", line.register_call_id),
                ("CSeq", f"{line.cseq} REGISTER"),
                ("Contact", f"<sip:{upper.local_id}@{self.sip.local_host(peer)}:{self.sip.port}>"),
                ("Expires", str(expires_s)),
                ("X-GB-ver", upper.gb_version),
                ("User-Agent", "Tocsin"),
                *([("Authorization", authorization)] if authorization else []),
            ]
            response = await self.sip.request(peer, "REGISTER", uri, fields=fields)
            if response is None or response.status != 401:
                return response
            challenge = strongest(response)
            if challenge is None or (authorization and not challenge.stale):
                return response
            authorization = answer(
                challenge,
                username=upper.login,
                password=line.account.password,
                method="REGISTER",
                uri=uri,
                cnonce=self.sip.new_word()[:8],
            ).encode()
        return response

    def _explain(self, line: UpperLine, response: Response) -> None:
        upper, status = line.upper, response.status
        expected = wire.expected_id(response, (upper.upper_id, upper.local_id))
        retry = response.headers.get("retry-after")
        retry_s = float(retry) if retry.isascii() and retry.isdigit() else 0.0
        if expected and status in (403, 404):
            self._refused(line, "upper.expects_id", expected=expected, upper_id=upper.upper_id, status=status)
        elif status == 404:
            self._refused(line, "upper.wrong_id", upper_id=upper.upper_id, status=status)
        elif status in (401, 403, 407):
            self._refused(line, "upper.wrong_password", status=status)
        else:
            self._refused(line, "upper.refused", retry_s, status=status)

    def _refused(self, line: UpperLine, key: str, retry_after_s: float = 0.0, **params: object) -> None:
        line.redirect = None  # back to where we were sent from
        now = self.clock.monotonic()
        line.registration.refused(now, retry_after_s)
        self._note(line, key, **params, retry_s=round(line.registration.due - now))

    async def _keep_alive(self, line: UpperLine) -> None:
        response = await self.tell(line, keepalive_notify(line.next_sn(), line.upper.local_id, (), line.label))
        now = self.clock.monotonic()
        if response is not None and response.status < 300:
            line.registration.kept_alive(now)
        elif response is not None and response.status in (401, 403, 404):
            self._note(line, "upper.forgotten", status=response.status)
            line.registration.again(now)
        elif line.registration.missed(now):
            self.calls.end_all(line.upper.id, "keepalive_lost")
            line.redirect = None
            self._note(line, "upper.keepalive_lost", retry_s=round(line.registration.due - now))

    async def _sign_off(self, line: UpperLine) -> None:
        if line.registration.is_online and line.peer is not None:
            line.registration.again(float("inf"))
            async with asyncio.timeout(2):
                await self._send_register(line, line.peer, 0)

    def _note(self, line: UpperLine, key: str, **params: object) -> None:
        line.key, line.params = key, params
        told: dict[str, object] = {"at": iso(self.clock.now()), "key": key, "params": params}
        if not line.events or (line.events[0]["key"], line.events[0]["params"]) != (key, params):
            line.events.appendleft(told)
            log.info("upper platform", upper=line.upper.id, state=key, **params)

    # --- both directions ---

    async def tell(self, line: UpperLine, body: bytes) -> Response | None:
        """Send a MESSAGE up; None when nobody answered."""
        if line.peer is None:
            return None
        upper = line.upper
        fields = [
            ("From", f"<sip:{upper.local_id}@{upper.local_id[:10]}>;tag={self.sip.new_word()[:10]}"),
            ("To", f"<sip:{upper.upper_id}@{upper.domain}>"),
            ("Call-ID", self.sip.new_word()[:24]),
            ("CSeq", "20 MESSAGE"),
            ("Content-Type", CONTENT_TYPE),
        ]
        return await self.sip.request(
            line.peer, "MESSAGE", f"sip:{upper.upper_id}@{upper.domain}", fields=fields, body=body
        )

    def line_of(self, request: Request, peer: Peer) -> UpperLine | None:
        """Return the upper platform a request comes from."""
        return next((line for line in self.lines.values() if line.matches(request.from_user, peer)), None)

    def is_above(self, gb_id: str, host: str) -> bool:
        """Say whether a platform above us has this id and address."""
        return any(
            line.upper.upper_id == gb_id and line.peer is not None and line.peer.host == host
            for line in self.lines.values()
        )

    def message(self, request: Request, peer: Peer, *, is_device: bool) -> tuple[bool, Response | None]:
        """Take a MESSAGE; (False, None) when it is no upper platform's. One that is a device of ours as well is above
        us when it asks or orders, and below us when it answers or tells.
        """
        line = self.line_of(request, peer)
        if line is None or (is_device and not any(word in request.body[:400].lower() for word in _ASKING)):
            return False, None
        route, hops = request.headers.get(wire.ROUTE_HEADER), request.headers.get("max-forwards")
        if wire.is_loop(route, (line.upper.local_id,), hops):
            return True, self.sip.reply_to(request, peer, 508)
        document = parse_document(request.body, line.upper.charset)
        if isinstance(document, BadDocument):
            return True, self.sip.reply_to(request, peer, 400)
        return True, self._document(line, request, peer, document)

    def _document(self, line: UpperLine, request: Request, peer: Peer, document: Document) -> Response | None:
        identity = wire.identity_of(request.headers.get(wire.IDENTITY_HEADER))
        if document.kind == "query":
            return self.sip.reply_to(request, peer, self.queries.take(line, document, identity))
        if document.kind == "control":
            self.start_task(self._control(line, request, peer, document, identity))
            return None
        return self.sip.reply_to(request, peer, 200)

    async def _control(self, line: UpperLine, request: Request, peer: Peer, document: Document, identity: str) -> None:
        status, body = await self.control.obey(line.upper, line.catalogue, document, identity, line.label)
        self.sip.answer(request, peer, status)
        if body is not None:
            await self.tell(line, body)

    def _invite(self, request: Request, peer: Peer) -> Response | None:
        line = self.line_of(request, peer)
        if line is not None:
            return self.calls.invite(line, request, peer)
        if self._next_invite is not None:
            return self._next_invite(request, peer)
        return self.sip.reply_to(request, peer, 403)

    def _subscribe(self, request: Request, peer: Peer) -> Response | None:
        line = self.line_of(request, peer)
        if line is not None:
            return self.queries.subscribe(line, request, peer)
        if self._next_subscribe is not None:
            return self._next_subscribe(request, peer)
        return self.sip.reply_to(request, peer, 403)

    def note_failure(
        self,
        line: UpperLine,
        subject: str,
        kind: str,
        key: str,
        status: int,
        identity: str,
        params: Mapping[str, object] | None = None,
    ) -> None:
        """Keep that an upper platform did not get what it asked for; the same within half a minute is kept once."""
        now, what = self.clock.monotonic(), (line.upper.id, subject, key)
        if now - self._told.get(what, -TOLD_AGAIN_S) < TOLD_AGAIN_S:
            return
        self._told[what] = now
        self._told.move_to_end(what)
        while len(self._told) > MAX_TOLD:
            self._told.popitem(last=False)
        asked = "upper.acted" if kind == "list" else "upper.view_opened"
        detail = {name: value for name, value in (params or {}).items() if isinstance(value, str | int | float)}
        detail |= {"kind": kind, "status": status}
        detail.pop("rule", None)
        self.start_task(self.service.note_refusal(line.upper.id, asked, subject, key, identity, **detail))

    def alarm_kept(self, device: RegisteredDevice, document: Document, notice: AlarmNotice) -> None:
        """Pass on an alarm that is committed here (`AlarmKeeper.on_kept`)."""
        for line in self.lines.values():
            self.queries.alarm(line, device, document, notice)

    def disconnected(self, peer: Peer) -> None:
        """A TCP connection ended: where it led up, we register again."""
        for line in self.lines.values():
            known = line.peer
            is_its = known is not None and known.transport is Transport.TCP and known.link == peer.link
            if is_its and line.registration.is_online:
                self._note(line, "upper.connection_lost")
                line.registration.again(self.clock.monotonic() + 1.0)

    def start_task(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something beside; its failure is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("cascade task failed", error=f"{type(error).__name__}: {error}")


def strongest(response: Response) -> Challenge | None:
    """Return the challenge to answer: SHA-256 where it is offered, else the first."""
    found = [parse_challenge(value) for value in response.headers.all("www-authenticate")]
    known = [challenge for challenge in found if challenge is not None]
    return next((one for one in known if one.algorithm is Algorithm.SHA256), known[0] if known else None)


def _said(state: str, key: str, params: dict[str, object], events: Sequence[dict[str, object]]) -> dict[str, object]:
    def words(name: str, values: Any) -> dict[str, str]:
        return {"words_en": WORDS.text(name, "en", values), "words_zh": WORDS.text(name, "zh", values)}

    told = [{**event, **words(str(event["key"]), event["params"])} for event in events]
    return {"state": state, "key": key, **words(key, params), "events": told, "subscriptions": []}


def _contact(response: Response) -> tuple[str, int] | None:
    value = response.headers.get("contact")
    uri = parse_uri(value.partition("<")[2].partition(">")[0] or value)
    return (uri.host, uri.port or 5060) if uri is not None and uri.host else None
