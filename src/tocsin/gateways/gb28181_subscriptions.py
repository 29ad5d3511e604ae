"""Alarm subscriptions: asked for once a device registers, renewed before they end, begun anew when lost.

Nothing is kept on disk: after a restart of ours every device registers again, and is asked again. A device that says no
is not asked again until it registers anew.

Source: RFC 6665; GB/T 28181-2022, "Event subscription, notification and distribution".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Final

import structlog

from tocsin.base.clock import Clock
from tocsin.domain.attempts import AttemptKind
from tocsin.domain.devices import DeviceReports
from tocsin.domain.directory import SipDevice
from tocsin.gateways.gb28181_catalog import Asker
from tocsin.gateways.gb28181_commands import AlarmCommands
from tocsin.gateways.gb28181_devices import AttemptLog, DeviceTable, RegisteredDevice
from tocsin.protocols.gb28181.alarm_commands import SUBSCRIBE_EVENT, SUBSCRIBE_EXPIRES_S, alarm_query
from tocsin.protocols.sip.message import Request, Response, expires_of

log = structlog.get_logger(__name__)

TICK_S: Final = 1.0
FIRST_AFTER_S: Final = 3.0
RENEW_AT_SHARE: Final = 0.8
RETRY_S: Final = 60.0
LONGEST_RETRY_S: Final = 3600.0
SHORTEST_EXPIRES_S: Final = 30
LOOK_AGAIN_AFTER_S: Final = 60.0
MAX_UNDER_WAY: Final = 64
LOST: Final = frozenset({408, 481})
PASSING: Final = frozenset({408, 423, 480, 481, 486, 500, 503, 504})


class SubscriptionState(StrEnum):
    """How a subscription stands, as the profile of the device shows it."""

    WANTED = "wanted"
    ACTIVE = "active"
    REFUSED = "refused"


class _Subscription:
    """One subscription as a dialog. Times are monotonic seconds; `remote_tag` is empty before it is granted."""

    __slots__ = (
        "asked_call_id",
        "call_id",
        "cseq",
        "device_id",
        "due",
        "ends_at",
        "expires_s",
        "is_under_way",
        "local_tag",
        "remote_tag",
        "retry_s",
        "shown",
        "state",
    )

    def __init__(self, device_id: str, due: float) -> None:
        self.device_id = device_id
        self.due = due
        self.state = SubscriptionState.WANTED
        self.expires_s = SUBSCRIBE_EXPIRES_S
        self.ends_at = 0.0
        self.retry_s = RETRY_S
        self.is_under_way = False
        self.shown = ""
        self.asked_call_id = ""
        self.call_id = ""
        self.local_tag = ""
        self.remote_tag = ""
        self.cseq = 0

    def begin_anew(self) -> None:
        """Forget the dialog: the next question starts another."""
        self.call_id = self.local_tag = self.remote_tag = ""
        self.cseq = 0


class AlarmSubscriptions:
    """Keeps one subscription to alarms with each registered device whose entry wants it."""

    def __init__(
        self,
        asker: Asker,
        commands: AlarmCommands,
        table: DeviceTable,
        reports: DeviceReports,
        attempts: AttemptLog,
        clock: Clock,
        *,
        device_of: Callable[[str], SipDevice | None],
    ) -> None:
        self._asker = asker
        self._commands = commands
        self._table = table
        self._reports = reports
        self._attempts = attempts
        self._clock = clock
        self._device_of = device_of
        self._kept: dict[str, _Subscription] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def active(self) -> int:
        """How many devices have granted one."""
        return sum(kept.state is SubscriptionState.ACTIVE for kept in self._kept.values())

    def state_of(self, gb_id: str) -> SubscriptionState | None:
        """Return how a device's subscription stands; None when none is wanted."""
        kept = self._kept.get(gb_id)
        return kept.state if kept is not None else None

    def registered(self, device: RegisteredDevice, request: Request, *, is_new: bool) -> None:
        """Hear of a granted registration: a new one is asked, a renewal that looks like a restart is asked soon."""
        now = self._clock.monotonic()
        kept = self._kept.get(device.gb_id)
        if is_new or kept is None or kept.device_id != device.device_id:
            kept = self._kept[device.gb_id] = _Subscription(device.device_id, now + FIRST_AFTER_S)
        elif kept.asked_call_id != request.call_id and kept.state is SubscriptionState.ACTIVE:
            kept.due = min(kept.due, max(now, kept.ends_at - kept.expires_s + LOOK_AGAIN_AFTER_S))
        kept.asked_call_id = request.call_id

    def notified(self, device: RegisteredDevice, request: Request) -> None:
        """Hear what a notification says of its subscription: an ended one is begun anew."""
        kept = self._kept.get(device.gb_id)
        words = request.headers.get("subscription-state").lower().replace(" ", "")
        if kept is None or not words.startswith("terminated") or request.call_id != kept.call_id:
            return
        is_final = "reason=rejected" in words or "reason=noresource" in words
        kept.begin_anew()
        if is_final:
            self._show(kept, SubscriptionState.REFUSED, "refused")
        else:
            kept.state = SubscriptionState.WANTED
            kept.due = self._clock.monotonic() + FIRST_AFTER_S

    def ask_duty(self, device: RegisteredDevice) -> None:
        """Ask a device how its alarm points stand, without waiting for the answer."""
        self._start(self._commands.learn_duty(device))

    async def run(self) -> None:
        """Ask whoever is due until cancelled."""
        try:
            while True:
                self.tick()
                await self._clock.sleep(TICK_S)
        finally:
            for task in list(self._tasks):
                task.cancel()

    def tick(self) -> None:
        """Start the questions that are due, at most so many at once, and forget devices that are gone."""
        now = self._clock.monotonic()
        for gb_id, kept in list(self._kept.items()):
            device = self._table.get(gb_id)
            if device is None or device.device_id != kept.device_id:
                del self._kept[gb_id]
                continue
            if kept.due > now or kept.is_under_way or kept.state is SubscriptionState.REFUSED:
                continue
            entry = self._device_of(gb_id)
            is_wanted = entry is not None and entry.alarm_subscription
            if not is_wanted and not kept.remote_tag:
                kept.due = now + LOOK_AGAIN_AFTER_S  # the entry may change its mind
                continue
            if len(self._tasks) >= MAX_UNDER_WAY:
                return
            kept.is_under_way = True
            self._start(self._ask(device, kept, expires_s=kept.expires_s if is_wanted else 0))

    async def _ask(self, device: RegisteredDevice, kept: _Subscription, *, expires_s: int) -> None:
        is_renewal = bool(kept.remote_tag)
        timeline = self._attempts.begin()
        try:
            response = await self._send(device, kept, expires_s)
            if response is not None and response.status in LOST and is_renewal:
                timeline.ok("subscribe.lost", self._clock.monotonic())
                kept.begin_anew()
                is_renewal = False
                response = await self._send(device, kept, expires_s)
            if response is not None and response.status == 423:
                least = response.headers.get("min-expires").strip()
                if least.isascii() and least.isdigit() and len(least) <= 6:
                    kept.expires_s = expires_s = max(expires_s, int(least))
                    response = await self._send(device, kept, expires_s)
        finally:
            kept.is_under_way = False
        now = self._clock.monotonic()
        if expires_s == 0:
            kept.begin_anew()
            kept.state = SubscriptionState.WANTED
            kept.due = now + LOOK_AGAIN_AFTER_S
            self._show(kept, SubscriptionState.WANTED, "")
            return
        if response is not None and not is_renewal:
            self.ask_duty(device)
        if response is not None and 200 <= response.status < 300:
            self._granted(kept, response, expires_s, now)
            if not is_renewal:
                timeline.ok("subscribe.granted", now, expires_s=kept.expires_s)
                self._attempts.finish(AttemptKind.SUBSCRIPTION, device.device_id, timeline, is_ok=True)
            return
        self._failed(device, kept, response, now)
        if response is None:
            timeline.failed("subscribe.no_answer", now)
        else:
            is_final = kept.state is SubscriptionState.REFUSED
            timeline.failed("subscribe.refused" if is_final else "subscribe.put_off", now, status=response.status)
        self._attempts.finish(AttemptKind.SUBSCRIPTION, device.device_id, timeline, is_ok=False)

    async def _send(self, device: RegisteredDevice, kept: _Subscription, expires_s: int) -> Response | None:
        if not kept.call_id:
            kept.call_id, kept.local_tag = self._asker.new_word()[:24], self._asker.new_word()[:10]
        kept.cseq += 1
        body = alarm_query(self._asker.next_sn(), device.gb_id, self._commands.label_of(device))
        return await self._asker.subscribe(
            device.peer,
            device.gb_id,
            body,
            call_id=kept.call_id,
            local_tag=kept.local_tag,
            remote_tag=kept.remote_tag,
            cseq=kept.cseq,
            event=SUBSCRIBE_EVENT,
            expires_s=expires_s,
        )

    def _granted(self, kept: _Subscription, response: Response, asked_s: int, now: float) -> None:
        granted_s = expires_of(response)
        granted_s = asked_s if granted_s is None else granted_s
        kept.expires_s = min(max(granted_s, SHORTEST_EXPIRES_S), SUBSCRIBE_EXPIRES_S) if granted_s else asked_s
        kept.remote_tag = response.to_tag
        kept.ends_at = now + kept.expires_s
        kept.due = now + RENEW_AT_SHARE * kept.expires_s
        kept.retry_s = RETRY_S
        self._show(kept, SubscriptionState.ACTIVE, "active")

    def _failed(self, device: RegisteredDevice, kept: _Subscription, response: Response | None, now: float) -> None:
        kept.begin_anew()
        if response is not None and response.status not in PASSING:
            log.info("alarm subscription refused", device_id=device.device_id, status=response.status)
            self._show(kept, SubscriptionState.REFUSED, f"refused {response.status}")
            return
        kept.due = now + kept.retry_s
        kept.retry_s = min(kept.retry_s * 2, LONGEST_RETRY_S)
        self._show(kept, SubscriptionState.WANTED, "no answer" if response is None else f"put off {response.status}")

    def _show(self, kept: _Subscription, state: SubscriptionState, words: str) -> None:
        kept.state = state
        if kept.shown != words:
            kept.shown = words
            self._reports.learned(kept.device_id, alarm_subscription=words)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("alarm subscription failed", error=f"{type(error).__name__}: {error}")
