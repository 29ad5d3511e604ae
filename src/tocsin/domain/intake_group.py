"""The incidents of one intake group: alarms find or open theirs, restores find their alarms, all is written at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tocsin.base.ids import new_id
from tocsin.base.normal import Category, NormalEvent
from tocsin.domain.alarms import Alarm, AlarmState
from tocsin.domain.events import AlarmRaised, AlarmRestored, Fact, IncidentGrew, IncidentOpened
from tocsin.domain.forms import alarm_form, incident_form
from tocsin.domain.incidents import GROUP_WINDOW, SYSTEM_KIND, Incident, PlaceRef, PlanRef, Source, Stamp, StampName
from tocsin.domain.intake_memory import IntakeMemory
from tocsin.domain.intake_rules import (
    SYSTEM_PRIORITY,
    Origin,
    PlaceInfo,
    ZoneInfo,
    may_join,
    month_of,
    system_title,
    title_of,
)
from tocsin.domain.plans import IncidentStep, choose_plan, copy_steps, next_deadline
from tocsin.domain.signals import Signal


@dataclass(frozen=True, slots=True)
class Draft:
    """One alarm to be, with where it happened and what groups it.

    Without an event it is the system's own: the rules failed for the signal. `event_no` is its place in the signal;
    `committed_at` and `restored_at` are set when a rule held it until now.
    """

    signal_id: str
    signal: Signal
    origin: Origin
    event: NormalEvent | None
    zone: ZoneInfo | None
    place: PlaceInfo | None
    key: tuple[str, str]
    event_no: int = 0
    committed_at: datetime | None = None
    restored_at: datetime | None = None


def draft_of(
    signal_id: str,
    signal: Signal,
    origin: Origin,
    event: NormalEvent | None,
    zone: ZoneInfo | None,
    event_no: int = 0,
) -> Draft:
    """Return a draft at the zone's place, else the device's; a system matter has none."""
    if event is None:
        return Draft(signal_id, signal, origin, None, None, None, ("system", origin.device_id))
    if (home := signal.home) is not None:
        origin = replace(
            origin, jurisdiction_id=home.jurisdiction_id, jurisdiction_code=home.code, short=home.short, place=None
        )
        return Draft(signal_id, signal, origin, event, zone, None, ("outage", signal_id), event_no)
    place = zone.place if zone is not None and zone.place is not None else origin.place
    if event.code_system == "jt808" and event.lon is not None:
        place = None  # a terminal is where it says it is, not where it is entered
    key = ("place", place.id) if place is not None else ("device", origin.device_id)
    return Draft(signal_id, signal, origin, event, zone, place, key, event_no)


class _Growing:
    """An incident while a group adds to it; the gravest alarm names it."""

    __slots__ = ("count", "incident", "is_new", "key", "kind", "last_at", "place_class", "priority", "short", "title")

    def __init__(
        self, incident: Incident, key: tuple[str, str], *, short: str = "", place_class: str = "", is_new: bool = False
    ) -> None:
        self.incident = incident
        self.key = key
        self.short = short
        self.place_class = place_class
        self.is_new = is_new
        self.count = 0
        self.kind = incident.kind
        self.priority = incident.priority
        self.title = (incident.title_en, incident.title_zh)
        self.last_at = incident.last_alarm_at

    def add(self, draft: Draft) -> None:
        event = draft.event
        self.last_at = max(self.last_at, draft.signal.received_at)
        if event is None:
            return
        self.count += 1
        if event.priority < self.priority:
            self.kind, self.priority = event.category.value, event.priority
            self.title = title_of(event, draft.origin, draft.zone, draft.place)

    def joined(self) -> Incident:
        return self.incident.joined(
            kind=self.kind,
            priority=self.priority,
            title_en=self.title[0],
            title_zh=self.title[1],
            at=self.last_at,
            count=self.count,
        )


class IncidentGroup:
    """Collects what one group of signals does to alarms and incidents, then writes it in one statement per table."""

    def __init__(self, tx: Any, memory: IntakeMemory) -> None:
        self._tx = tx
        self._memory = memory
        self._now: datetime = tx.now
        self._month = month_of(self._now)
        self._next_number = 0
        self._growing: dict[tuple[str, str], list[_Growing]] = {}
        self._touched: dict[str, _Growing] = {}
        self._alarms: list[Alarm] = []
        self._alarm_at: dict[tuple[str, int], int] = {}
        self._restored: list[tuple[str, Alarm]] = []
        self._restored_fresh: list[tuple[str, int]] = []
        self._stamps: list[tuple[str, Stamp]] = []
        self.opened_by: dict[str, str] = {}
        self.incident_of: dict[str, str] = {}

    # --- alarms ---

    def raise_alarms(self, drafts: Sequence[Draft]) -> None:
        """Give each draft its incident, an open one of its place or a new one."""
        if not drafts:
            return
        self._load(drafts)
        count = sum(draft.event is not None for draft in drafts)
        if count:
            counter = f"A-{self._month}"
            self._next_number = self._memory.take_numbers(self._tx, {counter: count})[counter]
        for draft in drafts:
            growing = self._find(draft)
            if growing is None:
                growing = self._open(draft)
            growing.add(draft)
            incident_id = growing.incident.id
            self._touched[incident_id] = growing
            self.incident_of[draft.signal_id] = incident_id
            if draft.event is not None:
                self._alarm_at[draft.signal_id, draft.event_no] = len(self._alarms)
                self._alarms.append(self._alarm(draft, draft.event, incident_id))

    def alarm_of(self, signal_id: str, event_no: int) -> Alarm | None:
        """Return the alarm an event of a signal became in this group."""
        place = self._alarm_at.get((signal_id, event_no))
        return None if place is None else self._alarms[place]

    def _load(self, drafts: Sequence[Draft]) -> None:
        keys = {draft.key for draft in drafts}
        since = min(draft.signal.received_at for draft in drafts) - GROUP_WINDOW
        known = self._memory.open_at(self._tx, keys, since)
        for key in keys:
            self._growing[key] = [_Growing(incident, key) for incident in known[key]]

    def _find(self, draft: Draft) -> _Growing | None:
        candidates = self._growing.get(draft.key)
        if candidates:
            for growing in reversed(candidates):
                current = growing.incident
                if growing.last_at != current.last_alarm_at:
                    current = replace(current, last_alarm_at=growing.last_at)
                if may_join(current, draft.signal.received_at):
                    return growing
        return None

    def _open(self, draft: Draft) -> _Growing:
        jurisdiction_id, code, short = _home(draft)
        place, event, signal = draft.place, draft.event, draft.signal
        title_en, title_zh = (
            system_title(draft.origin) if event is None else title_of(event, draft.origin, draft.zone, place)
        )
        stamps = [
            Stamp(StampName.FIRST_BYTE.value, signal.received_at, Source.SERVER.value),
            Stamp(StampName.COMMITTED.value, draft.committed_at or self._now, Source.SERVER.value),
            Stamp(StampName.CREATED.value, self._now, Source.SERVER.value),
        ]
        if event is not None and event.occurred_at is not None:
            stamps.insert(0, Stamp(StampName.EVENT.value, event.occurred_at, Source.DEVICE.value))
        incident = Incident(
            id=new_id(),
            number="",
            jurisdiction_id=jurisdiction_id,
            jurisdiction_code=code,
            title_en=title_en,
            title_zh=title_zh,
            kind=SYSTEM_KIND if event is None else event.category.value,
            priority=SYSTEM_PRIORITY if event is None else event.priority,
            opened_at=self._now,
            last_alarm_at=signal.received_at,
            place_id=place.id if place else None,
            device_id=draft.origin.device_id if signal.home is None else None,  # what many share joins nothing of one
            place=None
            if place is None
            else PlaceRef(place.id, place.name, place.name_en, place.address, place.lon, place.lat),
        ).stamped(stamps)
        self._stamps.extend((incident.id, stamp) for stamp in stamps)
        growing = _Growing(
            incident, draft.key, short=short, place_class=place.place_class if place else "", is_new=True
        )
        self._growing.setdefault(draft.key, []).append(growing)
        self.opened_by[draft.signal_id] = incident.id
        return growing

    def _alarm(self, draft: Draft, event: NormalEvent, incident_id: str) -> Alarm:
        place = draft.place
        jurisdiction_id, code, _ = _home(draft)
        number = self._next_number
        self._next_number += 1
        return Alarm(
            id=new_id(),
            number=f"A-{self._month}-{number:06d}",
            signal_id=draft.signal_id,
            incident_id=incident_id,
            device_id=draft.origin.device_id,
            zone_id=draft.zone.id if draft.zone else None,
            place_id=place.id if place else None,
            jurisdiction_id=jurisdiction_id,
            jurisdiction_code=code,
            kind=event.category.value,
            code_system=event.code_system,
            code=event.code,
            priority=event.priority,
            label_en=event.label_en,
            label_zh=event.label_zh,
            area=event.area,
            zone=event.zone,
            text=event.text,
            state=AlarmState.OPEN if draft.restored_at is None else AlarmState.RESTORED,
            occurred_at=event.occurred_at,
            received_at=draft.signal.received_at,
            committed_at=draft.committed_at or self._now,
            restored_at=draft.restored_at,
            channel_id=event.channel or None,
        )

    # --- restores ---

    def restore(self, restores: Sequence[tuple[str, Signal, Origin, NormalEvent]]) -> None:
        """Mark the open alarms restored that these events put back to normal: same device, zone and category."""
        if not restores:
            return
        waiting: dict[tuple[str, str], list[Alarm]] = {}
        for alarm in self._tx.alarms.open_of_zones({(origin.device_id, e.zone) for _, _, origin, e in restores}):
            waiting.setdefault((alarm.device_id, alarm.zone), []).append(alarm)
        fresh: dict[tuple[str, str], list[int]] = {}
        for place, alarm in enumerate(self._alarms):
            fresh.setdefault((alarm.device_id or "", alarm.zone), []).append(place)

        for signal_id, signal, origin, event in restores:
            key = (origin.device_id, event.zone)
            kept = []
            for alarm in waiting.get(key, ()):
                if _is_restored_by(alarm, event):
                    self._restored.append((signal_id, alarm.moved_to(AlarmState.RESTORED, signal.received_at)))
                else:
                    kept.append(alarm)
            waiting[key] = kept
            for place in fresh.get(key, ()):
                alarm = self._alarms[place]
                is_earlier = alarm.signal_id <= signal_id
                if is_earlier and alarm.state is AlarmState.OPEN and _is_restored_by(alarm, event):
                    self._alarms[place] = alarm.moved_to(AlarmState.RESTORED, signal.received_at)
                    self._restored_fresh.append((signal_id, place))

    # --- writing ---

    def write(self, facts: list[Fact]) -> None:
        """Write alarms, incidents, steps, timestamps and restores; add the facts in the order they happened."""
        if self._touched:
            self._write_incidents(facts)
        fresh = [(signal_id, self._alarms[place]) for signal_id, place in self._restored_fresh]
        for signal_id, alarm in (*self._restored, *fresh):
            facts.append(
                AlarmRestored(
                    subject_id=alarm.id,
                    at=self._now,
                    jurisdiction_code=alarm.jurisdiction_code,
                    signal_id=signal_id,
                    incident_id=alarm.incident_id,
                    data=alarm_form(alarm),
                )
            )
        self._tx.alarms.restore([alarm for _, alarm in self._restored])

    def _write_incidents(self, facts: list[Fact]) -> None:
        tx = self._tx
        opened = self._planned([growing for growing in self._touched.values() if growing.is_new])
        joined = [growing for growing in self._touched.values() if not growing.is_new]
        grown = [growing.joined() for growing in joined]
        tx.incidents.save_grown(grown)
        for growing, incident in zip(joined, grown, strict=True):
            self._memory.set_incident(growing.key, incident)
        tx.incidents.insert_many(opened)
        tx.incidents.add_stamps(self._stamps)
        for incident in opened:
            facts.append(
                IncidentOpened(
                    subject_id=incident.id,
                    at=self._now,
                    jurisdiction_code=incident.jurisdiction_code,
                    number=incident.number,
                    priority=incident.priority,
                    plan_id=incident.plan_id or "",
                    plan_version_no=incident.plan_version_no or 0,
                    data=incident_form(incident),
                )
            )
        tx.alarms.insert_many(self._alarms)
        for alarm in self._alarms:
            facts.append(
                AlarmRaised(
                    subject_id=alarm.id,
                    at=self._now,
                    jurisdiction_code=alarm.jurisdiction_code,
                    signal_id=alarm.signal_id,
                    incident_id=alarm.incident_id,
                    device_id=alarm.device_id or "",
                    code=f"{alarm.code_system}:{alarm.code}",
                    priority=alarm.priority,
                    data=alarm_form(alarm),
                )
            )
        for incident in grown:
            facts.append(
                IncidentGrew(
                    subject_id=incident.id,
                    at=self._now,
                    jurisdiction_code=incident.jurisdiction_code,
                    data=incident_form(incident),
                )
            )

    def _planned(self, new: Sequence[_Growing]) -> list[Incident]:
        """Return new incidents with number, plan, steps and first deadline; the steps are written here."""
        if not new:
            return []
        wanted: dict[str, int] = {}
        for growing in new:
            name = f"{growing.short}-{self._month}"
            wanted[name] = wanted.get(name, 0) + 1
        numbers = self._memory.take_numbers(self._tx, wanted)
        plans = self._memory.plans(self._tx)
        steps: list[tuple[str, IncidentStep]] = []
        opened = []
        for growing in new:
            name = f"{growing.short}-{self._month}"
            incident = replace(growing.joined(), number=f"{name}-{numbers[name]:04d}", version=1)
            numbers[name] += 1
            plan = choose_plan(
                plans,
                kind=incident.kind,
                place_class=growing.place_class,
                jurisdiction_code=incident.jurisdiction_code,
            )
            if plan is not None:
                copied = copy_steps(plan.steps)
                steps.extend((incident.id, step) for step in copied)
                incident = replace(
                    incident,
                    plan_id=plan.id,
                    plan_version_no=plan.version_no,
                    plan=PlanRef(plan.id, plan.name, plan.name_en, plan.version_no),
                    next_deadline_at=next_deadline(copied, verdict="none", opened_at=incident.opened_at),
                )
            opened.append(incident)
            self._memory.set_incident(growing.key, incident)
        self._tx.incidents.insert_steps(steps)
        return opened


def _is_restored_by(alarm: Alarm, event: NormalEvent) -> bool:
    """Say whether an event of the same device and zone ends an alarm; hours are those of an area."""
    if alarm.kind != event.category.value:
        return False
    return event.category is not Category.OPENCLOSE or alarm.area == event.area


def _home(draft: Draft) -> tuple[str, str, str]:
    """Return jurisdiction id, division code and short name of where it happened."""
    place, origin = draft.place, draft.origin
    if place is not None:
        return place.jurisdiction_id, place.jurisdiction_code, place.short
    return origin.jurisdiction_id, origin.jurisdiction_code, origin.short
