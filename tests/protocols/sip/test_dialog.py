"""Calls from both ends: races of CANCEL, repeated answers, BYE from either side."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.dialog import (
    Accepted,
    Cancelled,
    ClientCallState,
    Confirmed,
    Ended,
    InviteClient,
    InviteServer,
    Local,
    Rejected,
    Ringing,
    ServerCallState,
    Unanswered,
)
from tocsin.protocols.sip.message import Request, Response, parse_datagram, response_to
from tocsin.protocols.sip.reliable import rack_of, wants_reliable
from tocsin.protocols.sip.transaction import Send

CAMERA = Local("sip:camera@d", "sip:camera@192.0.2.30:5060", "192.0.2.30", 5060, Transport.UDP)


def words():
    numbers = itertools.count(1)
    return lambda: f"word{next(numbers)}"


def client(transport: Transport = Transport.UDP) -> InviteClient:
    return InviteClient(
        target="sip:camera@192.0.2.30:5060",
        to_uri="sip:camera@d",
        local=Local("sip:server@d", "sip:server@192.0.2.1:5060", "192.0.2.1", 5060, transport),
        call_id="live1",
        tag="i1",
        tokens=words(),
        body=b"v=0\r\n",
        headers=[("Subject", "camera:0200000001,server:0")],
        answer_within_s=10.0,
    )


def sent(outputs) -> list[Request | Response]:
    return [parse_datagram(item.data) for item in outputs if isinstance(item, Send)]


def events(outputs) -> list[object]:
    return [item for item in outputs if not isinstance(item, Send)]


def answer_to(call: InviteClient, status: int, tag: str = "d1", body: bytes = b"") -> Response:
    return response_to(call.invite, status, to_tag=tag, body=body)


def test_an_answered_call_is_acknowledged_on_a_new_branch_and_ended_with_the_next_number():
    call = client()
    [invite] = sent(call.start(0.0))
    assert invite.headers.get("subject") == "camera:0200000001,server:0"
    ok = answer_to(call, 200, body=b"sdp")
    outputs = call.receive(ok, 0.1)
    [ack] = sent(outputs)
    assert events(outputs) == [Accepted(ok)]
    assert (ack.method, ack.cseq, ack.body, ack.to_tag) == ("ACK", 1, b"", "d1")
    assert ack.via.branch != invite.via.branch
    assert ack.uri == invite.uri, "the observed address, not the Contact"
    [bye] = sent(call.bye(1.0))
    assert (bye.method, bye.cseq, bye.call_id, bye.from_tag, bye.to_tag) == ("BYE", 2, "live1", "i1", "d1")
    assert events(call.receive(response_to(bye, 200), 1.1)) == [Ended(by_peer=False)]
    assert call.timer() is None


def test_over_udp_the_invite_is_repeated_until_any_answer():
    call = client()
    call.start(0.0)
    assert [len(sent(call.handle_timer(at))) for at in (0.5, 1.0, 1.5)] == [1, 0, 1]
    assert events(call.receive(answer_to(call, 100, ""), 1.6)) == [Ringing(100)]
    assert sent(call.handle_timer(3.5)) == []


def test_over_tcp_the_invite_is_sent_once():
    call = client(Transport.TCP)
    call.start(0.0)
    assert call.timer() == 10.0


def test_a_repeated_200_gets_the_same_ack_again():
    call = client()
    call.start(0.0)
    first = sent(call.receive(answer_to(call, 200), 0.1))
    again = call.receive(answer_to(call, 200), 0.6)
    assert sent(again) == first
    assert events(again) == []


def test_a_second_device_that_answers_is_acknowledged_and_hung_up():
    call = client()
    call.start(0.0)
    call.receive(answer_to(call, 200, "d1"), 0.1)
    outputs = sent(call.receive(answer_to(call, 200, "other"), 0.2))
    assert [(item.method, item.to_tag) for item in outputs] == [("ACK", "other"), ("BYE", "other")]
    assert [item.method for item in sent(call.receive(answer_to(call, 200, "other"), 0.7))] == ["ACK"]
    assert call.state is ClientCallState.CONFIRMED


def test_a_refusal_is_acknowledged_on_the_same_branch():
    call = client()
    [invite] = sent(call.start(0.0))
    busy = answer_to(call, 486)
    outputs = call.receive(busy, 0.1)
    [ack] = sent(outputs)
    assert events(outputs) == [Rejected(busy)]
    assert (ack.method, ack.via.branch) == ("ACK", invite.via.branch)
    assert [item.method for item in sent(call.receive(busy, 0.6))] == ["ACK"]
    assert events(call.receive(busy, 0.7)) == []


def test_nobody_answering_is_told_and_no_cancel_goes_out_before_a_provisional():
    call = client()
    call.start(0.0)
    outputs = call.handle_timer(10.0)
    assert events(outputs) == [Unanswered(had_provisional=False)]
    assert sent(outputs) == []


def test_a_camera_that_only_tries_is_cancelled():
    call = client()
    [invite] = sent(call.start(0.0))
    call.receive(answer_to(call, 100, ""), 0.1)
    outputs = call.handle_timer(10.0)
    assert events(outputs) == [Unanswered(had_provisional=True)]
    [cancel] = sent(outputs)
    assert (cancel.method, cancel.via.branch, cancel.cseq) == ("CANCEL", invite.via.branch, 1)
    call.receive(response_to(cancel, 200), 10.1)
    done = call.receive(answer_to(call, 487), 10.2)
    assert events(done) == [Ended(by_peer=False)]
    assert [item.method for item in sent(done)] == ["ACK"]


def test_a_late_provisional_releases_the_cancel_that_waited():
    call = client()
    call.start(0.0)
    call.handle_timer(10.0)
    assert [item.method for item in sent(call.receive(answer_to(call, 180), 11.0))] == ["CANCEL"]


@pytest.mark.parametrize("with_provisional", [True, False])
def test_a_200_after_cancel_is_acknowledged_and_hung_up(with_provisional):
    call = client()
    call.start(0.0)
    if with_provisional:
        call.receive(answer_to(call, 100, ""), 0.1)
    call.cancel(1.0)
    outputs = sent(call.receive(answer_to(call, 200), 1.1))
    assert [item.method for item in outputs] == ["ACK", "BYE"]
    bye = outputs[1]
    assert events(call.receive(response_to(bye, 200), 1.2)) == [Ended(by_peer=False)]


def test_bye_from_the_camera_ends_the_call_and_is_answered_each_time():
    call = client()
    call.start(0.0)
    call.receive(answer_to(call, 200), 0.1)
    bye = Request("BYE", "sip:server@192.0.2.1", response_to(call.invite, 200, to_tag="d1").headers)
    first = call.receive_request(bye)
    assert events(first) == [Ended(by_peer=True)]
    assert [item.status for item in sent(first)] == [200]
    second = call.receive_request(bye)
    assert events(second) == []
    assert [item.status for item in sent(second)] == [200]


def test_glare_of_bye_ends_once():
    call = client()
    call.start(0.0)
    call.receive(answer_to(call, 200), 0.1)
    [ours] = sent(call.bye(1.0))
    bye = Request("BYE", "sip:server@192.0.2.1", response_to(call.invite, 200, to_tag="d1").headers)
    assert events(call.receive_request(bye)) == [Ended(by_peer=True)]
    assert events(call.receive(response_to(ours, 481), 1.1)) == []


def test_an_unanswered_bye_is_repeated_and_given_up():
    call = client()
    call.start(0.0)
    call.receive(answer_to(call, 200), 0.1)
    call.bye(1.0)
    seen, sends = [], 0
    while (at := call.timer()) is not None:
        outputs = call.handle_timer(at)
        sends += len(sent(outputs))
        seen += events(outputs)
    assert seen == [Ended(by_peer=False)]
    assert sends >= 9


def server(invite: Request | None = None) -> InviteServer:
    made = invite or sent(client().start(0.0))[0]
    return InviteServer(
        made, tag="d1", contact=CAMERA.contact, local=CAMERA, source=("192.0.2.1", 5060), tokens=words()
    )


def in_dialog(side: InviteServer, method: str, number: int = 1) -> Request:
    fields = [
        (name, f"{number} {method}" if name == "cseq" else value)
        for name, value in side.invite.headers
        if name in ("via", "from", "to", "call-id", "cseq")
    ]
    return Request(method, "sip:camera@192.0.2.30", type(side.invite.headers)(fields))


def test_the_answering_side_repeats_its_200_until_the_ack():
    side = server()
    assert [item.status for item in sent(side.progress())] == [100]
    assert [item.status for item in sent(side.accept(b"sdp", 0.0))] == [200]
    assert side.timer() == 0.5
    assert [item.status for item in sent(side.handle_timer(0.5))] == [200]
    assert [item.status for item in sent(side.receive(side.invite, 0.6))] == [200]
    assert side.receive(in_dialog(side, "ACK"), 0.7) == [Confirmed()]
    assert side.timer() is None
    done = side.receive(in_dialog(side, "BYE", 2), 1.0)
    assert events(done) == [Ended(by_peer=True)]


def test_an_answer_nobody_acknowledges_is_hung_up():
    side = server()
    side.accept(b"sdp", 0.0)
    methods = [item.method for item in sent(side.handle_timer(32.0)) if isinstance(item, Request)]
    assert methods == ["BYE"]


def test_a_cancel_in_time_gives_487_and_too_late_changes_nothing():
    early = server()
    early.progress()
    outputs = early.receive(in_dialog(early, "CANCEL"), 0.1)
    assert [item.status for item in sent(outputs)] == [200, 487]
    assert events(outputs) == [Cancelled()]
    late = server()
    late.accept(b"sdp", 0.0)
    assert [item.status for item in sent(late.receive(in_dialog(late, "CANCEL"), 0.1))] == [200]
    assert late.state is ServerCallState.ACCEPTED


def prack(side: InviteServer, rack: str) -> Request:
    made = in_dialog(side, "PRACK", 2)
    return Request("PRACK", made.uri, type(made.headers)([*made.headers, ("rack", rack)]))


def test_a_reliable_response_is_repeated_until_its_prack_and_holds_the_answer_back():
    side = server()
    [early] = sent(side.progress(183, 0.0, (), b"sdp", is_reliable=True))
    assert (early.status, early.headers.get("require"), early.body) == (183, "100rel", b"sdp")
    assert CAMERA.contact in early.headers.get("contact")
    assert rack_of(early) == f"1 {side.invite.headers.get('cseq')}"
    assert side.timer() == 0.5
    assert [item.status for item in sent(side.handle_timer(0.5))] == [183]
    assert side.timer() == 1.5
    assert [item.status for item in sent(side.receive(side.invite, 0.6))] == [183]
    assert side.accept(b"sdp", 1.0) == []  # RFC 3262: not before the description is acknowledged
    for wrong in ("2 1 INVITE", "1 9 INVITE", "1 1 BYE", "", "x y z"):
        assert [item.status for item in sent(side.receive(prack(side, wrong), 1.1))] == [481]
    outputs = side.receive(prack(side, "1 1 INVITE"), 1.2)
    assert [item.status for item in sent(outputs)] == [200, 200]
    assert side.state is ServerCallState.ACCEPTED
    assert [item.status for item in sent(side.receive(prack(side, "1 1 INVITE"), 1.3))] == [481]
    assert side.receive(in_dialog(side, "ACK"), 1.4) == [Confirmed()]


def test_ringing_nobody_acknowledges_is_refused_and_a_cancel_ends_it():
    side = server()
    side.progress(180, 0.0, is_reliable=True)
    assert [item.status for item in sent(side.accept(b"sdp", 0.1))] == [200]  # nothing in it that would hold it back
    lost = server()
    lost.progress(183, 0.0, (), b"sdp", is_reliable=True)
    outputs = lost.handle_timer(32.0)
    assert [item.status for item in sent(outputs)] == [504]
    assert events(outputs) == [Ended(by_peer=False)]
    given_up = server()
    given_up.progress(183, 0.0, (), b"sdp", is_reliable=True)
    given_up.accept(b"sdp", 0.1)
    assert [item.status for item in sent(given_up.receive(in_dialog(given_up, "CANCEL"), 0.2))] == [200, 487]
    assert [item.status for item in sent(given_up.receive(prack(given_up, "1 1 INVITE"), 0.3))] == [481]


def test_a_caller_that_insists_is_known():
    plain = sent(client().start(0.0))[0]
    assert not wants_reliable(plain)
    fields = [*plain.headers, ("require", "timer, 100REL")]
    assert wants_reliable(Request("INVITE", plain.uri, type(plain.headers)(fields)))


def test_both_ends_understand_each_other():
    caller, camera = client(), None
    wire = caller.start(0.0)
    [invite] = sent(wire)
    camera = server(invite)
    [ok] = sent(camera.accept(b"sdp", 0.1))
    accepted = caller.receive(ok, 0.2)
    [ack] = sent(accepted)
    assert camera.receive(ack, 0.3) == [Confirmed()]
    [bye] = sent(camera.bye(1.0))
    ended = caller.receive_request(bye)
    assert events(ended) == [Ended(by_peer=True)]
    assert events(camera.receive_response(sent(ended)[0], 1.1)) == [Ended(by_peer=False)]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), st.sampled_from([100, 180, 200, 200, 404, 487, 503]), st.sampled_from(["a", "b"])),
        st.tuples(st.just("bye")),
        st.tuples(st.just("cancel")),
        st.tuples(st.just("peer_bye")),
        st.tuples(st.just("time")),
    ),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(steps)
def test_whatever_happens_a_call_ends_at_most_once_and_comes_to_rest(script):
    call = client()
    log = list(call.start(0.0))
    now = 0.0
    for step in script:
        now += 0.1
        if step[0] == "answer":
            log += call.receive(answer_to(call, step[1], step[2]), now)
        elif step[0] == "bye":
            log += call.bye(now)
        elif step[0] == "cancel":
            log += call.cancel(now)
        elif step[0] == "peer_bye":
            bye = Request("BYE", "sip:s@h", response_to(call.invite, 200, to_tag="a").headers)
            log += call.receive_request(bye)
        elif (at := call.timer()) is not None:
            now = max(now, at)
            log += call.handle_timer(now)
    log += call.cancel(now)
    for _ in range(60):
        at = call.timer()
        if at is None:
            break
        log += call.handle_timer(at)
    assert call.timer() is None
    assert sum(isinstance(item, Ended) for item in log) <= 1
    assert sum(isinstance(item, Accepted | Rejected | Unanswered) for item in log) <= 1
