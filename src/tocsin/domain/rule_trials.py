"""A rule tried on past signals before it counts: which alarms would differ, from the rules in force now.

Signals are read device by device, each let pass once by the rules in force and once by those with the change; what
comes of an event is compared, and only the differences are kept. The same engine runs as on live signals.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

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


@dataclass(frozen=True, slots=True)
class Outcome:
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

    def note(self, found: Difference) -> None:
        """Take a difference; the newest are listed."""
        self.differences += 1
        kind = _kind_of(found.before, found.after)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        entry = (found.at_us, found.signal_id, found.event_no, found)
        if len(self.newest) < MAX_LISTED:
            heapq.heappush(self.newest, entry)
        else:
            heapq.heappushpop(self.newest, entry)

    def listed(self) -> list[Difference]:
        """Return the newest differences, newest first."""
        return [entry[3] for entry in sorted(self.newest, reverse=True)]


class Pass:
    """One device's signals under one set of rules."""

    def __init__(self, book: RuleBook, device_id: str, code: str, kinds: Mapping[tuple[str, str], str]) -> None:
        self._state = DeviceState()
        self._rules_of = lambda zone: book.of(device_id, code, zone)
        self._kind_of = lambda zone: kinds.get((device_id, zone), "")
        self.outcomes: dict[Ref, Outcome] = {}
        self._held_at: dict[Ref, int] = {}
        self.repairs: set[tuple[str, str]] = set()

    def take(self, signal_id: str, at_us: int, events: Sequence[Any]) -> None:
        """Let a signal pass."""
        acts = take(self._state, self._rules_of, self._kind_of, signal_id, at_us, events)
        if acts:
            self._note(acts)

    def end(self) -> None:
        """Let everything that waits go on."""
        self._note(expire(self._state, END_US))

    def _note(self, acts: Iterable[Act]) -> None:
        for act in acts:
            ref = (act.signal_id, act.event_no)
            if act.what is What.PROPOSED:
                self.repairs.add((act.zone, act.method))
                continue
            known = self.outcomes.get(ref, _AT_ONCE)
            if act.what in HIDING:
                self._held_at[ref] = act.at_us
                known = replace(known, what=act.what.value, by=act.rule_id)
            elif act.what is What.CONFIRMED:
                known = replace(known, is_confirmed=True, priority=act.priority or known.priority, by=act.rule_id)
            elif act.what is What.LOWERED:
                known = replace(known, priority=act.priority, by=act.rule_id)
            else:
                delay_s = round((act.at_us - self._held_at.get(ref, act.at_us)) / S)
                known = replace(known, what=act.what.value, delay_s=delay_s, by=act.rule_id)
            self.outcomes[ref] = known


_AT_ONCE: Final = Outcome()


def compare(
    device_id: str,
    code: str,
    before: RuleBook,
    after: RuleBook,
    kinds: Mapping[tuple[str, str], str],
    signals: Iterable[tuple[str, int, Sequence[Any]]],
    tally: Tally,
) -> None:
    """Let a device's signals (id, received at in us, events) pass by both books; note what differs."""
    old, new = Pass(before, device_id, code, kinds), Pass(after, device_id, code, kinds)
    seen: dict[Ref, tuple[int, Any]] = {}
    alarms = 0
    for signal_id, at_us, events in signals:
        tally.signals += 1
        touched = len(old.outcomes) + len(new.outcomes)
        old.take(signal_id, at_us, events)
        new.take(signal_id, at_us, events)
        alarms += sum(1 for event in events if event.is_known and asks_for_decision(event))
        if len(old.outcomes) + len(new.outcomes) != touched:
            for number, event in enumerate(events):
                seen[signal_id, number] = (at_us, event)
    old.end()
    new.end()
    tally.alarms_before += alarms - sum(not one.is_alarm for one in old.outcomes.values())
    tally.alarms_after += alarms - sum(not one.is_alarm for one in new.outcomes.values())
    tally.repairs_before += len(old.repairs)
    tally.repairs_after += len(new.repairs)
    for ref in {**old.outcomes, **new.outcomes}:
        one, other = old.outcomes.get(ref, _AT_ONCE), new.outcomes.get(ref, _AT_ONCE)
        if replace(one, by="") == replace(other, by=""):
            continue
        at_us, event = seen[ref]
        one, other = (replace(each, priority=each.priority or event.priority) for each in (one, other))
        tally.note(
            Difference(
                at_us, *ref, device_id, zone_key(event.zone), event.label_en, event.label_zh, one, other
            )
        )  # fmt: skip


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
    total: int = 0
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
            "signals_total": self.total,
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
        counts: dict[str, int] = await self._store.read(_counts, sorted(devices), trial)
        trial.total = sum(counts.values())
        for few in _portions(counts):
            await self._store.read(_compare_devices, few, devices, before, after, trial)
            await asyncio.sleep(0)
        seen = {one.device_id for one in trial.tally.listed()}
        trial.names = await self._store.read(lambda tx: tx.rules.names(seen))


def _reached(tx: Any, rule: Rule, visible: Scope) -> dict[str, str]:
    return dict(tx.rules.reached(rule, visible_to=visible))


def _counts(tx: Any, device_ids: Sequence[str], trial: Trial) -> dict[str, int]:
    found: dict[str, int] = tx.rules.count_past(device_ids, trial.received_from, trial.received_to)
    return found


def _portions(counts: Mapping[str, int]) -> Iterable[list[str]]:
    """Cut devices into portions of about so many signals."""
    few: list[str] = []
    total = 0
    for device_id, count in sorted(counts.items()):
        few.append(device_id)
        total += count
        if total >= AT_ONCE:
            yield few
            few, total = [], 0
    if few:
        yield few


def _compare_devices(
    tx: Any, device_ids: Sequence[str], codes: Mapping[str, str], before: RuleBook, after: RuleBook, trial: Trial
) -> None:
    kinds = tx.rules.zone_kinds(device_ids)
    for device_id in device_ids:
        past = tx.rules.past(device_id, trial.received_from, trial.received_to)
        compare(device_id, codes[device_id], before, after, kinds, past, trial.tally)
