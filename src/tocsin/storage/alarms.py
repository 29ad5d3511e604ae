"""Alarms as rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, literal_column, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.alarms import Alarm, AlarmState
from tocsin.domain.incident_detail import AlarmFilter
from tocsin.storage.bulk import Bulk
from tocsin.storage.scope import within
from tocsin.storage.tables_alarms import alarms
from tocsin.storage.tables_registry import zone_cameras

_IS_OPEN = alarms.c.state == literal_column("'open'")  # written out, so that SQLite uses the index of open alarms


class AlarmRepository:
    """What asked for a decision."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert_many(self, new: Sequence[Alarm]) -> None:
        """Add alarms."""
        _INSERT.run(self._connection, [_values(alarm) for alarm in new])

    def open_of_zones(self, wanted: Collection[tuple[str, str]]) -> list[Alarm]:
        """Return the open alarms of these (device id, zone text as sent) pairs."""
        if not wanted:
            return []
        rows = self._connection.execute(
            select(alarms)
            .where(
                _IS_OPEN,
                alarms.c.device_id.in_(sorted({device_id for device_id, _ in wanted})),
                alarms.c.zone.in_(sorted({zone for _, zone in wanted})),
            )
            .order_by(alarms.c.id)
        )
        return [alarm_of(row) for row in rows if (row.device_id, row.zone) in wanted]

    def id_of_signal(self, signal_id: str) -> str | None:
        """Return the first alarm of a signal; None when it raised none."""
        found = select(alarms.c.id).where(alarms.c.signal_id == signal_id).order_by(alarms.c.id).limit(1)
        alarm_id: str | None = self._connection.execute(found).scalar()
        return alarm_id

    def restore(self, restored: Sequence[Alarm]) -> None:
        """Mark alarms restored at their `restored_at`."""
        _RESTORE.run(
            self._connection, [(a.id, AlarmState.RESTORED.value, optional_us(a.restored_at)) for a in restored]
        )

    def close_of(self, incident_id: str) -> list[Alarm]:
        """Close the alarms of an incident; return those that were not closed yet, as they are now."""
        self._connection.execute(
            update(alarms)
            .where(alarms.c.incident_id == incident_id, alarms.c.state != AlarmState.CLOSED.value)
            .values(state=AlarmState.CLOSED.value)
        )
        return self.of_incident(incident_id)

    def present(self, incident_id: str, at: datetime) -> None:
        """Note when the alarms of an incident were first shown (t4)."""
        self._connection.execute(
            update(alarms)
            .where(alarms.c.incident_id == incident_id, alarms.c.presented_at_us.is_(None))
            .values(presented_at_us=to_us(at))
        )

    def of_incident(self, incident_id: str, limit: int = 1_000) -> list[Alarm]:
        """Return the alarms of an incident, oldest first."""
        rows = self._connection.execute(
            select(alarms).where(alarms.c.incident_id == incident_id).order_by(alarms.c.id).limit(limit)
        )
        return [alarm_of(row) for row in rows]

    def get(self, alarm_id: str, *, visible_to: Scope) -> Alarm:
        """Return one alarm. Errors: NOT_FOUND when absent or outside the scope."""
        row = self._connection.execute(
            select(alarms)
            .where(alarms.c.id == alarm_id)
            .where(within(alarms.c.jurisdiction_code, visible_to, alarms.c.id))
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no alarm {alarm_id}")
        return alarm_of(row)

    def find(self, wanted: AlarmFilter, *, visible_to: Scope, limit: int = 100) -> list[Alarm]:
        """Return alarms newest first."""
        column = alarms.c
        query = select(alarms).where(within(column.jurisdiction_code, visible_to, column.id))
        if wanted.states:
            query = query.where(column.state.in_(wanted.states))
        for name in ("kind", "device_id", "zone_id", "place_id", "incident_id"):
            if value := getattr(wanted, name):
                query = query.where(column[name] == value)
        if wanted.priority_at_most is not None:
            query = query.where(column.priority <= wanted.priority_at_most)
        if wanted.received_from is not None:
            query = query.where(column.received_at_us >= to_us(wanted.received_from))
        if wanted.received_to is not None:
            query = query.where(column.received_at_us < to_us(wanted.received_to))
        if wanted.before:
            query = query.where(column.id < wanted.before)
        return [alarm_of(row) for row in self._connection.execute(query.order_by(column.id.desc()).limit(limit))]

    def of_channel(self, channel_id: str, from_ms: int, to_ms: int, *, visible_to: Scope, limit: int) -> list[Alarm]:
        """Return the newest alarms of a period that a camera raised or whose zones it is linked to, by time."""
        linked = select(zone_cameras.c.zone_id).where(zone_cameras.c.channel_id == channel_id)
        rows = self._connection.execute(
            select(alarms)
            .where(
                alarms.c.received_at_us >= from_ms * 1000,
                alarms.c.received_at_us < to_ms * 1000,
                (alarms.c.channel_id == channel_id) | alarms.c.zone_id.in_(linked),
                within(alarms.c.jurisdiction_code, visible_to, alarms.c.id),
            )
            .order_by(alarms.c.received_at_us.desc())
            .limit(limit)
        )
        return [alarm_of(row) for row in rows][::-1]

    def count_since(self, since: datetime, *, visible_to: Scope) -> int:
        """Return how many alarms came in since a time (the rate meter)."""
        counted = select(func.count()).where(
            alarms.c.received_at_us >= to_us(since), within(alarms.c.jurisdiction_code, visible_to, alarms.c.id)
        )
        return int(self._connection.execute(counted).scalar_one())


_INSERT = Bulk.into(
    alarms,
    (
        "id", "number", "signal_id", "incident_id", "device_id", "zone_id", "place_id", "jurisdiction_id",
        "jurisdiction_code", "kind", "code_system", "code", "priority", "label_en", "label_zh", "area", "zone",
        "text", "state", "occurred_at_us", "received_at_us", "committed_at_us", "restored_at_us",
        "presented_at_us", "channel_id",
    ),
)  # fmt: skip
_RESTORE = Bulk.change(alarms.c.id, ("state", "restored_at_us"))


def _values(alarm: Alarm) -> tuple[Any, ...]:
    return (
        alarm.id,
        alarm.number,
        alarm.signal_id,
        alarm.incident_id,
        alarm.device_id,
        alarm.zone_id,
        alarm.place_id,
        alarm.jurisdiction_id,
        alarm.jurisdiction_code,
        alarm.kind,
        alarm.code_system,
        alarm.code,
        alarm.priority,
        alarm.label_en,
        alarm.label_zh,
        alarm.area,
        alarm.zone,
        alarm.text,
        alarm.state.value,
        optional_us(alarm.occurred_at),
        to_us(alarm.received_at),
        to_us(alarm.committed_at),
        optional_us(alarm.restored_at),
        optional_us(alarm.presented_at),
        alarm.channel_id,
    )


def alarm_of(row: Row[Any]) -> Alarm:
    return Alarm(
        id=row.id,
        number=row.number,
        signal_id=row.signal_id,
        incident_id=row.incident_id,
        device_id=row.device_id,
        zone_id=row.zone_id,
        place_id=row.place_id,
        jurisdiction_id=row.jurisdiction_id,
        jurisdiction_code=row.jurisdiction_code,
        kind=row.kind,
        code_system=row.code_system,
        code=row.code,
        priority=row.priority,
        label_en=row.label_en,
        label_zh=row.label_zh,
        area=row.area,
        zone=row.zone,
        text=row.text,
        state=AlarmState(row.state),
        occurred_at=optional_from_us(row.occurred_at_us),
        received_at=from_us(row.received_at_us),
        committed_at=from_us(row.committed_at_us),
        restored_at=optional_from_us(row.restored_at_us),
        presented_at=optional_from_us(row.presented_at_us),
        channel_id=row.channel_id,
    )
