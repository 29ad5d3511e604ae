"""A far place in memory beside the disks of `kept`, that fails and is killed when told to; files on real folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.support.kept import MemoryFiles
from tocsin.domain.segments import Volume, VolumeState
from tocsin.domain.tiers import SourceDiffers, TierFailed


class Killed(BaseException):
    """The process ended here."""


@dataclass
class MemoryTiers(MemoryFiles):
    """Files of disks and of the far place. With `dice` one of so many copies and removals is where the process ends."""

    state: VolumeState = VolumeState.OK
    dice: Random | None = None
    one_of: int = 0
    copied: list[str] = field(default_factory=list)
    differs: set[str] = field(default_factory=set)

    async def prepare(self, volume: Volume, house_id: str) -> tuple[int, int] | None:
        if self.state is not VolumeState.OK:
            raise TierFailed(self.state, "It was taken away.")
        return None

    async def copy(self, source: Volume, target: Volume, path: str, size_bytes: int, sha256: bytes) -> None:
        if self.state is not VolumeState.OK:
            raise TierFailed(self.state, "It was taken away.")
        self._perhaps_die()
        if path not in self.files.get(source.no, {}) or path in self.differs:
            raise SourceDiffers(path)
        assert path not in self.files.get(target.no, {}), "nothing is copied over what lies there"
        self.put(target.no, path, size_bytes)
        self.copied.append(path)
        self._perhaps_die()

    async def remove(self, volume: Volume, paths: Sequence[str]) -> Mapping[str, str]:
        self._perhaps_die()
        failed = await super().remove(volume, paths)
        self._perhaps_die()
        return failed

    def _perhaps_die(self) -> None:
        if self.dice is not None and self.one_of and self.dice.randrange(self.one_of) == 0:
            raise Killed

    def twice(self) -> set[str]:
        """Return the paths that lie on two volumes."""
        seen: set[str] = set()
        found: set[str] = set()
        for paths in self.files.values():
            found |= seen & set(paths)
            seen |= set(paths)
        return found
