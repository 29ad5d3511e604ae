"""Registrar decisions, keepalives the short way, ladders and timelines."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.protocols.gb28181.keepalive import recognise, reply
from tocsin.protocols.gb28181.ladder import DEFAULT_LADDER, is_worth_another_mode, order, promote, reorder_after
from tocsin.protocols.gb28181.manscdp import keepalive_notify
from tocsin.protocols.gb28181.register import (
    BackOff,
    ChallengeIt,
    GrantIt,
    KnownDevice,
    RefuseIt,
    Registrar,
    clamp_expires,
    gb_date,
    grant_headers,
)
from tocsin.protocols.gb28181.timeline import MAX_STEPS, STATUS_KEYS, WORDS, StepState, Timeline, refusal_key
from tocsin.protocols.sip.digest import Algorithm, Challenge, Nonces, answer, parse_challenge
from tocsin.protocols.sip.limits import Allowance, SourceLimits
from tocsin.protocols.sip.message import Headers, Request, Response, parse_datagram
from tocsin.protocols.sip.sdp import AnswerProblem, MediaMode

CAMERA = "34020000001320000001"
SERVER = "34020000002000000001"
REALM = "3402000000"
URI = f"sip:{SERVER}@{REALM}"
DEVICE = KnownDevice(CAMERA, "right")


def register(authorization: str = "", *, to: str = CAMERA, expires: str = "3600") -> Request:
    fields = [
        ("Via", "SIP/2.0/UDP 192.0.2.21:5060;rport;branch=z9hG4bKa"),
        ("From", f"<sip:{CAMERA}@{REALM}>;tag=a1"),
        ("To", f"<sip:{to}@{REALM}>"),
        ("Call-ID", "c"),
        ("CSeq", "1 REGISTER"),
        ("Contact", f"<sip:{CAMERA}@192.0.2.21:5060>"),
        ("X-GB-ver", "3.0"),
    ]
    if expires:
        fields.append(("Expires", expires))
    if authorization:
        fields.append(("Authorization", authorization))
    return Request("REGISTER", URI, Headers(fields))


def registrar() -> Registrar:
    return Registrar(REALM, Nonces(b"secret"))


def challenged(side: Registrar, device: KnownDevice = DEVICE, now_s: int = 1000, host: str = "192.0.2.21") -> Challenge:
    decision = side.decide(register(), host, device, now_s=now_s, random_word=f"{now_s:016x}")
    assert isinstance(decision, ChallengeIt), decision
    found = parse_challenge(decision.challenges[0])
    assert found is not None
    return found


def answered(challenge: Challenge, password: str = "right", username: str = CAMERA, count: int = 1) -> str:
    made = answer(
        challenge, username=username, password=password, method="REGISTER", uri=URI, cnonce="c5a91e07", count=count
    )
    return made.encode()


def decide(side: Registrar, authorization: str, *, now_s: int = 1001, host: str = "192.0.2.21", device=DEVICE, **more):
    return side.decide(register(authorization, **more), host, device, now_s=now_s, random_word="0" * 16)


def test_the_right_password_is_granted():
    side = registrar()
    decision = decide(side, answered(challenged(side)))
    assert isinstance(decision, GrantIt)
    assert (decision.expires_s, decision.asked_s, decision.version) == (3600, 3600, "3.0")


def test_a_stale_challenge_is_renewed_and_says_so():
    side = registrar()
    old = answered(challenged(side))
    decision = decide(side, old, now_s=1302)
    assert isinstance(decision, ChallengeIt)
    assert "stale=true" in decision.challenges[0]
    fresh = parse_challenge(decision.challenges[0])
    assert isinstance(decide(side, answered(fresh), now_s=1303), GrantIt)


def test_a_replayed_registration_is_challenged_and_a_higher_count_is_accepted():
    side = registrar()
    challenge = challenged(side)
    assert isinstance(decide(side, answered(challenge)), GrantIt)
    assert isinstance(decide(side, answered(challenge)), ChallengeIt)
    assert isinstance(decide(side, answered(challenge, count=2)), GrantIt)


def test_the_challenge_of_one_device_does_not_serve_another():
    side = registrar()
    other = KnownDevice("34020000001320000002", "right")
    stolen = answered(challenged(side, other))
    assert isinstance(decide(side, stolen), ChallengeIt)


def test_wrong_passwords_are_challenged_refused_and_then_made_to_wait_longer():
    side = registrar()
    now_s, waits = 1000, []
    for _ in range(6):
        decision = decide(side, answered(challenged(side, now_s=now_s), "wrong"), now_s=now_s)
        assert isinstance(decision, ChallengeIt | RefuseIt)
        blocked = side.decide(register(), "192.0.2.21", DEVICE, now_s=now_s, random_word="1")
        if isinstance(blocked, RefuseIt):
            assert blocked.key == "register.backing_off"
            waits.append(blocked.retry_after_s)
            now_s += blocked.retry_after_s
        now_s += 1
    assert waits == [60, 120, 240, 480]


def test_a_guesser_elsewhere_does_not_lock_out_the_device_at_its_place():
    side = registrar()
    for number in range(30):
        host = f"198.51.100.{number}"
        for _ in range(3):
            found = side.decide(register(), host, DEVICE, now_s=1000, random_word=f"{number:016x}")
            if isinstance(found, ChallengeIt):
                decide(side, answered(parse_challenge(found.challenges[0]), "wrong"), host=host, now_s=1000)
    stranger = side.decide(register(), "203.0.113.9", DEVICE, now_s=1000, random_word="1")
    assert isinstance(stranger, RefuseIt)
    at_home = KnownDevice(CAMERA, "right", last_host="192.0.2.21")
    assert isinstance(side.decide(register(), "192.0.2.21", at_home, now_s=1000, random_word="1"), ChallengeIt)


@pytest.mark.parametrize(
    ("device", "more", "key"),
    [
        (None, {}, "register.unknown_device"),
        (KnownDevice(CAMERA, ""), {}, "register.no_password"),
        (DEVICE, {"to": "34020000001320000077"}, "register.ids_differ"),
    ],
)
def test_who_is_refused_without_a_challenge(device, more, key):
    decision = registrar().decide(register(**more), "192.0.2.21", device, now_s=1000, random_word="1")
    assert decision == RefuseIt(403, key)


def test_md5_comes_first_and_sha256_is_offered_to_capable_devices_only():
    side = registrar()
    capable = KnownDevice(CAMERA, "right", sha256=True)
    decision = side.decide(register(), "h", capable, now_s=1000, random_word="1")
    assert isinstance(decision, ChallengeIt)
    assert [parse_challenge(value).algorithm for value in decision.challenges] == [Algorithm.MD5, Algorithm.SHA256]
    sha = parse_challenge(decision.challenges[1])
    assert isinstance(decide(side, answered(sha), host="h", device=capable), GrantIt)
    assert isinstance(decide(side, answered(sha, count=2), host="h"), ChallengeIt), "not offered, so not accepted"


@pytest.mark.parametrize(
    ("asked_s", "granted_s"), [(None, 3600), (0, 0), (1, 60), (59, 60), (3600, 3600), (2**40, 86_400)]
)
def test_expiry(asked_s, granted_s):
    assert clamp_expires(asked_s) == granted_s


def test_the_date_is_beijing_time_without_a_zone():
    moment = datetime(2026, 11, 22, 3, 36, 20, 123_456, tzinfo=UTC)
    assert gb_date(moment) == "2026-11-22T11:36:20.123"
    assert gb_date(moment, milliseconds=False) == "2026-11-22T11:36:20"


def test_the_grant_names_the_expiry_twice_and_survives_a_strange_contact():
    headers = grant_headers(GrantIt(60, 20, "<sip:x@192.0.2.1:5060>", ""), CAMERA, ("192.0.2.9", 7), "")
    assert ("Contact", "<sip:x@192.0.2.1:5060>;expires=60") in headers
    assert ("Expires", "60") in headers
    assert not any(name == "Date" for name, _ in headers)
    for contact in ("*", "", "nonsense"):
        assert grant_headers(GrantIt(0, 0, contact, ""), CAMERA, ("192.0.2.9", 7), "")[0] == (
            "Contact",
            f"<sip:{CAMERA}@192.0.2.9:7>;expires=0",
        )


def test_back_off_forgets_after_its_time_and_is_bounded():
    back_off = BackOff(allowed=1, forget_s=100)
    assert back_off.fail("a", 0) == 1
    assert back_off.blocked_s("a", 10) == 50
    assert back_off.fail("a", 200) == 1
    for number in range(20_000):
        back_off.fail(str(number), 200)
    assert len(back_off._known) <= 10_000


KEEPALIVE = (
    f"MESSAGE {URI} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.21:5060;rport;branch=z9hG4bK7f3a10\r\n"
    f"From: <sip:{CAMERA}@{REALM}>;tag=k9\r\n"
    f"To: <sip:{SERVER}@{REALM}>\r\n"
    "Call-ID: ka17@192.0.2.21\r\n"
    "CSeq: 20 MESSAGE\r\n"
    "Max-Forwards: 70\r\n"
    "Content-Type: Application/MANSCDP+xml\r\n\r\n"
).encode() + keepalive_notify(17, CAMERA)


def test_a_keepalive_is_recognised_and_answered_like_any_other_message():
    found = recognise(KEEPALIVE)
    assert found is not None
    assert found.gb_id == CAMERA
    message = parse_datagram(reply(found, b"200 OK", b"198.51.100.7", 6001))
    asked = parse_datagram(KEEPALIVE)
    assert isinstance(message, Response)
    assert isinstance(asked, Request)
    assert (message.status, message.call_id, message.cseq, message.method) == (200, "ka17@192.0.2.21", 20, "MESSAGE")
    assert message.to_tag
    assert message.from_tag == "k9"
    assert message.headers.get("from") == asked.headers.get("from")
    assert message.via.branch == asked.via.branch
    assert "rport=6001" in message.headers.get("via")
    assert "received=198.51.100.7" in message.headers.get("via")


@pytest.mark.parametrize("via", [b"5060;branch=z9hG4bK7f3a10", b"5060;branch=z9hG4bK7f3a10;rport"])
def test_other_forms_of_via_are_answered_too(via):
    found = recognise(KEEPALIVE.replace(b"5060;rport;branch=z9hG4bK7f3a10", via))
    assert found is not None
    message = parse_datagram(reply(found, b"200 OK", b"198.51.100.7", 6001))
    assert isinstance(message, Response)
    assert message.via.branch == "z9hG4bK7f3a10"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"MESSAGE sip", b"NOTIFY sip"),
        (b"Keepalive", b"Alarm"),
        (b"<Notify>", b"<Query>"),
        (b"</DeviceID>", b"</DeviceID><Info><DeviceID>34020000001340000003</DeviceID></Info>"),
        (b"<sip:34020000001320000001@", b"<sip:34020000001320000002@"),
        (b"CSeq: 20 MESSAGE", b"CSeq: 20 NOTIFY"),
        (b"Call-ID", b"i"),
        (b"Via: ", b"v: "),
        (b"Max-Forwards: 70\r\n", b"Via: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKp\r\n"),
        (b"Max-Forwards: 70\r\n", b" folded\r\n"),
        (b"\r\n\r\n", b"\r\n"),
        (b"<Notify>", b"<!DOCTYPE x><Notify>"),
        (b"<Status>", b"x" * 2000 + b"<Status>"),
    ],
)
def test_anything_unusual_takes_the_full_way(old, new):
    assert old in KEEPALIVE
    assert recognise(KEEPALIVE.replace(old, new)) is None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(KEEPALIVE)), st.integers(0, 40))
def test_no_bytes_raise_and_no_reply_smuggles_a_line(data, at, cut):
    found = recognise(KEEPALIVE[:at] + data + KEEPALIVE[at + cut :])
    if found is not None:
        message = parse_datagram(reply(found, b"200 OK", b"198.51.100.7", 6001))
        if isinstance(message, Response):
            assert len(message.headers._fields) <= 6 + data.count(b"\n") + data.count(b"\r")


def test_the_remembered_transport_goes_first_and_none_is_lost():
    assert order() == DEFAULT_LADDER
    assert order(["udp", "nonsense"]) == (MediaMode.UDP, MediaMode.TCP_PASSIVE, MediaMode.TCP_ACTIVE)
    assert promote(DEFAULT_LADDER, MediaMode.TCP_ACTIVE)[0] is MediaMode.TCP_ACTIVE
    assert len(promote(DEFAULT_LADDER, MediaMode.UDP)) == 3


def test_only_refusals_about_the_transport_lead_to_the_next_one():
    assert all(is_worth_another_mode(status) for status in (400, 415, 488, 500))
    assert not any(is_worth_another_mode(status) for status in (403, 404, 480, 486))
    left = (MediaMode.TCP_ACTIVE, MediaMode.UDP)
    assert reorder_after(left, AnswerProblem.OTHER_TRANSPORT) == (MediaMode.UDP, MediaMode.TCP_ACTIVE)
    assert reorder_after(left, AnswerProblem.NO_SDP) == left


def test_a_timeline_keeps_order_times_and_the_last_failure():
    timeline = Timeline(10.0)
    timeline.ok("play.invited", 10.0, mode="udp")
    timeline.waiting("play.trying", 10.1)
    timeline.failed("play.no_media", 18.25, waited_s=8)
    assert [(step.key, step.state, step.elapsed_ms) for step in timeline.steps] == [
        ("play.invited", StepState.OK, 0),
        ("play.no_media", StepState.FAILED, 8250),
    ]
    assert timeline.failure == "play.no_media"
    for _ in range(200):
        timeline.ok("play.media", 19.0)
    assert len(timeline.steps) == MAX_STEPS


@pytest.mark.parametrize("status", [400, 401, 403, 404, 415, 480, 481, 486, 488, 499, 500, 503, 600, 603])
def test_every_refusal_has_words(status):
    assert refusal_key(status) in WORDS
    assert set(STATUS_KEYS.values()) <= WORDS.keys()


def test_every_answer_problem_has_words_in_both_languages():
    for problem in AnswerProblem:
        key = f"play.answer_{problem.value}"
        assert WORDS.text(key, "zh") != WORDS.text(key, "en") != key


def test_a_source_is_served_refused_and_then_dropped():
    limits = SourceLimits(rate_per_s=10, burst=20, max_hosts=2)
    taken = [limits.take("192.0.2.1", 0.0) for _ in range(40)]
    assert taken.count(Allowance.SERVE) == 20
    assert taken.count(Allowance.REFUSE) == 10
    assert taken[-1] is Allowance.DROP
    assert limits.take("192.0.2.2", 0.0) is Allowance.SERVE
    assert limits.take("192.0.2.1", 10.0) is Allowance.SERVE
