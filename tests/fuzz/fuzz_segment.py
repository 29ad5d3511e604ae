"""Fuzz target: files of recordings, as they lie on a disk after anything may have happened to them."""

import io

from tests.support.segments import segment_bytes
from tocsin.domain.segment_groups import pack, unpack
from tocsin.media.segment_format import walk

SEEDS: list[bytes] = [
    segment_bytes(groups=3, size=40),
    segment_bytes(groups=2, size=40, is_h265=True, damaged={3}),
    segment_bytes(groups=3, size=40)[:-17],
]


def run_one(data: bytes) -> None:
    """Walk the bytes as a file: what is found lies within it, in order, and walked again it is the same."""
    for is_deep in (False, True):
        found = walk(io.BytesIO(data), is_deep=is_deep)
        assert found.size_bytes <= len(data)
        end = 0
        for group in found.groups:
            assert end <= group.offset < group.offset + group.size_bytes <= found.size_bytes
            end = group.offset + group.size_bytes
        if found.groups:
            assert unpack(pack(found.groups)) == list(found.groups)
            again = walk(io.BytesIO(data[: found.size_bytes]), is_deep=is_deep)
            assert (again.problem, again.groups) == ("", found.groups)
