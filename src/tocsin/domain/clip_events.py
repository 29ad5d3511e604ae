"""Facts about alarm clips: begun, extended, made, opened, deleted. The incident is the reason of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from tocsin.domain.access import Permission
from tocsin.domain.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFact(Fact):
    """Something that happened to a clip; consoles of the incident's area hear of it."""

    SUBJECT: ClassVar[str] = "clip"
    FEED_TYPE: ClassVar[str] = "clip.changed"
    FEED_PERMISSION: ClassVar[Permission] = Permission.VIEW_LIVE

    incident_id: str
    channel_id: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipBegun(ClipFact):
    """The house begins to keep what a camera saw around an alarm it is linked to."""

    ACTION: ClassVar[str] = "clip.begun"

    alarm_id: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipExtended(ClipFact):
    """A further alarm of the incident extends a clip."""

    ACTION: ClassVar[str] = "clip.extended"

    alarm_id: str
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipProgressed(ClipFact):
    """A clip went a step on that is nobody's news but the console's."""

    ACTION: ClassVar[str] = "clip.progressed"
    IS_AUDITED: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipMade(ClipFact):
    """What came of a clip: ready, partial or failed, with where it came from and its hash."""

    ACTION: ClassVar[str] = "clip.made"

    state: str
    source: str = ""
    pre_roll: str = ""
    reason: str = ""
    sha256: str = ""
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipAskedAgain(ClipFact):
    """Somebody asked for a clip that was not whole once more."""

    ACTION: ClassVar[str] = "clip.asked_again"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOpened(ClipFact):
    """Somebody opened a clip under a view; recorded once for each view."""

    ACTION: ClassVar[str] = "clip.opened"

    view_id: str
    purpose: str
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipDeleted(ClipFact):
    """A clip was deleted because the days after its incident were over."""

    ACTION: ClassVar[str] = "clip.deleted"

    sha256: str = ""
