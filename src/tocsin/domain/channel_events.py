"""Facts about cameras and the groups they are sorted into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tocsin.domain.facts import Fact
from tocsin.domain.registry_events import RegistryFact


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFact(RegistryFact):
    """Anything that changes a channel."""

    SUBJECT: ClassVar[str] = "channel"
    FEED_TYPE: ClassVar[str] = "camera.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDiscovered(ChannelFact):
    """A device's catalogue named a channel for the first time."""

    ACTION: ClassVar[str] = "channel.discovered"

    device_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChanged(ChannelFact):
    """A person changed a channel."""

    ACTION: ClassVar[str] = "channel.changed"

    place_id: str = ""
    moved_from: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRestored(ChannelFact):
    """A change of many channels was taken back: this one is as it was before."""

    ACTION: ClassVar[str] = "channel.restored"

    stage: str
    stage_before: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraGroupSaved(Fact):
    """A group of cameras was made, renamed or hung elsewhere."""

    ACTION: ClassVar[str] = "camera_group.saved"
    SUBJECT: ClassVar[str] = "camera_group"

    parent_id: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraGroupRemoved(Fact):
    """A group of cameras was dissolved; its cameras stay."""

    ACTION: ClassVar[str] = "camera_group.removed"
    SUBJECT: ClassVar[str] = "camera_group"

    cameras: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelCommissioned(ChannelFact):
    """A channel went into service: somebody answers for it, it has a place and a purpose."""

    ACTION: ClassVar[str] = "channel.commissioned"

    place_id: str
    by_defaults: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRetired(ChannelFact):
    """A channel was taken out of service for good."""

    ACTION: ClassVar[str] = "channel.retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReported(ChannelFact):
    """A catalogue or a device's state changed what is known of a channel (nobody's act)."""

    ACTION: ClassVar[str] = "channel.reported"
    IS_AUDITED: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChecked(ChannelFact):
    """A camera is about to be asked for its picture for its figures' sake; it is shown to nobody."""

    ACTION: ClassVar[str] = "channel.checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelGone(ChannelFact):
    """A complete catalogue no longer names a channel."""

    ACTION: ClassVar[str] = "channel.gone"

    device_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReturned(ChannelFact):
    """A catalogue names a gone channel again."""

    ACTION: ClassVar[str] = "channel.returned"

    device_id: str
