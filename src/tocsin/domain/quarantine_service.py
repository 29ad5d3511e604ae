"""The quarantine as the web calls it: what waits, how much of whom, repairs with preview and undo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.normal import NormalEvent
from tocsin.domain.access import Actor, Permission
from tocsin.domain.intake import Intake
from tocsin.domain.quarantine import (
    Preview,
    Reach,
    Repair,
    RepairKind,
    SignalReading,
    SourceCount,
    model_of,
    read_again,
)
from tocsin.domain.quarantine_events import QuarantineRepaired, QuarantineRepairUndone, QuarantineReread
from tocsin.domain.refusals import UseCases, require
from tocsin.domain.signals import LATE, SignalState, StoredSignal
from tocsin.domain.store import Store

CHUNK: Final = 200  # signals read again in one transaction: no alarm waits long behind them
MAX_READ: Final = 20_000
ROOT: Final = Permission.MANAGE_REGISTRY


class QuarantineService(UseCases):
    """What waits in quarantine and how it is repaired. `events` are those a code may be said to mean, by their id."""

    def __init__(self, store: Store, intake: Intake, events: Mapping[str, NormalEvent]) -> None:
        super().__init__(store)
        self._intake = intake
        self.events = events

    async def sources(self, *, actor: Actor) -> list[SourceCount]:
        """Return how many signals wait, by source and reason, most first. Errors: FORBIDDEN."""
        return await self._store.read(_sources, actor)

    async def repairs(self, *, actor: Actor, before: str = "", limit: int = 100) -> list[Repair]:
        """Return repairs, newest first. Errors: FORBIDDEN."""
        return await self._store.read(_repairs, actor, before, limit)

    async def preview(self, asked: Repair, *, actor: Actor) -> Preview:
        """Say what a repair would do; nothing is done. Errors: FORBIDDEN, NOT_FOUND, INVALID, CONFLICT."""
        return await self._store.read(_preview, self._meant(asked), actor)

    async def repair(self, asked: Repair, *, actor: Actor) -> Repair:
        """Do it: the meaning counts at once, and what waits is read again, oldest first.

        Errors: FORBIDDEN, NOT_FOUND, INVALID, CONFLICT.
        """
        wanted = replace(self._meant(asked), id=new_id())
        made = await self._act("quarantine.repaired", "signal_repair", wanted.id, actor, _begin, wanted, actor)
        after, done = "", made
        while done.read < MAX_READ:
            after, done = await self._store.run(_read_chunk, done, after, self._intake.take_again)
            if not after:
                break
        return await self._store.run(_note, done, actor)

    async def undo(self, repair_id: str, *, actor: Actor) -> Repair:
        """Take a repair back: its signals wait again; an incident that was opened stays.

        Errors: FORBIDDEN, NOT_FOUND, CONFLICT.
        """
        return await self._act("quarantine.repair_undone", "signal_repair", repair_id, actor, _undo, repair_id, actor)

    def _meant(self, asked: Repair) -> Repair:
        """Return it with the event it names. Errors: INVALID when our tables have none of that id."""
        if asked.kind is RepairKind.ACCOUNT:
            return asked
        event = self.events.get(asked.target)
        if event is None:
            raise TocsinError(
                ErrorCode.INVALID,
                f"no event {asked.target} in our tables",
                key="quarantine.no_event",
                field="event",
                event=asked.target,
            )
        return replace(asked, event=event)


def _sources(tx: Any, actor: Actor) -> list[SourceCount]:
    found: list[SourceCount] = tx.quarantine.sources(visible_to=require(actor, Permission.READ_REGISTRY))
    return found


def _repairs(tx: Any, actor: Actor, before: str, limit: int) -> list[Repair]:
    found: list[Repair] = tx.quarantine.repairs(
        visible_to=require(actor, Permission.READ_REGISTRY), before=before, limit=limit
    )
    return found


def _allowed(tx: Any, asked: Repair, actor: Actor) -> Repair:
    """Return the repair with whose it is and what its reach names; refuse what the actor may not decide."""
    allowed = require(actor, ROOT)
    device = None
    if asked.device_id:
        device = tx.devices.get(asked.device_id, visible_to=allowed)
        if device.retired_at is not None:
            raise TocsinError(ErrorCode.CONFLICT, "the device is retired", key="registry.retired")
    if asked.kind is RepairKind.ACCOUNT or asked.reach == Reach.DEVICE:
        if device is None:
            raise TocsinError(ErrorCode.INVALID, "a device is needed", key="registry.field_required", field="device_id")
        value = device.id if asked.kind is RepairKind.CODE else ""
        return replace(asked, reach_value=value, jurisdiction_code=device.jurisdiction_code)
    if not all(allowed.covers(code) for code in tx.quarantine.top_codes()):
        raise TocsinError(ErrorCode.FORBIDDEN, "the whole house is not yours", key="quarantine.whole_house")
    if asked.reach == Reach.HOUSE:
        return asked
    value = model_of(device.maker, device.model) if device is not None else asked.reach_value
    if not value:
        raise TocsinError(ErrorCode.INVALID, "no maker and model", key="quarantine.no_model", field="device_id")
    return replace(asked, reach_value=value)


def _preview(tx: Any, asked: Repair, actor: Actor) -> Preview:
    repair = _allowed(tx, asked, actor)
    preview, after = Preview(), ""
    while preview.read < MAX_READ:
        chunk: list[StoredSignal] = tx.quarantine.waiting(repair, after=after, limit=CHUNK)
        for stored in chunk:
            preview.count(stored, read_again(stored, repair, tx.now))
        if len(chunk) < CHUNK:
            break
        after = chunk[-1].id
    return preview


TakeAgain = Callable[[Any, Sequence[StoredSignal]], int]


def _begin(tx: Any, wanted: Repair, actor: Actor) -> Repair:
    repair = replace(_allowed(tx, wanted, actor), created_at=tx.now, created_by=actor.id)
    if repair.kind is RepairKind.CODE and tx.quarantine.is_said(repair):
        raise TocsinError(ErrorCode.CONFLICT, "this code has a meaning already", key="quarantine.taken")
    tx.quarantine.add(repair)
    tx.record(
        QuarantineRepaired(
            subject_id=repair.id,
            at=tx.now,
            jurisdiction_code=repair.jurisdiction_code,
            actor=actor.ref,
            kind=repair.kind.value,
            reason=repair.reason,
            reach=f"{repair.reach}:{repair.reach_value}" if repair.reach_value else repair.reach,
            code=f"{repair.code_system}:{repair.code}" if repair.code else "",
            event=repair.target,
            account=f"{repair.protocol}:{repair.account}" if repair.account else "",
            device_id=repair.device_id,
        )
    )
    return repair


def _read_chunk(tx: Any, repair: Repair, after: str, take_again: TakeAgain) -> tuple[str, Repair]:
    """Read some signals again; return where to go on, empty at the end, and the repair with its counts."""
    chunk: list[StoredSignal] = tx.quarantine.waiting(repair, after=after, limit=CHUNK)
    readings: list[SignalReading] = []
    fresh: list[StoredSignal] = []
    late = 0
    for stored in chunk:
        signal = read_again(stored, repair, tx.now)
        if signal is None:
            continue
        is_late = LATE in signal.flags
        readings.append(SignalReading(stored.id, repair.id, signal.device_id or "", signal.events, is_late))
        late += is_late
        if not is_late:
            fresh.append(StoredSignal(stored.id, signal, SignalState.PROCESSED, stored.copies))
    tx.quarantine.add_readings(readings, tx.now)
    tx.signals.set_state([reading.signal_id for reading in readings], SignalState.PROCESSED)
    alarms = take_again(tx, fresh) if fresh else 0
    done = replace(repair, read=repair.read + len(readings), late=repair.late + late, alarms=repair.alarms + alarms)
    tx.quarantine.save_counts(done)
    return (chunk[-1].id if len(chunk) == CHUNK else ""), done


def _note(tx: Any, repair: Repair, actor: Actor) -> Repair:
    tx.record(
        QuarantineReread(
            subject_id=repair.id,
            at=tx.now,
            jurisdiction_code=repair.jurisdiction_code,
            actor=actor.ref,
            read=repair.read,
            late=repair.late,
            alarms=repair.alarms,
        )
    )
    return repair


def _undo(tx: Any, repair_id: str, actor: Actor) -> Repair:
    known: Repair = tx.quarantine.get(repair_id, visible_to=require(actor, ROOT))
    _allowed(tx, known, actor)
    if known.undone_at is not None:
        raise TocsinError(ErrorCode.CONFLICT, "it was taken back already", key="quarantine.undone")
    undone = replace(known, undone_at=tx.now, undone_by=actor.id)
    returned: list[str] = tx.quarantine.take_readings(repair_id)
    tx.signals.set_state(returned, SignalState.QUARANTINED)
    tx.quarantine.set_undone(undone)
    tx.record(
        QuarantineRepairUndone(
            subject_id=known.id,
            at=tx.now,
            jurisdiction_code=known.jurisdiction_code,
            actor=actor.ref,
            kind=known.kind.value,
            reason=known.reason,
            returned=len(returned),
        )
    )
    return undone
