"""FLAC frames for telephone audio: verbatim 16-bit mono, so that browsers play G.711 without a codec library. Pure.

Source: RFC 9639, STREAMINFO, frame header, verbatim subframe, frame footer.
"""

from __future__ import annotations

from fastcrc import crc8, crc16

MIN_BLOCK_SAMPLES = 16
MAX_BLOCK_SAMPLES = 4096
_RATE_CODES = {8000: 4, 16000: 5, 22050: 6, 24000: 7, 32000: 8, 44100: 9, 48000: 10}
_SIXTEEN_BITS_MONO = 0x08
_VERBATIM = b"\x02"


def stream_info(rate_hz: int) -> bytes:
    """Return the 34 bytes of STREAMINFO for 16-bit mono of unknown length and checksum."""
    packed = rate_hz << 44 | 0 << 41 | (16 - 1) << 36
    return (
        MIN_BLOCK_SAMPLES.to_bytes(2, "big")
        + MAX_BLOCK_SAMPLES.to_bytes(2, "big")
        + bytes(6)
        + packed.to_bytes(8, "big")
        + bytes(16)
    )


def encode_frame(samples: bytes, first_sample: int, rate_hz: int) -> bytes:
    """Return one frame of big-endian 16-bit mono samples, 1 to 4,096 of them; `first_sample` counts from the start.

    Errors: ValueError on another number of samples or a rate FLAC has no short code for.
    """
    count = len(samples) // 2
    if not 1 <= count <= MAX_BLOCK_SAMPLES or len(samples) % 2:
        raise ValueError("a frame holds 1 to 4096 samples")
    if rate_hz not in _RATE_CODES:
        raise ValueError(f"no sample rate code for {rate_hz} Hz")
    header = (
        bytes((0xFF, 0xF9, 0x70 | _RATE_CODES[rate_hz], _SIXTEEN_BITS_MONO))
        + _coded_number(first_sample)
        + (count - 1).to_bytes(2, "big")
    )
    body = header + bytes((crc8.smbus(header),)) + _VERBATIM + samples
    return body + crc16.umts(body).to_bytes(2, "big")


def _coded_number(value: int) -> bytes:
    """Return the sample number in the extended UTF-8 form, up to 36 bits."""
    if value < 0x80:
        return bytes((value,))
    tail: list[int] = []
    limit = 0x20
    while True:
        tail.append(0x80 | value & 0x3F)
        value >>= 6
        if value < limit or limit == 1:
            break
        limit >>= 1
    lead = (0xFF00 >> len(tail) + 1) & 0xFF
    return bytes((lead | value, *reversed(tail)))
