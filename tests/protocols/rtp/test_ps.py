"""Program streams: vectors of the reference, lengths that lie, maps that are wrong or absent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.protocols.rtp.ps import (
    Demuxer,
    Muxer,
    StreamType,
    build_pack_header,
    build_pes_header,
    build_stream_map,
    build_system_header,
    build_timestamp,
    read_timestamp,
)

NAL = b"\x00\x00\x00\x01\x65\x88"


def test_the_pack_header_is_the_vector():
    assert build_pack_header(90_000, 50_000).hex(" ") == "00 00 01 ba 44 00 16 fc 84 01 03 0d 43 f8"


def test_the_system_header_is_the_vector():
    expected = "00 00 01 bb 00 0c 81 86 a1 04 e1 7f e0 e0 80 c0 c0 20"
    assert build_system_header(50_000, has_audio=True).hex(" ") == expected


@pytest.mark.parametrize(
    ("video", "audio", "expected"),
    [
        (0x1B, 0x90, "00 00 01 bc 00 12 e1 ff 00 00 00 08 1b e0 00 00 90 c0 00 00 b9 28 7f 16"),
        (0x24, 0x0F, "00 00 01 bc 00 12 e1 ff 00 00 00 08 24 e0 00 00 0f c0 00 00 ad 32 2a dc"),
    ],
)
def test_the_stream_map_is_the_vector(video, audio, expected):
    assert build_stream_map(video, audio).hex(" ") == expected
    demuxer = Demuxer()
    assert demuxer.feed(bytes.fromhex(expected)) == []
    assert (demuxer.video_type, demuxer.audio_type, demuxer.bad_maps) == (video, audio, 0)


def test_the_pes_header_is_the_vector():
    assert build_pes_header(0xE0, 90_000, 1000).hex(" ") == "00 00 01 e0 03 f0 80 80 05 21 00 05 bf 21"


@given(st.integers(0, (1 << 33) - 1))
def test_time_stamps_survive_the_round_trip(ticks):
    assert read_timestamp(build_timestamp(2, ticks), 0) == ticks


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.booleans()), min_size=1, max_size=6),
    st.integers(1, 200),
)
def test_any_split_gives_the_same_units(pictures, step):
    muxer = Muxer(StreamType.H264, StreamType.G711A)
    stream = b"".join(muxer.write_video(b"\x00\x00\x01\x41" + body, 3600, is_key=key) for body, key in pictures)
    whole, pieces = Demuxer(), Demuxer()
    expected = whole.feed(stream)
    received = []
    for start in range(0, len(stream), step):
        chunk = stream[start : start + step]
        received += pieces.feed(chunk)
    assert [unit.payload for unit in expected] == [b"\x00\x00\x01\x41" + body for body, _ in pictures]
    assert received == expected


def test_a_picture_above_64_kib_is_split_and_joined():
    body = NAL + bytes(range(1, 256)) * 800
    units = Demuxer().feed(Muxer(StreamType.H264).write_video(body, 90_000, is_key=True))
    assert b"".join(unit.payload for unit in units) == body
    assert [unit.pts for unit in units] == [90_000, None, None, None]


def test_start_codes_inside_a_payload_are_left_alone():
    body = NAL + b"\x00\x00\x01\xba\x00\x00\x01\xe0 not headers"
    assert [unit.payload for unit in Demuxer().feed(Muxer(0x1B).write_video(body, 0, is_key=True))] == [body]


def test_private_data_padding_and_stuffing_are_passed_over():
    header = bytearray(build_pack_header(0, 1000))
    header[-1] = 0xF8 | 6
    stream = (
        bytes(header)
        + b"\xff" * 6
        + b"\x00\x00\x01\xbd\x00\x04HIKV"
        + b"\x00\x00\x01\xbe\x00\x03\xff\xff\xff"
        + build_pes_header(0xE0, 5, len(NAL))
        + NAL
        + b"\x00\x00\x01\xb9"
    )
    demuxer = Demuxer()
    assert [unit.payload for unit in demuxer.feed(stream)] == [NAL]
    assert demuxer.resyncs == 0


def test_a_map_with_a_wrong_checksum_or_inner_length_still_counts():
    good = build_stream_map(0x24, 0x90)
    demuxer = Demuxer()
    demuxer.feed(good[:-1] + b"\x00")
    assert (demuxer.video_type, demuxer.bad_maps) == (0x24, 1)
    demuxer = Demuxer()
    demuxer.feed(good[:10] + b"\x7f\xff" + good[12:])
    assert (demuxer.video_type, demuxer.audio_type) == (0x24, 0x90)


def test_a_pes_of_length_zero_runs_to_the_next_structure():
    stream = build_pack_header(0, 1) + b"\x00\x00\x01\xe0\x00\x00\x80\x00\x00" + NAL * 3 + build_pack_header(9, 1)
    assert [unit.payload for unit in Demuxer().feed(stream)] == [NAL * 3]


def test_video_behind_an_overflowed_length_is_kept():
    """Some devices write the length modulo 65,536."""
    body = NAL + b"\x11" * 70_000
    header = bytearray(build_pes_header(0xE0, 0, 0))
    header[4:6] = ((8 + len(body)) & 0xFFFF).to_bytes(2, "big")
    demuxer = Demuxer()
    units = demuxer.feed(build_pack_header(0, 1) + bytes(header) + body + build_pack_header(1, 1))
    assert b"".join(unit.payload for unit in units) == body
    assert demuxer.resyncs == 1


def test_a_length_that_promises_too_much_ends_at_the_next_pack():
    header = bytearray(build_pes_header(0xE0, 0, 0))
    header[4:6] = b"\xff\xff"
    demuxer = Demuxer()
    assert demuxer.feed(build_pack_header(0, 1) + bytes(header) + NAL) == []
    units = demuxer.feed(Muxer(0x1B).write_video(NAL + b"next", 3600, is_key=False))
    assert [unit.payload for unit in units] == [NAL, NAL + b"next"]
    assert demuxer.truncated == 1


def test_after_a_break_the_tail_of_the_picture_is_not_taken_for_a_new_one():
    stream = Muxer(0x1B).write_video(NAL + b"\x22" * 3000, 3600, is_key=False)
    demuxer = Demuxer()
    demuxer.feed(stream[:1000])
    torn = demuxer.break_off()
    assert torn[0].payload.startswith(NAL)
    assert demuxer.feed(stream[2000:]) == []
    assert [unit.pts for unit in demuxer.feed(Muxer(0x1B).write_video(NAL, 7200, is_key=False))] == [7200]


def test_a_million_start_codes_are_survived():
    assert Demuxer().feed(b"\x00\x00\x01" * 1_000_000) == []
