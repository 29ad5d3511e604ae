"""Recordings for tests of retention: a volume in memory that knows its files, and segments written by the index."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tocsin.domain.segments import Segment, SegmentState, Volume, segment_path

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


@dataclass
class MemoryFiles:
    """Files by volume and path with their sizes. `broken` paths cannot be removed; `is_gone` takes all volumes away."""

    size_bytes: int = 0
    files: dict[int, dict[str, int]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    is_gone: bool = False

    def put(self, volume_no: int, path: str, size_bytes: int) -> None:
        self.files.setdefault(volume_no, {})[path] = size_bytes

    async def remove(self, volume: Volume, paths: Sequence[str]) -> Mapping[str, str]:
        if self.is_gone:
            return dict.fromkeys(paths, "the volume is not there")
        failed = {path: self.broken[path] for path in paths if path in self.broken}
        for path in paths:
            if path not in failed:
                self.files.get(volume.no, {}).pop(path, None)
                self.removed.append(path)
        return failed

    async def usage(self, volume: Volume) -> tuple[int, int] | None:
        if self.is_gone or not self.size_bytes:
            return None
        return self.size_bytes, self.size_bytes - sum(self.files.get(volume.no, {}).values())


@dataclass
class HeardRecorders:
    """Remembers what was paused and resumed."""

    paused: list[tuple[str, ...]] = field(default_factory=list)
    resumed: list[tuple[str, ...]] = field(default_factory=list)

    async def pause_for_space(self, channel_ids: Collection[str]) -> None:
        self.paused.append(tuple(channel_ids))

    async def resume_after_space(self, channel_ids: Collection[str]) -> None:
        self.resumed.append(tuple(channel_ids))


async def make_volume(store: Any, location: str = "/volumes/1", volume_id: str = "volume-1", **given: Any) -> Volume:
    """Enter a volume; return it with its number."""
    made: Volume = await store.run(lambda tx: tx.segments.enter_volume(Volume(volume_id, location, **given)))
    return made


def write(
    tx: Any,
    files: MemoryFiles | None,
    channel_id: str,
    code: str,
    volume_no: int,
    start_ms: int,
    end_ms: int,
    size_bytes: int,
    *,
    stream: str = "main",
    expects: bool = True,
) -> int:
    """Write one closed segment as the recorder would have told it; return the number of its stream."""
    no: int = tx.segments.stream_no(channel_id, stream, code)
    sha256 = (start_ms + no).to_bytes(32, "big")
    tx.segments.close(
        [Segment(no, start_ms, end_ms, volume_no, SegmentState.OK, size_bytes, 100, sha256=sha256, end_reason="length")]
    )
    if expects:
        tx.segments.expect([(no, start_ms, end_ms)])
    if files is not None:
        files.put(volume_no, segment_path(channel_id, stream, start_ms), size_bytes)
    return no
