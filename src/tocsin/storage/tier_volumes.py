"""All volumes as the rules of recordings ask for them: folders of this machine, the far place in its own threads.

Source: design note 0022, far places that do not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.far_calls import FarCalls, NoAnswer
from tocsin.domain.recorded import FarFile
from tocsin.domain.segments import Tier, Volume, VolumeState
from tocsin.domain.tiers import TierFailed
from tocsin.storage import tier_folder
from tocsin.storage.segment_files import FolderVolumes
from tocsin.storage.tier_s3 import Buckets, S3Config

T = TypeVar("T")
ASK_S: Final = 20.0
REMOVE_S: Final = 60.0
READ_S: Final = 15.0
COPY_S: Final = 60.0
SLOWEST_BYTES_S: Final = 256 << 10
NOT_ANSWERING: Final = "It does not answer."


class TierVolumes:
    """Implements `SegmentFiles`, `TierFiles` and `FarFiles`."""

    def __init__(self, clock: Clock, s3: S3Config = S3Config()) -> None:
        self._folders = FolderVolumes(clock)
        self.buckets = Buckets(s3)
        self._asking = FarCalls(clock, threads=2, name="tier asks")
        self._moving = FarCalls(clock, threads=4, name="tier moves")
        self._reading = FarCalls(clock, threads=8, name="tier reads")

    # --- files of segments ---

    async def remove(self, volume: Volume, paths: Sequence[str]) -> Mapping[str, str]:
        """Remove files, and what a broken copy left of them; return why for those that could not be."""
        if not is_far(volume):
            return await self._folders.remove(volume, paths)
        try:
            return await self._asking.run(REMOVE_S, self._remove_far, volume, paths)
        except NoAnswer:
            return dict.fromkeys(paths, NOT_ANSWERING)

    async def usage(self, volume: Volume) -> tuple[int, int] | None:
        """Return size and free bytes of a volume; None for a bucket, and when it is not there."""
        if volume.kind != "folder":
            return None
        if not is_far(volume):
            return await self._folders.usage(volume)
        try:
            return await self._asking.run(ASK_S, self._folders.usage_now, volume)
        except NoAnswer:
            return None

    def _remove_far(self, volume: Volume, paths: Sequence[str]) -> dict[str, str]:
        if volume.kind != "folder":
            return self.buckets.remove(volume, paths)
        failed = self._folders.remove_now(volume, paths)
        try:
            tier_folder.remove_parts(volume, [path for path in paths if path not in failed])
        except OSError as error:
            return dict.fromkeys(paths, error.strerror or str(error))
        return failed

    # --- the far place ---

    async def prepare(self, volume: Volume, house_id: str) -> tuple[int, int] | None:
        """Mark a new place as ours, or see that it is; return its size and free bytes. Errors: TierFailed."""
        try:
            if volume.kind == "folder":
                return await self._asking.run(ASK_S, tier_folder.prepare, volume, house_id)
            await self._asking.run(ASK_S, self.buckets.prepare, volume, house_id)
        except NoAnswer:
            raise TierFailed(VolumeState.GONE, NOT_ANSWERING) from None
        return None

    async def copy(self, source: Volume, target: Volume, path: str, size_bytes: int, sha256: bytes) -> None:
        """Copy a file and see that its bytes arrived. Errors: SourceDiffers, TierFailed."""
        copy: Callable[..., None] = tier_folder.copy if target.kind == "folder" else self.buckets.copy
        within_s = COPY_S + size_bytes / SLOWEST_BYTES_S
        try:
            await self._moving.run(within_s, copy, Path(source.location, path), target, path, size_bytes, sha256)
        except NoAnswer:
            raise TierFailed(VolumeState.GONE, NOT_ANSWERING) from None

    # --- reading ---

    async def call(self, call: Callable[..., T], *args: Any) -> T:
        """Read from the far place. Errors: UNAVAILABLE when it does not answer; what the call raises."""
        try:
            return await self._reading.run(READ_S, call, *args)
        except NoAnswer:
            raise TocsinError(ErrorCode.UNAVAILABLE, "it does not answer", key="recorded.volume") from None

    def open(self, volume: Volume, path: str, start: int, end: int) -> FarFile:
        """Open a file of a bucket. Errors: UNAVAILABLE."""
        return self.buckets.open(volume, path, start, end)


def is_far(volume: Volume) -> bool:
    """Say whether a volume is the far place."""
    return volume.tier is Tier.COLD or volume.kind != "folder"
