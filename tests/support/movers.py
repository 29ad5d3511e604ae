"""A camera that remembers what it was told."""

from __future__ import annotations

from dataclasses import dataclass, field

from tocsin.base.errors import TocsinError
from tocsin.domain.control import Act, CameraPreset, Move
from tocsin.domain.directory import Channel


@dataclass
class Mover:
    """`CameraMover` that keeps acts and stops in order; `fails` is raised instead of obeying."""

    told: list[tuple[str, Act | str]] = field(default_factory=list)
    known: tuple[CameraPreset, ...] = ()
    fails: TocsinError | None = None

    async def perform(self, channel: Channel, act: Act) -> None:
        if self.fails is not None:
            raise self.fails
        self.told.append((channel.id, "stop" if isinstance(act, Move) and act.is_still else act))

    async def stop(self, channel: Channel) -> None:
        self.told.append((channel.id, "stop"))

    async def presets(self, channel: Channel) -> tuple[CameraPreset, ...]:
        if self.fails is not None:
            raise self.fails
        return self.known
