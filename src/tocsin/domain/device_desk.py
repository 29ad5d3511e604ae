"""How a device says it is, how it is set, and setting it: permission, the audit record, the act, what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.words import Words
from tocsin.domain import events
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.acts import guard
from tocsin.domain.device_settings import changes_of, check_target, checked
from tocsin.domain.devices import Device
from tocsin.domain.guarding import CommandOutcome
from tocsin.domain.refusals import UseCases
from tocsin.domain.store import Store


@dataclass(frozen=True, slots=True)
class DeviceCondition:
    """How a device says it is; None and empty where it does not. `clock_diff_s` is its clock minus ours."""

    maker: str = ""
    model: str = ""
    firmware: str = ""
    channels: int | None = None
    is_online: bool | None = None
    is_recording: bool | None = None
    is_encoding: bool | None = None
    reason: str = ""
    clock_diff_s: float | None = None

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return asdict(self)


class DeskLine(Protocol):
    """The way to the devices; a gateway implements it. An empty `target_id` is the device itself."""

    async def condition(self, device_id: str) -> tuple[CommandOutcome, DeviceCondition | None]:
        """Ask how a device is."""

    async def configuration(
        self, device_id: str, target_id: str, types: Sequence[str] = ()
    ) -> tuple[CommandOutcome, dict[str, dict[str, str]] | None]:
        """Ask how it is set; without `types` everything its edition knows."""

    async def configure(
        self, device_id: str, target_id: str, config_type: str, values: Mapping[str, Any]
    ) -> CommandOutcome:
        """Set it; `values` is a tree, a list in it an element that repeats."""


WORDS: Final = Words(
    {"desk.not_possible": ("This device cannot be asked or set from here.", "无法从平台查询或配置该设备。")}
)


class DeviceDesk(UseCases):
    """Use cases of the device page. A change leaves two records: what was asked, before it leaves, and the answer."""

    def __init__(self, store: Store, line: DeskLine) -> None:
        super().__init__(store)
        self._line = line

    async def condition(self, device_id: str, *, actor: Actor) -> DeviceCondition:
        """Ask a device how it is. Errors: NOT_FOUND; CONFLICT; UNAVAILABLE when it does not answer."""
        await self._store.read(_device, device_id, actor)
        outcome, found = await self._line.condition(device_id)
        if found is None:
            raise _failed(outcome)
        return found

    async def configuration(self, device_id: str, *, actor: Actor, channel_id: str = "") -> dict[str, dict[str, str]]:
        """Ask a device, or a channel of it, how it is set. Errors: NOT_FOUND; CONFLICT; UNAVAILABLE."""
        target = await self._store.read(_target, device_id, channel_id, actor)
        outcome, found = await self._line.configuration(device_id, target)
        if found is None or outcome is CommandOutcome.REFUSED:
            raise _failed(outcome)
        return found

    async def configure(
        self, device_id: str, config_type: str, given: Mapping[str, Any], *, actor: Actor, channel_id: str = ""
    ) -> CommandOutcome:
        """Set a device. `unconfirmed`: it took the command and said nothing of the result.

        What stood there is asked first, so that the record has both.

        Errors: INVALID naming the field; NOT_FOUND; FORBIDDEN; CONFLICT when it refuses; UNAVAILABLE. Nothing is sent
        when the record cannot be written.
        """
        values = checked(config_type, given)
        check_target(config_type, channel_id)
        asked = "device.config_asked"
        target = await self._act(asked, "device", device_id, actor, _allowed, device_id, channel_id, actor)
        changes = changes_of(await self._before(device_id, target, config_type), values)
        await self._act(
            asked, "device", device_id, actor, _ask, device_id, channel_id, config_type, values, changes, actor
        )
        outcome = await self._line.configure(device_id, target, config_type, values)
        await self._store.run(_note, device_id, config_type, outcome, actor)
        if outcome not in (CommandOutcome.DONE, CommandOutcome.UNCONFIRMED):
            raise _failed(outcome)
        return outcome

    async def _before(self, device_id: str, target: str, config_type: str) -> Mapping[str, str] | None:
        """Return what stands there now, under whatever name the device answers; None when it does not say."""
        _, found = await self._line.configuration(device_id, target, (config_type,))
        if not found:
            return None
        return found.get(config_type) or (next(iter(found.values())) if len(found) == 1 else None)


def _failed(outcome: CommandOutcome) -> TocsinError:
    if outcome is CommandOutcome.REFUSED:
        return TocsinError(ErrorCode.CONFLICT, "the device refused the command", key="guard.refused")
    if outcome is CommandOutcome.NOT_CONNECTED:
        return TocsinError(ErrorCode.UNAVAILABLE, "the device is not registered", key="guard.not_connected")
    return TocsinError(ErrorCode.UNAVAILABLE, "the device did not answer", key="guard.unreachable")


def not_possible() -> TocsinError:
    """Return the refusal where there is no way to the device."""
    return TocsinError(ErrorCode.CONFLICT, "this device cannot be asked from here", key="desk.not_possible")


def _device(tx: Any, device_id: str, actor: Actor) -> Device:
    device: Device = tx.devices.get(device_id, visible_to=scope(actor, Permission.READ_REGISTRY))
    if device.protocol != "gb28181" or device.retired_at is not None:
        raise not_possible()
    return device


def _target(tx: Any, device_id: str, channel_id: str, actor: Actor) -> str:
    _device(tx, device_id, actor)
    if not channel_id:
        return ""
    for channel in tx.devices.channels_of([device_id]):
        if channel.id == channel_id:
            return str(channel.gb_id)
    raise TocsinError(ErrorCode.NOT_FOUND, f"no camera {channel_id} of this device")


def _allowed(tx: Any, device_id: str, channel_id: str, actor: Actor) -> str:
    device = _device(tx, device_id, actor)
    guard(actor, Permission.MANAGE_REGISTRY, "device", device.id, device.jurisdiction_code)
    return _target(tx, device_id, channel_id, actor)


def _ask(
    tx: Any,
    device_id: str,
    channel_id: str,
    config_type: str,
    values: Mapping[str, Any],
    changes: tuple[str, ...],
    actor: Actor,
) -> None:
    _allowed(tx, device_id, channel_id, actor)
    device = _device(tx, device_id, actor)
    tx.record(
        events.ConfigAsked(
            subject_id=device.id,
            at=tx.now,
            jurisdiction_code=device.jurisdiction_code,
            actor=actor.ref,
            config_type=config_type,
            fields_set=tuple(name for name in sorted(values) if name),
            channel_id=channel_id,
            changes=changes,
        )
    )


def _note(tx: Any, device_id: str, config_type: str, outcome: CommandOutcome, actor: Actor) -> None:
    found = tx.devices.load([device_id]).get(device_id)
    tx.record(
        events.ConfigAnswered(
            subject_id=device_id,
            at=tx.now,
            jurisdiction_code=found.jurisdiction_code if found is not None else "",
            actor=actor.ref,
            config_type=config_type,
            result=outcome.value,
        )
    )
