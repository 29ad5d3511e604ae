"""NAL units: splitting Annex B bytes, removing emulation prevention, reading bits. Pure.

Source: ITU-T H.264 and H.265, Annex B byte stream format and NAL unit syntax.
"""

from __future__ import annotations

_START = b"\x00\x00\x01"
START_CODE = b"\x00\x00\x00\x01"

MAX_NALS = 512
MAX_PARAMETER_SET_BYTES = 1024


def split_nals(data: bytes) -> list[bytes]:
    """Return the NAL units of an Annex B byte string without start codes and trailing zeros; at most 512."""
    find = data.find
    at = find(_START)
    if at < 0:
        return []
    at += 3
    nals: list[bytes] = []
    while True:
        following = find(_START, at)
        if following < 0:
            nal = data[at:]
        else:
            nal = data[at:following]
        if nal and nal[-1] == 0:
            nal = nal.rstrip(b"\x00")
        if nal:
            nals.append(nal)
            if len(nals) >= MAX_NALS:
                return nals
        if following < 0:
            return nals
        at = following + 3


def join_nals(nals: list[bytes]) -> bytes:
    """Return the NAL units as Annex B bytes with 4-byte start codes."""
    return START_CODE + START_CODE.join(nals) if nals else b""


def unescape(nal: bytes) -> bytes:
    """Remove emulation prevention bytes: what bits are read from, never what is stored or sent."""
    if b"\x00\x00\x03" not in nal:
        return nal
    out = bytearray()
    start = 0
    while (found := nal.find(b"\x00\x00\x03", start)) >= 0:
        out += nal[start : found + 2]
        start = found + 3
    out += nal[start:]
    return bytes(out)


class BitReader:
    """Reads bits and Exp-Golomb codes. Errors: ValueError past the end or on a code longer than 32 bits."""

    __slots__ = ("_left", "_value")

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def read(self, bits: int) -> int:
        """Return the next `bits` bits as a number."""
        if bits > self._left:
            raise ValueError("bits end early")
        self._left -= bits
        return self._value >> self._left & (1 << bits) - 1

    def skip(self, bits: int) -> None:
        """Pass over `bits` bits."""
        if bits > self._left:
            raise ValueError("bits end early")
        self._left -= bits

    def unsigned(self) -> int:
        """Return the next unsigned Exp-Golomb code, ue(v)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("Exp-Golomb code too long")
        return (1 << zeros) - 1 + (self.read(zeros) if zeros else 0)

    def signed(self) -> int:
        """Return the next signed Exp-Golomb code, se(v)."""
        code = self.unsigned()
        return (code + 1) // 2 if code & 1 else -(code // 2)
