"""A rule tried on past signals before it counts: which alarms would differ, from the rules in force now.

Signals are read device by device, each let pass once by the rules in force and once by those with the change; what
comes of an event is compared, and only the differences are kept. The same engine runs as on live signals.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.times import iso, iso_us
from tocsin.domain.access import Actor, Permission, Scope
from tocsin.domain.alarm_rules import Rule, RuleBook
from tocsin.domain.alarms import asks_for_decision, zone_key
from tocsin.domain.refusals import require
from tocsin.domain.rule_engine import HIDING, Act, DeviceState, S, What, expire, take
from tocsin.domain.rule_service import checked
from tocsin.domain.store import Store

MAX_DAYS: Final = 92
DEFAULT_DAYS: Final = 30
MAX_LISTED: Final = 500
MAX_TRIALS: Final = 8
AT_ONCE: Final = 2_000  # signals of one read: short, so that live signals never wait for one
END_US: Final = 1 << 62
Ref = tuple[str, int]


class Outcome(msgspec.Struct, frozen=True):
    """What comes of an event: raised at once unless `what` says else. `by` names the rule that had the last word."""

    what: str = "raised"
    delay_s: int = 0
    priority: int = 0
    is_confirmed: bool = False
    by: str = ""

    @property
    def is_alarm(self) -> bool:
        """Say whether an operator sees an alarm of its own."""
        return self.what == What.RAISED

    def is_as(self, other: Outcome) -> bool:
        """Say whether nobody would notice a difference."""
        return (
            self.what == other.what
            and self.delay_s == other.delay_s
            and self.priority == other.priority
            and self.is_confirmed == other.is_confirmed
        )

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "what": self.what,
            "delay_s": self.delay_s,
            "priority": self.priority,
            "confirmed": self.is_confirmed,
            "rule": self.by,
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """An event of which something else would come."""

    at_us: int
    signal_id: str
    event_no: int
    device_id: str
    zone: str
    label_en: str
    label_zh: str
    before: Outcome
    after: Outcome

    def form(self, names: Mapping[str, tuple[str, str]]) -> dict[str, object]:
        """Return it as the API shows it."""
        name, name_en = names.get(self.device_id, ("", ""))
        return {
            "at": iso_us(self.at_us),
            "signal_id": self.signal_id,
            "event_no": self.event_no,
            "device_id": self.device_id,
            "device_name": name,
            "device_name_en": name_en,
            "zone": self.zone,
            "label": self.label_zh,
            "label_en": self.label_en,
            "label_zh": self.label_zh,
            "before": self.before.form(),
            "after": self.after.form(),
        }


@dataclass(slots=True)
class Tally:
    """What a trial has found so far: counts, and the newest differences."""

    signals: int = 0
    alarms_before: int = 0
    alarms_after: int = 0
    differences: int = 0
    repairs_before: int = 0
    repairs_after: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    newest: list[tuple[int, str, int, Difference]] = field(default_factory=list)

    def note(self, device_id: str, ref: Ref, at_us: int, event: Any, before: Outcome, after: Outcome) -> None:
        """Take a difference; the newest are listed."""
        self.differences += 1
        kind = _kind_of(before, after)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if len(self.newest) >= MAX_LISTED and at_us < self.newest[0][0]:
            return
        before, after = _with_priority(before, event.priority), _with_priority(after, event.priority)
        found = Difference(at_us, *ref, device_id, zone_key(event.zone), event.label_en, event.label_zh, before, after)
        entry = (at_us, *ref, found)
        if len(self.newest) < MAX_LISTED:
            heapq.heappush(self.newest, entry)
        else:
            heapq.heappushpop(self.newest, entry)

    def listed(self) -> list[Difference]:
        """Return the newest differences, newest first."""
        return [entry[3] for entry in sorted(self.newest, reverse=True)]


class Pass:
    """One device's signals under one set of rules."""

    def __init__(self, book: RuleBook, device_id: str, code: str, kinds: Mapping[str, str]) -> None:
        self._state = DeviceState()
        self._rules_of = lambda zone: book.of(device_id, code, zone)
        self._kind_of = lambda zone: kinds.get(zone, "")
        self.outcomes: dict[Ref, Outcome] = {}
        self._held_at: dict[Ref, int] = {}
        self.repairs: set[tuple[str, str]] = set()

    def take(self, signal_id: str, at_us: int, events: Sequence[Any]) -> bool:
        """Let a signal pass; say whether the rules did anything."""
        acts = take(self._state, self._rules_of, self._kind_of, signal_id, at_us, events)
        if acts:
            self._note(acts)
        return bool(acts)

    def end(self) -> None:
        """Let everything that waits go on."""
        self._note(expire(self._state, END_US))

    def _note(self, acts: Iterable[Act]) -> None:
        outcomes = self.outcomes
        for act in acts:
            what, ref = act.what, (act.signal_id, act.event_no)
            if what is What.PROPOSED:
                self.repairs.add((act.zone, act.method))
                continue
            known = outcomes.get(ref, _AT_ONCE)
            if what in HIDING:
                self._held_at[ref] = act.at_us
                outcomes[ref] = Outcome(what.value, 0, known.priority, known.is_confirmed, act.rule_id)
            elif what is What.CONFIRMED:
                outcomes[ref] = Outcome(known.what, 0, act.priority or known.priority, True, act.rule_id)
            elif what is What.LOWERED:
                outcomes[ref] = Outcome(known.what, 0, act.priority, known.is_confirmed, act.rule_id)
            else:
                delay_s = round((act.at_us - self._held_at.pop(ref, act.at_us)) / S)
                outcomes[ref] = Outcome(what.value, delay_s, known.priority, known.is_confirmed, act.rule_id)


class Comparison:
    """One device's signals under two sets of rules."""

    def __init__(
        self, device_id: str, code: str, before: RuleBook, after: RuleBook, kinds: Mapping[str, str], tally: Tally
    ) -> None:
        self.device_id = device_id
        self._old, self._new = Pass(before, device_id, code, kinds), Pass(after, device_id, code, kinds)
        self._seen: dict[str, tuple[int, Sequence[Any]]] = {}
        self._alarms = 0
        self._tally = tally

    def take(self, signal_id: str, at_us: int, events: Sequence[Any]) -> None:
        """Let a signal pass by both."""
        acted = self._old.take(signal_id, at_us, events)
        if self._new.take(signal_id, at_us, events) or acted:
            self._seen[signal_id] = (at_us, events)
        for event in events:
            if event.is_known and asks_for_decision(event):
                self._alarms += 1

    def end(self) -> None:
        """Compare what came of the events, and note what differs."""
        old, new, tally = self._old, self._new, self._tally
        old.end()
        new.end()
        tally.alarms_before += self._alarms - sum(not one.is_alarm for one in old.outcomes.values())
        tally.alarms_after += self._alarms - sum(not one.is_alarm for one in new.outcomes.values())
        tally.repairs_before += len(old.repairs)
        tally.repairs_after += len(new.repairs)
        for ref in old.outcomes.keys() | new.outcomes.keys():
            one, other = old.outcomes.get(ref, _AT_ONCE), new.outcomes.get(ref, _AT_ONCE)
            if not one.is_as(other):
                at_us, events = self._seen[ref[0]]
                tally.note(self.device_id, ref, at_us, events[ref[1]], one, other)


_AT_ONCE: Final = Outcome()


def _with_priority(outcome: Outcome, priority: int) -> Outcome:
    return outcome if outcome.priority else msgspec.structs.replace(outcome, priority=priority)


def _kind_of(before: Outcome, after: Outcome) -> str:
    """Return in one word what changes for an operator."""
    if before.is_alarm != after.is_alarm:
        return "no_longer_raised" if before.is_alarm else "raised_now"
    if before.delay_s != after.delay_s:
        return "later" if after.delay_s > before.delay_s else "sooner"
    if before.is_confirmed != after.is_confirmed:
        return "confirmed" if after.is_confirmed else "no_longer_confirmed"
    return "priority" if before.priority != after.priority else "other_reason"


@dataclass(slots=True)
class Trial:
    """A rule being tried: how far, and what was found."""

    id: str
    user_id: str
    rule: Rule
    received_from: datetime
    received_to: datetime
    devices: int = 0
    devices_total: int = 0
    state: str = "running"
    problem: str = ""
    tally: Tally = field(default_factory=Tally)
    names: dict[str, tuple[str, str]] = field(default_factory=dict)

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        tally = self.tally
        return {
            "id": self.id,
            "state": self.state,
            "problem": self.problem,
            "from": iso(self.received_from),
            "to": iso(self.received_to),
            "signals": tally.signals,
            "devices": self.devices,
            "devices_total": self.devices_total,
            "alarms_before": tally.alarms_before,
            "alarms_after": tally.alarms_after,
            "repairs_before": tally.repairs_before,
            "repairs_after": tally.repairs_after,
            "differences": tally.differences,
            "kinds": dict(tally.kinds),
            "listed": [one.form(self.names) for one in tally.listed()] if self.state == "done" else [],
        }


class RuleTrials:
    """Tries rules on past signals; one at a time, each in short reads, kept in memory until newer ones push it out."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._trials: dict[str, Trial] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()

    async def start(self, rule: Rule, *, actor: Actor, days: int = DEFAULT_DAYS) -> Trial:
        """Begin to try a rule on the signals of the last days. Errors: FORBIDDEN, NOT_FOUND, INVALID."""
        if not 1 <= days <= MAX_DAYS:
            raise TocsinError(ErrorCode.INVALID, f"from 1 to {MAX_DAYS} days", field="days")
        visible = require(actor, Permission.MANAGE_PLANS)
        now = self._clock.now()
        made = await self._store.read(checked, rule, actor)
        trial = Trial(new_id(), actor.id, made, now - timedelta(days=days), now)
        while len(self._trials) >= MAX_TRIALS:
            await self.stop(next(iter(self._trials)))
        self._trials[trial.id] = trial
        self._tasks[trial.id] = asyncio.create_task(self._run(trial, visible))
        return trial

    def get(self, trial_id: str, *, actor: Actor) -> Trial:
        """Return a trial of the actor's. Errors: FORBIDDEN, NOT_FOUND."""
        require(actor, Permission.MANAGE_PLANS)
        trial = self._trials.get(trial_id)
        if trial is None or trial.user_id != actor.id:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no trial {trial_id}")
        return trial

    async def finished(self, trial_id: str) -> None:
        """Wait until a trial is over."""
        await asyncio.gather(self._tasks[trial_id], return_exceptions=True)

    async def stop(self, trial_id: str) -> None:
        """End a trial and forget it."""
        self._trials.pop(trial_id, None)
        task = self._tasks.pop(trial_id, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def stop_all(self) -> None:
        """End every trial."""
        for trial_id in list(self._trials):
            await self.stop(trial_id)

    async def _run(self, trial: Trial, visible: Scope) -> None:
        try:
            async with self._turn:
                await self._compare(trial, visible)
            trial.state = "done"
        except TocsinError as error:
            trial.state, trial.problem = "failed", error.detail
        except Exception:
            trial.state, trial.problem = "failed", "the rules broke on a past signal"
            raise

    async def _compare(self, trial: Trial, visible: Scope) -> None:
        in_force: list[Rule] = await self._store.read(lambda tx: tx.rules.all())
        changed = [rule for rule in in_force if rule.id != trial.rule.id]
        now_us = round(trial.received_to.timestamp() * 1e6)
        before, after = RuleBook(in_force, now_us), RuleBook([*changed, trial.rule], now_us)
        old = next((rule for rule in in_force if rule.id == trial.rule.id), trial.rule)
        devices: dict[str, str] = {}
        for rule in (old, trial.rule):
            devices.update(await self._store.read(_reached, rule, visible))
        reading = _Reading(trial, sorted(devices.items()), before, after)
        trial.devices_total = len(reading.devices)
        while not await self._store.read(reading.portion):
            continue
        seen = {one.device_id for one in trial.tally.listed()}
        trial.names = await self._store.read(lambda tx: tx.rules.names(seen))


def _reached(tx: Any, rule: Rule, visible: Scope) -> dict[str, str]:
    return dict(tx.rules.reached(rule, visible_to=visible))


class _Reading:
    """Past signals read device by device, in portions: a read is short, whatever a device sent."""

    def __init__(self, trial: Trial, devices: Sequence[tuple[str, str]], before: RuleBook, after: RuleBook) -> None:
        self.devices = devices
        self._trial = trial
        self._books = before, after
        self._current: Comparison | None = None
        self._after = ""

    def portion(self, tx: Any) -> bool:
        """Read and compare a portion; say whether it was the last."""
        trial, read = self._trial, 0
        while trial.devices < len(self.devices) and read < AT_ONCE:
            current = self._current or self._begin(tx)
            count, signal_id = 0, ""
            past = tx.rules.past(current.device_id, trial.received_from, trial.received_to, self._after, AT_ONCE)
            for signal_id, at_us, events in past:
                current.take(signal_id, at_us, events)
                count += 1
            trial.tally.signals += count
            read += count + 1
            self._current, self._after = current, signal_id
            if count < AT_ONCE:
                current.end()
                self._current, self._after = None, ""
                trial.devices += 1
        return trial.devices >= len(self.devices)

    def _begin(self, tx: Any) -> Comparison:
        device_id, code = self.devices[self._trial.devices]
        return Comparison(device_id, code, *self._books, tx.rules.zone_kinds(device_id), self._trial.tally)
