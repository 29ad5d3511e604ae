"""The events that hours and permits hand to intake, as signals of our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Final

from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.base.times import iso
from tocsin.domain.schedules import Finding, Found
from tocsin.domain.signals import Signal
from tocsin.domain.supervision_signals import own_signal

LEFT_OFF: Final = "test.left_off"
LEFT_OFF_PRIORITY: Final = 5
_SAYS: Final[Mapping[Finding, tuple[EventKind, int, str, str]]] = {
    Finding.OPEN_EARLY: (EventKind.ALARM, 7, "Opened early, hours from {expected}", "提前开门（营业 {expected} 起）"),
    Finding.OPEN_OFF_HOURS: (EventKind.ALARM, 6, "Opened outside its hours", "非营业时段开门"),
    Finding.OPEN_USER: (
        EventKind.ALARM,
        6,
        "Opened by user {user}, who is not on its list",
        "名单外的用户 {user} 开门撤防",
    ),
    Finding.OPEN_LATE: (EventKind.ALARM, 7, "Not opened by {expected}", "到 {expected} 仍未开门"),
    Finding.OPEN_AFTER_LATE: (EventKind.RESTORE, 7, "Opened after all", "迟到后已开门"),
    Finding.CLOSE_EARLY: (EventKind.STATUS, 8, "Closed early, hours until {expected}", "提前关门（营业至 {expected}）"),
    Finding.CLOSE_LATE: (EventKind.ALARM, 6, "Not closed by {expected}", "到 {expected} 仍未关门布防"),
    Finding.CLOSE_AFTER_LATE: (EventKind.RESTORE, 7, "Closed after all", "逾时后已关门布防"),
}
_AGAIN: Final = (", reminder {turn}", "，第 {turn} 次提醒")


def found_signal(
    device_id: str, label: str, at: datetime, found: Found, area: str, zone: tzinfo | None, schedule_id: str
) -> Signal:
    """Return what hours found; times are of the house's clock."""
    kind, priority, en, zh = _SAYS[found.what]
    expected = "" if found.expected is None else f"{found.expected.astimezone(zone):%H:%M}"
    if found.turn:
        en, zh = en + _AGAIN[0], zh + _AGAIN[1]
    words = [text.format(expected=expected, turn=found.turn, user=found.user) for text in (en, zh)]
    if area:
        words = [f"{words[0]}, area {area}", f"{area} 分区{words[1]}"]
    event = NormalEvent("tocsin", found.what.value, kind, Category.OPENCLOSE, priority, words[0], words[1], area=area)
    detail: dict[str, object] = {
        "schedule_id": schedule_id,
        "expected": "" if found.expected is None else iso(found.expected),
        "turn": found.turn,
    }
    return own_signal(device_id, label, at, event, detail)


def left_signal(device_id: str, label: str, at: datetime, zones: Sequence[str], permit_id: str) -> Signal:
    """Return that a test has ended by time with zones still in alarm."""
    listed = ", ".join(zones[:20])
    event = NormalEvent(
        "tocsin",
        LEFT_OFF,
        EventKind.TROUBLE,
        Category.TEST,
        LEFT_OFF_PRIORITY,
        f"Test over, still in alarm: zone {listed}",
        f"测试已结束，防区 {'、'.join(zones[:20])} 仍在报警",
    )
    return own_signal(device_id, label, at, event, {"zones": list(zones), "permit_id": permit_id})
