"""Supervision: silence becomes an event, once, and only when the silence is not our own.

`touch` and `seen` are dictionary accesses; deadlines are looked at by `check`, a few seconds apart, and only those that
are due. A deadline is the last sign of life plus a grace; our own downtime, a stalled loop, a failing store and a
stepped clock move every deadline by as much, a gateway that was away those of its own devices. Many that fall silent by
one cause are one event, not hundreds (docs/design/0030-supervision-at-scale.md).

Source: alarm reference, Supervision (NULL), and Test timers and schedules; GB reference, Keepalive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from tocsin.base.clock import Clock
from tocsin.base.times import from_us, to_us
from tocsin.domain.device_states import Transition, apply_transitions
from tocsin.domain.devices import DeviceState
from tocsin.domain.directory import Directory, DirectoryDevice, Heard
from tocsin.domain.due_index import DueIndex
from tocsin.domain.listening import Listening
from tocsin.domain.own_silence import LEAST, Silence, about, since_alive
from tocsin.domain.paths import Path, PathState, Way
from tocsin.domain.signals import Receipt, Signal
from tocsin.domain.store import Store
from tocsin.domain.supervision_causes import Causes, Outage
from tocsin.domain.supervision_signals import group_signal, late_test_signal, outage_title, path_signal
from tocsin.domain.supervision_store import (
    Started,
    keep_alive,
    keep_paths,
    late_tests,
    note_signals,
    read_start,
    retitle,
    write_outages,
)
from tocsin.domain.supervision_watch import SupervisionRules, Watch

__all__ = ["Supervision", "SupervisionRules"]

CHUNK: Final = 200  # devices in one transaction: no alarm waits long behind a storm of registrations
STEP_S: Final = LEAST.total_seconds()
TEST_CHECK_S: Final = 60.0
SKEW_TOLD_AGAIN_S: Final = 60.0  # a drifting clock is told anew only when it has moved this far

CLOCK_SKEW: Final = "clock.skew"
ONE_PATH: Final = "comms.one_path_failed"
ALL_PATHS: Final = "comms.all_paths_failed"
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

    def forget(self, incident_ids: Iterable[str]) -> None:
        """Hear that incidents were changed beside it."""


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
        self._watches: dict[str, Watch] = {}
        self._due: DueIndex[Watch | Path] = DueIndex()
        self._causes = Causes(self._rules.causes)
        self._heard: dict[str, tuple[datetime, str, str]] = {}
        self._heard_paths: dict[tuple[str, str], Path] = {}
        self._has_path_states = False
        self._transitions: dict[str, Transition] = {}
        self._signals: list[tuple[Signal, Outage | None]] = []
        self._over: list[Outage] = []
        self._titled: dict[str, Outage] = {}  # those whose incident may tell an older number
        self._dropped: dict[str, Watch] = {}
        self._listening = Listening(self._rules.start_grace_s)
        self._seen_now = clock.now()
        self._seen_monotonic = clock.monotonic()
        self._store_down_since: datetime | None = None
        self._next_test_check = clock.now()
        self._tests: dict[str, datetime] = {}
        self.has_changes = asyncio.Event()
        self._settling = asyncio.Lock()
        self.last_step_s = 0.0
        directory.on_change(self._on_directory)

    # --- signs of life: called for every frame ---

    def touch(self, device_id: str, at: datetime, way: Way | None = None, skew_s: float | None = None) -> None:
        """Note a good frame of a panel: `way` is how it came, `skew_s` how far ahead its clock is when that is too far.
        Faults that an earlier frame showed are over.
        """
        watch = self._watches.get(device_id)
        if watch is None:
            return
        self._heard[device_id] = (at, "", "")
        watch.base = at
        if watch.frame_faults or skew_s is not None:
            self._note_good_frame(watch, at, skew_s)
        if not watch.is_online:
            self._rise(watch, at)
        if way is not None:
            self._touch_path(watch, at, way)

    def seen(self, device_id: str, at: datetime, peer: str, transport: str) -> None:
        """Note a sign of life with the address it came from."""
        watch = self._watches.get(device_id)
        if watch is None:
            return
        self._heard[device_id] = (at, peer, transport)
        watch.base = at
        if not watch.is_online:
            self._rise(watch, at)
        if watch.path_rules:
            self._touch_path(watch, at, Way(host=peer.rpartition(":")[0].strip("[]"), transport=transport))

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

    def _note_good_frame(self, watch: Watch, at: datetime, skew_s: float | None) -> None:
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
            before, watch.registered_until = watch.registered_until, at + timedelta(seconds=expires_s)
            self.seen(device_id, at, peer, transport)
            if before is not None and watch.registered_until < before:
                self._put(watch)

    def lost(self, device_id: str, at: datetime, reason: str) -> None:
        """Note that a device signed off or was dropped by its gateway, for a reason in its words."""
        watch = self._watches.get(device_id)
        if watch is None:
            return
        watch.registered_until = None
        if watch.is_online:
            if reason != "register.removed":
                watch.dropped_at = at
            self._dropped[device_id] = watch
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

    @property
    def watched(self) -> int:
        """How many deadlines are kept, of devices and their paths."""
        return len(self._due)

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

    def silences(self) -> list[Silence]:
        """Return our own silences that are remembered, the oldest first: whoever waits for something counts them."""
        return list(self._listening.known)

    async def start(self) -> None:
        """Read when this installation last worked, and move every deadline by the times it did not."""
        now = self._clock.now()
        kept: Started = await self._store.read(read_start, now)
        self._take_up(kept)
        self._seen_now, self._seen_monotonic = now, self._clock.monotonic()
        silence = since_alive(kept.last_alive, now)
        if silence is not None:
            self._listening.note(silence)
        self._listening.recall(kept.silences)
        by_protocol: dict[str, list[Silence]] = {}
        self._due.clear()
        for watch in self._watches.values():
            known = by_protocol.get(watch.protocol)
            if known is None:
                known = by_protocol[watch.protocol] = about(watch.protocol, self._listening.known)
            if known:
                watch.take_silences(known, silence.length if silence is not None else timedelta(), now)
            self._put(watch)

    def _take_up(self, kept: Started) -> None:
        for fault in kept.faults:
            watch = self._watches.get(fault.device_id)
            if watch is None:
                continue
            if fault.key == "test.late":
                watch.test_misses = int(str(fault.params.get("misses", 1)))
            elif fault.key.startswith(FRAME_FAULTS):
                skew_s = float(str(fault.params.get("skew_s", 0)))
                watch.frame_faults = {**(watch.frame_faults or {}), fault.key: skew_s}
            elif not watch.is_online and fault.key != ONE_PATH:
                watch.fault_key = fault.key
                watch.is_raised = bool(fault.params.get("raised"))
        for device_id, paths in kept.paths.items():
            watch = self._watches.get(device_id)
            if watch is not None:
                watch.take_paths(paths)
        for outage in kept.outages:
            self._causes.restore(outage)

    def note_store(self, is_ok: bool) -> None:
        """Hear that commits fail, or succeed again: while they fail no panel gets its answer."""
        now = self._clock.now()
        if not is_ok:
            self._store_down_since = self._store_down_since or now
        elif self._store_down_since is not None:
            silence, self._store_down_since = Silence(self._store_down_since, now), None
            self._shift_all(silence.length, now)
            self._listening.note(silence)

    def note_listening(self, protocols: Collection[str], *, is_listening: bool) -> None:
        """Hear that the gateway of some protocols is away, or back: its own devices' deadlines move, nobody else's."""
        now = self._clock.now()
        if not is_listening:
            self._listening.went_away(protocols, now)
            return
        for silence in self._listening.came_back(protocols, now):
            for protocol in silence.protocols:
                self._shift_all(silence.length, now, protocol)
            self._listening.note(silence)

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
            silence = Silence(now - timedelta(seconds=stalled_s), now)
            self._shift_all(silence.length, now)
            self._listening.note(silence)

    def _shift_all(self, by: timedelta, now: datetime, protocol: str = "") -> None:
        """Move the deadlines of all, or of one protocol."""
        if not protocol:
            self._due.clear()
        for watch in self._watches.values():
            if not protocol or watch.protocol == protocol:
                watch.shift(by, now)
                self._put(watch)

    # --- the regular look ---

    async def check(self) -> None:
        """Look for silence, store what changed and hand in the events. Call it every `check_s`."""
        now = self._clock.now()
        self._note_time(now)
        if self._store_down_since is not None:
            return
        if not self._listening.is_quiet(now):
            self._expire(now)
            if now >= self._next_test_check:
                self._next_test_check = now + timedelta(seconds=TEST_CHECK_S)
                await self._check_tests(now)
        self._check_outages(now)
        await self.settle()
        paths, self._heard_paths = self._heard_paths, {}
        silences = self._listening.take_new()
        try:
            await self._store.run(keep_alive, now, [path.stored() for path in paths.values()], silences)
        except BaseException:
            self._heard_paths = {**paths, **self._heard_paths}
            self._listening.give_back(silences)
            raise

    async def settle(self) -> None:
        """Store the states that changed, with their faults and announcements, then hand in the events."""
        async with self._settling:  # whoever looks regularly and whoever was woken must not tell the same twice
            await self._settle()

    async def _settle(self) -> None:
        self.has_changes.clear()
        self._judge_dropped()
        while self._transitions:
            chunk = dict(list(self._transitions.items())[:CHUNK])
            for device_id in chunk:
                del self._transitions[device_id]
            try:
                await self._store.run(apply_transitions, list(chunk.values()))
            except BaseException:
                self._transitions = {**chunk, **self._transitions}
                raise
        if self._has_path_states:
            await self._store.run(keep_paths, [path.stored() for path in self._heard_paths.values()])
            self._has_path_states = False
        await self._settle_outages()
        while self._signals:
            sent, self._signals = self._signals[:CHUNK], self._signals[CHUNK:]
            results = await asyncio.gather(*(self._intake.accept(s) for s, _ in sent), return_exceptions=True)
            told: list[tuple[str, str]] = []
            failed: list[tuple[Signal, Outage | None]] = []
            for one, result in zip(sent, results, strict=True):
                if isinstance(result, BaseException):
                    failed.append(one)
                elif (outage := one[1]) is not None and not outage.signal_id:
                    outage.signal_id = result.signal_id
                    told.append((outage.id, result.signal_id))
            if told:
                await self._store.run(note_signals, told)
            if failed:
                self._signals = failed + self._signals
                raise next(result for result in results if isinstance(result, BaseException))

        await self._retitle()

    async def _retitle(self) -> None:
        """Let the incidents of outages tell how many are away now."""
        stale = [one for one in self._titled.values() if one.signal_id and outage_title(one) != one.told]
        if stale:
            titles = [(one.signal_id, outage_title(one)) for one in stale]
            self._intake.forget(await self._store.run(retitle, titles))
            for one, (_, title) in zip(stale, titles, strict=True):
                one.told = title
        for outage_id in [one.id for one in self._titled.values() if one.ended_at is not None and one.signal_id]:
            del self._titled[outage_id]

    async def _settle_outages(self) -> None:
        """Store the outages that changed; then those that began and ended are told."""
        over, self._over = self._over, []
        changed = [one for one in (*self._causes.outages.values(), *over) if one.is_new or one.changed or one.ended_at]
        if not changed:
            return
        written = [one.taken() for one in changed]
        try:
            homes = await self._store.run(write_outages, written)
        except BaseException:
            for outage, kept in zip(changed, written, strict=True):
                outage.changed |= kept.changed
            self._over = over + self._over
            raise
        now = self._clock.now()
        for outage, kept in zip(changed, written, strict=True):
            self._titled[outage.id] = outage
            outage.is_stored = True
            if kept.is_new:
                outage.is_new = False
                self._signals.append((group_signal(kept, now, homes.get(kept.id), is_over=False), outage))
            if kept.ended_at is not None:
                self._signals.append((group_signal(kept, now, homes.get(kept.id), is_over=True), None))

    def _expire(self, now: datetime) -> None:
        fallen: list[Watch] = []
        for item in self._due.take(now.timestamp()):
            if isinstance(item, Path):
                self._expire_path(item, now)
                continue
            deadline = item.deadline()
            if deadline is None or self._listening.is_deaf(item.protocol):
                continue  # it is put when it is heard, or when its gateway is back
            quiet_until = self._listening.quiet_until(item.protocol, now)
            if deadline > now or quiet_until is not None:
                self._due.put(item, max(deadline, quiet_until or deadline).timestamp())
            else:
                fallen.append(item)
        self._causes.look(fallen, now)
        for watch in fallen:
            is_expired = watch.registered_until is not None and watch.registered_until <= now
            key = "comms.registration_expired" if is_expired else "comms.keepalive_missed"
            whole = ALL_PATHS if watch.paths_in_use() else "comms.path_failed"
            watch.dropped_at = now
            self._fall(watch, now, key if watch.is_quiet else whole)
            if self._causes.fallen(watch, now) is None and not watch.is_quiet:
                self._raise_path(watch, now)
                self._change(watch, now, watch.fault_key)

    def _judge_dropped(self) -> None:
        """Tell of those a gateway dropped, unless many were by one cause."""
        if not self._dropped:
            return
        now = self._clock.now()
        dropped = [watch for watch in self._dropped.values() if not watch.is_online]
        self._dropped = {}
        self._causes.look(dropped, now)
        for watch in dropped:
            if self._causes.fallen(watch, now) is None and not watch.is_quiet and not watch.is_raised:
                self._raise_path(watch, now)
                self._change(watch, now, watch.fault_key)

    def _check_outages(self, now: datetime) -> None:
        """End the outages that are over."""
        for outage, away in self._causes.settle(self._watches, now):
            self._over.append(outage)
            for watch in away:  # those that did not come back with the others are failures of their own
                if not watch.is_online and not watch.is_quiet and not watch.is_raised:
                    self._raise_path(watch, now)
                    self._change(watch, now, watch.fault_key)

    # --- paths ---

    def _touch_path(self, watch: Watch, at: datetime, way: Way) -> None:
        path = watch.path_of(way, at)
        if path is None:
            return
        heard_before, path.base, path.last_seen_at = path.last_seen_at, at, at
        path.count += 1
        self._heard_paths[watch.device_id, path.name] = path
        if path.state is not PathState.OK:
            was_raised, path.is_raised = path.is_raised, False
            path.state, path.since = PathState.OK, at
            self._has_path_states = True
            if was_raised:
                self._tell_path(watch, path, at, heard_before or at, is_over=True)
            self.has_changes.set()
            self._put_path(watch, path)
        elif path not in self._due:
            self._put_path(watch, path)

    def _put_path(self, watch: Watch, path: Path) -> None:
        interval_s = path.interval_s(watch.interval_s)
        if path.base is not None and interval_s > 0:
            self._due.put(path, path.base.timestamp() + self._rules.grace_s(interval_s))

    def _expire_path(self, path: Path, now: datetime) -> None:
        """Report a path that fell silent while another of the same device still works."""
        watch = self._watches.get(path.device_id)
        if watch is None or watch.paths.get(path.name) is not path or not watch.is_online or path.base is None:
            return
        grace_s = self._rules.grace_s(path.interval_s(watch.interval_s))
        due_s = path.base.timestamp() + grace_s
        if self._listening.is_deaf(watch.protocol) or self._listening.quiet_until(watch.protocol, now) is not None:
            due_s = max(due_s, now.timestamp() + self._rules.check_s)
        if due_s > now.timestamp():
            self._due.put(path, due_s)
        elif path.is_raised:
            return
        elif path in watch.paths_in_use():
            path.is_raised = True
            path.state, path.since = PathState.FAILED, now
            self._heard_paths[watch.device_id, path.name] = path
            self._has_path_states = True
            self._tell_path(watch, path, now, path.last_seen_at or path.base, is_over=False)
        else:
            self._due.put(path, now.timestamp() + grace_s)

    def _tell_path(self, watch: Watch, path: Path, at: datetime, since: datetime, *, is_over: bool) -> None:
        interval_s = path.interval_s(watch.interval_s)
        signal = path_signal(watch.device_id, watch.label, at, since, interval_s, is_over=is_over, path=path.name)
        self._signals.append((signal, None))
        self._fault_paths(watch, at)

    def _fault_paths(self, watch: Watch, at: datetime) -> None:
        """Open or close the fault that names the paths which have failed."""
        failed = [path for path in watch.paths_in_use() if path.is_raised]
        if not failed:
            self._fault(watch, at, ONE_PATH, None)
            return
        silent_s = max(round((at - (path.last_seen_at or at)).total_seconds()) for path in failed)
        self._fault(watch, at, ONE_PATH, {"path": ", ".join(path.name for path in failed), "silent_s": silent_s})

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
            found = await self._store.read(late_tests, asked)
            for watch, waited_s, tolerance_s in chunk:
                if watch.device_id in found:
                    self._note_test(watch, from_us(found[watch.device_id]))
                    continue
                misses = int((waited_s - tolerance_s) // watch.test_interval_s)
                if misses > watch.test_misses and watch.test_misses < 2:
                    watch.test_misses = misses
                    late_s = round(waited_s - watch.test_interval_s)
                    signal = late_test_signal(watch.device_id, watch.label, now, late_s, misses)
                    self._signals.append((signal, None))
                    self._fault(watch, now, "test.late", {"late_s": late_s, "misses": misses})

    # --- inside ---

    def _rise(self, watch: Watch, at: datetime) -> None:
        """Take a device as heard again; its other paths get one more interval before they are told."""
        was_silent_since, watch.silent_since = watch.silent_since, None
        watch.is_online = True
        watch.dropped_at = None
        self._causes.risen(watch, at)
        if watch.is_raised and was_silent_since is not None:
            self._tell_device(watch, at, was_silent_since, is_over=True)
        watch.is_raised = False
        watch.fault_key = ""
        for path in watch.paths.values():
            if not path.is_raised and path.base is not None:
                path.base = at
        self._put(watch)
        self._change(watch, at, "")
        if any(path.is_raised for path in watch.paths.values()):
            self._fault_paths(watch, at)

    def _fall(self, watch: Watch, at: datetime, fault_key: str) -> None:
        """Take a device as silent."""
        watch.is_online = False
        watch.silent_since = watch.base
        watch.fault_key = fault_key
        for path in watch.paths_in_use():
            if path.state is not PathState.FAILED:
                path.state, path.since = PathState.FAILED, at
                self._heard_paths[watch.device_id, path.name] = path
                self._has_path_states = True
        self._change(watch, at, fault_key)

    def _raise_path(self, watch: Watch, at: datetime) -> None:
        watch.is_raised = True
        self._tell_device(watch, at, watch.silent_since or at, is_over=False)

    def _tell_device(self, watch: Watch, at: datetime, since: datetime, *, is_over: bool) -> None:
        signal = path_signal(
            watch.device_id,
            watch.label,
            at,
            since,
            watch.interval_s,
            is_over=is_over,
            path="",
            is_receiver=watch.is_receiver,
            is_all=watch.fault_key == ALL_PATHS,
        )
        self._signals.append((signal, None))

    def _change(self, watch: Watch, at: datetime, fault_key: str) -> None:
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

    def _fault(self, watch: Watch, at: datetime, key: str, params: dict[str, object] | None) -> None:
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

    def _note_test(self, watch: Watch, at: datetime) -> None:
        watch.test_base = max(watch.test_base, at)
        self._tests[watch.device_id] = at
        if watch.test_misses:
            watch.test_misses = 0
            self._signals.append((late_test_signal(watch.device_id, watch.label, at, 0, 0), None))
            self._fault(watch, at, "test.late", None)

    def take_tests(self) -> dict[str, int]:
        """Return when devices sent tests since the last call, in microseconds, for storing."""
        tests, self._tests = self._tests, {}
        return {device_id: to_us(at) for device_id, at in tests.items()}

    def _put(self, watch: Watch) -> None:
        """Put a device and its paths where they are due."""
        deadline = watch.deadline()
        if deadline is None:
            self._due.drop(watch)
            return
        self._due.put(watch, deadline.timestamp())
        for path in watch.paths.values():
            self._put_path(watch, path)

    def _drop(self, watch: Watch) -> None:
        self._causes.drop(watch)
        self._due.drop(watch)
        for path in watch.paths.values():
            self._due.drop(path)

    def _on_directory(self, devices: Sequence[DirectoryDevice], gone: Collection[str]) -> None:
        now = self._clock.now()
        for device_id in gone:
            old = self._watches.pop(device_id, None)
            if old is not None:
                self._drop(old)
        for device in devices:
            watch = Watch(device, self._rules, now)
            old = self._watches.get(device.id)
            if old is not None:
                self._drop(old)
                watch.keep(old)
            self._watches[device.id] = watch
            self._causes.add(watch)
            self._put(watch)
