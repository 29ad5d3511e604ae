"""Reassembly from streams and from split datagrams."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocols.sip.test_message import REGISTER
from tocsin.protocols.sip.codes import Oddity
from tocsin.protocols.sip.message import BadMessage, Message, Ping, Request
from tocsin.protocols.sip.stream import DatagramReader, StreamReader

XML = (
    '<?xml version="1.0" encoding="GB2312"?>\r\n<Notify>\r\n<CmdType>Alarm</CmdType>\r\n<N>东门</N>\r\n</Notify>\r\n'
).encode("gb18030")


def message(body: bytes, declared: int | None, kind: bytes = b"Application/MANSCDP+xml") -> bytes:
    head = (
        REGISTER.replace(b"REGISTER", b"MESSAGE").partition(b"Content-Length")[0] + b"Content-Type: " + kind + b"\r\n"
    )
    if declared is not None:
        head += b"Content-Length: %d\r\n" % declared
    return head + b"\r\n" + body


def read(data: bytes, step: int | None = None, **options: int) -> list[object]:
    reader = StreamReader(**options)
    pieces = [data] if step is None else [data[at : at + step] for at in range(0, len(data), step)]
    return [found for piece in pieces for found in reader.receive(piece)]


def requests(found: list[object]) -> list[Request]:
    return [item for item in found if isinstance(item, Request)]


def test_messages_follow_each_other_on_a_connection():
    data = REGISTER + message(XML, len(XML)) + message(b"plain", 5, b"text/plain") + REGISTER
    found = requests(read(data))
    assert [item.method for item in found] == ["REGISTER", "MESSAGE", "MESSAGE", "REGISTER"]
    assert found[1].body == XML.rstrip()
    assert found[2].body == b"plain"


def test_a_double_line_break_is_a_ping():
    assert read(b"\r\n\r\n" + REGISTER)[0] == Ping()


def test_content_length_in_characters_still_gives_the_whole_document():
    found = requests(read(message(XML, len(XML.decode("gb18030")) - 5) + REGISTER))
    assert [item.body for item in found] == [XML.rstrip(), b""]
    assert Oddity.CONTENT_LENGTH in found[0].oddities


def test_content_length_too_large_does_not_swallow_the_next_message():
    found = requests(read(message(XML, len(XML) + 40) + REGISTER))
    assert [item.method for item in found] == ["MESSAGE", "REGISTER"]


def test_a_document_that_never_closes_ends_at_the_next_start_line():
    cut = XML[: XML.index(b"</Notify>")]
    found = requests(read(message(cut, len(XML)) + REGISTER))
    assert [item.body for item in found] == [cut, b""]


def test_a_missing_content_length_means_no_body_except_for_a_document():
    found = requests(read(message(XML, None) + message(b"", None, b"text/plain") + REGISTER))
    assert [len(item.body) for item in found] == [len(XML.rstrip()), 0, 0]


def test_rubbish_is_reported_once_and_reading_goes_on():
    found = read(b"rubbish\r\nmore\r\n" + b"x" * 9000 + b"\r\n" + REGISTER)
    assert [type(item) for item in found] == [BadMessage, Request]


def test_a_body_beyond_the_limit_is_refused():
    found = read(message(b"z" * 500, 500, b"text/plain") + b"\r\n" + REGISTER, max_body_bytes=100)
    assert isinstance(found[0], BadMessage)
    assert found[0].reason == "body too large"
    assert isinstance(found[1], Request)


def test_memory_stays_bounded_whatever_comes():
    reader = StreamReader(max_body_bytes=10_000)
    head = message(b"", 9_999_999)
    for piece in [head, *[b"<Notify>" + b"a" * 4000] * 50]:
        list(reader.receive(piece))
        assert reader.pending_bytes < 40_000


pieces = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"\r\n", b"\r\n\r\n", b"\n", b"<Notify>", b"</Notify>", b"SIP/2.0 200 OK\r\n"]),
    st.just(REGISTER),
    st.integers(0, len(XML) + 30).map(lambda size: message(XML, size)),
    st.integers(0, 40).map(lambda size: message(XML[:-12], size)),
    st.integers(0, 30).map(lambda size: message(b"v=0\r\n" * 4, size, b"application/sdp")),
    st.just(message(XML, None)),
)


@settings(max_examples=250, deadline=None)
@given(st.lists(pieces, max_size=6).map(b"".join), st.integers(1, 90))
def test_any_split_gives_the_same_messages(data, step):
    limits = {"max_body_bytes": 300}
    assert read(data, step, **limits) == read(data, **limits)


def test_a_body_split_over_foreign_datagrams_is_joined():
    reader = DatagramReader()
    whole = message(XML, len(XML))
    source = ("192.0.2.30", 5060)
    assert reader.receive(whole[:-30], source, 0.0) is None
    assert isinstance(reader.receive(b"stranger", ("192.0.2.31", 5060), 0.1), BadMessage)
    joined = reader.receive(whole[-30:], source, 0.2)
    assert isinstance(joined, Request)
    assert joined.body == XML
    assert Oddity.SPLIT_DATAGRAM in joined.oddities


def test_an_unfinished_body_is_handed_over_when_its_rest_does_not_come():
    reader = DatagramReader(hold_s=2.0)
    reader.receive(message(XML, len(XML))[:-30], ("192.0.2.30", 5060), 0.0)
    assert reader.expire(1.9) == []
    [(source, late)] = reader.expire(2.0)
    assert source == ("192.0.2.30", 5060)
    assert isinstance(late, Message)
    assert reader.expire(9.0) == []


def test_a_flood_of_unfinished_bodies_is_bounded():
    reader = DatagramReader(max_sources=4)
    for port in range(1000):
        reader.receive(message(XML, len(XML))[:-30], ("192.0.2.30", port), 0.0)
    assert len(reader.expire(99.0)) == 4
