"""Acts that cannot be taken back: erasing a camera's card, which takes two people, and new firmware for a device.

Each step is a record before anything leaves. A request to erase ends by itself after 15 minutes.
Source: GB/T 28181 reference, 13 (FormatSDCard: two-person approval; DeviceUpgrade); design note 0016.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain import fields
from tocsin.domain.access import SYSTEM, Actor, ActorRef, Permission, Purpose, Scope, scope
from tocsin.domain.acts import guard
from tocsin.domain.camera_desk import channel_of_gb
from tocsin.domain.device_desk import not_possible
from tocsin.domain.device_events import ActAnswered, ActAsked, ActConfirmed, ActWithdrawn
from tocsin.domain.devices import Device
from tocsin.domain.fields import refuse
from tocsin.domain.guarding import CommandOutcome
from tocsin.domain.refusals import UseCases
from tocsin.domain.store import Store

CONFIRM_WITHIN: Final = timedelta(minutes=15)
UPGRADE_LASTS: Final = timedelta(hours=2)
MANAGE: Final = Permission.MANAGE_REGISTRY
_SESSION: Final = re.compile(r"[A-Za-z0-9-]{32,128}")

WORDS: Final = Words(
    {
        "act.same_person": (
            "You asked for this yourself. Somebody else with the right has to confirm it.",
            "该操作由您本人申请，须由另一名有权限的人员确认。",
        ),
        "act.expired": (
            "The request was not confirmed within 15 minutes and has ended. Ask again.",
            "申请未在 15 分钟内确认，已失效，请重新申请。",
        ),
        "act.not_waiting": ("This request is over already.", "该申请已结束。"),
        "act.already_asked": (
            "The same is under way for this device. Wait for its end.",
            "该设备已有同类操作在进行，请等待其结束。",
        ),
        "act.in_use": (
            "A picture of this device is being watched to verify an alarm. Wait until that has ended.",
            "正在调看该设备的图像核实警情，请在结束后再操作。",
        ),
        "act.session_form": (
            "The session has 32 to 128 letters, digits and hyphens.",
            "会话标识为 32 至 128 位字母、数字或短横线。",
        ),
        "act.url_form": (
            "The address is http://, https:// or ftp:// with a host, without user or password.",
            "地址须为 http://、https:// 或 ftp:// 开头并含主机名，不得包含用户名或密码。",
        ),
    }
)


class ActKind(StrEnum):
    """What is done to a device."""

    FORMAT_CARD = "format_card"
    UPGRADE = "upgrade"


class ActState(StrEnum):
    """How far an act is; `expired` is a request whose time ran out. `taken`: the device said nothing of the result."""

    WAITING = "waiting"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    RUNNING = "running"
    TAKEN = "taken"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Firmware:
    """What a device shall install: version, address, manufacturer, and the session its result will name."""

    version: str
    url: str
    manufacturer: str
    session: str


@dataclass(frozen=True, slots=True)
class Upgraded:
    """How an upgrade ended, as the device says."""

    session: str
    is_ok: bool
    firmware: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DeviceAct:
    """One act: who asked when and why, who decided, and what came of it."""

    id: str
    kind: ActKind
    device_id: str
    jurisdiction_code: str
    asked_by: str
    asked_at: datetime
    state: ActState
    channel_id: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    expires_at: datetime | None = None
    decided_by: str = ""
    decided_at: datetime | None = None
    result: str = ""
    ended_at: datetime | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def at(self, now: datetime) -> DeviceAct:
        """Return it as it stands at a time."""
        is_over = self.state is ActState.WAITING and self.expires_at is not None and now >= self.expires_at
        return replace(self, state=ActState.EXPIRED) if is_over else self

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "device_id": self.device_id,
            "camera_id": self.channel_id,
            "params": dict(self.params),
            "reason": self.reason,
            "asked_by": self.asked_by,
            "asked_by_name": self.names.get(self.asked_by, ""),
            "asked_at": iso(self.asked_at),
            "expires_at": None if self.expires_at is None else iso(self.expires_at),
            "state": self.state.value,
            "decided_by": self.decided_by,
            "decided_by_name": self.names.get(self.decided_by, ""),
            "decided_at": None if self.decided_at is None else iso(self.decided_at),
            "result": self.result,
            "ended_at": None if self.ended_at is None else iso(self.ended_at),
        }


class ActLine(Protocol):
    """The way to the devices; a gateway implements it."""

    def problem(self, device_id: str) -> str:
        """Return the key of why a device cannot be told; empty when it can."""

    async def format_card(self, device_id: str, gb_id: str, card: int) -> CommandOutcome:
        """Erase a card, 0 for all."""

    async def upgrade(self, device_id: str, firmware: Firmware) -> CommandOutcome:
        """Make a device fetch and install firmware."""


_ENDS: Final[Mapping[CommandOutcome, ActState]] = {
    CommandOutcome.DONE: ActState.DONE,
    CommandOutcome.UNCONFIRMED: ActState.TAKEN,
}


class DeviceActs(UseCases):
    """Use cases of acts that cannot be taken back."""

    def __init__(self, store: Store, line: ActLine) -> None:
        super().__init__(store)
        self._line = line

    async def start(self) -> None:
        """Say of commands an earlier run was sending that nobody knows what came of them."""
        await self._store.run(_interrupted)

    async def acts(self, *, actor: Actor, device_id: str = "", is_waiting: bool = False) -> Sequence[DeviceAct]:
        """Return the acts of a device, or all that wait, newest first; at most 100."""
        found: Sequence[DeviceAct] = await self._store.read(_list, device_id, is_waiting, actor)
        return found

    async def ask_format(self, camera_id: str, card: int, reason: str, *, actor: Actor) -> DeviceAct:
        """Ask for a card to be erased (0: all); nothing leaves before another person confirms within 15 minutes.

        Errors: INVALID naming the field; NOT_FOUND; FORBIDDEN; CONFLICT; UNAVAILABLE when the device is not there.
        """
        why = fields.text(500, required=True)("reason", reason)
        number = int(fields.number(0, 10_000, optional=False)("card", card))
        asked = "device.format_asked"
        return await self._act(asked, "channel", camera_id, actor, self._ask_format, camera_id, number, why, actor)

    async def confirm(self, act_id: str, *, actor: Actor) -> DeviceAct:
        """Confirm what somebody else asked for: the command leaves now.

        Errors: NOT_FOUND; FORBIDDEN, also to who asked; CONFLICT when it is over or the device refuses or is watched
        to verify an alarm; UNAVAILABLE.
        """
        act, gb_id = await self._act("device.act_confirmed", "device_act", act_id, actor, _confirm, act_id, actor)
        outcome = await self._line.format_card(act.device_id, gb_id, int(act.params["card"]))
        act = await self._store.run(_end, act.id, _ENDS.get(outcome, ActState.FAILED), outcome.value, actor.ref)
        _raise_on(outcome)
        return act

    async def withdraw(self, act_id: str, *, actor: Actor) -> DeviceAct:
        """Take a request back, or turn it down. Errors: NOT_FOUND; FORBIDDEN; CONFLICT when it is over."""
        return await self._act("device.act_withdrawn", "device_act", act_id, actor, _withdraw, act_id, actor)

    async def upgrade(self, device_id: str, given: Mapping[str, Any], *, actor: Actor) -> DeviceAct:
        """Make a device install firmware; its result comes by itself, often after a restart.

        Errors: INVALID naming the field; NOT_FOUND; FORBIDDEN; CONFLICT when it refuses, is being upgraded or is
        watched to verify an alarm; UNAVAILABLE.
        """
        firmware = read_firmware(given)
        act = await self._act(
            "device.upgrade_asked", "device", device_id, actor, self._ask_upgrade, device_id, firmware, actor
        )
        outcome = await self._line.upgrade(device_id, firmware)
        if outcome in _ENDS:
            return act
        await self._store.run(_end, act.id, ActState.FAILED, outcome.value, actor.ref)
        _raise_on(outcome)
        return act

    async def upgraded(self, device_id: str, result: Upgraded) -> bool:
        """Keep how an upgrade ended; False when nobody asked this device for it. Errors: UNAVAILABLE."""
        is_ours: bool = await self._store.run(_upgraded, device_id, result)
        return is_ours

    def _ask_format(self, tx: Any, camera_id: str, card: int, reason: str, actor: Actor) -> DeviceAct:
        channel = channel_of_gb(tx, camera_id, actor)
        guard(actor, MANAGE, "channel", channel.id, channel.jurisdiction_code)
        self._check_line(channel.device_id)
        _refuse_twice(tx, ActKind.FORMAT_CARD, channel.device_id, camera_id)
        act = DeviceAct(
            new_id(),
            ActKind.FORMAT_CARD,
            channel.device_id,
            channel.jurisdiction_code,
            actor.id,
            tx.now,
            ActState.WAITING,
            channel_id=camera_id,
            params={"card": card},
            reason=reason,
            expires_at=tx.now + CONFIRM_WITHIN,
        )
        return _add(tx, act, actor)

    def _ask_upgrade(self, tx: Any, device_id: str, firmware: Firmware, actor: Actor) -> DeviceAct:
        device: Device = tx.devices.get(device_id, visible_to=scope(actor, Permission.READ_REGISTRY))
        if device.protocol != "gb28181" or device.retired_at is not None:
            raise not_possible()
        guard(actor, Permission.MANAGE_SETTINGS, "device", device.id, device.jurisdiction_code)
        self._check_line(device_id)
        _refuse_watched(tx, device_id)
        _refuse_twice(tx, ActKind.UPGRADE, device_id, None)
        act = DeviceAct(
            new_id(),
            ActKind.UPGRADE,
            device_id,
            device.jurisdiction_code,
            actor.id,
            tx.now,
            ActState.RUNNING,
            params={
                "firmware": firmware.version,
                "url": firmware.url,
                "manufacturer": firmware.manufacturer,
                "session": firmware.session,
            },
            expires_at=tx.now + UPGRADE_LASTS,
        )
        return _add(tx, act, actor)

    def _check_line(self, device_id: str) -> None:
        if key := self._line.problem(device_id):
            code = ErrorCode.CONFLICT if key == "desk.older_edition" else ErrorCode.UNAVAILABLE
            raise TocsinError(code, key, key=key)


def read_firmware(given: Mapping[str, Any]) -> Firmware:
    """Return what a request asks to install; without a session it gets one. Errors: INVALID naming the field."""
    named = fields.text(64, required=True)
    session = given.get("session") or f"{new_id()}-{new_id()}"
    if not isinstance(session, str) or not _SESSION.fullmatch(session):
        raise refuse("session", "act.session_form", "session: 32 to 128 of A-Z a-z 0-9 -")
    return Firmware(
        named("firmware", given.get("firmware")),
        _address(given.get("url")),
        named("manufacturer", given.get("manufacturer")),
        session,
    )


def _address(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    wrong = refuse("url", "act.url_form", "url: http, https or ftp with a host, without credentials")
    if not 0 < len(text) <= 512 or not all("!" <= c <= "~" for c in text):
        raise wrong
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme.lower() not in ("http", "https", "ftp") or not parts.hostname or "@" in parts.netloc:
        raise wrong
    return text


def _add(tx: Any, act: DeviceAct, actor: Actor) -> DeviceAct:
    tx.device_acts.add(act)
    tx.record(
        ActAsked(
            kind=act.kind.value,
            subject_id=act.channel_id or act.device_id,
            at=tx.now,
            jurisdiction_code=act.jurisdiction_code,
            actor=actor.ref,
            data=act.form(),
            act_id=act.id,
            reason=act.reason,
            card=str(act.params.get("card", "")),
            firmware=str(act.params.get("firmware", "")),
            session=str(act.params.get("session", "")),
        )
    )
    return act


def _confirm(tx: Any, act_id: str, actor: Actor) -> tuple[DeviceAct, str]:
    act = _open_request(tx, act_id, actor)
    if act.asked_by == actor.id:
        raise TocsinError(ErrorCode.FORBIDDEN, "nobody confirms what they asked for", key="act.same_person")
    _refuse_watched(tx, act.device_id)
    channel = tx.devices.load_channels([act.channel_id])[act.channel_id]
    act = replace(act, state=ActState.RUNNING, decided_by=actor.id, decided_at=tx.now)
    tx.device_acts.save(act)
    tx.record(
        ActConfirmed(
            kind=act.kind.value,
            subject_id=act.channel_id or act.device_id,
            at=tx.now,
            jurisdiction_code=act.jurisdiction_code,
            actor=actor.ref,
            data=act.form(),
            act_id=act.id,
            asked_by=act.asked_by,
        )
    )
    return act, channel.gb_id


def _withdraw(tx: Any, act_id: str, actor: Actor) -> DeviceAct:
    act = _open_request(tx, act_id, actor)
    act = replace(act, state=ActState.WITHDRAWN, decided_by=actor.id, decided_at=tx.now, ended_at=tx.now)
    tx.device_acts.save(act)
    tx.record(
        ActWithdrawn(
            kind=act.kind.value,
            subject_id=act.channel_id or act.device_id,
            at=tx.now,
            jurisdiction_code=act.jurisdiction_code,
            actor=actor.ref,
            data=act.form(),
            act_id=act.id,
        )
    )
    return act


def _open_request(tx: Any, act_id: str, actor: Actor) -> DeviceAct:
    act: DeviceAct = tx.device_acts.get(act_id, visible_to=scope(actor, Permission.READ_REGISTRY)).at(tx.now)
    guard(actor, MANAGE, "device_act", act.id, act.jurisdiction_code)
    if act.state is ActState.EXPIRED:
        raise TocsinError(ErrorCode.CONFLICT, "the request ended", key="act.expired")
    if act.state is not ActState.WAITING:
        raise TocsinError(ErrorCode.CONFLICT, f"the act is {act.state}", key="act.not_waiting")
    return act


def _end(tx: Any, act_id: str, state: ActState, result: str, actor: ActorRef) -> DeviceAct:
    act: DeviceAct = replace(tx.device_acts.load(act_id), state=state, result=result, ended_at=tx.now)
    tx.device_acts.save(act)
    tx.record(
        ActAnswered(
            kind=act.kind.value,
            subject_id=act.channel_id or act.device_id,
            at=tx.now,
            jurisdiction_code=act.jurisdiction_code,
            actor=actor,
            data=act.form(),
            act_id=act.id,
            result=result,
        )
    )
    return act


def _upgraded(tx: Any, device_id: str, result: Upgraded) -> bool:
    act: DeviceAct | None = tx.device_acts.running_upgrade(device_id, result.session)
    if act is None:
        return False
    state = ActState.DONE if result.is_ok else ActState.FAILED
    _end(tx, act.id, state, "done" if result.is_ok else result.reason or "failed", SYSTEM)
    return True


def _interrupted(tx: Any) -> None:
    for act in tx.device_acts.sending():
        _end(tx, act.id, ActState.TAKEN, "unknown", SYSTEM)


def _list(tx: Any, device_id: str, is_waiting: bool, actor: Actor) -> list[DeviceAct]:
    visible: Scope = scope(actor, Permission.READ_REGISTRY)
    found = [act.at(tx.now) for act in tx.device_acts.find(visible_to=visible, device_id=device_id)]
    names = tx.users.names({act.asked_by for act in found} | {act.decided_by for act in found})
    return [replace(act, names=names) for act in found if not is_waiting or act.state is ActState.WAITING]


def _refuse_twice(tx: Any, kind: ActKind, device_id: str, channel_id: str | None) -> None:
    if tx.device_acts.is_under_way(kind, device_id, channel_id, tx.now):
        raise TocsinError(ErrorCode.CONFLICT, "the same is under way", key="act.already_asked")


def _refuse_watched(tx: Any, device_id: str) -> None:
    ids = [channel.id for channel in tx.devices.channels_of([device_id])]
    if any(view.purpose == Purpose.ALARM_VERIFICATION for view in tx.views.live_of_channels(ids)):
        raise TocsinError(ErrorCode.CONFLICT, "watched to verify an alarm", key="act.in_use")


def _raise_on(outcome: CommandOutcome) -> None:
    if outcome is CommandOutcome.REFUSED:
        raise TocsinError(ErrorCode.CONFLICT, "the device refused the command", key="guard.refused")
    if outcome is CommandOutcome.NOT_CONNECTED:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the device is not registered", key="guard.not_connected")
    if outcome is CommandOutcome.UNREACHABLE:
        raise TocsinError(ErrorCode.UNAVAILABLE, "the device did not take the command", key="guard.unreachable")
