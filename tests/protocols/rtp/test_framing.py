"""RTP over TCP: both framings, any split, finding the place again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.protocols.rtp.framing import PacketReader, frame_packet
from tocsin.protocols.rtp.packet import RtpPacket, build_packet


def packets(count, ssrc=0x0BEBC201, size=100):
    return [
        build_packet(RtpPacket(96, sequence, 0, ssrc, False, bytes([sequence & 0xFF]) * size))
        for sequence in range(count)
    ]


def interleaved(packet):
    return b"$\x00" + len(packet).to_bytes(2, "big") + packet


@pytest.mark.parametrize("frame", [frame_packet, interleaved])
def test_whole_frames_come_out_as_they_went_in(frame):
    sent = packets(20)
    assert PacketReader().receive(b"".join(map(frame, sent))) == sent


@given(st.lists(st.sampled_from([0, 1, 2]), max_size=12), st.integers(1, 90), st.binary(max_size=80))
def test_any_split_gives_the_same_packets(kinds, step, noise):
    stream = b""
    for kind, packet in zip(kinds, packets(len(kinds)), strict=True):
        stream += (frame_packet(packet), interleaved(packet), noise)[kind]
    whole, pieces = PacketReader(), PacketReader()
    expected = whole.receive(stream)
    received = []
    for start in range(0, len(stream), step):
        received += pieces.receive(stream[start : start + step])
    assert received == expected


def test_the_place_is_found_again_after_a_torn_frame():
    sent = packets(30)
    torn = b"".join(map(frame_packet, sent[:10])) + frame_packet(sent[10])[:57] + b"".join(map(frame_packet, sent[11:]))
    reader = PacketReader()
    received = reader.receive(torn)
    # The torn packet swallows bytes of its neighbour; all others come through.
    assert received[:10] == sent[:10]
    assert received[-17:] == sent[-17:]
    assert reader.resyncs == 1


def test_before_the_source_is_known_a_pack_header_gives_the_place():
    pack = [build_packet(RtpPacket(96, n, 0, 7, True, b"\x00\x00\x01\xba" + bytes(60))) for n in range(4)]
    reader = PacketReader()
    assert reader.receive(b"\x01\x02\x03" * 7 + b"".join(map(frame_packet, pack)))[-3:] == pack[-3:]


def test_endless_garbage_is_not_kept():
    reader = PacketReader()
    for _ in range(20):
        assert reader.receive(b"\x00" * 50_000) == []
    assert reader.skipped_bytes > 900_000


def test_a_packet_too_long_for_its_length_field_is_refused():
    with pytest.raises(ValueError):
        frame_packet(bytes(65_536))
