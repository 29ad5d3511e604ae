"""Every event of every protocol in the normal form, as one table: what a code of the field may be said to mean.

Each codec keeps its own table; here they are laid side by side for those who look for an event, and for the test that
no row lacks a text.
"""

from __future__ import annotations

from collections.abc import Iterator

from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.protocols.cap import codes as cap_codes
from tocsin.protocols.contact_id import codes as cid_codes
from tocsin.protocols.contact_id.payload import CidReport
from tocsin.protocols.contact_id.payload import to_event as cid_event
from tocsin.protocols.gb28181 import alarm as gb_alarm
from tocsin.protocols.intercom import events as intercom_events
from tocsin.protocols.jt808 import alarms as jt808_alarms
from tocsin.protocols.messages import codes as message_codes
from tocsin.protocols.onvif.events import TOPICS
from tocsin.protocols.receiver_lines import high_speed, surgard
from tocsin.protocols.sia_codes import codes as sia_codes

Row = tuple[str, EventKind, Category, int, str, str]


def all_events() -> Iterator[NormalEvent]:
    """Yield every event of every table."""
    for code in sorted(cid_codes.CODES):
        for qualifier in "13":
            yield cid_event(CidReport("", qualifier, code, "00", "000"))
    for _, sia in sorted(sia_codes.CODES.items()):
        yield NormalEvent("sia", sia.code, sia.kind, sia.category, sia.priority, sia.label_en, sia.label_zh)
    for topic in {topic.code: topic for topic in TOPICS.values()}.values():
        yield NormalEvent(
            "onvif", topic.code, topic.kind, topic.category, topic.priority, topic.label_en, topic.label_zh
        )
    for (method, number), meaning in sorted(
        {**{(m, 0): one for m, one in gb_alarm.METHODS.items()}, **gb_alarm.TYPES}.items()
    ):
        if meaning.category is not Category.UNKNOWN:  # by telephone, by text: what happened, nobody can say
            code = f"{method}/{number}" if number else str(method)
            yield NormalEvent(
                "gb28181", code, meaning.kind, meaning.category, meaning.priority, meaning.label_en, meaning.label_zh
            )
    for bit, said in sorted(jt808_alarms.MEANINGS.items()):
        yield NormalEvent("jt808", f"bit{bit}", said.kind, said.category, said.priority, said.label_en, said.label_zh)
    for text, word in sorted(message_codes.WORDS.items()):
        yield NormalEvent("message", text, word.kind, word.category, word.priority, word.label_en, word.label_zh)
    for system, rows in (
        (high_speed.SYSTEM, high_speed.ROWS),
        (surgard.SYSTEM, surgard.ROWS),
        (intercom_events.SYSTEM, intercom_events.ROWS),
        (cap_codes.SYSTEM, cap_codes.ROWS),
    ):
        for row in rows:
            yield NormalEvent(system, *row)


def meanings() -> dict[str, NormalEvent]:
    """Return what a code may be said to mean, by an id such as `cid:1130`: every event of every table."""
    return {f"{event.code_system}:{event.code}": event for event in all_events()}
