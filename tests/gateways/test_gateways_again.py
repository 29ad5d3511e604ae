"""SIP, GB/T 28181, RTSP and ONVIF under the runner: each is started again alone, and those beside it go on."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.support.clocks import FixedClock
from tocsin.base.tasks import Supervisor
from tocsin.gateways.runner import CHECK_S, FIRST_PAUSE_S, Gateways
from tocsin.gateways.sip import SipConfig, SipGateway
from tocsin.protocols.sip.message import Request, Response, response_to

OPTIONS = (
    b"OPTIONS sip:tocsin@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK%d\r\n"
    b"From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:tocsin@127.0.0.1>\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\n"
    b"Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


async def _passing(clock: FixedClock, seconds: float) -> None:
    clock.advance(seconds)
    for _ in range(30):
        await asyncio.sleep(0)


async def _asked(port: int, number: int) -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, OPTIONS % (number, number))
        return await asyncio.wait_for(loop.sock_recv(sock, 4096), 10)


async def test_sip_whose_sockets_are_gone_listens_again_at_the_same_port_and_answers() -> None:
    clock = FixedClock()
    sip = SipGateway(SipConfig(port=0), clock, lambda: "word")

    def answer(request: Request, peer: object) -> Response:
        return response_to(request, 200, to_tag="2")

    sip.handle("OPTIONS", answer)
    heard: list[tuple[tuple[str, ...], bool]] = []
    gateways = Gateways(clock)
    gateways.on_listening = lambda protocols, *, is_listening: heard.append((protocols, is_listening))
    gateways.add("SIP", sip, serves=("gb28181",))
    await gateways.start()
    await _passing(clock, 0)
    port = sip.port
    assert (await _asked(port, 1)).startswith(b"SIP/2.0 200")

    sip._close_listeners()  # as after an error of the system
    with pytest.raises(ConnectionError):
        sip.check()
    await _passing(clock, CHECK_S)
    assert (gateways.forms()[0]["is_up"], gateways.forms()[0]["reason"]) == (False, "the UDP port is closed")
    await _passing(clock, FIRST_PAUSE_S)
    for _ in range(200):
        if gateways.standings[0].is_up:
            break
        await asyncio.sleep(0)
    assert (sip.port, gateways.forms()[0]["restarts"], gateways.forms()[0]["is_up"]) == (port, 1, True)
    assert heard == [(("gb28181",), False), (("gb28181",), True)]
    assert (await _asked(port, 2)).startswith(b"SIP/2.0 200")
    await gateways.stop()


async def test_a_task_that_ended_though_it_never_should_is_named() -> None:
    tasks = Supervisor(FixedClock())

    async def ends() -> None:
        """Return at once."""

    tasks.spawn("catalogues", ends)
    tasks.check()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="catalogues"):
        tasks.check()
    await tasks.stop()
