"""Worked frames and frames of real devices, both ways."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tocsin.protocols.dc09.crypto import AesKey
from tocsin.protocols.dc09.frame import CrcForm, Frame, FrameReader, encode_frame, read_datagram
from tocsin.protocols.dc09.messages import (
    Message,
    SealedMessage,
    decode_message,
    encode_message,
    open_sealed,
    seal_message,
)

VECTORS: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "vectors.toml").read_text("utf-8"))["frame"]
every_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])


def wire_of(vector: dict[str, Any]) -> bytes:
    return vector["wire"].encode("latin-1").decode("unicode_escape").encode("latin-1")


def read(vector: dict[str, Any]) -> tuple[Frame, Message]:
    (frame,) = FrameReader().receive(wire_of(vector))
    assert isinstance(frame, Frame)
    message = decode_message(frame.body)
    if isinstance(message, SealedMessage):
        message = open_sealed(message, AesKey(bytes.fromhex(vector["key"])))
    assert isinstance(message, Message)
    return frame, message


@every_vector
def test_a_worked_frame_reads_as_written(vector):
    frame, message = read(vector)
    header = message.header
    assert header.token == vector["token"]
    assert header.sequence == vector["sequence"]
    assert header.receiver == vector.get("receiver")
    assert header.prefix == vector.get("prefix")
    assert header.account == vector.get("account")
    assert header.is_encrypted == ("key" in vector)
    assert message.data == vector.get("data", "").encode()
    assert [group.letter + group.value.decode() for group in message.xdata] == vector.get("xdata", [])
    assert message.sent_at == vector.get("sent_at")
    assert frame.length_differs == vector.get("length_differs", False)
    assert frame.crc_form is (CrcForm.BINARY if vector.get("binary_crc") else CrcForm.ASCII)


@every_vector
def test_a_worked_frame_is_written_as_it_was_read(vector):
    frame, message = read(vector)
    if "key" in vector:
        body = seal_message(
            message,
            AesKey(bytes.fromhex(vector["key"])),
            vector["pad"].encode(),
            pad_size=len(vector["pad"]),
            has_bar=vector.get("bar", True),
        )
    else:
        body = encode_message(message)
    assert body == frame.body
    if not frame.length_differs:
        assert encode_frame(body, frame.crc_form) == wire_of(vector).rstrip(b"\0")


@every_vector
def test_a_worked_frame_reads_octet_by_octet_and_as_a_datagram(vector):
    wire = wire_of(vector)
    whole = FrameReader().receive(wire)
    reader = FrameReader()
    assert [item for octet in wire for item in reader.receive(bytes([octet]))] == whole
    assert not reader.is_inside_frame
    assert read_datagram(wire) == whole
