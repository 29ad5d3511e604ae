"""Where incidents are, as rows; the places and cameras near a point."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, or_, select

from tocsin.base.geo import bearing_deg, distance_m
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.incident_points import (
    CAMERAS_MOST,
    CAMERAS_WITHIN_M,
    PLACE_WITHIN_M,
    IncidentPoint,
    NearPlace,
)
from tocsin.storage.bulk import Bulk
from tocsin.storage.scope import within
from tocsin.storage.tables_alarms import alarms, incident_points, incidents
from tocsin.storage.tables_registry import channels, places

_VALUES = (
    "device_id", "heard_at_us", "has_fix", "fix_at_us", "lon_e6", "lat_e6", "speed_dkmh", "heading_deg",
    "pressed_lon_e6", "pressed_lat_e6",
)  # fmt: skip
_NEW = Bulk.into(incident_points, ("incident_id", *_VALUES))
_CHANGED = Bulk.change(incident_points.c.incident_id, _VALUES)
POINT_COLUMNS = tuple(incident_points.c[name].label(f"point_{name}") for name in ("incident_id", *_VALUES))
_METRES_A_DEGREE = 111_320.0


class IncidentPoints:
    """The points of incidents whose device moves."""

    _connection: Connection

    def of_signals(self, signal_ids: Collection[str]) -> dict[str, str]:
        """Return the incidents that alarms of these signals belong to."""
        rows = self._connection.execute(
            select(alarms.c.signal_id, alarms.c.incident_id).where(
                alarms.c.signal_id.in_(sorted(signal_ids)), alarms.c.incident_id.is_not(None)
            )
        )
        return {row.signal_id: row.incident_id for row in rows}

    def open_points(self, device_ids: Collection[str]) -> list[IncidentPoint]:
        """Return the points of open incidents of these devices."""
        rows = self._connection.execute(
            select(*POINT_COLUMNS)
            .join(incidents, incidents.c.id == incident_points.c.incident_id)
            .where(incident_points.c.device_id.in_(sorted(device_ids)), incidents.c.closed_at_us.is_(None))
        )
        return [_point(row) for row in rows]

    def save_points(self, points: Sequence[IncidentPoint], *, is_new: bool) -> None:
        """Write points."""
        statement = _NEW if is_new else _CHANGED
        statement.run(
            self._connection,
            [
                (
                    one.incident_id,
                    one.device_id,
                    to_us(one.heard_at),
                    one.has_fix,
                    optional_us(one.fix_at),
                    one.lon_e6,
                    one.lat_e6,
                    one.speed_dkmh,
                    one.heading_deg,
                    one.pressed_lon_e6,
                    one.pressed_lat_e6,
                )
                for one in points
            ],
        )

    def nearest_place(self, point: IncidentPoint, *, visible_to: Scope) -> NearPlace | None:
        """Return the place in use that is nearest to a point, within a kilometre."""
        lon, lat = point.lon, point.lat
        if lon is None or lat is None:
            return None
        rows = self._connection.execute(
            select(places.c.id, places.c.name, places.c.name_en, places.c.address, places.c.lon, places.c.lat).where(
                places.c.retired_at_us.is_(None),
                _around(places, lon, lat, PLACE_WITHIN_M),
                within(places.c.jurisdiction_code, visible_to, places.c.id),
            )
        )
        found = min(((distance_m(row.lon, row.lat, lon, lat), row.id, row) for row in rows), default=None)
        if found is None or found[0] > PLACE_WITHIN_M:
            return None
        row = found[2]
        bearing = bearing_deg(row.lon, row.lat, lon, lat)
        return NearPlace(row.id, row.name, row.name_en, row.address, found[0], bearing)

    def cameras_at_point(self, incident_id: str) -> list[str]:
        """Return the cameras in service around where the button was pressed, nearest first, of its jurisdiction.

        They stay the same wherever the terminal goes.
        """
        row = self._connection.execute(
            select(incident_points, incidents.c.jurisdiction_code)
            .join(incidents, incidents.c.id == incident_points.c.incident_id)
            .where(incident_points.c.incident_id == incident_id)
        ).one_or_none()
        if row is None:
            return []
        lon_e6 = row.lon_e6 if row.pressed_lon_e6 is None else row.pressed_lon_e6
        lat_e6 = row.lat_e6 if row.pressed_lat_e6 is None else row.pressed_lat_e6
        if lon_e6 is None or lat_e6 is None:
            return []
        lon, lat = lon_e6 / 1e6, lat_e6 / 1e6
        code = row.jurisdiction_code
        above = [code[:length] for length in range(1, len(code))]
        rows = self._connection.execute(
            select(channels.c.id, channels.c.lon, channels.c.lat).where(
                channels.c.stage == "in_service",
                channels.c.retired_at_us.is_(None),
                _around(channels, lon, lat, CAMERAS_WITHIN_M),
                or_(
                    channels.c.jurisdiction_code.startswith(code, autoescape=True),
                    channels.c.jurisdiction_code.in_(above),
                ),
            )
        )
        near = sorted((distance_m(one.lon, one.lat, lon, lat), one.id) for one in rows)
        return [id for metres, id in near if metres <= CAMERAS_WITHIN_M][:CAMERAS_MOST]


def joined_point(row: Row[Any]) -> IncidentPoint | None:
    """Return the point of a row that was read with `POINT_COLUMNS`."""
    return None if row.point_incident_id is None else _point(row)


def _around(table: Table, lon: float, lat: float, metres: float) -> ColumnElement[bool]:
    """Return the condition of a box around a point."""
    north = metres / _METRES_A_DEGREE
    east = north / max(0.01, math.cos(math.radians(lat)))
    return and_(table.c.lat.between(lat - north, lat + north), table.c.lon.between(lon - east, lon + east))


def _point(row: Row[Any]) -> IncidentPoint:
    return IncidentPoint(
        incident_id=row.point_incident_id,
        device_id=row.point_device_id,
        heard_at=from_us(row.point_heard_at_us),
        has_fix=bool(row.point_has_fix),
        fix_at=optional_from_us(row.point_fix_at_us),
        lon_e6=row.point_lon_e6,
        lat_e6=row.point_lat_e6,
        speed_dkmh=row.point_speed_dkmh,
        heading_deg=row.point_heading_deg,
        pressed_lon_e6=row.point_pressed_lon_e6,
        pressed_lat_e6=row.point_pressed_lat_e6,
    )
