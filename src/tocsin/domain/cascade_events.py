"""Facts about upper platforms: entries, what is shared, what they opened and did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from tocsin.domain.access import Permission
from tocsin.domain.events import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class UpperFact(Fact):
    """Anything about an upper platform; those who may stop it hear of it."""

    SUBJECT: ClassVar[str] = "upper_platform"
    FEED_TYPE: ClassVar[str] = "upper.changed"
    FEED_PERMISSION: ClassVar[Permission] = Permission.STOP_SHARING


@dataclass(frozen=True, slots=True, kw_only=True)
class UpperAdded(UpperFact):
    """An upper platform was entered with its agreement."""

    ACTION: ClassVar[str] = "upper.added"

    upper_id: str
    purpose: str
    ends_at: datetime
    rights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpperChanged(UpperFact):
    """The entry, the agreement or the rights were changed."""

    ACTION: ClassVar[str] = "upper.changed"

    changed: tuple[str, ...] = ()
    purpose: str = ""
    ends_at: datetime | None = None
    rights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpperRetired(UpperFact):
    """The entry was taken out for good."""

    ACTION: ClassVar[str] = "upper.retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpperSelectionSet(UpperFact):
    """Another selection of cameras is shared."""

    ACTION: ClassVar[str] = "upper.selection_set"

    lines: tuple[str, ...] = ()
    cameras: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpperExportSet(UpperFact):
    """A camera is known above by another id, name, CivilCode or ParentID."""

    ACTION: ClassVar[str] = "upper.export_set"

    camera_id: str
    exported_id: str
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpperStopped(UpperFact):
    """Somebody stopped sharing at once; every stream ended."""

    ACTION: ClassVar[str] = "upper.stopped"

    reason: str = ""
    streams: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpperResumed(UpperFact):
    """Sharing was taken up again after a stop."""

    ACTION: ClassVar[str] = "upper.resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpperViewOpened(UpperFact):
    """An upper platform opened a picture: a view of its own, with purpose, who asked there, and an end."""

    ACTION: ClassVar[str] = "upper.view_opened"

    view_id: str
    camera_id: str
    exported_id: str
    kind: str
    purpose: str
    expires_at: datetime
    user_identity: str = ""
    recordings_from: datetime | None = None
    recordings_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpperActed(UpperFact):
    """An upper platform moved a camera or did something else it has a right to."""

    ACTION: ClassVar[str] = "upper.acted"

    camera_id: str
    verb: str
    act: str = ""
    user_identity: str = ""
