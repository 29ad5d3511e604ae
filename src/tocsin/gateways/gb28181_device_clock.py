"""The clocks of devices: read from DeviceStatus, suspected from the times of what devices report, asked for in turn."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tocsin.base.clock import Clock
from tocsin.domain.devices import DeviceReports
from tocsin.gateways.gb28181_commands import AlarmCommands
from tocsin.gateways.gb28181_devices import DeviceTable, RegisteredDevice
from tocsin.protocols.gb28181.device_clock import UTC_ZONE, read_clock
from tocsin.protocols.gb28181.ids import Role, role_of
from tocsin.protocols.gb28181.manscdp import Document

ROUND_S: Final = 30.0
ASKED_A_ROUND: Final = 60
OFF_S: Final = 60.0  # what the page for health calls wrong
ASK_EVERY_S: Final = 12 * 3600.0
ASK_OFF_EVERY_S: Final = 900.0
SUSPECT_AGAIN_AFTER_S: Final = 600.0
AT_ONCE: Final = 16


@dataclass(slots=True)
class ClockKnown:
    """What is known of one device's clock; times are monotonic seconds."""

    due: float = 0.0
    suspected_at: float = -1e9
    is_off: bool = False
    zone: str = ""


class DeviceClocks:
    """Keeps `clock_offset_s` and `clock_zone` of each device's profile. `counts` is for the metrics."""

    def __init__(self, commands: AlarmCommands, table: DeviceTable, reports: DeviceReports, clock: Clock) -> None:
        self.counts: Counter[str] = Counter()
        self._commands = commands
        self._table = table
        self._reports = reports
        self._clock = clock
        self._asking = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def heard(self, device: RegisteredDevice, document: Document, asked_at: datetime) -> None:
        """Take an answer about the device itself to a question of `asked_at`."""
        if document.device_id not in ("", device.gb_id):
            return  # a channel's clock is another camera's
        known, now = _known(device), self._clock.monotonic()
        found = read_clock(document.root.get("DeviceTime"), asked_at, self._clock.now())
        if found is None:
            self.counts["clock_not_said"] += 1
            known.due = now + ASK_EVERY_S
            return
        self._learn(device, found.offset_s, found.zone)

    def reported(self, device: RegisteredDevice, at: datetime | None) -> None:
        """Take the time of what a device reported: an old report may be late, one from the future is proof."""
        if at is None or role_of(device.gb_id) is Role.PLATFORM:
            return
        known = _known(device)
        if known.zone == UTC_ZONE:
            return
        ahead_s = (at - self._clock.now()).total_seconds()
        if ahead_s > OFF_S or (known.is_off and abs(ahead_s) <= OFF_S):
            self._learn(device, round(ahead_s, 1), "")
        if abs(ahead_s) > OFF_S:
            now = self._clock.monotonic()
            if now - known.suspected_at >= SUSPECT_AGAIN_AFTER_S:
                known.suspected_at, known.due = now, now
                self.counts["clock_suspected"] += 1

    async def run(self) -> None:
        """Ask whose turn it is until cancelled."""
        try:
            while True:
                await self._clock.sleep(ROUND_S)
                self.ask_round()
        finally:
            for task in list(self._tasks):
                task.cancel()

    def ask_round(self) -> int:
        """Ask the devices that are due, a bounded number; return how many."""
        now, asked = self._clock.monotonic(), 0
        for device in self._table:
            known = _known(device)
            if known.due > now:
                continue
            known.due = now + (ASK_OFF_EVERY_S if known.is_off else ASK_EVERY_S)
            task = asyncio.create_task(self._ask(device))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            asked += 1
            if asked >= ASKED_A_ROUND:
                break
        return asked

    async def _ask(self, device: RegisteredDevice) -> None:
        async with self._asking:
            self.counts["clock_asked"] += 1
            await self._commands.guard_state(device)  # `heard` gets the answer

    def _learn(self, device: RegisteredDevice, offset_s: float, zone: str) -> None:
        known, now = _known(device), self._clock.monotonic()
        known.is_off, known.zone = abs(offset_s) > OFF_S, zone
        known.due = now + (ASK_OFF_EVERY_S if known.is_off else ASK_EVERY_S)
        self._reports.learned(device.device_id, clock_offset_s=f"{offset_s:g}", clock_zone=zone)


def _known(device: RegisteredDevice) -> ClockKnown:
    if device.clock is None:
        device.clock = ClockKnown()
    return device.clock
