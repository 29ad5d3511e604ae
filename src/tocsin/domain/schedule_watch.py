"""Hours of premises at work: openings judged in the transaction of their signal, deadlines when they are due.

The new state is written with the signal of what was found, so each is found exactly once whatever ends when.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from typing import Any, Final

from tocsin.base.ids import new_id
from tocsin.base.normal import EventKind
from tocsin.base.times import delayed, from_us, to_us
from tocsin.domain.alarms import zone_key
from tocsin.domain.facts import Fact
from tocsin.domain.schedules import (
    Finding,
    Found,
    Schedule,
    ScheduleState,
    area_key,
    is_about,
    is_still_late,
    judge,
    next_checkpoint,
    note,
)
from tocsin.domain.signals import LATE, SignalState, StoredSignal
from tocsin.domain.watch_events import ScheduleFailed, ScheduleFound
from tocsin.domain.watch_signals import found_signal

AT_ONCE: Final = 200
SILENT_FROM: Final = "watch.silent_from"
SILENT_TO: Final = "watch.silent_to"
Silence = tuple[datetime, datetime] | None
_MOVES: Final = frozenset({EventKind.OPEN, EventKind.CLOSE})


@dataclass(frozen=True, slots=True)
class ScheduleBook:
    """Every schedule by device, and the holidays of the house."""

    of: Mapping[str, Sequence[Schedule]]
    holidays: frozenset[date] = frozenset()


def book_of(tx: Any, schedule_ids: Collection[str] | None = None) -> ScheduleBook:
    """Read schedules, all of them or some."""
    of: dict[str, list[Schedule]] = {}
    for schedule in tx.watch.schedules(schedule_ids=schedule_ids):
        of.setdefault(schedule.device_id, []).append(schedule)
    return ScheduleBook(of, frozenset(tx.watch.holidays()))


def settled(
    schedule: Schedule, book: ScheduleBook, zone: tzinfo | None, state: ScheduleState, silence: Silence
) -> ScheduleState:
    """Return a state with its next checkpoint; one that was moved by a silence of ours stays moved."""
    point = next_checkpoint(schedule, book.holidays, zone, state.judged_to)
    if point is None:
        return replace(state, next_at=None, due_at=None)
    if point.at == state.next_at and state.due_at is not None:
        return state
    due_at = point.at if silence is None else delayed(point.at, point.since, *silence)
    return replace(state, next_at=point.at, due_at=due_at)


def begun_again(
    tx: Any, schedule: Schedule, book: ScheduleBook, zone: tzinfo | None, state: ScheduleState | None
) -> ScheduleState:
    """Return the state after the hours were changed: they do not judge the past, what is late may not be any more."""
    known = replace(state or ScheduleState(schedule.id, tx.now), judged_to=tx.now, next_at=None, due_at=None)
    if not is_still_late(schedule, book.holidays, zone, known, tx.now):
        known = replace(known, late=None, late_since=None)
    return settled(schedule, book, zone, known, last_silence(tx))


def last_silence(tx: Any) -> Silence:
    """Return the last time this house did not listen."""
    down_from_us, down_to_us = tx.devices.mark(SILENT_FROM), tx.devices.mark(SILENT_TO)
    return None if down_from_us is None or down_to_us is None else (from_us(down_from_us), from_us(down_to_us))


def take_moves(
    tx: Any, book: ScheduleBook, zone: tzinfo | None, stored: Iterable[StoredSignal], facts: list[Fact]
) -> list[StoredSignal]:
    """Judge the openings and closings of new signals; return signals of ours about them.

    Whatever is wrong with the hours must not lose a signal: then nothing is found, and the audit says so.
    """
    moves = [
        one
        for one in stored
        if one.signal.device_id in book.of
        and one.state is SignalState.PROCESSED
        and LATE not in one.signal.flags
        and any(event.kind in _MOVES and event.is_known for event in one.signal.events)
    ]
    if not moves:
        return []
    ids = {schedule.id for one in moves for schedule in book.of[one.signal.device_id or ""]}
    states: dict[str, ScheduleState] = tx.watch.states(ids)
    changed: dict[str, ScheduleState] = {}
    own: list[StoredSignal] = []
    for one in moves:
        device_id = one.signal.device_id or ""
        for schedule in book.of[device_id]:
            known = changed.get(schedule.id) or states.get(schedule.id)
            try:
                state, found = _moved(schedule, book.holidays, zone, known or ScheduleState(schedule.id, tx.now), one)
            except Exception:
                facts.append(ScheduleFailed(subject_id=one.id, at=tx.now, device_id=device_id))
                continue
            if state is not known:
                changed[schedule.id] = state
            own.extend(_kept(tx, schedule, one.signal.account, what, zone, facts) for what in found)
    tx.watch.save_states(changed.values())
    return own


def _moved(
    schedule: Schedule, holidays: frozenset[date], zone: tzinfo | None, state: ScheduleState, one: StoredSignal
) -> tuple[ScheduleState, list[Found]]:
    at, found = one.signal.received_at, []
    for event in one.signal.events:
        area = area_key(event.area)
        if event.kind in _MOVES and event.is_known and is_about(schedule, area):
            state, what = note(schedule, holidays, zone, state, event.kind, area, at)
            if what is not None:
                found.append(what)
            if event.kind is EventKind.OPEN and not schedule.may_open(event.user):
                found.append(Found(Finding.OPEN_USER, user=zone_key(event.user.strip())))
    return state, found


def pass_due(tx: Any, zone: tzinfo | None, facts: list[Fact]) -> list[StoredSignal]:
    """Judge the checkpoints that are due; return signals of ours about what is found."""
    states: list[ScheduleState] = tx.watch.due(tx.now, AT_ONCE)
    if not states:
        return []
    book, silence = book_of(tx, [state.schedule_id for state in states]), last_silence(tx)
    by_id = {one.id: one for schedules in book.of.values() for one in schedules}
    labels = tx.watch.labels(book.of)
    own: list[StoredSignal] = []
    changed: list[ScheduleState] = []
    for known in states:
        schedule = by_id[known.schedule_id]
        state, found = _passed(schedule, book, zone, known, silence, tx.now)
        changed.append(state)
        label = labels.get(schedule.device_id, "")
        own.extend(_kept(tx, schedule, label, what, zone, facts) for what in found)
    tx.watch.save_states(changed)
    return own


def _passed(
    schedule: Schedule, book: ScheduleBook, zone: tzinfo | None, state: ScheduleState, silence: Silence, now: datetime
) -> tuple[ScheduleState, list[Found]]:
    """Judge every checkpoint that is due; of a reminder and what it repeats, the last is told."""
    found: dict[Finding, Found] = {}
    while state.due_at is not None and state.due_at <= now:
        point = next_checkpoint(schedule, book.holidays, zone, state.judged_to)
        if point is None:
            return replace(state, next_at=None, due_at=None), list(found.values())
        state, what = judge(schedule, book.holidays, zone, state, point)
        if what is not None:
            found[what.what] = what
        state = settled(schedule, book, zone, state, silence)
    return state, list(found.values())


def shift(tx: Any, zone: tzinfo | None, down_from: datetime, down_to: datetime) -> int:
    """Move the deadlines whose message may have come while we did not listen; return how many."""
    tx.devices.set_mark(SILENT_FROM, to_us(down_from))
    tx.devices.set_mark(SILENT_TO, to_us(down_to))
    book = book_of(tx)
    by_id = {one.id: one for schedules in book.of.values() for one in schedules}
    moved: list[ScheduleState] = []
    for state in tx.watch.waiting():
        point = next_checkpoint(by_id[state.schedule_id], book.holidays, zone, state.judged_to)
        if point is not None and state.due_at is not None:
            due_at = delayed(state.due_at, point.since, down_from, down_to)
            if due_at != state.due_at:
                moved.append(replace(state, due_at=due_at))
    tx.watch.save_states(moved)
    return len(moved)


def _kept(
    tx: Any, schedule: Schedule, label: str, found: Found, zone: tzinfo | None, facts: list[Fact]
) -> StoredSignal:
    signal = found_signal(schedule.device_id, label, tx.now, found, schedule.area, zone, schedule.id)
    stored = StoredSignal(new_id(), signal, SignalState.PROCESSED)
    facts.append(
        ScheduleFound(
            subject_id=schedule.device_id,
            at=tx.now,
            jurisdiction_code=tx.watch.code_of(schedule.device_id),
            schedule_id=schedule.id,
            area=schedule.area,
            what=found.what.value,
            signal_id=stored.id,
            expected=found.expected,
            turn=found.turn,
            data={"device_id": schedule.device_id, "schedule_id": schedule.id, "what": found.what.value},
        )
    )
    return stored
