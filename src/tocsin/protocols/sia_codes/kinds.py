"""What an event does to the state of its source, where its code says nothing more than category and priority."""

from __future__ import annotations

from tocsin.base.normal import Category, EventKind

LOG_PRIORITY = 9
UNKNOWN_PRIORITY = 5

_ALARMS = frozenset(
    {Category.MEDICAL, Category.FIRE, Category.PANIC, Category.DURESS, Category.GAS}
    | {Category.BURGLARY, Category.PERIMETER}
)
_FIXED = {
    Category.SUPERVISORY: EventKind.SUPERVISION,
    Category.TROUBLE: EventKind.TROUBLE,
    Category.POWER: EventKind.TROUBLE,
    Category.COMMS: EventKind.TROUBLE,
    Category.OPENCLOSE: EventKind.OPEN,
    Category.BYPASS: EventKind.BYPASS,
    Category.TEST: EventKind.TEST,
    Category.VERIFY: EventKind.STATUS,
    Category.CANCEL: EventKind.CANCEL,
}
# Up to which priority these are an alarm; beyond it they are a trouble.
_ALARM_UP_TO = {Category.TAMPER: 4, Category.TECHNICAL: 5, Category.ACCESS: 4}


def kind_of(category: Category, priority: int) -> EventKind:
    """Return the kind of an event that has just begun."""
    if category in _ALARMS or priority <= _ALARM_UP_TO.get(category, 0):
        return EventKind.ALARM
    if category in _FIXED:
        return _FIXED[category]
    if priority <= 6:
        return EventKind.TROUBLE
    return EventKind.STATUS if priority <= 8 else EventKind.LOG
