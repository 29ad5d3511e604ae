"""Commands and questions about alarms: subscription, reset, guard, duty; both sides of the wire.

Source: GB/T 28181-2022, "Device control", "Alarm event subscription" and "Device status query".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.ids import is_acceptable
from tocsin.protocols.gb28181.manscdp import Document, Pair, build_document

SUBSCRIBE_EVENT: Final = "presence"
SUBSCRIBE_EXPIRES_S: Final = 3600
MAX_DUTIES: Final = 512


class Duty(StrEnum):
    """How an alarm point stands."""

    ON = "ONDUTY"
    OFF = "OFFDUTY"
    ALARM = "ALARM"


@dataclass(frozen=True, slots=True)
class GuardState:
    """What a device says of itself: `duties` is (id, duty) of its alarm points."""

    duties: tuple[tuple[str, Duty], ...] = ()

    def summary(self) -> str:
        """Return how many points stand how: `ONDUTY=3 OFFDUTY=1`; empty when the device names none."""
        counts = {duty: sum(found is duty for _, found in self.duties) for duty in Duty}
        return " ".join(f"{duty.value}={count}" for duty, count in counts.items() if count)


def alarm_query(sn: int, device_id: str, label: Label = Label.GB2312) -> bytes:
    """Return the body of a subscription to every alarm of a device, with no end but that of the subscription."""
    fields: list[Pair] = [("StartAlarmPriority", 0), ("EndAlarmPriority", 0), ("AlarmMethod", 0)]
    return build_document("Query", "Alarm", sn, device_id, fields, label=label)


def device_status_query(sn: int, device_id: str, label: Label = Label.GB2312) -> bytes:
    """Return the question for a device's state, with the duty of its alarm points."""
    return build_document("Query", "DeviceStatus", sn, device_id, label=label)


def alarm_reset(sn: int, device_id: str, method: str, type_text: str = "", label: Label = Label.GB2312) -> bytes:
    """Return the command after which a device reports its next device alarm."""
    info: list[Pair] = [("AlarmMethod", method), ("AlarmType", type_text or None)]
    fields: list[Pair] = [("AlarmCmd", "ResetAlarm"), ("Info", info)]
    return build_document("Control", "DeviceControl", sn, device_id, fields, label=label)


def guard_command(sn: int, device_id: str, *, is_set: bool, label: Label = Label.GB2312) -> bytes:
    """Return the command that arms or disarms."""
    fields: list[Pair] = [("GuardCmd", "SetGuard" if is_set else "ResetGuard")]
    return build_document("Control", "DeviceControl", sn, device_id, fields, label=label)


def alarm_notify(sn: int | None, device_id: str, fields: Sequence[Pair], label: Label = Label.GB2312) -> bytes:
    """Return an alarm as a device sends it; `sn` None leaves SN out (a quirk)."""
    body = build_document("Notify", "Alarm", sn or 0, device_id, fields, label=label)
    return body if sn is not None else body.replace(b"<SN>0</SN>\r\n", b"", 1)


def read_guard_state(document: Document) -> GuardState:
    """Read the duty of alarm points from a DeviceStatus response; what is not one of the words is left out."""
    root = document.root
    listed = root.child("Alarmstatus")
    words = {duty.value: duty for duty in Duty}
    duties = [
        (item.get("DeviceID"), words[item.get("DutyStatus").upper()])
        for item in (listed.all("Item") if listed is not None else ())
        if item.get("DutyStatus").upper() in words and is_acceptable(item.get("DeviceID"))
    ]
    return GuardState(tuple(duties[:MAX_DUTIES]))


def is_refusal(document: Document) -> bool:
    """True when a response says that a command was not done."""
    return document.root.get("Result").upper() == "ERROR"
