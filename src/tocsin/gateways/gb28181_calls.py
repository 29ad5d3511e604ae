"""Calls to GB/T 28181 devices for media: the ladder of transports, and a journal of calls that outlive us.

Each try opens a receiver, invites the device, acknowledges and waits for media; on failure the next transport is
tried and the winner is remembered. Live pictures, playback and downloads climb the same ladder; what differs is the
offer. Open calls are journalled so that a restarted server ends what it left behind.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.attempts import AttemptKind
from tocsin.domain.devices import DeviceReports
from tocsin.domain.directory import Channel, SipDevice
from tocsin.domain.video import Endpoint, MediaPorts
from tocsin.gateways.gb28181_catalog import Asker
from tocsin.gateways.gb28181_devices import AttemptLog, DeviceTable, RegisteredDevice
from tocsin.gateways.gb28181_ways import Ways
from tocsin.gateways.sip import Call, SipGateway, local_side
from tocsin.gateways.sip_served import ServedCall
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.gb28181.charset import charset_named, label_for
from tocsin.protocols.gb28181.ids import Role, role_of
from tocsin.protocols.gb28181.ladder import order, promote
from tocsin.protocols.gb28181.manscdp import key_frame_request
from tocsin.protocols.gb28181.ssrc import SsrcPool
from tocsin.protocols.gb28181.timeline import MODE_NAMES, Timeline, refusal_key
from tocsin.protocols.gb28181.tries import (
    URI_KINDS,
    CallTarget,
    SdpVariant,
    Tries,
    Try,
    in_uri_kind,
    in_variant,
)
from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.dialog import InviteClient, Rejected, Unanswered
from tocsin.protocols.sip.message import Response, readable
from tocsin.protocols.sip.sdp import Answer, AnswerProblem, MediaMode, Sdp, judge_answer, parse_sdp

log = structlog.get_logger(__name__)

CONNECT_TRIES: Final = 3
HANG_UP_WAIT_S: Final = 2.0
ONE_PACKET_BYTES: Final = 1300
BUSY_STATUS: Final = frozenset({480, 486, 500, 503, 600})
MAX_STUCK_CALLS: Final = 1024
OFFER_NAMES: Final = {
    SdpVariant.STANDARD: "96 98 97 99",
    SdpVariant.WIDE: "96 126 125 99 34 98 97",
    SdpVariant.CHANNEL_ORIGIN: "o=channel id",
    SdpVariant.BARE: "96, y= -",
}

OfferMaker = Callable[[str, int, MediaMode, int], Sdp]  # (ip, port, mode, ssrc) -> what is offered


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """How long to wait, in seconds, and what to try first. `media_ip` empty: where the receiver says it listens."""

    answer_within_s: float = 10.0
    media_within_s: float = 8.0
    connect_pause_s: float = 1.0
    ladder: tuple[str, ...] = ()
    media_ip: str = ""
    ask_key_frame: bool = True
    retry_over_tcp: bool = True
    shared_ports: bool = False


class CallJournal:
    """Calls that are open, one JSON line each, so that a restart can end them. Without a path it forgets."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._open: dict[str, dict[str, object]] = {}
        self._lines = 0

    def load(self) -> list[dict[str, object]]:
        """Return the calls left open by an earlier run and start a new journal."""
        if self._path is None or not self._path.exists():
            return []
        left: dict[str, dict[str, object]] = {}
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                call_id = entry["call_id"]
            except (ValueError, KeyError, TypeError):
                continue  # a line cut by a crash
            if entry.get("over"):
                left.pop(call_id, None)
            else:
                left[call_id] = entry
        self._path.unlink(missing_ok=True)
        return list(left.values())

    def opened(self, call: Call | ServedCall, gb_id: str) -> None:
        """Note an answered call, ours or one made to us."""
        entry = entry_of(call, gb_id)
        self._open[str(entry["call_id"])] = entry
        self._append(entry)

    def closed(self, call: Call | ServedCall) -> None:
        """Note that a call is over."""
        call_id = call.call_id if isinstance(call, ServedCall) else call.client.call_id
        if self._open.pop(call_id, None) is not None:
            self._append({"call_id": call_id, "over": True})

    def _append(self, entry: dict[str, object]) -> None:
        if self._path is None:
            return
        try:
            if self._lines > 1000 + 4 * len(self._open):
                text = "".join(json.dumps(kept) + "\n" for kept in self._open.values())
                self._path.write_text(text, encoding="utf-8")
                self._lines = len(self._open)
                return
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
            self._lines += 1
        except OSError as error:  # a full disk must not stop a picture
            log.warning("call journal not written", error=str(error))


def entry_of(call: Call | ServedCall, gb_id: str) -> dict[str, object]:
    """Return what is needed to say BYE to a call later."""
    state, peer = call.server.saved if isinstance(call, ServedCall) else call.client.saved, call.peer
    return {
        "call_id": state.call_id,
        "local": state.local,
        "remote": state.remote,
        "target": state.target,
        "cseq": state.cseq,
        "gb_id": gb_id,
        "host": peer.host,
        "port": peer.port,
        "transport": peer.transport.value,
    }


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a device: whose picture, into which stream, under which number, with which offer."""

    channel: Channel
    stream_id: str
    media: MediaPorts
    pool: SsrcPool
    offer: OfferMaker
    is_live: bool = True


@dataclass(frozen=True, slots=True)
class Opened:
    """A device that is sending; `answer_body` is the SDP it answered with, `mode` how the media travels."""

    wanted: Wanted
    device: RegisteredDevice
    call: Call
    ssrc: int
    mode: MediaMode
    answer_body: bytes


@dataclass(slots=True)
class _Try:
    """One way of one attempt."""

    wanted: Wanted
    device: RegisteredDevice
    known: SipDevice | None
    timeline: Timeline
    way: Try
    ssrc: int

    @property
    def mode(self) -> MediaMode:
        return self.way.mode

    @property
    def called_id(self) -> str:
        """Whom the INVITE is addressed to."""
        return self.device.gb_id if self.way.target is CallTarget.DEVICE else self.channel.gb_id

    @property
    def channel(self) -> Channel:
        return self.wanted.channel

    @property
    def media(self) -> MediaPorts:
        return self.wanted.media


class _NextTry(Exception):
    """This way failed: by a refusal, by an answer that cannot be used, or by silence (neither)."""

    def __init__(self, *, status: int = 0, problem: AnswerProblem | None = None, again: bool = False) -> None:
        super().__init__()
        self.status = status
        self.problem = problem
        self.again = again


class MediaCaller:
    """Calls devices for media and ends those calls; shared by everything that pulls from a device."""

    def __init__(
        self,
        sip: SipGateway,
        asker: Asker,
        table: DeviceTable,
        reports: DeviceReports,
        attempts: AttemptLog,
        clock: Clock,
        *,
        device_of: Callable[[str], SipDevice | None],
        channels_of: Callable[[str], Iterable[Channel]],
        config: LiveConfig,
        journal: CallJournal,
    ) -> None:
        self.sip = sip
        self.server_id = asker.identity.server_id
        self.config = config
        self._asker = asker
        self._table = table
        self._reports = reports
        self._attempts = attempts
        self._clock = clock
        self._device_of = device_of
        self._journal = journal
        self.ways = Ways(clock.monotonic)
        self._channels_of = channels_of
        self._leftovers: dict[str, list[dict[str, object]]] = {}
        self._stuck: dict[str, dict[str, object]] = {}  # stream id -> a call whose BYE nobody answered
        self._other_ssrc: set[str] = set()
        self._own_ports: set[str] = set()  # devices a shared port did not serve
        self._background: set[asyncio.Task[object]] = set()

    def new_pool(self, *, is_history: bool = False) -> SsrcPool:
        """Return the stream numbers of live pictures or of recordings."""
        return SsrcPool(self.server_id, first=int(self._clock.monotonic() * 1000) % 10_000, is_history=is_history)

    async def hang_up(self, opened: Opened) -> None:
        """Say BYE, wait a little for the answer and free the stream number; the receiver is its owner's business."""
        call = opened.call
        call.hang_up()
        try:
            async with asyncio.timeout(HANG_UP_WAIT_S):
                await call.ended()
        except TimeoutError:
            log.warning("bye unanswered", call_id=call.client.call_id, peer=call.peer.address)
            while len(self._stuck) >= MAX_STUCK_CALLS:
                self._stuck.pop(next(iter(self._stuck)))
            self._stuck[opened.wanted.stream_id] = entry_of(call, "")
        finally:
            self._journal.closed(call)
            opened.wanted.pool.release(opened.ssrc, self._clock.monotonic())

    async def inform(self, opened: Opened, body: bytes, content_type: str) -> Response | None:
        """Send an INFO in a call; return its final response, None when none came."""
        client = opened.call.client
        cseq = client.take_cseq()
        state = client.saved
        fields = [
            ("From", state.local),
            ("To", state.remote),
            ("Call-ID", state.call_id),
            ("CSeq", f"{cseq} INFO"),
            ("Content-Type", content_type),
        ]
        return await self.sip.request(opened.call.peer, "INFO", state.target, fields=fields, body=body)

    def over(self, opened: Opened) -> None:
        """Note that the device ended the call by itself."""
        self._journal.closed(opened.call)

    def stop(self) -> None:
        """Give up whatever is still under way."""
        for task in list(self._background):
            task.cancel()

    def restore(self) -> None:
        """Load what an earlier run left open; UDP devices are told at once, others when they return."""
        for entry in self._journal.load():
            gb_id = str(entry.get("gb_id", ""))
            self._leftovers.setdefault(gb_id, []).append(entry)
        for gb_id, entries in list(self._leftovers.items()):
            first = entries[0]
            if first.get("transport") == Transport.UDP.value and self.sip.config.udp:
                self.end_leftovers(gb_id, Peer(str(first["host"]), _port(first.get("port")), Transport.UDP, 0))

    def end_leftovers(self, gb_id: str, peer: Peer) -> None:
        """Say BYE to calls of this device that nobody owns any more."""
        for entry in self._leftovers.pop(gb_id, []):
            self._start(self._bye(gb_id, entry, peer))

    async def _bye(self, gb_id: str, entry: dict[str, object], peer: Peer) -> None:
        timeline = self._attempts.begin()
        await self._say_bye(entry, peer)
        known = self._device_of(gb_id)
        if known is not None:
            timeline.ok("play.leftover_ended", self._clock.monotonic())
            self._attempts.finish(AttemptKind.PLAY, known.device_id, timeline, is_ok=True)

    async def _say_bye(self, entry: dict[str, object], peer: Peer) -> None:
        fields = [
            ("From", str(entry.get("local", ""))),
            ("To", str(entry.get("remote", ""))),
            ("Call-ID", str(entry.get("call_id", ""))),
            ("CSeq", f"{_port(entry.get('cseq')) + 1} BYE"),
        ]
        await self.sip.request(peer, "BYE", str(entry.get("target", "")), fields=fields)

    async def climb(self, wanted: Wanted, timeline: Timeline) -> Opened:
        """Return once media arrives. Errors: UNAVAILABLE with the key of what failed."""
        channel = wanted.channel
        device = self._table.by_id(channel.device_id)
        if device is None:
            timeline.failed("play.device_offline", self._clock.monotonic())
            raise _unavailable(timeline)
        known = self._device_of(device.gb_id)
        remembered = known.media_ladder if known is not None else ()
        modes = order([*remembered, *self.config.ladder])
        tries = Tries(
            modes,
            variant=known.sdp_variant if known is not None else "",
            target=known.call_target if known is not None else "",
            uri_kind=known.record_uri if known is not None else "",
            may_call_device=self._is_sole(channel),
            is_history=not wanted.is_live,
        )
        last: Try | None = None
        while (way := tries.next()) is not None:
            if last is not None:
                self._note_next(timeline, last, way)
            last = way
            ssrc = wanted.pool.take(self._clock.monotonic())
            if ssrc is None:
                timeline.failed("play.no_receiver", self._clock.monotonic(), reason="ssrc")
                raise _unavailable(timeline)
            attempt = _Try(wanted, device, known, timeline, way, ssrc)
            try:
                call, body = await self._play(attempt)
            except _NextTry as failed:
                if failed.again:
                    tries.again()
                elif failed.status:
                    if not tries.refused(failed.status):
                        raise _unavailable(timeline) from None
                elif failed.problem is not None:
                    tries.answered_badly(failed.problem)
                else:
                    tries.silent()
                continue
            self._learn(attempt, tries, modes)
            return Opened(wanted, device, call, ssrc, way.mode, body)
        raise _unavailable(timeline)

    def stream_line(self, channel: Channel) -> str:
        """Return how this channel's device is asked for a stream, as far as its profile says."""
        device = self._table.by_id(channel.device_id)
        known = self._device_of(device.gb_id) if device is not None else None
        return known.stream_line if known is not None else ""

    def found_stream_line(self, opened: Opened, line: str, tries: int) -> None:
        """Keep the line that brought a sub stream."""
        device_id, now = opened.wanted.channel.device_id, self._clock.now()
        self._reports.found(device_id, now, "stream_line", str(line), "picture_opened_after", tries=tries)

    def _is_sole(self, channel: Channel) -> bool:
        """True when the device has this picture alone, so that calling the device cannot show another one."""
        return len([one for one in self._channels_of(channel.device_id) if not one.is_gone]) == 1

    def _note_next(self, timeline: Timeline, last: Try, way: Try) -> None:
        now = self._clock.monotonic()
        if way.target is not last.target:
            timeline.ok("play.next_target", now)
        elif way.uri_kind != last.uri_kind:
            timeline.ok("play.next_offer", now, mode=MODE_NAMES[way.mode], offer=f"u=…:{way.uri_kind}")
        elif way.variant is not last.variant:
            timeline.ok("play.next_offer", now, mode=MODE_NAMES[way.mode], offer=OFFER_NAMES[way.variant])
        elif way.mode is not last.mode:
            timeline.ok("play.next_mode", now, mode=MODE_NAMES[way.mode])

    def _learn(self, attempt: _Try, tries: Tries, modes: tuple[MediaMode, ...]) -> None:
        """Keep what opened this picture where it differs from what was known, and prove what was guessed."""
        known, way = attempt.known, attempt.way
        ladder, variant, target, uri_kind = "", "", "", ""
        guessed: tuple[str, ...] = ()
        if known is not None:
            ladder = known.media_ladder[0] if known.media_ladder else ""
            variant, target, guessed = known.sdp_variant, known.call_target, known.guessed
            uri_kind = known.record_uri
        evidence = "picture_opened" if tries.count == 1 else "picture_opened_after"
        for trait, value, is_new in (
            ("media_ladder", ",".join(promote(modes, way.mode)), ladder != way.mode),
            ("sdp_variant", way.variant.value, (variant or SdpVariant.STANDARD) != way.variant),
            ("call_target", way.target.value, (target or CallTarget.CHANNEL) != way.target),
            ("record_uri", way.uri_kind, bool(way.uri_kind) and (uri_kind or URI_KINDS[0]) != way.uri_kind),
        ):
            if value and (is_new or trait in guessed):
                self._found(attempt, trait, value, evidence, tries=tries.count)

    def _found(self, attempt: _Try, trait: str, value: str, evidence: str, *, tries: int = 0) -> None:
        now = self._clock.now()
        self._reports.found(attempt.channel.device_id, now, trait, value, evidence, tries=tries)

    async def _play(self, attempt: _Try) -> tuple[Call, bytes]:
        """Try one transport; the call and what the device answered, when media arrives."""
        timeline, clock, stream_id = attempt.timeline, self._clock, attempt.wanted.stream_id
        is_platform = role_of(attempt.device.gb_id) is Role.PLATFORM
        try:
            endpoint = await attempt.media.open_receiver(
                stream_id,
                attempt.mode.value,
                # None: a receiver of its own, where cameras that send another SSRC still match
                ssrc=attempt.ssrc if self._is_shared(attempt) else None,
                peer_ip=None if is_platform else attempt.device.host,
                loss=attempt.channel.loss_policy,
            )
        except (TocsinError, OSError) as error:
            timeline.failed("play.no_receiver", clock.monotonic(), reason=str(error)[:120])
            attempt.wanted.pool.release(attempt.ssrc, clock.monotonic())
            raise _unavailable(timeline) from error
        call: Call | None = None
        try:
            ip = self.config.media_ip or _announced(endpoint, self.sip.local_host(attempt.device.peer))
            address = f"{ip}:{endpoint.port}"
            timeline.ok("play.receiver_opened", clock.monotonic(), address=address, mode=MODE_NAMES[attempt.mode])
            asked = attempt.wanted.offer(ip, endpoint.port, attempt.mode, attempt.ssrc)
            offer = in_variant(asked, attempt.way.variant, attempt.channel.gb_id)
            offer = in_uri_kind(offer, attempt.way.uri_kind)
            if attempt.known is not None and attempt.known.signalling == "tcp":
                call = await self._invite_over_tcp(attempt, offer) if self._may_retry_over_tcp(attempt.device) else None
            call = call or self._invite(attempt, offer, attempt.device.peer)
            outcome = await call.answer()
            is_udp = call.peer.transport is Transport.UDP
            if isinstance(outcome, Unanswered) and is_udp and self._may_retry_over_tcp(attempt.device):
                call = await self._invite_over_tcp(attempt, offer) or call
                outcome = await call.answer()
                if not isinstance(outcome, Unanswered):
                    self._found(attempt, "signalling", "tcp", "invite_only_by_tcp")
            if isinstance(outcome, Unanswered):
                waited_s = round(self.config.answer_within_s)
                size = len(call.client.invite.encode())
                if is_udp and size > ONE_PACKET_BYTES:
                    timeline.ok("play.large_unanswered", clock.monotonic(), size_bytes=size)
                timeline.failed("play.no_answer", clock.monotonic(), waited_s=waited_s)
                raise _unavailable(timeline)
            if isinstance(outcome, Rejected):
                status = outcome.response.status
                timeline.failed(refusal_key(status), clock.monotonic(), status=status)
                stuck = self._stuck.pop(stream_id, None) if status in BUSY_STATUS else None
                if stuck is not None:
                    await self._say_bye(stuck, attempt.device.peer)
                    timeline.ok("play.old_call_ended", clock.monotonic())
                raise _NextTry(status=status, again=stuck is not None)
            self._journal.opened(call, attempt.device.gb_id)
            self.ways.heard(attempt.channel.id, outcome.response)
            timeline.ok("play.answered", clock.monotonic())
            answer = judge_answer(offer, outcome.response.body, attempt.mode)
            if answer is AnswerProblem.NO_SDP and attempt.mode is not MediaMode.TCP_ACTIVE:
                # it knows where to send: whether it does will be seen
                timeline.ok("play.answer_no_sdp", clock.monotonic())
                answer = Answer("", 0, attempt.ssrc, "")
            if isinstance(answer, Answer) and answer.adopted_ssrc and self._is_shared(attempt):
                raise self._own_port(attempt)
            if isinstance(answer, AnswerProblem):
                self._note_problem(attempt, answer, outcome.response.body)
                raise _NextTry(problem=answer)
            await self._await_media(attempt, answer, address)
        except BaseException:
            # cancelled or failed: the camera must not keep sending to a port nobody reads
            await self._abandon(attempt, call)
            raise
        return call, outcome.response.body

    async def _await_media(self, attempt: _Try, answer: Answer, address: str) -> None:
        timeline, clock = attempt.timeline, self._clock
        if answer.adopted_ssrc:
            timeline.ok("play.other_ssrc", clock.monotonic())
            if attempt.way.variant is not SdpVariant.BARE and attempt.channel.device_id not in self._other_ssrc:
                self._other_ssrc.add(attempt.channel.device_id)
                self._found(attempt, "ssrc", "other", "answer_named_another")
        if self.config.ask_key_frame and attempt.wanted.is_live:
            self._ask_key_frame(attempt)
        if attempt.mode is MediaMode.TCP_ACTIVE:
            await self._connect(attempt, answer)
        if not await attempt.media.first_packet(attempt.wanted.stream_id, self.config.media_within_s):
            timeline.failed(
                "play.no_media",
                clock.monotonic(),
                waited_s=round(self.config.media_within_s),
                mode=MODE_NAMES[attempt.mode],
                address=address,
            )
            raise self._own_port(attempt) if self._is_shared(attempt) else _NextTry
        timeline.ok("play.media", clock.monotonic())

    def _is_shared(self, attempt: _Try) -> bool:
        """Say whether this try uses the port all streams share: not for devices whose SSRC cannot be relied upon."""
        known = attempt.known
        return (
            self.config.shared_ports
            and attempt.mode is not MediaMode.TCP_ACTIVE
            and attempt.way.variant is not SdpVariant.BARE
            and attempt.channel.device_id not in self._own_ports
            and (known is None or known.rtp_ports != "own")
        )

    def _own_port(self, attempt: _Try) -> _NextTry:
        """The shared port does not serve this device: it is called once more with a port of its own, now and later."""
        self._own_ports.add(attempt.channel.device_id)
        attempt.timeline.ok("play.own_port", self._clock.monotonic())
        return _NextTry(again=True)

    async def _connect(self, attempt: _Try, answer: Answer) -> None:
        """Connect to the camera's media port; behind NAT the observed host is tried besides the one it names."""
        hosts = tuple(dict.fromkeys([answer.ip, attempt.device.host]))
        for number in range(CONNECT_TRIES):
            for host in hosts:
                try:
                    await attempt.media.connect(attempt.wanted.stream_id, host, answer.port)
                except (TocsinError, OSError):
                    continue
                address = f"{host}:{answer.port}"
                attempt.timeline.ok("play.connected", self._clock.monotonic(), address=address)
                return
            if number + 1 < CONNECT_TRIES:
                await self._clock.sleep(self.config.connect_pause_s)
        address = f"{answer.ip}:{answer.port}"
        attempt.timeline.failed("play.connect_failed", self._clock.monotonic(), address=address)
        raise _NextTry

    def _invite(self, attempt: _Try, offer: Sdp, peer: Peer) -> Call:
        sip, identity, gb_id = self.sip, self._asker.identity, attempt.called_id
        client = InviteClient(
            target=f"sip:{gb_id}@{peer.host}:{peer.port}",
            to_uri=f"sip:{gb_id}@{gb_id[:10] if len(gb_id) == 20 else identity.realm}",
            local=local_side(sip, peer, identity.server_id, identity.realm),
            call_id=sip.new_word()[:24],
            tag=sip.new_word()[:16],
            tokens=sip.new_word,
            body=offer.encode(),
            headers=[
                ("Subject", f"{attempt.channel.gb_id}:{attempt.ssrc:010d},{identity.server_id}:0"),
                *self.ways.headers_for(attempt.channel.id),
            ],
            answer_within_s=self.config.answer_within_s,
            timers=sip.config.timers,
        )
        attempt.timeline.ok("play.invited", self._clock.monotonic(), mode=MODE_NAMES[attempt.mode])
        return sip.call(peer, client)

    def _may_retry_over_tcp(self, device: RegisteredDevice) -> bool:
        return self.config.retry_over_tcp and self.sip.config.tcp and device.transport is Transport.UDP

    async def _invite_over_tcp(self, attempt: _Try, offer: Sdp) -> Call | None:
        """A large INVITE may be lost in fragments over UDP: try the device's SIP port over TCP once."""
        device = attempt.device
        peer = await self.sip.connect(device.host, device.port)
        return None if peer is None else self._invite(attempt, offer, peer)

    def _note_problem(self, attempt: _Try, problem: AnswerProblem, body: bytes) -> None:
        found = parse_sdp(body)
        line = found.video if isinstance(found, Sdp) else None
        names = ", ".join(readable(name) for name in line.encodings.values()) if line is not None else ""
        key = f"play.answer_{problem.value}"
        attempt.timeline.failed(key, self._clock.monotonic(), mode=MODE_NAMES[attempt.mode], format=names[:60])

    def _ask_key_frame(self, attempt: _Try) -> None:
        device, channel = attempt.device, attempt.channel
        known = self._device_of(device.gb_id)
        label = label_for(device.version, charset_named(known.charset) if known is not None else "")
        body = key_frame_request(self._asker.next_sn(), channel.gb_id, device.version, label)
        self._start(self._asker.message(device.peer, channel.gb_id, body))

    async def _abandon(self, attempt: _Try, call: Call | None) -> None:
        if call is not None:
            call.hang_up()
            self._journal.closed(call)
        attempt.wanted.pool.release(attempt.ssrc, self._clock.monotonic())
        await attempt.media.close_receiver(attempt.wanted.stream_id)

    def _start(self, work: Coroutine[None, None, object]) -> None:
        task: asyncio.Task[object] = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("sip task failed", error=f"{type(error).__name__}: {error}")


def _announced(endpoint: Endpoint, local_host: str) -> str:
    """The receiver's own address, unless it listens everywhere: then the address this device sees of us."""
    return local_host if endpoint.ip in ("", "0.0.0.0", "::") else endpoint.ip  # noqa: S104


def _port(value: object) -> int:
    return value if isinstance(value, int) else 0


def _unavailable(timeline: Timeline) -> TocsinError:
    params = dict(timeline.steps[-1].params) if timeline.steps else {}
    return TocsinError(ErrorCode.UNAVAILABLE, timeline.failure, key=timeline.failure, **params)
