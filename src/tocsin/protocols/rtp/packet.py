"""RTP packets: bytes <-> header and payload, and RTCP told apart from media on the same port. Pure.

Source: RFC 3550, RTP fixed header fields and header extension; RFC 5761, distinguishable RTP and RTCP packets.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER_BYTES = 12
MAX_PACKET_BYTES = 65_535
SEQUENCE_MODULUS = 1 << 16
TIMESTAMP_MODULUS = 1 << 32

PT_PCMU = 0
PT_PCMA = 8
PT_PS = 96

_HEADER = struct.Struct("!BBHII")
_SENDER_REPORT = struct.Struct("!BBHIIIIII")
_RTCP_SENDER_REPORT = 200


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet with its header read; `timestamp` in units of the payload's clock (90 kHz for PS)."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    marker: bool
    payload: bytes


def is_media(data: bytes) -> bool:
    """Tell whether a datagram is RTP media: version 2, at least a header, and not RTCP.

    The payload types 72-76 are excluded too: with the marker set they are RTCP's 200-204.
    """
    if len(data) < HEADER_BYTES or data[0] >> 6 != 2:
        return False
    kind = data[1]
    return not (200 <= kind <= 207 or 72 <= kind <= 76)


def is_rtcp(data: bytes) -> bool:
    """Tell whether a datagram is RTCP (packet types 200-207)."""
    return len(data) >= 8 and data[0] >> 6 == 2 and 200 <= data[1] <= 207


def payload_span(data: bytes) -> tuple[int, int] | None:
    """Return start and end of the payload, past contributing sources, extension and padding; None when they lie."""
    first = data[0]
    start = HEADER_BYTES + 4 * (first & 0x0F)
    end = len(data)
    if first & 0x10:
        if start + 4 > end:
            return None
        start += 4 + 4 * ((data[start + 2] << 8) | data[start + 3])
    if first & 0x20:
        padding = data[-1]
        if padding == 0:
            return None
        end -= padding
    return (start, end) if start <= end else None


def read_packet(data: bytes) -> RtpPacket | None:
    """Read one RTP packet; None for RTCP, other versions and packets whose lengths contradict each other."""
    if not is_media(data):
        return None
    span = payload_span(data)
    if span is None:
        return None
    _, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    return RtpPacket(second & 0x7F, sequence, timestamp, ssrc, second >= 0x80, data[span[0] : span[1]])


def build_packet(packet: RtpPacket) -> bytes:
    """Write one RTP packet without contributing sources, extension or padding."""
    second = (packet.payload_type & 0x7F) | (0x80 if packet.marker else 0)
    return _HEADER.pack(0x80, second, packet.sequence, packet.timestamp, packet.ssrc) + packet.payload


@dataclass(frozen=True, slots=True)
class SenderReport:
    """An RTCP sender report: which wall clock instant (NTP, 32.32 bits) an RTP timestamp stands for."""

    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int


def build_sender_report(report: SenderReport) -> bytes:
    """Write an RTCP sender report without reception blocks. Source: RFC 3550, sender report."""
    return _SENDER_REPORT.pack(
        0x80,
        _RTCP_SENDER_REPORT,
        6,
        report.ssrc,
        report.ntp >> 32,
        report.ntp & 0xFFFFFFFF,
        report.timestamp,
        report.packets & 0xFFFFFFFF,
        report.octets & 0xFFFFFFFF,
    )


def read_sender_report(data: bytes) -> SenderReport | None:
    """Read the sender report an RTCP packet begins with; None when it is something else."""
    if len(data) < _SENDER_REPORT.size or not is_rtcp(data) or data[1] != _RTCP_SENDER_REPORT:
        return None
    _, _, _, ssrc, high, low, timestamp, packets, octets = _SENDER_REPORT.unpack_from(data)
    return SenderReport(ssrc, high << 32 | low, timestamp, packets, octets)
