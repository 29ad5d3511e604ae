"""The sending side: one pack -> RTP packets, as a camera sends them. Pure.

Source: RFC 3550; GB/T 28181, RTP encapsulation of PS (one time stamp a pack, the marker on its last packet).
"""

from __future__ import annotations

import struct

from tocsin.protocols.rtp.packet import PT_PS

MAX_PAYLOAD_BYTES = 1400

_pack = struct.Struct("!BBHII").pack


class Packetizer:
    """Cuts packs into RTP packets of one source with ascending sequence numbers."""

    __slots__ = ("max_payload", "payload_type", "sequence", "ssrc")

    def __init__(
        self, ssrc: int, *, sequence: int = 0, payload_type: int = PT_PS, max_payload: int = MAX_PAYLOAD_BYTES
    ) -> None:
        self.ssrc = ssrc
        self.sequence = sequence
        self.payload_type = payload_type
        self.max_payload = max_payload

    def packetize(self, pack: bytes, timestamp: int) -> list[bytes]:
        """Return the packets of one pack; `timestamp` in 90 kHz ticks is cut to 32 bits."""
        packets: list[bytes] = []
        last = len(pack) - self.max_payload
        timestamp &= 0xFFFFFFFF
        for start in range(0, len(pack), self.max_payload):
            marker = 0x80 if start >= last else 0
            header = _pack(0x80, self.payload_type | marker, self.sequence, timestamp, self.ssrc)
            packets.append(header + pack[start : start + self.max_payload])
            self.sequence = self.sequence + 1 & 0xFFFF
        return packets
