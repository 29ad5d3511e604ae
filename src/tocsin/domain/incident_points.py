"""Where an incident is when its own device says so: a terminal whose SOS was pressed, while the incident is open.

Two points are kept of an incident, nothing between them: where the button was pressed, which chooses the cameras, and
where the terminal is now, which chooses the units. Pictures never go along with a terminal (docs/not-built.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from tocsin.base.times import iso
from tocsin.domain.terminals import OLD_AFTER, Position, Report, is_plausible

TOLD_EACH_S: Final = 5
PLACE_WITHIN_M: Final = 1_000.0
CAMERAS_WITHIN_M: Final = 300.0
CAMERAS_MOST: Final = 6
MOVING_FROM_DKMH: Final = 30
"""0.1 km/h. A receiver that stands still shows up to 2 km/h."""

Fix = tuple[int, int, datetime]
"""Degrees x 1e6 (longitude, latitude), and when."""


@dataclass(frozen=True, slots=True)
class NearPlace:
    """The place of the registry nearest to a point, with how far and in which direction the point lies from it."""

    id: str
    name: str
    name_en: str
    address: str
    distance_m: float
    bearing_deg: float

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "name_en": self.name_en,
            "address": self.address,
            "distance_m": round(self.distance_m, 1),
            "bearing_deg": round(self.bearing_deg, 1),
        }


@dataclass(frozen=True, slots=True)
class IncidentPoint:
    """Where a terminal says it is. `has_fix` and `heard_at` are of its newest report, `fix_at` of its newest position.

    Degrees x 1e6 (WGS-84); None while no position is known.
    """

    incident_id: str
    device_id: str
    heard_at: datetime
    has_fix: bool = False
    fix_at: datetime | None = None
    lon_e6: int | None = None
    lat_e6: int | None = None
    speed_dkmh: int = 0
    heading_deg: int = 0
    pressed_lon_e6: int | None = None
    pressed_lat_e6: int | None = None

    @property
    def lon(self) -> float | None:
        """Longitude in degrees."""
        return None if self.lon_e6 is None else self.lon_e6 / 1e6

    @property
    def lat(self) -> float | None:
        """Latitude in degrees."""
        return None if self.lat_e6 is None else self.lat_e6 / 1e6

    @property
    def is_moving(self) -> bool:
        """Whether it moved when its position was taken."""
        return self.speed_dkmh >= MOVING_FROM_DKMH

    def heard(self, report: Report) -> IncidentPoint:
        """Return it after a report. One without a fix keeps the last position; an older upload changes nothing."""
        position = report.position
        fix_at = None if position is None else _moment(position, report)
        if position is None or fix_at is None:
            return self if report.is_batch else replace(self, has_fix=False, heard_at=report.received_at)
        if self.fix_at is not None and (fix_at < self.fix_at or (self.has_fix and fix_at == self.fix_at)):
            return self
        after = replace(
            self,
            heard_at=report.received_at,
            has_fix=True,
            fix_at=fix_at,
            lon_e6=position.lon_e6,
            lat_e6=position.lat_e6,
            speed_dkmh=position.speed_dkmh,
            heading_deg=position.heading_deg,
        )
        if after.pressed_lon_e6 is None:
            return replace(after, pressed_lon_e6=position.lon_e6, pressed_lat_e6=position.lat_e6)
        return after

    def pressed(self, report: Report) -> IncidentPoint:
        """Return it after a report in which the button was pressed anew."""
        if report.position is None:
            return self.heard(report)
        return replace(self, pressed_lon_e6=None, pressed_lat_e6=None).heard(report)

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "device_id": self.device_id,
            "lon": self.lon,
            "lat": self.lat,
            "fix_at": None if self.fix_at is None else iso(self.fix_at),
            "has_fix": self.has_fix,
            "heard_at": iso(self.heard_at),
            "moving": self.is_moving,
            "speed_kmh": self.speed_dkmh / 10,
            "heading_deg": self.heading_deg,
        }


def is_told(before: datetime | None, after: datetime) -> bool:
    """Say whether a newer position is told to the seats: one in five seconds, however densely they come."""
    return before is None or int(before.timestamp()) // TOLD_EACH_S != int(after.timestamp()) // TOLD_EACH_S


def keep_points(
    tx: Any, reports: Sequence[Report], pressed: Mapping[int, str], last: Mapping[str, Fix]
) -> dict[str, bool]:
    """Write where incidents are that the reports are of; return them, and whether seats should hear of each.

    `pressed` names the signals that told of a press, by the place of their report; `last` is where units were last.
    """
    incident_of: dict[str, str] = tx.incidents.of_signals(pressed.values()) if pressed else {}
    known: dict[str, IncidentPoint] = {
        point.incident_id: point for point in tx.incidents.open_points({report.device_id for report in reports})
    }
    points = dict(known)
    of_device: dict[str, set[str]] = {}
    for incident_id, point in known.items():
        of_device.setdefault(point.device_id, set()).add(incident_id)
    for at, report in enumerate(reports):
        mine = incident_of.get(pressed.get(at, ""), "")
        if mine:
            points[mine] = (points.get(mine) or _unheard(mine, report, last)).pressed(report)
            of_device.setdefault(report.device_id, set()).add(mine)
        for incident_id in of_device.get(report.device_id, ()):
            if incident_id != mine:
                points[incident_id] = points[incident_id].heard(report)
    changed = [point for incident_id, point in points.items() if point != known.get(incident_id)]
    tx.incidents.save_points([point for point in changed if point.incident_id in known], is_new=False)
    tx.incidents.save_points([point for point in changed if point.incident_id not in known], is_new=True)
    return {point.incident_id: _is_news(known.get(point.incident_id), point) for point in changed}


def _unheard(incident_id: str, report: Report, last: Mapping[str, Fix]) -> IncidentPoint:
    """Return the point of a new incident before its first report: without a fix, where its unit was last."""
    point = IncidentPoint(incident_id, report.device_id, report.received_at)
    fix = last.get(report.unit_id)
    return (
        point
        if fix is None or report.position is not None
        else replace(point, lon_e6=fix[0], lat_e6=fix[1], fix_at=fix[2])
    )


def _moment(position: Position, report: Report) -> datetime | None:
    """Return when a position was taken; of a live report with a wrong clock, when it came."""
    if is_plausible(position, report.received_at, OLD_AFTER):
        return position.fix_at
    return None if report.is_batch else report.received_at


def _is_news(before: IncidentPoint | None, after: IncidentPoint) -> bool:
    if before is None or before.has_fix != after.has_fix or before.is_moving != after.is_moving:
        return True
    if (before.pressed_lon_e6, before.pressed_lat_e6) != (after.pressed_lon_e6, after.pressed_lat_e6):
        return True
    return after.fix_at is not None and after.fix_at != before.fix_at and is_told(before.fix_at, after.fix_at)
