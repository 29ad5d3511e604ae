"""Facts about units, plans, views, layouts and downloads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from tocsin.domain.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitAdded(Fact):
    """A unit was entered."""

    ACTION: ClassVar[str] = "unit.added"
    SUBJECT: ClassVar[str] = "unit"
    FEED_TYPE: ClassVar[str] = "unit.changed"

    call_sign: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitChanged(Fact):
    """A unit changed state; `source` says who told us."""

    ACTION: ClassVar[str] = "unit.changed"
    SUBJECT: ClassVar[str] = "unit"
    FEED_TYPE: ClassVar[str] = "unit.changed"

    state: str
    previous: str
    reason: str = ""
    source: str = ""
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitMoved(Fact):
    """A unit's position changed (the position itself is not an audit matter)."""

    ACTION: ClassVar[str] = "unit.moved"
    SUBJECT: ClassVar[str] = "unit"
    FEED_TYPE: ClassVar[str] = "unit.changed"
    IS_AUDITED: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSaved(Fact):
    """A response plan got a new version."""

    ACTION: ClassVar[str] = "plan.saved"
    SUBJECT: ClassVar[str] = "plan"

    version_no: int
    step_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOpened(Fact):
    """Somebody was given a view of channels, for a purpose, until a time."""

    ACTION: ClassVar[str] = "view.opened"
    SUBJECT: ClassVar[str] = "view"

    purpose: str
    channels: tuple[str, ...]
    expires_at: datetime
    incident_id: str = ""
    call_id: str = ""
    recordings_from: datetime | None = None
    recordings_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOpened(Fact):
    """Somebody began to play a recorded period of a camera under a view."""

    ACTION: ClassVar[str] = "recording.opened"
    SUBJECT: ClassVar[str] = "channel"

    view_id: str
    purpose: str
    starts_at: datetime
    ends_at: datetime
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutSaved(Fact):
    """A layout of the video wall was saved or changed."""

    ACTION: ClassVar[str] = "layout.saved"
    SUBJECT: ClassVar[str] = "layout"

    tiles: int
    channels: tuple[str, ...]
    is_shared: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutRemoved(Fact):
    """A layout of the video wall was deleted."""

    ACTION: ClassVar[str] = "layout.removed"
    SUBJECT: ClassVar[str] = "layout"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewExtended(Fact):
    """Channels were added to an open view, under its purpose and until its end."""

    ACTION: ClassVar[str] = "view.extended"
    SUBJECT: ClassVar[str] = "view"

    purpose: str
    channels: tuple[str, ...]
    expires_at: datetime
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRenewed(Fact):
    """The holder of a view stated that he goes on looking, until a new time."""

    ACTION: ClassVar[str] = "view.renewed"
    SUBJECT: ClassVar[str] = "view"

    purpose: str
    channels: tuple[str, ...]
    expires_at: datetime
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewStreamsChosen(Fact):
    """The holder of a view asked for other streams of its channels; `streams` are `<channel>:main|sub`."""

    ACTION: ClassVar[str] = "view.streams"
    SUBJECT: ClassVar[str] = "view"

    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadStarted(Fact):
    """Somebody asked a device for a recorded period as a file."""

    ACTION: ClassVar[str] = "download.started"
    SUBJECT: ClassVar[str] = "download"

    channel_id: str
    view_id: str
    purpose: str
    starts_at: datetime
    ends_at: datetime
    format: str
    speed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadEnded(Fact):
    """A download came to its end: finished, partial, failed, cancelled; its file was handed over or deleted."""

    SUBJECT: ClassVar[str] = "download"

    channel_id: str
    state: str
    reason: str = ""
    size_bytes: int = 0
    sha256: str = ""

    @property
    def action(self) -> str:
        """The word of how it ended."""
        return f"download.{self.state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadTaken(Fact):
    """Somebody begins to take the file of a download out of the house."""

    ACTION: ClassVar[str] = "download.taken"
    SUBJECT: ClassVar[str] = "download"

    channel_id: str
    view_id: str
    purpose: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewEnded(Fact):
    """A view ended: by its holder, its time, a claim, a closing or a withdrawal."""

    ACTION: ClassVar[str] = "view.ended"
    SUBJECT: ClassVar[str] = "view"
    FEED_TYPE: ClassVar[str] = "view.ended"

    reason: str
    user_id: str
    channels: tuple[str, ...] = ()
    incident_id: str = ""
