"""G.711: the decision and reconstruction values of the recommendation, and both ways agreeing."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.protocols.rtp.g711 import (
    A_LAW,
    A_LAW_SILENCE,
    MU_LAW,
    decode_a_law,
    encode_a_law,
    encode_mu_law,
    peak,
)


def pcm(*samples: int) -> bytes:
    return array("h", samples).tobytes()


# ITU-T G.711, table 1a: the character signal (even bits inverted: xor 55h) and the decoder output value, of 4096.
@pytest.mark.parametrize(
    ("signal", "output"),
    [(0xFF, 4032), (0xF0, 2112), (0xE0, 1056), (0xD0, 528), (0xC0, 264), (0xB0, 132), (0xA0, 66), (0x80, 1)],
)
def test_a_law_gives_the_values_of_the_recommendation(signal: int, output: int) -> None:
    assert A_LAW[signal ^ 0x55] == output * 8  # 13 bits of the recommendation in 16 of ours
    assert A_LAW[signal ^ 0x55 ^ 0x80] == -output * 8


# ITU-T G.711, table 2a: the value at the decoder output, of 8159; our 16 bits hold four times that.
@pytest.mark.parametrize(
    ("code", "output"), [(0x80, 8031), (0x8F, 4191), (0x9F, 2079), (0xAF, 1023), (0xCF, 231), (0xFF, 0), (0xFE, 2)]
)
def test_mu_law_gives_the_values_of_the_recommendation(code: int, output: int) -> None:
    assert MU_LAW[code] == output * 4


def test_what_was_decoded_encodes_to_the_same_bytes() -> None:
    codes = bytes(range(256))
    assert encode_a_law(decode_a_law(codes)) == codes
    assert encode_mu_law(pcm(*MU_LAW))[:127] == codes[:127]


def test_silence_is_the_smallest_positive_value() -> None:
    assert encode_a_law(pcm(0)) == bytes((A_LAW_SILENCE,))


@given(st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=400))
def test_the_code_is_of_the_nearest_value(samples: list[int]) -> None:
    for sample, code in zip(samples, encode_a_law(pcm(*samples)), strict=True):
        assert abs(A_LAW[code] - sample) == min(abs(value - sample) for value in A_LAW)


def test_an_odd_last_byte_is_left_out_and_the_peak_knows_the_lowest_sample() -> None:
    assert encode_a_law(pcm(0) + b"\x01") == bytes((A_LAW_SILENCE,))
    assert peak(pcm(5, -32_768, 7) + b"\x01") == 32_768
    assert peak(b"") == 0
