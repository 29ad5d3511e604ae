"""What intercoms report, in the normal form: calls, SOS, and text alarms.

Source: alarm reference, SIP door intercoms, and Normalised event.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.protocols.messages import codes

SYSTEM: Final = "sip"
MAX_TEXT: Final = 200
ROWS: Final[tuple[tuple[str, EventKind, Category, int, str, str], ...]] = (
    ("door_call", EventKind.LOG, Category.ACCESS, 9, "Door call", "门口呼叫"),
    ("door_call_missed", EventKind.LOG, Category.ACCESS, 9, "Missed door call", "未接的门口呼叫"),
    ("sos_call", EventKind.ALARM, Category.PANIC, 1, "SOS call from an intercom", "对讲机紧急呼叫"),
    ("call_raised", EventKind.ALARM, Category.ACCESS, 3, "Raised from a door call", "门口呼叫转警情"),
)
_BY_CODE: Final = {row[0]: NormalEvent(SYSTEM, *row) for row in ROWS}
_ELEMENT: Final = re.compile(
    r"<(?:\w+:)?(?:event|alarm|alarmtype|type|code|msg|text)\b[^>]{0,80}>([^<]{1,64})<", re.IGNORECASE
)
_OVER: Final = frozenset({"restore", "restored", "over", "ok", "normal", "恢复"})
_ALIASES: Final = {
    **dict.fromkeys(("sos", "help", "emergency", "panic_alarm", "求助", "紧急求助", "报警"), "panic"),
    **dict.fromkeys(("forced", "door_forced_open", "forced_open", "撬门", "门被撬"), "door_forced"),
    **dict.fromkeys(("held", "door_held_open", "door_open_too_long", "门未关"), "door_held"),
    **dict.fromkeys(("tampered", "防拆", "防拆报警"), "tamper"),
}


def call_event(code: str, called: str = "") -> NormalEvent:
    """Return one of the events of calls; `called` is the number the intercom rang."""
    return replace(_BY_CODE[code], text=called)


def read_text(body: bytes) -> NormalEvent:
    """Return what a MESSAGE says, in plain words or in an element of XML; unknown when it says nothing we know."""
    text = body[:4096].decode("utf-8", "replace").replace("\0", "").strip()
    element = _ELEMENT.search(text)
    said = (element[1] if element else text).strip()
    words = [word for word in re.split(r"[^\w]+", said.lower()) if word][:3]
    for count in range(len(words), 0, -1):
        word = "_".join(words[:count])
        found = codes.find(_ALIASES.get(word, word), is_over=not _OVER.isdisjoint(words[count:]))
        if found.is_known:
            return replace(found, text=said[:MAX_TEXT])
    return replace(codes.find(said[:40] or "empty"), text=said[:MAX_TEXT])
