"""One normal form: every table of every protocol is whole, and one happening is one event whatever the protocol."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest

from tests.support.clocks import START
from tocsin.base.normal import Category, EventKind, NormalEvent
from tocsin.event_tables import all_events, meanings
from tocsin.protocols.contact_id import codes as cid_codes
from tocsin.protocols.contact_id import payload as cid
from tocsin.protocols.receiver_lines.lines import LINES
from tocsin.protocols.sia_codes import blocks, codes

EVENTS = list(all_events())
_IRREGULAR = [
    "AA",
    "AB",
    "AT",
    "AR",
    "CF",
    "CI",
    "CL",
    "DF",
    "DL",
    "EA",
    "ES",
    "JA",
    "LT",
    "NA",
    "NT",
    "OC",
    "OP",
    "OR",
    "RP",
    "RX",
    "TX",
    "XA",
    "XQ",
    "XT",
    "YC",
    "YM",
    "YT",
]
_FAMILIES = (*map(str, range(10, 17)), "20", "21", *map(str, range(30, 47)), "50", "55", "57", "60", "64", "70", "90")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: f"{e.code_system}:{e.code}")
def test_an_event_has_category_priority_and_both_texts(event: NormalEvent) -> None:
    assert isinstance(event.category, Category)
    assert isinstance(event.kind, EventKind)
    assert event.category is not Category.UNKNOWN
    assert 1 <= event.priority <= 9
    assert event.label_en.isascii()
    assert re.fullmatch(r"[A-Z0-9].*[^.]", event.label_en)
    assert CHINESE.search(event.label_zh)
    assert event.is_known


def test_no_code_stands_twice() -> None:
    assert [code for code, n in Counter((e.code_system, e.code) for e in EVENTS).items() if n > 1] == []


def test_the_tables_hold_what_the_standards_list() -> None:
    """Counts of the reference, 2.1 and 3: 279 codes of Contact ID; 13 families by 8 and the irregular codes of SIA."""
    assert len(cid_codes.CODES) >= 270
    assert {f"{letter}{second}" for letter in "BFGHKMPQSTUWZ" for second in "ABUTJHRS"} <= set(codes.CODES)
    assert set(_IRREGULAR) <= set(codes.CODES)
    assert {code[:1] for code in cid_codes.CODES} >= set("123456")
    assert set(_FAMILIES) <= set(cid_codes.FAMILIES)


def test_grave_events_are_grave_in_every_table() -> None:
    grave = {Category.FIRE, Category.PANIC, Category.DURESS, Category.GAS, Category.MEDICAL}
    for event in EVENTS:
        if event.kind is EventKind.ALARM and event.category in grave:
            assert event.priority <= 4, event
        if event.kind is EventKind.RESTORE:
            assert event.priority >= 8, event


def test_one_happening_is_one_event_whatever_the_protocol() -> None:
    report = cid.parse_adm_cid(b"#1234|1130 01 003")
    assert report is not None
    wanted = cid.to_event(report)
    sia = blocks.to_event(blocks.parse_sia(b"#1234|Nri1/BA003").events[0], START, 0)
    found = [replace(sia, code_system="cid", code="1130", qualifier="1")]
    for word, octets in (
        ("surgard", b"5011 181234E13001003\x14"),
        ("ademco685", b"\n11 1234 18 E130 01 C003 \r"),
        ("radionics6500", b" a011 123418E13001003\x14"),
    ):
        (item,) = LINES[word](0.0).receive(octets, START)
        found.extend(item.events)  # type: ignore[union-attr]
    assert found == [wanted] * 4


def test_what_a_code_may_be_said_to_mean_is_every_event_of_every_table() -> None:
    said = meanings()
    assert len(said) == len(EVENTS) > 2 * len(cid_codes.CODES)
    assert {name.partition(":")[0] for name in said} >= {
        "cid",
        "sia",
        "onvif",
        "gb28181",
        "jt808",
        "message",
        "surgard",
        "cap",
    }
    assert all(len(name) <= 32 for name in said)
    assert said["cid:1110"].category is Category.FIRE
    assert said["cid:3110"].kind is EventKind.RESTORE
