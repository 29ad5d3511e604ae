"""Facts about jurisdictions, places, devices and zones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tocsin.domain.access import Permission
from tocsin.domain.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFact(Fact):
    """A person changed the registry; `changed` names the fields, values of personal fields are not kept."""

    FEED_PERMISSION: ClassVar[Permission] = Permission.READ_REGISTRY

    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JurisdictionAdded(RegistryFact):
    """A node of the tree was made."""

    ACTION: ClassVar[str] = "jurisdiction.added"
    SUBJECT: ClassVar[str] = "jurisdiction"

    parent_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JurisdictionChanged(RegistryFact):
    """A node of the tree was changed."""

    ACTION: ClassVar[str] = "jurisdiction.changed"
    SUBJECT: ClassVar[str] = "jurisdiction"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceAdded(RegistryFact):
    """A place was entered."""

    ACTION: ClassVar[str] = "place.added"
    SUBJECT: ClassVar[str] = "place"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceChanged(RegistryFact):
    """A place was changed."""

    ACTION: ClassVar[str] = "place.changed"
    SUBJECT: ClassVar[str] = "place"

    moved_from: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRetired(RegistryFact):
    """A place was retired; what is known of it stays."""

    ACTION: ClassVar[str] = "place.retired"
    SUBJECT: ClassVar[str] = "place"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceContactsRead(Fact):
    """Somebody read the numbers of a place's contacts, for an incident or without one."""

    ACTION: ClassVar[str] = "place.contacts_read"
    SUBJECT: ClassVar[str] = "place"

    count: int
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFact(RegistryFact):
    """Anything that changes a device."""

    SUBJECT: ClassVar[str] = "device"
    FEED_TYPE: ClassVar[str] = "device.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAdded(DeviceFact):
    """A device was entered."""

    ACTION: ClassVar[str] = "device.added"

    kind: str
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChanged(DeviceFact):
    """A device was changed; where and how it is reached is kept in words."""

    ACTION: ClassVar[str] = "device.changed"

    account: str = ""
    gb_id: str = ""
    place_id: str = ""
    jurisdiction_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRetired(DeviceFact):
    """A device was retired: it is no longer known to the receivers."""

    ACTION: ClassVar[str] = "device.retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSecretSet(DeviceFact):
    """A key or password was set or removed; `keeps_previous` while a key rolls over. Never the secret itself."""

    ACTION: ClassVar[str] = "device.secret_set"

    keeps_previous: bool = False
    removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceKeyConfirmed(DeviceFact):
    """A device has used its new key; the previous one is no longer taken."""

    ACTION: ClassVar[str] = "device.key_confirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardAsked(Fact):
    """Somebody asked a device to arm (`set_guard`) or disarm (`reset_guard`); recorded before anything is sent."""

    ACTION: ClassVar[str] = "device.guard_asked"
    SUBJECT: ClassVar[str] = "device"

    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardAnswered(Fact):
    """What came of arming or disarming: done, unconfirmed, refused, unreachable or not_connected."""

    ACTION: ClassVar[str] = "device.guard_answered"
    SUBJECT: ClassVar[str] = "device"

    command: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileForgotten(DeviceFact):
    """Somebody had what was learned of a device forgotten, so that it is learned again."""

    ACTION: ClassVar[str] = "device.profile_forgotten"

    traits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilesImported(Fact):
    """A matrix of makers and models was taken in as first guesses."""

    ACTION: ClassVar[str] = "profiles.imported"
    SUBJECT: ClassVar[str] = "profiles"

    rows: int
    guesses: int
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportBegun(Fact):
    """The lines of a file begin to be entered; each object changed has a record of its own."""

    ACTION: ClassVar[str] = "import.begun"
    SUBJECT: ClassVar[str] = "import"

    lists: str
    file: str
    create: int
    change: int
    same: int
    wrong: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportEnded(Fact):
    """An import has ended. `outcome` is done, cancelled, failed or stopped (the server ended)."""

    ACTION: ClassVar[str] = "import.ended"
    SUBJECT: ClassVar[str] = "import"

    outcome: str
    created: int
    changed: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportUndoBegun(Fact):
    """An import begins to be taken back; each object has a record of its own."""

    ACTION: ClassVar[str] = "import.undo_begun"
    SUBJECT: ClassVar[str] = "import"

    file: str
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportUndone(Fact):
    """An import was taken back, but for `left` lines. `outcome` is done, failed or stopped (the server ended)."""

    ACTION: ClassVar[str] = "import.undone"
    SUBJECT: ClassVar[str] = "import"

    file: str
    outcome: str
    taken_back: int
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigAsked(Fact):
    """Somebody sets a device; recorded before anything is sent. `changes` has what stood there and what shall."""

    ACTION: ClassVar[str] = "device.config_asked"
    SUBJECT: ClassVar[str] = "device"

    config_type: str
    fields_set: tuple[str, ...] = ()
    channel_id: str = ""
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigAnswered(Fact):
    """What came of setting a device: done, unconfirmed, refused, unreachable or not_connected."""

    ACTION: ClassVar[str] = "device.config_answered"
    SUBJECT: ClassVar[str] = "device"

    config_type: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStateChanged(DeviceFact):
    """A device is heard again, or no longer (nobody's act)."""

    ACTION: ClassVar[str] = "device.state_changed"
    IS_AUDITED: ClassVar[bool] = False

    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultOpened(DeviceFact):
    """Something is wrong with a device."""

    ACTION: ClassVar[str] = "device.fault_opened"
    IS_AUDITED: ClassVar[bool] = False

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultClosed(DeviceFact):
    """A fault is over."""

    ACTION: ClassVar[str] = "device.fault_closed"
    IS_AUDITED: ClassVar[bool] = False

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneAdded(DeviceFact):
    """A zone was entered."""

    ACTION: ClassVar[str] = "zone.added"

    zone_id: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTried(DeviceFact):
    """Somebody had a camera called again, its password counting as new."""

    ACTION: ClassVar[str] = "device.tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetSearched(Fact):
    """Somebody had the local net searched for cameras."""

    ACTION: ClassVar[str] = "net.searched"
    SUBJECT: ClassVar[str] = "device"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRemoved(DeviceFact):
    """A zone was removed: the import that entered it was taken back."""

    ACTION: ClassVar[str] = "zone.removed"

    zone_id: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneChanged(DeviceFact):
    """A zone was changed."""

    ACTION: ClassVar[str] = "zone.changed"

    zone_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneLinked(DeviceFact):
    """The cameras that show a zone were set, first the one shown first."""

    ACTION: ClassVar[str] = "zone.linked"

    zone_id: str
    cameras: tuple[str, ...]
    before: tuple[str, ...] = ()
