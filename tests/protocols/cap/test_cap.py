"""CAP 1.2: what is read, what is refused, what it means, and that what is written is valid by the schema."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from lxml import etree

from tests.support.warnings import FLOOD, NOW
from tocsin.base.normal import Category, EventKind
from tocsin.domain.alarms import asks_for_decision
from tocsin.protocols.cap.alert import (
    BadAlert,
    Reference,
    links_of,
    read,
    time_text,
    write,
)
from tocsin.protocols.cap.meaning import to_events, zone_of

BEIJING = timezone(timedelta(hours=8))
SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "cap12.xsd"))


def test_a_message_comes_back_as_it_was_written_and_is_valid_by_the_schema() -> None:
    data = write(FLOOD)
    SCHEMA.assertValid(etree.fromstring(data))
    assert read(data) == [FLOOD]


def test_the_schema_of_the_tests_can_refuse() -> None:
    assert not SCHEMA.validate(etree.fromstring(write(FLOOD).replace(b"<status>Actual</status>", b"")))
    assert not SCHEMA.validate(etree.fromstring(write(FLOOD).replace(b"-00:00</sent>", b"Z</sent>")))


def test_utc_is_written_without_z_and_latitude_comes_first() -> None:
    assert time_text(NOW) == "2026-11-27T08:00:00-00:00"
    assert time_text(NOW.astimezone(BEIJING)) == "2026-11-27T16:00:00+08:00"
    assert b"<circle>31.050000,121.100000 2.5</circle>" in write(FLOOD)
    with pytest.raises(ValueError, match="offset"):
        time_text(NOW.replace(tzinfo=None))


@pytest.mark.parametrize("word", ["a b", "a,b", "a<b", "a&b", ""])
def test_an_identifier_that_would_break_references_is_not_written(word: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        write(replace(FLOOD, identifier=word))


def test_an_update_needs_references() -> None:
    with pytest.raises(ValueError, match="references"):
        write(replace(FLOOD, msg_type="Cancel"))


def test_a_warning_is_an_alarm_of_its_own_category_with_both_languages_and_a_place() -> None:
    (event,) = to_events(FLOOD, NOW)
    assert (event.kind, event.category, event.priority) == (EventKind.ALARM, Category.PUBLIC_WARNING, 2)
    assert (event.label_en, event.label_zh) == ("Flood at the river <gate> & below", "河闸下游洪水")
    assert event.zone == "hewan-2026-1127-1"
    assert asks_for_decision(event)
    english = replace(FLOOD, infos=FLOOD.infos[:1])
    (event,) = to_events(english, NOW)
    assert (event.lon, event.lat) == (121.1, 31.05)
    assert event.text == "Lower town · Water rises 10 cm an hour."


def test_an_update_stands_in_the_place_of_what_it_refers_to_and_a_cancel_only_ends_it() -> None:
    reference = (Reference(FLOOD.sender, FLOOD.identifier, time_text(FLOOD.sent)),)
    update = replace(FLOOD, identifier="hewan-2", msg_type="Update", references=reference)
    SCHEMA.assertValid(etree.fromstring(write(update)))
    over, begun = to_events(update, NOW)
    assert (over.kind, over.zone, over.category) == (
        EventKind.RESTORE,
        zone_of(FLOOD.identifier),
        Category.PUBLIC_WARNING,
    )
    assert (begun.kind, begun.zone) == (EventKind.ALARM, "hewan-2")
    (over,) = to_events(replace(update, msg_type="Cancel", infos=()), NOW)
    assert (over.kind, over.zone) == (EventKind.RESTORE, FLOOD.identifier)


@pytest.mark.parametrize("status", ["Exercise", "System", "Test", "Draft"])
def test_nothing_but_an_actual_message_raises_an_alarm(status: str) -> None:
    (event,) = to_events(replace(FLOOD, status=status), NOW)
    assert not asks_for_decision(event)
    assert event.label_en.startswith(f"{status}: ")


def test_what_has_expired_and_what_only_answers_raises_nothing() -> None:
    (event,) = to_events(FLOOD, NOW + timedelta(hours=7))  # the Chinese text has no end, so look at one with an end
    assert asks_for_decision(event)
    english = replace(FLOOD, infos=FLOOD.infos[:1])
    (event,) = to_events(english, NOW + timedelta(hours=7))
    assert event.kind is EventKind.LOG
    (event,) = to_events(replace(FLOOD, msg_type="Ack"), NOW)
    assert event.kind is EventKind.LOG


def test_a_signature_is_noted() -> None:
    signed = write(FLOOD).replace(b"</alert>", b'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/></alert>')
    assert read(signed) == [replace(FLOOD, is_signed=True)]


def test_messages_are_taken_out_of_an_envelope() -> None:
    inner = write(FLOOD).split(b"?>", 1)[1]
    envelope = (
        b'<EDXLDistribution xmlns="urn:oasis:names:tc:emergency:EDXL:DE:1.0"><contentObject><xmlContent>'
        b"<embeddedXMLContent>" + inner + b"</embeddedXMLContent></xmlContent></contentObject></EDXLDistribution>"
    )
    assert read(envelope) == [FLOOD]


def test_a_feed_names_its_messages() -> None:
    atom = (
        b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><link href="/a"/>'
        b'<link type="application/cap+xml" href="/b"/></entry></feed>'
    )
    rss = b"<rss><channel><link>no</link><item><link>https://x/1</link></item></channel></rss>"
    assert links_of(atom) == ["/b"]
    assert links_of(rss) == ["https://x/1"]


@pytest.mark.parametrize(
    ("old", "new", "bad"),
    [
        (b"<scope>Public</scope>", b"<scope>All</scope>", BadAlert("scope", "not one of its words")),
        (b"<status>Actual</status>", b"", BadAlert("status", "missing")),
        (
            b"2026-11-27T08:00:00-00:00</sent>",
            b"2026-11-27T08:00:00</sent>",
            BadAlert("sent", "no time with an offset"),
        ),
        (b"<event>Flood</event>", b"<event/>", BadAlert("event", "missing")),
        (b"31.050000,121.100000 2.5", b"91,121 2.5", BadAlert("circle", "number out of its range")),
        (b"31.050000,121.100000 2.5", b"31,121 nan", BadAlert("circle", "number out of its range")),
        (b"31.000000,121.000000 31", b"here 31", BadAlert("polygon", "no pair of latitude and longitude")),
        (b"cap:1.2", b"cap:9", BadAlert("alert", "missing")),
    ],
)
def test_what_is_wrong_is_named(old: bytes, new: bytes, bad: BadAlert) -> None:
    data = write(FLOOD)
    assert old in data
    assert read(data.replace(old, new)) == bad


def test_hostile_xml_is_refused_without_being_expanded() -> None:
    bomb = (
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">'
        b'<!ENTITY x SYSTEM "file:///etc/hostname">]>' + write(FLOOD).split(b"?>", 1)[1].replace(b"Flood at", b"&c;&x;")
    )
    assert isinstance(read(bomb), BadAlert)
    assert isinstance(read(b"<a>" * 100_000), BadAlert)
    assert isinstance(read(b"\xff" * 100), BadAlert)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"<status>Actual</status>", b"<status>Real</status>", "status Real"),
        (b"<msgType>Alert</msgType>", b"<msgType>Reminder</msgType>", "msgType Reminder"),
    ],
)
def test_a_word_of_the_senders_own_that_decides_is_an_unknown_code(old: bytes, new: bytes, code: str) -> None:
    data = write(FLOOD)
    assert old in data
    found = read(data.replace(old, new))
    assert not isinstance(found, BadAlert)
    (event,) = to_events(found[0], NOW)
    assert (event.code_system, event.code, event.is_known, event.category) == ("cap", code, False, Category.UNKNOWN)
    assert event.zone == FLOOD.identifier
    assert "河闸下游洪水 · 下城" in event.text


def test_a_degree_or_category_of_the_senders_own_still_warns() -> None:
    data = write(FLOOD)
    for old, new in ((b"<severity>Severe<", b"<severity>Catastrophic<"), (b"<category>Met<", b"<category>River<")):
        assert old in data
        data = data.replace(old, new)
    found = read(data)
    assert not isinstance(found, BadAlert)
    assert {(info.severity, info.categories) for info in found[0].infos} == {
        ("Unknown", ("Safety",)),
        ("Unknown", ("Other",)),
    }
    (event,) = to_events(found[0], NOW)
    assert (event.kind, event.is_known) == (EventKind.ALARM, True)
