"""What a CAP message means to a control room: a public warning, its end, or nothing to act on. Pure.

Only `Actual` messages raise anything. An `Update` ends what it refers to and stands in its place, a `Cancel` only ends
it; what has expired is kept as a record. The zone of such an event is the message's identifier, so that an end finds
its beginning.

Source: OASIS CAP 1.2, msgType, status, references, expires; alarm reference, CAP 1.2 and EDXL-DE.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.protocols.cap.alert import Alert, Area, Info
from tocsin.protocols.cap.codes import SYSTEM

MAX_LABEL_CHARS: Final = 120
MAX_TEXT_CHARS: Final = 500
_PRIORITY: Final = {"Extreme": 2, "Severe": 3, "Moderate": 4, "Minor": 6, "Unknown": 5}
_LOG: Final = 9
_UNKNOWN_PRIORITY: Final = 5


def to_events(alert: Alert, now: datetime) -> tuple[NormalEvent, ...]:
    """Return the normal form of a message, in the order things happen.

    One whose status or kind is none of the standard's is one unknown event with that word as its code: somebody says
    what it means (`codes.py`).
    """
    if alert.strange:
        return (_unknown(alert),)
    if alert.status != "Actual":
        kind = EventKind.LOG if alert.status == "Draft" else EventKind.TEST
        return (_event(alert, kind, _LOG, f"{alert.status}: ", _STATUS_ZH[alert.status]),)
    if alert.msg_type in ("Ack", "Error"):
        return (_event(alert, EventKind.LOG, _LOG, f"{alert.msg_type}: ", ""),)
    ended = tuple(
        _event(alert, EventKind.RESTORE, _LOG, "Over: ", "解除：", zone=zone_of(reference.identifier))
        for reference in alert.references
    )
    if alert.msg_type == "Cancel":
        return ended or (_event(alert, EventKind.LOG, _LOG, "Cancelled: ", "取消："),)
    infos = [info for info in alert.infos if info.expires is None or info.expires > now]
    if not infos:
        return (*ended, _event(alert, EventKind.LOG, _LOG, "Expired: ", "已过期："))
    if all("AllClear" in info.responses for info in infos):
        return ended or (_event(alert, EventKind.LOG, _LOG, "All clear: ", "解除："),)
    return (*ended, _event(alert, EventKind.ALARM, min(map(priority_of, infos)), "", ""))


_STATUS_ZH: Final = {"Exercise": "演练：", "System": "系统：", "Test": "测试：", "Draft": "草稿："}


def zone_of(identifier: str) -> str:
    """Return what stands for a message where a zone stands: its identifier, or a hash of one that is too long."""
    return identifier if len(identifier) <= 64 else hashlib.sha256(identifier.encode()).hexdigest()[:32]


def priority_of(info: Info) -> int:
    """Return the priority of a warning: by severity, one step graver when it is at once and seen to happen."""
    found = _PRIORITY[info.severity]
    is_now = info.urgency == "Immediate" and info.certainty in ("Observed", "Likely")
    return max(1, found - 1) if is_now else found


def centre_of(areas: Sequence[Area]) -> tuple[float, float] | None:
    """Return longitude and latitude in the middle of the first area that has a shape."""
    for area in areas:
        if area.circles:
            return area.circles[0].lon, area.circles[0].lat
        if area.polygons:
            corners = area.polygons[0][:-1]
            return sum(p[1] for p in corners) / len(corners), sum(p[0] for p in corners) / len(corners)
    return None


def _unknown(alert: Alert) -> NormalEvent:
    event = _event(alert, EventKind.LOG, _UNKNOWN_PRIORITY, "Unknown word: ", "含义不明：")
    return replace(
        event,
        code=_plain(alert.strange, 64),
        category=Category.UNKNOWN,
        text=_plain(f"{event.label_zh} · {event.text}", MAX_TEXT_CHARS),
        qualifier="",
        is_known=False,
    )


def _event(alert: Alert, kind: EventKind, priority: int, lead_en: str, lead_zh: str, zone: str = "") -> NormalEvent:
    english = _in_language(alert.infos, "en")
    chinese = _in_language(alert.infos, "zh")
    label_en, label_zh = _label(english or chinese, alert), _label(chinese or english, alert)
    info = chinese or english
    centre = centre_of(info.areas) if info is not None else None
    words = []
    if info is not None:
        words = [", ".join(area.desc for area in info.areas), info.description]
    return NormalEvent(
        SYSTEM,
        _plain(info.event if info is not None else alert.msg_type, 64),
        kind,
        Category.PUBLIC_WARNING,
        priority,
        (lead_en + label_en)[:MAX_LABEL_CHARS],
        ((lead_zh or lead_en) + label_zh)[:MAX_LABEL_CHARS],
        qualifier=alert.msg_type,
        area=_plain(alert.sender, 32),
        zone=zone or zone_of(alert.identifier),
        text=_plain(" · ".join(word for word in words if word), MAX_TEXT_CHARS),
        occurred_at=(info.onset or info.effective or alert.sent) if info is not None else alert.sent,
        lon=centre[0] if centre else None,
        lat=centre[1] if centre else None,
    )


def _in_language(infos: Sequence[Info], language: str) -> Info | None:
    for info in infos:
        if info.language.lower().startswith(language):
            return info
    return infos[0] if infos else None


def _label(info: Info | None, alert: Alert) -> str:
    if info is None:
        return _plain(f"{alert.msg_type} {alert.identifier}", MAX_LABEL_CHARS)
    return _plain(info.headline or info.event, MAX_LABEL_CHARS)


def _plain(text: str, limit: int) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:limit]
