"""Speech is evened out and paced, never sent in a burst; a stranger reaches nothing."""

from __future__ import annotations

from array import array

import pytest

from tocsin.media.talk import AHEAD_FRAMES, FRAME_BYTES, MOST_FRAMES, JitterBuffer, Packer
from tocsin.protocols.rtp.g711 import encode_a_law
from tocsin.protocols.rtp.packet import read_packet
from tocsin.protocols.rtp.ps import Demuxer, StreamType


def frame(number: int) -> bytes:
    return array("h", [number * 100] * 160).tobytes()


def test_speech_waits_for_three_frames_then_plays_in_order() -> None:
    buffer = JitterBuffer()
    for number in range(AHEAD_FRAMES):
        assert buffer.take() is None
        buffer.put(frame(number))
    assert [buffer.take() for _ in range(AHEAD_FRAMES + 1)] == [*map(frame, range(AHEAD_FRAMES)), None]
    assert (buffer.spoken, buffer.silent) == (AHEAD_FRAMES, AHEAD_FRAMES + 1)


def test_a_burst_is_cut_to_its_newest_200_ms() -> None:
    buffer = JitterBuffer()
    buffer.put(b"".join(frame(number) for number in range(50)))
    assert len(buffer) == MOST_FRAMES
    assert buffer.dropped == 50 - MOST_FRAMES
    assert buffer.take() == frame(40)


@pytest.mark.parametrize("size", [1, 7, 320, 321, 1000])
def test_any_cut_of_the_samples_gives_the_same_frames(size: int) -> None:
    sound = b"".join(frame(number) for number in range(6))
    buffer = JitterBuffer()
    for start in range(0, len(sound), size):
        buffer.put(sound[start : start + size])
    assert b"".join(buffer.take() or b"" for _ in range(6)) == sound


def test_the_end_of_speech_plays_what_is_left() -> None:
    buffer = JitterBuffer()
    buffer.put(frame(1) + b"\x00" * 100)
    assert buffer.take() is None
    buffer.end_of_speech()
    assert buffer.take() == frame(1)
    buffer.put(frame(2)[: FRAME_BYTES - 100])  # what was cut off before does not shift what follows
    assert len(buffer) == 0


def test_raw_packets_count_samples_and_skip_the_time_that_was_lost() -> None:
    packer = Packer(7, "raw", 8)
    first, second = read_packet(packer.pack(b"\xd5" * 160)), read_packet(packer.pack(b"\xd5" * 160))
    packer.skip(4)
    third = read_packet(packer.pack(b"\xd5" * 160))
    assert first is not None
    assert second is not None
    assert third is not None
    assert [p.timestamp for p in (first, second, third)] == [0, 160, 960]
    assert [p.sequence for p in (first, second, third)] == [0, 1, 2]
    assert [p.marker for p in (first, second, third)] == [True, False, False]
    assert {p.ssrc for p in (first, second, third)} == {7}


def test_ps_packets_carry_a_map_of_sound_alone_and_the_sound() -> None:
    packer, demuxer = Packer(7, "ps", 96), Demuxer()
    sound = encode_a_law(frame(9))
    found = read_packet(packer.pack(sound))
    assert found is not None
    assert (found.payload_type, found.marker) == (96, True)
    units = demuxer.feed(found.payload)
    assert [unit.payload for unit in units] == [sound]
    assert (demuxer.audio_type, demuxer.video_type, demuxer.bad_maps) == (StreamType.G711A, 0, 0)
