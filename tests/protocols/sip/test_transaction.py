"""Transactions: timers of RFC 3261, and requests that are executed once."""

from __future__ import annotations

from tests.protocols.sip.test_message import REGISTER, request
from tocsin.protocols.sip.codes import Timers
from tocsin.protocols.sip.message import response_to
from tocsin.protocols.sip.transaction import (
    Answered,
    ClientState,
    ClientTransaction,
    Provisional,
    Send,
    ServerState,
    ServerTransactions,
    TimedOut,
    ack_for_failure,
    cancel_for,
    server_key,
)


def run_to_end(transaction: ClientTransaction) -> list[tuple[float, str]]:
    log = [(0.0, type(item).__name__) for item in transaction.start(0.0)]
    while (at := transaction.timer()) is not None:
        log += [(at, type(item).__name__) for item in transaction.handle_timer(at)]
    return log


def test_over_udp_a_request_is_repeated_with_doubling_pauses_until_timer_f():
    log = run_to_end(ClientTransaction(request(REGISTER), is_reliable=False))
    assert [at for at, kind in log if kind == "Send"][:6] == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5]
    assert log[-1] == (32.0, "TimedOut")


def test_over_tcp_a_request_is_sent_once():
    assert run_to_end(ClientTransaction(request(REGISTER), is_reliable=True)) == [(0.0, "Send"), (32.0, "TimedOut")]


def test_a_provisional_slows_the_repetition_and_the_final_ends_it():
    transaction = ClientTransaction(request(REGISTER), is_reliable=False)
    transaction.start(0.0)
    trying = response_to(request(REGISTER), 100)
    assert transaction.receive(trying, 0.2) == [Provisional(trying)]
    assert transaction.timer() == 4.2
    final = response_to(request(REGISTER), 200)
    assert transaction.receive(final, 1.0) == [Answered(final)]
    assert transaction.state is ClientState.TERMINATED
    assert transaction.timer() is None
    assert transaction.receive(final, 1.1) == []


def test_a_timer_that_fires_early_does_nothing():
    transaction = ClientTransaction(request(REGISTER), is_reliable=False)
    transaction.start(0.0)
    assert transaction.handle_timer(0.49) == []
    assert transaction.handle_timer(33.0) == [TimedOut()]


def test_a_retransmission_gets_the_same_response_for_32_seconds():
    table = ServerTransactions()
    key = server_key(request(REGISTER), "192.0.2.21:5060")
    assert table.receive(key, 0.0) == (ServerState.NEW, None)
    assert table.receive(key, 0.5) == (ServerState.WORKING, None)
    table.answer(key, b"answer", 1.0)
    assert table.receive(key, 32.9) == (ServerState.ANSWERED, b"answer")
    assert table.receive(key, 33.1) == (ServerState.NEW, None)


def test_the_same_branch_from_elsewhere_is_another_transaction():
    table = ServerTransactions()
    table.receive(server_key(request(REGISTER), "192.0.2.21:5060"), 0.0)
    assert table.receive(server_key(request(REGISTER), "192.0.2.66:5060"), 0.0)[0] is ServerState.NEW


def test_a_poor_branch_that_repeats_is_told_apart_by_call_id_and_number():
    table = ServerTransactions()
    first = request(REGISTER.replace(b"z9hG4bK7f3a01", b"1"))
    second = request(REGISTER.replace(b"z9hG4bK7f3a01", b"1").replace(b"CSeq: 1", b"CSeq: 2"))
    table.receive(server_key(first, "p"), 0.0)
    assert table.receive(server_key(second, "p"), 0.0)[0] is ServerState.NEW


def test_a_flood_of_requests_is_bounded_and_old_ones_leave():
    table = ServerTransactions(limit=100)
    for number in range(1000):
        table.receive(("p", str(number), "", "MESSAGE"), 0.0)
    assert len(table) == 100
    table.expire(31.9)
    assert len(table) == 100
    table.expire(32.0)
    assert len(table) == 0


def test_short_timers_follow_t1():
    assert Timers(t1_s=0.01).timeout_s == 0.64
    transaction = ClientTransaction(request(REGISTER), is_reliable=False, timers=Timers(0.01, 0.04))
    assert transaction.start(0.0) == [Send(request(REGISTER).encode())]
    assert transaction.timer() == 0.01


def test_ack_of_a_failure_and_cancel_keep_branch_and_number():
    invite = request(REGISTER.replace(b"REGISTER", b"INVITE"))
    ack = ack_for_failure(invite, response_to(invite, 486, to_tag="x"))
    cancel = cancel_for(invite)
    for made, method in ((ack, "ACK"), (cancel, "CANCEL")):
        assert made.via == invite.via
        assert (made.method, made.cseq, made.uri) == (method, invite.cseq, invite.uri)
    assert ack.to_tag == "x"
    assert cancel.to_tag == ""
