"""Live pictures over GB/T 28181: the `LiveSource` the house asks, a ladder of transports, and calls that outlive us.

Each try opens a receiver, invites the camera, acknowledges and waits for media; on failure the next transport is
tried and the winner is remembered. Open calls are journalled so that a restarted server ends what it left behind.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
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
from tocsin.gateways.sip import Call, SipGateway, local_side
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.gb28181.charset import charset_named, label_for
from tocsin.protocols.gb28181.ids import Role, role_of
from tocsin.protocols.gb28181.ladder import is_worth_another_mode, order, promote, reorder_after
from tocsin.protocols.gb28181.manscdp import key_frame_request
from tocsin.protocols.gb28181.ssrc import SsrcPool
from tocsin.protocols.gb28181.timeline import MODE_NAMES, Timeline, refusal_key
from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.dialog import InviteClient, Rejected, Unanswered
from tocsin.protocols.sip.message import readable
from tocsin.protocols.sip.sdp import Answer, AnswerProblem, MediaMode, Sdp, judge_answer, make_offer, parse_sdp

log = structlog.get_logger(__name__)

CONNECT_TRIES: Final = 3
HANG_UP_WAIT_S: Final = 2.0


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


class GbLiveSession:
    """A camera that is sending."""

    def __init__(self, source: GbLiveSource, channel: Channel, call: Call, media: MediaPorts, ssrc: int) -> None:
        self.stream_id = channel.id
        self._source = source
        self._channel = channel
        self.call = call
        self._media = media
        self._ssrc = ssrc
        self._is_closed = False

    async def close(self, reason: str) -> None:
        """Say BYE and close the receiver; closing twice is no error."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._source.end(self.call, self._media, self.stream_id, self._ssrc)
        log.info("live closed", channel_id=self._channel.id, reason=reason)

    async def wait_ended(self) -> str:
        """Wait until the call is over; returns the message key of why."""
        by_camera = await self.call.ended()
        return "play.ended_by_camera" if by_camera else "play.ended"


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

    def opened(self, call: Call, gb_id: str) -> None:
        """Note an answered call."""
        state, peer = call.client.saved, call.peer
        entry: dict[str, object] = {
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
        self._open[state.call_id] = entry
        self._append(entry)

    def closed(self, call: Call) -> None:
        """Note that a call is over."""
        if self._open.pop(call.client.call_id, None) is not None:
            self._append({"call_id": call.client.call_id, "over": True})

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


@dataclass(slots=True)
class _Try:
    """One transport of one attempt."""

    channel: Channel
    device: RegisteredDevice
    media: MediaPorts
    timeline: Timeline
    mode: MediaMode
    ssrc: int


class _NextMode(Exception):
    """This transport failed; `problem` may reorder what is left."""

    def __init__(self, problem: AnswerProblem | None = None) -> None:
        super().__init__()
        self.problem = problem


class GbLiveSource:
    """Asks registered devices for live pictures."""

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
        config: LiveConfig,
        journal: CallJournal,
    ) -> None:
        self._sip = sip
        self._asker = asker
        self._table = table
        self._reports = reports
        self._attempts = attempts
        self._clock = clock
        self._device_of = device_of
        self._config = config
        self._journal = journal
        self._pool = SsrcPool(asker.identity.server_id, first=int(clock.monotonic() * 1000) % 10_000)
        self._opening: set[str] = set()
        self._sessions: dict[str, GbLiveSession] = {}
        self._leftovers: dict[str, list[dict[str, object]]] = {}
        self._background: set[asyncio.Task[object]] = set()
        self._on_ended: Callable[[str, str], None] = lambda stream_id, reason: None

    def on_ended(self, callback: Callable[[str, str], None]) -> None:
        """Call back with stream id and message key when a camera ends its call; `close` is still expected."""
        self._on_ended = callback

    @property
    def open_calls(self) -> int:
        """How many cameras are sending."""
        return len(self._sessions)

    async def open_live(self, channel: Channel, media: MediaPorts) -> GbLiveSession:
        """Return once media arrives. Errors: UNAVAILABLE with the key of what failed; CONFLICT while one is opening."""
        if channel.id in self._opening:
            raise TocsinError(ErrorCode.CONFLICT, f"channel {channel.id} is being opened")
        former = self._sessions.get(channel.id)
        if former is not None:
            await former.close("replaced")
        timeline = self._attempts.begin()
        self._opening.add(channel.id)
        is_ok = False
        try:
            session = await self._climb(channel, media, timeline)
            is_ok = True
        except asyncio.CancelledError:
            timeline.failed("play.given_up", self._clock.monotonic())
            raise
        finally:
            self._opening.discard(channel.id)
            self._attempts.finish(AttemptKind.PLAY, channel.device_id, timeline, is_ok=is_ok, channel_id=channel.id)
        self._sessions[channel.id] = session
        return session

    async def end(self, call: Call, media: MediaPorts, stream_id: str, ssrc: int) -> None:
        """Hang up, wait a little for the answer, close the receiver and free the stream number."""
        call.hang_up()
        try:
            async with asyncio.timeout(HANG_UP_WAIT_S):
                await call.ended()
        except TimeoutError:
            log.warning("bye unanswered", call_id=call.client.call_id, peer=call.peer.address)
        finally:
            self._journal.closed(call)
            self._pool.release(ssrc, self._clock.monotonic())
            found = self._sessions.get(stream_id)
            if found is not None and found.call is call:
                del self._sessions[stream_id]
                await media.close_receiver(stream_id)

    async def stop(self) -> None:
        """End every call."""
        await asyncio.gather(*(session.close("stop") for session in list(self._sessions.values())))
        for task in list(self._background):
            task.cancel()

    def restore(self) -> None:
        """Load what an earlier run left open; UDP devices are told at once, others when they return."""
        for entry in self._journal.load():
            gb_id = str(entry.get("gb_id", ""))
            self._leftovers.setdefault(gb_id, []).append(entry)
        for gb_id, entries in list(self._leftovers.items()):
            first = entries[0]
            if first.get("transport") == Transport.UDP.value and self._sip.config.udp:
                self.end_leftovers(gb_id, Peer(str(first["host"]), _port(first.get("port")), Transport.UDP, 0))

    def end_leftovers(self, gb_id: str, peer: Peer) -> None:
        """Say BYE to calls of this device that nobody owns any more."""
        for entry in self._leftovers.pop(gb_id, []):
            self._start(self._bye(gb_id, entry, peer))

    async def _bye(self, gb_id: str, entry: dict[str, object], peer: Peer) -> None:
        timeline = self._attempts.begin()
        fields = [
            ("From", str(entry.get("local", ""))),
            ("To", str(entry.get("remote", ""))),
            ("Call-ID", str(entry.get("call_id", ""))),
            ("CSeq", f"{_port(entry.get('cseq')) + 1} BYE"),
        ]
        await self._sip.request(peer, "BYE", str(entry.get("target", "")), fields=fields)
        known = self._device_of(gb_id)
        if known is not None:
            timeline.ok("play.leftover_ended", self._clock.monotonic())
            self._attempts.finish(AttemptKind.PLAY, known.device_id, timeline, is_ok=True)

    async def _climb(self, channel: Channel, media: MediaPorts, timeline: Timeline) -> GbLiveSession:
        device = self._table.by_id(channel.device_id)
        if device is None:
            timeline.failed("play.device_offline", self._clock.monotonic())
            raise _unavailable(timeline)
        known = self._device_of(device.gb_id)
        remembered = known.media_ladder if known is not None else ()
        modes = order([*remembered, *self._config.ladder])
        left = modes
        while left:
            mode, left = left[0], left[1:]
            ssrc = self._pool.take(self._clock.monotonic())
            if ssrc is None:
                timeline.failed("play.no_receiver", self._clock.monotonic(), reason="ssrc")
                raise _unavailable(timeline)
            attempt = _Try(channel, device, media, timeline, mode, ssrc)
            try:
                call = await self._play(attempt)
            except _NextMode as failed:
                left = reorder_after(left, failed.problem) if failed.problem else left
                if left:
                    timeline.ok("play.next_mode", self._clock.monotonic(), mode=MODE_NAMES[left[0]])
                continue
            if tuple(remembered[:1]) != (mode.value,):
                self._reports.learned(channel.device_id, media_ladder=",".join(promote(modes, mode)))
            return self._session(attempt, call)
        raise _unavailable(timeline)

    def _session(self, attempt: _Try, call: Call) -> GbLiveSession:
        session = GbLiveSession(self, attempt.channel, call, attempt.media, attempt.ssrc)
        self._start(self._watch(session))
        return session

    async def _watch(self, session: GbLiveSession) -> None:
        """Tell when the camera says BYE; the receiver stays until whoever opened the picture closes it."""
        if await session.call.ended():
            self._journal.closed(session.call)
            self._on_ended(session.stream_id, "play.ended_by_camera")

    async def _play(self, attempt: _Try) -> Call:
        """Try one transport; the call when media arrives."""
        timeline, clock, stream_id = attempt.timeline, self._clock, attempt.channel.id
        is_platform = role_of(attempt.device.gb_id) is Role.PLATFORM
        try:
            endpoint = await attempt.media.open_receiver(
                stream_id,
                attempt.mode.value,
                ssrc=None,  # a receiver of its own: cameras that send another SSRC still match
                peer_ip=None if is_platform else attempt.device.host,
                loss=attempt.channel.loss_policy,
            )
        except (TocsinError, OSError) as error:
            timeline.failed("play.no_receiver", clock.monotonic(), reason=str(error)[:120])
            self._pool.release(attempt.ssrc, clock.monotonic())
            raise _unavailable(timeline) from error
        call: Call | None = None
        try:
            ip = self._config.media_ip or _announced(endpoint, self._sip.local_host(attempt.device.peer))
            address = f"{ip}:{endpoint.port}"
            timeline.ok("play.receiver_opened", clock.monotonic(), address=address, mode=MODE_NAMES[attempt.mode])
            offer = make_offer(
                own_id=self._asker.identity.server_id,
                ip=ip,
                port=endpoint.port,
                mode=attempt.mode,
                ssrc=attempt.ssrc,
            )
            call = self._invite(attempt, offer, attempt.device.peer)
            outcome = await call.answer()
            if isinstance(outcome, Unanswered) and self._may_retry_over_tcp(attempt.device):
                call = await self._invite_over_tcp(attempt, offer) or call
                outcome = await call.answer()
            if isinstance(outcome, Unanswered):
                waited_s = round(self._config.answer_within_s)
                timeline.failed("play.no_answer", clock.monotonic(), waited_s=waited_s)
                raise _unavailable(timeline)
            if isinstance(outcome, Rejected):
                status = outcome.response.status
                timeline.failed(refusal_key(status), clock.monotonic(), status=status)
                if is_worth_another_mode(status):
                    raise _NextMode
                raise _unavailable(timeline)
            self._journal.opened(call, attempt.device.gb_id)
            timeline.ok("play.answered", clock.monotonic())
            answer = judge_answer(offer, outcome.response.body, attempt.mode)
            if isinstance(answer, AnswerProblem):
                self._note_problem(attempt, answer, outcome.response.body)
                raise _NextMode(answer)
            await self._await_media(attempt, answer, address)
        except BaseException:
            # cancelled or failed: the camera must not keep sending to a port nobody reads
            await self._abandon(attempt, call)
            raise
        return call

    async def _await_media(self, attempt: _Try, answer: Answer, address: str) -> None:
        timeline, clock = attempt.timeline, self._clock
        if answer.adopted_ssrc:
            timeline.ok("play.other_ssrc", clock.monotonic())
        if self._config.ask_key_frame:
            self._ask_key_frame(attempt)
        if attempt.mode is MediaMode.TCP_ACTIVE:
            await self._connect(attempt, answer)
        if not await attempt.media.first_packet(attempt.channel.id, self._config.media_within_s):
            timeline.failed(
                "play.no_media",
                clock.monotonic(),
                waited_s=round(self._config.media_within_s),
                mode=MODE_NAMES[attempt.mode],
                address=address,
            )
            raise _NextMode
        timeline.ok("play.media", clock.monotonic())

    async def _connect(self, attempt: _Try, answer: Answer) -> None:
        """Connect to the camera's media port; behind NAT the observed host is tried besides the one it names."""
        hosts = tuple(dict.fromkeys([answer.ip, attempt.device.host]))
        for number in range(CONNECT_TRIES):
            for host in hosts:
                try:
                    await attempt.media.connect(attempt.channel.id, host, answer.port)
                except (TocsinError, OSError):
                    continue
                address = f"{host}:{answer.port}"
                attempt.timeline.ok("play.connected", self._clock.monotonic(), address=address)
                return
            if number + 1 < CONNECT_TRIES:
                await self._clock.sleep(self._config.connect_pause_s)
        address = f"{answer.ip}:{answer.port}"
        attempt.timeline.failed("play.connect_failed", self._clock.monotonic(), address=address)
        raise _NextMode

    def _invite(self, attempt: _Try, offer: Sdp, peer: Peer) -> Call:
        sip, identity, gb_id = self._sip, self._asker.identity, attempt.channel.gb_id
        client = InviteClient(
            target=f"sip:{gb_id}@{peer.host}:{peer.port}",
            to_uri=f"sip:{gb_id}@{gb_id[:10] if len(gb_id) == 20 else identity.realm}",
            local=local_side(sip, peer, identity.server_id, identity.realm),
            call_id=sip.new_word()[:24],
            tag=sip.new_word()[:16],
            tokens=sip.new_word,
            body=offer.encode(),
            headers=[("Subject", f"{gb_id}:{attempt.ssrc:010d},{identity.server_id}:0")],
            answer_within_s=self._config.answer_within_s,
            timers=sip.config.timers,
        )
        attempt.timeline.ok("play.invited", self._clock.monotonic(), mode=MODE_NAMES[attempt.mode])
        return sip.call(peer, client)

    def _may_retry_over_tcp(self, device: RegisteredDevice) -> bool:
        return self._config.retry_over_tcp and self._sip.config.tcp and device.transport is Transport.UDP

    async def _invite_over_tcp(self, attempt: _Try, offer: Sdp) -> Call | None:
        """A large INVITE may be lost in fragments over UDP: try the device's SIP port over TCP once."""
        device = attempt.device
        peer = await self._sip.connect(device.host, device.port)
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
        self._pool.release(attempt.ssrc, self._clock.monotonic())
        await attempt.media.close_receiver(attempt.channel.id)

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
