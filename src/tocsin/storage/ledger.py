"""The way of signals as rows: answers, repetitions, pushes, and how fast sources were answered."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, case, func, literal_column, or_, select

from tocsin.base.normal import NormalEvent
from tocsin.base.times import from_us, optional_from_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.alarms import Alarm
from tocsin.domain.ledger import Answer, Delivery, DeliveryFilter, Push, SourceFigures
from tocsin.domain.ledger_trace import INTERNAL, WITHOUT_ANSWER
from tocsin.domain.signals import NO_ANSWER, Copy
from tocsin.storage.alarms import alarm_of
from tocsin.storage.bulk import Bulk
from tocsin.storage.scope import within
from tocsin.storage.signals import is_loud, signal_device
from tocsin.storage.tables_alarms import alarms, signals
from tocsin.storage.tables_ledger import alarm_pushes, signal_answers, signal_copies
from tocsin.storage.tables_people import users
from tocsin.storage.tables_quarantine import signal_readings
from tocsin.storage.tables_registry import devices

_events = msgspec.json.Decoder(tuple[NormalEvent, ...])
_copy_answers = signal_answers.alias("copy_answers")
_first_of_copies = (
    select(func.min(_copy_answers.c.at_us))
    .select_from(signal_copies.join(_copy_answers, _copy_answers.c.arrival_id == signal_copies.c.id))
    .where(signal_copies.c.signal_id == signals.c.id)
    .correlate(signals)
    .scalar_subquery()
)
_ANSWERED = case(
    (signals.c.copies > literal_column("1"), func.coalesce(signal_answers.c.at_us, _first_of_copies)),
    else_=signal_answers.c.at_us,
)
_FROM = (
    signals.outerjoin(signal_answers, signal_answers.c.arrival_id == signals.c.id)
    .outerjoin(signal_readings, signal_readings.c.signal_id == signals.c.id)
    .outerjoin(devices, devices.c.id == signal_device)
)
_IS_ASKED = and_(
    signals.c.protocol.not_in(WITHOUT_ANSWER),
    signals.c.transport != INTERNAL,
    signals.c.flags.not_like(f'%"{NO_ANSWER}"%'),
    signals.c.committed_at_us.is_not(None),  # what came before the ledger was kept has no answers in it
)


class LedgerRepository:
    """Answers, repetitions and pushes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- writing ---

    def add_answers(self, rows: Sequence[Answer]) -> None:
        """Keep when answers left; the first of an arrival stays."""
        _ADD_ANSWERS.run(self._connection, rows)

    def add_pushes(self, rows: Sequence[Push]) -> None:
        """Keep when alarms were told; the first time stays."""
        _ADD_PUSHES.run(self._connection, rows)

    def add_copies(self, copies: Sequence[Copy]) -> None:
        """Keep arrivals after the first."""
        _ADD_COPIES.run(
            self._connection,
            [
                (one.id, one.signal_id, to_us(one.received_at), to_us(one.committed_at), one.transport, one.peer)
                for one in copies
            ],
        )

    # --- one signal ---

    def copies(self, signal_id: str, limit: int = 100) -> list[Copy]:
        """Return the repetitions of a signal, oldest first."""
        rows = self._connection.execute(
            select(signal_copies)
            .where(signal_copies.c.signal_id == signal_id)
            .order_by(signal_copies.c.received_at_us, signal_copies.c.id)
            .limit(limit)
        )
        return [
            Copy(
                row.id,
                row.signal_id,
                from_us(row.received_at_us),
                from_us(row.committed_at_us),
                row.transport,
                row.peer,
            )
            for row in rows
        ]

    def answers(self, arrival_ids: Collection[str]) -> dict[str, datetime]:
        """Return when these arrivals were answered."""
        rows = self._connection.execute(
            select(signal_answers).where(signal_answers.c.arrival_id.in_(sorted(arrival_ids)))
        )
        return {row.arrival_id: from_us(row.at_us) for row in rows}

    def pushes(self, alarm_ids: Collection[str]) -> dict[str, tuple[datetime, int]]:
        """Return when consoles were told of these alarms, and how many."""
        rows = self._connection.execute(select(alarm_pushes).where(alarm_pushes.c.alarm_id.in_(sorted(alarm_ids))))
        return {row.alarm_id: (from_us(row.at_us), row.consoles) for row in rows}

    def alarms(self, signal_id: str, *, visible_to: Scope, limit: int) -> list[Alarm]:
        """Return the alarms a signal raised, oldest first."""
        rows = self._connection.execute(
            select(alarms)
            .where(alarms.c.signal_id == signal_id, within(alarms.c.jurisdiction_code, visible_to, alarms.c.id))
            .order_by(alarms.c.id)
            .limit(limit)
        )
        return [alarm_of(row) for row in rows]

    def people(self, user_ids: Collection[str]) -> dict[str, str]:
        """Return what users are called."""
        rows = self._connection.execute(select(users.c.id, users.c.name).where(users.c.id.in_(sorted(set(user_ids)))))
        return {row.id: row.name for row in rows}

    # --- lists ---

    def find(self, wanted: DeliveryFilter, *, visible_to: Scope, limit: int) -> list[Delivery]:
        """Return deliveries newest first."""
        query = select(
            signals.c.id,
            signals.c.protocol,
            signals.c.transport,
            signals.c.peer,
            signals.c.account,
            signals.c.received_at_us,
            signals.c.committed_at_us,
            signals.c.copies,
            signals.c.state,
            signals.c.quarantine,
            signals.c.events,
            signal_device.label("source_id"),
            devices.c.name,
            devices.c.name_en,
            _ANSWERED.label("answered_at_us"),
        ).select_from(_FROM)
        query = query.where(*_clauses(wanted, visible_to))
        if wanted.before is not None:
            at_us, signal_id = wanted.before
            column = signals.c.received_at_us
            query = query.where((column < at_us) | ((column == at_us) & (signals.c.id < signal_id)))
        query = query.order_by(signals.c.received_at_us.desc(), signals.c.id.desc()).limit(limit)
        return [_delivery(row) for row in self._connection.execute(query)]

    def sources(self, wanted: DeliveryFilter, *, visible_to: Scope, limit: int = 500) -> list[SourceFigures]:
        """Return figures of every source that has deliveries in the time, those with the most trouble first."""
        took_us = _ANSWERED - signals.c.received_at_us
        is_unanswered, is_slow = _unanswered(wanted), _slow(wanted)
        unanswered = func.sum(case((is_unanswered, 1), else_=0))
        slow = func.sum(case((is_slow, 1), else_=0))
        account = func.max(signals.c.account)
        key = func.coalesce(signal_device, signals.c.account)
        query = (
            select(
                signal_device.label("source_id"),
                func.max(devices.c.name).label("name"),
                func.max(devices.c.name_en).label("name_en"),
                signals.c.protocol,
                account.label("account"),
                func.count().label("deliveries"),
                unanswered.label("unanswered"),
                slow.label("slow"),
                func.sum(signals.c.copies - 1).label("repetitions"),
                func.max(took_us).label("longest_us"),
                func.avg(took_us).label("mean_us"),
            )
            .select_from(_FROM)
            .where(*_time_and_source(wanted, visible_to))
            .group_by(signals.c.protocol, signal_device, key)
            .order_by(unanswered.desc(), slow.desc(), func.max(took_us).desc(), account)
            .limit(limit)
        )
        if wanted.which in ("late", "unanswered", "slow"):
            query = query.having(_trouble(wanted.which, unanswered, slow))
        return [
            SourceFigures(
                row.source_id or "",
                row.name or "",
                row.name_en or "",
                row.protocol,
                row.account,
                row.deliveries,
                int(row.unanswered),
                int(row.slow),
                int(row.repetitions),
                None if row.longest_us is None else float(row.longest_us) / 1000,
                None if row.mean_us is None else round(float(row.mean_us) / 1000, 3),
            )
            for row in self._connection.execute(query)
        ]


_ADD_ANSWERS = Bulk.into_new(signal_answers, ("arrival_id", "at_us"))
_ADD_PUSHES = Bulk.into_new(alarm_pushes, ("alarm_id", "at_us", "consoles"))
_ADD_COPIES = Bulk.into(signal_copies, ("id", "signal_id", "received_at_us", "committed_at_us", "transport", "peer"))


def _unanswered(wanted: DeliveryFilter) -> ColumnElement[bool]:
    return and_(_IS_ASKED, _ANSWERED.is_(None), signals.c.received_at_us < to_us(wanted.settled_before))


def _slow(wanted: DeliveryFilter) -> ColumnElement[bool]:
    return _ANSWERED - signals.c.received_at_us > wanted.over_ms * 1000


def _trouble(which: str, unanswered: ColumnElement[Any], slow: ColumnElement[Any]) -> ColumnElement[bool]:
    if which == "late":
        return or_(unanswered > 0, slow > 0)
    return (unanswered if which == "unanswered" else slow) > 0


def _time_and_source(wanted: DeliveryFilter, visible_to: Scope) -> list[ColumnElement[bool]]:
    known = within(devices.c.jurisdiction_code, visible_to)
    clauses: list[ColumnElement[bool]] = [
        signals.c.received_at_us >= to_us(wanted.received_from),
        signals.c.received_at_us < to_us(wanted.received_to),
        or_(known, signal_device.is_(None)) if visible_to.includes_house else known,
    ]
    if wanted.device_id:
        clauses.append(signal_device == wanted.device_id)
    if wanted.account:
        clauses.append(signals.c.account == wanted.account)
    if wanted.protocol:
        clauses.append(signals.c.protocol == wanted.protocol)
    if wanted.without_silent:
        clauses.append(is_loud)
    return clauses


def _clauses(wanted: DeliveryFilter, visible_to: Scope) -> list[ColumnElement[bool]]:
    clauses = _time_and_source(wanted, visible_to)
    if wanted.which == "late":
        clauses.append(or_(_unanswered(wanted), _slow(wanted)))
    elif wanted.which == "unanswered":
        clauses.append(_unanswered(wanted))
    elif wanted.which == "slow":
        clauses.append(_slow(wanted))
    return clauses


def _delivery(row: Any) -> Delivery:
    event = next(iter(_events.decode(row.events)), None)
    return Delivery(
        row.id,
        row.source_id or "",
        row.name or "",
        row.name_en or "",
        row.protocol,
        row.transport,
        row.peer,
        row.account,
        from_us(row.received_at_us),
        optional_from_us(row.committed_at_us),
        optional_from_us(row.answered_at_us),
        row.copies,
        row.state,
        row.quarantine,
        event.label_en if event is not None else "",
        event.label_zh if event is not None else "",
    )
