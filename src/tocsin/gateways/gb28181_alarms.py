"""Alarm documents of GB/T 28181 devices, by MESSAGE or NOTIFY: kept, answered, confirmed, the device made ready again.

The order is the promise: commit, then 200, then the Response, then the reset; nothing leaves before the commit. What is
about people is answered and counted, and that is all that is known of it afterwards.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import TocsinError
from tocsin.base.normal import NormalEvent
from tocsin.domain.attempts import AttemptKind
from tocsin.domain.devices import DeviceReports
from tocsin.domain.directory import Channel, SipDevice
from tocsin.domain.guarding import CommandOutcome
from tocsin.domain.signals import Receipt, Signal
from tocsin.gateways.gb28181_commands import AlarmCommands
from tocsin.gateways.gb28181_devices import AttemptLog, RegisteredDevice
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.gb28181.alarm import DEVICE_METHOD, SKEW_WARNED_S, AlarmNotice, NotKept, read_alarm
from tocsin.protocols.gb28181.ids import Role, role_of
from tocsin.protocols.gb28181.manscdp import Document
from tocsin.protocols.gb28181.video_upload import VIDEO_UPLOAD, read_video_upload
from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.message import readable

log = structlog.get_logger(__name__)

MAX_ALARM_BYTES: Final = 64 * 1024
MAX_WAITING: Final = 1024
MAX_CONFIRMATIONS_A_DEVICE: Final = 64
RESET_AGAIN_AFTER_S: Final = 60.0
FAILED_RESET_TOLD_AGAIN_AFTER_S: Final = 60.0
UPLOAD_TOLD_AGAIN_AFTER_S: Final = 10.0
MAX_REMEMBERED: Final = 4096
COMMAND: Final = "Alarm"
RESET_AFTER_COMMIT: Final = "after_commit"


class Intake(Protocol):
    """Where signals go."""

    def accept(self, signal: Signal) -> asyncio.Future[Receipt]:
        """Return a future that resolves after the commit and raises when nothing was committed."""

    def acknowledged(self, arrival_id: str, at: datetime) -> None:
        """Note when the answer to a signal left."""


class Channels(Protocol):
    """The part of the directory that knows devices and their pictures."""

    def sip_device(self, gb_id: str) -> SipDevice | None:
        """Return the device of an id."""

    def channel_by_gb_id(self, device_id: str, gb_id: str) -> Channel | None:
        """Return a channel of a device by its GB/T 28181 id."""

    def channels_of(self, device_id: str) -> Iterator[Channel]:
        """Yield the channels of a device."""


@dataclass(frozen=True, slots=True)
class _Confirmation:
    """What is still to be said about a committed alarm."""

    device: RegisteredDevice
    sn: int | None
    source: str
    notice: AlarmNotice | None
    document: Document | None = None

    @property
    def asks_for_reset(self) -> bool:
        """True when the device reports nothing more before its reset."""
        return self.notice is not None and self.notice.asks_for_reset


class AlarmKeeper:
    """Hands alarm documents to intake and says what follows once they are committed. `counts` is for the metrics."""

    def __init__(
        self,
        intake: Intake,
        channels: Channels,
        commands: AlarmCommands,
        reports: DeviceReports,
        attempts: AttemptLog,
        clock: Clock,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.on_kept: Callable[[RegisteredDevice, Document, AlarmNotice], None] = lambda device, document, notice: None
        self.on_time: Callable[[RegisteredDevice, datetime | None], None] = lambda device, at: None
        self._intake = intake
        self._channels = channels
        self._commands = commands
        self._reports = reports
        self._attempts = attempts
        self._clock = clock
        self._waiting = 0
        self._to_confirm: dict[str, deque[_Confirmation]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reset_at: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._told_at: OrderedDict[str, float] = OrderedDict()
        self._upload_told_at: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._ways: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def keep(
        self,
        device: RegisteredDevice,
        document: Document,
        body: bytes,
        peer: Peer,
        way: str,
        answer: Callable[[int | None], None],
    ) -> None:
        """Commit one document, then call `answer` with the status, or with None: stay silent, it will be sent again.

        Over TCP nothing is sent again by itself, so what was not committed is answered 503 there. `way` is how it came:
        `message` or `notify`.
        """
        if len(body) > MAX_ALARM_BYTES:
            log.warning("alarm document refused", device_id=device.device_id, size=len(body))
            self.counts["too_large"] += 1
            answer(413)
            return
        now = self._clock.now()
        notice = read_alarm(document, now)
        if isinstance(notice, NotKept):
            self.counts[f"not_kept_{notice.word}"] += 1
            answer(200)
            self._confirm(_Confirmation(device, document.sn, _echo(document, device), None))
            return
        if notice.cleaned is not None:
            self.counts["cleaned"] += 1
        self.on_time(device, notice.at)
        confirmation = _Confirmation(device, document.sn, _echo(document, device), notice, document)
        self._accept(self._signal(device, notice, body, peer, now), device, way, confirmation, answer)

    def keep_upload(
        self,
        device: RegisteredDevice,
        document: Document,
        body: bytes,
        peer: Peer,
        answer: Callable[[int | None], None],
    ) -> None:
        """Commit that a device asks for its picture to be watched, as `keep` does; nothing is confirmed or reset."""
        if len(body) > MAX_ALARM_BYTES:
            self.counts["too_large"] += 1
            answer(413)
            return
        now = self._clock.now()
        notice = read_video_upload(document, now)
        self.counts["video_uploads"] += 1
        self.on_time(device, notice.at)
        if notice.cleaned is not None:
            self.counts["cleaned"] += 1
        signal = replace(self._signal(device, notice, body, peer, now), token=VIDEO_UPLOAD)

        def said(status: int | None) -> None:
            answer(status)
            if status == 200:
                self._tell_upload(device, notice)

        self._accept(signal, device, "", None, said)

    def _tell_upload(self, device: RegisteredDevice, notice: AlarmNotice) -> None:
        """Put it among the steps of the camera, once in a while: it may ask each second."""
        key, now = (device.device_id, notice.source), self._clock.monotonic()
        if now - self._upload_told_at.get(key, -1e9) < UPLOAD_TOLD_AGAIN_AFTER_S:
            return
        while len(self._upload_told_at) >= MAX_REMEMBERED:
            self._upload_told_at.popitem(last=False)
        self._upload_told_at[key] = now
        channel, timeline = self._picture(device, notice.source), self._attempts.begin()
        timeline.ok("upload.asked", now, source=notice.source or device.gb_id, time=notice.time_text)
        self._attempts.finish(
            AttemptKind.REPORT,
            device.device_id,
            timeline,
            is_ok=True,
            channel_id=channel.id if channel is not None else None,
        )

    def keep_unreadable(
        self, device: RegisteredDevice, body: bytes, peer: Peer, answer: Callable[[int | None], None]
    ) -> None:
        """Commit what looks like an alarm and cannot be read, put aside for people; answer as `keep` does."""
        if len(body) > MAX_ALARM_BYTES:
            self.counts["too_large"] += 1
            answer(413)
            return
        self.counts["unreadable"] += 1
        signal = Signal(
            protocol="gb28181",
            transport=peer.transport.value,
            peer=peer.address,
            account=device.gb_id,
            raw=body,
            received_at=self._clock.now(),
            device_id=device.device_id,
            token=COMMAND,
            quarantine="unreadable",
        )
        self._accept(signal, device, "", None, answer)

    def _accept(
        self,
        signal: Signal,
        device: RegisteredDevice,
        way: str,
        confirmation: _Confirmation | None,
        answer: Callable[[int | None], None],
    ) -> None:
        if self._waiting >= MAX_WAITING:
            self.counts["put_off"] += 1
            answer(_not_kept(signal))
            return
        try:
            future = self._intake.accept(signal)
        except TocsinError:
            self.counts["not_committed"] += 1
            answer(_not_kept(signal))
            return
        self._waiting += 1
        future.add_done_callback(lambda done: self._committed(done, signal, device, way, confirmation, answer))

    async def stop(self) -> None:
        """Leave unsaid what is still to be said: devices repeat what was not confirmed."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _committed(
        self,
        future: asyncio.Future[Receipt],
        signal: Signal,
        device: RegisteredDevice,
        way: str,
        confirmation: _Confirmation | None,
        answer: Callable[[int | None], None],
    ) -> None:
        self._waiting -= 1
        if future.cancelled() or future.exception() is not None:
            self.counts["not_committed"] += 1
            answer(_not_kept(signal))
            return
        answer(200)
        receipt = future.result()
        self._intake.acknowledged(receipt.arrival_id, self._clock.now())
        self.counts["repeated" if receipt.is_duplicate else "kept"] += 1
        if confirmation is not None:
            self._learn_way(device, way)
            self._confirm(confirmation)
            if confirmation.notice is not None and confirmation.document is not None and not receipt.is_duplicate:
                self.on_kept(device, confirmation.document, confirmation.notice)

    def _learn_way(self, device: RegisteredDevice, way: str) -> None:
        known = self._ways.get(device.device_id, ())
        if way in known:
            return
        while len(self._ways) >= MAX_REMEMBERED:
            self._ways.popitem(last=False)
        ways = self._ways[device.device_id] = tuple(sorted((*known, way)))
        self._reports.learned(device.device_id, alarm_ways=",".join(ways))

    # --- after the commit ---

    def _confirm(self, confirmation: _Confirmation) -> None:
        """Say it in order; a device that answers nothing cannot make thousands of confirmations wait."""
        gb_id = confirmation.device.gb_id
        queue = self._to_confirm.get(gb_id)
        if queue is None:
            self._to_confirm[gb_id] = deque((confirmation,))
            task = asyncio.create_task(self._say(gb_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        queue.append(confirmation)
        if len(queue) > MAX_CONFIRMATIONS_A_DEVICE:
            self.counts["confirmations_dropped"] += 1
            # What asks for a reset goes last: a storm of motion must not leave an alarm input silent.
            del queue[next((place for place, item in enumerate(queue) if not item.asks_for_reset), 0)]

    async def _say(self, gb_id: str) -> None:
        queue = self._to_confirm[gb_id]
        try:
            while queue:
                item = queue.popleft()
                if not await self._commands.confirm_alarm(item.device, item.sn, item.source):
                    self.counts["unconfirmed"] += 1
                if item.notice is not None:
                    await self._reset(item.device, item.source, item.notice)
        finally:
            del self._to_confirm[gb_id]

    async def _reset(self, device: RegisteredDevice, source: str, notice: AlarmNotice) -> None:
        """Make a device report its next device alarm, unless that was done for this point a moment ago."""
        entry = self._channels.sip_device(device.gb_id)
        if entry is None or entry.alarm_reset != RESET_AFTER_COMMIT or not notice.asks_for_reset:
            return
        key = (device.gb_id, notice.repeat_key or f"{source}|{notice.code}")
        started = self._clock.monotonic()
        if notice.repeat_key and started - self._reset_at.get(key, -1e9) < RESET_AGAIN_AFTER_S:
            return
        method = str(DEVICE_METHOD)
        kind = notice.type if notice.method == method else ""  # a type of another method it named as well
        outcome = await self._commands.reset_alarm(device, source, method, kind)
        self.counts[f"reset_{outcome.value}"] += 1
        if outcome in (CommandOutcome.DONE, CommandOutcome.UNCONFIRMED):
            while len(self._reset_at) >= MAX_REMEMBERED:
                self._reset_at.popitem(last=False)
            self._reset_at[key] = started
            return
        now = self._clock.monotonic()
        if now - self._told_at.get(device.device_id, -1e9) >= FAILED_RESET_TOLD_AGAIN_AFTER_S:
            while len(self._told_at) >= MAX_REMEMBERED:
                self._told_at.popitem(last=False)
            self._told_at[device.device_id] = now
            timeline = self._attempts.begin()
            timeline.failed(f"alarm.reset_{outcome.value}", now, source=source, code=notice.code)
            self._attempts.finish(AttemptKind.CONTROL, device.device_id, timeline, is_ok=False)

    # --- meaning ---

    def _signal(self, device: RegisteredDevice, notice: AlarmNotice, body: bytes, peer: Peer, now: datetime) -> Signal:
        meaning, channel = notice.meaning, self._picture(device, notice.source)
        zone = "" if notice.source == device.gb_id else notice.source
        event = NormalEvent(
            "gb28181",
            notice.code,
            meaning.kind,
            meaning.category,
            notice.priority,
            meaning.label_en,
            meaning.label_zh,
            zone=channel.gb_id if channel is not None else zone,
            text=readable(notice.text),
            occurred_at=notice.at,
            lon=notice.lon,
            lat=notice.lat,
            is_known=meaning.is_known,
            channel=channel.id if channel is not None else "",
            channel_name=(channel.name or channel.gb_id) if channel is not None else "",
        )
        is_skewed = notice.at is not None and abs((notice.at - now).total_seconds()) > SKEW_WARNED_S
        flags = ("clock_skew",) if is_skewed else ()
        return Signal(
            protocol="gb28181",
            transport=peer.transport.value,
            peer=peer.address,
            account=device.gb_id,
            raw=body if notice.cleaned is None else notice.cleaned,
            received_at=now,
            device_id=device.device_id,
            token=COMMAND,
            sent_at=notice.at,
            dedup_key=readable(notice.repeat_key),
            repeat_scope=f"{notice.source}|{notice.code}" if notice.repeat_key else "",
            events=(event,),
            flags=flags if notice.cleaned is None else (*flags, "cleaned"),
        )

    def _picture(self, device: RegisteredDevice, source: str) -> Channel | None:
        """Return the channel an alarm comes from: the one named, or the only one of a camera that names itself."""
        named = self._channels.channel_by_gb_id(device.device_id, source) if source else None
        if named is not None:
            return None if named.is_gone else named
        if source in ("", device.gb_id) and role_of(device.gb_id) is Role.VIDEO:
            present = [channel for channel in self._channels.channels_of(device.device_id) if not channel.is_gone]
            return present[0] if len(present) == 1 else None
        return None


def _not_kept(signal: Signal) -> int | None:
    """Return how to answer what could not be kept: with silence where the device sends it again by itself."""
    return 503 if signal.transport == Transport.TCP.value else None


def _echo(document: Document, device: RegisteredDevice) -> str:
    """Return the id a confirmation names: the one the device wrote, else its own."""
    return readable(document.device_id)[:64] or device.gb_id
