"""Contact ID: the code table, qualifiers, payloads and the telephone form."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.base.normal import Category, EventKind
from tocsin.protocols.contact_id.codes import CODES, FAMILIES, find_code
from tocsin.protocols.contact_id.payload import (
    CidReport,
    encode_adm_cid,
    parse_adm_cid,
    parse_telephone,
    telephone_checksum,
    to_event,
)


def event_of(data: bytes):
    report = parse_adm_cid(data)
    assert report is not None
    return to_event(report)


@pytest.mark.parametrize(
    ("data", "kind", "priority", "zh"),
    [
        (b"#1234|1130 01 003", EventKind.ALARM, 2, "入侵报警"),
        (b"#1234|3130 01 003", EventKind.RESTORE, 9, "入侵报警恢复"),
        (b"#1234|6130 01 003", EventKind.STATUS, 9, "入侵报警（持续）"),
        (b"#1234|1401 01 007", EventKind.OPEN, 9, "用户撤防"),
        (b"#1234|3401 01 007", EventKind.CLOSE, 9, "用户布防"),
        (b"#1234|1301 00 000", EventKind.TROUBLE, 5, "交流断电"),
        (b"#1234|3301 00 000", EventKind.RESTORE, 9, "交流断电恢复"),
        (b"#1234|1570 01 004", EventKind.BYPASS, 7, "防区旁路"),
        (b"#1234|3570 01 004", EventKind.RESTORE, 9, "防区旁路解除"),
        (b"#1234|1602 00 000", EventKind.TEST, 9, "定期测试"),
        (b"#1234|3607 00 001", EventKind.TEST, 8, "步行测试结束"),
        (b"#1234|1406 01 002", EventKind.CANCEL, 7, "用户取消报警"),
        (b"#1234|1121 01 003", EventKind.ALARM, 1, "胁迫密码报警"),
        (b"#1234|1200 01 003", EventKind.SUPERVISION, 4, "消防监管信号"),
        (b"#1234|1423 01 003", EventKind.ALARM, 3, "强行闯入"),
        (b"#1234|3451 01 003", EventKind.CLOSE, 7, "提前布防"),
        (b"#1234|3911 01 003", EventKind.CLOSE, 8, "带旁路布防"),
        (b"#1234|1454 01 000", EventKind.STATUS, 6, "未按时布防"),
        (b"#1234|3404 01 000", EventKind.STATUS, 7, "布防超时"),
        (b"#1234|3954 00 000", EventKind.RESTORE, 9, "接收机连接恢复"),
    ],
)
def test_code_and_qualifier_say_what_happened(data, kind, priority, zh):
    event = event_of(data)
    assert (event.kind, event.priority, event.label_zh, event.is_known) == (kind, priority, zh, True)


def test_where_and_who_are_read_by_the_code():
    event = event_of(b"#1234|1130 01 003")
    assert (event.code_system, event.code, event.qualifier) == ("cid", "1130", "1")
    assert (event.area, event.zone, event.user) == ("1", "003", "")
    assert (event_of(b"#1|3401 02 007").zone, event_of(b"#1|3401 02 007").user) == ("", "007")
    assert (event_of(b"#1|1121 00 003").user, event_of(b"#1|1423 00 003").zone) == ("003", "003")
    assert (event_of(b"#1|1602 00 000").area, event_of(b"#1|1602 00 000").zone) == ("", "")


@pytest.mark.parametrize(
    ("data", "report"),
    [
        (b"#12345A|1130 01 003", CidReport("12345A", "1", "130", "01", "003")),
        (b"#foc7688|1351 01 000", CidReport("foc7688", "1", "351", "01", "000")),
        (b"1130 01 003", CidReport("", "1", "130", "01", "003")),
        (b"#1|1130 A1 0B3", CidReport("1", "1", "130", "A1", "0B3")),
        (b"#1|1130  01  003 ", CidReport("1", "1", "130", "01", "003")),
        (b"#1|113001003", CidReport("1", "1", "130", "01", "003")),
        (b"#1|", None),
        (b"", None),
        (b"#1|1130 01", None),
        (b"#1|Nri1/BA003", None),
        (b"#1|1130 01 003 and more", None),
    ],
)
def test_payloads_are_read_as_panels_write_them(data, report):
    assert parse_adm_cid(data) == report


def test_a_code_outside_the_table_stands_for_its_family():
    event = event_of(b"#1|1119 01 003")
    assert (event.category, event.priority, event.kind, event.is_known) == (Category.FIRE, 1, EventKind.ALARM, True)
    assert (event.label_en, event.label_zh) == ("Fire alarm (code 119)", "火警（代码 119）")
    event = event_of(b"#1|1750 01 003")
    assert (event.category, event.priority) == (Category.SYSTEM, 6)


@pytest.mark.parametrize("code", ["170", "560", "800", "999", "1BC"])
def test_a_code_without_a_family_is_unknown(code):
    event = event_of(f"#1|1{code} 01 003".encode())
    assert (event.category, event.priority, event.is_known) == (Category.UNKNOWN, 5, False)


def test_an_unknown_qualifier_is_not_taken_for_an_alarm():
    event = event_of(b"#1|5130 01 003")
    assert (event.kind, event.category, event.is_known) == (EventKind.STATUS, Category.BURGLARY, False)


def test_a_restore_of_a_state_has_the_lowest_priority():
    for code in CODES.values():
        if code.code[0] in "1235" and code.kind is not EventKind.STATUS:
            event = event_of(f"#1|3{code.code} 01 003".encode())
            if event.kind is EventKind.RESTORE:
                assert event.priority == 9
            else:
                assert code.category is Category.SYSTEM, code.code


def test_every_code_has_labels_in_both_languages():
    assert len(CODES) == 279
    for code in [*CODES.values(), *FAMILIES.values()]:
        assert 1 <= code.priority <= 9
        for en, zh in zip(code.labels_en, code.labels_zh, strict=True):
            assert en.isascii()
            assert re.search("[\u4e00-\u9fff]", zh), code.code
        assert code.labels_en[0] != code.labels_en[1] or code.labels_zh[0] == code.labels_zh[1]


def test_every_hundred_of_the_table_has_a_family_for_its_gaps():
    assert {code[:2] for code in CODES} <= set(FAMILIES)
    assert find_code("109") == (FAMILIES["10"], False)


def test_the_telephone_checksum_makes_a_multiple_of_fifteen():
    assert telephone_checksum("123418113001003") == "7"
    assert parse_telephone("1234181130010037") == CidReport("1234", "1", "130", "01", "003")
    assert parse_telephone("1234181130010038") is None
    assert parse_telephone("123418113001003") is None
    with pytest.raises(ValueError):
        telephone_checksum("1234")


digits = st.text("0123456789BCDEF", min_size=15, max_size=15)


@settings(max_examples=150, deadline=None)
@given(digits)
def test_a_telephone_message_with_its_checksum_is_accepted_and_any_single_wrong_digit_is_not(fifteen):
    text = fifteen[:4] + "18" + fifteen[6:]
    whole = text + telephone_checksum(text)
    assert parse_telephone(whole) is not None
    wrong = whole[:7] + ("1" if whole[7] != "1" else "2") + whole[8:]
    assert parse_telephone(wrong) is None


reports = st.builds(
    CidReport,
    st.text("0123456789ABCDEFabc", max_size=16),
    st.sampled_from("136"),
    st.sampled_from(sorted(CODES)),
    st.integers(0, 99).map("{:02d}".format),
    st.integers(0, 999).map("{:03d}".format),
)


@settings(max_examples=150, deadline=None)
@given(reports)
def test_a_report_survives_its_payload(report):
    assert parse_adm_cid(encode_adm_cid(report)) == report


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60))
def test_no_octets_are_an_error(data):
    report = parse_adm_cid(data)
    assert report is None or to_event(report).priority in range(1, 10)
