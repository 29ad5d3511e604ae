"""Frames of JT/T 808 in any split of a stream, what is no frame, and long messages in parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.protocols.jt808.frame import (
    MAX_BODY_BYTES,
    MAX_NOISE_BYTES,
    MAX_WIRE_BYTES,
    BadFrame,
    Frame,
    FrameFault,
    FrameReader,
    decode_frame,
    encode_frame,
    encode_message,
    escape,
    unescape,
)
from tocsin.protocols.jt808.parts import MAX_IN_FLIGHT, MAX_REQUESTS, PATIENCE_S, Reassembler

HEARTBEAT = encode_frame(Frame(2, "13800138000", 5))


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    version = draw(st.sampled_from((0, 1, 2)))
    digits = draw(st.text("0123456789", min_size=1, max_size=20 if version else 12))
    part = None
    if draw(st.booleans()):
        total = draw(st.integers(1, 0xFFFF))
        part = (total, draw(st.integers(1, total)))
    return Frame(
        draw(st.integers(0, 0xFFFF)),
        digits.lstrip("0") or "0",
        draw(st.integers(0, 0xFFFF)),
        draw(st.binary(max_size=MAX_BODY_BYTES)),
        version,
        part,
        draw(st.integers(0, 7)),
    )


@given(frames())
def test_a_frame_written_is_the_frame_read(frame: Frame) -> None:
    wire = encode_frame(frame)
    found = decode_frame(wire[1:-1])
    assert isinstance(found, Frame)
    assert found == Frame(
        frame.message_id, frame.phone, frame.serial, frame.body, frame.version, frame.part, frame.encryption, wire
    )
    assert len(wire) <= MAX_WIRE_BYTES


@given(st.binary(max_size=300))
def test_what_is_escaped_holds_no_flag_and_comes_back(octets: bytes) -> None:
    assert b"\x7e" not in escape(octets)
    assert unescape(escape(octets)) == octets


@given(st.binary(max_size=400), st.integers(1, 50), st.booleans())
def test_any_split_gives_the_same_frames(noise: bytes, step: int, is_shared: bool) -> None:
    """Noise before, between frames with a shared flag or two; every split reads alike."""
    stream = HEARTBEAT + (HEARTBEAT[1:] if is_shared else HEARTBEAT) + noise + b"\x7e" + HEARTBEAT
    whole = FrameReader().receive(stream)
    reader = FrameReader()
    pieces = [found for at in range(0, len(stream), step) for found in reader.receive(stream[at : at + step])]
    assert pieces == whole
    assert [item.raw for item in whole if isinstance(item, Frame)].count(HEARTBEAT) >= 2


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (HEARTBEAT[:-2] + b"\x00\x7e", FrameFault.CHECKSUM),
        (b"\x7e\x00\x02\x7e", FrameFault.SHORT),
        (b"\x7e\x7d\x05\x00\x7e", FrameFault.ESCAPE),
        (encode_frame(Frame(2, "1", 1, b"ab")).replace(b"\x00\x02\x00\x02", b"\x00\x02\x00\x04"), FrameFault.CHECKSUM),
    ],
)
def test_what_is_no_frame_is_named_and_the_next_one_is_read(wire: bytes, reason: FrameFault) -> None:
    bad, good = FrameReader().receive(wire + HEARTBEAT)
    assert isinstance(bad, BadFrame)
    assert bad.reason is reason
    assert isinstance(good, Frame)


def test_a_length_that_lies_a_phone_in_hex_and_a_part_outside_its_total_are_named() -> None:
    def reason(inner: bytes) -> FrameFault:
        check = 0
        for octet in inner:
            check ^= octet
        found = decode_frame(escape(inner + bytes((check,))))
        assert isinstance(found, BadFrame)
        return found.reason

    head = bytes.fromhex("0002 0001 013800138000 0005".replace(" ", ""))
    assert reason(head) is FrameFault.LENGTH
    assert reason(bytes.fromhex("00020000" + "01380013800a" + "0005")) is FrameFault.PHONE
    assert reason(bytes.fromhex("00022000" + "013800138000" + "0005" + "0002" + "0003")) is FrameFault.PART


def test_a_peer_that_speaks_something_else_is_given_up_in_bounded_memory() -> None:
    reader = FrameReader()
    found = []
    for _ in range(MAX_NOISE_BYTES // 100 + 1):
        found += reader.receive(b"GET / HTTP" * 10)
        assert reader.buffered_bytes < MAX_WIRE_BYTES
    assert reader.overflowed
    assert reader.receive(HEARTBEAT) == []


def test_a_segment_without_an_end_is_dropped_and_the_next_frame_is_read() -> None:
    reader = FrameReader()
    found = reader.receive(b"\x7e" + bytes(MAX_WIRE_BYTES))
    assert [item.reason for item in found if isinstance(item, BadFrame)] == [FrameFault.OVERSIZE]
    assert reader.buffered_bytes == 0
    assert [type(item) for item in reader.receive(b"\x00" + HEARTBEAT)] == [Frame]


@given(st.binary(min_size=1, max_size=3000), st.integers(1, MAX_BODY_BYTES), st.integers(0, 0xFFFF), st.randoms())
def test_parts_in_any_order_give_the_message(body: bytes, size: int, serial: int, rng: object) -> None:
    wires = list(encode_message(Frame(0x0801, "123", serial, body, 1), max(size, 16)))
    read = [item for wire in wires for item in FrameReader().receive(wire)]
    rng.shuffle(read)  # type: ignore[attr-defined]
    parts = Reassembler()
    done = [whole for item in read if isinstance(item, Frame) and (whole := parts.add(item, 0.0)) is not None]
    assert [one.body for one in done] == [body]
    assert len(parts) == 0


def test_missing_parts_are_asked_for_three_times_and_then_given_up() -> None:
    wires = list(encode_message(Frame(0x0801, "123", 0xFFFE, bytes(50), 1), 10))
    frames_ = [item for wire in wires for item in FrameReader().receive(wire) if isinstance(item, Frame)]
    parts = Reassembler()
    for one in (frames_[0], frames_[3], frames_[3]):
        assert parts.add(one, 0.0) is None
    assert parts.buffered_bytes == 20
    assert parts.expire(PATIENCE_S - 1) == []
    for number in range(1, MAX_REQUESTS + 1):
        (missing,) = parts.expire(PATIENCE_S * number)
        assert (missing.first_serial, missing.indexes) == (0xFFFE, (2, 3, 5))
    assert parts.expire(PATIENCE_S * (MAX_REQUESTS + 1)) == []
    assert (len(parts), parts.dropped) == (0, 1)


def test_messages_in_flight_are_bounded_and_an_absurd_total_is_refused() -> None:
    parts = Reassembler()
    for number in range(MAX_IN_FLIGHT + 2):
        parts.add(Frame(0x0801, "1", number * 10, b"x", part=(3, 1)), float(number))
    assert (len(parts), parts.dropped) == (MAX_IN_FLIGHT, 2)
    assert parts.add(Frame(0x0801, "1", 9999, b"x", part=(65_535, 1)), 9.0) is None
    assert parts.dropped == 3
