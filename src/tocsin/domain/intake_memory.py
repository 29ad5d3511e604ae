"""What intake remembers between groups, so that a group reads only what changed.

Intake alone writes last frames, open incidents' growth and counters; everything else that could make a memory wrong is
in the audit. So each group begins by asking whether its last one was committed, and what was done since: an incident
somebody worked on is read again, a change of the registry forgets devices and zones. Nothing here is truth.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from tocsin.base.times import to_us
from tocsin.domain.alarm_rules import RuleBook
from tocsin.domain.incidents import Incident
from tocsin.domain.intake_rules import LastSignal, Origin, ZoneInfo
from tocsin.domain.permits import PermitBook
from tocsin.domain.plans import Plan
from tocsin.domain.quarantine import Repair
from tocsin.domain.rule_engine import DeviceState
from tocsin.domain.schedule_watch import ScheduleBook, book_of

MAX_ENTRIES = 50_000
_REGISTRY = frozenset({"device", "place", "jurisdiction"})  # facts of zones have their device as subject
_OWN = frozenset({"alarm", "signal"})
Key = tuple[str, str]


class IntakeMemory:
    """Read-through copies of what a group needs; `begin` makes them true again, `end` says that a group went well."""

    def __init__(self) -> None:
        self._is_whole = True
        self._last_signal_id = ""
        self._audit_seq: int | None = None
        self._last: dict[str, LastSignal | None] = {}
        self._origins: dict[str, Origin] = {}
        self._zones: dict[Key, ZoneInfo] = {}
        self._zoned: set[str] = set()  # devices whose zones are known, and those of them that have any
        self._with_zones: set[str] = set()
        self._incidents: dict[Key, list[Incident]] = {}
        self._key_of: dict[str, Key] = {}
        self._counters: dict[str, int] = {}
        self._plans: list[Plan] | None = None
        self._meanings: list[Repair] | None = None
        self._book: RuleBook | None = None
        self._schedules: ScheduleBook | None = None
        self._permits: PermitBook | None = None
        self._rule_states: dict[str, DeviceState] = {}
        self.stored_rule_states: set[str] = set()  # devices whose state has a row

    def clear(self) -> None:
        """Forget everything."""
        for known in (self._last, self._origins, self._zones, self._zoned, self._with_zones, self._incidents):
            known.clear()
        self._key_of.clear()
        self._counters.clear()
        self._rule_states.clear()
        self.stored_rule_states.clear()
        self._meanings = None
        self._plans = None
        self._book = None
        self._schedules = None
        self._permits = None
        self._last_signal_id = ""
        self._audit_seq = None

    def begin(self, tx: Any) -> None:
        """Make the memory true for this transaction."""
        sizes = len(self._last), len(self._origins), len(self._zones), len(self._incidents), len(self._rule_states)
        if not self._is_whole or max(sizes) > MAX_ENTRIES:
            self.clear()
        self._is_whole = False
        if self._last_signal_id and not tx.signals.is_kept(self._last_signal_id):
            self.clear()  # that group was rolled back
        if self._audit_seq is None:
            self._audit_seq = tx.audit.head()[0]
            return
        self._audit_seq, acts = tx.signals.acts_since(self._audit_seq)
        for action, kind, subject_id in acts:
            if kind not in _OWN:
                self._note(action, kind, subject_id)

    def _note(self, action: str, kind: str, subject_id: str) -> None:
        if kind == "incident":
            if action == "incident.reopened":
                self._forget_incidents()
            elif action != "incident.opened":
                self.forget((subject_id,))
        elif kind in _REGISTRY:
            self._origins.clear()
            self._zones.clear()
            self._zoned.clear()
            self._with_zones.clear()
            self._forget_incidents()
        elif kind == "signal_repair":
            self._meanings = None
        elif kind == "plan":
            self._plans = None
            self._forget_incidents()
        elif kind == "rule":
            self._book = None
        elif action.startswith("permit."):
            self._permits = None
        elif action.startswith(("schedule.", "holiday.")) and action != "schedule.found":
            self._schedules = None

    def end(self, last_signal_id: str) -> None:
        """Note that a group was handled to its end; whether it was committed, the next `begin` sees."""
        self._last_signal_id = last_signal_id or self._last_signal_id
        self._is_whole = True

    def forget(self, incident_ids: Iterable[str]) -> None:
        """Forget incidents, with all of their place: they are read again."""
        for incident_id in incident_ids:
            key = self._key_of.pop(incident_id, None)
            if key is not None:
                for incident in self._incidents.pop(key, ()):
                    self._key_of.pop(incident.id, None)

    def _forget_incidents(self) -> None:
        self._incidents.clear()
        self._key_of.clear()

    # --- reading ---

    def last_of(self, tx: Any, sources: Collection[str]) -> dict[str, LastSignal]:
        """Return the last event frame of each source that has one."""
        missing = [source for source in sources if source not in self._last]
        if missing:
            found = tx.signals.last_of(missing)
            for source in missing:
                self._last[source] = found.get(source)
        return {source: last for source in sources if (last := self._last[source]) is not None}

    def set_last(self, last: Iterable[LastSignal]) -> None:
        """Remember last event frames."""
        for entry in last:
            self._last[entry.source] = entry

    def origins(self, tx: Any, device_ids: Collection[str]) -> dict[str, Origin]:
        """Return the devices of these ids that are registered."""
        missing = {device_id for device_id in device_ids if device_id not in self._origins}
        if missing:
            self._origins.update(tx.signals.origins(missing))
        return self._origins

    def zones(self, tx: Any, wanted: Collection[Key]) -> Mapping[Key, ZoneInfo]:
        """Return the zones of these (device id, zone number) pairs; all zones of a device are read at once."""
        missing = {device_id for device_id, _ in wanted if device_id not in self._zoned}
        if missing:
            found = tx.signals.zones_of(missing)
            self._zones.update(found)
            self._zoned |= missing
            self._with_zones.update(device_id for device_id, _ in found)
        return self._zones

    def strange_zones(self, wanted: Collection[Key]) -> list[Key]:
        """Return those of these (device id, zone number) pairs that their device, which has zones, does not have."""
        return [pair for pair in wanted if pair[0] in self._with_zones and pair not in self._zones]

    def meanings(self, tx: Any) -> list[Repair]:
        """Return what people said that codes mean."""
        known = self._meanings
        if known is None:
            known = self._meanings = list(tx.quarantine.meanings())
        return known

    def plans(self, tx: Any) -> list[Plan]:
        """Return every plan in its current version."""
        if self._plans is None:
            self._plans = tx.plans.all()
        return self._plans

    def rule_book(self, tx: Any) -> RuleBook:
        """Return the rules in force now; one that has come to its end is left out, and the wider one counts again."""
        if self._book is None or (self._book.rules and to_us(tx.now) >= self._book.ends_us):
            self._book = RuleBook(tx.rules.all(), to_us(tx.now))
        return self._book

    def schedules(self, tx: Any) -> ScheduleBook:
        """Return the hours of premises."""
        if self._schedules is None:
            self._schedules = book_of(tx)
        return self._schedules

    def permits(self, tx: Any) -> PermitBook:
        """Return the permits that have not ended; each says itself until when it counts."""
        if self._permits is None:
            self._permits = PermitBook(tx.watch.open_permits())
        return self._permits

    def rule_states(self, tx: Any, device_ids: Collection[str]) -> dict[str, DeviceState]:
        """Return what the rules remember of devices; one they do not know yet has an empty state."""
        missing = {device_id for device_id in device_ids if device_id not in self._rule_states}
        if missing:
            found = tx.rules.states(missing)
            self.stored_rule_states.update(found)
            for device_id in missing:
                self._rule_states[device_id] = found.get(device_id) or DeviceState()
        return {device_id: self._rule_states[device_id] for device_id in device_ids}

    def forget_rule_state(self, device_id: str) -> None:
        """Forget what is remembered of a device: it is read again."""
        self._rule_states.pop(device_id, None)

    def open_at(self, tx: Any, keys: Collection[Key], since: datetime) -> dict[Key, list[Incident]]:
        """Return the open incidents of these places, devices and devices' own system matters."""
        missing = {key for key in keys if key not in self._incidents}
        if missing:
            for key in missing:
                self._incidents[key] = []
            found = tx.incidents.open_at(
                {id for kind, id in missing if kind == "place"}, {id for kind, id in missing if kind != "place"}, since
            )
            for incident in found:
                key = incident.group_key
                if key in missing:
                    self._incidents[key].append(incident)
                    self._key_of[incident.id] = key
        return self._incidents

    def set_incident(self, key: Key, incident: Incident) -> None:
        """Remember an incident as written, the newest of its place last."""
        known = self._incidents.setdefault(key, [])
        for place, other in enumerate(known):
            if other.id == incident.id:
                known[place] = incident
                return
        known.append(incident)
        self._key_of[incident.id] = key

    def take_numbers(self, tx: Any, wanted: dict[str, int]) -> dict[str, int]:
        """Return the first of so many new numbers of each counter; counters begin at 1."""
        missing = [name for name in wanted if name not in self._counters]
        if missing:
            self._counters.update(tx.incidents.counters(missing))
        before = {name: self._counters[name] for name in wanted}
        after = {name: before[name] + count for name, count in wanted.items()}
        tx.incidents.save_counters(before, after)
        self._counters.update(after)
        return {name: value + 1 for name, value in before.items()}
