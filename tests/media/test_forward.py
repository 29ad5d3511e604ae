"""Forwarding: source and sequence written anew, time stamps and gaps kept, a key picture first, an end by itself."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

from tests.support.gb28181 import eventually
from tocsin.media.forward import MAX_KEPT_BYTES, Forward, ForwardPlan, Forwards, Rewriter, begins_key
from tocsin.media.ports import PortRange
from tocsin.protocols.rtp.access_unit import AccessUnit
from tocsin.protocols.rtp.framing import PacketReader
from tocsin.protocols.rtp.packetizer import Packetizer
from tocsin.protocols.rtp.ps import Muxer, StreamType
from tocsin.protocols.rtp.receiver import Receiver

PICTURE = b"\x00\x00\x00\x01\x67" + bytes(20) + b"\x00\x00\x00\x01\x68" + bytes(4)
KEY = PICTURE + b"\x00\x00\x00\x01\x65" + bytes(3000)
DELTA = b"\x00\x00\x00\x01\x41" + bytes(1600)


def packets(count: int = 6, key_every: int = 3, first: int = 0) -> list[list[bytes]]:
    """Return the packets of pictures, each picture's apart."""
    muxer, cutter = Muxer(StreamType.H264), Packetizer(77, sequence=65_530)
    made = []
    for number in range(count):
        is_key = number % key_every == first
        pack = muxer.write_video(KEY if is_key else DELTA, number * 3600, is_key=is_key)
        made.append(cutter.packetize(pack, number * 3600))
    return made


def test_a_key_picture_is_known_by_what_follows_its_pack_header():
    found = packets(3)
    assert [begins_key(picture[0][12:]) for picture in found] == [True, False, False]
    assert not begins_key(b"")


def test_source_and_sequence_change_and_all_else_stays():
    rewriter = Rewriter(200000017, sequence=10)
    given = [packet for picture in packets() for packet in picture]
    del given[4]  # lost on its way to us
    made = [rewriter.write(packet, packet[12:]) for packet in given]
    assert {packet[8:12] for packet in made} == {(200000017).to_bytes(4, "big")}
    assert [packet[4:8] for packet in made] == [packet[4:8] for packet in given]
    assert [packet[12:] for packet in made] == [packet[12:] for packet in given]
    assert [packet[1] & 0x80 for packet in made] == [packet[1] & 0x80 for packet in given]
    numbers = [int.from_bytes(packet[2:4], "big") for packet in made]
    assert numbers[:5] == [10, 11, 12, 13, 15], "the gap stays a gap"


def test_a_new_source_continues_where_the_old_one_ended():
    rewriter = Rewriter(5)
    first = Packetizer(1, sequence=900).packetize(bytes(3000), 0)
    second = Packetizer(2, sequence=17).packetize(bytes(3000), 90)
    numbers = [int.from_bytes(rewriter.write(p, p[12:])[2:4], "big") for p in (*first, *second)]
    assert numbers == list(range(6))


class Udp:
    """A receiver."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]

    def read(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self.socket.recv(65_535))
            except BlockingIOError:
                return found


def plan(mode: str = "udp", port: int = 9, expires_at_s: float = 1e12) -> ForwardPlan:
    return ForwardPlan("f1", "v1", mode, "127.0.0.1", port, 200000017, expires_at_s)


def pictures_in(found: list[bytes]) -> list[AccessUnit]:
    receiver = Receiver()
    return [unit for packet in found for unit in receiver.receive(packet, 0.0) if isinstance(unit, AccessUnit)]


async def forward(receiver: Udp, ended: list[str]) -> Forward:
    made = Forward(plan(port=receiver.port), PortRange("127.0.0.1", 0, 0), lambda _, reason: ended.append(reason))
    await made.open()
    return made


async def test_it_sends_after_the_start_and_begins_with_a_key_picture():
    receiver, ended = Udp(), []
    made = await forward(receiver, ended)
    stream = packets(7, first=2)
    made.take_packets(stream[0], 0.0)
    assert receiver.read() == []
    made.start()
    for picture in stream[1:]:
        made.take_packets(picture, 0.0)
    found = receiver.read()
    assert begins_key(found[0][12:])
    shown = pictures_in(found)
    assert shown[0].is_key
    assert len(shown) >= 4
    made.close()
    assert ended == []


async def test_a_stream_without_marked_key_pictures_begins_after_five_seconds():
    receiver = Udp()
    made = await forward(receiver, [])
    made.start()
    stream = packets(4, key_every=100, first=99)
    made.take_packets(stream[0], 0.0)
    assert receiver.read() == []
    made.take_packets(stream[1], 5001.0)
    assert len(receiver.read()) == len(stream[1])
    made.close()


async def test_what_is_no_program_stream_is_packed_as_one():
    receiver = Udp()
    made = await forward(receiver, [])
    made.start()
    bare = Packetizer(3, payload_type=98).packetize(KEY[4:1000], 0)
    made.take_packets(bare, 0.0)
    assert receiver.read() == []
    nals = (b"\x67" + bytes(20), b"\x68" + bytes(4), b"\x65" + bytes(900))
    for number in range(3):
        made.take(AccessUnit(StreamType.H264, number * 3600, None, list(nals), number == 0, False, False), 0.0)
    found = receiver.read()
    assert begins_key(found[0][12:])
    assert len(pictures_in(found)) >= 1
    made.close()


async def test_a_slow_receiver_loses_whole_runs_up_to_the_next_key_picture():
    class Full:
        size = 0

        def get_write_buffer_size(self) -> int:
            return self.size

        def get_extra_info(self, name: str) -> object:
            return ("127.0.0.1", 1)

        def abort(self) -> None:
            pass

        def __init__(self) -> None:
            self.written: list[bytes] = []

        def write(self, data: bytes) -> None:
            self.written.append(data)

    pipe = Full()
    made = Forward(plan("tcp_passive"), PortRange("127.0.0.1", 0, 0), lambda _, reason: None)
    await made.open()
    assert made.connected(pipe)
    assert not made.connected(Full()), "there is one connection"
    made.start()
    stream = packets(9)
    made.take_packets(stream[0], 0.0)
    pipe.size = 3 << 20
    made.take_packets(stream[1], 0.0)
    pipe.size = 0
    made.take_packets(stream[2], 0.0)
    count = len(pipe.written)
    assert count == len(stream[0])
    assert made.dropped == len(stream[1]) + len(stream[2])
    made.take_packets(stream[3], 0.0)
    assert len(pipe.written) == count + len(stream[3])
    reader = PacketReader()
    assert len(reader.receive(b"".join(pipe.written))) == len(pipe.written)
    made.close()


async def test_it_connects_where_the_other_side_listens_and_ends_when_that_closes():
    arrived: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        arrived.append(await reader.read(100))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    ended: list[str] = []
    port = server.sockets[0].getsockname()[1]
    made = Forward(plan("tcp_active", port), PortRange("127.0.0.1", 0, 0), lambda _, reason: ended.append(reason))
    await made.open()
    made.start()
    await eventually(lambda: bool(writers))
    made.take_packets(packets(1)[0], 0.0)
    await eventually(lambda: bool(arrived))
    writers[0].close()
    await eventually(lambda: ended == ["connection_closed"])
    server.close()


async def test_forwards_end_at_their_time_or_with_their_view():
    told: list[tuple[str, str]] = []
    forwards = Forwards(PortRange("127.0.0.1", 0, 0), lambda one, stream_id, reason: told.append((stream_id, reason)))
    await forwards.open("c1", plan(expires_at_s=100.0))
    forwards.expire(99.9)
    assert told == []
    forwards.expire(100.0)
    assert told == [("c1", "expired")]
    await forwards.open("c1", plan())
    assert forwards.revoke("another", "stopped") == 0
    assert forwards.revoke("v1", "stopped") == 1
    assert told[-1] == ("c1", "stopped")
    assert not forwards.start("f1")


async def test_what_a_recording_begins_with_is_kept_until_the_receiver_is_ready():
    receiver = Udp()
    stream = packets(4)
    made = Forward(
        replace(plan(port=receiver.port), keeps=True), PortRange("127.0.0.1", 0, 0), lambda forward, reason: None
    )
    await made.open()
    for picture in stream[:2]:
        made.take_packets(picture, 0.0)
    assert receiver.read() == []
    made.start()
    for picture in stream[2:]:
        made.take_packets(picture, 0.0)
    assert len(receiver.read()) == sum(map(len, stream)), "not one packet is missing"
    made.close()


async def test_what_is_kept_is_bounded():
    made = Forward(replace(plan(), keeps=True), PortRange("127.0.0.1", 0, 0), lambda forward, reason: None)
    await made.open()
    whole = packets(1)[0]
    for _ in range(MAX_KEPT_BYTES // sum(map(len, whole)) + 50):
        made.take_packets(whole, 0.0)
    assert made._kept_bytes <= MAX_KEPT_BYTES
    made.close()
