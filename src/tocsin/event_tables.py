"""Every event of every protocol in the normal form, as one table: what a code of the field may be said to mean.

Each codec keeps its own table; here they are laid side by side for those who look for an event, and for the test that
no row lacks a text.
"""

from __future__ import annotations

from collections.abc import Iterator

from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.protocols.contact_id import codes as cid_codes
from tocsin.protocols.contact_id.payload import CidReport
from tocsin.protocols.contact_id.payload import to_event as cid_event
from tocsin.protocols.intercom import events as intercom_events
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
    for system, rows in (
        (high_speed.SYSTEM, high_speed.ROWS),
        (surgard.SYSTEM, surgard.ROWS),
        (intercom_events.SYSTEM, intercom_events.ROWS),
    ):
        for row in rows:
            yield NormalEvent(system, *row)


def meanings() -> dict[str, NormalEvent]:
    """Return what a code may be said to mean, by an id such as `cid:1130`: the events of Contact ID."""
    return {f"cid:{event.code}": event for event in all_events() if event.code_system == "cid"}
