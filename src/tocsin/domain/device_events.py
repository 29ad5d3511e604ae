"""Facts about what devices say of themselves and about acts that maintain them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

from tocsin.domain.events import DeviceFact


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceClockRead(DeviceFact):
    """A device said what time it is (nobody's act); its offset stands in its profile."""

    ACTION: ClassVar[str] = "device.clock_read"
    IS_AUDITED: ClassVar[bool] = False


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
