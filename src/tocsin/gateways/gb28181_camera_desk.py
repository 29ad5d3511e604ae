"""Asking 2022 cameras for their cards, home position, tours and aim; formatting cards and upgrading firmware.

Implements `CameraLine` and `ActLine`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import astuple
from typing import Final

from tocsin.base.clock import Clock
from tocsin.base.errors import TocsinError
from tocsin.domain.attempts import AttemptKind
from tocsin.domain.camera_desk import CameraAim, Card, HomeState, Tour, TourStop
from tocsin.domain.device_acts import Firmware, Upgraded
from tocsin.domain.guarding import CommandOutcome
from tocsin.gateways.gb28181_catalog import Asker
from tocsin.gateways.gb28181_commands import AlarmCommands
from tocsin.gateways.gb28181_devices import AttemptLog, DeviceTable, RegisteredDevice
from tocsin.protocols.gb28181 import camera_state, maintenance
from tocsin.protocols.gb28181.control import DEVICE_CONTROL
from tocsin.protocols.gb28181.manscdp import Document
from tocsin.protocols.sip.codes import Transport
from tocsin.protocols.sip.message import readable

MAX_WAITING: Final = 64


async def _nobody(device_id: str, result: Upgraded) -> bool:
    return False


class GbCameraDesk:
    """Questions and acts out, results in. `on_upgraded` keeps a result and says whether it was awaited."""

    def __init__(
        self, asker: Asker, commands: AlarmCommands, table: DeviceTable, attempts: AttemptLog, clock: Clock
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.on_upgraded: Callable[[str, Upgraded], Awaitable[bool]] = _nobody
        self._asker = asker
        self._commands = commands
        self._table = table
        self._attempts = attempts
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def problem(self, device_id: str) -> str:
        """Return the key of why a device cannot be asked; empty when it can."""
        device = self._table.by_id(device_id)
        if device is None:
            return "guard.not_connected"
        return "" if device.version.strip().startswith("3") else "desk.older_edition"

    async def cards(self, device_id: str, gb_id: str) -> tuple[CommandOutcome, tuple[Card, ...] | None]:
        """Ask for the state of the cards."""
        outcome, document = await self._ask(device_id, gb_id, camera_state.SD_CARDS)
        if document is None:
            return outcome, None
        return outcome, tuple(
            Card(card.number, readable(card.name), card.state, card.progress, card.capacity_mb, card.free_mb)
            for card in camera_state.read_cards(document)
        )

    async def home(self, device_id: str, gb_id: str) -> tuple[CommandOutcome, HomeState | None]:
        """Ask for the home position."""
        outcome, document = await self._ask(device_id, gb_id, camera_state.HOME_POSITION)
        found = camera_state.read_home(document) if document is not None else None
        return outcome, HomeState(*astuple(found)) if found is not None else None

    async def tours(self, device_id: str, gb_id: str) -> tuple[CommandOutcome, tuple[Tour, ...] | None]:
        """Ask for the list of tours."""
        outcome, document = await self._ask(device_id, gb_id, camera_state.CRUISE_TRACKS)
        if document is None:
            return outcome, None
        return outcome, tuple(Tour(one.number, readable(one.name)) for one in camera_state.read_tracks(document))

    async def tour(self, device_id: str, gb_id: str, number: int) -> tuple[CommandOutcome, tuple[TourStop, ...] | None]:
        """Ask for the stops of a tour."""
        outcome, document = await self._ask(device_id, gb_id, camera_state.CRUISE_TRACK, number)
        if document is None:
            return outcome, None
        return outcome, tuple(TourStop(*astuple(one)) for one in camera_state.read_points(document))

    async def aim(self, device_id: str, gb_id: str) -> tuple[CommandOutcome, CameraAim | None]:
        """Ask where the camera looks."""
        outcome, document = await self._ask(device_id, gb_id, camera_state.PTZ_POSITION)
        found = camera_state.read_aim(document) if document is not None else None
        return outcome, CameraAim(*astuple(found)) if found is not None else None

    async def format_card(self, device_id: str, gb_id: str, card: int) -> CommandOutcome:
        """Erase a card, 0 for all. The standard names no Response, so `unconfirmed` is the usual best."""
        device = self._table.by_id(device_id)
        if device is None:
            return CommandOutcome.NOT_CONNECTED
        sn = self._asker.next_sn()
        body = maintenance.format_command(sn, gb_id, card, self._commands.label_of(device))
        outcome, _ = await self._commands.ask(device, DEVICE_CONTROL, sn, body)
        self._tell(device, AttemptKind.CONTROL, f"format.{outcome.value}", card=card, target=gb_id)
        return outcome

    async def upgrade(self, device_id: str, firmware: Firmware) -> CommandOutcome:
        """Make a device fetch and install firmware; its result comes later, by itself."""
        device = self._table.by_id(device_id)
        if device is None:
            return CommandOutcome.NOT_CONNECTED
        sn = self._asker.next_sn()
        wanted = maintenance.Upgrade(firmware.version, firmware.url, firmware.manufacturer, firmware.session)
        body = maintenance.upgrade_command(sn, device.gb_id, wanted, self._commands.label_of(device))
        outcome, _ = await self._commands.ask(device, DEVICE_CONTROL, sn, body)
        self._tell(device, AttemptKind.CONTROL, f"upgrade.{outcome.value}", firmware=firmware.version[:64])
        return outcome

    def take_result(self, device: RegisteredDevice, document: Document, answer: Callable[[int | None], None]) -> bool:
        """Take how an upgrade ended: kept, then answered; False when the document is about something else."""
        if document.kind != "notify" or document.cmd_type.lower() != maintenance.UPGRADE_RESULT.lower():
            return False
        found = maintenance.read_upgrade_result(document)
        if found is None:
            self.counts["upgrade_unreadable"] += 1
            answer(200)
        elif len(self._tasks) >= MAX_WAITING:
            answer(_put_off(device))
        else:
            result = Upgraded(found.session, found.is_ok, readable(found.firmware), readable(found.reason))
            task = asyncio.create_task(self._keep(device, result, answer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return True

    async def _keep(self, device: RegisteredDevice, result: Upgraded, answer: Callable[[int | None], None]) -> None:
        try:
            is_ours = await self.on_upgraded(device.device_id, result)
        except TocsinError:
            answer(_put_off(device))
            return
        answer(200)
        self.counts["upgrades_ended" if is_ours else "upgrades_unknown"] += 1
        if is_ours:
            key = "upgrade.installed" if result.is_ok else "upgrade.failed"
            self._tell(device, AttemptKind.REPORT, key, firmware=result.firmware[:64], reason=result.reason[:120])

    async def _ask(
        self, device_id: str, gb_id: str, command: str, number: int | None = None
    ) -> tuple[CommandOutcome, Document | None]:
        device = self._table.by_id(device_id)
        if device is None:
            return CommandOutcome.NOT_CONNECTED, None
        sn = self._asker.next_sn()
        body = camera_state.state_query(command, sn, gb_id, self._commands.label_of(device), number)
        outcome, document = await self._commands.ask(device, command, sn, body)
        return outcome, document if outcome is CommandOutcome.DONE else None

    def _tell(self, device: RegisteredDevice, kind: AttemptKind, key: str, **params: str | int) -> None:
        timeline, now = self._attempts.begin(), self._clock.monotonic()
        is_ok = key in GOOD
        if is_ok:
            timeline.ok(key, now, **params)
        else:
            timeline.failed(key, now, **params)
        self._attempts.finish(kind, device.device_id, timeline, is_ok=is_ok)


GOOD: Final = frozenset(
    {"format.done", "format.unconfirmed", "upgrade.done", "upgrade.unconfirmed", "upgrade.installed"}
)


def _put_off(device: RegisteredDevice) -> int | None:
    """Return how to answer what could not be kept: with silence where it is sent again by itself."""
    return 503 if device.transport is Transport.TCP else None
