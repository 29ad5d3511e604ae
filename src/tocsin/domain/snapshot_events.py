"""Facts about snapshots: asked for, answered, received, looked at, deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tocsin.domain.access import Permission
from tocsin.domain.events import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotsAsked(Fact):
    """Somebody asks a camera for pictures under a view, or the house for an incident; recorded before it is sent."""

    ACTION: ClassVar[str] = "snapshot.asked"
    SUBJECT: ClassVar[str] = "channel"

    purpose: str
    count: int
    view_id: str = ""
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotsEnded(Fact):
    """What came of asking: whole, partial or failed, with the reason."""

    ACTION: ClassVar[str] = "snapshot.ended"
    SUBJECT: ClassVar[str] = "channel"

    view_id: str
    result: str
    received: int
    reason: str = ""
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotReceived(Fact):
    """A camera uploaded a picture that was asked for; consoles hear of those that belong to an incident."""

    ACTION: ClassVar[str] = "snapshot.received"
    SUBJECT: ClassVar[str] = "snapshot"
    FEED_TYPE: ClassVar[str] = "snapshot.received"
    FEED_PERMISSION: ClassVar[Permission] = Permission.VIEW_LIVE

    channel_id: str
    view_id: str
    sha256: str
    size_bytes: int
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotViewed(Fact):
    """Somebody fetched a kept picture."""

    ACTION: ClassVar[str] = "snapshot.viewed"
    SUBJECT: ClassVar[str] = "snapshot"

    channel_id: str
    view_id: str
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotTaken(Fact):
    """Somebody took a kept picture out of the house as a file."""

    ACTION: ClassVar[str] = "snapshot.taken"
    SUBJECT: ClassVar[str] = "snapshot"

    channel_id: str
    view_id: str
    sha256: str
    size_bytes: int
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotDeleted(Fact):
    """A kept picture was deleted because its time was up."""

    ACTION: ClassVar[str] = "snapshot.deleted"
    SUBJECT: ClassVar[str] = "snapshot"

    channel_id: str
    sha256: str
