"""Terminals as the console calls them: words to the crew, parameters, a restart, another terminal, where a unit was.

What leaves for a terminal is recorded before it leaves, and what came of it after. Positions are read for a purpose, an
hour at a time, and each reading is a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain.access import ROLE_PURPOSES, Actor, Permission, Purpose, Rule, scope
from tocsin.domain.acts import guard
from tocsin.domain.devices import Device
from tocsin.domain.guarding import CommandOutcome
from tocsin.domain.refusals import UseCases, forbidden
from tocsin.domain.store import Store
from tocsin.domain.terminal_events import PositionsRead, TerminalAnswered, TerminalReleased, TerminalSet, TerminalTold
from tocsin.domain.terminal_intake import release
from tocsin.domain.terminals import MAX_HOURS_READ, Position, Terminal
from tocsin.domain.units import Unit

MAX_TEXT: Final = 200
MAX_POSITIONS: Final = 3600
MAX_UNITS: Final = 2000
PARAMETERS: Final[Mapping[str, tuple[int, int]]] = {
    "heartbeat_s": (10, 3600),
    "default_interval_s": (1, 3600),
    "emergency_interval_s": (1, 3600),
    "sleep_interval_s": (10, 86_400),
}
"""Parameters that can be set, with their least and most value in seconds."""

WORDS: Final = Words(
    {
        "terminal.not_a_terminal": ("This device is no JT/T 808 terminal.", "该设备不是部标 808 终端。"),
        "terminal.not_connected": (
            "The terminal is not connected, so nothing was sent.",
            "终端当前未连接，内容未发出。",
        ),
        "terminal.silent": ("The terminal did not answer within ten seconds.", "终端 10 秒内没有应答。"),
        "terminal.refused": ("The terminal refused it.", "终端拒绝执行。"),
        "terminal.too_long": ("This does not fit into one message.", "内容过长，一条消息放不下。"),
        "terminal.text_empty": ("Write what the crew is to read.", "请填写要发送的内容。"),
        "terminal.out_of_range": (
            "{name} is between {least} and {most} seconds.",
            "{name} 应在 {least} 至 {most} 秒之间。",
        ),
        "terminal.hour": ("At most one hour is read at a time.", "一次最多查询一小时。"),
        "terminal.purpose": ("Say what the positions are needed for.", "请选择查询位置的用途。"),
    }
)


class TerminalLine(Protocol):
    """The way to the terminals; a gateway implements it."""

    def is_connected(self, device_id: str) -> bool:
        """Say whether it can be told something now."""

    def drop(self, device_id: str) -> None:
        """End its connection, if there is one."""

    async def tell(self, device_id: str, text: str, *, urgent: bool) -> CommandOutcome:
        """Show and speak words to the crew."""

    async def parameters(self, device_id: str) -> tuple[CommandOutcome, Mapping[str, int]]:
        """Ask for the parameters of `PARAMETERS` it has, in seconds."""

    async def set_parameters(self, device_id: str, values: Mapping[str, int]) -> CommandOutcome:
        """Set parameters."""

    async def restart(self, device_id: str) -> CommandOutcome:
        """Let it restart."""


@dataclass(frozen=True, slots=True)
class TerminalView:
    """A terminal as its page shows it; `terminal` is None while it never registered."""

    device: Device
    terminal: Terminal | None
    unit_id: str
    is_connected: bool


class TerminalService(UseCases):
    """Use cases of terminals."""

    def __init__(self, store: Store, line: TerminalLine) -> None:
        super().__init__(store)
        self._line = line

    async def view(self, device_id: str, *, actor: Actor) -> TerminalView:
        """Return what is known of a terminal. Errors: NOT_FOUND; CONFLICT when the device is none."""
        device, terminal = await self._store.read(_view, device_id, actor)
        unit_id = str(device.settings.get("unit_id") or "")
        return TerminalView(device, terminal, unit_id, self._line.is_connected(device_id))

    async def units(self, *, actor: Actor) -> list[Unit]:
        """Return the units a terminal may belong to: who keeps the registry need not read incidents for it."""
        return await self._store.read(
            lambda tx: list(tx.units.find(visible_to=scope(actor, Permission.READ_REGISTRY), limit=MAX_UNITS))
        )

    async def tell(self, device_id: str, text: str, *, actor: Actor, urgent: bool = False) -> CommandOutcome:
        """Send words to the crew. Errors: INVALID; NOT_FOUND; FORBIDDEN; CONFLICT when refused; UNAVAILABLE."""
        words = " ".join(text.split())
        if not words:
            raise TocsinError(ErrorCode.INVALID, "the text is empty", key="terminal.text_empty", field="text")
        if len(words) > MAX_TEXT:
            raise TocsinError(ErrorCode.INVALID, "the text is too long", key="terminal.too_long", field="text")
        await self._act("terminal.told", "device", device_id, actor, _tell, device_id, words, urgent, actor)
        return await self._note(device_id, "text", await self._line.tell(device_id, words, urgent=urgent), actor)

    async def parameters(self, device_id: str, *, actor: Actor) -> Mapping[str, int]:
        """Ask a terminal how it is set, in seconds. Errors: NOT_FOUND; CONFLICT; UNAVAILABLE."""
        await self._store.read(_view, device_id, actor)
        outcome, found = await self._line.parameters(device_id)
        if outcome is not CommandOutcome.DONE:
            raise failed(outcome)
        return found

    async def set_parameters(self, device_id: str, values: Mapping[str, int], *, actor: Actor) -> CommandOutcome:
        """Set parameters. Errors: INVALID with the field; NOT_FOUND; FORBIDDEN; CONFLICT when refused; UNAVAILABLE."""
        for name, value in values.items():
            least, most = PARAMETERS[name]
            if not least <= value <= most:
                raise TocsinError(
                    ErrorCode.INVALID,
                    f"{name} is between {least} and {most}",
                    key="terminal.out_of_range",
                    field=name,
                    name=name,
                    least=least,
                    most=most,
                )
        changes = tuple(f"{name}={value}" for name, value in sorted(values.items()))
        await self._act("terminal.set", "device", device_id, actor, _set, device_id, changes, actor)
        outcome = await self._line.set_parameters(device_id, values)
        return await self._note(device_id, "parameters", outcome, actor)

    async def restart(self, device_id: str, *, actor: Actor) -> CommandOutcome:
        """Restart a terminal. Errors: NOT_FOUND; FORBIDDEN; CONFLICT when refused; UNAVAILABLE."""
        await self._act("terminal.set", "device", device_id, actor, _set, device_id, ("restart",), actor)
        return await self._note(device_id, "restart", await self._line.restart(device_id), actor)

    async def release(self, device_id: str, *, actor: Actor) -> None:
        """Let another terminal register under the number; the present one is cut off. Errors: NOT_FOUND; FORBIDDEN."""
        await self._act("terminal.released", "device", device_id, actor, _release, device_id, actor)
        self._line.drop(device_id)

    async def positions(
        self, device_id: str, since: datetime, until: datetime, purpose: str, *, actor: Actor
    ) -> list[Position]:
        """Return where a unit was, oldest first, and leave a record of the reading.

        Errors: INVALID for more than an hour or no purpose; NOT_FOUND; FORBIDDEN.
        """
        if not timedelta(0) < until - since <= timedelta(hours=MAX_HOURS_READ):
            raise TocsinError(ErrorCode.INVALID, "at most an hour", key="terminal.hour", field="until")
        if purpose not in set(Purpose):
            raise TocsinError(ErrorCode.INVALID, "no such purpose", key="terminal.purpose", field="purpose")
        asked = "terminal.positions_read"
        return await self._act(asked, "device", device_id, actor, _positions, device_id, since, until, purpose, actor)

    async def _note(self, device_id: str, asked: str, outcome: CommandOutcome, actor: Actor) -> CommandOutcome:
        await self._store.run(_answered, device_id, asked, outcome.value, actor)
        if outcome is not CommandOutcome.DONE:
            raise failed(outcome)
        return outcome


def failed(outcome: CommandOutcome) -> TocsinError:
    """Return the error that says what came of a message."""
    if outcome is CommandOutcome.REFUSED:
        return TocsinError(ErrorCode.CONFLICT, "the terminal refused it", key="terminal.refused")
    if outcome is CommandOutcome.NOT_CONNECTED:
        return TocsinError(ErrorCode.UNAVAILABLE, "the terminal is not connected", key="terminal.not_connected")
    return TocsinError(ErrorCode.UNAVAILABLE, "the terminal did not answer", key="terminal.silent")


def _terminal(tx: Any, device_id: str, actor: Actor) -> Device:
    device: Device = tx.devices.get(device_id, visible_to=scope(actor, Permission.READ_REGISTRY))
    if device.protocol != "jt808" or device.retired_at is not None:
        raise TocsinError(ErrorCode.CONFLICT, "this device is no terminal", key="terminal.not_a_terminal")
    return device


def _view(tx: Any, device_id: str, actor: Actor) -> tuple[Device, Terminal | None]:
    return _terminal(tx, device_id, actor), tx.terminals.load([device_id]).get(device_id)


def _tell(tx: Any, device_id: str, text: str, urgent: bool, actor: Actor) -> None:
    device = _terminal(tx, device_id, actor)
    guard(actor, Permission.SET_UNIT, "device", device.id, device.jurisdiction_code)
    tx.record(
        TerminalTold(
            subject_id=device.id,
            at=tx.now,
            jurisdiction_code=device.jurisdiction_code,
            actor=actor.ref,
            text=text,
            urgent=urgent,
        )
    )


def _set(tx: Any, device_id: str, changes: tuple[str, ...], actor: Actor) -> None:
    device = _terminal(tx, device_id, actor)
    guard(actor, Permission.MANAGE_REGISTRY, "device", device.id, device.jurisdiction_code)
    tx.record(
        TerminalSet(
            subject_id=device.id,
            at=tx.now,
            jurisdiction_code=device.jurisdiction_code,
            actor=actor.ref,
            changes=changes,
        )
    )


def _release(tx: Any, device_id: str, actor: Actor) -> None:
    device = _terminal(tx, device_id, actor)
    guard(actor, Permission.MANAGE_REGISTRY, "device", device.id, device.jurisdiction_code)
    release(tx, device_id)
    tx.record(
        TerminalReleased(subject_id=device.id, at=tx.now, jurisdiction_code=device.jurisdiction_code, actor=actor.ref)
    )


def _positions(tx: Any, device_id: str, since: datetime, until: datetime, purpose: str, actor: Actor) -> list[Position]:
    device = _terminal(tx, device_id, actor)
    guard(actor, Permission.SET_UNIT, "device", device.id, device.jurisdiction_code)
    if not any(purpose in ROLE_PURPOSES[role] for role in actor.roles):
        raise forbidden(Rule.PURPOSE_NOT_PERMITTED)
    found: list[Position] = tx.terminals.positions(device_id, since, until, MAX_POSITIONS)
    tx.record(
        PositionsRead(
            subject_id=device.id,
            at=tx.now,
            jurisdiction_code=device.jurisdiction_code,
            actor=actor.ref,
            purpose=purpose,
            since=iso(since),
            until=iso(until),
            count=len(found),
        )
    )
    return found


def _answered(tx: Any, device_id: str, asked: str, result: str, actor: Actor) -> None:
    device = tx.devices.load([device_id]).get(device_id)
    tx.record(
        TerminalAnswered(
            subject_id=device_id,
            at=tx.now,
            jurisdiction_code=device.jurisdiction_code if device is not None else "",
            actor=actor.ref,
            asked=asked,
            result=result,
        )
    )
