"""The whole reception of one stream: what cameras do to markers, time stamps, maps and order."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.nals import H264_PPS, H264_SPS, annex_b
from tocsin.protocols.rtp.access_unit import AccessUnit
from tocsin.protocols.rtp.audio import AudioUnit
from tocsin.protocols.rtp.packet import RtpPacket, SenderReport, build_packet, build_sender_report
from tocsin.protocols.rtp.packetizer import Packetizer
from tocsin.protocols.rtp.ps import Muxer, StreamType
from tocsin.protocols.rtp.receiver import Receiver
from tocsin.sim.picture import encrypt

SSRC = 0x0BEBC201
FRAME = 3600


def picture(index, *, size=6000):
    """Return the Annex B bytes of picture `index`: a key every tenth, each one recognisable."""
    body = index.to_bytes(2, "big").replace(b"\x00", b"\x01") + b"\x5a" * size
    if index % 10 == 0:
        return annex_b(H264_SPS, H264_PPS, b"\x65\x88" + body)
    return annex_b(b"\x41\x9a" + body)


def stream(count, *, first=0, pts=0, stream_map=None, payload=1400):
    muxer = Muxer(StreamType.H264, StreamType.G711A)
    cutter = Packetizer(SSRC, sequence=first, max_payload=payload)
    packets = []
    for index in range(count):
        stamp = pts + index * FRAME
        pack = muxer.write_video(picture(index), stamp, is_key=index % 10 == 0, stream_map=stream_map)
        packets += cutter.packetize(pack, stamp)
    return packets


def pictures(receiver, packets, *, end_ms=1e9):
    units = []
    for index, packet in enumerate(packets):
        units += receiver.receive(packet, index * 5.0)
    units += receiver.expire(end_ms)
    return [unit for unit in units if isinstance(unit, AccessUnit)]


def remark(packets, marker):
    return [packet[:1] + bytes([packet[1] & 0x7F | (0x80 if marker else 0)]) + packet[2:] for packet in packets]


def test_every_picture_comes_out_once_in_order():
    units = pictures(Receiver(SSRC), stream(30))
    assert [unit.pts for unit in units] == [index * FRAME for index in range(30)]
    assert [unit.is_key for unit in units] == [index % 10 == 0 for index in range(30)]
    assert units[0].nals[:2] == [H264_SPS, H264_PPS]
    assert not any(unit.is_damaged for unit in units)


def test_with_markers_a_picture_does_not_wait_for_the_next_one():
    receiver = Receiver(SSRC)
    packets = stream(3)
    assert len(pictures(receiver, packets)) == 3


@pytest.mark.parametrize("marker", [True, False])
def test_markers_always_or_never_cost_one_picture_of_delay_and_no_damage(marker):
    units = pictures(Receiver(SSRC), remark(stream(21), marker))
    assert len(units) == 20
    assert not any(unit.is_damaged for unit in units)


@pytest.mark.parametrize("moving_pts", [True, False])
def test_a_time_stamp_that_stands_still_costs_the_first_pictures_only(moving_pts):
    muxer, cutter, packets = Muxer(StreamType.H264, StreamType.G711A), Packetizer(SSRC, max_payload=1400), []
    for index in range(200):
        stamp = index * FRAME if moving_pts else 90_000
        packets += cutter.packetize(muxer.write_video(picture(index), stamp, is_key=index % 10 == 0), 90_000)
    units = pictures(Receiver(SSRC), packets)
    assert len(units) >= 180
    assert not any(unit.is_damaged for unit in units[1:])
    assert [unit.is_key for unit in units[-20:]].count(True) == 2


def test_a_picture_of_several_packs_with_markers_of_their_own_stays_whole():
    muxer, cutter, packets = Muxer(StreamType.H264, StreamType.G711A), Packetizer(SSRC, max_payload=1400), []
    for index in range(40):
        parts = [annex_b(H264_SPS), annex_b(H264_PPS)] if index % 10 == 0 else []
        for part in [*parts, picture(index)]:
            packets += cutter.packetize(muxer.write_video(part, index * FRAME, is_key=index % 10 == 0), index * FRAME)
    found = pictures(Receiver(SSRC), packets)  # markers are not trusted then: the last one waits for a next
    assert [unit.pts for unit in found] == [index * FRAME for index in range(39)]


@pytest.mark.parametrize("stream_map", [b"", b"\x00\x00\x01\xbc\x00\x0a\xe1\xff\x00\x00\x00\x00\xde\xad\xbe\xef"])
def test_without_a_useful_map_the_pictures_still_come(stream_map):
    units = pictures(Receiver(SSRC), stream(20, stream_map=stream_map))
    assert {unit.codec for unit in units} == {StreamType.H264}
    assert len(units) == 20


def test_sequence_and_time_stamp_wraps_are_no_event():
    receiver = Receiver(SSRC)
    units = pictures(receiver, stream(30, first=65_530, pts=(1 << 33) - 10 * FRAME))
    assert len(units) == 30
    assert receiver.reorder.lost == 0


def test_joined_in_mid_picture_the_rest_of_it_is_not_a_picture():
    units = pictures(Receiver(SSRC), stream(20)[2:])
    # Nothing says what the stream holds until the next key picture brings the map.
    assert [unit.pts for unit in units] == [index * FRAME for index in range(10, 20)]


def test_a_lost_packet_damages_one_picture():
    packets = stream(30)
    per_picture = len(packets) // 30
    del packets[12 * per_picture + 2]
    receiver = Receiver(SSRC)
    units = pictures(receiver, packets)
    assert [unit.pts // FRAME for unit in units if unit.is_damaged] == [12]
    assert len(units) == 30
    assert receiver.reorder.lost == 1


def test_swapped_packets_are_repaired():
    packets = stream(40)
    chance = random.Random(7)
    for index in range(1, len(packets) - 1, 9):
        if chance.random() < 0.5:
            packets[index], packets[index + 1] = packets[index + 1], packets[index]
    units = pictures(Receiver(SSRC), packets)
    assert len(units) == 40
    assert not any(unit.is_damaged for unit in units)


def test_strangers_and_rtcp_are_left_out():
    packets = stream(20)
    report = build_sender_report(SenderReport(0x1234, 0, 0, 0, 0))
    stranger = build_packet(RtpPacket(96, 9, 9, 0xBAD, True, b"\x00\x00\x01\xba"))
    mixed = [item for packet in packets for item in (report, packet, stranger, b"\x00", bytes(20))]
    receiver = Receiver(None)
    assert len(pictures(receiver, mixed)) == 20
    assert receiver.ssrc == SSRC
    assert (receiver.rtcp, receiver.packets) == (len(packets), len(packets))


def test_header_extensions_padding_and_sources_do_not_reach_the_picture():
    packets = []
    for packet in stream(20):
        extended = bytes([packet[0] | 0x31, packet[1]]) + packet[2:12] + b"CSRC" + b"\xbe\xde\x00\x01EXT!" + packet[12:]
        packets.append(extended + b"\x00\x00\x00\x04")
    units = pictures(Receiver(SSRC), packets)
    assert [unit.nals for unit in units] == [unit.nals for unit in pictures(Receiver(SSRC), stream(20))]


def test_audio_comes_beside_the_pictures_only_when_wanted():
    muxer = Muxer(StreamType.H264, StreamType.G711A)
    cutter = Packetizer(SSRC)
    packets = []
    for index in range(6):
        stamp = index * FRAME
        pack = muxer.write_video(picture(index), stamp, is_key=index == 0) + muxer.write_audio(b"\xd5" * 320, stamp)
        packets += cutter.packetize(pack, stamp)
    receiver = Receiver(SSRC)
    units = [unit for packet in packets for unit in receiver.receive(packet, 0.0)]
    sound = [unit for unit in units if isinstance(unit, AudioUnit)]
    assert [(unit.codec, unit.pts, len(unit.payload)) for unit in sound] == [
        (StreamType.G711A, index * FRAME, 320) for index in range(6)
    ]
    silent = Receiver(SSRC, wants_audio=False)
    assert all(isinstance(unit, AccessUnit) for packet in packets for unit in silent.receive(packet, 0.0))


@given(st.lists(st.tuples(st.integers(0, 199), st.integers(0, 1500), st.integers(0, 255)), max_size=30))
def test_flipped_bytes_never_raise_and_never_stop_the_stream(flips):
    packets = stream(30)
    for index, offset, value in flips:
        packet = bytearray(packets[index % (len(packets) - 60)])
        packet[offset % len(packet)] = value
        packets[index % (len(packets) - 60)] = bytes(packet)
    units = pictures(Receiver(SSRC), packets)
    assert units[-1].pts >= 28 * FRAME  # a forged marker costs the trust in markers, so the last one may still wait


def renumbered(packets, ssrc):
    return [packet[:8] + ssrc.to_bytes(4, "big") + packet[12:] for packet in packets]


def test_a_number_that_changes_on_the_same_port_is_followed_without_losing_a_picture():
    packets = stream(30)
    third = len(packets) // 3
    changed = [*packets[:third], *renumbered(packets[third : 2 * third], 7), *renumbered(packets[2 * third :], 8)]
    receiver = Receiver(None)
    units = pictures(receiver, changed)
    assert [unit.pts for unit in units] == [index * FRAME for index in range(30)]
    assert not any(unit.is_damaged for unit in units)
    assert receiver.ssrc == 8


def test_single_packets_of_another_number_are_a_strangers_and_a_fixed_number_is_never_left():
    packets = stream(10)
    strange = renumbered(stream(10, pts=900), 5)
    mixed = [packet for pair in zip(packets, strange, strict=True) for packet in pair]
    units = pictures(Receiver(None), mixed)
    assert [unit.pts for unit in units] == [index * FRAME for index in range(10)]
    fixed = Receiver(SSRC)
    assert pictures(fixed, strange) == []
    assert fixed.foreign == len(strange)


def test_an_encrypted_stream_is_counted_as_such_and_shows_nothing():
    muxer, cutter, receiver = Muxer(StreamType.H264), Packetizer(SSRC), Receiver(None)
    units = []
    for index in range(30):
        scrambled = encrypt(picture(index))
        pack = muxer.write_video(scrambled, index * FRAME, is_key=index % 10 == 0)
        for packet in cutter.packetize(pack, index * FRAME):
            units += receiver.receive(packet, index * 40.0)
    assert units == []
    assert receiver.unreadable > 20


def test_a_picture_of_more_than_64_kib_crosses_the_packets_whole():
    big = annex_b(H264_SPS, H264_PPS, b"\x65\x88" + b"\x5a" * 200_000)
    pack = Muxer(StreamType.H264).write_video(big, FRAME, is_key=True)
    cutter, following = Packetizer(SSRC), Muxer(StreamType.H264).write_video(picture(1), 2 * FRAME, is_key=False)
    packets = [*cutter.packetize(pack, FRAME), *cutter.packetize(following, 2 * FRAME)]
    unit = pictures(Receiver(None), packets)[0]
    assert sum(map(len, unit.nals)) > 200_000
    assert not unit.is_damaged


@pytest.mark.parametrize("modulus", [1 << 32, 1 << 33])
def test_pictures_go_on_over_the_wrap_of_their_time_stamps(modulus):
    units = pictures(Receiver(None), stream(20, pts=modulus - 10 * FRAME))
    assert len(units) == 20
    assert not any(unit.is_damaged for unit in units)


def test_rtcp_on_the_media_port_is_counted_and_is_not_taken_for_the_stream():
    report = build_sender_report(SenderReport(99, 1 << 32, 0, 1, 1))
    packets = stream(10)
    mixed = [one for packet in packets for one in (report, packet)]
    receiver = Receiver(None)
    assert len(pictures(receiver, mixed)) == 10
    assert (receiver.ssrc, receiver.rtcp) == (SSRC, len(packets))


def test_one_packet_in_a_hundred_lost_damages_pictures_and_stops_none():
    chance = random.Random(7)
    kept = [packet for packet in stream(200) if chance.random() >= 0.01]
    units = pictures(Receiver(None), kept)
    whole = [unit for unit in units if not unit.is_damaged]
    assert len(whole) > 150
    assert any(unit.is_damaged for unit in units)
