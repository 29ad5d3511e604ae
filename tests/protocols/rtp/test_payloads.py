"""Payload formats: NAL units and sound taken apart as the RFCs lay them out, whole or with pieces missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.nals import H264_PPS, H264_SPS
from tocsin.protocols.rtp.access_unit import AccessUnit
from tocsin.protocols.rtp.audio import AudioUnit, split_adts
from tocsin.protocols.rtp.packet import RtpPacket, SenderReport, build_packet, build_sender_report
from tocsin.protocols.rtp.payloads import AacUnpacker, NalPacker, NalUnpacker, sniff_payload
from tocsin.protocols.rtp.ps import StreamType
from tocsin.protocols.rtp.tracks import SoundTrack, TrackReceiver

H264, H265 = int(StreamType.H264), int(StreamType.H265)
IDR = b"\x65\x88" + bytes(range(256)) * 20
DELTA = b"\x41\x9a" + b"\x5a" * 300
H265_SETS = (b"\x40\x01\x0c", b"\x42\x01\x01", b"\x44\x01\xc0")
H265_IDR = b"\x26\x01\xaf" + bytes(range(256)) * 20


def pictures(receiver: TrackReceiver, packets: list[bytes]) -> list[AccessUnit]:
    found = []
    for number, packet in enumerate(packets):
        found += receiver.receive(packet, number * 1.0)
    return found


def test_a_single_unit_an_aggregate_and_fragments_are_told_apart():
    h264 = NalUnpacker(H264)
    assert h264.take(b"\x41\x9a\x01") == [b"\x41\x9a\x01"]
    assert h264.take(b"\x78\x00\x03\x67\x64\x00\x00\x02\x68\xee") == [b"\x67\x64\x00", b"\x68\xee"]
    assert h264.take(b"\x7c\x85\x88\x01") == []
    assert h264.take(b"\x7c\x05\x02") == []
    assert h264.take(b"\x7c\x45\x03") == [b"\x65\x88\x01\x02\x03"]
    h265 = NalUnpacker(H265)
    assert h265.take(b"\x60\x01\x00\x03\x40\x01\x0c\x00\x02\x42\x01") == [b"\x40\x01\x0c", b"\x42\x01"]
    assert h265.take(b"\x62\x01\x93\xaf") == []
    assert h265.take(b"\x62\x01\x53\x02") == [b"\x26\x01\xaf\x02"]


@pytest.mark.parametrize("codec", [H264, H265])
@given(sizes=st.lists(st.integers(3, 5000), min_size=1, max_size=6), room=st.integers(20, 1400), joined=st.booleans())
def test_what_is_packed_comes_back_byte_for_byte(codec, sizes, room, joined):
    lead = b"\x65" if codec == H264 else b"\x26\x01"
    nals = [(lead + b"\x88" + b"\x11" * size)[:size] for size in sizes]
    packer, unpacker = NalPacker(codec, 7, 96, max_payload=room, aggregates=joined), NalUnpacker(codec)
    found = [nal for packet in packer.packetize(nals, 90) for nal in unpacker.take(packet[12:])]
    assert sorted(found) == sorted(nals)


def test_an_aggregate_that_lies_about_its_lengths_is_refused():
    assert NalUnpacker(H264).take(b"\x78\x00\x00\x67\x64") is None
    assert NalUnpacker(H264).take(b"\x78\x00\xff\x67\x64") is None
    assert NalUnpacker(H265).take(b"\x60\x01\xff\xff\x40") is None


@pytest.mark.parametrize(
    ("codec", "sets", "key", "delta"),
    [(H264, (H264_SPS, H264_PPS), IDR, DELTA), (H265, H265_SETS, H265_IDR, b"\x02\x01\xd0" + b"\x5a" * 300)],
)
def test_pictures_leave_with_their_marker(codec, sets, key, delta):
    packer, receiver = NalPacker(codec, 7, 96, aggregates=True), TrackReceiver(codec, payload_type=96)
    first = pictures(receiver, packer.packetize([*sets, key], 3600))
    second = pictures(receiver, packer.packetize([delta], 7200))
    assert [(unit.is_key, unit.pts, unit.is_damaged) for unit in first + second] == [
        (True, 3600, False),
        (False, 7200, False),
    ]
    assert first[0].nals[-1] == key


def test_a_marker_on_every_packet_costs_one_picture_and_then_time_stamps_rule():
    packer, receiver = NalPacker(H264, 7, 96), TrackReceiver(H264)
    found = []
    for number in range(6):
        packets = packer.packetize([b"\x41\x9a" + b"\x11" * 10, b"\x41\x1a" + b"\x22" * 10], number * 3600)
        found += pictures(receiver, [bytes((p[0], p[1] | 0x80)) + p[2:] for p in packets])
    assert [len(unit.nals) for unit in found][1:] == [1, 2, 2, 2, 2][: len(found) - 1]


def test_a_missing_packet_damages_its_picture_and_the_one_after():
    packer, receiver = NalPacker(H264, 7, 96, max_payload=500), TrackReceiver(H264, wait_ms=10)
    packets = packer.packetize([H264_SPS, H264_PPS, IDR], 0)
    del packets[5]
    found = pictures(receiver, packets)
    for number in range(1, 5):
        found += pictures(receiver, packer.packetize([DELTA], number * 3600))
    found += receiver.expire(1e9)
    assert [unit.is_damaged for unit in found][:1] == [True]
    assert not found[-1].is_damaged
    assert receiver.reorder.lost == 1


def test_packets_of_another_payload_type_or_source_are_not_pictures():
    receiver = TrackReceiver(H264, payload_type=96)
    receiver.receive(build_packet(RtpPacket(96, 1, 0, 7, True, b"\x41\x9a\x00")), 0.0)
    receiver.receive(build_packet(RtpPacket(97, 2, 0, 7, True, b"\x41\x9a\x00")), 0.0)
    receiver.receive(build_packet(RtpPacket(96, 3, 0, 8, True, b"\x41\x9a\x00")), 0.0)
    assert (receiver.packets, receiver.foreign) == (1, 2)


def test_aac_frames_become_adts_with_the_rate_of_the_config():
    aac = AacUnpacker(bytes.fromhex("1408"))
    assert aac.rate_hz == 16_000
    adts = aac.take(b"\x00\x20" + (5 << 3).to_bytes(2, "big") + (4 << 3).to_bytes(2, "big") + b"hellowave")
    form, frames = split_adts(adts)
    assert (form.config.hex(), form.rate_hz, form.channels) == ("1408", 16_000, 1)
    assert frames == [b"hello", b"wave"]


def test_an_aac_frame_cut_in_two_is_joined():
    aac = AacUnpacker(bytes.fromhex("1588"))
    head = b"\x00\x10" + (6 << 3).to_bytes(2, "big")
    assert aac.take(head + b"abc") == b""
    assert split_adts(aac.take(head + b"def"))[1] == [b"abcdef"]


@pytest.mark.parametrize("config", ["", "14", "ffff", "0008"])
def test_an_absurd_audio_config_is_refused(config):
    with pytest.raises(ValueError):
        AacUnpacker(bytes.fromhex(config))


def test_sound_stands_on_the_line_of_the_pictures_once_both_sent_reports():
    sound = SoundTrack(int(StreamType.G711A), 8000)
    receiver = TrackReceiver(H264, sound=sound)
    voice = build_packet(RtpPacket(8, 1, 8000, 9, False, b"\xd5" * 160))
    assert receiver.receive_sound(voice, 0.0) == [AudioUnit(int(StreamType.G711A), None, b"\xd5" * 160)]
    ntp = (2_208_988_800 + 1_000) << 32
    receiver.take_report(build_sender_report(SenderReport(7, ntp, 90_000, 1, 1)), 999.0)
    receiver.take_report(build_sender_report(SenderReport(9, ntp, 4_000, 1, 1)), 999.0, is_sound=True)
    later = build_packet(RtpPacket(8, 2, 8000, 9, False, b"\xd5" * 160))
    assert receiver.receive_sound(later, 0.0)[0].pts == 90_000 + 45_000
    assert receiver.wall_ahead_ms == pytest.approx(1000.0)


def test_a_bare_stream_is_recognised_and_a_pack_is_left_alone():
    assert sniff_payload(b"\x00\x00\x01\xba" + bytes(20), 98) == -1
    assert sniff_payload(H264_SPS, 98) == H264
    assert sniff_payload(H265_SETS[0] + b"\x01", 100) == H265
    assert sniff_payload(b"\x7c\x85\x88\x80", 98) == H264
    assert sniff_payload(b"\x7c\x85\x88\x80", 96) == 0
    assert sniff_payload(b"\x62\x01\x93\xaf", 100) == H265
