"""Messages as JSON never raise, and what may be kept of them never says who somebody is."""

from __future__ import annotations

from tocsin.base.message_form import MessageForm
from tocsin.protocols.messages import event
from tocsin.protocols.messages.event import Message
from tocsin.protocols.messages.signature import check

SEEDS: list[bytes] = [
    b'{"code":"door_forced","zone":"3","priority":2,"occurred_at":"2026-11-27T08:30:00+08:00","id":"x"}',
    b'{"events":[{"code":"fire","state":"restored"},{"code":"cid:1130","area":1}]}',
    b'[{"code":"sia:BA"},{"code":"access_granted","card":"77-ZZ-77"}]',
    b'{"a":{"b":[{"t":27,"d":{"no":4}}]},"cardNo":"77-ZZ-77","text":"77-ZZ-77"}',
    b"ON",
    b"1795766400|v1=00",
]
FORMS = (
    MessageForm(),
    MessageForm("access", {"code": "a.b.0.t", "zone": "a.b.0.d.no"}, {"27": "door_forced"}),
    MessageForm("events", {"code": ".", "zone": "topic.1"}, {"ON": "panic"}),
)


def run_one(data: bytes) -> None:
    """Read one message in three forms, and once more what may be kept of it."""
    for form in FORMS:
        found = event.read(data, form, "a/b")
        event.unreadable(data, form)
        if isinstance(found, Message):
            assert all(1 <= one.priority <= 9 and len(one.zone) <= 64 for one in found.events)
            if found.kept and found.kept != data:
                assert isinstance(event.read(found.kept, form, "a/b"), Message)
    stamp, _, signature = data.decode("latin-1").partition("|")
    check(stamp, signature, data, [b"secret"], 1795766400.0)
