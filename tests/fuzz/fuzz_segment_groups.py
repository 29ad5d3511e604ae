"""The packed index of groups: whatever is read packs to the same bytes again, everything else is refused."""

from __future__ import annotations

from tocsin.base.errors import TocsinError
from tocsin.domain.segment_groups import DAMAGED, Group, index_at, pack, unpack

SEEDS = [
    b"",
    pack([Group(1_200, 500_000, 0, 2_000), Group(501_200, 480_000, 2_000, 2_000, DAMAGED)]),
    pack([Group(900, 20_000, 0, 400), Group(20_900, 30_000, 1_400, 400), Group(50_900, 1, 1_800, 0)]),
]


def run_one(data: bytes) -> None:
    """Read, look up and pack again."""
    try:
        groups = unpack(data)
    except TocsinError:
        return
    assert pack(groups) == data
    for at_ms in (0, 1_000, groups[-1].end_ms if groups else 0):
        found = index_at(groups, at_ms)
        assert found is None or groups[found].end_ms > at_ms
