"""Rules at work between the committed signals of a group and their alarms, in the same transaction.

What a rule holds, hides, lets go or lowers leaves a row and an audit record with the version that did it. If the rules
break on a signal, its alarms are raised as if there were none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tocsin.base.ids import new_id
from tocsin.base.normal import NormalEvent
from tocsin.base.times import from_us, to_us
from tocsin.domain.alarm_rules import RuleBook
from tocsin.domain.alarms import Alarm
from tocsin.domain.facts import Fact
from tocsin.domain.intake_group import Draft, draft_of
from tocsin.domain.intake_memory import IntakeMemory, Key
from tocsin.domain.intake_rules import Origin, ZoneInfo
from tocsin.domain.rule_acts import Repair, RuleAct
from tocsin.domain.rule_engine import ENDING, Act, DeviceState, What, expire, hidden, take
from tocsin.domain.rule_events import RepairProposed, RuleActed, RuleFailed
from tocsin.domain.signals import StoredSignal

NO_EVENTS: Final[frozenset[int]] = frozenset()
Ref = tuple[str, int]


class Ruled:
    """The rules over one group of signals."""

    def __init__(self, tx: Any, memory: IntakeMemory) -> None:
        self._tx = tx
        self._memory = memory
        self._book: RuleBook = memory.rule_book(tx)
        self._states: dict[str, DeviceState] = {}
        self._kinds: Mapping[Key, ZoneInfo] = {}
        self._origins: dict[str, Origin] = {}
        self._signals: dict[str, StoredSignal] = {}
        self._acts: list[tuple[Origin, Act]] = []
        self._held: dict[Ref, RuleAct] = {}
        self._let_go: list[Act] = []
        self._says: dict[Ref, list[Act]] = {}
        self._failed: list[tuple[str, Origin]] = []

    def prepare(self, items: Iterable[tuple[StoredSignal, Origin]]) -> None:
        """Read what is remembered of the devices of a group that rules speak for."""
        if not self._book.rules:
            return
        touched = {
            origin.device_id: origin
            for _, origin in items
            if self._book.touches(origin.device_id, origin.jurisdiction_code)
        }
        if touched:
            self._origins.update(touched)
            self._kinds = self._memory.zones(self._tx, {(device_id, "") for device_id in touched})
            self._states.update(self._memory.rule_states(self._tx, touched))

    def take(self, item: StoredSignal, origin: Origin) -> set[int] | frozenset[int]:
        """Let a signal pass by the rules; return the numbers of its events that are no alarm now."""
        state = self._states.get(origin.device_id)
        if state is None:
            return NO_EVENTS
        device_id, code = origin.device_id, origin.jurisdiction_code
        try:
            acts = take(
                state,
                lambda zone: self._book.of(device_id, code, zone),
                lambda zone: self._kind(device_id, zone),
                item.id,
                to_us(item.signal.received_at),
                item.signal.events,
            )
        except Exception:  # whatever is wrong with a rule must not keep an alarm from anybody
            self._states.pop(device_id)
            self._memory.forget_rule_state(device_id)
            self._failed.append((item.id, origin))
            return NO_EVENTS
        if not acts:
            return NO_EVENTS
        self._signals[item.id] = item
        self._note(origin, acts)
        return hidden(acts, item.id)

    def said(self, signal_id: str, number: int, event: NormalEvent) -> NormalEvent:
        """Return an event as its alarm shall say it: confirmed, or with another priority."""
        for act in self._says.get((signal_id, number), ()):
            event = _said(event, act)
        return event

    def expire(self, due: Sequence[RuleAct]) -> None:
        """Let go what rules held until now; what no state remembers any more is raised."""
        device_ids = {act.device_id for act in due}
        self._origins.update(self._memory.origins(self._tx, device_ids))
        self._states.update(self._memory.rule_states(self._tx, device_ids))
        now_us = to_us(self._tx.now)
        for device_id in sorted(device_ids):
            self._note(self._origins[device_id], expire(self._states[device_id], now_us))
        known = {(act.signal_id, act.event_no) for act in self._let_go}
        for row in due:
            ref = (row.signal_id, row.event_no)
            if ref not in known:
                forgotten = Act(What.RAISED, row.rule_id, row.version_no, row.method, *ref, row.zone, now_us)
                self._note(self._origins[row.device_id], [forgotten])

    def let_go(self, drafts: list[Draft]) -> None:
        """Put drafts of earlier events that are alarms now before those of the group."""
        raised = [act for act in self._let_go if act.what is What.RAISED]
        ended = {act.signal_id for act in self._let_go}
        if ended:
            self._held.update({(row.signal_id, row.event_no): row for row in self._tx.rules.held_of(ended)})
            missing = {act.signal_id for act in raised if act.signal_id not in self._signals}
            self._signals.update({stored.id: stored for stored in self._tx.signals.load(missing)})
        earlier = []
        for act in raised:
            stored = self._signals.get(act.signal_id)
            if stored is None:
                continue
            origin = self._origins[stored.signal.device_id or ""]
            event = _said(stored.signal.events[act.event_no], act)
            zone = self._memory.zones(self._tx, {(origin.device_id, act.zone)}).get((origin.device_id, act.zone))
            draft = draft_of(stored.id, stored.signal, origin, event, zone, act.event_no)
            row = self._held.get((act.signal_id, act.event_no))
            earlier.append(
                replace(
                    draft,
                    committed_at=None if row is None else row.acted_at,
                    restored_at=from_us(act.restored_us) if act.restored_us else None,
                )
            )
        drafts[:0] = earlier

    def write(self, alarm_of: Callable[[str, int], Alarm | None], facts: list[Fact]) -> None:
        """Write what the rules did and remember, and tell it."""
        tx = self._tx
        facts.extend(_failure(signal_id, origin, tx.now) for signal_id, origin in self._failed)
        if self._acts:
            self._write_acts(alarm_of, facts)
        known = self._memory.stored_rule_states
        new = {key: state for key, state in self._states.items() if key not in known}
        tx.rules.save_states(new, {key: state for key, state in self._states.items() if key in known})
        known.update(new)

    def _write_acts(self, alarm_of: Callable[[str, int], Alarm | None], facts: list[Fact]) -> None:
        tx = self._tx
        added: dict[str, RuleAct] = {}
        ended: list[RuleAct] = []
        fresh: dict[Ref, str] = {}
        for origin, act in self._acts:
            if act.what is What.PROPOSED:
                continue
            ref = (act.signal_id, act.event_no)
            alarm = alarm_of(*(act.of if act.what is What.GROUPED else ref))
            alarm_id = None if alarm is None else alarm.id
            if act.what in ENDING:
                row = added.get(fresh.get(ref, "")) or self._held.get(ref)
                if row is None:
                    continue
                row = replace(
                    row,
                    what=act.what.value,
                    cause=act.cause[:64],
                    raised_priority=act.priority,
                    ended_at=from_us(act.at_us) if act.what is not What.RAISED else tx.now,
                    alarm_id=alarm_id,
                )
                if row.id in added:
                    added[row.id] = row
                else:
                    ended.append(row)
            else:
                if act.what is What.GROUPED and alarm_id is None:
                    alarm_id = tx.alarms.id_of_signal(act.of[0])
                row = self._row(origin, act, alarm_id)
                added[row.id] = row
                fresh[ref] = row.id
            facts.append(_acted(row, act, tx.now))
        tx.rules.add_acts(list(added.values()))
        tx.rules.end_acts(ended)
        self._propose([(origin, act) for origin, act in self._acts if act.what is What.PROPOSED], facts)

    def _row(self, origin: Origin, act: Act, alarm_id: str | None) -> RuleAct:
        stored = self._signals[act.signal_id]
        event = stored.signal.events[act.event_no]
        return RuleAct(
            id=new_id(),
            rule_id=act.rule_id,
            version_no=act.version_no,
            method=act.method,
            what=act.what.value,
            signal_id=act.signal_id,
            event_no=act.event_no,
            device_id=origin.device_id,
            jurisdiction_code=origin.jurisdiction_code,
            zone=act.zone,
            label_en=event.label_en,
            label_zh=event.label_zh,
            priority=event.priority,
            raised_priority=act.priority,
            cause=act.cause[:64],
            received_at=stored.signal.received_at,
            acted_at=self._tx.now,
            until=from_us(act.until_us) if act.until_us else None,
            alarm_id=alarm_id,
        )

    def _propose(self, acts: Sequence[tuple[Origin, Act]], facts: list[Fact]) -> None:
        """Propose repairs, each once until somebody has decided."""
        if not acts:
            return
        tx = self._tx
        known = {
            (one.device_id, one.zone, one.method): one
            for one in tx.rules.open_repairs({origin.device_id for origin, _ in acts})
        }
        new: dict[tuple[str, str, str], Repair] = {}
        changed: dict[str, Repair] = {}
        for origin, act in acts:
            key, at = (origin.device_id, act.zone, act.method), from_us(act.at_us)
            if key in known:
                known[key] = changed[known[key].id] = known[key].seen_again(at)
            elif key in new:
                new[key] = new[key].seen_again(at)
            else:
                new[key] = Repair(
                    new_id(), act.method, act.rule_id, act.version_no, origin.device_id, origin.jurisdiction_code,
                    act.zone, at, at,
                )  # fmt: skip
        for one in new.values():
            facts.append(
                RepairProposed(
                    subject_id=one.id,
                    at=tx.now,
                    jurisdiction_code=one.jurisdiction_code,
                    method=one.method,
                    rule_id=one.rule_id,
                    version_no=one.version_no,
                    device_id=one.device_id,
                    zone=one.zone,
                )
            )
        tx.rules.add_repairs(list(new.values()))
        for one in changed.values():
            tx.rules.save_repair(one)

    def _kind(self, device_id: str, zone: str) -> str:
        info = self._kinds.get((device_id, zone))
        return "" if info is None else info.kind

    def _note(self, origin: Origin, acts: Iterable[Act]) -> None:
        for act in acts:
            self._acts.append((origin, act))
            if act.what in ENDING:
                self._let_go.append(act)
            elif act.what in (What.CONFIRMED, What.LOWERED):
                self._says.setdefault((act.signal_id, act.event_no), []).append(act)


def _said(event: NormalEvent, act: Act) -> NormalEvent:
    """Return an event with what a rule adds to it."""
    if act.priority:
        event = replace(event, priority=act.priority)
    if act.what is What.CONFIRMED and act.cause:
        return replace(
            event,
            label_en=f"{event.label_en}, confirmed with zone {act.cause}",
            label_zh=f"{event.label_zh}（与 {act.cause} 号防区相互确认）",
        )
    return event


def _acted(row: RuleAct, act: Act, now: Any) -> RuleActed:
    return RuleActed(
        subject_id=row.signal_id,
        at=now,
        jurisdiction_code=row.jurisdiction_code,
        what=act.what.value,
        rule_id=row.rule_id,
        version_no=row.version_no,
        device_id=row.device_id,
        zone=row.zone,
        until=row.until,
        cause=row.cause,
        alarm_id=row.alarm_id or "",
        data=row.form(),
    )


def _failure(signal_id: str, origin: Origin, now: Any) -> RuleFailed:
    return RuleFailed(
        subject_id=signal_id, at=now, jurisdiction_code=origin.jurisdiction_code, device_id=origin.device_id
    )
