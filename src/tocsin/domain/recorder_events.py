"""Facts about recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tocsin.domain.registry_events import RegistryFact

PLAN_CHANGED = "recording_plan.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPlanChanged(RegistryFact):
    """Somebody decided what is recorded of a camera."""

    ACTION: ClassVar[str] = PLAN_CHANGED
    SUBJECT: ClassVar[str] = "channel"
    FEED_TYPE: ClassVar[str] = PLAN_CHANGED

    mode: str
    stream: str = ""
    mode_before: str = ""
