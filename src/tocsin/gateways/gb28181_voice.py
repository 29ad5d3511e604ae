"""Voice to devices over GB/T 28181: broadcast, where the device invites us, and talk, where we invite it.

What a device wants is found by trying and kept in its profile: the way, the id a broadcast is addressed to, and whether
it sends an ACK. Whatever fails or is given up leaves no call and no port open.

Source: GB/T 28181-2022, "Voice broadcast and talk"; GB/T 28181-2016, `s=Talk`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.devices import DeviceReports
from tocsin.domain.directory import Channel, SipDevice
from tocsin.domain.speaking import TalkPorts
from tocsin.gateways.gb28181_calls import CallJournal
from tocsin.gateways.gb28181_catalog import Asker
from tocsin.gateways.gb28181_devices import DeviceTable, RegisteredDevice
from tocsin.gateways.sip import Call, SipGateway, local_side
from tocsin.gateways.sip_served import ServedCall
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.gb28181.charset import Label, charset_named, label_for
from tocsin.protocols.gb28181.ids import ssrc_of
from tocsin.protocols.gb28181.manscdp import Document
from tocsin.protocols.gb28181.voice import (
    BROADCAST,
    Payload,
    VoiceOffer,
    broadcast_notify,
    read_offer,
    talk_offer,
    targets,
    voice_answer,
)
from tocsin.protocols.sip.dialog import InviteClient, Rejected, Unanswered
from tocsin.protocols.sip.message import Request, Response
from tocsin.protocols.sip.sdp import BadSdp, MediaMode, parse_sdp

log = structlog.get_logger(__name__)

BUSY_STATUSES: Final = frozenset({486, 600})
HANG_UP_WAIT_S: Final = 2.0
FIRST_SERIAL: Final = 9000  # stream numbers of voice: the last thousand of the domain


@dataclass(frozen=True, slots=True)
class VoiceConfig:
    """Seconds to wait for an answer, for the device's INVITE after it, and for its ACK before we speak anyway.
    `media_ip` empty: where the line says it is.
    """

    answer_within_s: float = 3.0
    invite_within_s: float = 4.0
    ack_within_s: float = 0.5
    media_ip: str = ""


@dataclass(slots=True, eq=False)
class _Awaited:
    """A broadcast whose device has to answer and then invite us."""

    device: RegisteredDevice
    ids: frozenset[str]
    sn: int = 0
    response: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    invite: asyncio.Future[ServedCall] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class _NextTry(Exception):
    """This target or way failed; `key` and `status` say how."""

    def __init__(self, key: str, status: int | str = "") -> None:
        super().__init__(key)
        self.key = key
        self.status = status


_GRAVITY: Final = ("speech.no_answer", "speech.refused", "speech.no_invite", "speech.no_connection", "speech.format")


def _graver(one: _NextTry, other: _NextTry) -> _NextTry:
    """Return the failure that says more: how far the device came decides, and busy goes before everything."""

    def rank(failure: _NextTry) -> int:
        return _GRAVITY.index(failure.key) if failure.key in _GRAVITY else len(_GRAVITY)

    return other if rank(other) > rank(one) else one


class GbTalk:
    """A device that listens."""

    def __init__(self, voice: GbVoice, device_id: str, talk_id: str, call: Call | ServedCall, media: TalkPorts) -> None:
        self.call = call
        self._voice = voice
        self._device_id = device_id
        self._talk_id = talk_id
        self._media = media
        self._is_closed = False

    async def close(self, reason: str) -> None:
        """Say BYE and close the line; closing twice is no error."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._media.close_talk(self._talk_id, reason)
        self.call.hang_up()
        try:
            async with asyncio.timeout(HANG_UP_WAIT_S):
                await self.call.ended()
        except TimeoutError:
            log.warning("bye unanswered", peer=self.call.peer.address)
        finally:
            self._voice.ended(self._device_id, self)
        log.info("voice closed", device_id=self._device_id, reason=reason)

    async def wait_ended(self) -> str:
        """Wait until the call is over; return why."""
        return "ended_by_camera" if await self.call.ended() else "ended"


class GbVoice:
    """Calls registered devices to listen. Implements `VoiceLine`."""

    def __init__(
        self,
        sip: SipGateway,
        asker: Asker,
        table: DeviceTable,
        reports: DeviceReports,
        clock: Clock,
        *,
        device_of: Callable[[str], SipDevice | None],
        config: VoiceConfig,
        journal: CallJournal | None = None,
    ) -> None:
        self._sip = sip
        self._journal = journal or CallJournal(None)
        self._asker = asker
        self._table = table
        self._reports = reports
        self._clock = clock
        self._device_of = device_of
        self._config = config
        self._awaited: dict[str, _Awaited] = {}  # by device id
        self._open: dict[str, GbTalk | None] = {}  # None while it is being called
        self._serial = 0
        self._late: set[asyncio.Task[None]] = set()

    @property
    def open_talks(self) -> int:
        """How many devices listen or are being called."""
        return len(self._open)

    def ended(self, device_id: str, talk: GbTalk) -> None:
        """A talk is over: the device may be spoken to again."""
        self._journal.closed(talk.call)
        if self._open.get(device_id) is talk:
            del self._open[device_id]

    async def stop(self) -> None:
        """End every talk."""
        await asyncio.gather(*(talk.close("stop") for talk in list(self._open.values()) if talk is not None))
        for task in list(self._late):
            task.cancel()

    async def open_talk(self, channel: Channel, talk_id: str, media: TalkPorts) -> GbTalk:
        """Return once the device listens and we send. Errors: CONFLICT `speech.device_busy`, UNAVAILABLE."""
        device = self._table.by_id(channel.device_id)
        if device is None:
            raise TocsinError(ErrorCode.UNAVAILABLE, "not registered", key="speech.device_offline")
        if device.device_id in self._open:
            raise TocsinError(ErrorCode.CONFLICT, "one voice at a time", key="speech.device_busy")
        self._open[device.device_id] = None
        talk: GbTalk | None = None
        try:
            talk = await self._climb(device, channel, talk_id, media)
        finally:
            if talk is None:
                self._open.pop(device.device_id, None)
                await asyncio.shield(media.close_talk(talk_id, "failed"))
        self._open[device.device_id] = talk
        return talk

    def _noted(self, device: RegisteredDevice, call: Call | ServedCall) -> None:
        """Keep a call that was accepted, so that it is ended after a crash of ours."""
        self._journal.opened(call, device.gb_id)

    async def _climb(self, device: RegisteredDevice, channel: Channel, talk_id: str, media: TalkPorts) -> GbTalk:
        """Try what worked before first, then the other way; a device of 2022 knows no talk."""
        known = self._device_of(device.gb_id)
        learned = _read_profile(known.voice if known is not None else "")
        ways = ["broadcast"] if device.version.strip().startswith("3") else ["broadcast", "talk"]
        ways.sort(key=lambda way: way != learned.get("way", ""))
        failure = _NextTry("speech.no_answer")
        for way in ways:
            try:
                if way == "talk":
                    return await self._talk(device, channel, talk_id, media, learned)
                return await self._broadcast(device, channel, talk_id, media, learned, known)
            except _NextTry as error:
                failure = _graver(failure, error)
                if error.key == "speech.refused_busy":
                    break
        raise TocsinError(
            ErrorCode.UNAVAILABLE,
            failure.key,
            key=failure.key,
            status=failure.status,
            waited_s=round(self._config.answer_within_s),
        )

    # -- broadcast

    async def _broadcast(
        self,
        device: RegisteredDevice,
        channel: Channel,
        talk_id: str,
        media: TalkPorts,
        learned: dict[str, str],
        known: SipDevice | None,
    ) -> GbTalk:
        voices = known.voice_ids if known is not None else ()
        failure = _NextTry("speech.no_answer")
        for kind, target_id in targets(channel.gb_id, device.gb_id, voices, learned.get("target", "")):
            ids = frozenset({device.gb_id, channel.gb_id, target_id})
            awaited = self._awaited[device.device_id] = _Awaited(device, ids)
            try:
                call = await self._call_to_listen(awaited, channel, target_id)
            except _NextTry as error:
                failure = _graver(failure, error)
                if error.key == "speech.refused_busy":
                    break
                continue
            except BaseException:
                if awaited.invite.done():
                    awaited.invite.result().hang_up()  # it came while we gave up
                raise
            finally:
                if self._awaited.get(device.device_id) is awaited:
                    del self._awaited[device.device_id]
            payload_wish = known.voice_payload if known is not None else "auto"
            start = learned.get("start", "ack")
            try:
                start = await self._answer(call, device, talk_id, media, payload_wish, start)
            except BaseException:
                call.hang_up()
                self._journal.closed(call)
                raise
            self._learn(device, learned, way="broadcast", target=kind.value, start=start)
            return GbTalk(self, device.device_id, talk_id, call, media)
        raise failure

    async def _call_to_listen(self, awaited: _Awaited, channel: Channel, target_id: str) -> ServedCall:
        """Notify, and wait for the device's INVITE; its Response may come before it, after it, or never."""
        device = awaited.device
        awaited.sn = self._asker.next_sn()
        body = broadcast_notify(awaited.sn, self._asker.identity.server_id, target_id, self._label(device))
        asking = asyncio.ensure_future(self._asker.message(device.peer, channel.gb_id, body))
        try:
            first: set[asyncio.Future[Any]] = {asking, awaited.invite}
            await asyncio.wait(first, timeout=self._config.answer_within_s, return_when=asyncio.FIRST_COMPLETED)
            if not awaited.invite.done():
                response = asking.result() if asking.done() else None
                if response is None:
                    raise _NextTry("speech.no_answer")
                if response.status >= 300:
                    busy = response.status in BUSY_STATUSES
                    raise _NextTry("speech.refused_busy" if busy else "speech.refused", response.status)
            waits: set[asyncio.Future[Any]] = {awaited.invite, awaited.response}
            deadline = self._clock.monotonic() + self._config.invite_within_s
            while not awaited.invite.done():
                left_s = deadline - self._clock.monotonic()
                if left_s <= 0:
                    raise _NextTry("speech.no_invite")
                done, _ = await asyncio.wait(waits, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                if awaited.response in done and not awaited.response.result():
                    raise _NextTry("speech.refused", "ERROR")
                waits.discard(awaited.response)
            return awaited.invite.result()
        finally:
            asking.cancel()

    async def _answer(
        self, call: ServedCall, device: RegisteredDevice, talk_id: str, media: TalkPorts, wish: str, start: str
    ) -> str:
        """Answer the device's INVITE and begin to send; return when it began: after the ACK, or with the 200."""
        sdp = parse_sdp(call.invite.body)
        offer = None if isinstance(sdp, BadSdp) else read_offer(sdp)
        if offer is None:
            call.refuse(488)
            raise _NextTry("speech.format")
        payload = _payload(offer, wish)
        ssrc = offer.ssrc if offer.ssrc is not None else self._next_ssrc()
        endpoint = await media.open_talk(
            talk_id,
            offer.mode.value,
            peer_ip=device.host,
            ssrc=ssrc,
            payload=payload.value,
            payload_type=offer.number_of(payload),
        )
        ip = self._address(endpoint.ip, device.peer)
        own_id = self._asker.identity.server_id
        made = voice_answer(offer, own_id=own_id, ip=ip, port=endpoint.port, ssrc=ssrc, payload=payload)
        call.accept(made.encode())
        self._noted(device, call)
        if call.is_over:
            raise _NextTry("speech.no_invite")
        if offer.mode is not MediaMode.TCP_PASSIVE:
            await self._aim(media, talk_id, offer, device)
        if start == "ok":
            self._start(self._settle(call))
        else:
            start = "ack" if await self._is_acknowledged(call) else "ok"
            if start == "ok":
                call.assume_confirmed()
        await media.start_talk(talk_id)
        return start

    async def _is_acknowledged(self, call: ServedCall) -> bool:
        try:
            async with asyncio.timeout(self._config.ack_within_s):
                if await call.confirmed():
                    return True
        except TimeoutError:
            return False
        raise _NextTry("speech.no_invite")  # it hung up before it had acknowledged

    async def _settle(self, call: ServedCall) -> None:
        """A device known to send no ACK gets time for one all the same, then the 200 is not repeated any more."""
        try:
            async with asyncio.timeout(self._config.ack_within_s):
                await call.confirmed()
        except TimeoutError:
            call.assume_confirmed()

    async def _aim(self, media: TalkPorts, talk_id: str, offer: VoiceOffer, device: RegisteredDevice) -> None:
        """Send or connect to where the device says; when that is not reached, to the host we see of it."""
        failure: TocsinError | None = None
        hosts = [offer.ip] if offer.mode is MediaMode.UDP else list(dict.fromkeys([offer.ip, device.host]))
        for host in hosts:
            try:
                await media.aim_talk(talk_id, host, offer.port)
                return
            except TocsinError as error:
                failure = error
        raise _NextTry("speech.no_connection") from failure

    def invited(self, request: Request, peer: Peer) -> bool:
        """Take an INVITE when a broadcast waits for it; False when nobody called this device.

        Devices name themselves in From by their own id, the channel's or the loudspeaker's, and may write any of them
        in To; the host they registered from is what counts.
        """
        found = [a for a in self._awaited.values() if a.device.host == peer.host and not a.invite.done()]
        named = [a for a in found if request.from_user in a.ids]
        chosen = named or (found if len(found) == 1 else [])
        if len(chosen) != 1:
            return False
        identity = self._asker.identity
        call = self._sip.serve(request, peer, own_id=identity.server_id, realm=identity.realm)
        if call is None:
            return False
        call.trying()
        chosen[0].invite.set_result(call)
        return True

    def take(self, device: RegisteredDevice, document: Document) -> bool:
        """Take a device's Response to a broadcast; False when nobody waits for it."""
        if document.kind != "response" or document.cmd_type.lower() != BROADCAST.lower():
            return False
        awaited = self._awaited.get(device.device_id)
        if awaited is not None and document.sn in (awaited.sn, None) and not awaited.response.done():
            awaited.response.set_result(document.root.get("Result", "OK").strip().upper() == "OK")
        return True

    # -- talk

    async def _talk(
        self, device: RegisteredDevice, channel: Channel, talk_id: str, media: TalkPorts, learned: dict[str, str]
    ) -> GbTalk:
        modes = [MediaMode.TCP_PASSIVE, MediaMode.UDP]
        modes.sort(key=lambda mode: mode.value != learned.get("mode", ""))
        failure = _NextTry("speech.no_answer")
        for mode in modes:
            await media.close_talk(talk_id, "retry")
            ssrc = self._next_ssrc()
            endpoint = await media.open_talk(
                talk_id, mode.value, peer_ip=device.host, ssrc=ssrc, payload=Payload.RAW.value, payload_type=8
            )
            call = self._invite(device, channel, mode, endpoint.port, self._address(endpoint.ip, device.peer), ssrc)
            try:
                outcome = await call.answer()
                if isinstance(outcome, Unanswered):
                    raise _NextTry("speech.no_answer")
                if isinstance(outcome, Rejected):
                    status = outcome.response.status
                    raise _NextTry("speech.refused_busy" if status in BUSY_STATUSES else "speech.refused", status)
                self._noted(device, call)
                await self._join(outcome.response, device, talk_id, media, mode)
            except _NextTry as error:
                call.hang_up()
                self._journal.closed(call)
                failure = _graver(failure, error)
                if error.key in ("speech.no_answer", "speech.refused_busy") or error.status in (403, 404):
                    break
                continue
            except BaseException:
                call.hang_up()
                self._journal.closed(call)
                raise
            self._learn(device, learned, way="talk", mode=mode.value)
            return GbTalk(self, device.device_id, talk_id, call, media)
        raise failure

    async def _join(
        self, response: Response, device: RegisteredDevice, talk_id: str, media: TalkPorts, mode: MediaMode
    ) -> None:
        sdp = parse_sdp(response.body)
        found = None if isinstance(sdp, BadSdp) else read_offer(sdp)
        if found is None or (found.mode is MediaMode.UDP) != (mode is MediaMode.UDP):
            raise _NextTry("speech.format")
        if mode is MediaMode.UDP:
            await media.aim_talk(talk_id, found.ip, found.port)
        await media.start_talk(talk_id)

    def _invite(
        self, device: RegisteredDevice, channel: Channel, mode: MediaMode, port: int, ip: str, ssrc: int
    ) -> Call:
        sip, identity, gb_id, peer = self._sip, self._asker.identity, channel.gb_id, device.peer
        client = InviteClient(
            target=f"sip:{gb_id}@{peer.host}:{peer.port}",
            to_uri=f"sip:{gb_id}@{gb_id[:10] if len(gb_id) == 20 else identity.realm}",
            local=local_side(sip, peer, identity.server_id, identity.realm),
            call_id=sip.new_word()[:24],
            tag=sip.new_word()[:16],
            tokens=sip.new_word,
            body=talk_offer(own_id=identity.server_id, ip=ip, port=port, mode=mode, ssrc=ssrc).encode(),
            headers=[("Subject", f"{gb_id}:{ssrc:010d},{identity.server_id}:0")],
            answer_within_s=self._config.answer_within_s,
            timers=sip.config.timers,
        )
        return sip.call(peer, client)

    # -- shared

    def _next_ssrc(self) -> int:
        self._serial = (self._serial + 1) % 1000
        return ssrc_of(self._asker.identity.server_id, FIRST_SERIAL + self._serial)

    def _address(self, ip: str, peer: Peer) -> str:
        is_everywhere = ip in ("", "0.0.0.0", "::")  # noqa: S104
        return self._config.media_ip or (self._sip.local_host(peer) if is_everywhere else ip)

    def _label(self, device: RegisteredDevice) -> Label:
        known = self._device_of(device.gb_id)
        return label_for(device.version, charset_named(known.charset) if known is not None else "")

    def _learn(self, device: RegisteredDevice, before: dict[str, str], **found: str) -> None:
        if any(before.get(name) != value for name, value in found.items()):
            words = ",".join(f"{name}={value}" for name, value in found.items())
            self._reports.learned(device.device_id, voice=words)

    def _start(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)  # type: ignore[arg-type]
        self._late.add(task)
        task.add_done_callback(self._late.discard)


def _payload(offer: VoiceOffer, wish: str) -> Payload:
    """Return how to pack: as the device's page says when it takes that, else G.711 A as it is."""
    if wish in [payload.value for payload in offer.payloads]:
        return Payload(wish)
    return Payload.RAW if Payload.RAW in offer.payloads else offer.payloads[0]


def _read_profile(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)
