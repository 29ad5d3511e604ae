"""G.711 both ways by table: 8-bit A-law and µ-law <-> 16-bit samples. Pure.

Decoding takes the value of the middle of each interval; encoding gives the interval a sample lies in. Encoding what was
decoded gives the same bytes back.

Source: ITU-T G.711, tables 1a and 1b (A-law) and 2a and 2b (µ-law); even bits of A-law inverted.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from itertools import pairwise
from typing import Final

RATE_HZ: Final = 8000
FRAME_MS: Final = 20
FRAME_SAMPLES: Final = RATE_HZ * FRAME_MS // 1000
A_LAW_SILENCE: Final = 0xD5
MU_LAW_SILENCE: Final = 0xFF

_IS_LITTLE: Final = sys.byteorder == "little"


def _a_law_sample(code: int) -> int:
    code ^= 0x55
    exponent, mantissa = code >> 4 & 7, code & 15
    magnitude = (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << exponent - 1
    return magnitude if code & 0x80 else -magnitude


def _mu_law_sample(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 15) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def _encoder(decoded: tuple[int, ...]) -> bytes:
    """Return the code of each 16-bit sample, indexed by the sample as an unsigned number."""
    codes = sorted({decoded[code]: code for code in range(256)}.items())
    values, bounds = [code for _, code in codes], []
    for (below, _), (above, _) in pairwise(codes):
        bounds.append((below + above + 1) // 2)
    return bytes(
        values[bisect_right(bounds, number - 65_536 if number > 32_767 else number)] for number in range(65_536)
    )


A_LAW: Final = tuple(_a_law_sample(code) for code in range(256))
MU_LAW: Final = tuple(_mu_law_sample(code) for code in range(256))
_A_LAW_CODES: Final = _encoder(A_LAW)
_MU_LAW_CODES: Final = _encoder(MU_LAW)
_A_LAW_PCM: Final = tuple(sample.to_bytes(2, "little", signed=True) for sample in A_LAW)
_MU_LAW_PCM: Final = tuple(sample.to_bytes(2, "little", signed=True) for sample in MU_LAW)


def encode_a_law(pcm: bytes) -> bytes:
    """Return one A-law byte for each 16-bit little-endian sample; an odd last byte is left out."""
    return bytes(map(_A_LAW_CODES.__getitem__, _samples(pcm)))


def encode_mu_law(pcm: bytes) -> bytes:
    """Return one µ-law byte for each 16-bit little-endian sample; an odd last byte is left out."""
    return bytes(map(_MU_LAW_CODES.__getitem__, _samples(pcm)))


def decode_a_law(payload: bytes) -> bytes:
    """Return 16-bit little-endian samples, one for each byte of A-law."""
    return b"".join(map(_A_LAW_PCM.__getitem__, payload))


def decode_mu_law(payload: bytes) -> bytes:
    """Return 16-bit little-endian samples, one for each byte of µ-law."""
    return b"".join(map(_MU_LAW_PCM.__getitem__, payload))


def peak(pcm: bytes) -> int:
    """Return the greatest magnitude of 16-bit little-endian samples, 0 to 32768."""
    samples = array("h", pcm[: len(pcm) & ~1])
    if not _IS_LITTLE:
        samples.byteswap()
    return max(max(samples), -min(samples)) if samples else 0


def _samples(pcm: bytes) -> array[int]:
    samples = array("H", pcm[: len(pcm) & ~1])
    if not _IS_LITTLE:
        samples.byteswap()
    return samples
