"""Access units: where a picture begins and ends, and the parameter sets it needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.nals import H264_PPS, H264_SPS, H265_PPS, H265_SPS, H265_VPS, annex_b
from tocsin.protocols.rtp import h264, h265
from tocsin.protocols.rtp.access_unit import MAX_ACCESS_UNIT_BYTES, Assembler, ParameterSets, sniff_codec
from tocsin.protocols.rtp.nal import MAX_NALS, BitReader, join_nals, split_nals, unescape
from tocsin.protocols.rtp.ps import StreamType

IDR = b"\x65\x88first"
P = b"\x41\x9afirst"
P_REST = b"\x41\x1arest"


def whole(assembler, data, pts=None):
    return [*assembler.add(pts, None, data), *assembler.end()]


@given(
    st.lists(st.binary(min_size=1, max_size=40).filter(lambda b: b"\x00\x00" not in b and b[-1] and b[0]), max_size=9)
)
def test_nals_survive_the_round_trip(nals):
    assert split_nals(join_nals(nals)) == nals


def test_three_and_four_byte_start_codes_and_trailing_zeros_are_told_apart():
    assert split_nals(b"junk\x00\x00\x01\x67a\x00\x00\x00\x01\x68b\x00\x00\x00\x00\x00\x01\x65c\x00") == [
        b"\x67a",
        b"\x68b",
        b"\x65c",
    ]


def test_the_number_of_nals_is_bounded():
    assert len(split_nals(b"\x00\x00\x01\x41" * 10_000)) == MAX_NALS


def test_emulation_prevention_is_removed_only_where_it_is():
    assert unescape(b"\x00\x00\x03\x01\x00\x00\x03\x00\x00\x03\x03") == b"\x00\x00\x01\x00\x00\x00\x00\x03"


def test_exp_golomb_codes_are_bounded():
    with pytest.raises(ValueError):
        BitReader(bytes(100)).unsigned()
    assert [BitReader(bytes([code])).unsigned() for code in (0x80, 0x40, 0x60, 0x20)] == [0, 1, 2, 3]
    assert [BitReader(bytes([code])).signed() for code in (0x80, 0x40, 0x60, 0x20)] == [0, 1, -1, 2]


def test_a_picture_in_several_slices_is_one_unit():
    units = whole(Assembler(StreamType.H264), annex_b(P, P_REST, P_REST), 5)
    assert [unit.nals for unit in units] == [[P, P_REST, P_REST]]
    assert not units[0].is_damaged


def test_two_pictures_in_one_pack_are_two_units():
    units = whole(Assembler(StreamType.H264), annex_b(b"\x09\xf0", IDR, b"\x09\xf0", P, P))
    assert [(len(unit.nals), unit.is_key) for unit in units] == [(2, True), (2, False), (1, False)]


def test_a_new_time_stamp_ends_the_picture():
    assembler = Assembler(StreamType.H264)
    assembler.add(1, None, annex_b(P))
    assert [unit.pts for unit in assembler.add(2, None, annex_b(P))] == [1]


def test_a_nal_cut_over_two_pes_packets_is_joined():
    assembler = Assembler(StreamType.H264)
    data = annex_b(IDR)
    assembler.add(1, None, data[:7])
    assembler.add(None, None, data[7:])
    assert assembler.end()[0].nals == [IDR]


def test_parameter_sets_sent_ahead_travel_with_their_picture():
    assembler = Assembler(StreamType.H264)
    assert whole(assembler, annex_b(H264_SPS, H264_PPS)) == []
    assert whole(assembler, annex_b(IDR))[0].nals == [H264_SPS, H264_PPS, IDR]


def test_a_picture_without_its_first_slice_is_damaged():
    assert whole(Assembler(StreamType.H264), annex_b(P_REST))[0].is_damaged


def test_without_a_map_the_codec_shows_itself():
    assert whole(Assembler(), annex_b(P)) == []
    assembler = Assembler()
    assert whole(assembler, annex_b(H264_SPS, H264_PPS, IDR))[0].codec == StreamType.H264
    assert sniff_codec([H265_VPS]) == StreamType.H265
    assert sniff_codec([b"\x41\x9a"]) == 0


def test_h265_keys_and_slices_are_found():
    assembler = Assembler(StreamType.H265)
    idr, rest, trail = b"\x26\x01\xaf1", b"\x26\x01\x2f2", b"\x02\x01\xd01"
    units = whole(assembler, annex_b(H265_VPS, H265_SPS, H265_PPS, idr, rest, b"\x46\x01\x50", trail))
    assert [(len(unit.nals), unit.is_key) for unit in units] == [(5, True), (2, False)]


def test_an_endless_picture_is_dropped_and_the_next_is_whole():
    assembler = Assembler(StreamType.H264)
    for _ in range(MAX_ACCESS_UNIT_BYTES // 65_000 + 2):
        assembler.add(None, None, annex_b(P) + b"\x33" * 65_000)
    assert assembler.oversized == 1
    assembler.end()
    assert not whole(assembler, annex_b(IDR))[0].is_damaged


def test_the_h264_vector_is_read():
    sps = h264.read_sps(H264_SPS)
    assert (sps.width, sps.height, sps.codec, sps.luma_bits) == (640, 360, "avc1.64001E", 8)


def test_the_h265_vector_is_read():
    sps = h265.read_sps(H265_SPS)
    assert (sps.width, sps.height, sps.codec) == (640, 360, "hvc1.1.6.L63.90")
    assert sps.profile.hex() == "01600000009000000000003f"


def test_a_change_of_parameter_sets_is_seen_and_a_repetition_is_not():
    sets = ParameterSets(StreamType.H264)
    assert all(sets.take(nal) for nal in (H264_SPS, H264_PPS))
    assert sets.is_complete
    version = sets.version
    assert sets.take(H264_SPS)
    assert sets.version == version
    sets.take(H264_PPS + b"\x77")
    assert sets.version == version + 1
    assert not sets.take(IDR)


def test_an_unreadable_parameter_set_leaves_the_good_one_in_force():
    sets = ParameterSets(StreamType.H264)
    sets.take(H264_SPS)
    sets.take(b"\x67\x64")
    sets.take(b"\x67" + bytes(3000))
    assert sets.rejected == 2
    assert sets.of_kind(h264.SPS) == [H264_SPS]


def test_the_number_of_parameter_sets_is_bounded():
    sets = ParameterSets(StreamType.H265)
    for index in range(200):
        sets.take(b"\x44\x01" + ((1 << 15) + (index << 8)).to_bytes(3, "big") + b"\x80")
    assert len(sets.of_kind(h265.PPS)) <= 32


@given(st.binary(max_size=200))
def test_no_bytes_make_the_sps_readers_raise(data):
    h264.read_sps(b"\x67\x64\x00\x1e" + data)
    h265.read_sps(b"\x42\x01" + data)
