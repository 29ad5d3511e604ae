"""The header of a picture, and words as they are compared."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from tests.support.floor_plans import jpeg, png
from tocsin.base.picture_size import PictureSize, picture_size
from tocsin.domain.accounts import as_spoken


@given(st.integers(1, 60_000), st.integers(1, 60_000), st.binary(max_size=200))
def test_the_size_of_a_picture_is_read_from_its_header(width_px: int, height_px: int, noise: bytes) -> None:
    assert picture_size(png(width_px, height_px)) == PictureSize("png", width_px, height_px)
    comment = b"\xff\xe1" + struct.pack(">H", len(noise) + 2) + noise + b"\xff"
    assert picture_size(jpeg(width_px, height_px, comment)) == PictureSize("jpeg", width_px, height_px)


def test_a_picture_of_no_size_and_what_is_none_is_no_picture() -> None:
    assert picture_size(png(0, 10)) is None
    assert picture_size(b"<svg xmlns='http://www.w3.org/2000/svg'/>") is None
    assert picture_size(b"\xff\xd8\xff\xe0\0\1") is None
    assert picture_size(jpeg(10, 10)[:10]) is None


def test_words_are_compared_as_they_are_said() -> None:
    assert as_spoken("River  Stone-7") == as_spoken("ｒｉｖｅｒstone７") == "riverstone7"
    assert as_spoken("红叶 飘落。") == "红叶飘落"
