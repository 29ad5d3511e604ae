"""Commands to GB/T 28181 devices and their answers, which come as documents of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tocsin.base.clock import Clock, SystemClock
from tocsin.domain.devices import DeviceReports
from tocsin.domain.guarding import CommandOutcome
from tocsin.gateways.gb28181_catalog import Asker
from tocsin.gateways.gb28181_devices import RegisteredDevice
from tocsin.protocols.gb28181.alarm_commands import (
    GuardState,
    alarm_reset,
    device_status_query,
    guard_command,
    is_refusal,
    read_guard_state,
)
from tocsin.protocols.gb28181.charset import Label, label_for
from tocsin.protocols.gb28181.manscdp import Document, result_response

ANSWER_WITHIN_S: Final = 5.0
MAX_AWAITED_A_DEVICE: Final = 16
_Key = tuple[str, str]


@dataclass(slots=True, eq=False)
class _Awaited:
    sn: int
    answer: asyncio.Future[Document]
    asked_at: datetime


class AlarmCommands:
    """Asks and tells devices, and matches what comes back by command and serial number."""

    def __init__(
        self,
        asker: Asker,
        reports: DeviceReports,
        charset_of: Callable[[str], str],
        answer_within_s: float = ANSWER_WITHIN_S,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._asker = asker
        self._reports = reports
        self._charset_of = charset_of
        self._answer_within_s = answer_within_s
        self._clock = clock or SystemClock()
        self.on_status: Callable[[RegisteredDevice, Document, datetime], None] = lambda device, document, asked_at: None
        self._awaited: dict[_Key, list[_Awaited]] = {}

    def label_of(self, device: RegisteredDevice) -> Label:
        """Return how text for this device is declared."""
        return label_for(device.version, self._charset_of(device.gb_id))

    def take(self, device: RegisteredDevice, document: Document) -> bool:
        """Take a response; True when somebody waited for it. One without a serial number answers a sole question."""
        waiting = self._awaited.get((device.gb_id, document.cmd_type.lower()), [])
        open_ones = [awaited for awaited in waiting if not awaited.answer.done()]
        found = [awaited for awaited in open_ones if awaited.sn == document.sn]
        if not found and document.sn is None and len(open_ones) == 1:
            found = open_ones
        for awaited in found:
            awaited.answer.set_result(document)
        if found and document.cmd_type.lower() == "devicestatus":
            self.on_status(device, document, found[0].asked_at)
        return bool(found)

    async def confirm_alarm(self, device: RegisteredDevice, sn: int | None, source: str) -> bool:
        """Tell a device that its alarm is kept; True when it took the message in time."""
        body = result_response("Alarm", sn or 0, source, label=self.label_of(device))
        try:
            async with asyncio.timeout(self._answer_within_s):
                response = await self._asker.message(device.peer, device.gb_id, body)
        except TimeoutError:
            return False
        return response is not None and response.status < 300

    async def reset_alarm(self, device: RegisteredDevice, source: str, method: str, type_text: str) -> CommandOutcome:
        """Let a device report its next device alarm."""
        sn = self._asker.next_sn()
        body = alarm_reset(sn, source, method, type_text, self.label_of(device))
        outcome, _ = await self.ask(device, "DeviceControl", sn, body)
        return outcome

    async def set_guard(self, device: RegisteredDevice, *, is_set: bool) -> CommandOutcome:
        """Arm or disarm a device."""
        sn = self._asker.next_sn()
        body = guard_command(sn, device.gb_id, is_set=is_set, label=self.label_of(device))
        outcome, _ = await self.ask(device, "DeviceControl", sn, body)
        return outcome

    async def learn_duty(self, device: RegisteredDevice) -> None:
        """Ask how a device's alarm points stand and keep the answer in its profile."""
        found = await self.guard_state(device)
        if found is not None:
            self._reports.learned(device.device_id, duty=found.summary())

    async def guard_state(self, device: RegisteredDevice) -> GuardState | None:
        """Return how a device's alarm points stand; None when it does not say."""
        sn = self._asker.next_sn()
        body = device_status_query(sn, device.gb_id, self.label_of(device))
        _, document = await self.ask(device, "DeviceStatus", sn, body)
        return read_guard_state(document) if document is not None else None

    async def channel_state(self, device: RegisteredDevice, gb_id: str) -> bool | None:
        """Ask how a channel is; None when it does not say."""
        sn = self._asker.next_sn()
        _, document = await self.ask(device, "DeviceStatus", sn, device_status_query(sn, gb_id, self.label_of(device)))
        if document is None:
            return None
        online, status = document.root.get("Online").upper(), document.root.get("Status").upper()
        if online not in ("ONLINE", "OFFLINE"):
            return None
        return online == "ONLINE" and status != "ERROR"

    async def ask(
        self, device: RegisteredDevice, command: str, sn: int, body: bytes
    ) -> tuple[CommandOutcome, Document | None]:
        """Send a document and wait for the response of that command and serial number."""
        key = (device.gb_id, command.lower())
        waiting = self._awaited.setdefault(key, [])
        if len(waiting) >= MAX_AWAITED_A_DEVICE:
            return CommandOutcome.UNREACHABLE, None
        awaited = _Awaited(sn, asyncio.get_running_loop().create_future(), self._clock.now())
        waiting.append(awaited)
        try:
            response = await self._asker.message(device.peer, device.gb_id, body)
            if response is None and not awaited.answer.done():
                return CommandOutcome.UNREACHABLE, None
            if response is not None and response.status >= 300:
                return CommandOutcome.REFUSED, None
            try:
                async with asyncio.timeout(self._answer_within_s):
                    document = await asyncio.shield(awaited.answer)
            except TimeoutError:
                return CommandOutcome.UNCONFIRMED, None
            return (CommandOutcome.REFUSED if is_refusal(document) else CommandOutcome.DONE), document
        finally:
            waiting.remove(awaited)
            awaited.answer.cancel()
            if not waiting:
                self._awaited.pop(key, None)
