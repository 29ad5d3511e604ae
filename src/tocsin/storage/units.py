"""Units as rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import optional_from_us, optional_us
from tocsin.domain.access import Scope
from tocsin.domain.units import Unit, UnitState
from tocsin.storage.bulk import Bulk
from tocsin.storage.scope import within
from tocsin.storage.tables_plans import units

_MOVE = Bulk.change(units.c.id, ("lon", "lat", "fix_at_us"))


class UnitRepository:
    """Crews that can be sent."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, unit_id: str, *, visible_to: Scope) -> Unit:
        """Return one unit. Errors: NOT_FOUND when absent, retired or outside the scope."""
        row = self._connection.execute(
            select(units)
            .where(units.c.id == unit_id, units.c.retired_at_us.is_(None))
            .where(within(units.c.jurisdiction_code, visible_to, units.c.id))
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no unit {unit_id}")
        return _unit(row)

    def load(self, unit_ids: Collection[str]) -> dict[str, Unit]:
        """Return units by id, for the house's own work."""
        if not unit_ids:
            return {}
        rows = self._connection.execute(select(units).where(units.c.id.in_(sorted(unit_ids))))
        return {row.id: _unit(row) for row in rows}

    def find(self, *, visible_to: Scope, states: Collection[str] = (), after: str = "", limit: int = 500) -> list[Unit]:
        """Return units in the order they were entered; `after` is the cursor, a unit id."""
        query = select(units).where(
            units.c.retired_at_us.is_(None), within(units.c.jurisdiction_code, visible_to, units.c.id)
        )
        if states:
            query = query.where(units.c.state.in_(sorted(states)))
        if after:
            query = query.where(units.c.id > after)
        return [_unit(row) for row in self._connection.execute(query.order_by(units.c.id).limit(limit))]

    def add(self, unit: Unit) -> None:
        """Add a unit."""
        self._connection.execute(insert(units).values(id=unit.id, version=unit.version, **_values(unit)))

    def save(self, unit: Unit) -> Unit:
        """Write a unit and return it with its new version. Errors: CONFLICT when somebody else wrote first."""
        result = self._connection.execute(
            update(units)
            .where(units.c.id == unit.id, units.c.version == unit.version)
            .values(version=unit.version + 1, **_values(unit))
        )
        if result.rowcount != 1:
            raise TocsinError(ErrorCode.CONFLICT, f"unit {unit.id} has changed", key="stale")
        return replace(unit, version=unit.version + 1)

    def save_positions(self, units_: Collection[Unit]) -> None:
        """Write where units are, without new versions."""
        _MOVE.run(self._connection, [(u.id, u.lon, u.lat, optional_us(u.fix_at)) for u in units_])

    def save_position(self, unit: Unit) -> None:
        """Write where a unit is, without a new version: a fix makes nobody's view of it stale."""
        self._connection.execute(
            update(units)
            .where(units.c.id == unit.id)
            .values(lon=unit.lon, lat=unit.lat, fix_at_us=optional_us(unit.fix_at))
        )


def _values(unit: Unit) -> dict[str, object]:
    return {
        "name": unit.name,
        "name_en": unit.name_en,
        "call_sign": unit.call_sign,
        "kind": unit.kind,
        "crew": unit.crew,
        "jurisdiction_id": unit.jurisdiction_id,
        "jurisdiction_code": unit.jurisdiction_code,
        "state": unit.state.value,
        "state_reason": unit.state_reason,
        "state_since_us": optional_us(unit.state_since),
        "lon": unit.lon,
        "lat": unit.lat,
        "fix_at_us": optional_us(unit.fix_at),
        "incident_id": unit.incident_id,
        "on_duty_since_us": optional_us(unit.on_duty_since),
    }


def _unit(row: Row[Any]) -> Unit:
    return Unit(
        id=row.id,
        name=row.name,
        name_en=row.name_en,
        call_sign=row.call_sign,
        kind=row.kind,
        crew=row.crew,
        jurisdiction_id=row.jurisdiction_id,
        jurisdiction_code=row.jurisdiction_code,
        state=UnitState(row.state),
        state_reason=row.state_reason,
        state_since=optional_from_us(row.state_since_us),
        lon=row.lon,
        lat=row.lat,
        fix_at=optional_from_us(row.fix_at_us),
        incident_id=row.incident_id,
        on_duty_since=optional_from_us(row.on_duty_since_us),
        version=row.version,
    )
