"""One picture from each linked camera that can, when an incident opens: the house's own act, the incident its purpose.

Off unless `snapshots.on_alarm` says so. Bounded on all sides: a storm of incidents fills the queue and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from tocsin.base.errors import TocsinError
from tocsin.domain.snapshots import SnapshotService
from tocsin.domain.store import Store
from tocsin.domain.view_service import Announced

MAX_WAITING: Final = 128
MAX_CAMERAS: Final = 4
AT_ONCE: Final = 4


class AlarmSnapshots:
    """Hears of opened incidents and asks their cameras; `passed_over` counts those that found the queue full."""

    def __init__(self, store: Store, snapshots: SnapshotService) -> None:
        self._store = store
        self._snapshots = snapshots
        self._waiting: asyncio.Queue[str] = asyncio.Queue(MAX_WAITING)
        self.passed_over = 0

    def hear(self, announcements: Sequence[Announced]) -> None:
        """Take committed announcements (`store.on_committed`)."""
        for announcement in announcements:
            if announcement.type != "incident.opened":
                continue
            if self._waiting.full():
                self.passed_over += 1
            else:
                self._waiting.put_nowait(announcement.subject_id)

    async def run(self) -> None:
        """Work off what waits, for ever; several of these run side by side."""
        while True:
            await self.take(await self._waiting.get())

    async def take(self, incident_id: str) -> int:
        """Ask the first few linked cameras of an incident for one picture each; return how many took the order."""
        channels: Sequence[str] = await self._store.read(_linked, incident_id)
        asked = await asyncio.gather(*(self._ask(incident_id, channel_id) for channel_id in channels[:MAX_CAMERAS]))
        return sum(asked)

    async def _ask(self, incident_id: str, channel_id: str) -> bool:
        try:
            return await self._snapshots.ask_for_incident(incident_id, channel_id) is not None
        except TocsinError:
            return False  # its record says so


def _linked(tx: Any, incident_id: str) -> Sequence[str]:
    found: Sequence[str] = tx.incidents.linked_channels(incident_id)
    return found
