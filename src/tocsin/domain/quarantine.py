"""The quarantine and its repairs: what nobody understood is read again once somebody says what it means.

What came is never changed. A repair lays a reading beside a signal, and while one lies there the signal counts as
processed. Two kinds: a code means an event of our tables (for the house, a model or one device, from then on as well),
and an account belongs to a device. Each is previewed, is one audit record with its reason, and can be taken back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from tocsin.base.normal import NormalEvent
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain.alarms import asks_for_decision
from tocsin.domain.signals import LATE, LATE_AFTER, Signal, StoredSignal

UNKNOWN_CODE: Final = frozenset({"unknown_code", "unknown_qualifier", "undecoded", "unknown_receiver_event"})
"""Reasons that end once a code has a meaning; what was refused for safety is never read again."""

UNKNOWN_SENDER: Final = frozenset({"unknown_account", "unknown_device"})
EXPLAINED: Final = "explained"
"""A flag: a person said what its code means or whose it is."""

WORDS: Final = Words(
    {
        "quarantine.nothing": ("No signal in quarantine fits this.", "待查信号中没有符合条件的。"),
        "quarantine.no_event": ("There is no such event in our tables: {event}", "事件表中没有此事件：{event}"),
        "quarantine.no_model": ("The device has neither maker nor model entered.", "该设备未填写厂商和型号。"),
        "quarantine.undone": ("It was taken back already.", "该修复已撤销。"),
        "quarantine.whole_house": (
            "A meaning for the whole house or a model is entered by somebody who manages the whole house.",
            "全平台或型号的代码含义须由管理全部辖区的人员录入。",
        ),
        "quarantine.taken": (
            "This code has a meaning already: take that back first.",
            "该代码已有含义，请先撤销原有的。",
        ),
    }
)


class RepairKind(StrEnum):
    """What a repair says: what a code means, or whose an account is."""

    CODE = "code"
    ACCOUNT = "account"


class Reach(StrEnum):
    """For whom a code means that."""

    DEVICE = "device"
    MODEL = "model"
    HOUSE = "house"


@dataclass(frozen=True, slots=True)
class Repair:
    """One repair. Of a code: `reach` with the device's id or its maker and model, `target` the event it means.

    Of an account: protocol and account as they stand on the wire, and the device. The counts are of signals read again.
    """

    id: str
    kind: RepairKind
    reason: str
    jurisdiction_code: str = ""
    reach: str = ""
    reach_value: str = ""
    code_system: str = ""
    code: str = ""
    target: str = ""
    event: NormalEvent | None = None
    protocol: str = ""
    account: str = ""
    device_id: str = ""
    created_at: datetime | None = None
    created_by: str = ""
    undone_at: datetime | None = None
    undone_by: str = ""
    read: int = 0
    late: int = 0
    alarms: int = 0

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        event = self.event
        return {
            "id": self.id,
            "kind": self.kind.value,
            "reason": self.reason,
            "reach": self.reach,
            "reach_value": self.reach_value,
            "code_system": self.code_system,
            "code": self.code,
            "event": self.target,
            "event_en": event.label_en if event is not None else "",
            "event_zh": event.label_zh if event is not None else "",
            "priority": event.priority if event is not None else None,
            "protocol": self.protocol,
            "account": self.account,
            "device_id": self.device_id or None,
            "created_at": None if self.created_at is None else iso(self.created_at),
            "created_by": self.created_by,
            "undone_at": None if self.undone_at is None else iso(self.undone_at),
            "undone_by": self.undone_by,
            "read": self.read,
            "late": self.late,
            "alarms": self.alarms,
        }


@dataclass(frozen=True, slots=True)
class SignalReading:
    """What a signal says by a repair."""

    signal_id: str
    repair_id: str
    device_id: str
    events: tuple[NormalEvent, ...]
    is_late: bool


@dataclass(frozen=True, slots=True)
class SourceCount:
    """How many signals of one source wait for one reason; `example` is the newest."""

    protocol: str
    account: str
    device_id: str
    device_name: str
    device_name_en: str
    reason: str
    count: int
    first_at: datetime
    last_at: datetime
    example: NormalEvent | None = None

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        event = self.example
        return {
            "protocol": self.protocol,
            "account": self.account,
            "device_id": self.device_id or None,
            "device_name": self.device_name,
            "device_name_en": self.device_name_en,
            "reason": self.reason,
            "count": self.count,
            "first_at": iso(self.first_at),
            "last_at": iso(self.last_at),
            "code_system": event.code_system if event is not None else "",
            "code": event.code if event is not None else "",
        }


@dataclass(slots=True)
class Preview:
    """What a repair would do, counted before anything is done. `alarms` would open now; `late_alarms` are too old."""

    read: int = 0
    late: int = 0
    alarms: int = 0
    late_alarms: int = 0
    not_understood: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    by_source: dict[tuple[str, str], int] = field(default_factory=dict)

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        sources = sorted(self.by_source.items(), key=lambda item: -item[1])[:20]
        return {
            "read": self.read,
            "late": self.late,
            "alarms": self.alarms,
            "late_alarms": self.late_alarms,
            "not_understood": self.not_understood,
            "first_at": None if self.first_at is None else iso(self.first_at),
            "last_at": None if self.last_at is None else iso(self.last_at),
            "sources": [{"account": a, "device_id": d or None, "count": n} for (a, d), n in sources],
        }

    def count(self, before: StoredSignal, after: Signal | None) -> None:
        """Count one signal that fits; None when it would still not be understood."""
        if after is None:
            self.not_understood += 1
            return
        self.read += 1
        at, is_late = before.signal.received_at, LATE in after.flags
        self.first_at = at if self.first_at is None else min(self.first_at, at)
        self.last_at = at if self.last_at is None else max(self.last_at, at)
        self.late += is_late
        if any(event.is_known and asks_for_decision(event) for event in after.events):
            self.alarms += not is_late
            self.late_alarms += is_late
        source = (before.signal.account, after.device_id or "")
        self.by_source[source] = self.by_source.get(source, 0) + 1


def explained(event: NormalEvent, meaning: NormalEvent) -> NormalEvent:
    """Return an event with a meaning laid over it: code, place, text and time stay its own."""
    return replace(
        event,
        kind=meaning.kind,
        category=meaning.category,
        priority=meaning.priority,
        label_en=meaning.label_en,
        label_zh=meaning.label_zh,
        is_known=True,
    )


def read_with(signal: Signal, meanings: Mapping[tuple[str, str], NormalEvent]) -> Signal | None:
    """Return a signal of a known device as meanings of codes explain it; None when they explain nothing of it."""
    if signal.quarantine not in UNKNOWN_CODE or not signal.device_id:
        return None
    events = tuple(
        explained(event, meaning)
        if not event.is_known and (meaning := meanings.get((event.code_system, event.code))) is not None
        else event
        for event in signal.events
    )
    if events == signal.events:
        return None
    return replace(signal, events=events, quarantine="", flags=(*signal.flags, EXPLAINED))


def read_again(stored: StoredSignal, repair: Repair, now: datetime) -> Signal | None:
    """Return a kept signal as a repair explains it, `late` when too old to raise an alarm; None when it does not."""
    signal = stored.signal
    if repair.kind is RepairKind.CODE:
        if repair.event is None:
            return None
        after = read_with(signal, {(repair.code_system, repair.code): repair.event})
    else:
        is_meant = (signal.protocol, signal.account) == (repair.protocol, repair.account)
        if not is_meant or signal.quarantine not in UNKNOWN_SENDER or not any(e.is_known for e in signal.events):
            return None
        after = replace(signal, device_id=repair.device_id, quarantine="", flags=(*signal.flags, EXPLAINED))
    if after is not None and now - signal.received_at > LATE_AFTER and LATE not in after.flags:
        after = replace(after, flags=(*after.flags, LATE))
    return after


def meanings_of(
    repairs: Iterable[Repair], device_id: str, maker: str, model: str
) -> dict[tuple[str, str], NormalEvent]:
    """Return what codes of one device mean: said for itself, else for its model, else for the house."""
    found: dict[tuple[str, str], NormalEvent] = {}
    values = {Reach.HOUSE: "", Reach.MODEL: model_of(maker, model), Reach.DEVICE: device_id}
    live: Sequence[Repair] = list(repairs)
    for reach, value in values.items():
        if reach is Reach.MODEL and not value:
            continue
        for repair in live:
            if repair.event is not None and repair.reach == reach and repair.reach_value == value:
                found[(repair.code_system, repair.code)] = repair.event
    return found


def model_of(maker: str, model: str) -> str:
    """Return the words a model is known by; empty when neither is entered."""
    return f"{maker.strip()} {model.strip()}".strip().lower()
