"""Facts about moving cameras and speaking through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tocsin.domain.access import Permission
from tocsin.domain.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlFact(Fact):
    """Anything about who moves a camera; consoles that may look hear of it."""

    SUBJECT: ClassVar[str] = "channel"
    FEED_TYPE: ClassVar[str] = "control.changed"
    FEED_PERMISSION: ClassVar[Permission] = Permission.VIEW_LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTaken(ControlFact):
    """Somebody took control of a camera, from somebody else when `taken_from` names one."""

    ACTION: ClassVar[str] = "control.taken"

    control_id: str
    view_id: str
    purpose: str
    incident_id: str = ""
    taken_from: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlEnded(ControlFact):
    """Control of a camera ended; single movements are summed here and recorded nowhere else."""

    ACTION: ClassVar[str] = "control.ended"

    control_id: str
    user_id: str
    reason: str
    purpose: str
    incident_id: str = ""
    moves: int = 0
    moved_ms: int = 0
    presets_called: int = 0
    other_acts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRebooted(ControlFact):
    """A supervisor ordered a camera to start again."""

    ACTION: ClassVar[str] = "control.rebooted"

    control_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeSet(ControlFact):
    """The preset a camera returns to by itself was chosen; number 0: it stays where it is."""

    ACTION: ClassVar[str] = "control.home_set"

    number: int
    after_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetFact(ControlFact):
    """Anything that changes a preset."""

    number: int
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetSaved(PresetFact):
    """Where a camera looked was kept as a preset, or the camera's own was taken into the list."""

    ACTION: ClassVar[str] = "preset.saved"


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetRenamed(PresetFact):
    """A preset got other names."""

    ACTION: ClassVar[str] = "preset.renamed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetDeleted(PresetFact):
    """A preset was deleted."""

    ACTION: ClassVar[str] = "preset.deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetRestored(PresetFact):
    """The deletion of a preset was undone."""

    ACTION: ClassVar[str] = "preset.restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechFact(Fact):
    """Anything about who speaks through a camera; consoles that may look hear of it. What was said is not kept."""

    SUBJECT: ClassVar[str] = "channel"
    FEED_TYPE: ClassVar[str] = "speech.changed"
    FEED_PERMISSION: ClassVar[Permission] = Permission.VIEW_LIVE

    speech_id: str
    purpose: str
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted(SpeechFact):
    """Somebody is about to speak through a camera."""

    ACTION: ClassVar[str] = "speech.started"

    view_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnded(SpeechFact):
    """A voice line ended, or was not opened at all: `reason` says which."""

    ACTION: ClassVar[str] = "speech.ended"

    user_id: str
    reason: str
    lasted_ms: int = 0
