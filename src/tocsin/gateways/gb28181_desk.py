"""Asking registered devices how they are and how they are set, and setting them. Implements `DeskLine`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.domain.device_desk import DeviceCondition
from tocsin.domain.devices import DeviceReports
from tocsin.domain.guarding import CommandOutcome
from tocsin.gateways.gb28181_catalog import Asker
from tocsin.gateways.gb28181_commands import AlarmCommands
from tocsin.gateways.gb28181_devices import DeviceTable, RegisteredDevice
from tocsin.protocols.gb28181.alarm_commands import device_status_query
from tocsin.protocols.gb28181.configuration import (
    CONFIG_DOWNLOAD,
    DEVICE_CONFIG,
    READ_2016,
    READ_2022,
    config_query,
    device_config,
    read_condition,
    read_configuration,
)
from tocsin.protocols.gb28181.manscdp import device_info_query
from tocsin.protocols.sip.message import readable

MOST_SILENT: Final = 2


class GbDesk:
    """Questions and settings of one device at a time, each waited for as long as any command."""

    def __init__(
        self, asker: Asker, commands: AlarmCommands, table: DeviceTable, reports: DeviceReports, clock: Clock
    ) -> None:
        self._asker = asker
        self._commands = commands
        self._table = table
        self._reports = reports
        self._clock = clock

    async def condition(self, device_id: str) -> tuple[CommandOutcome, DeviceCondition | None]:
        """Ask a device who made it and how it is."""
        device = self._table.by_id(device_id)
        if device is None:
            return CommandOutcome.NOT_CONNECTED, None
        label = self._commands.label_of(device)
        sn = self._asker.next_sn()
        _, info = await self._commands.ask(device, "DeviceInfo", sn, device_info_query(sn, device.gb_id, label))
        sn, asked_at = self._asker.next_sn(), self._clock.now()
        outcome, status = await self._commands.ask(
            device, "DeviceStatus", sn, device_status_query(sn, device.gb_id, label)
        )
        if info is None and status is None:
            return outcome, None
        said = read_condition(info, status, self._clock.now(), asked_at)
        names = {"maker": said.maker, "model": said.model, "firmware": said.firmware}
        known = {name: readable(value) for name, value in names.items() if value}
        if known:
            self._reports.learned(device_id, **known)
        return CommandOutcome.DONE, DeviceCondition(
            maker=known.get("maker", ""),
            model=known.get("model", ""),
            firmware=known.get("firmware", ""),
            channels=said.channels,
            is_online=said.is_online,
            is_recording=said.is_recording,
            is_encoding=said.is_encoding,
            reason=readable(said.reason),
            clock_diff_s=said.clock_diff_s,
        )

    async def configuration(
        self, device_id: str, target_id: str, types: Sequence[str] = ()
    ) -> tuple[CommandOutcome, dict[str, dict[str, str]] | None]:
        """Ask a device, or a channel of it, how it is set; older editions are asked for less.

        Who refuses or passes over a question for several types is asked for each alone, until two stay unanswered.
        """
        device = self._table.by_id(device_id)
        if device is None:
            return CommandOutcome.NOT_CONNECTED, None
        wanted = types or (READ_2022 if device.version.strip().startswith("3") else READ_2016)
        outcome, found = await self._types(device, target_id, wanted)
        if len(wanted) == 1 or outcome not in (CommandOutcome.REFUSED, CommandOutcome.UNCONFIRMED):
            return outcome, found
        joined: dict[str, dict[str, str]] = {}
        silent = 0
        for one in wanted:
            single, values = await self._types(device, target_id, (one,))
            if single is CommandOutcome.DONE and values is not None:
                joined.update(values)
            elif single is not CommandOutcome.REFUSED:
                silent += 1
                if silent == MOST_SILENT:
                    break
        return (CommandOutcome.DONE, joined) if joined else (outcome, None)

    async def _types(
        self, device: RegisteredDevice, target_id: str, types: Sequence[str]
    ) -> tuple[CommandOutcome, dict[str, dict[str, str]] | None]:
        sn = self._asker.next_sn()
        body = config_query(sn, target_id or device.gb_id, types, self._commands.label_of(device))
        outcome, document = await self._commands.ask(device, CONFIG_DOWNLOAD, sn, body)
        return outcome, read_configuration(document) if document is not None else None

    async def configure(
        self, device_id: str, target_id: str, config_type: str, values: Mapping[str, Any]
    ) -> CommandOutcome:
        """Set a device, or a channel of it, and wait for its answer."""
        device = self._table.by_id(device_id)
        if device is None:
            return CommandOutcome.NOT_CONNECTED
        sn = self._asker.next_sn()
        body = device_config(sn, target_id or device.gb_id, config_type, values, self._commands.label_of(device))
        outcome, _ = await self._commands.ask(device, DEVICE_CONFIG, sn, body)
        return outcome
