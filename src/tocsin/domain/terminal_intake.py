"""What terminals send, kept: registrations, codes shown, and reports, each report whole or not at all.

A report's alarm word, its signals, its position and the unit's are written in one savepoint, so that a press is one
alarm whatever crashes or repeats (docs/design/0025-terminals.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from tocsin.base.clock import Clock
from tocsin.base.ids import new_token
from tocsin.domain.directory import Announced
from tocsin.domain.events import IncidentMoved, UnitMoved
from tocsin.domain.forms import incident_form, unit_form
from tocsin.domain.incident_points import Fix, is_told, keep_points
from tocsin.domain.incidents import Incident
from tocsin.domain.signals import Receipt, Signal
from tocsin.domain.store import Store
from tocsin.domain.terminal_events import PositionsForgotten, TerminalRegistered
from tocsin.domain.terminals import Position, Report, Terminal, hash_of, is_plausible, judge
from tocsin.domain.units import Unit

SWEEP_S: Final = 600.0
DEVICES_A_SWEEP: Final = 100
CODE_CHARS: Final = 16


class SignalIntake(Protocol):
    """The part of intake that reports need: it stores signals inside the caller's transaction."""

    def accept_many(self, tx: Any, signals: Sequence[Signal]) -> list[Receipt]:
        """Store a group of signals with everything that follows from them."""

    def forget(self, incident_ids: Iterable[str]) -> None:
        """Hear that incidents were changed beside it."""


class TerminalIntake:
    """Where the gateway hands in what terminals send. `on_confirmed` hears whose alarm an operator has taken."""

    def __init__(self, store: Store, intake: SignalIntake, clock: Clock, *, keep_hours: float) -> None:
        self._store = store
        self._intake = intake
        self._clock = clock
        self._keep = timedelta(hours=keep_hours)
        self._pressed: set[str] = set()
        self._is_looked_at = asyncio.Event()
        self.positions_kept = 0
        self.on_confirmed: Callable[[Terminal], None] = lambda terminal: None
        store.batch("terminal.reports", self.take_many)

    # --- who is there ---

    async def register(
        self, device_id: str, terminal_id: str, edition: str, maker: str, model: str, peer: str
    ) -> str | None:
        """Bind a terminal to a device and return its new code once that is on disk; None when another is bound."""
        code = new_token()[:CODE_CHARS]
        wanted = Terminal(device_id, "", hash_of(code), terminal_id[:30], edition, maker, model, self._clock.now())
        return code if await self._store.run(_register, wanted, peer) else None

    async def authenticate(self, device_id: str, code: str) -> Terminal | None:
        """Return the terminal when the code is its own; a newer code it shows puts the older out of use."""
        loaded: dict[str, Terminal] = await self._store.read(lambda tx: tx.terminals.load([device_id]))
        known = loaded.get(device_id)
        if known is None or not known.knows(code):
            return None
        if known.shown(code) is not known:
            await self._store.run(_note_shown, device_id, code)
        return known

    async def unregister(self, device_id: str) -> None:
        """Void a terminal's codes and its binding, as it asked itself."""
        await self._store.run(release, device_id)

    # --- reports ---

    def accept(self, report: Report) -> asyncio.Future[str]:
        """Hand in a report; return after the COMMIT what its answer answers; empty without a signal."""
        return self._store.submit("terminal.reports", report)

    def take_many(self, tx: Any, reports: Sequence[Report]) -> list[str]:
        """Store a group of reports; the set-based use case `terminal.reports`."""
        known = tx.terminals.load({report.device_id for report in reports})
        now_known = dict(known)
        signals: list[Signal] = []
        place_of: dict[int, int] = {}
        pressed: list[int] = []
        for place, report in enumerate(reports):
            terminal = now_known.get(report.device_id)
            if terminal is None:
                continue  # taken out of the registry while it was under way
            judged = judge(terminal, report)
            now_known[report.device_id] = judged.terminal
            if judged.events:
                place_of[place] = len(signals)
                if judged.terminal.pressed_at is not None and judged.terminal.pressed_at != terminal.pressed_at:
                    pressed.append(place)
                signals.append(_signal(report, judged.events, judged.flags))
        receipts = self._intake.accept_many(tx, signals) if signals else []
        tx.terminals.save([one for device_id, one in now_known.items() if one is not known[device_id]])
        units: dict[str, Unit] = tx.units.load({report.unit_id for report in reports if report.unit_id})
        self._keep_points(tx, reports, {place: receipts[place_of[place]].signal_id for place in pressed}, units)
        self._keep_positions(tx, reports, units)
        for device_id, one in now_known.items():
            if one.pressed_at is not None and one.pressed_at != known[device_id].pressed_at:
                self._pressed.add(device_id)
        return [receipts[place_of[place]].arrival_id if place in place_of else "" for place in range(len(reports))]

    def _keep_points(
        self, tx: Any, reports: Sequence[Report], pressed: Mapping[int, str], units: Mapping[str, Unit]
    ) -> None:
        """Keep where the open incidents of pressed buttons are, and tell the seats."""
        last: dict[str, Fix] = {
            unit.id: (round(unit.lon * 1e6), round(unit.lat * 1e6), unit.fix_at)
            for unit in units.values()
            if unit.lon is not None and unit.lat is not None and unit.fix_at is not None
        }
        moved = keep_points(tx, reports, pressed, last)
        if not moved:
            return
        self._intake.forget(moved)
        told: dict[str, Incident] = tx.incidents.load(
            {incident_id for incident_id, is_news in moved.items() if is_news}
        )
        tx.record_many(
            [
                IncidentMoved(
                    subject_id=incident.id,
                    at=tx.now,
                    jurisdiction_code=incident.jurisdiction_code,
                    data=incident_form(incident),
                )
                for incident in told.values()
            ]
        )

    def _keep_positions(self, tx: Any, reports: Sequence[Report], units: Mapping[str, Unit]) -> None:
        kept: list[Position] = []
        newest: dict[str, Position] = {}
        for report in reports:
            position, unit = report.position, units.get(report.unit_id)
            if position is None or unit is None or not unit.has_duty_at(position.fix_at):
                continue
            if not is_plausible(position, report.received_at, self._keep):
                continue
            kept.append(position)
            known_at = newest[unit.id].fix_at if unit.id in newest else unit.fix_at
            if known_at is None or position.fix_at > known_at:
                newest[unit.id] = position
        if not kept:
            return
        tx.terminals.add_positions(kept)
        self.positions_kept += len(kept)
        moved = []
        for unit_id, position in newest.items():
            unit = replace(units[unit_id], lon=position.lon_e6 / 1e6, lat=position.lat_e6 / 1e6, fix_at=position.fix_at)
            moved.append(unit)
            if is_told(units[unit_id].fix_at, position.fix_at):
                tx.record(
                    UnitMoved(
                        subject_id=unit.id, at=tx.now, jurisdiction_code=unit.jurisdiction_code, data=unit_form(unit)
                    )
                )
        tx.units.save_positions(moved)

    # --- operators ---

    async def start(self) -> None:
        """Read which presses nobody has confirmed yet."""
        pressed = await self._store.read(lambda tx: tx.terminals.pressed())
        self._pressed.update(one.device_id for one in pressed)
        self._is_looked_at.set()

    def hear(self, announcements: Iterable[Announced]) -> None:
        """Hear of committed changes: an incident that changes may have been taken by somebody."""
        if self._pressed and any(item.type.startswith("incident.") for item in announcements):
            self._is_looked_at.set()

    async def keep_confirmed(self) -> None:
        """Confirm presses whose incident somebody has taken, for ever."""
        while True:
            await self._is_looked_at.wait()
            self._is_looked_at.clear()
            for terminal in await self.confirm():
                self.on_confirmed(terminal)

    async def confirm(self) -> list[Terminal]:
        """Note which presses have been taken by an operator; return their terminals."""
        if not self._pressed:
            return []
        confirmed: list[Terminal] = await self._store.run(_confirm, frozenset(self._pressed))
        self._pressed.difference_update(one.device_id for one in confirmed)
        return confirmed

    # --- the end of positions ---

    async def keep_bounded(self) -> None:
        """Delete positions past their time, for ever."""
        while True:
            await self.forget()
            await self._clock.sleep(SWEEP_S)

    async def forget(self) -> int:
        """Delete positions past their time, a hundred terminals a commit; return how many."""
        before = self._clock.now() - self._keep
        ids: list[str] = await self._store.read(lambda tx: tx.terminals.ids())
        gone = 0
        for start in range(0, len(ids), DEVICES_A_SWEEP):
            gone += await self._store.run(_forget, ids[start : start + DEVICES_A_SWEEP], before)
        return gone


def _register(tx: Any, wanted: Terminal, peer: str) -> bool:
    known: Terminal | None = tx.terminals.load([wanted.device_id]).get(wanted.device_id)
    if known is not None and known.terminal_id and known.terminal_id != wanted.terminal_id:
        return False
    code_hash = known.code_hash if known is not None else ""
    tx.terminals.register(replace(wanted, code_hash=code_hash), is_new=known is None)
    device = tx.devices.load([wanted.device_id]).get(wanted.device_id)
    tx.record(
        TerminalRegistered(
            subject_id=wanted.device_id,
            at=tx.now,
            jurisdiction_code=device.jurisdiction_code if device is not None else "",
            edition=wanted.edition,
            peer=peer,
        )
    )
    return True


def release(tx: Any, device_id: str) -> bool:
    """Void the codes of a device's terminal, so that any terminal may register; return whether there was one."""
    known: Terminal | None = tx.terminals.load([device_id]).get(device_id)
    if known is None:
        return False
    tx.terminals.register(replace(known, code_hash="", next_hash="", terminal_id=""), is_new=False)
    return True


def _note_shown(tx: Any, device_id: str, code: str) -> None:
    known: Terminal | None = tx.terminals.load([device_id]).get(device_id)
    if known is not None:
        tx.terminals.register(known.shown(code), is_new=False)


def _confirm(tx: Any, device_ids: Collection[str]) -> list[Terminal]:
    taken: dict[str, datetime] = tx.terminals.taken(device_ids)
    known: dict[str, Terminal] = tx.terminals.load(list(taken))
    confirmed = [
        replace(one, confirmed_at=tx.now)
        for one in known.values()
        if one.pressed_at is not None and one.confirmed_at is None and taken[one.device_id] >= one.pressed_at
    ]
    tx.terminals.save(confirmed)
    return confirmed


def _forget(tx: Any, device_ids: Sequence[str], before: datetime) -> int:
    gone = int(tx.terminals.forget(device_ids, before))
    if gone:
        tx.record(PositionsForgotten(subject_id="", at=tx.now, count=gone, before=before.isoformat()))
    return gone


def _signal(report: Report, events: tuple[Any, ...], flags: tuple[str, ...]) -> Signal:
    return Signal(
        "jt808",
        "tcp",
        report.peer,
        report.account,
        report.raw,
        report.received_at,
        report.device_id,
        "0704" if report.is_batch else "0200",
        report.at,
        "",
        events,
        "",
        flags,
    )
