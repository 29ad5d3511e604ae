"""The quarantine as rows: what waits, repairs, and readings beside signals."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import NormalEvent
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.quarantine import (
    UNKNOWN_CODE,
    UNKNOWN_SENDER,
    Reach,
    Repair,
    RepairKind,
    SignalReading,
    SourceCount,
    model_of,
)
from tocsin.domain.signals import SignalState, StoredSignal
from tocsin.storage.scope import within
from tocsin.storage.signals import stored_signal
from tocsin.storage.tables_alarms import signals
from tocsin.storage.tables_quarantine import signal_readings, signal_repairs
from tocsin.storage.tables_registry import devices, jurisdictions

MAX_SOURCES = 500
_encode = msgspec.json.Encoder().encode
_event = msgspec.json.Decoder(NormalEvent)
_events = msgspec.json.Decoder(tuple[NormalEvent, ...])
# Written as the partial index on states has it, so that it is used.
_WAITS = (signals.c.state != "processed") & (signals.c.state == SignalState.QUARANTINED.value)


class QuarantineRepository:
    """What waits for somebody to say what it means."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def sources(self, *, visible_to: Scope) -> list[SourceCount]:
        """Return how many signals wait, by source and reason, most first."""
        column = signals.c
        group = (column.protocol, column.account, column.device_id, column.quarantine)
        count = func.count().label("waiting")
        query = (
            select(
                *group,
                devices.c.name,
                devices.c.name_en,
                count,
                func.min(column.received_at_us).label("first_us"),
                func.max(column.received_at_us).label("last_us"),
                func.max(column.id).label("newest"),
            )
            .select_from(signals.outerjoin(devices, devices.c.id == column.device_id))
            .where(_WAITS)
            .where(_visible(visible_to))
            .group_by(*group, devices.c.name, devices.c.name_en)
            .order_by(count.desc(), column.account)
            .limit(MAX_SOURCES)
        )
        rows = self._connection.execute(query).all()
        newest = select(column.id, column.events).where(column.id.in_([row.newest for row in rows]))
        examples = {row.id: _events.decode(row.events) for row in self._connection.execute(newest)}
        return [
            SourceCount(
                row.protocol,
                row.account,
                row.device_id or "",
                row.name or "",
                row.name_en or "",
                row.quarantine,
                row.waiting,
                from_us(row.first_us),
                from_us(row.last_us),
                next((e for e in examples[row.newest] if not e.is_known), None),
            )
            for row in rows
        ]

    def waiting(self, repair: Repair, *, after: str, limit: int) -> list[StoredSignal]:
        """Return signals a repair may explain, oldest first."""
        column = signals.c
        query = select(signals).where(_WAITS, column.id > after)
        if repair.kind is RepairKind.ACCOUNT:
            query = query.where(
                column.protocol == repair.protocol,
                column.account == repair.account,
                column.quarantine.in_(sorted(UNKNOWN_SENDER)),
            )
        else:
            query = query.where(
                column.quarantine.in_(sorted(UNKNOWN_CODE)),
                column.events.contains(_encode(repair.code).decode(), autoescape=True),
            )
            if repair.reach == Reach.DEVICE:
                query = query.where(column.device_id == repair.reach_value)
            elif repair.reach == Reach.MODEL:
                query = query.where(column.device_id.in_(self._of_model(repair.reach_value)))
            else:
                query = query.where(column.device_id.is_not(None))
        return [stored_signal(row) for row in self._connection.execute(query.order_by(column.id).limit(limit))]

    def _of_model(self, model: str) -> list[str]:
        rows = self._connection.execute(
            select(devices.c.id, devices.c.maker, devices.c.model).where(
                (devices.c.maker != "") | (devices.c.model != "")
            )
        )
        return [row.id for row in rows if model_of(row.maker, row.model) == model]

    def models(self, device_ids: Collection[str]) -> dict[str, tuple[str, str]]:
        """Return maker and model of devices."""
        rows = self._connection.execute(
            select(devices.c.id, devices.c.maker, devices.c.model).where(devices.c.id.in_(sorted(device_ids)))
        )
        return {row.id: (row.maker, row.model) for row in rows}

    def top_codes(self) -> list[str]:
        """Return the division codes at the top of the tree: who covers them covers the house."""
        rows = self._connection.execute(select(jurisdictions.c.code).where(jurisdictions.c.parent_id.is_(None)))
        return [row.code for row in rows]

    # --- repairs ---

    def meanings(self) -> list[Repair]:
        """Return what codes mean now."""
        rows = self._connection.execute(
            select(signal_repairs).where(
                signal_repairs.c.kind == RepairKind.CODE.value, signal_repairs.c.undone_at_us.is_(None)
            )
        )
        return [_repair(row) for row in rows]

    def is_said(self, repair: Repair) -> bool:
        """Say whether the code has a meaning already for the same reach."""
        column = signal_repairs.c
        query = select(column.id).where(
            column.kind == RepairKind.CODE.value,
            column.code_system == repair.code_system,
            column.code == repair.code,
            column.reach == repair.reach,
            column.reach_value == repair.reach_value,
            column.undone_at_us.is_(None),
        )
        return self._connection.execute(query).first() is not None

    def repairs(self, *, visible_to: Scope, before: str = "", limit: int = 100) -> list[Repair]:
        """Return repairs, newest first."""
        query = select(signal_repairs).where(_of_house_or(visible_to))
        if before:
            query = query.where(signal_repairs.c.id < before)
        return [
            _repair(row) for row in self._connection.execute(query.order_by(signal_repairs.c.id.desc()).limit(limit))
        ]

    def get(self, repair_id: str, *, visible_to: Scope) -> Repair:
        """Return one repair. Errors: NOT_FOUND when absent or outside the scope."""
        row = self._connection.execute(
            select(signal_repairs).where(signal_repairs.c.id == repair_id, _of_house_or(visible_to))
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no repair {repair_id}")
        return _repair(row)

    def add(self, repair: Repair) -> None:
        """Add a repair."""
        self._connection.execute(insert(signal_repairs).values(**_values(repair)))

    def save_counts(self, repair: Repair) -> None:
        """Write how much a repair has read."""
        self._connection.execute(
            update(signal_repairs)
            .where(signal_repairs.c.id == repair.id)
            .values(read_count=repair.read, late_count=repair.late, alarm_count=repair.alarms)
        )

    def set_undone(self, repair: Repair) -> None:
        """Note that a repair was taken back."""
        self._connection.execute(
            update(signal_repairs)
            .where(signal_repairs.c.id == repair.id)
            .values(undone_at_us=optional_us(repair.undone_at), undone_by=repair.undone_by)
        )

    # --- readings ---

    def add_readings(self, readings: Sequence[SignalReading], at: datetime) -> None:
        """Lay readings beside their signals."""
        if readings:
            self._connection.execute(
                insert(signal_readings),
                [
                    {
                        "signal_id": reading.signal_id,
                        "repair_id": reading.repair_id,
                        "device_id": reading.device_id,
                        "events": _encode(reading.events).decode(),
                        "is_late": reading.is_late,
                        "at_us": to_us(at),
                    }
                    for reading in readings
                ],
            )

    def take_readings(self, repair_id: str) -> list[str]:
        """Take the readings of a repair away; return whose they were."""
        of_repair = signal_readings.c.repair_id == repair_id
        ids = list(self._connection.execute(select(signal_readings.c.signal_id).where(of_repair)).scalars())
        self._connection.execute(delete(signal_readings).where(of_repair))
        return ids


def _visible(visible_to: Scope) -> Any:
    known = within(devices.c.jurisdiction_code, visible_to)
    return known | signals.c.device_id.is_(None) if visible_to.includes_house else known


def _of_house_or(visible_to: Scope) -> Any:
    return (signal_repairs.c.jurisdiction_code == "") | within(signal_repairs.c.jurisdiction_code, visible_to)


def _values(repair: Repair) -> dict[str, Any]:
    return {
        "id": repair.id,
        "kind": repair.kind.value,
        "reason": repair.reason,
        "jurisdiction_code": repair.jurisdiction_code,
        "reach": repair.reach,
        "reach_value": repair.reach_value,
        "code_system": repair.code_system,
        "code": repair.code,
        "target": repair.target,
        "event": "" if repair.event is None else _encode(repair.event).decode(),
        "protocol": repair.protocol,
        "account": repair.account,
        "device_id": repair.device_id,
        "created_at_us": optional_us(repair.created_at),
        "created_by": repair.created_by,
        "undone_at_us": optional_us(repair.undone_at),
        "undone_by": repair.undone_by,
        "read_count": repair.read,
        "late_count": repair.late,
        "alarm_count": repair.alarms,
    }


def _repair(row: Row[Any]) -> Repair:
    return Repair(
        id=row.id,
        kind=RepairKind(row.kind),
        reason=row.reason,
        jurisdiction_code=row.jurisdiction_code,
        reach=row.reach,
        reach_value=row.reach_value,
        code_system=row.code_system,
        code=row.code,
        target=row.target,
        event=_event.decode(row.event) if row.event else None,
        protocol=row.protocol,
        account=row.account,
        device_id=row.device_id,
        created_at=from_us(row.created_at_us),
        created_by=row.created_by,
        undone_at=optional_from_us(row.undone_at_us),
        undone_by=row.undone_by,
        read=row.read_count,
        late=row.late_count,
        alarms=row.alarm_count,
    )
