"""Worked frames of JT/T 808: read to the values they were made from, and written back octet by octet."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tocsin.protocols.jt808 import frame, messages
from tocsin.protocols.jt808.frame import Frame, FrameReader, decode_frame, encode_frame
from tocsin.protocols.jt808.location import Location
from tocsin.protocols.jt808.messages import (
    Ack,
    Authentication,
    Body,
    Empty,
    MessageId,
    Parameters,
    RegistrationReply,
    Text,
    decode_body,
    encode_body,
)

PHONE = "13800138000"
SOS = Location(
    alarm=1,
    status=3,
    lat_e6=31_230_400,
    lon_e6=121_473_700,
    altitude_m=12,
    speed_dkmh=0,
    heading_deg=90,
    at=datetime(2026, 11, 22, 8, 30, 15, tzinfo=UTC),
    extras=((0x01, bytes.fromhex("000004d2")), (0x30, b"\x19"), (0x31, b"\x0b")),
)
_SOS_BODY = "000000010000000301dc89c0073d8aa4000c0000005a2611221630150104000004d230011931010b"

VECTORS: list[tuple[str, int, int, int, Body]] = [
    (
        "7e02000028013800138000007d02" + _SOS_BODY + "cc7e",
        MessageId.LOCATION,
        0,
        0x7E,
        SOS,
    ),
    (
        "7e020040280100000000013800138000007d02" + _SOS_BODY + "8d7e",
        MessageId.LOCATION,
        1,
        0x7E,
        SOS,
    ),
    ("7e800100050138001380000001007d02020000537e", MessageId.PLATFORM_ACK, 0, 1, Ack(0x7E, 0x0200, 0)),
    ("7e800100050138001380000002007d02020004547e", MessageId.PLATFORM_ACK, 0, 2, Ack(0x7E, 0x0200, 4)),
    (
        "7e8100000b0138001380000003001000544f4353494e30313e7e",
        MessageId.REGISTER_REPLY,
        0,
        3,
        RegistrationReply(16, 0, "TOCSIN01"),
    ),
    ("7e010200080138001380000004544f4353494e3031a87e", MessageId.AUTHENTICATE, 0, 4, Authentication("TOCSIN01")),
    ("7e000200000138001380000005ad7e", MessageId.HEARTBEAT, 0, 5, Empty()),
    (
        "7e8103000a01380013800000060100000001040000001e3e7e",
        MessageId.SET_PARAMETERS,
        0,
        6,
        Parameters(((1, bytes.fromhex("0000001e")),)),
    ),
    ("7e8300000b013800138000000701cad5b5bda3acb3f6beaf687e", MessageId.TEXT, 0, 7, Text("收到，出警", 1)),
]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v[1]:04x}-{v[2]}-{v[3]}")
def test_a_worked_frame_reads_and_writes_back(vector: tuple[str, int, int, int, Body]) -> None:
    text, message_id, version, serial, body = vector
    wire = bytes.fromhex(text)
    (found,) = FrameReader().receive(wire)
    assert isinstance(found, Frame)
    assert (found.message_id, found.phone, found.version, found.serial) == (message_id, PHONE, version, serial)
    assert found.raw == wire
    assert decode_body(found.message_id, found.body, found.version) == body
    again = Frame(message_id, PHONE, serial, encode_body(message_id, body, version), version)
    assert encode_frame(again) == wire


def test_the_position_of_the_worked_report_is_told_in_units() -> None:
    assert (SOS.lat, SOS.lon) == (31.2304, 121.4737)
    assert SOS.numbers() == {"mileage_km": 123.4, "signal_strength": 25, "satellites": 11}
    assert SOS.is_fix


def test_the_worked_sub_package_is_part_one_of_two() -> None:
    (found,) = FrameReader().receive(bytes.fromhex("7e080120080138001380000020000200010001020304050607a87e"))
    assert isinstance(found, Frame)
    assert (found.message_id, found.serial, found.part) == (messages.MessageId.MULTIMEDIA, 0x20, (2, 1))
    assert found.body == bytes(range(8))


def test_the_worked_escape() -> None:
    plain, wire = bytes.fromhex("307e087d55"), bytes.fromhex("307d02087d0155")
    assert frame.escape(plain) == wire
    assert frame.unescape(wire) == plain
    assert frame.unescape(bytes.fromhex("307d03")) is None
    assert frame.unescape(bytes.fromhex("7d0102")) == bytes.fromhex("7d02")


def test_a_sim_is_one_terminal_in_every_edition() -> None:
    old = decode_frame(encode_frame(Frame(2, PHONE, 1))[1:-1])
    new = decode_frame(encode_frame(Frame(2, PHONE, 1, version=1))[1:-1])
    assert isinstance(old, Frame)
    assert isinstance(new, Frame)
    assert old.phone == new.phone == PHONE
