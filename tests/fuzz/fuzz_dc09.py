"""DC-09: framing, messages, both session roles and payloads never raise, and keep little."""

from __future__ import annotations

from datetime import UTC, datetime

from tocsin.protocols.dc09.crypto import AesKey
from tocsin.protocols.dc09.frame import MAX_FRAME_BYTES, Frame, FrameReader, encode_frame, read_datagram
from tocsin.protocols.dc09.payload import read_payload
from tocsin.protocols.dc09.sender import Sender
from tocsin.protocols.dc09.session import AccountRules, Receiver

NOW = datetime(2026, 11, 22, 8, 30, 15, tzinfo=UTC)
KEY = AesKey(bytes(range(16)))
RULES = {"1234": AccountRules("plain"), "5678": AccountRules("keyed", keys=(AesKey(bytes(16)), KEY))}
RECEIVER = Receiver(lambda receiver, prefix, account: RULES.get(account))


def _fixed(size: int) -> bytes:
    return bytes(range(size))


SEEDS: list[bytes] = [
    b'\n8E24003A"SIA-DCS"0001L0#1234[#1234|Nri1/BA003]_08:30:15,11-22-2026\r',
    b'\n22BF0092"SIA-DCS"0002R1LA0#1234[#1234|Nti08:30/ri1/BA003^FRONT PIR^][X121E28.4420][Y31N13.8220]'
    b"[M0026B9E4268B][Vhttps://v.example/c/7]_08:30:15,11-22-2026\r",
    b'\n73A1004B"ADM-CID"0003R579BDFL789ABC#12345A[#12345A|1130 01 003]_08:30:15,11-22-2026\r',
    b'\n\xf6\xf30044"ADM-CID"1447R01L01#0001[#0001|1603 01 000][S13]_04:45:01,08-30-2014\r',
    b'\n57150047"ADM-CID"0247R4F39L4F39#4F39[#4F39|3401 01 057]\r',
    b'\n4F5A0025"NAK"0000R0L0A0[]_08:30:15,11-22-2026\r',
    encode_frame(b'"SIA-DCS"0001L0#1234[#1234|NBA1][J{"a":[1,{"b":"]["}]}][K00112233][H08:30:00,11-22-2026]'),
    Sender("5678", key=KEY, random=_fixed).send("SIA-DCS", b"#5678|Nri1/BA003", NOW),
    Sender("5678", key=KEY, random=_fixed).poll(NOW),
]


def _again(body: bytes) -> bytes:
    """Wrap a mutated body with a good checksum, or the mutations would all end at it."""
    start = body.find(b'"')
    body = body[start : start + 4095].rstrip(b"\r") if start >= 0 else b'"' + body[:4000]
    return encode_frame(body)


def run_one(data: bytes) -> None:
    """Read octets as a stream, as datagrams, and once more with the checksum mended."""
    reader = FrameReader()
    half = len(data) // 2
    found = reader.receive(data[:half]) + reader.receive(data[half:])
    assert reader.buffered_bytes <= MAX_FRAME_BYTES
    found += read_datagram(data)
    found += read_datagram(_again(data))
    panel = Sender("1234")
    panel.send("SIA-DCS", b"#1234|NBA1", NOW)
    for item in found:
        panel.receive(item, NOW)
        if isinstance(item, Frame):
            received = RECEIVER.receive(item, NOW)
            RECEIVER.acknowledge(received, NOW)
            assert received.dedup_key == "" or len(received.dedup_key) == 32
            if received.message is not None:
                assert read_payload(received.message, NOW, 28800.0).events
