"""Zones that panels name and nobody has entered: a fault of the panel until they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from tocsin.domain.device_states import Transition, apply_transitions
from tocsin.domain.devices import Device, Zone
from tocsin.domain.store import Store

ZONE_UNKNOWN: Final = "zone.unknown"
MAX_NOTED: Final = 10_000
MAX_WAITING: Final = 1_000
MAX_TOLD: Final = 16
Pair = tuple[str, str]


class UnknownZones:
    """Collects them beside intake, which must not wait: (device id, zone number), each once."""

    def __init__(self) -> None:
        self._noted: set[Pair] = set()
        self._waiting: deque[Pair] = deque(maxlen=MAX_WAITING)  # filled on the writer, emptied on the loop

    def note(self, pairs: Iterable[Pair]) -> None:
        """Take what a group of alarms named; cheap, and bounded whatever panels send."""
        for pair in pairs:
            if pair not in self._noted:
                if len(self._noted) >= MAX_NOTED:
                    self._noted.clear()
                self._noted.add(pair)
                self._waiting.append(pair)

    async def settle(self, store: Store) -> None:
        """Open or extend the faults of what was noted since the last call."""
        pairs = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not pairs:
            return
        try:
            await store.run(open_faults, pairs)
        except BaseException:
            self._noted.difference_update(pairs)  # the next alarm from there notes it again
            raise


def open_faults(tx: Any, pairs: Sequence[Pair]) -> None:
    """Open the fault of each device that has zones, but not these. A panel without any has nothing to compare with."""
    devices: dict[str, Device] = tx.devices.load({device_id for device_id, _ in pairs})
    named: dict[str, list[str]] = {}
    for device_id, number in pairs:
        named.setdefault(device_id, []).append(number)
    transitions = []
    for device_id, device in devices.items():
        entered = {zone.number for zone in tx.devices.zones(device_id)}
        told = _told(device)
        unknown = dict.fromkeys([*told, *(number for number in named[device_id] if number not in entered)])
        if entered and len(unknown) > len(told):
            transitions.append(_transition(device_id, tx.now, [*unknown][-MAX_TOLD:]))
    apply_transitions(tx, transitions)


def note_entered(tx: Any, device: Device, zone: Zone, at: datetime) -> None:
    """Take a zone that was just entered off the fault; the last one closes it."""
    told = _told(device)
    if zone.number in told:
        apply_transitions(tx, [_transition(device.id, at, [number for number in told if number != zone.number])])


def _told(device: Device) -> list[str]:
    fault = next((fault for fault in device.faults if fault.key == ZONE_UNKNOWN), None)
    return [] if fault is None else str(fault.params.get("zones", "")).split(", ")


def _transition(device_id: str, at: datetime, unknown: Sequence[str]) -> Transition:
    if not unknown:
        return Transition(device_id, at, None, closed=(ZONE_UNKNOWN,))
    return Transition(device_id, at, None, opened={ZONE_UNKNOWN: {"zones": ", ".join(unknown)}})
