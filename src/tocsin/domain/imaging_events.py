"""Facts about how cameras make their picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tocsin.domain.events import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChangeAsked(Fact):
    """Somebody changes how a camera makes its picture; recorded before anything is sent. `name=value`."""

    ACTION: ClassVar[str] = "camera.image_asked"
    SUBJECT: ClassVar[str] = "channel"

    control_id: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChanged(Fact):
    """What came of it: `changed` with what the camera says now, or `failed` with the reason."""

    ACTION: ClassVar[str] = "camera.image_changed"
    SUBJECT: ClassVar[str] = "channel"

    control_id: str
    result: str
    reason: str = ""
    after: tuple[str, ...] = ()
