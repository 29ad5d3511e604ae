"""Facts about pictures that are examined: rounds, stills, what people said of faults and references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tocsin.domain.events import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturesExamined(Fact):
    """The house is about to examine pictures by machine, for upkeep; nobody sees them. `opened`: cameras it opens."""

    ACTION: ClassVar[str] = "picture.round"
    SUBJECT: ClassVar[str] = "house"

    purpose: str
    running: int
    opened: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureAsked(Fact):
    """Somebody has the picture of a camera examined now; it is shown to nobody."""

    ACTION: ClassVar[str] = "picture.asked"
    SUBJECT: ClassVar[str] = "channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFaultDenied(Fact):
    """Somebody said that a fault of a picture is none; the rule is relaxed for the camera until `until`."""

    ACTION: ClassVar[str] = "picture.fault_denied"
    SUBJECT: ClassVar[str] = "channel"

    fault_id: str
    key: str
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureReferenceRenewed(Fact):
    """Somebody had forgotten what was learned of a camera's picture: what it shows from now on is the reference."""

    ACTION: ClassVar[str] = "picture.reference_renewed"
    SUBJECT: ClassVar[str] = "channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureStillKept(Fact):
    """A still of a fault is kept for a day."""

    ACTION: ClassVar[str] = "picture.still_kept"
    SUBJECT: ClassVar[str] = "picture_still"

    channel_id: str
    fault_id: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureStillViewed(Fact):
    """Somebody looked at a still of a fault, for upkeep."""

    ACTION: ClassVar[str] = "picture.still_viewed"
    SUBJECT: ClassVar[str] = "picture_still"

    channel_id: str
    fault_id: str
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureStillDeleted(Fact):
    """A still of a fault was deleted because its day was over."""

    ACTION: ClassVar[str] = "picture.still_deleted"
    SUBJECT: ClassVar[str] = "picture_still"

    channel_id: str
    sha256: str
