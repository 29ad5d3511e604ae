"""Fragmented MP4: the worked bytes of the reference, and box sizes that add up."""

import struct

import pytest

from tests.support.nals import H264_PPS, H264_SPS, H265_PPS, H265_SPS, H265_VPS
from tocsin.media.fmp4 import AudioTrack, Sample, fragment, hevc_config, init_segment, mime_type
from tocsin.protocols.rtp.access_unit import ParameterSets
from tocsin.protocols.rtp.audio import AacFormat
from tocsin.protocols.rtp.ps import StreamType


def h264_sets():
    sets = ParameterSets(StreamType.H264)
    assert sets.take(H264_SPS)
    assert sets.take(H264_PPS)
    return sets


def h265_sets():
    sets = ParameterSets(StreamType.H265)
    assert all(sets.take(nal) for nal in (H265_VPS, H265_SPS, H265_PPS))
    return sets


def boxes(data, depth=0):
    """Return (depth, kind, body) of every box; sizes must add up exactly."""
    found = []
    position = 0
    while position < len(data):
        size, kind = struct.unpack_from("!I4s", data, position)
        assert 8 <= size <= len(data) - position, kind
        body = data[position + 8 : position + size]
        found.append((depth, kind.decode(), body))
        if kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"mvex", b"moof", b"traf"):
            found += boxes(body, depth + 1)
        position += size
    return found


def test_one_key_frame_is_the_worked_fragment():
    data = bytes(32_079)
    made = b"".join(fragment(1, 90_000, [Sample(data, 3600, True)]))
    expected = (
        "000000646d6f6f66000000106d6668640000000000000001"
        "0000004c7472616600000010746668640002000000000001"
        "00000014746664740100000000000000000" + "15f90"
        "000000207472756e00000701000000010000006c00000e1000007d4f02000000"
        "00007d576d646174"
    )
    assert made[:108].hex() == expected
    assert len(made) == 108 + 32_079


def test_the_second_fragment_is_a_delta_at_its_time():
    made = b"".join(fragment(2, 93_600, [Sample(b"x", 3600, False)]))
    assert "0000000000016da0" in made.hex()
    assert "01010000" in made.hex()


def test_one_sample_and_many_agree_on_the_layout():
    one = b"".join(fragment(5, 7, [Sample(b"abc", 3600, False)]))
    many = b"".join(fragment(5, 7, [Sample(b"abc", 3600, False), Sample(b"de", 3500, False)]))
    kinds = [(depth, kind) for depth, kind, _ in boxes(one)]
    assert kinds == [(depth, kind) for depth, kind, _ in boxes(many)]
    assert many.endswith(b"abcde")


def test_data_offsets_point_at_each_track():
    video = [Sample(b"VIDEO1", 3600, True), Sample(b"VIDEO2", 3600, False)]
    audio = [Sample(b"SOUND", 160, True)]
    made = b"".join(fragment(9, 1, video, 2, audio))
    offsets = [struct.unpack_from("!I", body, 8)[0] for _, kind, body in boxes(made) if kind == "trun"]
    assert made[offsets[0] :].startswith(b"VIDEO1VIDEO2")
    assert made[offsets[1] :] == b"SOUND"


def test_presentation_offsets_are_signed():
    made = b"".join(fragment(1, 0, [Sample(b"a", 3600, True, 3600), Sample(b"b", 3600, False, -3600)]))
    run = next(body for _, kind, body in boxes(made) if kind == "trun")
    assert run[:4].hex() == "01000f01"
    assert struct.unpack_from("!i", run, 12 + 12)[0] == 3600
    assert struct.unpack_from("!i", run, 12 + 28)[0] == -3600


def test_the_init_segment_has_every_box_once_and_in_order():
    kinds = [kind for _, kind, _ in boxes(init_segment(h264_sets()))]
    assert kinds == (
        [
            "ftyp",
            "moov",
            "mvhd",
            "trak",
            "tkhd",
            "mdia",
            "mdhd",
            "hdlr",
            "minf",
            "vmhd",
            "dinf",
            "dref",
            "stbl",
            "stsd",
            "stts",
            "stsc",
            "stsz",
            "stco",
            "mvex",
            "trex",
        ]
    )
    assert mime_type(h264_sets()) == 'video/mp4; codecs="avc1.64001E"'


def test_avcc_carries_the_parameter_sets_and_the_high_profile_tail():
    made = init_segment(h264_sets())
    config = made[made.index(b"avcC") + 4 :]
    assert config[:8].hex() == "0164001effe10019"
    assert config[8 : 8 + len(H264_SPS)] == H264_SPS
    tail = config[8 + len(H264_SPS) :]
    assert tail[:3] == b"\x01\x00\x06"
    assert tail[3:9] == H264_PPS
    assert tail[9:13] == b"\xfd\xf8\xf8\x00"


def test_hvcc_is_the_vector():
    sets = h265_sets()
    config = hevc_config(sets, sets.sps)
    assert config[:23].hex() == "0101600000009000000000003ff000fcfdf8f800000f03"
    assert H265_VPS in config
    assert H265_SPS in config
    assert config.endswith(b"\xa2\x00\x01\x00\x06" + H265_PPS)
    assert mime_type(sets) == 'video/mp4; codecs="hvc1.1.6.L63.90"'


def test_audio_tracks_are_described():
    aac = AudioTrack.of_aac(AacFormat(b"\x15\x88", 8000, 1, 2))
    made = init_segment(h264_sets(), aac)
    at = made.index(b"esds")
    assert made[at - 4 : at + 47].hex() == (
        "00000033657364730000000003808080220002000480808014401500000000000000000000000580808002158806808080" + "0102"
    )
    assert mime_type(h264_sets(), aac).endswith('avc1.64001E,mp4a.40.2"')
    sound = init_segment(h264_sets(), AudioTrack.of_flac(8000))
    at = sound.index(b"dfLa")
    assert sound[at + 4 : at + 12].hex() == "0000000080000022"
    assert struct.unpack_from("!I", sound, at - 4)[0] == 8 + 4 + 4 + 34


def test_incomplete_parameter_sets_make_no_segment():
    sets = ParameterSets(StreamType.H264)
    sets.take(H264_SPS)
    with pytest.raises(ValueError):
        init_segment(sets)
    with pytest.raises(ValueError):
        mime_type(ParameterSets(StreamType.H264))
