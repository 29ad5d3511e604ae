"""Telephone events in RTP: one digit as a row of packets that share a timestamp. Pure.

    event (8) | end (1) reserved (1) volume (6) | duration (16, in samples since the timestamp)

The first packet carries the marker, the duration grows, and the last packet is sent three times with the end bit.

Source: RFC 4733, "RTP Payload Format for Named Telephone Events".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

CODES: Final = "0123456789*#ABCD"
VOLUME: Final = 10
FRAME_SAMPLES: Final = 160
TONE_FRAMES: Final = 8
GAP_FRAMES: Final = 4
ENDS: Final = 3

_payload = struct.Struct("!BBH")


@dataclass(frozen=True, slots=True)
class Tone:
    """One packet of a tone: `is_first` begins a new timestamp, which the others keep."""

    payload: bytes
    is_first: bool = False


def tones(digits: str) -> Iterator[Tone | None]:
    """Yield what leaves each 20 ms to send digits: packets, and None for the pause after each. ValueError: no digit."""
    for digit in digits:
        code = CODES.index(digit)
        for frame in range(1, TONE_FRAMES + 1):
            yield Tone(_payload.pack(code, VOLUME, frame * FRAME_SAMPLES), is_first=frame == 1)
        for _ in range(ENDS):
            yield Tone(_payload.pack(code, 0x80 | VOLUME, TONE_FRAMES * FRAME_SAMPLES))
        for _ in range(GAP_FRAMES):
            yield None


class ToneReader:
    """Hears digits: each once, however often its packets come and whichever of them is lost."""

    def __init__(self) -> None:
        self.digits = ""
        self._stamp: int | None = None

    def take(self, payload: bytes, timestamp: int) -> None:
        """Take one packet of the payload type agreed for events."""
        if len(payload) < _payload.size:
            return
        code, _, _ = _payload.unpack_from(payload)
        if timestamp == self._stamp or code >= len(CODES) or len(self.digits) >= 64:
            return
        self._stamp = timestamp
        self.digits += CODES[code]
