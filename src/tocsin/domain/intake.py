"""Intake: a signal becomes evidence, events, alarms and incidents, all in one commit, a group at a time.

One set-based read of each table, the pure rules of `intake_rules`, one `executemany` per table. A signal the rules fail
for is kept `unprocessed`, acknowledged, and shown as a system incident; `reprocess` runs it again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any

from tocsin.base.errors import TocsinError
from tocsin.base.ids import new_id
from tocsin.base.normal import NormalEvent
from tocsin.domain.events import Fact, SignalQuarantined, SignalReprocessed, SignalUnprocessed
from tocsin.domain.forms import signal_form
from tocsin.domain.incidents import Incident, Source, Stamp, StampName
from tocsin.domain.intake_group import Draft, IncidentGroup, draft_of
from tocsin.domain.intake_memory import IntakeMemory
from tocsin.domain.intake_rules import (
    DEAF_AT_MOST,
    LastSignal,
    Origin,
    Reading,
    is_duplicate,
    names_zone,
    read_events,
    source_of,
)
from tocsin.domain.ledger import Ledger, copy_of
from tocsin.domain.own_silence import Silence
from tocsin.domain.permit_intake import held_facts, on_test
from tocsin.domain.permits import covered
from tocsin.domain.quarantine import UNKNOWN_CODE, meanings_of, read_with
from tocsin.domain.rule_intake import NO_EVENTS, Ruled
from tocsin.domain.schedule_watch import take_moves
from tocsin.domain.signals import Copy, Receipt, Signal, SignalState, StoredSignal
from tocsin.domain.store import Store
from tocsin.domain.zone_faults import UnknownZones

Rules = Callable[[Signal], Reading]
MAX_AWAITED_ACKS = 20_000
ACKS_KEPT_AFTER_S = 0.2


class Intake:
    """Where gateways hand in what devices sent. `zone` is the house's own, hours of premises are of it."""

    def __init__(self, store: Store, rules: Rules = read_events, zone: tzinfo | None = None) -> None:
        self._store = store
        self._zone = zone
        self._rules = rules
        self._awaited_acks: dict[str, str] = {}
        self._acks: list[tuple[str, datetime]] = []
        self._memory = IntakeMemory()
        self.unknown_zones = UnknownZones()
        self._began_at: datetime | None = None
        self.silences: Callable[[], Sequence[Silence]] = tuple  # supervision knows them, and is made after us
        self.ledger = Ledger(store)
        store.batch("intake", self.accept_many)
        store.batch("intake.ack", self.note_acks)

    def accept(self, signal: Signal) -> asyncio.Future[Receipt]:
        """Hand in one signal; the future resolves after the COMMIT and raises when nothing was committed."""
        return self._store.submit("intake", signal)

    def acknowledged(self, arrival_id: str, at: datetime) -> None:
        """Note when the acknowledgement of an arrival left (t3), in the ledger and on the incident it opened."""
        self.ledger.answered(arrival_id, at)
        incident_id = self._awaited_acks.pop(arrival_id, None)
        if incident_id is not None:
            if not self._acks:  # nobody waits for it: it must not make signals wait behind a commit of its own
                asyncio.get_running_loop().call_later(ACKS_KEPT_AFTER_S, self.keep_acks)
            self._acks.append((incident_id, at))

    def keep_acks(self) -> None:
        """Hand in the acknowledgements noted since the last time."""
        acks, self._acks = self._acks, []
        for ack in acks:
            # An error here is the store's to report, the next commit fails in the same way.
            with contextlib.suppress(TocsinError):
                self._store.submit("intake.ack", ack).add_done_callback(_forget)

    def forget(self, incident_ids: Iterable[str]) -> None:
        """Hear that incidents were changed beside intake, in its transaction: they are read again."""
        self._memory.forget(incident_ids)

    def accept_many(self, tx: Any, signals: Sequence[Signal]) -> list[Receipt]:
        """Store a group of signals with everything that follows from them; the set-based use case `intake`."""
        memory = self._memory
        memory.begin(tx)
        self._began_at = self._began_at or tx.now  # what came before it, an earlier life of ours may not have answered
        before = Silence(self._began_at - DEAF_AT_MOST, self._began_at)
        receipts, fresh = _keep(tx, _explained(tx, signals, memory), memory, (*self.silences(), before))
        facts: list[Fact] = []
        fresh.extend(take_moves(tx, memory.schedules(tx), self._zone, fresh, facts))
        opened = self._apply(tx, fresh, facts, memory, is_new=True)
        memory.end(fresh[-1].id if fresh else "")
        if len(self._awaited_acks) > MAX_AWAITED_ACKS:
            self._awaited_acks.clear()
        self._awaited_acks.update(opened)
        return receipts

    def note_acks(self, tx: Any, items: Sequence[tuple[str, datetime]]) -> list[None]:
        """Keep when acknowledgements left (t3) on the incidents they opened; the set-based use case `intake.ack`."""
        incidents = tx.incidents.load({incident_id for incident_id, _ in items})
        rows: list[tuple[str, Stamp]] = []
        changed: dict[str, Incident] = {}
        for incident_id, at in items:
            incident = changed.get(incident_id) or incidents.get(incident_id)
            if incident is None or incident.has_stamp(StampName.ACK_SENT):
                continue
            stamp = Stamp(StampName.ACK_SENT.value, at, Source.SERVER.value)
            rows.append((incident_id, stamp))
            changed[incident_id] = incident.stamped([stamp])
        tx.incidents.add_stamps(rows)
        tx.incidents.set_stamps(list(changed.values()))
        self._memory.forget(changed)
        return [None] * len(items)

    def reprocess(self, tx: Any, signal_ids: Sequence[str]) -> int:
        """Run the rules again for kept signals that are `unprocessed`; return how many went through."""
        waiting = [s for s in tx.signals.load(signal_ids) if s.state is SignalState.UNPROCESSED]
        return self._rerun(tx, waiting)

    def repair(self, tx: Any, limit: int = 200) -> int:
        """Run the rules again for the oldest unprocessed signals; return how many went through."""
        return self._rerun(tx, tx.signals.unprocessed(limit))

    def take_again(self, tx: Any, explained: Sequence[StoredSignal]) -> int:
        """Run the rules for kept signals that a repair has explained; return how many raised an alarm."""
        self._apply(tx, list(explained), [], IntakeMemory())
        self._memory.clear()  # incidents were opened and joined beside it
        return len(tx.signals.alarm_ids([stored.id for stored in explained]))

    def keep_own(self, tx: Any, own: Sequence[StoredSignal], facts: list[Fact]) -> None:
        """Store signals of the house itself in the transaction of what found them."""
        self._apply(tx, list(own), facts, IntakeMemory(), is_new=True)
        self._memory.clear()  # incidents were opened and joined beside it

    async def release_due(self) -> int:
        """Let go what rules held until now; return how many events. Cheap while nothing is due."""
        if not await self._store.read(lambda tx: tx.rules.has_due(tx.now)):
            return 0
        return await self._store.run(self.release)

    def release(self, tx: Any, limit: int = 500) -> int:
        """Let go the held events whose time is over, the longest first; return how many."""
        due = tx.rules.due(tx.now, limit)
        if not due:
            return 0
        memory = IntakeMemory()
        group, ruled = IncidentGroup(tx, memory), Ruled(tx, memory)
        drafts: list[Draft] = []
        facts: list[Fact] = []
        ruled.expire(due)
        ruled.let_go(drafts)
        group.raise_alarms(drafts)
        group.write(facts)
        ruled.write(group.alarm_of, facts)
        tx.record_many(facts)
        self._memory.clear()  # incidents were opened and states changed beside it
        return len(due)

    def _rerun(self, tx: Any, waiting: Sequence[StoredSignal]) -> int:
        ready = [stored for stored in waiting if self._read(stored.signal) is not None]
        facts: list[Fact] = [SignalReprocessed(subject_id=stored.id, at=tx.now) for stored in ready]
        self._apply(tx, ready, facts, IntakeMemory())
        tx.signals.set_state([stored.id for stored in ready], SignalState.PROCESSED)
        self._memory.clear()  # incidents were opened and joined beside it
        return len(ready)

    def _apply(
        self, tx: Any, stored: list[StoredSignal], facts: list[Fact], memory: IntakeMemory, *, is_new: bool = False
    ) -> dict[str, str]:
        """Apply the rules to signals and write the result; return signal id -> incident id where one was opened."""
        origins = memory.origins(tx, {s.signal.device_id for s in stored if s.signal.device_id})
        permits = memory.permits(tx)
        tested: dict[str, frozenset[int]] = {}
        readings: list[tuple[StoredSignal, Origin, Reading | None]] = []
        for place, item in enumerate(stored):
            origin = origins.get(item.signal.device_id or "")
            if origin is None or origin.is_retired:
                if not item.signal.quarantine:
                    item = stored[place] = _aside(item, "retired_device" if origin else "unknown_device")
            elif item.signal.events:
                if held := covered(permits.of(origin.device_id), item.signal.events, item.signal.received_at):
                    item = stored[place] = on_test(item)
                    tested[item.id] = frozenset(held)
                    facts.extend(held_facts(item, held, origin.jurisdiction_code, tx.now) if is_new else ())
                readings.append((item, origin, self._read(item.signal)))
            if item.signal.quarantine and is_new:
                code = origin.jurisdiction_code if origin else ""
                facts.append(_quarantined(item, code, tx.now))

        wanted = {
            (origin.device_id, number)
            for _, origin, reading in readings
            if reading is not None
            for event in reading.alarms
            if (number := names_zone(event))
        }
        zones = memory.zones(tx, wanted)
        pictures = {
            (origin.device_id, names_zone(event))
            for _, origin, reading in readings
            if reading is not None
            for event in reading.alarms
            if event.channel
        }
        self.unknown_zones.note(memory.strange_zones(wanted - pictures))
        group = IncidentGroup(tx, memory)
        ruled = Ruled(tx, memory)
        ruled.prepare((item, origin) for item, origin, reading in readings if reading is not None)
        failed: dict[str, Origin] = {}
        drafts: list[Draft] = []
        restores: list[tuple[str, Signal, Origin, NormalEvent]] = []
        for item, origin, reading in readings:
            if reading is None:
                failed[item.id] = origin
                drafts.append(draft_of(item.id, item.signal, origin, None, None))
                continue
            alarms = list(_numbered(item.signal, reading))
            on_hold = tested.get(item.id, NO_EVENTS)
            is_all_test = bool(alarms) and all(place_no in on_hold for place_no, _ in alarms)
            hidden = on_hold if is_all_test else ruled.take(item, origin) | on_hold
            for place_no, event in alarms:
                if place_no not in hidden:
                    zone = zones.get((origin.device_id, names_zone(event)))
                    said = ruled.said(item.id, place_no, event)
                    drafts.append(draft_of(item.id, item.signal, origin, said, zone, place_no))
            restores.extend((item.id, item.signal, origin, event) for event in reading.restores)

        ruled.let_go(drafts)
        group.raise_alarms(drafts)
        group.restore(restores)
        if is_new:
            if failed:
                stored = [replace(s, state=SignalState.UNPROCESSED) if s.id in failed else s for s in stored]
            tx.signals.insert_many(stored)
        group.write(facts)
        ruled.write(group.alarm_of, facts)
        for signal_id, origin in failed.items():
            facts.append(
                SignalUnprocessed(
                    subject_id=signal_id,
                    at=tx.now,
                    jurisdiction_code=origin.jurisdiction_code,
                    error="rules_failed",
                    incident_id=group.incident_of.get(signal_id, ""),
                )
            )
        tx.record_many(facts)
        return group.opened_by

    def _read(self, signal: Signal) -> Reading | None:
        """Run the rules; None when they fail. Whatever is wrong with a rule must not lose a signal or its ACK."""
        try:
            return self._rules(signal)
        except Exception:
            return None


def _numbered(signal: Signal, reading: Reading) -> Iterator[tuple[int, NormalEvent]]:
    """Yield the alarms of a signal with their place among its events, whose order they keep."""
    number = 0
    for event in reading.alarms:
        while signal.events[number] is not event:
            number += 1
        yield number, event


def _explained(tx: Any, signals: Sequence[Signal], memory: IntakeMemory) -> Sequence[Signal]:
    """Return signals with what people said their codes mean; nearly always there is nothing to look for."""
    asked = {s.device_id for s in signals if s.quarantine in UNKNOWN_CODE and s.device_id}
    said = memory.meanings(tx) if asked else ()
    if not said:
        return signals
    models = tx.quarantine.models(asked)
    means = {id: meanings_of(said, id, *models.get(id, ("", ""))) for id in asked}
    return [(read_with(s, means[s.device_id]) or s) if s.device_id in means else s for s in signals]


def _keep(
    tx: Any, signals: Sequence[Signal], memory: IntakeMemory, silences: Sequence[Silence]
) -> tuple[list[Receipt], list[StoredSignal]]:
    """Separate retries from new signals; return a receipt for each and the new ones with their ids."""
    sources = [source_of(signal) for signal in signals]
    known = memory.last_of(tx, set(sources))
    last = dict(known)
    copies: list[Copy] = []
    receipts: list[Receipt] = []
    fresh: list[StoredSignal] = []
    place_of: dict[str, int] = {}
    for signal, source in zip(signals, sources, strict=True):
        previous = last.get(source)
        if previous is not None and is_duplicate(signal, previous, silences):
            copy = copy_of(previous.signal_id, signal, tx.now)
            receipts.append(Receipt(previous.signal_id, is_duplicate=True, copy_id=copy.id))
            copies.append(copy)
            place = place_of.get(previous.signal_id)
            if place is not None:
                fresh[place] = replace(fresh[place], copies=fresh[place].copies + 1)
            continue
        signal_id = new_id()
        place_of[signal_id] = len(fresh)
        state = SignalState.QUARANTINED if signal.quarantine else SignalState.PROCESSED
        fresh.append(StoredSignal(signal_id, signal, state, committed_at=tx.now))
        last[source] = LastSignal(source, signal.dedup_key, signal_id, signal.received_at, signal.sent_at)
        receipts.append(Receipt(signal_id))
    if copies:
        tx.signals.add_copies(Counter(copy.signal_id for copy in copies if copy.signal_id not in place_of))
        tx.ledger.add_copies(copies)
    new = [entry for source, entry in last.items() if source not in known]
    changed = [entry for source, entry in last.items() if source in known and entry is not known[source]]
    tx.signals.save_last(new, changed)
    memory.set_last(new)
    memory.set_last(changed)
    return receipts, fresh


def _aside(stored: StoredSignal, reason: str) -> StoredSignal:
    return replace(stored, signal=replace(stored.signal, quarantine=reason), state=SignalState.QUARANTINED)


def _quarantined(stored: StoredSignal, jurisdiction_code: str, now: datetime) -> SignalQuarantined:
    return SignalQuarantined(
        subject_id=stored.id,
        at=now,
        jurisdiction_code=jurisdiction_code,
        reason=stored.signal.quarantine,
        device_id=stored.signal.device_id or "",
        data=signal_form(stored, ()),
    )


def _forget(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
