"""Supervision: silence becomes an event, once, and only when the silence is not our own.

`touch` and `seen` are dictionary accesses; deadlines are looked at by `check`, a few seconds apart. A deadline is the
last sign of life plus a grace; our own downtime, a stalled loop, a failing store and a stepped clock move every
deadline by as much. When a good part of a group falls silent together, that is one event, not hundreds.

Source: alarm reference, Supervision (NULL), and Test timers and schedules; GB reference, Keepalive.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from tocsin.base.clock import Clock
from tocsin.base.times import from_us, to_us
from tocsin.domain.device_states import Transition, apply_transitions
from tocsin.domain.devices import DeviceState
from tocsin.domain.directory import Directory, DirectoryDevice, Heard, keepalive_s
from tocsin.domain.signals import Receipt, Signal
from tocsin.domain.spoken import SPOKEN, VIDEO
from tocsin.domain.store import Store
from tocsin.domain.supervision_signals import group_signal, late_test_signal, path_signal

LAST_ALIVE: Final = "last_alive"
CHUNK: Final = 200  # devices in one transaction: no alarm waits long behind a storm of registrations
MAX_LABEL: Final = 64
MAX_PATHS: Final = 4
PATH_SIGNS: Final = 3  # a path counts as in use after so many signs of life: one frame by a detour is not a path
STEP_S: Final = 2.0
LONG_INTERVAL_S: Final = 600.0
TEST_CHECK_S: Final = 60.0
STILL_FAILED_SHARE: Final = 0.2
SKEW_TOLD_AGAIN_S: Final = 60.0  # a drifting clock is told anew only when it has moved this far

CLOCK_SKEW: Final = "clock.skew"
FRAME_FAULTS: Final = ("security.", "clock.")  # opened by what a frame showed, closed by the next good one

_FAULT_OF_REASON: Final = {
    "register.removed": "comms.signed_off",
    "register.expired": "comms.registration_expired",
    "register.keepalive_lost": "comms.keepalive_missed",
    "register.connection_lost": "comms.connection_lost",
    "message.last_will": "comms.last_will",
    "message.feed_silent": "comms.feed_silent",
    "camera.silent": "comms.camera_silent",
    "camera.wrong_password": "comms.password_refused",
    "camera.certificate_changed": "comms.certificate_changed",
    "camera.certificate_unknown": "comms.certificate_unknown",
}


class SignalSink(Protocol):
    """Where supervision hands in what it finds: intake."""

    def accept(self, signal: Signal) -> asyncio.Future[Receipt]:
        """Return a future that resolves after the commit."""


@dataclass(frozen=True, slots=True)
class SupervisionRules:
    """How patient supervision is. A panel's grace is the longer of `misses` intervals and `factor` of them + 10 s."""

    check_s: float = 5.0
    misses: float = 2.0
    factor: float = 1.5
    start_grace_s: float = 120.0
    keepalive_misses: int = 3
    group_share: float = 0.2
    group_least: int = 20

    def grace_s(self, interval_s: float) -> float:
        """Return how long a panel may be silent."""
        return max(self.misses * interval_s, self.factor * interval_s + 10.0)


class _Watch:
    """One device as supervision sees it. `base` is where its deadline counts from: the last sign of life, shifted."""

    __slots__ = (
        "base",
        "code",
        "device_id",
        "dropped_at",
        "fault_key",
        "frame_faults",
        "grace_s",
        "group",
        "interval_s",
        "is_online",
        "is_quiet",
        "is_raised",
        "is_receiver",
        "is_sip",
        "label",
        "paths",
        "registered_until",
        "silent_since",
        "test_base",
        "test_interval_s",
        "test_misses",
        "token",
    )

    def __init__(self, device: DirectoryDevice, rules: SupervisionRules, now: datetime) -> None:
        self.device_id = device.id
        self.code = device.jurisdiction_code
        self.is_receiver = device.kind == "receiver"
        self.label = device.account or device.gb_id or device.name[:MAX_LABEL]
        self.is_sip = device.protocol in VIDEO  # a camera, registered or called
        spoken = SPOKEN[device.protocol]
        self.is_quiet = self.is_sip or spoken.is_mobile  # its silence alone is no alarm
        usual_s = device.poll_interval_s or spoken.poll_interval_s
        self.interval_s = float(keepalive_s(device)) if self.is_sip else usual_s
        usual_grace_s = max(rules.grace_s(self.interval_s), spoken.misses * self.interval_s + spoken.spare_s)
        self.grace_s = rules.keepalive_misses * self.interval_s if self.is_sip else usual_grace_s
        speed = "slow" if self.interval_s > LONG_INTERVAL_S else "fast"
        self.group = f"{device.protocol}:{device.jurisdiction_code[:6]}:{speed}"
        self.base = device.last_seen_at
        self.is_online = device.state == DeviceState.ONLINE
        self.silent_since = device.last_seen_at
        self.dropped_at: datetime | None = None
        self.registered_until = device.registered_until if self.is_sip else None
        self.is_raised = False
        self.fault_key = ""
        self.frame_faults: dict[str, float] | None = None  # open ones with the figure last told
        self.paths: dict[str, list[Any]] | None = None
        self.test_interval_s = device.test_interval_s
        self.test_base = device.last_test_at or now
        self.test_misses = 0
        self.token = 0

    def deadline(self) -> datetime | None:
        """Return when silence becomes an event; None when the device is not supervised, or is known to be silent."""
        if not self.is_online or self.base is None or self.interval_s <= 0:
            return None
        silent = self.base + timedelta(seconds=self.grace_s)
        return silent if self.registered_until is None else min(silent, self.registered_until)

    def is_late(self, now: datetime) -> bool:
        """Say whether the device has missed a sign of life, or was dropped for it within one interval."""
        if self.interval_s <= 0:
            return False
        if not self.is_online:
            return self.dropped_at is not None and (now - self.dropped_at).total_seconds() <= self.interval_s
        return self.base is not None and (now - self.base).total_seconds() > 1.1 * self.interval_s + 2.0

    def shift(self, by: timedelta, now: datetime) -> None:
        """Move every deadline by our own silence."""
        if self.base is not None:
            self.base = min(now, self.base + by)
        if self.registered_until is not None:
            self.registered_until += by
        self.test_base = min(now, self.test_base + by)
        for sign in (self.paths or {}).values():
            sign[0] = min(now, sign[0] + by)

    def keep(self, old: _Watch) -> None:
        """Take over what is known of the same device from before a change of its settings."""
        for name in (
            "base",
            "is_online",
            "silent_since",
            "dropped_at",
            "is_raised",
            "fault_key",
            "frame_faults",
            "paths",
            "test_misses",
        ):
            setattr(self, name, getattr(old, name))
        self.token = old.token + 1
        if self.is_sip:
            self.registered_until = old.registered_until
        if self.test_interval_s == old.test_interval_s:
            self.test_base = old.test_base


@dataclass(slots=True)
class _GroupFailure:
    """A group that fell silent together: the device that stands for it, and those its event covers."""

    watch: _Watch
    covered: set[str]
    late: int
    size: int


class Supervision:
    """Watches over devices. Register it with the directory before the directory loads, then `start` it."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        clock: Clock,
        intake: SignalSink,
        rules: SupervisionRules | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._intake = intake
        self._rules = rules or SupervisionRules()
        self._watches: dict[str, _Watch] = {}
        self._groups: dict[str, dict[str, _Watch]] = {}
        self._heap: list[tuple[float, int, int, _Watch]] = []
        self._count = 0
        self._heard: dict[str, tuple[datetime, str, str]] = {}
        self._transitions: dict[str, Transition] = {}
        self._signals: list[Signal] = []
        self._failures: dict[str, _GroupFailure] = {}
        self._dropped: dict[str, _Watch] = {}
        self._quiet_until: datetime | None = None
        self._seen_now = clock.now()
        self._seen_monotonic = clock.monotonic()
        self._store_down_since: datetime | None = None
        self._next_test_check = clock.now()
        self._tests: dict[str, datetime] = {}
        self.has_changes = asyncio.Event()
        self.last_step_s = 0.0
        directory.on_change(self._on_directory)

    # --- signs of life: called for every frame ---

    def touch(self, device_id: str, at: datetime, path: str = "", skew_s: float | None = None) -> None:
        """Note a good frame of a panel: `path` names the way it came when the panel says so, `skew_s` how far ahead
        its clock is when that is too far. Faults that an earlier frame showed are over.
        """
        watch = self._watches.get(device_id)
        if watch is None:
            return
        self._heard[device_id] = (at, "", "")
        watch.base = at
        if watch.frame_faults or skew_s is not None:
            self._note_good_frame(watch, at, skew_s)
        if path:
            self._touch_path(watch, at, path)
        if not watch.is_online:
            self._rise(watch, at)

    def seen(self, device_id: str, at: datetime, peer: str, transport: str) -> None:
        """Note a sign of life with the address it came from."""
        watch = self._watches.get(device_id)
        if watch is None:
            return
        self._heard[device_id] = (at, peer, transport)
        watch.base = at
        if not watch.is_online:
            self._rise(watch, at)

    def note_fault(self, device_id: str, at: datetime, key: str, skew_s: float | None = None) -> None:
        """Note what a refused frame showed of a device: a fault of `FRAME_FAULTS`, until its next good frame."""
        watch = self._watches.get(device_id)
        if watch is None:
            return
        if watch.frame_faults is None:
            watch.frame_faults = {}
        told = watch.frame_faults.get(key)
        if told is None or (skew_s is not None and abs(told - skew_s) > SKEW_TOLD_AGAIN_S):
            watch.frame_faults[key] = skew_s or 0.0
            self._fault(watch, at, key, {} if skew_s is None else {"skew_s": round(skew_s)})

    def _note_good_frame(self, watch: _Watch, at: datetime, skew_s: float | None) -> None:
        for key in list(watch.frame_faults or ()):
            if (key != CLOCK_SKEW or skew_s is None) and watch.frame_faults is not None:
                del watch.frame_faults[key]
                self._fault(watch, at, key, None)
        if skew_s is not None:
            self.note_fault(watch.device_id, at, CLOCK_SKEW, skew_s)

    def registered(self, device_id: str, at: datetime, expires_s: int, peer: str, transport: str) -> None:
        """Note a granted SIP registration."""
        watch = self._watches.get(device_id)
        if watch is not None:
            watch.registered_until = at + timedelta(seconds=expires_s)
            self.seen(device_id, at, peer, transport)

    def lost(self, device_id: str, at: datetime, reason: str) -> None:
        """Note that a SIP device signed off or was dropped by the gateway, for a reason in its words."""
        watch = self._watches.get(device_id)
        if watch is None:
            return
        watch.registered_until = None
        if watch.is_online:
            if reason != "register.removed":
                watch.dropped_at = at
                self._dropped.setdefault(watch.group, watch)
            self._fall(watch, at, _FAULT_OF_REASON.get(reason, "comms.keepalive_missed"))

    def tested(self, device_id: str, at: datetime) -> None:
        """Note a periodic test."""
        watch = self._watches.get(device_id)
        if watch is not None:
            self._note_test(watch, at)

    def is_online(self, device_id: str) -> bool:
        """Say whether a device is heard."""
        watch = self._watches.get(device_id)
        return watch is not None and watch.is_online

    def online_of(self, protocol: str) -> tuple[int, int]:
        """Return how many devices of a protocol are heard, and how many there are."""
        wanted = protocol == "gb28181"
        of_protocol = [watch.is_online for watch in self._watches.values() if watch.is_sip == wanted]
        return sum(of_protocol), len(of_protocol)

    def take_heard(self) -> list[Heard]:
        """Return what was heard since the last call, for storing in one write."""
        heard, self._heard = self._heard, {}
        return [Heard(device_id, *sign) for device_id, sign in heard.items()]

    def give_back_heard(self, heard: Iterable[Heard]) -> None:
        """Keep what could not be stored, unless something newer was heard."""
        for item in heard:
            self._heard.setdefault(item.device_id, (item.at, item.peer, item.transport))

    # --- our own silence ---

    def now(self) -> datetime:
        """Return the time of the house's clock."""
        return self._clock.now()

    async def start(self) -> None:
        """Read when this installation last worked, and move every deadline by the time it did not."""
        now = self._clock.now()
        last_alive_us, faults = await self._store.read(_read_start)
        for fault in faults:
            watch = self._watches.get(fault.device_id)
            if watch is None:
                continue
            if fault.key == "test.late":
                watch.test_misses = int(fault.params.get("misses", 1))
            elif fault.key.startswith(FRAME_FAULTS):
                watch.frame_faults = {**(watch.frame_faults or {}), fault.key: float(fault.params.get("skew_s", 0))}
            elif not watch.is_online:
                watch.fault_key = fault.key
                watch.is_raised = bool(fault.params.get("raised"))
        self._seen_now, self._seen_monotonic = now, self._clock.monotonic()
        if last_alive_us is not None:
            self._note_own_silence(max(timedelta(), now - from_us(last_alive_us)), now)

    def note_store(self, is_ok: bool) -> None:
        """Hear that commits fail, or succeed again: while they fail no panel gets its answer."""
        now = self._clock.now()
        if not is_ok:
            self._store_down_since = self._store_down_since or now
        elif self._store_down_since is not None:
            down, self._store_down_since = now - self._store_down_since, None
            self._note_own_silence(down, now)

    def _note_time(self, now: datetime) -> None:
        """Find a stalled loop and a stepped clock by comparing both clocks with the last look."""
        monotonic = self._clock.monotonic()
        elapsed_s = monotonic - self._seen_monotonic
        step_s = (now - self._seen_now).total_seconds() - elapsed_s
        self._seen_now, self._seen_monotonic = now, monotonic
        self.last_step_s = step_s if abs(step_s) > STEP_S else 0.0
        if self.last_step_s:
            self._shift_all(timedelta(seconds=step_s), now)
        stalled_s = elapsed_s - self._rules.check_s
        if stalled_s > max(STEP_S, self._rules.check_s):
            self._note_own_silence(timedelta(seconds=stalled_s), now)

    def _note_own_silence(self, length: timedelta, now: datetime) -> None:
        if length.total_seconds() > STEP_S:
            self._quiet_until = now + timedelta(seconds=self._rules.start_grace_s)
        self._shift_all(length, now)

    def _shift_all(self, by: timedelta, now: datetime) -> None:
        for watch in self._watches.values():
            watch.shift(by, now)
        self._heap.clear()
        for watch in self._watches.values():
            self._queue(watch)

    # --- the regular look ---

    async def check(self) -> None:
        """Look for silence, store what changed and hand in the events. Call it every `check_s`."""
        now = self._clock.now()
        self._note_time(now)
        if self._store_down_since is not None:
            return
        if self._quiet_until is None or now >= self._quiet_until:
            self._expire(now)
            self._check_paths(now)
            if now >= self._next_test_check:
                self._next_test_check = now + timedelta(seconds=TEST_CHECK_S)
                await self._check_tests(now)
        self._check_groups(now)
        await self.settle()
        await self._store.run(_mark_alive, now)

    async def settle(self) -> None:
        """Store the states that changed, with their faults and announcements, then hand in the events."""
        self.has_changes.clear()
        while self._transitions:
            chunk = dict(list(self._transitions.items())[:CHUNK])
            for device_id in chunk:
                del self._transitions[device_id]
            try:
                await self._store.run(apply_transitions, list(chunk.values()))
            except BaseException:
                self._transitions = {**chunk, **self._transitions}
                raise
        while self._signals:
            signals, self._signals = self._signals[:CHUNK], self._signals[CHUNK:]
            results = await asyncio.gather(*(self._intake.accept(s) for s in signals), return_exceptions=True)
            failed = [s for s, result in zip(signals, results, strict=True) if isinstance(result, BaseException)]
            if failed:
                self._signals = failed + self._signals
                raise next(result for result in results if isinstance(result, BaseException))

    def _expire(self, now: datetime) -> None:
        due: dict[str, list[_Watch]] = {}
        now_s = now.timestamp()
        while self._heap and self._heap[0][0] <= now_s:
            _, _, token, watch = heapq.heappop(self._heap)
            if token != watch.token or self._watches.get(watch.device_id) is not watch:
                continue
            deadline = watch.deadline()
            if deadline is not None and deadline > now:
                self._queue(watch)
            elif deadline is not None:
                due.setdefault(watch.group, []).append(watch)
        for group, watches in due.items():
            self._find_group_failure(group, watches[0], now)
            for watch in watches:
                is_expired = watch.registered_until is not None and watch.registered_until <= now
                key = "comms.registration_expired" if is_expired else "comms.keepalive_missed"
                self._fall(watch, now, key if watch.is_quiet else "comms.path_failed")

    def _find_group_failure(self, group: str, watch: _Watch, now: datetime) -> None:
        """Raise one event when a good part of the group misses its signs of life together."""
        if group in self._failures:
            return
        members = [w for w in self._groups.get(group, {}).values() if w.base is not None and w.interval_s > 0]
        late = {w.device_id for w in members if w.is_late(now)}
        size = sum(w.is_online or w.device_id in late for w in members)
        if len(late) >= max(self._rules.group_least, self._rules.group_share * size):
            self._failures[group] = _GroupFailure(watch, late, len(late), size)
            self._signals.append(group_signal(watch.device_id, watch.label, now, len(late), size, is_over=False))

    def _check_groups(self, now: datetime) -> None:
        """Notice groups dropped by a gateway, and end the failures of groups that are back."""
        dropped, self._dropped = self._dropped, {}
        for group, watch in dropped.items():
            self._find_group_failure(group, watch, now)
        for group, failure in list(self._failures.items()):
            members = [w for device_id in failure.covered if (w := self._watches.get(device_id)) is not None]
            missing = [watch for watch in members if not watch.is_online or watch.is_late(now)]
            if len(missing) > STILL_FAILED_SHARE * len(members):
                continue
            del self._failures[group]
            stands = failure.watch
            self._signals.append(
                group_signal(stands.device_id, stands.label, now, failure.late, failure.size, is_over=True)
            )
            for watch in missing:  # those that did not come back with the others are failures of their own
                if not watch.is_online and not watch.is_quiet:
                    self._raise_path(watch, now)
                    self._change(watch, now, watch.fault_key)

    def _check_paths(self, now: datetime) -> None:
        """Report a path that fell silent while another of the same panel still works; and its return."""
        for watch in self._watches.values():
            if not watch.paths or not watch.is_online or watch.interval_s <= 0:
                continue
            in_use = {path: sign for path, sign in watch.paths.items() if sign[1] >= PATH_SIGNS}
            if len(in_use) < 2:
                continue
            for path, sign in in_use.items():
                silent_s = (now - sign[0]).total_seconds()
                if sign[2] != (silent_s > watch.grace_s):
                    sign[2] = not sign[2]
                    since = sign[0] if sign[2] else sign[3]
                    sign[3] = sign[0]
                    self._signals.append(
                        path_signal(
                            watch.device_id,
                            watch.label,
                            now,
                            since,
                            watch.interval_s,
                            is_over=not sign[2],
                            path=path,
                        )
                    )
                    params: dict[str, object] = {"path": path, "silent_s": round(silent_s)}
                    self._fault(watch, now, "comms.one_path_failed", params if sign[2] else None)

    async def _check_tests(self, now: datetime) -> None:
        """Look for periodic tests that are overdue, and for those that came after all."""
        suspects = []
        for watch in self._watches.values():
            if watch.test_interval_s > 0:
                tolerance_s = max(60.0, watch.test_interval_s / 12)
                waited_s = (now - watch.test_base).total_seconds()
                if watch.test_misses or waited_s > watch.test_interval_s + tolerance_s:
                    suspects.append((watch, waited_s, tolerance_s))
        for start in range(0, len(suspects), CHUNK):
            chunk = suspects[start : start + CHUNK]
            asked = [(watch.device_id, to_us(watch.test_base)) for watch, _, _ in chunk]
            found = await self._store.read(_read_tests, asked)
            for watch, waited_s, tolerance_s in chunk:
                if watch.device_id in found:
                    self._note_test(watch, from_us(found[watch.device_id]))
                    continue
                misses = int((waited_s - tolerance_s) // watch.test_interval_s)
                if misses > watch.test_misses and watch.test_misses < 2:
                    watch.test_misses = misses
                    late_s = round(waited_s - watch.test_interval_s)
                    self._signals.append(late_test_signal(watch.device_id, watch.label, now, late_s, misses))
                    self._fault(watch, now, "test.late", {"late_s": late_s, "misses": misses})

    # --- inside ---

    def _rise(self, watch: _Watch, at: datetime) -> None:
        """Take a device as heard again."""
        was_silent_since, watch.silent_since = watch.silent_since, None
        watch.is_online = True
        watch.dropped_at = None
        if watch.is_raised and was_silent_since is not None:
            self._signals.append(
                path_signal(
                    watch.device_id,
                    watch.label,
                    at,
                    was_silent_since,
                    watch.interval_s,
                    is_over=True,
                    path="",
                    is_receiver=watch.is_receiver,
                )
            )
        watch.is_raised = False
        watch.fault_key = ""
        watch.token += 1
        self._queue(watch)
        self._change(watch, at, "")

    def _fall(self, watch: _Watch, at: datetime, fault_key: str) -> None:
        """Take a device as silent."""
        watch.is_online = False
        watch.silent_since = watch.base
        watch.fault_key = fault_key
        failure = self._failures.get(watch.group)
        if failure is not None:
            failure.covered.add(watch.device_id)
        elif not watch.is_quiet:
            self._raise_path(watch, at)
        self._change(watch, at, fault_key)

    def _raise_path(self, watch: _Watch, at: datetime) -> None:
        watch.is_raised = True
        since = watch.silent_since or at
        self._signals.append(
            path_signal(
                watch.device_id,
                watch.label,
                at,
                since,
                watch.interval_s,
                is_over=False,
                path="",
                is_receiver=watch.is_receiver,
            )
        )

    def _change(self, watch: _Watch, at: datetime, fault_key: str) -> None:
        """Queue the new state for storing; of several only the last one counts."""
        state = DeviceState.ONLINE if watch.is_online else DeviceState.OFFLINE
        silent_s = round((at - watch.silent_since).total_seconds()) if watch.silent_since is not None else 0
        params: dict[str, object] = {}
        if fault_key:
            params = {"silent_s": silent_s, "interval_s": round(watch.interval_s), "raised": watch.is_raised}
        earlier = self._transitions.get(watch.device_id)
        opened = earlier.opened if earlier is not None else {}
        closed = earlier.closed if earlier is not None else ()
        self._transitions[watch.device_id] = Transition(watch.device_id, at, state, fault_key, params, opened, closed)
        self.has_changes.set()

    def _fault(self, watch: _Watch, at: datetime, key: str, params: dict[str, object] | None) -> None:
        """Queue a fault beside the state: opened with `params`, closed with None."""
        earlier = self._transitions.get(watch.device_id)
        opened = dict(earlier.opened) if earlier is not None else {}
        closed = earlier.closed if earlier is not None else ()
        if params is None:
            opened.pop(key, None)
            closed = (*closed, key)
        else:
            opened[key] = params
        state = earlier.state if earlier is not None else None
        fault_key = earlier.fault_key if earlier is not None else ""
        fault_params = earlier.params if earlier is not None else {}
        self._transitions[watch.device_id] = Transition(
            watch.device_id, at, state, fault_key, fault_params, opened, closed
        )
        self.has_changes.set()

    def _note_test(self, watch: _Watch, at: datetime) -> None:
        watch.test_base = max(watch.test_base, at)
        self._tests[watch.device_id] = at
        if watch.test_misses:
            watch.test_misses = 0
            self._signals.append(late_test_signal(watch.device_id, watch.label, at, 0, 0))
            self._fault(watch, at, "test.late", None)

    def take_tests(self) -> dict[str, int]:
        """Return when devices sent tests since the last call, in microseconds, for storing."""
        tests, self._tests = self._tests, {}
        return {device_id: to_us(at) for device_id, at in tests.items()}

    def _touch_path(self, watch: _Watch, at: datetime, path: str) -> None:
        paths = watch.paths
        if paths is None:
            paths = watch.paths = {}
        sign = paths.get(path)
        if sign is not None:
            sign[0] = at
            sign[1] += 1
        elif len(paths) < MAX_PATHS:
            paths[path] = [at, 1, False, at]  # last sign, how many, whether it failed, silent since

    def _queue(self, watch: _Watch) -> None:
        deadline = watch.deadline()
        if deadline is not None:
            self._count += 1
            heapq.heappush(self._heap, (deadline.timestamp(), self._count, watch.token, watch))

    def _on_directory(self, devices: Sequence[DirectoryDevice], gone: Collection[str]) -> None:
        now = self._clock.now()
        for device_id in gone:
            old = self._watches.pop(device_id, None)
            if old is not None:
                self._groups[old.group].pop(device_id, None)
        for device in devices:
            watch = _Watch(device, self._rules, now)
            old = self._watches.get(device.id)
            if old is not None:
                self._groups[old.group].pop(device.id, None)
                watch.keep(old)
            self._watches[device.id] = watch
            self._groups.setdefault(watch.group, {})[device.id] = watch
            self._queue(watch)


def _read_start(tx: Any) -> tuple[int | None, list[Any]]:
    return tx.devices.mark(LAST_ALIVE), [
        fault for prefix in ("comms.", "test.", *FRAME_FAULTS) for fault in tx.devices.open_faults(prefix)
    ]


def _mark_alive(tx: Any, now: datetime) -> None:
    tx.devices.set_mark(LAST_ALIVE, to_us(now))


def _read_tests(tx: Any, asked: Sequence[tuple[str, int]]) -> dict[str, int]:
    found = {}
    for device_id, after_us in asked:
        at_us = tx.devices.last_test_us(device_id, after_us)
        if at_us is not None:
            found[device_id] = at_us
    return found
