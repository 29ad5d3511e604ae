"""RTSP: messages however they are cut, descriptions, and a conversation that gives a password once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.protocols.rtsp.client import Answered, Conversation, Reply, pair_of, transport_of
from tocsin.protocols.rtsp.description import read_description, resolve
from tocsin.protocols.rtsp.message import (
    Bad,
    Interleaved,
    Reader,
    Request,
    Response,
    encode_request,
    encode_response,
    frame,
)

OK = encode_response(200, "OK", [("CSeq", "1"), ("Session", "ab;timeout=30")], b"v=0\r\n")
CHALLENGE = [("WWW-Authenticate", 'Digest realm="c", nonce="n1", qop="auth"')]
SDP = b"""v=0
a=control:*
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z2QAHqzZQA==,aO48gA==
a=control:trackID=1
m=audio 0 RTP/AVP 8
a=control:trackID=2
m=audio 0 RTP/AVP 97
a=rtpmap:97 mpeg4-generic/16000/1
a=fmtp:97 mode=AAC-hbr;config=1408;sizelength=13;indexlength=3
m=application 0 RTP/AVP 107
"""


@given(st.integers(1, 40))
def test_any_split_of_messages_and_packets_reads_the_same(step):
    stream = frame(0, b"abc") + OK + b"\r\n" + frame(1, b"") + encode_request("OPTIONS", "*", [("CSeq", "2")])
    whole = list(Reader().receive(stream))
    reader = Reader()
    pieces = [event for at in range(0, len(stream), step) for event in reader.receive(stream[at : at + step])]
    assert pieces == whole
    assert [type(event) for event in whole] == [Interleaved, Response, Interleaved, Request]
    assert whole[1].body == b"v=0\r\n"


def test_junk_between_packets_is_skipped():
    reader = Reader()
    events = list(reader.receive(b"\x00\x01junk" + frame(2, b"x") + b"junk" + OK))
    assert [type(event) for event in events] == [Interleaved, Response]
    assert reader.resyncs == 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"RTSP/1.0 2x0 OK\r\n\r\n", "bad_status"),
        (b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n", "body_too_long"),
        (b"RTSP/1.0 200 OK\r\n" + b"a: b\r\n" * 100 + b"\r\n", "too_many_headers"),
        (b"RTSP/1.0 200 " + b"x" * 20_000, "head_too_long"),
    ],
)
def test_what_is_no_message_is_named(data, reason):
    assert Bad(reason) in list(Reader().receive(data))


def test_a_header_cannot_break_out_of_its_line():
    with pytest.raises(ValueError):
        encode_request("PLAY", "rtsp://h/", [("Session", "a\r\nEvil: 1")])


def test_a_description_names_its_tracks():
    found = read_description(SDP)
    video, audio = found.video(), found.audio()
    assert (video.encoding, video.payload_type, video.control) == ("h264", 96, "trackID=1")
    assert [nal[0] & 31 for nal in video.sets()] == [7, 8]
    assert (audio.encoding, audio.rate_hz) == ("pcma", 8000)
    assert found.tracks[2].aac().rate_hz == 16_000
    assert read_description(b"\xff\xfe nonsense\nm=\na=rtpmap:x").video() is None


@pytest.mark.parametrize(
    ("control", "url"),
    [
        ("*", "rtsp://h/s/"),
        ("trackID=1", "rtsp://h/s/trackID=1"),
        ("/other", "rtsp://h/other"),
        ("rtsp://x/y", "rtsp://x/y"),
    ],
)
def test_a_control_is_resolved_against_its_base(control, url):
    assert resolve("rtsp://h/s/", control) == url


def answers(talk, data):
    return list(talk.receive(data))


def test_a_password_is_given_once_and_never_again():
    talk = Conversation("admin", "secret", "abcd")
    number, _ = talk.send("DESCRIBE", "rtsp://h/")
    (reply,) = answers(talk, encode_response(401, "No", [("CSeq", "1"), *CHALLENGE]))
    assert isinstance(reply, Reply)
    assert b'Authorization: Digest username="admin"' in reply.data
    (answered,) = answers(talk, encode_response(401, "No", [("CSeq", "2"), *CHALLENGE]))
    assert answered == Answered(number, "DESCRIBE", answered.response)
    assert answered.response.status == 401


def test_an_old_nonce_is_answered_once_more():
    talk = Conversation("admin", "secret", "abcd")
    talk.send("DESCRIBE", "rtsp://h/")
    answers(talk, encode_response(401, "No", [("CSeq", "1"), *CHALLENGE]))
    assert isinstance(answers(talk, encode_response(200, "OK", [("CSeq", "2")]))[0], Answered)
    number, data = talk.send("PLAY", "rtsp://h/")
    assert b"nc=00000002" in data
    stale = [("WWW-Authenticate", 'Digest realm="c", nonce="n2", qop="auth", stale=true')]
    (reply,) = answers(talk, encode_response(401, "No", [("CSeq", "3"), *stale]))
    assert b'nonce="n2"' in reply.data
    assert answers(talk, encode_response(200, "OK", [("CSeq", "4")]))[0].number == number


def test_without_a_user_name_nothing_is_answered_to_a_challenge():
    talk = Conversation()
    talk.send("DESCRIBE", "rtsp://h/")
    assert isinstance(answers(talk, encode_response(401, "No", [("CSeq", "1"), *CHALLENGE]))[0], Answered)


def test_the_session_and_its_time_are_kept():
    talk = Conversation()
    talk.send("SETUP", "rtsp://h/")
    answers(talk, OK)
    assert (talk.session, talk.timeout_s) == ("ab", 30)
    assert b"Session: ab\r\n" in talk.send("PLAY", "rtsp://h/")[1]


def test_transport_headers_are_read():
    assert transport_of("RTP/AVP;unicast;client_port=4-5;server_port=6-7")["server_port"] == "6-7"
    assert [pair_of(text) for text in ("6-7", "8", "x", "")] == [(6, 7), (8, 9), None, None]
