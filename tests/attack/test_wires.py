"""Strangers at every port of a running server: a clear word in the log, bounded memory, and one honest panel served."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from bench.harness import Server, rss_mb, server
from bench.registry import Panel, enter_panels
from tests.attack.panels import HonestPanel, served
from tocsin.protocols.dc09.frame import encode_frame

pytestmark = pytest.mark.integration
MAY_GROW_MB = 60.0


@pytest.fixture(scope="module")
def house() -> Iterator[tuple[Server, Panel]]:
    with server() as running:
        (panel,) = enter_panels(running, 1, places=1, encrypted_share=1)
        yield running, panel


@pytest.fixture
def running(house: tuple[Server, Panel]) -> Server:
    return house[0]


@contextlib.asynccontextmanager
async def attack(house: tuple[Server, Panel]) -> AsyncIterator[HonestPanel]:
    """An honest panel works, the attack runs in the block, memory stays bounded and everything still answers."""
    running, panel = house
    before_mb = sum(map(rss_mb, running.pids))
    async with served(panel, running.ports["dc09"]) as honest:
        yield honest
    grown_mb = sum(map(rss_mb, running.pids)) - before_mb
    print(f"memory {before_mb:.0f} MB, grown by {grown_mb:.1f} MB, {len(honest.acknowledged)} alarms acknowledged")
    assert grown_mb < MAY_GROW_MB
    assert running.process.poll() is None
    assert await asyncio.to_thread(answers, running) == 200


def answers(running: Server, path: str = "/readyz", **given: object) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", running.ports["web"], timeout=20)
    try:
        connection.request("GET", path, **given)  # type: ignore[arg-type]
        return connection.getresponse().status
    finally:
        connection.close()


def log_of(running: Server) -> str:
    return (running.data / "serve.log").read_text(errors="replace")


async def pour(port: int, *pieces: bytes, waits_s: float = 5.0) -> bytes:
    """Send pieces over TCP and return what came back until the end, or until nothing more comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(OSError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
    found = b""
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(waits_s):
            while chunk := await reader.read(65_536):
                found += chunk
    writer.close()
    return found


def throw(port: int, datagrams: list[bytes], each: int = 1) -> None:
    """Send datagrams, in an order of their own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        for datagram in datagrams * each:
            with contextlib.suppress(OSError):
                made.sendto(datagram, ("127.0.0.1", port))


GARBAGE: dict[str, Callable[[random.Random], bytes]] = {
    "zeros": lambda dice: bytes(20_000),
    "noise": lambda dice: dice.randbytes(60_000),
    "newlines": lambda dice: b"\n" * 50_000,
    "quotes": lambda dice: b'"' * 50_000,
    "http": lambda dice: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls": lambda dice: b"\x16\x03\x01\x02\x00\x01\x00" + dice.randbytes(500),
    "huge length": lambda dice: b"\nABCD0FFF" + b'"SIA-DCS"' + b"A" * 60_000,
    "cut": lambda dice: encode_frame(b'"SIA-DCS"0001L0#1234[#1234|Nri1/BA001]')[:-9],
    "sip huge body": lambda dice: b"MESSAGE sip:a@b SIP/2.0\r\nContent-Length: 4294967295\r\n\r\n" + b"x" * 50_000,
    "sip negative": lambda dice: b"INVITE sip:a@b SIP/2.0\r\nContent-Length: -1\r\n\r\n",
    "sip endless header": lambda dice: b"REGISTER sip:a SIP/2.0\r\nVia: " + b"a" * 300_000,
    "sip many headers": lambda dice: b"OPTIONS sip:a SIP/2.0\r\n" + b"X: y\r\n" * 30_000 + b"\r\n",
    "rtp": lambda dice: b"\x80\x60" + dice.randbytes(1_400),
    "websocket noise": lambda dice: (
        b"GET /live/x?ticket=y HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" + dice.randbytes(5_000)
    ),
}


@pytest.mark.parametrize("port", ["dc09", "sip", "media", "web"])
async def test_garbage_on_a_port_troubles_nobody(house: tuple[Server, Panel], port: str) -> None:
    running, dice = house[0], random.Random(2611)
    async with attack(house):
        pieces = [make(dice) for make in GARBAGE.values()]
        await asyncio.gather(*(pour(running.ports[port], piece, waits_s=1.0) for piece in pieces for _ in range(4)))
        if port in ("dc09", "sip"):
            await asyncio.to_thread(throw, running.ports[port], [piece[:1400] for piece in pieces], 50)


async def test_slow_senders_are_borne_and_closed(house: tuple[Server, Panel]) -> None:
    running = house[0]
    frame = encode_frame(b'"SIA-DCS"0001L0#1234[#1234|Nri1/BA001]')
    heads = {
        "dc09": frame,
        "sip": b"REGISTER sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP a\r\n",
        "media": b"GET /live/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX: y\r\n",
        "web": b"POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 400\r\n\r\n",
    }

    async def crawl(port: int, head: bytes, seconds: int) -> bool:
        """One octet a second; True when the server ended it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for n in range(seconds):
            writer.write(head[n : n + 1])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    if await reader.read(4096) == b"":
                        return True
        writer.close()
        return False

    async with attack(house):
        closed = await asyncio.gather(
            *(crawl(running.ports[name], head, 14) for name, head in heads.items() for _ in range(40)),
            return_exceptions=True,
        )
    assert all(end is True or isinstance(end, OSError) for end in closed[:40])  # DC-09: a frame has ten seconds


async def test_ten_thousand_unknown_accounts_are_kept_within_bounds_and_the_known_one_is_served(
    house: tuple[Server, Panel],
) -> None:
    running = house[0]

    async def flood(first: int, count: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.ports["dc09"])
        for n in range(first, first + count):
            writer.write(encode_frame(b'"SIA-DCS"%04d' % (n % 9999 + 1) + b"L0#A%05d[#A%05d|Nri1/BA001]" % (n, n)))
            if n % 50 == 0:
                await writer.drain()
        acknowledged = 0
        async with asyncio.timeout(60):
            while acknowledged < count:
                data = await reader.read(65_536)
                assert data
                acknowledged += data.count(b'"ACK"')
        writer.close()

    async with attack(house):
        await asyncio.gather(*(flood(start, 2_500) for start in range(0, 10_000, 2_500)))
    quarantined = await asyncio.to_thread(running.call, "GET", "/signals?state=quarantined&limit=5")
    assert quarantined["items"][0]["quarantine"] == "unknown_account"


def _register(gb_id: str, number: int, extra: str = "") -> bytes:
    return (
        f"REGISTER sip:34020000002000000001@3402000000 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bK{number}\r\n"
        f"From: <sip:{gb_id}@3402000000>;tag={number}\r\nTo: <sip:{gb_id}@3402000000>\r\n"
        f"Call-ID: {number}@127.0.0.1\r\nCSeq: 1 REGISTER\r\nContact: <sip:{gb_id}@127.0.0.1:5060>\r\n"
        f"Expires: 3600\r\nMax-Forwards: 70\r\n{extra}Content-Length: 0\r\n\r\n"
    ).encode()


async def test_unknown_cameras_by_the_thousand_are_refused_and_listed_within_bounds(
    house: tuple[Server, Panel],
) -> None:
    running = house[0]
    flood = [_register(f"3402000000132{n:07d}", n) for n in range(10_000)]
    async with attack(house):
        for start in range(0, len(flood), 500):
            await asyncio.to_thread(throw, running.ports["sip"], flood[start : start + 500])
            await asyncio.sleep(0.02)
        await asyncio.sleep(6.0)  # reports are written every five seconds
    pending = await asyncio.to_thread(running.call, "GET", "/devices/pending?limit=500")
    assert 0 < len(pending["items"]) <= 500


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "'
    + b"ha" * 500
    + b'">'
    + b"".join(b'<!ENTITY %c "%b">' % (98 + n, b"&%c;" % (97 + n) * 20) for n in range(8))
    + b"]><Notify><CmdType>&i;</CmdType></Notify>"
)


async def test_xml_bombs_and_documents_of_strangers_are_refused(house: tuple[Server, Panel]) -> None:
    running = house[0]
    deep = b"<Notify>" + b"<a>" * 20_000 + b"</a>" * 20_000 + b"</Notify>"
    async with attack(house):
        for number, body in enumerate((BOMB, deep, b"<" * 50_000)):
            message = (
                b"MESSAGE sip:34020000002000000001@3402000000 SIP/2.0\r\n"
                b"Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKx%d\r\nFrom: <sip:34020000001320000001@x>;tag=1\r\n"
                b"To: <sip:a@b>\r\nCall-ID: bomb%d\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\n"
                b"Content-Type: Application/MANSCDP+xml\r\nContent-Length: %d\r\n\r\n"
            ) % (number, number, len(body))
            answer = await pour(running.ports["sip"], message + body, waits_s=2.0)
            assert answer == b"" or b" 403 " in answer or b" 413 " in answer, answer[:200]


async def test_big_bodies_bad_json_wrong_hosts_and_injected_headers_are_refused(house: tuple[Server, Panel]) -> None:
    running = house[0]
    web = running.ports["web"]

    def ask(headers: bytes, body: bytes = b"", line: bytes = b"POST /api/v1/session HTTP/1.1") -> bytes:
        with socket.create_connection(("127.0.0.1", web), timeout=20) as made:
            made.sendall(line + b"\r\n" + headers + b"\r\n\r\n")
            with contextlib.suppress(OSError):
                made.sendall(body)
            found = b""
            with contextlib.suppress(OSError):
                while chunk := made.recv(65_536):
                    found += chunk
                    if b"\r\n\r\n" in found:
                        break
            return found

    host = b"Host: 127.0.0.1:%d" % web
    json = host + b"\r\nContent-Type: application/json\r\nConnection: close"
    big = b'{"username":"' + b"a" * 10_000_000 + b'"}'
    async with attack(house):
        refused = {
            b"413": [ask(json + b"\r\nContent-Length: %d" % len(big), big)],
            b"422": [
                ask(json + b"\r\nContent-Length: %d" % len(body), body)
                for body in (b"{", b"[]", b"\xff\xfe", b'{"username":1}', b'{"username":"a","password":"b","x":1}')
            ],
            b"421": [ask(b"Host: evil.example\r\nContent-Length: 0\r\nConnection: close")],
            b"400": [
                ask(host + b"\r\nX: a\x00b\r\nContent-Length: 0"),
                ask(host + b"\r\nContent-Length: 5\r\nContent-Length: 7"),
                ask(host, line=b"GET /api/v1/session?x=\r\nSet-Cookie:\x00a HTTP/1.1"),
            ],
        }
        chunked = ask(json + b"\r\nTransfer-Encoding: chunked", b"989680\r\n" + b"a" * 10_000_000 + b"\r\n0\r\n\r\n")
        for status, found in refused.items():
            for answer in found:
                print(status, answer[:60])
                assert answer[9:12] == status
        assert chunked[9:12] == b"413"
    assert "Traceback" not in log_of(running)


async def test_the_log_says_what_came_and_stays_small(house: tuple[Server, Panel]) -> None:
    running = house[0]
    text = log_of(running)
    assert "dc09 peer speaks something else" in text
    assert "not sip" in text
    assert "Traceback" not in text
    assert len(text) < 2_000_000
