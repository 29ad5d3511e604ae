"""One port for all streams: the SSRC decides, strangers are counted and named, nobody waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from tests.support.gb28181 import eventually
from tests.support.media import SSRC, HandCamera, running_link, watching
from tocsin.base.errors import TocsinError
from tocsin.media.shared import MAX_NAMED, MAX_UNNAMED_OF_A_HOST, SharedPorts, SsrcTaken
from tocsin.protocols.rtp.framing import frame_packet
from tocsin.protocols.rtp.packet import RtpPacket, build_packet

OTHER = SSRC + 1


def camera_of(ssrc: int) -> HandCamera:
    camera = HandCamera()
    camera._cutter.ssrc = ssrc
    return camera


async def test_two_streams_over_one_udp_port_are_told_apart() -> None:
    async with running_link(shared_port=0) as link:
        one = await link.open_receiver("one", "udp", ssrc=SSRC, peer_ip="127.0.0.1")
        two = await link.open_receiver("two", "udp", ssrc=OTHER, peer_ip="127.0.0.1")
        assert one.port == two.port
        first, second = camera_of(SSRC), camera_of(OTHER)
        second.number = 500
        async with watching(link, "one") as of_one, watching(link, "two") as of_two:
            for _ in range(12):
                await first.send_udp(one.ip, one.port, 1)
                await second.send_udp(two.ip, two.port, 1)
            await of_one.until(lambda: 10 in of_one.numbers())
            await of_two.until(lambda: 510 in of_two.numbers())
            assert max(of_one.numbers()) < 500 <= min(of_two.numbers())


async def test_tcp_connections_are_matched_by_their_first_packet() -> None:
    async with running_link(shared_port=0) as link:
        one = await link.open_receiver("one", "tcp_passive", ssrc=SSRC, peer_ip="127.0.0.1")
        two = await link.open_receiver("two", "tcp_passive", ssrc=OTHER, peer_ip=None)
        assert one.port == two.port
        first, second = camera_of(SSRC), camera_of(OTHER)
        second.number = 500
        async with watching(link, "one") as of_one, watching(link, "two") as of_two:
            _, to_two = await asyncio.open_connection(two.ip, two.port)
            _, to_one = await asyncio.open_connection(one.ip, one.port)
            to_one.write(first.framed(12))
            whole = second.framed(12)
            to_two.write(whole[:5])  # not even one header yet
            await to_two.drain()
            to_two.write(whole[5:])
            await of_one.until(lambda: 10 in of_one.numbers())
            await of_two.until(lambda: 510 in of_two.numbers())
            assert max(of_one.numbers()) < 500
            to_one.close()
            to_two.close()


async def test_a_stream_number_in_use_is_refused_and_free_again_after_the_end() -> None:
    async with running_link(shared_port=0) as link:
        await link.open_receiver("one", "udp", ssrc=SSRC, peer_ip=None)
        with pytest.raises(TocsinError) as taken:
            await link.open_receiver("two", "udp", ssrc=SSRC, peer_ip=None)
        assert taken.value.key == "media_ssrc_taken"
        await link.close_receiver("one")
        await link.open_receiver("two", "udp", ssrc=SSRC, peer_ip=None)


async def test_without_an_ssrc_a_stream_has_a_port_of_its_own() -> None:
    async with running_link(shared_port=0) as link:
        shared = await link.open_receiver("one", "udp", ssrc=SSRC, peer_ip=None)
        own = await link.open_receiver("two", "udp", ssrc=None, peer_ip=None)
        assert own.port != shared.port


async def test_an_unknown_stream_number_is_counted_and_named() -> None:
    async with running_link(shared_port=0) as link:
        endpoint = await link.open_receiver("one", "udp", ssrc=SSRC, peer_ip=None)
        async with watching(link, "one") as viewer:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                for sequence in range(30):
                    packet = build_packet(RtpPacket(96, sequence, 0, 0xBAD, True, b"\x00\x00\x01\xba<999999>"))
                    stranger.sendto(packet, (endpoint.ip, endpoint.port))
            await camera_of(SSRC).send_udp(endpoint.ip, endpoint.port, 12)
            await viewer.until(lambda: 10 in viewer.numbers())
        await eventually(lambda: link.unknown_sources() == (30, {f"{0xBAD:010d}": 30}))


class Heard:
    """What a stream got and why it ended."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.ends: list[str] = []


def packet(ssrc: int, sequence: int = 0) -> bytes:
    return build_packet(RtpPacket(96, sequence, 0, ssrc, True, b"x" * 20))


async def test_the_right_number_from_the_wrong_host_is_a_strangers() -> None:
    ports, heard = SharedPorts("127.0.0.1", 0, 1 << 16), Heard()
    leg = ports.add(SSRC, "udp", heard.packets.extend, heard.ends.append, peer_ip="192.0.2.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
        forger.sendto(packet(SSRC), ("127.0.0.1", ports.port))
        forger.sendto(b"garbage", ("127.0.0.1", ports.port))
        forger.sendto(b"", ("127.0.0.1", ports.port))
    ports.drain(0.0)
    assert (heard.packets, leg.strangers, ports.not_media) == ([], 1, 2)
    ports.close()


async def test_a_flood_of_numbers_is_bounded() -> None:
    ports = SharedPorts("127.0.0.1", 0, 4 << 20)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
        for number in range(300):
            forger.sendto(packet(number), ("127.0.0.1", ports.port))
    ports.drain(0.0)
    assert len(ports.unknown) == MAX_NAMED
    assert ports.unknown_packets == 300
    ports.add(7, "udp", lambda _: None, lambda _: None, peer_ip=None)
    with pytest.raises(SsrcTaken):
        ports.add(7, "udp", lambda _: None, lambda _: None, peer_ip=None)
    ports.close()


async def test_silent_and_slow_connections_are_bounded_and_end() -> None:
    ports, heard = SharedPorts("127.0.0.1", 0, 1 << 16), Heard()
    await ports.start()
    ports.add(SSRC, "tcp_passive", heard.packets.extend, heard.ends.append, peer_ip=None)
    silent = [await asyncio.open_connection("127.0.0.1", ports.port) for _ in range(MAX_UNNAMED_OF_A_HOST + 4)]
    await eventually(lambda: ports.refused_connections == 4)
    silent[0][1].write(b"\x00")  # a byte now and then keeps nobody alive
    now_s = asyncio.get_running_loop().time()
    ports.tidy(now_s + 11)
    assert ports.refused_connections == MAX_UNNAMED_OF_A_HOST + 4
    with contextlib.suppress(ConnectionError):
        assert await silent[0][0].read() == b""
    _, writer = await asyncio.open_connection("127.0.0.1", ports.port)
    writer.write(frame_packet(packet(SSRC)))
    await eventually(lambda: len(heard.packets) == 1)
    writer.close()
    await eventually(lambda: heard.ends == ["connection_closed"])
    for _, other in silent:
        other.close()
    ports.close()


async def test_a_connection_of_an_unknown_number_and_one_of_garbage_are_refused() -> None:
    ports = SharedPorts("127.0.0.1", 0, 1 << 16)
    await ports.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", ports.port)
    writer.write(frame_packet(packet(0xBAD)))
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    garbage, to = await asyncio.open_connection("127.0.0.1", ports.port)
    to.write(b"\x01" * 300_000)
    with contextlib.suppress(ConnectionError):
        assert await garbage.read() == b""
    await eventually(lambda: ports.refused_connections == 2)
    assert dict(ports.unknown) == {0xBAD: 1}
    ports.close()
