"""Messages: the normal form, makers' forms, bounds, and what is never kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.base.message_form import MessageForm, is_about_somebody
from tocsin.base.normal import Category, EventKind
from tocsin.protocols.contact_id.payload import CidReport
from tocsin.protocols.contact_id.payload import to_event as cid_event
from tocsin.protocols.messages import codes, event
from tocsin.protocols.messages.event import Message, Wrong


def said(value: Any, form: MessageForm | None = None, topic: str = "") -> Message:
    found = event.read(json.dumps(value).encode(), form or MessageForm(), topic)
    assert isinstance(found, Message), found
    return found


def wrong(value: Any, form: MessageForm | None = None) -> tuple[str, str]:
    found = event.read(value if isinstance(value, bytes) else json.dumps(value).encode(), form or MessageForm())
    assert isinstance(found, Wrong), found
    return found.field, found.reason


def test_the_normal_form_keeps_every_part_and_the_bytes_as_they_came() -> None:
    body = {
        "code": "burglary",
        "zone": "007",
        "area": "1",
        "text": "North\twindow",
        "priority": 3,
        "occurred_at": "2026-11-27T16:30:00+08:00",
        "id": "x-1",
    }
    found = said(body)
    (one,) = found.events
    assert (one.zone, one.area, one.text, one.priority) == ("007", "1", "Northwindow", 3)
    assert one.occurred_at == datetime(2026, 11, 27, 8, 30, tzinfo=UTC)
    assert found.kept == json.dumps(body).encode()
    assert found.identity == "x-1"


@pytest.mark.parametrize("code", ["cid:1130", "cid:130"])
def test_a_code_of_another_table_gives_the_same_event_as_that_tables_own_message(code: str) -> None:
    (one,) = said({"code": code}).events
    wanted = cid_event(CidReport("", "1", "130", "00", "000"))
    assert (one.category, one.kind, one.priority, one.label_en, one.code) == (
        wanted.category,
        wanted.kind,
        wanted.priority,
        wanted.label_en,
        wanted.code,
    )
    (sia,) = said({"code": "sia:BA"}).events
    assert (sia.category, sia.kind) == (wanted.category, wanted.kind)


@pytest.mark.parametrize("value", [{"code": "fire.restore"}, {"code": "fire", "state": "Cleared"}, {"code": "sia:FR"}])
def test_an_end_is_a_restore(value: dict[str, Any]) -> None:
    (one,) = said(value).events
    assert (one.kind, one.category) == (EventKind.RESTORE, Category.FIRE)


def test_a_sender_may_make_an_alarm_graver_but_life_and_limb_never_less() -> None:
    assert said({"code": "door_held", "priority": 2}).events[0].priority == 2
    assert said({"code": "burglary", "priority": 5}).events[0].priority == 5
    for code in ("fire", "panic", "door_duress", "medical", "gas"):
        assert said({"code": code, "priority": 8}).events[0].priority == 1


def test_a_sensors_word_on_a_topic_is_a_message() -> None:
    form = MessageForm(paths={"code": ".", "zone": "topic.1"}, codes={"ON": "motion", "OFF": "motion.restore"})
    found = event.read(b"ON", form, "house/hall/motion")
    assert isinstance(found, Message)
    assert (found.events[0].code, found.events[0].zone, found.kept) == ("motion", "hall", b"ON")
    assert isinstance(event.read(b"ON", form), Wrong)
    contact = MessageForm(paths={"code": "contact", "zone": "=front"}, codes={"false": "burglary", "true": "ignore"})
    assert said({"contact": False, "battery": 91}, contact, "z2m/door").events[0].zone == "front"
    shut = said({"contact": True, "battery": 91}, contact, "z2m/door")
    assert (shut.events, shut.ignored, shut.kept) == ((), 1, b"")


@pytest.mark.parametrize("code", sorted(codes.PASSAGES | {"sia:DG", "sia:DD", "cid:421"}))
def test_who_passes_leaves_nothing(code: str) -> None:
    found = said({"code": code, "zone": "3", "card": "1"})
    if code == "cid:421" and found.events:  # a refusal that panels report as an alarm is one
        assert b"card" not in found.kept
        return
    assert (found.events, found.kept, found.passages) == ((), b"", 1)


@pytest.mark.parametrize("code", ["door_forced", "door_held", "door_tamper", "door_duress", "door_fault", "sia:DF"])
def test_an_alarm_of_a_door_is_kept_without_anybody(code: str) -> None:
    form = MessageForm(kind="access")
    found = said({"code": code, "zone": "3", "text": "by Li", "extra": "Li", "occurred_at": 1795766400}, form)
    assert found.events[0].text == ""
    assert json.loads(found.kept)["events"] == [{"code": code, "zone": "3", "occurred_at": "2026-11-27T08:00:00+00:00"}]
    again = event.read(found.kept, form)  # what is kept can be read again, with codes that were entered later
    assert isinstance(again, Message)
    assert again.events == found.events


names = st.sampled_from(
    [
        *("cardNo", "card_number", "holder", "cardholderName", "userId", "employeeNo", "personName", "phone"),
        *("姓名", "卡号", "credential", "badge", "face_id", "photoUrl", "visitor", "licensePlate", "pinCode"),
    ]
)
values = st.recursive(st.text("abc", max_size=3), lambda inner: st.lists(inner, max_size=2), max_leaves=3)


@given(
    st.dictionaries(names, st.just("SECRET-OF-SOMEBODY"), min_size=1, max_size=4),
    st.dictionaries(st.text("xyz", min_size=1, max_size=4), values, max_size=3),
    st.sampled_from(["door_forced", "burglary", "swiped", "access_granted", "27"]),
    st.booleans(),
)
def test_what_says_who_somebody_is_is_never_kept(
    secret: dict[str, str], others: dict[str, Any], code: str, is_below: bool
) -> None:
    body: dict[str, Any] = {"code": code, **others, **({"data": [{"a": secret}]} if is_below else secret)}
    for form in (MessageForm(), MessageForm(kind="access")):
        found = said(body, form)
        assert b"SECRET" not in found.kept
        assert "SECRET" not in repr(found.events)
        assert b"SECRET" not in event.unreadable(json.dumps(body).encode(), form)


@pytest.mark.parametrize("name", ["zone", "surface", "interface", "template", "code", "door", "area", "occurred_at"])
def test_names_of_things_are_not_people(name: str) -> None:
    assert not is_about_somebody(name)


@pytest.mark.parametrize(
    ("value", "field", "reason"),
    [
        (b"", "body", "not_json"),
        (b"\xff\xfe", "body", "not_json"),
        (b"[" * 5000, "body", "not_json"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "body", "too_deep"),
        (b" " * 70_000, "body", "too_large"),
        ([], "events", "no_list"),
        ([{"code": "fire"}] * 101, "events", "too_many"),
        ({"code": ["a"]}, "code", "form"),
        ({"code": "x" * 65}, "code", "form"),
        ({"code": "fire", "zone": {"a": 1}}, "zone", "form"),
        ({"code": "fire", "priority": True}, "priority", "form"),
        ({"code": "fire", "occurred_at": "2026-11-27T08:00:00"}, "occurred_at", "form"),
        ({"code": "fire", "occurred_at": 1e300}, "occurred_at", "form"),
        (5, "code", "missing"),
    ],
)
def test_what_is_wrong_is_named(value: Any, field: str, reason: str) -> None:
    assert wrong(value) == (field, reason)


def test_the_field_that_is_wrong_in_a_list_is_numbered() -> None:
    found = event.read(b'[{"code":"fire"},{"zone":"1"}]')
    assert found == Wrong("code", "missing", "code (2)")
