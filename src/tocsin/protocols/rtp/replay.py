"""Recorded pictures on their way over RTP: the header extension that says when each was taken. Pure.

    0xABAC | length 3 | NTP time stamp (8 bytes) | C E D T and four zero bits | CSeq | two zero bytes

Source: ONVIF Streaming specification, RTP header extension of replay; RFC 3550, header extension and BYE.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from tocsin.protocols.rtp.packet import HEADER_BYTES

PROFILE: Final = 0xABAC
TICKS: Final = 1 << 33
_NTP_EPOCH_S: Final = 2_208_988_800
_BODY: Final = struct.Struct("!QBBH")
_WORDS: Final = _BODY.size // 4
_BYE: Final = 203


@dataclass(frozen=True, slots=True)
class ReplayStamp:
    """What is said of a picture: when it was taken (NTP, 32.32 bits), and how it stands to its neighbours.

    `is_key` (C), `ends_section` (E: a gap follows), `follows_gap` (D), `is_last` (T: nothing follows), and the number
    of the request it answers, eight bits.
    """

    ntp: int
    is_key: bool = False
    ends_section: bool = False
    follows_gap: bool = False
    is_last: bool = False
    cseq: int = 0

    @property
    def wall_ms(self) -> float:
        """When it was taken, ms since 1970 UTC by the sender's clock."""
        return self.ntp / 2**32 * 1000.0 - _NTP_EPOCH_S * 1000.0


def ntp_of(wall_ms: float) -> int:
    """Return a time, ms since 1970 UTC, as an NTP time stamp."""
    return round((wall_ms / 1000.0 + _NTP_EPOCH_S) * 2**32)


def read_stamp(packet: bytes) -> ReplayStamp | None:
    """Read the extension of an RTP packet; None when there is none, another one, or one without a time."""
    if len(packet) < HEADER_BYTES or not packet[0] & 0x10:
        return None
    at = HEADER_BYTES + 4 * (packet[0] & 0x0F)
    if at + 4 + _BODY.size > len(packet):
        return None
    profile, words = struct.unpack_from("!HH", packet, at)
    if profile != PROFILE or words < _WORDS:
        return None
    ntp, flags, cseq, _ = _BODY.unpack_from(packet, at + 4)
    if not ntp >> 32:
        return None
    return ReplayStamp(ntp, bool(flags & 0x80), bool(flags & 0x40), bool(flags & 0x20), bool(flags & 0x10), cseq)


def with_stamp(packet: bytes, stamp: ReplayStamp) -> bytes:
    """Return a packet without an extension with this one."""
    flags = stamp.is_key << 7 | stamp.ends_section << 6 | stamp.follows_gap << 5 | stamp.is_last << 4
    at = HEADER_BYTES + 4 * (packet[0] & 0x0F)
    body = _BODY.pack(stamp.ntp, flags, stamp.cseq & 0xFF, 0)
    head = bytes((packet[0] | 0x10,)) + packet[1:at]
    return head + struct.pack("!HH", PROFILE, _WORDS) + body + packet[at:]


def says_bye(packet: bytes) -> bool:
    """Tell whether an RTCP packet, or one it is joined with, ends the stream."""
    at = 0
    while at + 4 <= len(packet) and packet[at] >> 6 == 2:
        if packet[at + 1] == _BYE:
            return True
        at += 4 + 4 * int.from_bytes(packet[at + 2 : at + 4])
    return False


class ReplayTimes:
    """Puts pictures at the time they were taken: 90 kHz ticks since 1970 UTC by our clock, cut to 33 bits."""

    __slots__ = ("_ahead_ms", "_known")

    def __init__(self, ahead_ms: float = 0.0) -> None:
        """`ahead_ms`: how far the sender's clock is ahead of ours."""
        self._ahead_ms = ahead_ms
        self._known: tuple[int, int] | None = None  # an RTP time stamp and its ticks

    def place(self, timestamp: int, stamp: ReplayStamp | None) -> int | None:
        """Return the ticks of a picture; one that says nothing goes by its RTP time stamp. None: nothing is known."""
        if stamp is not None:
            self._known = timestamp, round((stamp.wall_ms - self._ahead_ms) * 90)
        elif self._known is not None:
            since = (timestamp - self._known[0] + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
            self._known = timestamp, self._known[1] + since
        return None if self._known is None else self._known[1] % TICKS
