"""Headers of pictures people upload."""

from __future__ import annotations

from tests.support.floor_plans import jpeg, png
from tocsin.base.picture_size import picture_size

SEEDS = [png(640, 480), jpeg(640, 480), jpeg(8, 8, b"\xff\xe0\0\4ab\xff\xff"), b"\xff\xd8\xff\xd8\xff\xd0\xff\xc0"]


def run_one(data: bytes) -> None:
    """A size is positive, or there is none."""
    found = picture_size(data)
    assert found is None or (found.width_px > 0 and found.height_px > 0)
