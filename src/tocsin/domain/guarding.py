"""Arming and disarming devices: permission first, then the audit record, then the command, then what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.words import Words
from tocsin.domain import events
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.acts import guard
from tocsin.domain.devices import Device
from tocsin.domain.refusals import UseCases
from tocsin.domain.store import Store

WORDS = Words(
    {
        "guard.not_possible": ("This device takes no arming from here.", "该设备不支持从平台布防、撤防。"),
        "guard.not_connected": (
            "The device is not registered at the moment, so nothing was sent.",
            "设备当前未注册，命令未发出。",
        ),
        "guard.refused": ("The device refused the command.", "设备拒绝执行该命令。"),
        "guard.unreachable": ("The device did not take the command.", "设备没有接收该命令。"),
    }
)


class CommandOutcome(StrEnum):
    """What came of a command: done; taken without a word on its result; refused; not taken; nothing sent."""

    DONE = "done"
    UNCONFIRMED = "unconfirmed"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    NOT_CONNECTED = "not_connected"


class GuardLine(Protocol):
    """The way to the devices; a gateway implements it."""

    async def set_guard(self, device_id: str, *, is_set: bool) -> CommandOutcome:
        """Send the command and wait for its answer."""


@dataclass(frozen=True, slots=True)
class GuardAct:
    """What was asked of a device and what came of it."""

    device_id: str
    is_set: bool
    outcome: CommandOutcome


class GuardService(UseCases):
    """Use cases of arming. Each leaves two audit records: what was asked, before anything is sent, and the outcome."""

    def __init__(self, store: Store, line: GuardLine) -> None:
        super().__init__(store)
        self._line = line

    async def set_guard(self, device_id: str, *, is_set: bool, actor: Actor) -> GuardAct:
        """Arm (`is_set`) or disarm a device. `unconfirmed`: it took the command and said nothing of the result.

        Errors: NOT_FOUND, FORBIDDEN, CONFLICT when the device cannot be armed from here or refuses, UNAVAILABLE when it
        is not connected or does not take the command, and nothing is sent when the record cannot be written.
        """
        await self._act("device.guard_asked", "device", device_id, actor, _ask, device_id, is_set, actor)
        outcome = await self._line.set_guard(device_id, is_set=is_set)
        await self._store.run(_note, device_id, is_set, outcome, actor)
        if outcome is CommandOutcome.REFUSED:
            raise TocsinError(ErrorCode.CONFLICT, "the device refused the command", key="guard.refused")
        if outcome is CommandOutcome.NOT_CONNECTED:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the device is not registered", key="guard.not_connected")
        if outcome is CommandOutcome.UNREACHABLE:
            raise TocsinError(ErrorCode.UNAVAILABLE, "the device did not take the command", key="guard.unreachable")
        return GuardAct(device_id, is_set, outcome)


def _ask(tx: Any, device_id: str, is_set: bool, actor: Actor) -> None:
    device: Device = tx.devices.get(device_id, visible_to=scope(actor, Permission.READ_REGISTRY))
    guard(actor, Permission.ARM_DEVICE, "device", device.id, device.jurisdiction_code)
    if device.protocol != "gb28181" or device.retired_at is not None:
        raise TocsinError(ErrorCode.CONFLICT, "this device cannot be armed from here", key="guard.not_possible")
    tx.record(
        events.GuardAsked(
            subject_id=device.id,
            at=tx.now,
            jurisdiction_code=device.jurisdiction_code,
            actor=actor.ref,
            command=_command(is_set),
        )
    )


def _note(tx: Any, device_id: str, is_set: bool, outcome: CommandOutcome, actor: Actor) -> None:
    found = tx.devices.load([device_id]).get(device_id)
    tx.record(
        events.GuardAnswered(
            subject_id=device_id,
            at=tx.now,
            jurisdiction_code=found.jurisdiction_code if found is not None else "",
            actor=actor.ref,
            command=_command(is_set),
            result=outcome.value,
        )
    )


def _command(is_set: bool) -> str:
    return "set_guard" if is_set else "reset_guard"
