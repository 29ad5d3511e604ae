"""What keeps a picture from showing although packets arrive, and connections that lose their place."""

from __future__ import annotations

import socket

import pytest

from tests.support.nals import H264_PPS, H264_SPS, annex_b
from tocsin.media.feed import Feed
from tocsin.media.ports import PortRange, TcpPort, UdpPort
from tocsin.media.source import Source
from tocsin.media.words import WORDS
from tocsin.protocols.rtp.framing import frame_packet
from tocsin.protocols.rtp.packetizer import Packetizer
from tocsin.protocols.rtp.ps import Muxer, StreamType
from tocsin.sim.picture import encrypt

PICTURE = annex_b(H264_SPS, H264_PPS, b"\x65\x88" + b"\x5a" * 3000)


def reason_of(payloads: list[bytes]) -> str:
    source = Source(Feed("stream"), ssrc=None, wants_audio=False)
    cutter = Packetizer(7)
    for number, payload in enumerate(payloads):
        source.receive(cutter.packetize(payload, number * 3600), number * 40.0)
    return source.reason()


def test_an_encrypted_stream_is_named_so_that_somebody_switches_it_off() -> None:
    muxer = Muxer(StreamType.H264)
    packs = [muxer.write_video(encrypt(PICTURE), number * 3600, is_key=True) for number in range(12)]
    assert reason_of(packs) == "stream_encrypted"
    assert WORDS.text("stream_encrypted", "zh")


@pytest.mark.parametrize("payload", [b"\x47" + bytes(187), b"\x11" * 400], ids=["mpeg-ts", "private"])
def test_what_is_no_program_stream_is_refused_with_its_reason(payload: bytes) -> None:
    assert reason_of([payload] * 300) == "not_program_stream"
    assert WORDS.text("not_program_stream", "en")


def test_a_connection_that_loses_its_place_three_times_in_ten_seconds_is_given_up() -> None:
    now = [0.0]
    ended: list[str] = []
    port = TcpPort(lambda packets: None, ended.append, lambda: now[0])
    pack = Muxer(StreamType.H264).write_video(PICTURE, 3600, is_key=True)
    framed = b"".join(frame_packet(packet) for packet in Packetizer(7).packetize(pack, 3600) * 8)
    torn = framed[:2000] + framed[2600:]
    for at in (0.0, 20.0, 22.0):
        now[0] = at
        port.data_received(torn)
    assert ended == [], "three, but not within ten seconds"
    now[0] = 24.0
    port.data_received(torn)
    assert ended == ["desync"]


def test_of_two_senders_on_one_port_the_first_stays() -> None:
    got: list[bytes] = []
    port = UdpPort(PortRange("127.0.0.1", 0, 0), got.extend, ssrc=None, peer_ip="127.0.0.1", now_s=0.0)
    first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    cutters = {first: Packetizer(7), second: Packetizer(7)}

    def send(sender: socket.socket, mark: bytes) -> None:
        for packet in cutters[sender].packetize(mark * 20, 3600):
            sender.sendto(packet, ("127.0.0.1", port.port))

    try:
        for _ in range(4):
            send(first, b"A")
        port.drain(0.1)
        for _ in range(4):
            send(second, b"B")
            send(first, b"A")
        port.drain(0.2)
        assert {packet[12:13] for packet in got} == {b"A"}
        assert len(got) == 8
    finally:
        first.close()
        second.close()
        port.close()
