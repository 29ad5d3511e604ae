"""The SIP sockets: routing, repetition, limits, connections. Raw peers on loopback."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.support.gb28181 import QUICK, eventually, words
from tocsin.base.clock import SystemClock
from tocsin.gateways.sip import SipConfig, SipGateway
from tocsin.gateways.sip_sockets import Peer
from tocsin.protocols.sip.codes import Timers, Transport
from tocsin.protocols.sip.message import Request, Response, parse_datagram

FIELDS = [("From", "<sip:s@d>;tag=1"), ("To", "<sip:c@d>"), ("Call-ID", "x"), ("CSeq", "1 MESSAGE")]


def request(method: str = "MESSAGE", branch: str = "z9hG4bKa", call_id: str = "c1", body: bytes = b"") -> bytes:
    head = (
        f"{method} sip:server@d SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.8.7:5999;rport;branch={branch}\r\n"
        f"From: <sip:camera@d>;tag=a\r\nTo: <sip:server@d>\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class RawPeer:
    """A UDP socket with a waiting reader."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.server = ("127.0.0.1", port)

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, self.server)

    async def receive(self) -> Request | Response:
        data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 65_535), 2)
        found = parse_datagram(data)
        assert isinstance(found, Request | Response)
        return found

    @property
    def address(self) -> Peer:
        return Peer("127.0.0.1", self.socket.getsockname()[1], Transport.UDP, 0)


@pytest.fixture
async def gateway():
    made = SipGateway(SipConfig(port=0, timers=QUICK), SystemClock(), words())
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def peer(gateway):
    made = RawPeer(gateway.port)
    yield made
    made.socket.close()


async def test_a_reply_goes_to_the_observed_source_and_not_to_the_via(gateway, peer):
    gateway.handle("MESSAGE", lambda asked, where: gateway.reply_to(asked, where, 200))
    peer.send(request())
    reply = await peer.receive()
    assert reply.status == 200
    assert f"rport={peer.address.port}" in reply.headers.get("via")
    assert "received=127.0.0.1" in reply.headers.get("via")


async def test_a_repeated_request_is_executed_once_and_answered_alike(gateway, peer):
    calls = []

    def handler(asked, where):
        calls.append(asked)
        return gateway.reply_to(asked, where, 200)

    gateway.handle("MESSAGE", handler)
    replies = []
    for _ in range(3):
        peer.send(request())
        replies.append(await peer.receive())
    assert len(calls) == 1
    assert replies[0] == replies[1] == replies[2]


async def test_a_silent_handler_lets_the_peer_repeat_without_running_again(gateway, peer):
    calls = []
    gateway.handle("MESSAGE", lambda asked, where: calls.append(asked))
    gateway.handle("INFO", lambda asked, where: gateway.reply_to(asked, where, 200))
    for _ in range(3):
        peer.send(request())
    peer.send(request("INFO", "z9hG4bKb"))
    assert (await peer.receive()).method == "INFO"
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("method", "status"), [("OPTIONS", 200), ("BYE", 481), ("CANCEL", 481), ("PUBLISH", 405), ("INVITE", 405)]
)
async def test_what_nobody_handles_gets_the_standard_answer(gateway, peer, method, status):
    peer.send(request(method))
    reply = await peer.receive()
    assert reply.status == status
    assert ("allow" in reply.headers) == (status in (200, 405))


async def test_a_question_of_ours_is_repeated_until_it_is_answered(gateway, peer):
    asked = asyncio.create_task(
        gateway.request(peer.address, "MESSAGE", "sip:c@127.0.0.1", fields=FIELDS, body=b"hello")
    )
    first, second = await peer.receive(), await peer.receive()
    assert first == second
    assert first.body == b"hello"
    assert first.headers.get("max-forwards") == "70"
    reply = b"SIP/2.0 200 OK\r\n" + second.encode().split(b"\r\n", 1)[1]
    peer.send(reply)
    answer = await asked
    assert answer is not None
    assert answer.status == 200


async def test_a_question_nobody_answers_ends_with_none(gateway, peer):
    gateway.config = SipConfig(timers=Timers(0.005, 0.01))
    assert await gateway.request(peer.address, "MESSAGE", "sip:c@127.0.0.1", fields=FIELDS) is None


async def test_a_response_from_another_host_is_not_believed(gateway, peer):
    asked = asyncio.create_task(
        gateway.request(peer.address._replace(host="127.0.0.2"), "MESSAGE", "sip:c@d", fields=FIELDS)
    )
    await asyncio.sleep(0)
    [branch] = [key[0] for key in gateway._waiting]
    forged = request(branch=branch).replace(b"MESSAGE sip:server@d SIP/2.0", b"SIP/2.0 200 OK")
    peer.send(forged)
    peer.send(request("OPTIONS", "z9hG4bKo"))
    assert (await peer.receive()).status == 200
    assert not asked.done()
    asked.cancel()


async def test_a_flooding_source_is_refused_with_retry_after_and_others_are_not(peer):
    gateway = SipGateway(SipConfig(port=0, timers=QUICK, requests_per_s=5), SystemClock(), words())
    await gateway.start()
    flood = RawPeer(gateway.port)
    try:
        for number in range(40):
            flood.send(request("OPTIONS", f"z9hG4bK{number}", f"c{number}"))
        statuses = [(await flood.receive()).status for _ in range(15)]
        assert statuses.count(200) == 10
        assert statuses.count(503) == 5
        assert gateway.health().counts["over_limit"] >= 5
    finally:
        flood.socket.close()
        await gateway.stop()


async def test_a_port_in_use_is_an_error_at_the_start():
    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    taken.bind(("127.0.0.1", 0))
    gateway = SipGateway(SipConfig(port=taken.getsockname()[1]), SystemClock(), words())
    with pytest.raises(OSError):
        await gateway.start()
    taken.close()


async def test_a_connection_serves_both_directions(gateway):
    seen = []
    gateway.handle("MESSAGE", lambda asked, where: (seen.append(where), gateway.reply_to(asked, where, 200))[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"\r\n\r\n" + request()[:50])
    assert await reader.readexactly(2) == b"\r\n"
    writer.write(request()[50:])
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"SIP/2.0 200 OK")
    asked = asyncio.create_task(gateway.request(seen[0], "MESSAGE", "sip:c@d", fields=FIELDS))
    question = await reader.readuntil(b"\r\n\r\n")
    assert b"SIP/2.0/TCP 127.0.0.1" in question
    writer.write(b"SIP/2.0 200 OK\r\n" + question.split(b"\r\n", 1)[1])
    assert (await asked).status == 200
    writer.close()


async def test_a_question_on_a_connection_that_breaks_ends_at_once(gateway):
    lost, seen = [], []
    gateway.on_disconnect(lost.append)
    gateway.handle("MESSAGE", lambda asked, where: (seen.append(where), gateway.reply_to(asked, where, 200))[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request())
    await reader.readuntil(b"\r\n\r\n")
    asked = asyncio.create_task(gateway.request(seen[0], "MESSAGE", "sip:c@d", fields=FIELDS))
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    assert await asked is None
    assert lost == seen
    assert await gateway.request(seen[0], "MESSAGE", "sip:c@d", fields=FIELDS) is None


async def test_a_stranger_may_not_send_a_large_body_and_a_trusted_peer_may(gateway):
    seen = []
    gateway.handle("MESSAGE", lambda asked, where: (seen.append((where, len(asked.body))), gateway.trust(where))[1])
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request(body=b"x" * 100_000) + b"\r\n" + request(branch="z9hG4bKb", body=b"y" * 10))
    await eventually(lambda: [size for _, size in seen] == [10])
    writer.write(request(branch="z9hG4bKc", body=b"x" * 100_000))
    await eventually(lambda: [size for _, size in seen] == [10, 100_000])
    assert gateway.health().counts["bad_messages"] == 1
    writer.close()


async def test_rubbish_on_a_connection_is_counted_once_and_reading_goes_on(gateway):
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: y\r\n\r\n" + request("OPTIONS"))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"SIP/2.0 200 OK")
    assert gateway.health().counts["bad_messages"] == 1
    writer.close()


async def test_a_peer_that_never_speaks_is_cut_off(gateway):
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    await eventually(lambda: gateway.health().connections == 1)
    [connection] = gateway._connections.values()
    connection.opened_at -= 31
    gateway._housekeeping.cancel()
    gateway._tidy()
    assert await reader.read() == b""
    writer.close()


async def test_our_address_follows_the_route_when_we_listen_everywhere():
    gateway = SipGateway(SipConfig(hosts=("0.0.0.0",), port=0), SystemClock(), words())
    await gateway.start()
    try:
        assert gateway.local_host(Peer("127.0.0.1", 5060, Transport.UDP, 0)) == "127.0.0.1"
    finally:
        await gateway.stop()
    fixed = SipGateway(SipConfig(contact_ip="192.0.2.1"), SystemClock(), words())
    assert fixed.local_host(Peer("127.0.0.1", 5060, Transport.UDP, 0)) == "192.0.2.1"


# --- calls made to us ---


def invite(call_id: str = "call-1") -> bytes:
    return request("INVITE", f"z9hG4bK{call_id}", call_id, b"v=0\r\n")


@pytest.fixture
async def answering(gateway):
    calls = []

    def take(request: Request, peer: Peer) -> None:
        call = gateway.serve(request, peer, own_id="server", realm="d")
        calls.append(call)
        call.trying()

    gateway.handle("INVITE", take)
    return gateway, calls


async def test_a_call_made_to_us_is_answered_later_and_its_200_repeated_until_the_ack(answering):
    gateway, calls = answering
    peer = RawPeer(gateway.port)
    peer.send(invite())
    assert (await peer.receive()).status == 100
    calls[0].accept(b"v=0\r\n")
    first, again = await peer.receive(), await peer.receive()
    assert first.status == again.status == 200
    assert first.to_tag
    assert first.to_tag == again.to_tag
    peer.send(request("ACK", "z9hG4bKack", "call-1"))
    assert await asyncio.wait_for(calls[0].confirmed(), 2)
    peer.send(request("BYE", "z9hG4bKbye", "call-1"))
    while (found := await peer.receive()).method != "BYE":
        pass
    assert found.status == 200
    assert await asyncio.wait_for(calls[0].ended(), 2)


async def test_a_call_made_to_us_can_be_ended_by_us(answering):
    gateway, calls = answering
    peer = RawPeer(gateway.port)
    peer.send(invite())
    await peer.receive()
    calls[0].accept(b"v=0\r\n")
    peer.send(request("ACK", "z9hG4bKack", "call-1"))
    assert await calls[0].confirmed()
    calls[0].hang_up()
    while not isinstance(found := await peer.receive(), Request):
        pass
    assert (found.method, found.call_id) == ("BYE", "call-1")
    reply = f"SIP/2.0 200 OK\r\nVia: {found.headers.get('via')}\r\nFrom: {found.headers.get('from')}\r\n"
    reply += f"To: {found.headers.get('to')}\r\nCall-ID: call-1\r\nCSeq: {found.headers.get('cseq')}\r\n\r\n"
    peer.send(reply.encode())
    assert not await asyncio.wait_for(calls[0].ended(), 2)


async def test_a_call_made_to_us_is_given_up_by_its_caller_alone(answering):
    gateway, calls = answering
    peer = RawPeer(gateway.port)
    peer.send(invite())
    await peer.receive()
    gateway.receive(
        parse_datagram(request("CANCEL", "z9hG4bKx", "call-1")), Peer("127.0.0.9", 5060, Transport.UDP, 0), 0.0
    )
    assert not calls[0].is_over, "another host cannot end it"
    peer.send(request("CANCEL", "z9hG4bKcall-1", "call-1"))
    assert {(await peer.receive()).status, (await peer.receive()).status} == {200, 487}
    assert await asyncio.wait_for(calls[0].ended(), 2)
    assert not await calls[0].confirmed()
