"""GB/T 28181 at the door: registration, keepalives, documents. Catalogues, pictures, control have own modules.

Per device only one slotted object is kept; last-seen times and addresses reach storage in batches.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import structlog

from tocsin.base.clock import Clock
from tocsin.base.tasks import Supervisor
from tocsin.domain.attempts import AttemptKind
from tocsin.domain.devices import DeviceReports, PositionReport
from tocsin.domain.directory import Channel, Directory, SipDevice
from tocsin.domain.guarding import CommandOutcome
from tocsin.domain.video import MediaPorts
from tocsin.gateways.gb28181_alarms import AlarmKeeper, Intake
from tocsin.gateways.gb28181_calls import CallJournal, LiveConfig, MediaCaller
from tocsin.gateways.gb28181_camera_desk import GbCameraDesk
from tocsin.gateways.gb28181_catalog import Asker, CatalogReader, Identity
from tocsin.gateways.gb28181_clock_form import ClockForms
from tocsin.gateways.gb28181_commands import AlarmCommands
from tocsin.gateways.gb28181_control import ANSWERS, ControlConfig, GbControl
from tocsin.gateways.gb28181_desk import GbDesk
from tocsin.gateways.gb28181_device_clock import DeviceClocks
from tocsin.gateways.gb28181_devices import AttemptLog, DeviceTable, RegisteredDevice
from tocsin.gateways.gb28181_download_speeds import GbDownloadSpeeds
from tocsin.gateways.gb28181_habits import WireHabits
from tocsin.gateways.gb28181_live import GbLiveSession, GbLiveSource
from tocsin.gateways.gb28181_notices import Notices
from tocsin.gateways.gb28181_playback import GbPlayback
from tocsin.gateways.gb28181_recordings import RecordingReader, SearchConfig
from tocsin.gateways.gb28181_redirect import Redirector
from tocsin.gateways.gb28181_snapshots import GbSnapshots
from tocsin.gateways.gb28181_subscription_journal import SubscriptionJournal
from tocsin.gateways.gb28181_subscriptions import Subscriptions
from tocsin.gateways.gb28181_voice import GbVoice, VoiceConfig
from tocsin.gateways.sip import SipGateway
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.gb28181.alarm import AlarmNotice, is_alarm, may_be_alarm
from tocsin.protocols.gb28181.charset import charset_named
from tocsin.protocols.gb28181.ids import is_acceptable
from tocsin.protocols.gb28181.keepalive import recognise, reply
from tocsin.protocols.gb28181.manscdp import BadDocument, Document, parse_document
from tocsin.protocols.gb28181.register import (
    LONGEST_EXPIRES_S,
    OUR_VERSION,
    SHORTEST_EXPIRES_S,
    ChallengeIt,
    Decision,
    GrantIt,
    KnownDevice,
    RefuseIt,
    Registrar,
    gb_date,
    grant_headers,
)
from tocsin.protocols.gb28181.subscribe import topic_of
from tocsin.protocols.gb28181.timeline import Timeline
from tocsin.protocols.gb28181.tries import DateForm
from tocsin.protocols.gb28181.video_upload import is_video_upload
from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.digest import Nonces
from tocsin.protocols.sip.limits import Allowance, SourceLimits
from tocsin.protocols.sip.message import Request, Response, readable

log = structlog.get_logger(__name__)

SWEEP_S: Final = 5.0
SWEEP_PIECE: Final = 250
EXPIRY_GRACE_S: Final = 10.0
CHALLENGE_ANSWER_S: Final = 35.0
MAX_OPEN_TIMELINES: Final = 4096
FAILURE_PAUSE_S: Final = 30.0
PENDING_A_SWEEP: Final = 100
CATALOG_SPREAD_S: Final = 2.0
REGISTERS_PER_S: Final = 2.0  # a device; renewals come once a minute at most
REGISTERS_AT_ONCE: Final = 20.0
TOO_OFTEN_RETRY_S: Final = 60
RETRY_AFTER_S: Final = 2


@dataclass(frozen=True, slots=True)
class GbConfig:
    """Who we are and how patient. `calls_path` is where open calls are journalled; None forgets them."""

    server_id: str = "34020000002000000001"
    realm: str = "3402000000"
    keepalive_misses: int = 3
    min_expires_s: int = SHORTEST_EXPIRES_S
    max_expires_s: int = LONGEST_EXPIRES_S
    catalogs_per_s: float = 50.0
    query_catalog: bool = True
    subscribe_alarms: bool = True
    live: LiveConfig = field(default_factory=LiveConfig)
    control: ControlConfig = field(default_factory=ControlConfig)
    voice: VoiceConfig = field(default_factory=VoiceConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    calls_path: Path | None = None
    subscriptions_path: Path | None = None
    redirect_to: str = ""


@dataclass(frozen=True, slots=True)
class GbHealth:
    """How the GB/T 28181 side is doing."""

    registered: int
    catalogs_waiting: int
    open_calls: int
    keepalives: int
    subscriptions: int = 0
    alarms: Mapping[str, int] = field(default_factory=dict)


class Uppers(Protocol):
    """Platforms above us, who use the same port."""

    def is_above(self, gb_id: str, host: str) -> bool:
        """Say whether a platform above us has this id and address."""

    def message(self, request: Request, peer: Peer, *, is_device: bool) -> tuple[bool, Response | None]:
        """Take a MESSAGE of a platform above us; (False, None) when it is none."""

    def disconnected(self, peer: Peer) -> None:
        """A TCP connection ended."""


class Gb28181Gateway:
    """Registrar, keepalives, catalogues and live pictures of cameras and recorders. Implements `LiveSource`."""

    def __init__(
        self,
        sip: SipGateway,
        directory: Directory,
        reports: DeviceReports,
        clock: Clock,
        *,
        intake: Intake,
        nonce_secret: bytes,
        config: GbConfig,
    ) -> None:
        self._sip = sip
        self._directory = directory
        self._reports = reports
        self._clock = clock
        self._config = config
        self._registrar = Registrar(
            config.realm, Nonces(nonce_secret), shortest_s=config.min_expires_s, longest_s=config.max_expires_s
        )
        self._redirector = Redirector(config.redirect_to)
        self.table = DeviceTable()
        self._attempts = AttemptLog(reports, clock)
        self._asker = Asker(sip, Identity(config.server_id, config.realm))
        self.commands = AlarmCommands(self._asker, reports, self._charset_of, clock=clock)
        self.clocks = DeviceClocks(self.commands, self.table, reports, clock)
        self.commands.on_status = self.clocks.heard
        self._alarms = AlarmKeeper(intake, directory, self.commands, reports, self._attempts, clock)
        self._alarms.on_time = self.clocks.reported
        self.subscriptions = Subscriptions(
            self._asker,
            self.commands,
            self.table,
            reports,
            self._attempts,
            clock,
            device_of=directory.sip_device,
            journal=SubscriptionJournal(config.subscriptions_path),
        )
        self.catalogs = CatalogReader(
            self._asker,
            self.table,
            reports,
            self._attempts,
            clock,
            charset_of=self._charset_of,
            per_s=config.catalogs_per_s,
        )
        self.desk = GbDesk(self._asker, self.commands, self.table, reports, clock)
        self.camera_desk = GbCameraDesk(self._asker, self.commands, self.table, self._attempts, clock)
        self.download_speeds = GbDownloadSpeeds(self.desk, self.table, clock)
        self.snapshots = GbSnapshots(self._asker, self.commands, self.table)
        self._notices = Notices(
            reports,
            self.commands,
            self._asker.identity.server_id,
            clock,
            device_of=directory.sip_device,
        )
        self._notices.on_time = self.clocks.reported
        journal = CallJournal(config.calls_path)
        self.calls = MediaCaller(
            sip,
            self._asker,
            self.table,
            reports,
            self._attempts,
            clock,
            device_of=directory.sip_device,
            channels_of=directory.channels_of,
            config=config.live,
            journal=journal,
        )
        self.live = GbLiveSource(self.calls, self._attempts, clock)
        self.playback = GbPlayback(self.calls, self._attempts, clock)
        self.recordings = RecordingReader(
            self._asker, self.table, clock, charset_of=self._charset_of, config=config.search
        )
        self.control = GbControl(self._asker, self.table, clock, charset_of=self._charset_of, config=config.control)
        self.voice = GbVoice(
            sip,
            self._asker,
            self.table,
            reports,
            clock,
            device_of=directory.sip_device,
            config=config.voice,
            journal=journal,
        )
        self._clock_forms = ClockForms(reports, clock, directory.sip_device)
        self._wire_habits = WireHabits(reports, clock)
        self._register_rate = SourceLimits(REGISTERS_PER_S, REGISTERS_AT_ONCE)
        self._open: OrderedDict[tuple[str, str], Timeline] = OrderedDict()
        self._failed_at: OrderedDict[str, float] = OrderedDict()
        self._pending_left = PENDING_A_SWEEP
        self._is_wired = False
        self._swept_at = clock.monotonic()
        self._supervisor = Supervisor(clock)
        self._on_registered: Callable[[str], None] = lambda device_id: None
        self.uppers: Uppers | None = None
        self._keepalives = 0
        self._spread = 0
        self._status_200 = b"200 OK"
        self._status_403 = b"403 Forbidden"

    async def start(self) -> None:
        """Take over SIP's registrations and messages; end what an earlier run left open."""
        if not self._is_wired:  # started again: others may stand before us by now
            self._is_wired = True
            self._sip.handle("REGISTER", self._register)
            self._sip.handle("MESSAGE", self._message)
            self._sip.handle("NOTIFY", self._message)
            self._sip.handle("INVITE", self._invite)
            self._sip.use_short_way(self.keepalive)
            self._sip.on_disconnect(self._disconnected)
        self._swept_at = self._clock.monotonic()
        self.calls.restore()
        self._supervisor.spawn("gb28181 sweep", self._sweep_forever)
        self._supervisor.spawn("gb28181 catalogues", self.catalogs.run)
        self._supervisor.spawn("gb28181 subscriptions", self.subscriptions.run)
        self._supervisor.spawn("gb28181 notifications", self._notices.run)
        self._supervisor.spawn("gb28181 clocks", self.clocks.run)

    async def stop(self) -> None:
        """Stop whatever moves, end every call and every task."""
        await self.control.close()
        await self.voice.stop()
        await self.playback.stop()
        await self.live.stop()
        self.calls.stop()
        await self._supervisor.stop()
        await self._alarms.stop()
        for device in self.table:
            self._report_seen(device)

    def check(self) -> None:
        """Raise when a task that never ends has ended."""
        self._supervisor.check()

    def health(self) -> GbHealth:
        """Return counters."""
        return GbHealth(
            len(self.table),
            self.catalogs.waiting,
            self.live.open_calls,
            self._keepalives,
            self.subscriptions.active,
            dict(self._alarms.counts),
        )

    async def set_guard(self, device_id: str, *, is_set: bool) -> CommandOutcome:
        """Arm or disarm a registered device and learn how its alarm points stand then. Implements `GuardLine`."""
        device = self.table.by_id(device_id)
        if device is None:
            return CommandOutcome.NOT_CONNECTED
        outcome = await self.commands.set_guard(device, is_set=is_set)
        if outcome in (CommandOutcome.DONE, CommandOutcome.UNCONFIRMED):
            self.subscriptions.ask_duty(device)
        return outcome

    async def open_live(self, channel: Channel, media: MediaPorts, stream: str = "main") -> GbLiveSession:
        """Return once media arrives. Errors: UNAVAILABLE with the key of what failed."""
        return await self.live.open_live(channel, media, stream)

    def on_ended(self, callback: Callable[[str, str], None]) -> None:
        """Call back with stream id and message key when a camera ends its call by itself."""
        self.live.on_ended(callback)

    def on_registered(self, callback: Callable[[str], None]) -> None:
        """Call back with the id of a device that has registered and was not there before."""
        self._on_registered = callback

    def ask_catalog(self, device_id: str) -> bool:
        """Ask a device for its channels soon; False when it is not registered."""
        device = self.table.by_id(device_id)
        if device is None:
            return False
        self.catalogs.want(device.gb_id)
        return True

    def entries_changed(self, gb_ids: Iterable[str]) -> None:
        """Hear that these devices' entries changed: subscriptions are begun or ended as they now say."""
        if self._config.subscribe_alarms:
            for gb_id in gb_ids:
                self.subscriptions.look_again(gb_id)

    def forget(self, device_id: str, reason: str = "register.removed") -> None:
        """Drop a device that was retired or whose password changed: it must register again."""
        device = self.table.by_id(device_id)
        if device is not None:
            self._drop(device, reason)

    def keepalive(self, data: bytes, host: str, port: int, link: int, now: float) -> bytes | None:
        """Answer a keepalive the short way; None for everything else.

        A registered host whose port moved is followed; another host must register first.
        """
        found = recognise(data)
        if found is None:
            return None
        device = self.table.by_gb_id.get(found.gb_id)
        if device is None and self.uppers is not None and self.uppers.is_above(found.gb_id, host):
            return None
        if device is None or device.host != host or device.expires_at < now or device.faulty:
            if device is not None and device.faulty and device.host == host:
                return None  # faults may have cleared: the full way compares
            return reply(found, self._status_403, host.encode("ascii", "replace"), port)
        device.last_seen = now
        if device.port != port or device.transport is not Transport.UDP or device.link != link:
            device.move(Peer(host, port, Transport.UDP, link))
        self._keepalives += 1
        return reply(found, self._status_200, device.host_bytes, port)

    def sweep(self) -> None:
        """Report who was seen, drop who fell silent or is no longer entered, close timelines nobody continued."""
        for _ in self._sweep_in_pieces():
            pass

    async def _sweep_forever(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_S)
            for _ in self._sweep_in_pieces():
                await asyncio.sleep(0)  # thousands of devices must not hold up an alarm

    def _sweep_in_pieces(self) -> Iterator[None]:
        now = self._clock.monotonic()
        if now - self._swept_at > 3 * SWEEP_S:
            for device in self.table:  # we slept, not they
                device.last_seen = max(device.last_seen, now - device.keepalive_s)
                device.expires_at = max(device.expires_at, now + EXPIRY_GRACE_S)
        self._swept_at = now
        self._pending_left = PENDING_A_SWEEP
        self._close_timelines(now)
        self._clock_forms.settle(self.table.get)
        for number, device in enumerate(self.table):
            self._report_seen(device)
            entry = self._directory.sip_device(device.gb_id)
            silent_s = now - device.last_seen
            if entry is None or entry.device_id != device.device_id:
                self._drop(device, "register.removed")
            elif device.expires_at < now:
                self._drop(device, "register.expired")
            elif silent_s > device.silent_after_s(self._config.keepalive_misses):
                self._drop(device, "register.keepalive_lost", silent_s=round(silent_s))
            if number % SWEEP_PIECE == SWEEP_PIECE - 1:
                yield

    def _close_timelines(self, now: float) -> None:
        while self._open:
            (gb_id, host), timeline = next(iter(self._open.items()))
            if now - timeline.started_s < CHALLENGE_ANSWER_S:
                break
            del self._open[gb_id, host]
            if not timeline.failure:
                timeline.failed("register.no_answer", now)
            self._fail(gb_id, timeline, now)

    def _report_seen(self, device: RegisteredDevice) -> None:
        if device.last_seen > device.reported_at:
            device.reported_at = device.last_seen
            at = self._attempts.moment(device.last_seen)
            self._reports.seen(device.device_id, at, f"{device.host}:{device.port}", device.transport.value)

    def _register(self, request: Request, peer: Peer) -> Response | None:
        gb_id = request.to_user or request.from_user
        if not is_acceptable(gb_id):
            return self._sip.reply_to(request, peer, 400, [("X-GB-ver", OUR_VERSION)])
        now = self._clock.monotonic()
        entry = self._directory.sip_device(gb_id)
        current = self.table.get(gb_id)
        allowance = self._register_rate.take(f"{gb_id}@{peer.host}", now)
        if allowance is not Allowance.SERVE:
            return self._too_often(request, peer, entry, allowance, now)
        if entry is not None and current is None and (sent_on := self._redirector.headers(gb_id, now)) is not None:
            return self._sip.reply_to(request, peer, 302, sent_on)
        known = None
        if entry is not None:
            last_host = current.host if current is not None else ""
            known = KnownDevice(gb_id, entry.password, sha256=entry.sha256, last_host=last_host)
        decision = self._registrar.decide(
            request, peer.host, known, now_s=int(self._clock.now().timestamp()), random_word=self._sip.new_word()[:16]
        )
        self._note(request, peer, gb_id, entry, decision, now)
        version = [("X-GB-ver", OUR_VERSION)]
        if isinstance(decision, ChallengeIt):
            challenges = [("WWW-Authenticate", value) for value in decision.challenges]
            return self._sip.reply_to(request, peer, 401, [*challenges, *version])
        if isinstance(decision, RefuseIt):
            retry = [("Retry-After", str(decision.retry_after_s))] if decision.retry_after_s else []
            return self._sip.reply_to(request, peer, decision.status, [*retry, *version])
        assert entry is not None
        form = self._clock_forms.granted(entry, current, now)
        self._grant(request, peer, entry, current, decision, now)
        date = ""
        if form is not DateForm.NONE:
            date = gb_date(self._clock.now(), milliseconds=form is DateForm.MILLISECONDS)
        return self._sip.reply_to(request, peer, 200, grant_headers(decision, gb_id, (peer.host, peer.port), date))

    def _grant(
        self,
        request: Request,
        peer: Peer,
        entry: SipDevice,
        current: RegisteredDevice | None,
        grant: GrantIt,
        now: float,
    ) -> None:
        if grant.expires_s == 0:
            if current is not None:
                self.table.remove(current)
                self._reports.unregistered(entry.device_id, self._clock.now(), "register.removed")
            return
        device = current
        if device is None or device.device_id != entry.device_id:
            device = RegisteredDevice(entry.gb_id, entry.device_id, peer, entry.keepalive_s, grant.version)
            self.table.add(device)
        device.move(peer)
        device.keepalive_s = entry.keepalive_s
        device.version = grant.version
        device.expires_at = now + grant.expires_s + EXPIRY_GRACE_S
        device.last_seen = device.reported_at = device.granted_at = now
        self._wire_habits.note(entry.device_id, request)
        self._sip.trust(peer)
        user_agent = readable(request.headers.get("user-agent"))
        self._reports.registered(
            entry.device_id,
            self._clock.now(),
            grant.expires_s,
            peer.address,
            peer.transport.value,
            user_agent,
            grant.version,
        )
        self.calls.end_leftovers(entry.gb_id, peer)
        if self._config.subscribe_alarms:
            self.subscriptions.registered(device, request, is_new=current is None)
        if current is None:
            self._on_registered(entry.device_id)
        if current is None and self._config.query_catalog:
            self._spread = (self._spread + 7) % 20  # neighbours register together: ask them one after the other
            self.catalogs.want(entry.gb_id, self._spread * CATALOG_SPREAD_S / 20)

    def _too_often(
        self, request: Request, peer: Peer, entry: SipDevice | None, allowance: Allowance, now: float
    ) -> Response | None:
        """One device registers without pause: it waits, nobody else does, and its page says so."""
        if entry is not None:
            timeline = Timeline(now)
            timeline.failed("register.too_often", now, peer=peer.address, retry_after_s=TOO_OFTEN_RETRY_S)
            self._fail(entry.gb_id, timeline, now)
        if allowance is Allowance.DROP:
            return None
        return self._sip.reply_to(request, peer, 503, [("Retry-After", str(TOO_OFTEN_RETRY_S))])

    def _note(
        self, request: Request, peer: Peer, gb_id: str, entry: SipDevice | None, decision: Decision, now: float
    ) -> None:
        """Write the timeline of a registration; unknown devices go to the list of pending ones."""
        if entry is None:
            if isinstance(decision, RefuseIt) and self._pending_left > 0:
                self._pending_left -= 1
                user_agent = readable(request.headers.get("user-agent"))
                self._reports.pending(gb_id, self._clock.now(), peer.address, user_agent)
            return
        key = (gb_id, peer.host)
        timeline = self._open.get(key)
        is_refresh = gb_id in self.table.by_gb_id
        if timeline is None:
            timeline = Timeline(now)
            timeline.ok("register.received", now, peer=peer.address, transport=peer.transport.value)
        if isinstance(decision, ChallengeIt):
            if decision.key.startswith("register.wrong"):
                timeline.failed(decision.key, now)
            elif not timeline.steps or timeline.steps[-1].key != decision.key:
                timeline.ok(decision.key, now)
            if not is_refresh or timeline.failure:
                while len(self._open) >= MAX_OPEN_TIMELINES:
                    self._open.popitem(last=False)
                self._open[key] = timeline
            return
        self._open.pop(key, None)
        if isinstance(decision, RefuseIt):
            if decision.key != "register.backing_off":
                if timeline.failure != decision.key:  # a wrong password was told when it was met
                    timeline.failed(decision.key, now)
                self._fail(gb_id, timeline, now)
            return
        if is_refresh and decision.expires_s and not timeline.failure:
            return  # renewals are the normal course and would push what matters out of the list
        if decision.expires_s == 0:
            timeline.ok("register.removed", now)
        else:
            timeline.ok("register.granted", now, expires_s=decision.expires_s)
            if decision.asked_s is not None and decision.asked_s != decision.expires_s:
                timeline.ok("register.clamped", now, asked_s=decision.asked_s, expires_s=decision.expires_s)
        self._attempts.finish(AttemptKind.REGISTRATION, entry.device_id, timeline, is_ok=True)

    def _fail(self, gb_id: str, timeline: Timeline, now: float) -> None:
        """Report a failed registration, at most one in 30 s a device: strangers may use its name."""
        entry = self._directory.sip_device(gb_id)
        if entry is None or now - self._failed_at.get(gb_id, -1e9) < FAILURE_PAUSE_S:
            return
        while len(self._failed_at) >= MAX_OPEN_TIMELINES:
            self._failed_at.popitem(last=False)
        self._failed_at[gb_id] = now
        self._attempts.finish(AttemptKind.REGISTRATION, entry.device_id, timeline, is_ok=False)

    def _message(self, request: Request, peer: Peer) -> Response | None:
        """Take a document from a registered device; anybody else is told to register."""
        now = self._clock.monotonic()
        if self.playback.knows(request, peer.host):  # some say the end of a file under another name than their own
            self.playback.hear(request)
            return self._sip.reply_to(request, peer, 200)
        device = self.table.get(request.from_user)
        if self.uppers is not None:
            is_device = device is not None and device.host == peer.host and device.expires_at >= now
            is_taken, response = self.uppers.message(request, peer, is_device=is_device)
            if is_taken:
                return response
        if device is None or device.host != peer.host or device.expires_at < now:
            return self._sip.reply_to(request, peer, 403)
        device.last_seen = now
        is_notification = request.method == "NOTIFY"
        if is_notification:
            self.subscriptions.notified(device, request)
            if not request.body.strip():
                return self._sip.reply_to(request, peer, 200)  # the first word of a subscription may be empty
        self._wire_habits.note(device.device_id, request)
        if not request.body.strip():
            self.catalogs.empty_page(device)
            return self._sip.reply_to(request, peer, 200)
        self.catalogs.measured(device, len(request.body))
        document = parse_document(request.body, self._charset_of(device.gb_id))
        if isinstance(document, BadDocument):
            log.warning("document refused", device_id=device.device_id, reason=document.reason, size=len(request.body))
            if document.reason != "document_type" and may_be_alarm(request.body):
                self._alarms.keep_unreadable(device, request.body, peer, partial(self._sip.answer, request, peer))
                return None
            self.catalogs.unreadable(device, document.reason)
            return self._sip.reply_to(request, peer, 400 if document.reason == "document_type" else 200)
        self._learn_charset(device, document)
        if is_alarm(document):
            way = "notify" if is_notification else "message"
            self._alarms.keep(device, document, request.body, peer, way, partial(self._sip.answer, request, peer))
            return None
        if is_video_upload(document):
            self._alarms.keep_upload(device, document, request.body, peer, partial(self._sip.answer, request, peer))
            return None
        if self.camera_desk.take_result(device, document, partial(self._sip.answer, request, peer)):
            return None
        if document.kind == "notify" and (topic := topic_of(document)) is not None:
            if not self._notices.take(device, document, topic):
                return self._sip.reply_to(request, peer, 503, [("Retry-After", str(RETRY_AFTER_S))])
            return self._sip.reply_to(request, peer, 200)
        if not self.recordings.take(device, document) and not self.playback.hear(request, document):
            self._dispatch(device, document, peer)
        return self._sip.reply_to(request, peer, 200)

    def _invite(self, request: Request, peer: Peer) -> Response | None:
        """Take the INVITE of a device we called to listen; nobody else has a reason to invite us."""
        return None if self.voice.invited(request, peer) else self._sip.reply_to(request, peer, 403)

    def _dispatch(self, device: RegisteredDevice, document: Document, peer: Peer) -> None:
        kind, command = document.kind, document.cmd_type.lower()
        if kind == "response" and (self.commands.take(device, document) or self.voice.take(device, document)):
            return
        if self.snapshots.take(device, document):
            return
        if kind == "notify" and command == "keepalive":
            self._keepalives += 1
            device.move(peer)
            self._note_faults(device, document)
        elif command == "catalog" and kind == "response":
            self.catalogs.take(device, document)
        elif command == "deviceinfo" and kind == "response":
            names = {"maker": "Manufacturer", "model": "Model", "firmware": "Firmware"}
            found = {key: readable(document.root.get(name)) for key, name in names.items()}
            self._reports.learned(device.device_id, **{key: value for key, value in found.items() if value})
        elif command in ANSWERS and kind == "response" and self.control.take(device, document):
            pass
        else:
            log.info("document not used", device_id=device.device_id, kind=kind, command=readable(document.cmd_type))

    def _note_faults(self, device: RegisteredDevice, document: Document) -> None:
        info = document.root.child("Info")
        faulty = tuple(item.text for item in info.all("DeviceID") if is_acceptable(item.text)) if info else ()
        if faulty != device.faulty:
            device.faulty = faulty[:64]
            self._reports.learned(device.device_id, faulty=",".join(device.faulty))

    def _learn_charset(self, device: RegisteredDevice, document: Document) -> None:
        found = document.charset.value
        if document.charset_is_certain and found not in (device.charset, self._charset_of(device.gb_id)):
            device.charset = found
            self._reports.found(device.device_id, self._clock.now(), "charset", found, "document_bytes")

    def _charset_of(self, gb_id: str) -> str:
        entry = self._directory.sip_device(gb_id)
        return charset_named(entry.charset) if entry is not None else ""

    def on_alarm_kept(self, callback: Callable[[RegisteredDevice, Document, AlarmNotice], None]) -> None:
        """Call back with every alarm that was committed for the first time."""
        self._alarms.on_kept = callback

    def on_positions(self, callback: Callable[[str, Sequence[PositionReport]], None]) -> None:
        """Call back with every position a device reports: our device id, and where its channels are."""
        self._notices.on_positions = callback

    async def reset_alarm(self, device_id: str, source: str) -> CommandOutcome:
        """Let a registered device report its next device alarm."""
        device = self.table.by_id(device_id)
        if device is None:
            return CommandOutcome.NOT_CONNECTED
        return await self.commands.reset_alarm(device, source, "2", "")

    def _disconnected(self, peer: Peer) -> None:
        if self.uppers is not None:
            self.uppers.disconnected(peer)
        for device in self.table.on_link(peer.link):
            self._drop(device, "register.connection_lost")

    def _drop(self, device: RegisteredDevice, reason: str, **params: str | int) -> None:
        self.table.remove(device)
        self._reports.unregistered(device.device_id, self._clock.now(), reason)
        timeline = self._attempts.begin()
        timeline.failed(reason, timeline.started_s, **params)
        self._attempts.finish(AttemptKind.REGISTRATION, device.device_id, timeline, is_ok=False)
