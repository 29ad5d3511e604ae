"""Facts about what devices say of themselves and about acts that maintain them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

from tocsin.domain.access import Permission
from tocsin.domain.events import DeviceFact, Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceClockRead(DeviceFact):
    """A device said what time it is (nobody's act); its offset stands in its profile."""

    ACTION: ClassVar[str] = "device.clock_read"
    IS_AUDITED: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ActFact(Fact):
    """A step of an act that cannot be taken back; `kind` is format_card (of a camera) or upgrade (of a device)."""

    FEED_TYPE: ClassVar[str] = "device_act.changed"
    FEED_PERMISSION: ClassVar[Permission] = Permission.READ_REGISTRY

    kind: str
    act_id: str

    @property
    def subject_kind(self) -> str:
        """What it is done to."""
        return "channel" if self.kind == "format_card" else "device"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActAsked(ActFact):
    """Somebody asks for a card to be erased, or makes a device install firmware; recorded before anything is sent."""

    reason: str = ""
    card: str = ""
    firmware: str = ""
    session: str = ""

    @property
    def action(self) -> str:
        """The word of the audit record."""
        return "device.format_asked" if self.kind == "format_card" else "device.upgrade_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActConfirmed(ActFact):
    """Somebody else confirmed an act; recorded before anything is sent."""

    ACTION: ClassVar[str] = "device.act_confirmed"

    asked_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActWithdrawn(ActFact):
    """A request was taken back or turned down."""

    ACTION: ClassVar[str] = "device.act_withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActAnswered(ActFact):
    """What came of an act: done, unconfirmed, refused, unreachable, not_connected, unknown, or the device's reason."""

    ACTION: ClassVar[str] = "device.act_answered"

    result: str


def note_clocks(tx: Any, device_ids: Collection[str]) -> None:
    """Let those who watch devices hear that their clocks were read."""
    if not device_ids:
        return
    for device in tx.devices.load(device_ids).values():
        tx.record(
            DeviceClockRead(
                subject_id=device.id, at=tx.now, jurisdiction_code=device.jurisdiction_code, data=device.form()
            )
        )
