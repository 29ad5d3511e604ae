"""RTP packets and RTCP on the same port."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin.protocols.rtp.packet import (
    RtpPacket,
    SenderReport,
    build_packet,
    build_sender_report,
    is_media,
    is_rtcp,
    payload_span,
    read_packet,
    read_sender_report,
)

packets = st.builds(
    RtpPacket,
    payload_type=st.integers(96, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    marker=st.booleans(),
    payload=st.binary(max_size=200),
)


@given(packets)
def test_a_packet_survives_the_round_trip(packet):
    assert read_packet(build_packet(packet)) == packet


def test_sources_extension_and_padding_are_not_payload():
    header = bytes([0x80 | 0x20 | 0x10 | 2, 96]) + bytes(10)
    extension = b"\xbe\xde\x00\x01" + b"EXT!"
    data = header + b"CSRC" * 2 + extension + b"payload" + b"\x00\x00\x03"
    start, end = payload_span(data)
    assert data[start:end] == b"payload"
    assert read_packet(data).payload == b"payload"


def test_lengths_that_lie_are_refused():
    assert read_packet(bytes([0x8F, 96]) + bytes(10)) is None  # fifteen sources, none there
    assert read_packet(bytes([0x90, 96]) + bytes(12) + b"\xff\xff") is None  # extension beyond the end
    assert read_packet(bytes([0xA0, 96]) + bytes(10) + b"\xff") is None  # more padding than packet
    assert read_packet(bytes([0xA0, 96]) + bytes(10) + b"\x00") is None


def test_rtcp_and_other_versions_are_not_media():
    report = build_sender_report(SenderReport(0x0BEBC201, 1 << 40, 90_000, 10, 1400))
    assert is_rtcp(report)
    assert not is_media(report)
    assert read_packet(report) is None
    assert not is_media(bytes([0x80, 72]) + bytes(20))
    assert not is_media(bytes([0x40, 96]) + bytes(20))
    assert not is_media(b"\x80\x60short")


@given(st.builds(SenderReport, *[st.integers(0, 0xFFFFFFFF)] * 5))
def test_a_sender_report_survives_the_round_trip(report):
    assert read_sender_report(build_sender_report(report)) == report


def test_a_receiver_report_is_not_a_sender_report():
    assert read_sender_report(bytes([0x81, 201]) + bytes(30)) is None
