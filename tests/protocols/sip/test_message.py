"""SIP messages: vectors, oddities, round trips."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.protocols.sip.codes import Oddity
from tocsin.protocols.sip.message import (
    BadMessage,
    Headers,
    Ping,
    Request,
    Response,
    expires_of,
    parse_datagram,
    parse_uri,
    parse_via,
    response_to,
    stamp_via,
    tag_of,
)

REGISTER = (
    b"REGISTER sip:34020000002000000001@3402000000 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.21:5060;rport;branch=z9hG4bK7f3a01\r\n"
    b"From: <sip:34020000001320000001@3402000000>;tag=a1\r\n"
    b"To: <sip:34020000001320000001@3402000000>\r\n"
    b"Call-ID: 58d1c0@192.0.2.21\r\n"
    b"CSeq: 1 REGISTER\r\n"
    b"Contact: <sip:34020000001320000001@192.0.2.21:5060>\r\n"
    b"Max-Forwards: 70\r\n"
    b"Expires: 3600\r\n"
    b"X-GB-ver: 3.0\r\n"
    b"Content-Length: 0\r\n\r\n"
)


def request(data: bytes) -> Request:
    message = parse_datagram(data)
    assert isinstance(message, Request), message
    return message


def test_the_register_of_the_standard_is_read():
    message = request(REGISTER)
    assert (message.method, message.uri_user) == ("REGISTER", "34020000002000000001")
    assert message.from_user == message.to_user == "34020000001320000001"
    assert (message.from_tag, message.to_tag, message.cseq) == ("a1", "", 1)
    assert message.via is not None
    assert message.via.branch == "z9hG4bK7f3a01"
    assert expires_of(message) == 3600
    assert message.oddities == frozenset()


def test_compact_headers_mean_the_long_ones():
    data = (
        b"MESSAGE sip:1@2 SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nf: <sip:a@b>;tag=1\r\nt: <sip:1@2>\r\n"
        b"i: c\r\nCSeq: 7 MESSAGE\r\nm: <sip:a@192.0.2.1>\r\nc: Application/MANSCDP+xml\r\nl: 2\r\ns: hello\r\n"
        b"o: presence\r\nu: x\r\n\r\nhi"
    )
    message = request(data)
    assert message.call_id == "c"
    assert message.content_type == "application/manscdp+xml"
    assert message.headers.get("Subject") == "hello"
    assert message.headers.get("Event") == "presence"
    assert message.headers.get("Allow-Events") == "x"
    assert message.body == b"hi"


def test_line_feeds_alone_are_accepted_and_noted():
    message = request(REGISTER.replace(b"\r\n", b"\n"))
    assert message.from_user == "34020000001320000001"
    assert Oddity.LINE_ENDS in message.oddities


@pytest.mark.parametrize("declared", [b"0", b"3", b"999"])
def test_a_datagram_body_is_what_follows_the_blank_line(declared):
    data = REGISTER.replace(b"Content-Length: 0", b"Content-Length: " + declared) + b"<a>body</a>"
    message = request(data)
    assert message.body == b"<a>body</a>"
    assert Oddity.CONTENT_LENGTH in message.oddities


def test_a_missing_content_length_is_no_oddity_in_a_datagram():
    message = request(REGISTER.replace(b"Content-Length: 0\r\n", b"") + b"xy")
    assert message.body == b"xy"
    assert Oddity.CONTENT_LENGTH not in message.oddities


def test_an_unreadable_header_line_does_not_cost_the_request():
    message = request(REGISTER.replace(b"Max-Forwards: 70\r\n", b"this is no header\r\n"))
    assert Oddity.HEADER_LINE in message.oddities


def test_a_folded_header_is_joined():
    message = request(REGISTER.replace(b"Call-ID: 58d1c0@192.0.2.21", b"Call-ID:\r\n 58d1c0@192.0.2.21"))
    assert message.call_id == "58d1c0@192.0.2.21"


def test_a_branch_without_the_cookie_is_accepted():
    assert Oddity.NO_BRANCH_COOKIE in request(REGISTER.replace(b"z9hG4bK7f3a01", b"42")).oddities


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ((b"Via: ", b"Vla: "), "no via header"),
        ((b"CSeq: 1 REGISTER", b"CSeq: one REGISTER"), "unreadable CSeq"),
        ((b"CSeq: 1 REGISTER", b"CSeq: 1 MESSAGE"), "CSeq names another method"),
        ((b"SIP/2.0/UDP", b"FTP"), "unreadable Via"),
        ((b"REGISTER sip:34020000002000000001@3402000000 SIP/2.0", b"hello"), "not a SIP message"),
    ],
)
def test_a_broken_message_is_data_with_its_reason(damage, reason):
    message = parse_datagram(REGISTER.replace(*damage))
    assert isinstance(message, BadMessage)
    assert message.reason == reason
    assert len(message.raw) <= 256


def test_line_breaks_alone_are_a_ping():
    assert parse_datagram(b"\r\n\r\n") == Ping()


def test_too_many_headers_are_refused():
    assert parse_datagram(REGISTER[:-2] + b"X: y\r\n" * 200 + b"\r\n") == BadMessage(
        REGISTER[:256], "too many header lines"
    )


def test_a_response_copies_what_it_must_and_stamps_the_source():
    reply = response_to(request(REGISTER), 401, to_tag="s1", source=("198.51.100.7", 6001))
    again = parse_datagram(reply.encode())
    assert isinstance(again, Response)
    assert again.status == 401
    assert again.to_tag == "s1"
    assert again.method == "REGISTER"
    assert again.headers.get("via") == (
        "SIP/2.0/UDP 192.0.2.21:5060;branch=z9hG4bK7f3a01;received=198.51.100.7;rport=6001"
    )


def test_bytes_that_are_not_utf8_come_back_unchanged_in_a_response():
    odd = REGISTER.replace(b"58d1c0@", b"\xb1\xb1\xbe\xa9@")
    assert b"Call-ID: \xb1\xb1\xbe\xa9@192.0.2.21\r\n" in response_to(request(odd), 200).encode()


@pytest.mark.parametrize("value", ["x\r\nInjected: yes", "x\nInjected: yes", "x\0"])
def test_a_line_break_cannot_enter_a_header(value):
    with pytest.raises(ValueError, match="line break"):
        Request("INFO", "sip:a@b", Headers([("Subject", value)])).encode()
    with pytest.raises(ValueError, match="line break"):
        Request("INFO", value, Headers()).encode()


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("sip:34020000001320000001@3402000000", "34020000001320000001", "3402000000", None),
        ('"门" <sip:1@192.0.2.1:5061;transport=tcp>;expires=60', "1", "192.0.2.1", 5061),
        ("<sips:x@[2001:db8::1]:5061>", "x", "[2001:db8::1]", 5061),
        ("sip:192.0.2.9", "", "192.0.2.9", None),
        ("sip:user:pass@host", "user", "host", None),
    ],
)
def test_uris_are_found_in_header_values(text, user, host, port):
    uri = parse_uri(text)
    assert uri is not None
    assert (uri.user, uri.host, uri.port) == (user, host, port)


def test_a_port_out_of_range_is_no_uri():
    assert parse_uri("sip:a@b:70000") is None


def test_a_tag_is_read_from_the_parameters_only():
    assert tag_of("<sip:a@b;tag=inside>;tag=outside") == "outside"
    assert tag_of("sip:a@b;tag=x") == "x"
    assert tag_of("<sip:a@b>") == ""


def test_a_via_is_stamped_once():
    stamped = stamp_via("SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKa;received=1.1.1.1", "192.0.2.9", 7)
    assert stamped == "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;received=192.0.2.9;rport=7"
    via = parse_via(stamped)
    assert via is not None
    assert via.branch == "z9hG4bKa"


tokens = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.", min_size=1, max_size=20)
values = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x4FFF, exclude_categories=["Cs", "Cc", "Z"]), max_size=30
)


@settings(max_examples=150, deadline=None)
@given(tokens, tokens, st.lists(st.tuples(tokens, values), max_size=6), st.binary(max_size=200), st.integers(0, 2**31))
def test_a_request_survives_the_wire(user, call_id, extra, body, cseq):
    fields = [
        ("Via", "SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKq"),
        ("From", f"<sip:{user}@d>;tag=1"),
        ("To", "<sip:b@d>"),
        ("Call-ID", call_id),
        ("CSeq", f"{cseq} MESSAGE"),
        *(("X-" + name, value) for name, value in extra),
    ]
    sent = Request("MESSAGE", f"sip:{user}@d", Headers(fields), body)
    got = request(sent.encode())
    assert (got.method, got.uri, got.body, got.cseq) == (sent.method, sent.uri, body, cseq)
    assert list(got.headers)[:-1] == list(sent.headers)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_raise(data):
    parse_datagram(data)
    parse_datagram(REGISTER[:40] + data)


def test_a_continued_header_with_a_nul_can_be_answered():
    head = (
        b"MESSAGE sip:34020000002000000001@3402000000 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.21:5060;branch=z9hG4bK7\r\n"
        b"From: <sip:1\r\n <\x00sip:2>;tag=a1\r\nTo: <sip:3>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n\r\n"
    )
    request = parse_datagram(head)
    assert isinstance(request, Request)
    assert b"\0" not in response_to(request, 200).encode()
