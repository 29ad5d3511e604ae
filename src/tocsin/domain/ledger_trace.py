"""The way of one signal, from the device to the person: what is known of each moment, and where it comes from.

Pure but for `trace`, which reads. A moment nobody noted is there without a time and says why.
Source: dispatch reference, Timestamps that must be kept; docs/design/0032-delivery-ledger.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from tocsin.base.times import iso
from tocsin.domain.access import Actor, Permission, Scope, scope
from tocsin.domain.alarms import Alarm
from tocsin.domain.forms import optional_iso
from tocsin.domain.incident_detail import HistoryEntry
from tocsin.domain.incident_events import IncidentPresented
from tocsin.domain.incidents import Source, Stamp, StampName
from tocsin.domain.intake_rules import read_events
from tocsin.domain.permits import ON_TEST
from tocsin.domain.refusals import require
from tocsin.domain.rule_acts import ActFilter, RuleAct
from tocsin.domain.signals import LATE, NO_ANSWER, Copy, Signal, SignalState, StoredSignal

WITHOUT_ANSWER: Final = ("onvif", "cap")
"""Protocols in which nobody waits for an acknowledgement; the flag `no_answer` says it of single messages."""
INTERNAL: Final = "internal"
"""The transport of what the house itself says."""


MAX_ALARMS: Final = 50
_MS: Final = timedelta(milliseconds=1)
_LATER: Final = {
    StampName.PRESENTED.value: "presented",
    StampName.CLAIMED.value: "claimed",
    StampName.FIRST_FRAME.value: "first_frame",
    StampName.VERDICT.value: "verdict",
    StampName.ASSIGNED.value: "assigned",
    StampName.ACKNOWLEDGED.value: "unit_acknowledged",
    StampName.CLOSED.value: "closed",
}
_detail = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Step:
    """One moment. `at` is empty when it was not noted; `why` then says so in a word. `gap_ms` is since the last one.

    `is_foreign` marks a time of the device's own clock: its gap is that clock against ours, no delay.
    """

    key: str
    at: datetime | None
    source: str
    why: str = ""
    who: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)
    is_foreign: bool = False
    gap_ms: float | None = None

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "key": self.key,
            "at": optional_iso(self.at),
            "source": self.source,
            "why": self.why,
            "who": self.who,
            "gap_ms": self.gap_ms,
            "foreign": self.is_foreign,
            **self.detail,
        }


@dataclass(frozen=True, slots=True)
class Trace:
    """The way of one signal. `outcome` says in a word what became of it; `acts` are those of rules."""

    stored: StoredSignal
    steps: tuple[Step, ...]
    arrivals: tuple[dict[str, object], ...]
    outcome: str
    acts: tuple[RuleAct, ...] = ()
    is_whole: bool = True

    def form(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        signal = self.stored.signal
        return {
            "signal_id": self.stored.id,
            "device_id": signal.device_id,
            "protocol": signal.protocol,
            "account": signal.account,
            "state": self.stored.state.value,
            "quarantine": signal.quarantine,
            "events": [
                {
                    "code": event.code,
                    "kind": event.kind.value,
                    "zone": event.zone,
                    "label": event.label_zh,
                    "label_en": event.label_en,
                    "label_zh": event.label_zh,
                }
                for event in signal.events
            ],
            "outcome": self.outcome,
            "steps": [step.form() for step in self.steps],
            "arrivals": list(self.arrivals),
            "acts": [act.form() for act in self.acts],
            "whole": self.is_whole,
        }


def asks_answer(signal: Signal) -> bool:
    """Say whether the sender of a signal waits for an acknowledgement."""
    is_asked = signal.protocol not in WITHOUT_ANSWER and signal.transport != INTERNAL
    return is_asked and NO_ANSWER not in signal.flags


def outcome_of(stored: StoredSignal, alarms: Sequence[Alarm], acts: Sequence[RuleAct]) -> str:
    """Return in a word what became of a signal.

    alarm, held, rule (kept back), on_test, restore, late, quarantined, unprocessed, event (asks nothing of anyone).
    """
    if alarms:
        return "alarm"
    if stored.state is SignalState.UNPROCESSED:
        return "unprocessed"
    if stored.signal.quarantine:
        return "quarantined"
    if LATE in stored.signal.flags:
        return "late"
    if ON_TEST in stored.signal.flags:
        return "on_test"
    if any(act.what == "held" for act in acts):
        return "held"
    if acts:
        return "rule"
    reading = read_events(stored.signal)
    if reading.restores:
        return "restore"
    return "event"


def device_steps(signal: Signal) -> list[Step]:
    """Return what the device itself says, its clock beside ours."""
    steps = []
    happened = min((event.occurred_at for event in signal.events if event.occurred_at is not None), default=None)
    for key, at in (("happened", happened), ("sent", signal.sent_at)):
        if at is not None:
            ahead_ms = (at - signal.received_at) / _MS
            steps.append(Step(key, at, Source.DEVICE.value, detail={"ahead_ms": ahead_ms}, is_foreign=True))
    return steps


def way_in(stored: StoredSignal, answered_at: datetime | None, alarms: Sequence[Alarm]) -> list[Step]:
    """Return socket, commit and answer."""
    signal = stored.signal
    committed = stored.committed_at or next((alarm.committed_at for alarm in alarms), None)
    received = Step(
        "received",
        signal.received_at,
        Source.SERVER.value,
        detail={"peer": signal.peer, "transport": signal.transport, "encrypted": signal.encrypted},
    )
    why = "" if answered_at is not None else "not_answered" if asks_answer(signal) else "no_answer_asked"
    return [
        received,
        Step("committed", committed, Source.SERVER.value, why="" if committed is not None else "not_noted"),
        Step("answered", answered_at, Source.SERVER.value, why=why),
    ]


def alarm_steps(alarm: Alarm, pushed: tuple[datetime, int] | None, acts: Sequence[RuleAct]) -> list[Step]:
    """Return the alarm and when consoles were told of it."""
    released = [act.ended_at for act in acts if act.alarm_id == alarm.id and act.ended_at is not None]
    common = {"alarm_id": alarm.id, "number": alarm.number, "incident_id": alarm.incident_id}
    raised = Step(
        "alarm",
        max(released, default=alarm.committed_at),
        Source.SERVER.value,
        detail={**common, "priority": alarm.priority, "label_en": alarm.label_en, "label_zh": alarm.label_zh},
    )
    if pushed is None:
        return [raised, Step("pushed", None, Source.SERVER.value, why="not_noted", detail=common)]
    return [raised, Step("pushed", pushed[0], Source.SERVER.value, detail={**common, "consoles": pushed[1]})]


def later_steps(
    incident_id: str, number: str, stamps: Iterable[Stamp], history: Sequence[HistoryEntry], names: Mapping[str, str]
) -> list[Step]:
    """Return what screens and persons did with the incident of an alarm; of each moment the one that counts."""
    standing: dict[str, Stamp] = {}
    for stamp in stamps:
        if stamp.stamp in _LATER:
            if stamp.is_withdrawn:
                standing.pop(stamp.stamp, None)
            else:
                standing[stamp.stamp] = stamp
    steps = []
    for name, key in _LATER.items():
        stamp_ = standing.get(name)
        if stamp_ is None:
            continue
        detail: dict[str, object] = {"incident_id": incident_id, "incident_number": number}
        if key == "presented":
            shown = next((entry for entry in history if entry.action == IncidentPresented.ACTION), None)
            detail["seat"] = str(_detail.decode(shown.detail).get("seat", "")) if shown is not None else ""
        steps.append(Step(key, stamp_.at, stamp_.source, who=names.get(stamp_.who, ""), detail=detail))
    return steps


def with_gaps(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return the steps in order of time, our own clock's with the gap since the one before.

    The device's own come first whatever its clock says; a moment without a time stays where it belongs.
    """
    foreign = [step for step in steps if step.is_foreign]
    ours: list[Step] = []
    for step in (step for step in steps if not step.is_foreign):
        place = len(ours)
        if step.at is not None:
            while place and (other := ours[place - 1].at) is not None and other > step.at:
                place -= 1
        ours.insert(place, step)
    result = list(foreign)
    last: datetime | None = None
    for step in ours:
        gap_ms = None if step.at is None or last is None else (step.at - last) / _MS
        result.append(_gapped(step, gap_ms))
        last = step.at or last
    return tuple(result)


def _gapped(step: Step, gap_ms: float | None) -> Step:
    return Step(step.key, step.at, step.source, step.why, step.who, step.detail, step.is_foreign, gap_ms)


def _arrivals(
    stored: StoredSignal, copies: Sequence[Copy], answers: Mapping[str, datetime]
) -> tuple[dict[str, object], ...]:
    """Return each time the signal came."""
    signal = stored.signal
    first = Copy(
        stored.id,
        stored.id,
        signal.received_at,
        stored.committed_at or signal.received_at,
        signal.transport,
        signal.peer,
    )
    rows: list[dict[str, object]] = []
    for copy in (first, *copies):
        answered = answers.get(copy.id)
        rows.append(
            {
                "id": copy.id,
                "received_at": iso(copy.received_at),
                "answered_at": optional_iso(answered),
                "answer_ms": None if answered is None else (answered - copy.received_at) / _MS,
                "after_ms": (copy.received_at - signal.received_at) / _MS,
                "transport": copy.transport,
                "peer": copy.peer,
            }
        )
    return tuple(rows)


def trace(tx: Any, signal_id: str, actor: Actor) -> Trace:
    """Return the way of one signal as the actor may see it. Errors: FORBIDDEN, NOT_FOUND."""
    may_read_incidents = actor.may(Permission.READ_INCIDENTS)
    stored: StoredSignal = tx.signals.get(
        signal_id, visible_to=require(actor, Permission.READ_REGISTRY), without_silent=not may_read_incidents
    )
    copies: list[Copy] = tx.ledger.copies(signal_id)
    answers: dict[str, datetime] = tx.ledger.answers([signal_id, *(copy.id for copy in copies)])
    visible = scope(actor, Permission.READ_INCIDENTS) if may_read_incidents else Scope()
    alarms: list[Alarm] = tx.ledger.alarms(signal_id, visible_to=visible, limit=MAX_ALARMS)
    acts: list[RuleAct] = []
    if may_read_incidents:
        acts = tx.rules.find_acts(ActFilter(signal_ids=(signal_id,)), visible_to=visible)
    steps = device_steps(stored.signal) + way_in(stored, answers.get(signal_id), alarms)
    pushes = tx.ledger.pushes([alarm.id for alarm in alarms])
    incidents = tx.incidents.load({alarm.incident_id for alarm in alarms})
    for alarm in alarms:
        steps += alarm_steps(alarm, pushes.get(alarm.id), acts)
    for incident_id, incident in sorted(incidents.items()):
        stamps = tx.incidents.stamps(incident_id)
        names = tx.ledger.people([stamp.who for stamp in stamps if stamp.who])
        steps += later_steps(incident_id, incident.number, stamps, tx.incidents.history(incident_id), names)
    outcome = outcome_of(stored, alarms, acts)
    if not may_read_incidents and read_events(stored.signal).alarms and outcome == "event":
        outcome = "not_shown"
    return Trace(
        stored,
        with_gaps(steps),
        _arrivals(stored, copies, answers),
        outcome,
        tuple(acts),
        is_whole=may_read_incidents,
    )
