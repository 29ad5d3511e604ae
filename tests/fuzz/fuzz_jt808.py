"""Fuzz target: JT/T 808 streams, frames, parts and every body."""

from __future__ import annotations

from tests.protocols.jt808.test_vectors import VECTORS
from tocsin.protocols.jt808.alarms import edge_events
from tocsin.protocols.jt808.frame import MAX_WIRE_BYTES, BadFrame, Frame, FrameReader, encode_frame
from tocsin.protocols.jt808.location import MAX_EXTRAS, Location
from tocsin.protocols.jt808.messages import MAX_BATCH, Batch, Edition, Registration, decode_body, encode_body
from tocsin.protocols.jt808.parts import MAX_IN_FLIGHT, Reassembler

_PHONE = "13800138000"
_SPOT = Location(alarm=1 << 8, status=2, lat_e6=31_000_000, lon_e6=118_000_000)
SEEDS: list[bytes] = [
    *(bytes.fromhex(vector[0]) for vector in VECTORS),
    encode_frame(Frame(0x0704, _PHONE, 9, encode_body(0x0704, Batch((_SPOT, _SPOT), True)))),
    encode_frame(Frame(0x0100, _PHONE, 9, encode_body(0x0100, Registration(34, 2, "TOCSI", "T1", "01", 2, "皖B0001")))),
    encode_frame(
        Frame(0x0100, _PHONE, 9, encode_body(0x0100, Registration(edition=Edition.Y2019), 1), 1),
    ),
    encode_frame(Frame(0x0801, _PHONE, 20, b"part", 0, (3, 2))),
    b"GET / HTTP/1.1\r\n",
]


def run_one(data: bytes) -> None:
    """Read the bytes as a stream, whole and in pieces, and everything in it as every message."""
    whole = FrameReader().receive(data)
    reader = FrameReader()
    pieces = [found for at in range(0, len(data), 11) for found in reader.receive(data[at : at + 11])]
    assert pieces == whole
    assert reader.buffered_bytes < MAX_WIRE_BYTES
    parts = Reassembler()
    for number, item in enumerate(whole):
        if isinstance(item, BadFrame):
            continue
        again = FrameReader().receive(encode_frame(item))
        assert len(again) == 1
        assert isinstance(again[0], Frame)
        assert again[0].body == item.body
        parts.add(item, float(number))
        _read(item.message_id, item.body, item.version)
    parts.expire(1e9)
    assert len(parts) <= MAX_IN_FLIGHT
    for message_id in (0x0100, 0x0104, 0x0200, 0x0704, 0x0801, 0x8003, 0x8103):
        _read(message_id, data[:1023], 0)


def _read(message_id: int, octets: bytes, version: int) -> None:
    found = decode_body(message_id, octets, version)
    if isinstance(found, Location):
        assert len(found.extras) <= MAX_EXTRAS
        found.numbers()
        edge_events(0, found)
    elif isinstance(found, Batch):
        assert len(found.locations) <= MAX_BATCH
