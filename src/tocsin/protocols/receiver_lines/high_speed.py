"""Ademco high speed: eight channel digits and one that says what they are, as Sur-Gard and 685 lines carry them.

Source: alarm reference, Sur-Gard, Ademco high speed. What a channel guards is a matter of the panel, so an alarm of one
is an untyped zone alarm.
"""

from __future__ import annotations

from typing import Final

from tocsin.base.normal import Category, EventKind, NormalEvent

SYSTEM: Final = "high_speed"
_OF_DIGIT: Final = {
    "0": (EventKind.TROUBLE, Category.TROUBLE, 5, "Channel trouble", "通道故障"),
    "1": (EventKind.ALARM, Category.BURGLARY, 2, "Channel alarm", "通道报警"),
    "2": (EventKind.OPEN, Category.OPENCLOSE, 9, "Disarmed by user", "用户撤防"),
    "3": (EventKind.RESTORE, Category.BURGLARY, 9, "Channel restored", "通道恢复"),
    "4": (EventKind.CLOSE, Category.OPENCLOSE, 9, "Armed by user", "用户布防"),
    "6": (EventKind.STATUS, Category.BURGLARY, 9, "Channel alarm, still present", "通道报警（持续）"),
}
_OF_LAST: Final = {
    "1": (EventKind.ALARM, Category.DURESS, 1, "Duress", "胁迫报警"),
    "8": (EventKind.TROUBLE, Category.POWER, 5, "Battery low", "电池欠压"),
    "9": (EventKind.TEST, Category.TEST, 9, "Test report", "测试报告"),
}
_STATUS: Final = "7"
_NORMAL: Final = (EventKind.STATUS, Category.SYSTEM, 9, "Status report", "状态报告")
ROWS: Final = (
    *((f"channel {digit}", *row) for digit, row in _OF_DIGIT.items()),
    *((f"report {digit}", *row) for digit, row in _OF_LAST.items()),
    ("status", *_NORMAL),
)
"""Every event as (code, kind, category, priority, English, Chinese)."""


def to_events(channels: str, last: str) -> tuple[NormalEvent, ...]:
    """Return what eight channel digits and the ninth say; at least one event, a status when nothing has happened."""
    found = []
    if last in _OF_LAST:
        kind, category, priority, en, zh = _OF_LAST[last]
        found.append(NormalEvent(SYSTEM, f"report {last}", kind, category, priority, en, zh))
    for number, digit in enumerate(channels, 1):
        meaning = _OF_DIGIT.get(digit)
        if meaning is None:
            continue
        if last == _STATUS and digit == "1":
            digit, meaning = "6", _OF_DIGIT["6"]
        kind, category, priority, en, zh = meaning
        is_user = kind in (EventKind.OPEN, EventKind.CLOSE)
        found.append(
            NormalEvent(
                SYSTEM,
                f"channel {digit}",
                kind,
                category,
                priority,
                en,
                zh,
                zone="" if is_user else str(number),
                user=str(number) if is_user else "",
            )
        )
    return tuple(found) or (NormalEvent(SYSTEM, "status", *_NORMAL),)
