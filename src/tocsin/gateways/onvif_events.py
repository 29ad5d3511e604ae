"""Pull-point events of one ONVIF camera: subscribed, pulled, renewed, made anew; committed by intake, cleared by us.

What a camera says about people is dropped here and counted (docs/not-built.md). Source: alarm reference, client rules.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol, cast

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import TocsinError
from tocsin.base.normal import EventKind, NormalEvent
from tocsin.domain.directory import Channel
from tocsin.domain.message_sources import INVERTED
from tocsin.domain.signals import Receipt, Signal
from tocsin.gateways.gb28181_devices import AttemptLog
from tocsin.gateways.onvif_calls import CallFailed, OnvifCalls
from tocsin.protocols.messages.codes import WORDS
from tocsin.protocols.onvif import calls, events
from tocsin.protocols.onvif.soap import Element

log = structlog.get_logger(__name__)

PULL_S: Final = 20
LEAST_PAUSE_S: Final = 1.0
RENEW_AFTER_S: Final = 480.0
FIRST_RETRY_S: Final = 5.0
LONGEST_RETRY_S: Final = 300.0
BUSY_RETRY_S: Final = 30.0  # cameras keep one to five subscriptions: one that has none left is given time
CLEAR_AFTER_S: Final = 60.0
TRIES: Final = 3
MAX_STATES: Final = 256


class Intake(Protocol):
    """Where signals go."""

    def accept(self, signal: Signal) -> asyncio.Future[Receipt]:
        """Return a future that resolves after the commit."""


class EventPuller:
    """Pulls the events of one camera until stopped. `counts` is shared by all, for the metrics."""

    def __init__(
        self,
        reach: OnvifCalls,
        clock: Clock,
        intake: Intake,
        attempts: AttemptLog,
        channels: object,
        counts: dict[str, int],
    ) -> None:
        self._reach = reach
        self._clock = clock
        self._intake = intake
        self._attempts = attempts
        self._channels = channels
        self._counts = counts
        self._subscription: events.Subscription | None = None
        self._address = ""
        self._says_until = False
        self._task: asyncio.Task[None] | None = None
        self._states: OrderedDict[tuple[str, str], tuple[bool, float, NormalEvent]] = OrderedDict()

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=f"onvif events {self._reach.camera.device_id}")

    async def stop(self) -> None:
        """Give the subscription back, as cameras keep few, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._unsubscribe()

    async def _run(self) -> None:
        delay_s = FIRST_RETRY_S
        while True:
            try:
                await self._subscribe()
                delay_s = FIRST_RETRY_S
                await self._pull_forever()
            except CallFailed as failed:
                if failed.key == "camera.refused" and self._subscription is None:
                    delay_s = max(delay_s, BUSY_RETRY_S)
                self._count(f"broken_{failed.key.rpartition('.')[2]}")
                if failed.key in ("camera.wrong_password", "camera.password_held_back", "camera.password_missing"):
                    return
            except Exception as error:  # what it said broke the reading: it is asked anew, as when it is gone
                self._count("broken_strange")
                log.error(
                    "onvif events not understood", device_id=self._reach.camera.device_id, error=repr(error)[:200]
                )
            self._subscription = None  # its address is void after a restart of the camera: never used again
            await self._clock.sleep(delay_s * random.uniform(0.8, 1.2))
            delay_s = min(delay_s * 2, LONGEST_RETRY_S)

    async def _subscribe(self) -> None:
        try:
            answer = await self._reach.call(events.create_pull_point(self._until()), service=calls.EVENTS)
        except CallFailed as failed:
            if failed.key != "camera.refused" or self._says_until:
                raise
            self._says_until = True  # some take the moment of the end only, on their own clock
            try:
                answer = await self._reach.call(events.create_pull_point(self._until()), service=calls.EVENTS)
            except CallFailed:
                self._says_until = False
                raise
        self._subscription = events.read_subscription(answer)
        if self._subscription is None:
            raise CallFailed("camera.not_understood", reason="subscription")
        self._address = calls.at_host(self._subscription.address, self._reach.camera.url)
        if not self._address:
            raise CallFailed("camera.not_understood", reason="address")
        self._count("subscribed")
        with contextlib.suppress(CallFailed):  # not every camera knows it
            await self._call(events.SYNCHRONIZE)

    async def _pull_forever(self) -> None:
        renew_at = self._clock.monotonic() + RENEW_AFTER_S
        misses = 0
        while True:
            started = self._clock.monotonic()
            try:
                answer = await self._call(events.pull_messages(PULL_S), within_s=PULL_S + 10.0)
                misses = 0
            except CallFailed as failed:
                if failed.key != "camera.silent" or misses + 1 >= TRIES:
                    raise
                misses += 1  # one that did not answer in time still holds the subscription
            else:
                for notice in events.read_notices(answer):
                    await self._take_alone(notice)
            await self._clear_old()
            if self._clock.monotonic() >= renew_at:
                renew_at = self._clock.monotonic() + RENEW_AFTER_S
                await self._call(events.renew(self._until()))
            pause_s = LEAST_PAUSE_S - (self._clock.monotonic() - started)
            if pause_s > 0:
                await self._clock.sleep(pause_s)

    def _until(self) -> str:
        """Return when a subscription is to end: after a time, or at a moment of the camera's clock."""
        if not self._says_until:
            return f"PT{events.TERMINATION_S}S"
        end = self._clock.now() + timedelta(seconds=self._reach.skew_s + events.TERMINATION_S)
        return end.strftime("%Y-%m-%dT%H:%M:%SZ")

    async def _call(self, body: str, *, within_s: float = 8.0) -> Element:
        assert self._subscription is not None
        headers = events.addressing(self._subscription, self._subscription.address)
        return await self._reach.call(body, address=self._address, headers=headers, within_s=within_s)

    async def _unsubscribe(self) -> None:
        if self._subscription is not None:
            with contextlib.suppress(Exception):  # whatever it says, we go
                await self._call(events.UNSUBSCRIBE, within_s=2.0)
            self._subscription = None

    # --- meaning ---

    async def _take_alone(self, notice: events.Notice) -> None:
        """Take one notification; one that breaks the reading loses itself alone."""
        try:
            await self.take(notice)
        except Exception as error:
            self._count("strange")
            log.error("onvif event not understood", device_id=self._reach.camera.device_id, error=repr(error)[:200])

    async def take(self, notice: events.Notice) -> None:
        """Hand one notification to intake, or drop it, counted. Returns after the commit."""
        if events.is_about_people(notice.topic):
            self._count("dropped_people")
            return
        topic = events.meaning_of(notice.topic)
        if topic is None:
            self._count("unmapped")
            return
        state = events.state_of(topic, notice)
        if notice.operation == "Deleted" or (topic.state and state is None):
            self._count("no_state")
            return
        channel = self._picture(notice)
        zone = _input_of(notice) if topic.is_input else ""
        where = zone or "|".join(sorted(notice.source.values()))[:120]
        wired = self._reach.camera.inputs.get(zone, "") if topic.is_input else ""
        if wired.endswith(INVERTED) and state is not None:
            state = not state
        key = (topic.code, where)
        before = self._states.get(key)
        event = _wired(self._event(topic, notice, channel, zone, state), wired.removesuffix(INVERTED))
        if topic.state:
            self._states[key] = (bool(state), self._clock.monotonic(), event)
            self._states.move_to_end(key)
            while len(self._states) > MAX_STATES:
                self._states.popitem(last=False)
            was = before[0] if before else None
            # What was said before raises nothing, nor an end without a beginning, nor the state at subscribing. But
            # what came to pass without a subscription is told now: an end, and an input, which somebody wired.
            is_first = was is None and (notice.operation == "Initialized" or not state)
            if was == state or is_first or (notice.operation == "Initialized" and state and not topic.is_input):
                return
        await self._accept(event, notice.raw, notice.at, f"{topic.code}|{where}|{notice.at}|{state}")

    async def _clear_old(self) -> None:
        """Motion whose end a camera never tells is over after a minute of silence."""
        now = self._clock.monotonic()
        for key, (is_on, at, event) in list(self._states.items()):
            if is_on and key[0] == "video.motion" and now - at > CLEAR_AFTER_S:
                self._states[key] = (False, now, event)
                over = _restored(event)
                raw = f"{key[0]} {key[1]} cleared after {CLEAR_AFTER_S:g} s of silence".encode()
                await self._accept(over, raw, None, "")

    async def _accept(self, event: NormalEvent, raw: bytes, at: datetime | None, dedup_key: str) -> None:
        camera = self._reach.camera
        signal = Signal(
            protocol="onvif",
            transport="http",
            peer=camera.url[:80],
            account=camera.device_id,
            raw=raw,
            received_at=self._clock.now(),
            device_id=camera.device_id,
            token=event.code[:16],
            sent_at=at,
            dedup_key=dedup_key,
            repeat_scope=f"{event.code}|{event.zone}|{event.channel}"[:100] if dedup_key else "",
            events=(event,),
        )
        try:
            await self._intake.accept(signal)
        except TocsinError:
            self._count("not_committed")
            return
        self._count("kept")

    def _event(
        self, topic: events.Topic, notice: events.Notice, channel: Channel | None, zone: str, state: bool | None
    ) -> NormalEvent:
        is_over = bool(topic.state) and state is False
        return NormalEvent(
            "onvif",
            topic.code,
            EventKind.RESTORE if is_over else topic.kind,
            topic.category,
            topic.priority,
            topic.label_en,
            topic.label_zh,
            zone=zone or (channel.gb_id if channel is not None else ""),
            occurred_at=notice.at,
            channel=channel.id if channel is not None and not topic.is_input else "",
            channel_name=(channel.name or channel.gb_id) if channel is not None and not topic.is_input else "",
        )

    def _picture(self, notice: events.Notice) -> Channel | None:
        """Return the channel an event comes from: the source it names, or the only one there is."""
        found = cast(Iterable[Channel], self._channels.channels_of(self._reach.camera.device_id))  # type: ignore[attr-defined]
        present = [channel for channel in found if not channel.is_gone]
        named = set(notice.source.values())
        for channel in present:
            if channel.gb_id in named:
                return channel
        return present[0] if len(present) == 1 else None

    def _count(self, word: str) -> None:
        self._counts[word] = self._counts.get(word, 0) + 1


def _wired(event: NormalEvent, word: str) -> NormalEvent:
    """Return the event of an input as what people said is wired to it."""
    known = WORDS.get(word)
    if known is None:
        return event
    is_over = event.kind is EventKind.RESTORE
    return replace(
        event,
        kind=EventKind.RESTORE if is_over else known.kind,
        category=known.category,
        priority=event.priority if is_over else known.priority,
        label_en=known.label_en,
        label_zh=known.label_zh,
    )


def _input_of(notice: events.Notice) -> str:
    return next((v for k, v in notice.source.items() if "token" in k.lower() or "input" in k.lower()), "1")[:64]


def _restored(event: NormalEvent) -> NormalEvent:
    return NormalEvent(
        event.code_system,
        event.code,
        EventKind.RESTORE,
        event.category,
        event.priority,
        event.label_en,
        event.label_zh,
        zone=event.zone,
        channel=event.channel,
        channel_name=event.channel_name,
    )
