"""SDP: the offers and answers of the standard, tolerant reading, judgement of answers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.protocols.sip.sdp import (
    Answer,
    AnswerProblem,
    BadSdp,
    MediaMode,
    Sdp,
    judge_answer,
    make_answer,
    make_offer,
    parse_sdp,
)

OFFER = b"\r\n".join(
    [
        b"v=0",
        b"o=34020000002000000001 0 0 IN IP4 192.0.2.1",
        b"s=Play",
        b"c=IN IP4 192.0.2.1",
        b"t=0 0",
        b"m=video 30000 TCP/RTP/AVP 96 98 97 99",
        b"a=recvonly",
        b"a=rtpmap:96 PS/90000",
        b"a=rtpmap:98 H264/90000",
        b"a=rtpmap:97 MPEG4/90000",
        b"a=rtpmap:99 H265/90000",
        b"a=setup:passive",
        b"a=connection:new",
        b"y=0200000001",
        b"",
    ]
)
OWN = "34020000002000000001"


def offer(mode: MediaMode = MediaMode.TCP_PASSIVE, **more: object) -> Sdp:
    return make_offer(own_id=OWN, ip="192.0.2.1", port=30000, mode=mode, ssrc=200_000_001, **more)


def answer(mode: MediaMode = MediaMode.TCP_PASSIVE) -> bytes:
    return make_answer(offer(mode), own_id="camera", ip="192.0.2.30", port=15060, ssrc=200_000_001).encode()


def replaced(old: bytes, new: bytes) -> bytes:
    body = answer()
    assert old in body
    return body.replace(old, new)


def test_the_offer_of_the_standard_is_written_and_read():
    assert offer().encode() == OFFER
    assert len(OFFER) == 280
    read = parse_sdp(OFFER)
    assert isinstance(read, Sdp)
    assert read.ssrc == 0x0BEBC201
    assert read.video is not None
    assert (read.video.port, read.video.is_tcp, read.video.attribute("setup")) == (30000, True, "passive")


@pytest.mark.parametrize(
    ("mode", "protocol", "setup", "port"),
    [
        (MediaMode.UDP, "RTP/AVP", None, 30000),
        (MediaMode.TCP_PASSIVE, "TCP/RTP/AVP", "passive", 30000),
        (MediaMode.TCP_ACTIVE, "TCP/RTP/AVP", "active", 9),
    ],
)
def test_each_mode_is_offered_as_the_standard_says(mode, protocol, setup, port):
    line = offer(mode).video
    assert line is not None
    assert (line.protocol, line.attribute("setup"), line.port) == (protocol, setup, port)


def test_stream_number_and_wide_offers_are_options():
    line = offer(stream_number=1, wide=True).video
    assert line is not None
    assert line.attribute("streamnumber") == "1"
    assert line.formats == ("96", "126", "125", "99", "34", "98", "97")


@pytest.mark.parametrize("mode", list(MediaMode))
def test_an_answer_inverts_the_role_and_is_accepted(mode):
    assert judge_answer(offer(mode), answer(mode), mode) == Answer("192.0.2.30", 15060, 200_000_001, "PS/90000")


def test_a_missing_role_is_taken_as_inverted():
    found = judge_answer(offer(), replaced(b"a=setup:active\r\n", b""), MediaMode.TCP_PASSIVE)
    assert isinstance(found, Answer)
    assert found.no_role


@pytest.mark.parametrize(
    ("line", "ssrc", "adopted"), [(b"", 200_000_001, False), (b"y=0200000009\r\n", 200_000_009, True)]
)
def test_a_missing_ssrc_is_ours_and_another_is_theirs(line, ssrc, adopted):
    found = judge_answer(offer(), replaced(b"y=0200000001\r\n", line), MediaMode.TCP_PASSIVE)
    assert isinstance(found, Answer)
    assert (found.ssrc, found.adopted_ssrc) == (ssrc, adopted)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", AnswerProblem.NO_SDP),
        (b"hello", AnswerProblem.NO_SDP),
        (replaced(b"15060", b"0"), AnswerProblem.REFUSED_MEDIA),
        (replaced(b"TCP/RTP/AVP", b"RTP/AVP"), AnswerProblem.OTHER_TRANSPORT),
        (replaced(b"setup:active", b"setup:passive"), AnswerProblem.SAME_ROLE),
        (replaced(b"PS/90000", b"HIKVISION/90000"), AnswerProblem.PRIVATE_FORMAT),
    ],
)
def test_an_answer_that_cannot_work_names_its_problem(body, problem):
    assert judge_answer(offer(), body, MediaMode.TCP_PASSIVE) is problem


def test_without_an_address_we_cannot_connect():
    body = b"v=0\r\nm=video 15060 TCP/RTP/AVP 96\r\na=setup:passive\r\n"
    assert judge_answer(offer(MediaMode.TCP_ACTIVE), body, MediaMode.TCP_ACTIVE) is AnswerProblem.NO_ADDRESS


def test_a_udp_offer_answered_in_tcp_is_another_transport():
    assert judge_answer(offer(MediaMode.UDP), answer(), MediaMode.UDP) is AnswerProblem.OTHER_TRANSPORT


def test_reading_is_tolerant():
    body = OFFER.replace(b"\r\n", b"\n").replace(b"y=0200000001", b"y= 0200000002 \ny=0200000003\nf=v/2/4///a///")
    read = parse_sdp(body + b"x=unknown\nbroken line\n=\n")
    assert isinstance(read, Sdp)
    assert (read.ssrc, read.format) == (200_000_003, "v/2/4///a///")
    media_address = parse_sdp(OFFER.replace(b"a=recvonly", b"c=IN IP4 192.0.2.77/127\r\na=recvonly"))
    assert isinstance(media_address, Sdp)
    assert media_address.video is not None
    assert media_address.video.connection == "192.0.2.77"


@pytest.mark.parametrize("line", [b"y=x", b"y=99999999999", b"y=4294967296", b"y="])
def test_an_unreadable_ssrc_is_none(line):
    read = parse_sdp(OFFER.replace(b"y=0200000001", line))
    assert isinstance(read, Sdp)
    assert read.ssrc is None


@pytest.mark.parametrize("ip", ["999.1.1.1", "host.example", "1.2.3"])
def test_an_address_that_is_none_is_empty(ip):
    read = parse_sdp(OFFER.replace(b"c=IN IP4 192.0.2.1", b"c=IN IP4 " + ip.encode()))
    assert isinstance(read, Sdp)
    assert read.connection == ""


@pytest.mark.parametrize("body", [b"a" * 20_000, b"a=x\n" * 1000, b"m=video\n", b"m=video 70000 RTP/AVP 96\n"])
def test_bad_descriptions_are_data(body):
    assert isinstance(parse_sdp(body), BadSdp)


def test_a_line_break_cannot_enter_a_description():
    with pytest.raises(ValueError, match="line break"):
        make_offer(own_id="x\ny=1", ip="192.0.2.1", port=1, mode=MediaMode.UDP, ssrc=1).encode()


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 65535), st.sampled_from(list(MediaMode)), st.integers(0, 1_999_999_999))
def test_an_offer_survives_the_wire(port, mode, ssrc):
    made = make_offer(own_id=OWN, ip="192.0.2.1", port=port, mode=mode, ssrc=ssrc)
    assert parse_sdp(made.encode()) == made


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_raise(data):
    parse_sdp(data)
    judge_answer(offer(), OFFER[:120] + data, MediaMode.TCP_PASSIVE)
