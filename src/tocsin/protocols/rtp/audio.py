"""Audio as cameras send it: G.711 to 16-bit samples by table, and AAC frames out of ADTS. Pure.

Source: ITU-T G.711, tables of A-law and µ-law; ISO/IEC 13818-7, ADTS header.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_AUDIO_BYTES = 64 << 10
AAC_RATES_HZ: Final = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
AAC_FRAME_SAMPLES = 1024
G711_RATE_HZ = 8000


class AudioUnit(NamedTuple):
    """The payload of one audio PES packet; `codec` is the program stream map's type, `pts` raw 90 kHz ticks."""

    codec: int
    pts: int | None
    payload: bytes


def _a_law_sample(code: int) -> int:
    code ^= 0x55
    exponent, mantissa = code >> 4 & 7, code & 15
    magnitude = (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << exponent - 1
    return magnitude if code & 0x80 else -magnitude


def _mu_law_sample(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 15) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return -magnitude if code & 0x80 else magnitude


_A_LAW: Final = tuple(_a_law_sample(code).to_bytes(2, "big", signed=True) for code in range(256))
_MU_LAW: Final = tuple(_mu_law_sample(code).to_bytes(2, "big", signed=True) for code in range(256))


def decode_a_law(payload: bytes) -> bytes:
    """Return big-endian 16-bit samples, one for each byte of A-law."""
    return b"".join(map(_A_LAW.__getitem__, payload))


def decode_mu_law(payload: bytes) -> bytes:
    """Return big-endian 16-bit samples, one for each byte of µ-law."""
    return b"".join(map(_MU_LAW.__getitem__, payload))


def encode_a_law(samples: list[int]) -> bytes:
    """Return one A-law byte for each 16-bit sample (for the simulators; the nearest code below)."""
    return bytes(_encode_a_law_sample(sample) for sample in samples)


def _encode_a_law_sample(sample: int) -> int:
    sign = 0x80 if sample >= 0 else 0
    magnitude = min(abs(sample), 32_767) >> 4
    if magnitude < 32:
        code = magnitude >> 0 & 0x1F
        exponent, mantissa = code >> 4, code & 15
    else:
        exponent = magnitude.bit_length() - 4
        mantissa = magnitude >> exponent - 1 & 15
    return (sign | exponent << 4 | mantissa) ^ 0x55


@dataclass(frozen=True, slots=True)
class AacFormat:
    """What an ADTS header says: AudioSpecificConfig bytes, sampling rate, channels."""

    config: bytes
    rate_hz: int
    channels: int
    object_type: int


def is_adts(payload: bytes) -> bool:
    """Tell whether bytes begin with an ADTS header whose length is possible (some devices call AAC G.711)."""
    if len(payload) < 7 or payload[0] != 0xFF or payload[1] & 0xF6 != 0xF0:
        return False
    length = (payload[3] & 3) << 11 | payload[4] << 3 | payload[5] >> 5
    return 7 <= length <= len(payload) and payload[2] >> 2 & 15 < len(AAC_RATES_HZ)


def split_adts(payload: bytes) -> tuple[AacFormat | None, list[bytes]]:
    """Return the format and the raw AAC frames of a run of ADTS frames; what follows a broken header is dropped."""
    frames: list[bytes] = []
    found: AacFormat | None = None
    position = 0
    size = len(payload)
    while position + 7 <= size:
        if payload[position] != 0xFF or payload[position + 1] & 0xF6 != 0xF0:
            break
        length = (payload[position + 3] & 3) << 11 | payload[position + 4] << 3 | payload[position + 5] >> 5
        header = 7 if payload[position + 1] & 1 else 9
        rate_index = payload[position + 2] >> 2 & 15
        if length <= header or position + length > size or rate_index >= len(AAC_RATES_HZ):
            break
        if found is None:
            object_type = (payload[position + 2] >> 6) + 1
            channels = (payload[position + 2] & 1) << 2 | payload[position + 3] >> 6
            config = (object_type << 11 | rate_index << 7 | channels << 3).to_bytes(2, "big")
            found = AacFormat(config, AAC_RATES_HZ[rate_index], channels or 1, object_type)
        frames.append(payload[position + header : position + length])
        position += length
    return found, frames
