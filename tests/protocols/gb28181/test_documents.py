"""Ids, character sets and MANSCDP documents: vectors, repairs, closed doors."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.protocols.gb28181.charset import Charset, Label, decode_text, encode_text, label_for
from tocsin.protocols.gb28181.ids import (
    GbId,
    Role,
    domain_of,
    is_acceptable,
    make_id,
    parse_id,
    role_of,
    ssrc_of,
)
from tocsin.protocols.gb28181.manscdp import (
    MAX_ELEMENTS,
    BadDocument,
    Document,
    build_document,
    catalog_query,
    device_info_query,
    keepalive_notify,
    key_frame_request,
    parse_document,
    result_response,
)
from tocsin.protocols.gb28181.ssrc import QUARANTINE_S, SsrcPool

CAMERA = "34020000001320000001"


def test_the_parts_of_an_id():
    assert parse_id(CAMERA) == GbId("340200", "00", 0, 132, 0, 1)
    assert str(parse_id(CAMERA)) == CAMERA
    assert make_id("3402000000", 132, 1) == CAMERA
    assert domain_of(CAMERA) == "3402000000"


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("34020000002000000001", Role.PLATFORM),
        ("34020000001180000001", Role.DEVICE),
        ("34020000001310000001", Role.VIDEO),
        (CAMERA, Role.VIDEO),
        ("34020000001340000001", Role.ALARM_INPUT),
        ("34020000001350000001", Role.ALARM_OUTPUT),
        ("34020000001370000001", Role.VOICE),
        ("34020000002150000001", Role.GROUP),
        ("34020000002160000001", Role.ORGANISATION),
        ("340200", Role.DIVISION),
        ("34", Role.DIVISION),
        ("340", Role.OTHER),
        ("camera-7", Role.OTHER),
    ],
)
def test_the_type_suggests_a_role(text, role):
    assert role_of(text) is role


@pytest.mark.parametrize("text", ["", "a b", "x" * 65, "1\r\n2", "<id>", "门", "１２３"])
def test_what_cannot_be_an_id(text):
    assert not is_acceptable(text)


@pytest.mark.parametrize("parts", [("34020", 132, 1), ("3402000000", 99, 1), ("3402000000", 132, 1_000_000)])
def test_an_id_that_does_not_fit_is_the_callers_fault(parts):
    with pytest.raises(ValueError):
        make_id(*parts)


def test_the_ssrc_of_the_standard():
    assert ssrc_of("34020000002000000001", 1) == 200_000_001 == 0x0BEBC201
    assert ssrc_of("34020000002000000001", 1, is_history=True) == 1_200_000_001


def test_stream_numbers_are_distinct_rest_after_use_and_run_out():
    pool = SsrcPool("34020000002000000001", first=9_999)
    first = pool.take(0.0)
    assert first == ssrc_of("34020000002000000001", 9_999)
    taken = {pool.take(0.0) for _ in range(9_998)}
    assert len(taken) == 9_998
    assert first not in taken
    assert pool.take(0.0) is None
    pool.release(first, 10.0)
    assert pool.take(10.0 + QUARANTINE_S - 1) is None
    assert pool.take(10.0 + QUARANTINE_S) == first


@pytest.mark.parametrize(
    ("data", "learned", "text", "charset"),
    [
        ("东门街口".encode("gbk"), "", "东门街口", Charset.GB18030),
        ("东门街口".encode(), "", "东门街口", Charset.UTF8),
        ("\ufeff东".encode(), "gb18030", "东", Charset.UTF8),
        ("东门".encode("utf-16"), "", "东门", Charset.UTF16),
        ("东".encode(), "", "东", Charset.UTF8),
        ("一丁".encode("gb18030"), "gb18030", "一丁", Charset.GB18030),
        ("𠮷".encode("gb18030"), "", "𠮷", Charset.GB18030),
        (b"\xff\xffplain\xff", "", "ÿÿplainÿ", Charset.LATIN1),
    ],
)
def test_the_bytes_decide_and_the_memory_settles_doubt(data, learned, text, charset):
    found = decode_text(data, learned)
    assert (found.text, found.charset) == (text, charset)


def test_a_short_text_that_could_be_either_follows_what_was_learned():
    assert decode_text("联通".encode("gbk"), "gb18030").text == "联通"
    assert decode_text("东门".encode(), "gb18030").charset is Charset.GB18030
    assert decode_text("东门".encode(), "utf-8").charset is Charset.UTF8
    assert decode_text("东".encode(), "gb18030").charset is Charset.UTF8, "no valid GB18030 at all"


def test_plain_ascii_teaches_nothing():
    assert not decode_text(b"plain").is_certain


@pytest.mark.parametrize(
    ("version", "learned", "label"),
    [
        ("", "", Label.GB2312),
        ("2.0", "", Label.GB2312),
        ("3.0", "", Label.GB18030),
        ("3.0", "utf-8", Label.UTF8),
    ],
)
def test_the_label_follows_the_edition(version, learned, label):
    assert label_for(version, learned) is label


def test_older_peers_get_two_byte_characters_only():
    assert encode_text("东𠮷", Label.GB2312) == "东".encode("gbk") + b"?"
    assert encode_text("东𠮷", Label.GB18030) == "东𠮷".encode("gb18030")


def document(body: bytes, learned: str = "") -> Document:
    found = parse_document(body, learned)
    assert isinstance(found, Document), found
    return found


def test_the_keepalive_of_the_standard_is_written():
    body = keepalive_notify(17, CAMERA, ["34020000001340000003"])
    found = document(body)
    assert (found.kind, found.cmd_type, found.sn, found.device_id) == ("notify", "Keepalive", 17, CAMERA)
    assert found.root.get("Status") == "OK"
    info = found.root.child("info")
    assert info is not None
    assert [item.text for item in info.all("DeviceID")] == ["34020000001340000003"]


def test_the_catalogue_question_has_the_length_of_the_standard():
    assert len(catalog_query(4711, "34020000001180000001")) == 146


def test_questions_and_answers_read_back():
    assert document(device_info_query(1, CAMERA)).cmd_type == "DeviceInfo"
    assert document(key_frame_request(1, CAMERA)).root.get("IFameCmd") == "Send"
    assert document(key_frame_request(1, CAMERA, "3.0")).root.get("IFrameCmd") == "Send"
    assert document(result_response("Alarm", 1, CAMERA, is_ok=False)).root.get("Result") == "ERROR"


def wrap(inner: str, charset: str = "gb18030") -> bytes:
    return f'<?xml version="1.0" encoding="GB2312"?>\r\n<Response>\r\n{inner}\r\n</Response>\r\n'.encode(charset)


@pytest.mark.parametrize("charset", ["gb18030", "utf-8"])
def test_the_label_in_the_declaration_is_not_believed(charset):
    found = document(wrap("<Name>东门街口河堤</Name>", charset))
    assert found.root.get("Name") == "东门街口河堤"
    assert not found.was_repaired


@pytest.mark.parametrize(
    ("inner", "name"),
    [
        ("<Name>A & B</Name>", "A & B"),
        ("<Name>A &amp; B</Name>", "A & B"),
        ("<Name>A&nbsp;B</Name>", "A&nbsp;B"),
        ("<Name>A\x01\x1fB</Name>", "AB"),
        ("<Address>5 < 6</Address>\r\n<Name>kept</Name>", "kept"),
        ("<Name><![CDATA[a<b]]></Name>", "a<b"),
    ],
)
def test_what_vendors_break_is_repaired(inner, name):
    assert document(wrap(inner)).root.get("Name") == name


def test_a_repair_is_noted_and_drops_only_the_broken_line():
    found = document(wrap("<Address>a < b</Address>\r\n<Name>n</Name>\r\n<Info><PTZType>1</PTZType></Info>"))
    assert found.was_repaired
    assert found.root.child("Address") is None
    info = found.root.child("Info")
    assert info is not None
    assert info.integer("PTZType") == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"hello", "empty"),
        (b"<Notify><CmdType>Keepalive</CmdType>", "malformed"),
        (b"<a/>", "unknown_root"),
        (b'<!DOCTYPE a [<!ENTITY b "x">]><Notify>&b;</Notify>', "document_type"),
        (b'<?xml version="1.0"?>\n<! DOCTYPE a SYSTEM "http://192.0.2.1/x"><Notify/>', "document_type"),
        (b"<Notify>" + b"<a>" * 40 + b"</a>" * 40 + b"</Notify>", "too_deep"),
        (b"<Notify>" + b"<a/>" * (2 * MAX_ELEMENTS + 1) + b"</Notify>", "too_large"),
    ],
)
def test_a_refused_document_says_why(body, reason):
    assert parse_document(body) == BadDocument(reason)


def test_the_size_is_limited():
    assert parse_document(b"<Notify>" + b" " * 100 + b"</Notify>", max_bytes=50) == BadDocument("too_large")


def test_numbers_are_read_with_care():
    root = document(wrap("<A>7</A><B>null</B><C/><D> -3 </D><E>1e999</E><F>12.5</F><G>nan</G>")).root
    assert [root.integer(name) for name in "ABCD"] == [7, None, None, -3]
    assert root.number("F") == 12.5
    assert root.number("E") is None
    assert root.number("G") is None


@pytest.mark.parametrize("sn", ["", "0", "null", "abc"])
def test_a_serial_number_that_is_none(sn):
    assert document(wrap(f"<SN>{sn}</SN>")).sn is None


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.sampled_from([Label.GB18030, Label.UTF8]))
def test_any_text_comes_back_without_what_xml_forbids(text, label):
    body = build_document("Notify", "Keepalive", 1, CAMERA, [("Name", text)], label=label)
    found = parse_document(body, "utf-8" if label is Label.UTF8 else "gb18030")
    assert isinstance(found, Document)
    allowed = "".join(char for char in text if ord(char) >= 0x20 or char in "\t\r\n").replace("\r\n", "\n")
    allowed = allowed.replace("\r", "\n").replace("\ufffe", "").replace("\uffff", "").strip()
    if label is Label.GB18030 and found.charset is Charset.GB18030 and allowed.isprintable():
        assert found.root.get("Name") == allowed


@settings(max_examples=250, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["", "utf-8", "gb18030"]))
def test_no_bytes_raise(data, learned):
    parse_document(data, learned)
    parse_document(b"<Notify><SN>" + data + b"</SN></Notify>", learned)
