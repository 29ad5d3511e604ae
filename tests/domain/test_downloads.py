"""How far a download is: by the size the device told while it can be right, else by the time of the recording."""

from __future__ import annotations

import pytest

from tocsin.domain.downloads import left_of, share_of
from tocsin.protocols.gb28181.download_speeds import download_speeds


@pytest.mark.parametrize(
    ("by_time", "received", "told", "share"),
    [
        (0.4, 0, None, 0.4),
        (0.4, 500, 1000, 0.5),
        (0.4, 900, 1000, 0.4),
        (0.9, 1100, 1000, 1.0),
        (0.3, 5, 1_000_000, 0.3),
        (1.7, 0, None, 1.0),
        (-0.2, 0, 0, 0.0),
    ],
)
def test_a_told_size_is_believed_as_long_as_it_agrees(
    by_time: float, received: int, told: int | None, share: float
) -> None:
    assert share_of(by_time, received, told) == pytest.approx(share)


def test_time_left_is_told_once_enough_is_there() -> None:
    assert left_of(0.0, 30) is None
    assert left_of(0.25, 30) == pytest.approx(90)
    assert left_of(1.0, 30) == 0


@pytest.mark.parametrize(
    ("told", "edition", "speeds"),
    [
        ("1/2/4", "2.0", (1, 2, 4)),
        ("8", "3.0", (1, 8)),
        ("", "2.0", (1, 2, 4)),
        ("", "", (1, 2, 4)),
        ("", "1.0", (1,)),
        ("1/2/4/64/0", "1.1", (1, 2, 4)),
        ("nonsense", "3.0", (1, 2, 4)),
        ("1/" * 5000, "3.0", (1,)),
    ],
)
def test_the_device_names_its_speeds_else_its_edition_does(told: str, edition: str, speeds: tuple[int, ...]) -> None:
    assert download_speeds(told, edition) == speeds
