"""Notifications of catalogues and positions: answered at once, worked through in their order from a bounded queue.

A device whose word about its channels is not to be trusted is asked for the state of each channel it speaks of.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog

from tocsin.base.clock import Clock
from tocsin.base.errors import TocsinError
from tocsin.base.geo import wgs84_from_gcj02
from tocsin.domain.channels import STATUS_EVENTS
from tocsin.domain.devices import CatalogEntry, DeviceReports, PositionReport
from tocsin.domain.directory import SipDevice
from tocsin.gateways.gb28181_catalog import entries_of, nodes_of
from tocsin.gateways.gb28181_commands import AlarmCommands
from tocsin.gateways.gb28181_devices import RegisteredDevice
from tocsin.protocols.gb28181.catalog import items_of
from tocsin.protocols.gb28181.manscdp import Document
from tocsin.protocols.gb28181.subscribe import Position, Topic, read_positions, read_ptz_position

log = structlog.get_logger(__name__)

MAX_WAITING: Final = 512
MAX_WAITING_A_DEVICE: Final = 64
MAX_CHECKED: Final = 32
MAX_AHEAD_S: Final = 60.0


class Notices:
    """Takes notifications of registered devices and hands what they say to the domain. `counts` is for the metrics."""

    def __init__(
        self,
        reports: DeviceReports,
        commands: AlarmCommands,
        own_id: str,
        clock: Clock,
        *,
        device_of: Callable[[str], SipDevice | None],
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.on_time: Callable[[RegisteredDevice, datetime | None], None] = lambda device, at: None
        self._reports = reports
        self._commands = commands
        self._own_id = own_id
        self._clock = clock
        self._device_of = device_of
        self._waiting: deque[tuple[RegisteredDevice, Document]] = deque()
        self._of_device: Counter[str] = Counter()
        self._arrived = asyncio.Event()
        self.on_positions: Callable[[str, Sequence[PositionReport]], None] = lambda device_id, found: None

    def take(self, device: RegisteredDevice, document: Document, topic: Topic) -> bool:
        """Take a notification; False when the queue is full: the device is to send it again."""
        self.counts[topic.name.lower()] += 1
        if topic is Topic.POSITION:
            self._take_positions(device, document)
        elif topic is Topic.PTZ_POSITION:
            self._take_aim(device, document)
        elif topic is Topic.CATALOG:
            if len(self._waiting) >= MAX_WAITING or self._of_device[device.gb_id] >= MAX_WAITING_A_DEVICE:
                self.counts["put_off"] += 1
                return False
            self._of_device[device.gb_id] += 1
            self._waiting.append((device, document))
            self._arrived.set()
        return True

    async def run(self) -> None:
        """Work through the queue until cancelled."""
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            device, document = self._waiting.popleft()
            self._of_device[device.gb_id] -= 1
            if self._of_device[device.gb_id] <= 0:
                del self._of_device[device.gb_id]
            try:
                await self._work(device, document)
            except TocsinError as error:
                log.warning("catalogue notification not stored", device_id=device.device_id, reason=error.detail)

    async def _work(self, device: RegisteredDevice, document: Document) -> None:
        items, skipped = items_of(document)
        self.counts["items_without_id"] += skipped
        entries = entries_of(items, device.gb_id, self._own_id)
        entry = self._device_of(device.gb_id)
        mode = entry.channel_status if entry is not None else "ignore"
        if mode != "believe":
            entries = await self._checked(device, entries, asks=mode == "check")
        if entries:
            await self._reports.catalog(device.device_id, entries, False)
        if nodes := nodes_of(items, device.gb_id, self._own_id):
            await self._reports.directories(device.device_id, nodes, False)

    async def _checked(
        self, device: RegisteredDevice, entries: list[CatalogEntry], *, asks: bool
    ) -> list[CatalogEntry]:
        """Leave out what is said of the state of channels; with `asks` each one says itself how it is."""
        kept = [one if one.event == "DEL" else replace(one, is_online=None) for one in entries if not _is_status(one)]
        told = [one for one in entries if _is_status(one)]
        for one in told[:MAX_CHECKED] if asks else ():
            state = await self._commands.channel_state(device, one.gb_id)
            if state is not None:
                said = "ON" if state else "OFF"
                self.counts["wrong_status"] += (one.event == "ON") != state
                kept.append(one if (one.event == "ON") == state else replace(one, event=said))
        return kept

    def _take_positions(self, device: RegisteredDevice, document: Document) -> None:
        now = self._clock.now()
        entry = self._device_of(device.gb_id)
        is_shifted = entry is not None and entry.datum == "gcj02"
        told = read_positions(document, now)
        for one in told[:1]:
            self.on_time(device, one.at)
        found = [_report(one, now, is_shifted=is_shifted) for one in told]
        self.counts["no_fix"] += not found
        if found:
            self._reports.positions(device.device_id, found)
            self.on_positions(device.device_id, found)

    def _take_aim(self, device: RegisteredDevice, document: Document) -> None:
        found = read_ptz_position(document)
        if found is not None:
            words = f"{found.pan_deg:.1f} {found.tilt_deg:.1f} {found.zoom:.1f}"
            self._reports.learned(device.device_id, ptz_position=words)


def _report(position: Position, now: datetime, *, is_shifted: bool) -> PositionReport:
    lon, lat = (position.lon, position.lat) if not is_shifted else wgs84_from_gcj02(position.lon, position.lat)
    at = position.at
    if at is None or (at - now).total_seconds() > MAX_AHEAD_S:
        at = now  # a clock that runs ahead would keep every later position out
    return PositionReport(position.gb_id, round(lon, 6), round(lat, 6), at, position.speed_kmh, position.direction_deg)


def _is_status(entry: CatalogEntry) -> bool:
    return entry.event in STATUS_EVENTS
