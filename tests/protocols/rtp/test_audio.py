"""G.711, ADTS and the FLAC frames that carry G.711 to a browser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.protocols.rtp import flac
from tocsin.protocols.rtp.audio import decode_a_law, decode_mu_law, encode_a_law, is_adts, split_adts


def sample(data):
    return int.from_bytes(data, "big", signed=True)


def test_g711_tables_hold_the_values_of_the_recommendation():
    assert [sample(decode_a_law(bytes([code]))) for code in (0xD5, 0x55, 0xAA, 0x2A)] == [8, -8, 32_256, -32_256]
    assert [sample(decode_mu_law(bytes([code]))) for code in (0xFF, 0x7F, 0x80, 0x00)] == [0, 0, 32_124, -32_124]


@given(st.integers(-32_768, 32_767))
def test_a_law_keeps_a_sample_within_its_step(value):
    heard = sample(decode_a_law(encode_a_law([value])))
    assert abs(heard - value) <= max(16, abs(value) // 16)


def adts(body, rate_index=11, channels=1):
    length = len(body) + 7
    return (
        bytes([0xFF, 0xF1, 1 << 6 | rate_index << 2 | channels >> 2, (channels & 3) << 6 | length >> 11])
        + bytes([length >> 3 & 0xFF, (length & 7) << 5 | 0x1F, 0xFC])
        + body
    )


def test_adts_frames_are_taken_apart():
    form, frames = split_adts(adts(b"one") + adts(b"three"))
    assert frames == [b"one", b"three"]
    assert (form.config.hex(), form.rate_hz, form.channels) == ("1588", 8000, 1)
    assert split_adts(adts(b"x", 3, 2))[0].config.hex() == "1190"
    assert is_adts(adts(b"one"))


def test_a_broken_adts_frame_ends_the_run():
    assert split_adts(adts(b"one") + adts(b"two")[:-1])[1] == [b"one"]
    assert split_adts(b"\xff\xf1\x50\x40\x00\x1f\xfc") == (None, [])
    assert not is_adts(b"\xd5" * 160)


def test_stream_info_states_rate_and_width():
    info = flac.stream_info(8000)
    assert len(info) == 34
    assert int.from_bytes(info[10:18], "big") >> 44 == 8000
    assert (int.from_bytes(info[10:18], "big") >> 36 & 31) + 1 == 16


@pytest.mark.parametrize(
    ("number", "coded"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "c280"),
        (2047, "dfbf"),
        (2048, "e0a080"),
        (65_535, "efbfbf"),
        (1 << 31, "fe8280808080" + "80"),
    ],
)
def test_sample_numbers_are_coded_like_utf8(number, coded):
    assert flac.encode_frame(b"\x00\x00", number, 8000)[4 : 4 + len(coded) // 2].hex() == coded


def test_impossible_frames_are_refused():
    for samples, rate in ((b"", 8000), (b"\x00", 8000), (bytes(2 * 4097), 8000), (b"\x00\x00", 12_345)):
        with pytest.raises(ValueError):
            flac.encode_frame(samples, 0, rate)
