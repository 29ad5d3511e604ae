"""What an intercom's messages mean, clause by clause: emergency, sound, session timers, tones, INFO, pings, texts."""

from __future__ import annotations

import pytest

from tocsin.base.normal import Category, EventKind
from tocsin.protocols.intercom.call import (
    Codec,
    SessionTimer,
    TooBrief,
    Video,
    called_of,
    for_evidence,
    is_emergency,
    make_answer,
    read_offer,
    session_timer,
)
from tocsin.protocols.intercom.door import DoorMethod, info_of, is_code, read_info
from tocsin.protocols.intercom.events import read_text
from tocsin.protocols.intercom.ping import Pinger
from tocsin.protocols.messages.codes import is_passage
from tocsin.protocols.rtp.tones import Tone, ToneReader, tones
from tocsin.protocols.sip.message import Headers, Request, parse_datagram, response_to
from tocsin.protocols.sip.sdp import Sdp, parse_sdp

OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 10.1.2.3\r\ns=door\r\nc=IN IP4 10.1.2.3\r\nt=0 0\r\n"
    b"m=audio 5004 RTP/AVP 9 0 8 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\nm=video 5006 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=sendonly\r\n"
)


def invite(uri: str = "sip:1000@d", *fields: tuple[str, str]) -> Request:
    head = [
        ("Via", "SIP/2.0/UDP 10.1.2.3:5060;branch=z9hG4bK1"),
        ("From", "<sip:door1@d>;tag=a"),
        ("To", "<sip:1000@d>"),
        ("Call-ID", "c1"),
        ("CSeq", "1 INVITE"),
    ]
    return Request("INVITE", uri, Headers([*head, *fields]))


@pytest.mark.parametrize(
    ("request_", "is_sos"),
    [
        (invite(), False),
        (invite("sip:SOS@d"), True),
        (invite("sip:911@d"), True),
        (invite("urn:service:sos.police"), True),
        (invite("sip:1000@d", ("Priority", "Emergency")), True),
        (invite("sip:1000@d", ("Priority", "urgent")), False),
        (invite("sip:1000@d", ("Alert-Info", "<urn:alert:service:emergency>")), True),
        (invite("sip:1000@d", ("Alert-Info", "<http://10.1.2.3/sos.wav>")), True),
        (invite("sip:1000@d", ("Alert-Info", "<http://10.1.2.3/mesos.wav>")), False),
    ],
)
def test_an_emergency_is_known_by_number_priority_or_alert(request_: Request, is_sos: bool) -> None:
    assert is_emergency(request_, ("sos", "911")) is is_sos


def test_the_first_g711_of_the_offer_is_taken_and_everything_else_declined() -> None:
    offer = read_offer(OFFER)
    assert offer is not None
    assert (offer.ip, offer.port, offer.codec, offer.payload_type, offer.event_type) == (
        *("10.1.2.3", 5004, Codec.PCMU),
        *(0, 101),
    )
    answer = parse_sdp(make_answer(offer, "192.0.2.1", 25_000).encode())
    assert isinstance(answer, Sdp)
    assert [(line.kind, line.port) for line in answer.media] == [("audio", 25_000), ("video", 0)]
    assert answer.media[0].formats == ("0", "101")
    assert answer.media[0].attribute("sendrecv") == ""


def test_the_picture_is_taken_where_it_has_a_port_and_is_received_alone() -> None:
    told = OFFER.replace(
        b"a=rtpmap:96 H264/90000",
        b"a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1; profile-level-id=42e01f;sprop-parameter-sets=Z0,aM",
    )
    offer = read_offer(told)
    assert offer is not None
    assert offer.video == Video(1, 96, "packetization-mode=1;profile-level-id=42e01f")
    answer = parse_sdp(make_answer(offer, "192.0.2.1", 25_000, 25_002).encode())
    assert isinstance(answer, Sdp)
    video = answer.media[1]
    assert (video.kind, video.port, video.formats) == ("video", 25_002, ("96",))
    assert video.attribute("recvonly") == ""
    assert video.attribute("fmtp") == "96 packetization-mode=1;profile-level-id=42e01f"
    assert answer.media[0].attribute("sendrecv") == ""


@pytest.mark.parametrize(
    ("given", "instead"),
    [
        (b"a=sendonly", b"a=recvonly"),
        (b"a=sendonly", b"a=inactive"),
        (b"m=video 5006", b"m=video 0"),
        (b"RTP/AVP 96", b"RTP/SAVPF 96"),
        (b"H264/90000", b"H265/90000"),
        (b"H264/90000", b"H264/90000\r\na=fmtp:96 packetization-mode=2"),
        (b"m=video 5006 RTP/AVP 96", b"m=video 5006 RTP/AVP 999"),
    ],
)
def test_a_picture_that_is_not_sent_or_not_read_is_declined(given: bytes, instead: bytes) -> None:
    offer = read_offer(OFFER.replace(given, instead))
    assert offer is not None
    assert offer.video is None
    assert b"m=video 0" in make_answer(offer, "192.0.2.1", 25_000, 25_002).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        OFFER.replace(b"m=audio 5004", b"m=audio 0"),
        OFFER.replace(b"m=audio 5004 RTP/AVP 9 0 8 101", b"m=audio 5004 RTP/SAVP 9 0 8 101"),
        OFFER.replace(b"9 0 8 101", b"9 101"),
    ],
)
def test_an_offer_without_plain_g711_is_none(body: bytes) -> None:
    assert read_offer(body) is None


@pytest.mark.parametrize(
    ("theirs", "ours"), [("sendonly", "recvonly"), ("inactive", "inactive"), ("recvonly", "sendonly")]
)
def test_who_holds_the_line_is_answered_in_kind(theirs: str, ours: str) -> None:
    offer = read_offer(OFFER.replace(b"a=rtpmap:9 G722/8000", f"a={theirs}".encode()))
    assert offer is not None
    assert ours.encode() in make_answer(offer, "192.0.2.1", 1).encode()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((), None),
        ((("Supported", "timer, replaces"),), SessionTimer(1800)),
        ((("Supported", "timer"), ("Session-Expires", "600")), SessionTimer(600)),
        ((("Supported", "timer"), ("x", "600;refresher=uas"), ("Allow", "INVITE, UPDATE")), SessionTimer(600, True)),
        ((("Supported", "timer"), ("x", "600;refresher=uas"), ("Allow", "INVITE")), None),
        ((("Session-Expires", "60"),), TooBrief()),
        ((("Session-Expires", "soon"),), None),
    ],
)
def test_session_timers_follow_rfc_4028(fields: tuple[tuple[str, str], ...], expected: object) -> None:
    assert session_timer(invite("sip:1000@d", *fields)) == expected


def test_what_is_kept_as_evidence_holds_no_proof_of_the_password() -> None:
    kept = for_evidence(invite("sip:1000@d", ("Authorization", 'Digest username="door1",response="00"')))
    assert b"door1" in kept
    assert b"Digest" not in kept
    assert called_of(invite()) == "1000"


def test_tones_share_a_time_grow_and_end_three_times() -> None:
    made = [tone for tone in tones("#") if isinstance(tone, Tone)]
    assert made[0].payload == bytes.fromhex("0b0a00a0")
    assert [tone.is_first for tone in made].count(True) == 1
    assert [tone.payload for tone in made[-3:]] == [bytes.fromhex("0b8a0500")] * 3
    with pytest.raises(ValueError):
        list(tones("x"))


@pytest.mark.parametrize("lost", [(), (0,), (0, 1, 2, 3), (8, 9, 10)])
def test_a_digit_is_heard_once_whatever_packet_is_lost(lost: tuple[int, ...]) -> None:
    reader = ToneReader()
    for stamp, digit in enumerate("0#"):
        for number, tone in enumerate(tone for tone in tones(digit) if tone is not None):
            if number not in lost:
                reader.take(tone.payload, stamp)
    assert reader.digits == "0#"


@pytest.mark.parametrize("method", [DoorMethod.INFO_RELAY, DoorMethod.INFO_DTMF])
def test_an_info_carries_a_digit_there_and_back(method: DoorMethod) -> None:
    assert "".join(read_info(*info_of(method, digit)) for digit in "0*#A") == "0*#A"


def test_an_info_that_carries_no_digit_says_none() -> None:
    assert read_info("application/dtmf-relay", b"Signal=x\r\n") == ""
    assert read_info("application/media_control+xml", b"Signal=1") == ""
    assert is_code("0#")
    assert not is_code("")


@pytest.mark.parametrize("word", ["abcd1234", "-_Ab-12_"])  # as words of a URL are
def test_an_answer_to_our_question_is_known_by_its_branch(word: str) -> None:
    pinger = Pinger(word, "3402", "d")
    asked = parse_datagram(pinger.question(77, "door1", ("10.1.2.3", 5060), ("192.0.2.1", 5060), 3))
    assert isinstance(asked, Request)
    for status in (200, 404, 486):
        assert pinger.answered(response_to(asked, status).encode()) == 77
    assert Pinger("other123", "3402", "d").answered(response_to(asked, 200).encode()) is None
    assert pinger.answered(asked.encode()) is None


@pytest.mark.parametrize(
    ("body", "category", "kind"),
    [
        ("SOS", Category.PANIC, EventKind.ALARM),
        ("Door forced!", Category.ACCESS, EventKind.ALARM),
        ("紧急求助", Category.PANIC, EventKind.ALARM),
        ("<?xml version='1.0'?><Notify><Event>tamper</Event><Door>2</Door></Notify>", Category.TAMPER, EventKind.ALARM),
        ("tamper.restore", Category.TAMPER, EventKind.RESTORE),
    ],
)
def test_a_text_alarm_is_read_in_plain_words_and_in_xml(body: str, category: Category, kind: EventKind) -> None:
    event = read_text(body.encode())
    assert (event.category, event.kind, event.is_known) == (category, kind, True)


def test_an_unknown_text_says_so_and_a_passage_is_one() -> None:
    assert not read_text(b"hello there").is_known
    assert not read_text(b"").is_known
    assert is_passage(read_text(b"access granted: 0012345"))
