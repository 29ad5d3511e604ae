"""Asking 2022 devices for pictures, and hearing that they were uploaded. Implements `SnapshotLine`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from tocsin.domain.directory import Channel
from tocsin.domain.guarding import CommandOutcome
from tocsin.gateways.gb28181_catalog import Asker
from tocsin.gateways.gb28181_commands import AlarmCommands
from tocsin.gateways.gb28181_devices import DeviceTable, RegisteredDevice
from tocsin.protocols.gb28181.configuration import DEVICE_CONFIG
from tocsin.protocols.gb28181.manscdp import Document
from tocsin.protocols.gb28181.snapshot import FINISHED, read_finished, snapshot_config

MAX_TOLD_AT_ONCE = 64


def uploads(device: RegisteredDevice) -> bool:
    """Tell whether a device follows the 2022 edition, which knows uploads."""
    return device.version.strip().startswith("3")


async def _nobody(device_id: str, session: str, told: int) -> bool:
    return False


class GbSnapshots:
    """Orders out, notifications in. `on_finished` gets device id, session and the number of files named."""

    def __init__(self, asker: Asker, commands: AlarmCommands, table: DeviceTable) -> None:
        self._asker = asker
        self._commands = commands
        self._table = table
        self._tasks: set[asyncio.Task[bool]] = set()
        self.on_finished: Callable[[str, str, int], Awaitable[bool]] = _nobody

    def snapshot_problem(self, channel: Channel) -> str:
        """Return the key of why this camera cannot be asked; empty when it can."""
        device = self._table.by_id(channel.device_id)
        if device is None:
            return "guard.not_connected"
        return "" if uploads(device) else "snapshot.older_edition"

    def peer_of(self, channel: Channel) -> str:
        """Return the address its device was last heard from; empty when it is not connected or does not upload."""
        device = self._table.by_id(channel.device_id)
        return device.host if device is not None and uploads(device) else ""

    def peers(self) -> Iterator[str]:
        """Return the addresses of all connected devices that upload."""
        return (device.host for device in self._table if uploads(device))

    async def ask_snapshots(
        self, channel: Channel, session: str, count: int, interval_s: int, url: str
    ) -> CommandOutcome:
        """Ask for pictures to be uploaded to `url`."""
        device = self._table.by_id(channel.device_id)
        if device is None:
            return CommandOutcome.NOT_CONNECTED
        sn = self._asker.next_sn()
        label = self._commands.label_of(device)
        body = snapshot_config(sn, channel.gb_id, session, count, interval_s, url, label)
        outcome, _ = await self._commands.ask(device, DEVICE_CONFIG, sn, body)
        return outcome

    def take(self, device: RegisteredDevice, document: Document) -> bool:
        """Take the notification of finished uploads; False when the document is about something else."""
        if document.kind != "notify" or document.cmd_type.lower() != FINISHED:
            return False
        found = read_finished(document)
        if found is not None and len(self._tasks) < MAX_TOLD_AT_ONCE:
            task = asyncio.ensure_future(self.on_finished(device.device_id, *found))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return True
