"""Framing: by quote position and length, in any split, within bounds."""

from __future__ import annotations

import pytest
from fastcrc.crc16 import arc
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.protocols.dc09.frame import (
    MAX_BODY_BYTES,
    MAX_FRAME_BYTES,
    BadFrame,
    CrcForm,
    Frame,
    FrameFault,
    FrameReader,
    encode_frame,
    read_datagram,
)

BODY = b'"SIA-DCS"0001L0#1234[#1234|Nri1/BA003]_08:30:15,11-22-2026'

bodies = st.binary(max_size=80).map(lambda rest: b'"NULL"0000L0#1[' + rest)
frames = st.builds(encode_frame, bodies, st.sampled_from(CrcForm))
noise = st.one_of(
    st.binary(max_size=40), st.sampled_from([b"\r\n", b"\0", b"\n", b"  ", b'\n12340012"', b'\nAB00FF"X"'])
)
cut = st.builds(lambda frame, at: frame[: at % len(frame)], frames, st.integers(0, 200))
streams = st.lists(st.one_of(frames, noise, cut), max_size=12).map(b"".join)


def read_in_pieces(stream: bytes, steps: list[int]) -> tuple[list[Frame | BadFrame], FrameReader]:
    reader, found, at, turn = FrameReader(), [], 0, 0
    while at < len(stream):
        step = steps[turn % len(steps)]
        found += reader.receive(stream[at : at + step])
        at, turn = at + step, turn + 1
    return found, reader


@settings(max_examples=200, deadline=None)
@given(streams, st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_any_split_gives_the_same_frames(stream, steps):
    whole = FrameReader()
    expected = whole.receive(stream)
    found, pieces = read_in_pieces(stream, steps)
    assert found == expected
    assert pieces.overflowed == whole.overflowed
    assert pieces.noise_bytes == whole.noise_bytes


@settings(max_examples=200, deadline=None)
@given(st.lists(frames, min_size=1, max_size=6))
def test_frames_one_after_another_all_come_out(sent):
    found = FrameReader().receive(b"".join(sent))
    assert [item.raw for item in found if isinstance(item, Frame)] == sent


@settings(max_examples=100, deadline=None)
@given(bodies, st.sampled_from(CrcForm))
def test_a_body_survives_its_frame(body, form):
    (frame,) = FrameReader().receive(encode_frame(body, form))
    assert isinstance(frame, Frame)
    assert (frame.body, frame.crc_form, frame.length_differs) == (body, form, False)


def test_the_checksum_is_crc_16_arc():
    assert arc(b"123456789") == 0xBB3D


@pytest.mark.parametrize("octets", [b"\x0a\x0a", b"\x0a\x0d", b"\x0d\x0a", b"\x0d\x0d", b"\x0a\x41", b"\x41\x0d"])
def test_raw_checksum_octets_may_be_line_ends(octets):
    wanted = int.from_bytes(octets, "big")
    # CRC-16 is linear, so some two octets in the text reach any value.
    body = next(
        body for n in range(1 << 20) if arc(body := b'"ADM-CID"1447R01L01#0001[#0001|1603 01 000][I%05X]' % n) == wanted
    )
    stream = encode_frame(BODY) + encode_frame(body, CrcForm.BINARY) + encode_frame(BODY)
    assert stream[len(encode_frame(BODY)) + 1 :].startswith(octets)
    for step in (1, 7, len(stream)):
        found, _ = read_in_pieces(stream, [step])
        assert [item.body for item in found if isinstance(item, Frame)] == [BODY, body, BODY]


def test_a_carriage_return_inside_the_data_does_not_end_the_frame():
    body = b'"SIA-DCS"0001L0#1234[#1234|NBA1^two\rlines^]'
    (frame,) = FrameReader().receive(encode_frame(body))
    assert isinstance(frame, Frame)
    assert frame.body == body
    assert not frame.length_differs


@pytest.mark.parametrize("length", [b"0041", b"0000", b"0FFF", b"00ZZ", b"9999", b"    "])
def test_a_length_that_lies_is_forgiven_when_the_checksum_holds(length):
    frame = encode_frame(BODY)
    wrong = frame[:5] + length + frame[9:]
    for step in (1, 5, len(wrong)):
        found, reader = read_in_pieces(wrong + frame, [step])
        assert [item.length_differs for item in found if isinstance(item, Frame)] == [True, False]
        assert reader.buffered_bytes == 0


def test_lower_case_hex_is_read():
    frame = encode_frame(BODY)
    (found,) = FrameReader().receive(frame[:9].lower() + frame[9:])
    assert isinstance(found, Frame)
    assert found.body == BODY


def test_a_wrong_checksum_is_a_bad_frame_and_the_next_one_is_read():
    bad = encode_frame(BODY).replace(b"BA003", b"BA004")
    first, second = FrameReader().receive(bad + encode_frame(BODY))
    assert first == BadFrame(bad, FrameFault.CRC_MISMATCH)
    assert isinstance(second, Frame)


def test_a_whole_frame_behind_a_torn_one_is_not_lost():
    stream = encode_frame(BODY)[:30] + encode_frame(BODY)
    for step in (1, 11, len(stream)):
        found, _ = read_in_pieces(stream, [step])
        assert [item.body for item in found if isinstance(item, Frame)] == [BODY]


@pytest.mark.parametrize("tail", [b"\0", b"\r\n", b"\n", b"   ", b"\0\0\r\n"])
def test_what_panels_append_after_a_frame_does_not_begin_another(tail):
    reader = FrameReader()
    assert len(reader.receive(encode_frame(BODY) + tail)) == 1
    assert not reader.is_inside_frame
    assert len(reader.receive(encode_frame(BODY))) == 1


def test_a_begun_frame_is_noticed():
    reader = FrameReader()
    reader.receive(encode_frame(BODY)[:5])
    assert reader.is_inside_frame


@pytest.mark.parametrize("stream", [b"x" * 9000, b'\n00000FFF"' + b"x" * 9000, b'\n00000FFF"\n' * 900])
def test_4110_octets_without_a_frame_end_the_stream(stream):
    for step in (1, 100, len(stream)):
        found, reader = read_in_pieces(stream, [step])
        assert found[-1].reason is FrameFault.OVERSIZE
        assert reader.overflowed
        assert reader.receive(encode_frame(BODY)) == []
        assert reader.buffered_bytes == 0


def test_a_frame_of_the_greatest_length_is_read_and_a_longer_one_is_not_written():
    body = b'"' + b"x" * (MAX_BODY_BYTES - 1)
    (frame,) = FrameReader().receive(encode_frame(body))
    assert isinstance(frame, Frame)
    with pytest.raises(ValueError, match="4096"):
        encode_frame(body + b"x")
    with pytest.raises(ValueError, match="quote"):
        encode_frame(b"NULL")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=3000), frames), max_size=8))
def test_the_buffer_stays_bounded(pieces):
    reader = FrameReader()
    for piece in pieces:
        reader.receive(piece)
        assert reader.buffered_bytes <= MAX_FRAME_BYTES


def test_a_datagram_without_a_whole_frame_is_reported_as_incomplete():
    (bad,) = read_datagram(encode_frame(BODY)[:-10])
    assert isinstance(bad, BadFrame)
    assert bad.reason is FrameFault.INCOMPLETE
    (empty,) = read_datagram(b"")
    assert isinstance(empty, BadFrame)
