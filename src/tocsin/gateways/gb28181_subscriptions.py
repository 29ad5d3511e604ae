"""Subscriptions to alarms, catalogues and positions: asked for once a device registers, renewed before they end.

One mechanism for all. What is granted is journalled, so that after a restart of ours the same subscription is renewed
in its dialog and no device keeps a second one for us. A lost one is begun anew; a device that says no is not asked
again until it registers anew.

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
from tocsin.gateways.gb28181_subscription_journal import SubscriptionJournal
from tocsin.protocols.gb28181.alarm_commands import SUBSCRIBE_EXPIRES_S
from tocsin.protocols.gb28181.ids import Role, role_of
from tocsin.protocols.gb28181.subscribe import Topic, subscription_body
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


PROFILE_NAMES: Final = {
    Topic.ALARM: "alarm_subscription",
    Topic.CATALOG: "catalog_subscription",
    Topic.POSITION: "position_subscription",
    Topic.PTZ_POSITION: "ptz_position_subscription",
}
_Key = tuple[str, Topic]


def wants(entry: SipDevice | None, topic: Topic, version: str = "") -> bool:
    """Say whether a device is to be asked: as entered; catalogues unasked only of what holds several channels."""
    if entry is None:
        return False
    if topic is Topic.ALARM:
        return entry.alarm_subscription
    if topic is Topic.CATALOG:
        if entry.catalog_subscription == "auto":
            return role_of(entry.gb_id) in (Role.DEVICE, Role.PLATFORM)
        return entry.catalog_subscription == "on"
    if topic is Topic.POSITION:
        return entry.position_subscription
    return entry.ptz_position_subscription and version.strip().startswith("3")


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
        "topic",
    )

    def __init__(self, device_id: str, topic: Topic, due: float) -> None:
        self.device_id = device_id
        self.topic = topic
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


class Subscriptions:
    """Keeps one subscription of each topic with each registered device whose entry wants it."""

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
        journal: SubscriptionJournal | None = None,
    ) -> None:
        self._asker = asker
        self._commands = commands
        self._table = table
        self._reports = reports
        self._attempts = attempts
        self._clock = clock
        self._device_of = device_of
        self._journal = journal or SubscriptionJournal(None)
        self._kept: dict[_Key, _Subscription] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def active(self) -> int:
        """How many devices have granted one."""
        return sum(kept.state is SubscriptionState.ACTIVE for kept in self._kept.values())

    def state_of(self, gb_id: str, topic: Topic = Topic.ALARM) -> SubscriptionState | None:
        """Return how a device's subscription stands; None when none is wanted."""
        kept = self._kept.get((gb_id, topic))
        return kept.state if kept is not None else None

    def registered(self, device: RegisteredDevice, request: Request, *, is_new: bool) -> None:
        """Hear of a granted registration: a new one is asked, a renewal that looks like a restart is asked soon."""
        for topic in Topic:
            self._note_registration(device, request, topic, is_new=is_new)

    def _note_registration(self, device: RegisteredDevice, request: Request, topic: Topic, *, is_new: bool) -> None:
        now, key = self._clock.monotonic(), (device.gb_id, topic)
        kept = self._kept.get(key)
        if kept is None or is_new or kept.device_id != device.device_id:
            if not wants(self._device_of(device.gb_id), topic, device.version) and topic is not Topic.ALARM:
                self._kept.pop(key, None)
                return
            kept = self._kept[key] = _Subscription(device.device_id, topic, now + FIRST_AFTER_S)
            self._resume(kept, device.gb_id, now)
        elif kept.asked_call_id != request.call_id and kept.state is SubscriptionState.ACTIVE:
            kept.due = min(kept.due, max(now, kept.ends_at - kept.expires_s + LOOK_AGAIN_AFTER_S))
        kept.asked_call_id = request.call_id

    def _resume(self, kept: _Subscription, gb_id: str, now: float) -> None:
        """Go on in the dialog an earlier run left, unless it ended meanwhile: the device must not keep two for us."""
        left = self._journal.take(gb_id, kept.topic.value, self._clock.now().timestamp())
        if left is not None:
            kept.call_id, kept.local_tag, kept.remote_tag, kept.cseq = left
            kept.cseq += 1

    def notified(self, device: RegisteredDevice, request: Request) -> None:
        """Hear what a notification says of its subscription: an ended one is begun anew."""
        words = request.headers.get("subscription-state").lower().replace(" ", "")
        if not words.startswith("terminated"):
            return
        found = (self._kept.get((device.gb_id, topic)) for topic in Topic)
        kept = next((one for one in found if one is not None and one.call_id == request.call_id), None)
        if kept is None:
            return
        is_final = "reason=rejected" in words or "reason=noresource" in words
        self._end(kept, device.gb_id)
        if is_final:
            self._show(kept, SubscriptionState.REFUSED, "refused")
        else:
            kept.state = SubscriptionState.WANTED
            kept.due = self._clock.monotonic() + FIRST_AFTER_S

    def look_again(self, gb_id: str) -> None:
        """Hear that a device's entry changed: what is now wanted is asked for, what is no longer is ended, soon."""
        device, now = self._table.get(gb_id), self._clock.monotonic()
        if device is None:
            return
        for topic in Topic:
            kept = self._kept.get((gb_id, topic))
            is_wanted = wants(self._device_of(gb_id), topic, device.version)
            if kept is None and is_wanted:
                self._kept[gb_id, topic] = _Subscription(device.device_id, topic, now)
            elif (
                kept is not None and is_wanted != bool(kept.remote_tag) and kept.state is not SubscriptionState.REFUSED
            ):
                kept.due = now

    def _end(self, kept: _Subscription, gb_id: str) -> None:
        kept.begin_anew()
        self._journal.ended(gb_id, kept.topic.value)

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
        for (gb_id, topic), kept in list(self._kept.items()):
            device = self._table.get(gb_id)
            if device is None or device.device_id != kept.device_id:
                del self._kept[gb_id, topic]
                continue
            if kept.due > now or kept.is_under_way or kept.state is SubscriptionState.REFUSED:
                continue
            is_wanted = wants(self._device_of(gb_id), topic, device.version)
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
            if is_renewal and (response is None or response.status in LOST):
                timeline.ok("subscribe.lost", self._clock.monotonic(), topic=kept.topic.value)
                self._end(kept, device.gb_id)
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
            self._end(kept, device.gb_id)
            kept.state = SubscriptionState.WANTED
            kept.due = now + LOOK_AGAIN_AFTER_S
            self._show(kept, SubscriptionState.WANTED, "")
            return
        if response is not None and not is_renewal and kept.topic is Topic.ALARM:
            self.ask_duty(device)
        if response is not None and 200 <= response.status < 300:
            self._granted(kept, device.gb_id, response, expires_s, now)
            if not is_renewal:
                timeline.ok("subscribe.granted", now, expires_s=kept.expires_s, topic=kept.topic.value)
                self._attempts.finish(AttemptKind.SUBSCRIPTION, device.device_id, timeline, is_ok=True)
            return
        self._failed(device, kept, response, now)
        if response is None:
            timeline.failed("subscribe.no_answer", now, topic=kept.topic.value)
        else:
            is_final = kept.state is SubscriptionState.REFUSED
            step = "subscribe.refused" if is_final else "subscribe.put_off"
            timeline.failed(step, now, status=response.status, topic=kept.topic.value)
        self._attempts.finish(AttemptKind.SUBSCRIPTION, device.device_id, timeline, is_ok=False)

    async def _send(self, device: RegisteredDevice, kept: _Subscription, expires_s: int) -> Response | None:
        if not kept.call_id:
            kept.call_id, kept.local_tag = self._asker.new_word()[:24], self._asker.new_word()[:10]
        kept.cseq += 1
        entry = self._device_of(device.gb_id)
        interval_s = entry.position_interval_s if entry is not None else 5
        label = self._commands.label_of(device)
        body = subscription_body(kept.topic, self._asker.next_sn(), device.gb_id, label, interval_s)
        return await self._asker.subscribe(
            device.peer,
            device.gb_id,
            body,
            call_id=kept.call_id,
            local_tag=kept.local_tag,
            remote_tag=kept.remote_tag,
            cseq=kept.cseq,
            event=kept.topic.event,
            expires_s=expires_s,
        )

    def _granted(self, kept: _Subscription, gb_id: str, response: Response, asked_s: int, now: float) -> None:
        granted_s = expires_of(response)
        granted_s = asked_s if granted_s is None else granted_s
        kept.expires_s = min(max(granted_s, SHORTEST_EXPIRES_S), SUBSCRIBE_EXPIRES_S) if granted_s else asked_s
        kept.remote_tag = response.to_tag
        kept.ends_at = now + kept.expires_s
        kept.due = now + RENEW_AT_SHARE * kept.expires_s
        kept.retry_s = RETRY_S
        dialog = (kept.call_id, kept.local_tag, kept.remote_tag, kept.cseq)
        self._journal.granted(gb_id, kept.topic.value, dialog, self._clock.now().timestamp() + kept.expires_s)
        self._show(kept, SubscriptionState.ACTIVE, "active")

    def _failed(self, device: RegisteredDevice, kept: _Subscription, response: Response | None, now: float) -> None:
        self._end(kept, device.gb_id)
        if response is not None and response.status not in PASSING:
            log.info("subscription refused", device_id=device.device_id, topic=kept.topic.value, status=response.status)
            self._show(kept, SubscriptionState.REFUSED, f"refused {response.status}")
            return
        kept.due = now + kept.retry_s
        kept.retry_s = min(kept.retry_s * 2, LONGEST_RETRY_S)
        self._show(kept, SubscriptionState.WANTED, "no answer" if response is None else f"put off {response.status}")

    def _show(self, kept: _Subscription, state: SubscriptionState, words: str) -> None:
        kept.state = state
        if kept.shown != words:
            kept.shown = words
            self._reports.learned(kept.device_id, **{PROFILE_NAMES[kept.topic]: words})

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("subscription failed", error=f"{type(error).__name__}: {error}")
