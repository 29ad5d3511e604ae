"""Incidents as rows: loading within a scope, saving against a version, and the questions of timed work."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, and_, or_, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.incident_detail import IncidentFilter
from tocsin.domain.incidents import Incident, IncidentState, PlaceRef, PlanRef, Undo, Verdict
from tocsin.storage.bulk import Bulk
from tocsin.storage.incident_points import POINT_COLUMNS, IncidentPoints, joined_point
from tocsin.storage.incident_work import IncidentWork
from tocsin.storage.scope import within
from tocsin.storage.tables_alarms import alarms, incident_points, incidents
from tocsin.storage.tables_people import users
from tocsin.storage.tables_plans import plans
from tocsin.storage.tables_registry import places, zone_cameras

_encode = msgspec.json.Encoder().encode
_undo = msgspec.json.Decoder(Undo)
_stamps = msgspec.json.Decoder(dict[str, dict[str, str]])

_COLUMNS = select(
    incidents,
    places.c.name.label("place_name"),
    places.c.name_en.label("place_name_en"),
    places.c.address,
    places.c.lon,
    places.c.lat,
    plans.c.name.label("plan_name"),
    plans.c.name_en.label("plan_name_en"),
    users.c.name.label("owner_name"),
    *POINT_COLUMNS,
).select_from(
    incidents.outerjoin(places, places.c.id == incidents.c.place_id)
    .outerjoin(plans, plans.c.id == incidents.c.plan_id)
    .outerjoin(users, users.c.id == incidents.c.owner_id)
    .outerjoin(incident_points, incident_points.c.incident_id == incidents.c.id)
)


class IncidentRepository(IncidentWork, IncidentPoints):
    """Incidents with their place, plan and owner; their steps, units, notes and timestamps come from `IncidentWork`."""

    def get(self, incident_id: str, *, visible_to: Scope) -> Incident:
        """Return one incident. Errors: NOT_FOUND when absent or outside the scope."""
        row = self._connection.execute(
            _COLUMNS.where(incidents.c.id == incident_id).where(
                within(incidents.c.jurisdiction_code, visible_to, incidents.c.id)
            )
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no incident {incident_id}")
        return _incident(row)

    def load(self, incident_ids: Collection[str]) -> dict[str, Incident]:
        """Return incidents by id, for the house's own work: no scope applies."""
        if not incident_ids:
            return {}
        rows = self._connection.execute(_COLUMNS.where(incidents.c.id.in_(sorted(incident_ids))))
        return {row.id: _incident(row) for row in rows}

    def find(self, wanted: IncidentFilter, *, visible_to: Scope, limit: int = 100) -> list[Incident]:
        """Return incidents newest first."""
        query = _COLUMNS.where(within(incidents.c.jurisdiction_code, visible_to, incidents.c.id))
        for clause in _clauses(wanted):
            query = query.where(clause)
        rows = self._connection.execute(query.order_by(incidents.c.id.desc()).limit(limit))
        return [_incident(row) for row in rows]

    def open_at(self, place_ids: Collection[str], device_ids: Collection[str], since: datetime) -> list[Incident]:
        """Return open incidents with an alarm since then: of these places, and of these devices without a place."""
        clauses: list[ColumnElement[bool]] = []
        if place_ids:
            clauses.append(incidents.c.place_id.in_(sorted(place_ids)))
        if device_ids:
            clauses.append(incidents.c.place_id.is_(None) & incidents.c.device_id.in_(sorted(device_ids)))
        found: list[Incident] = []
        for clause in clauses:  # one after the other: each can use the index of open incidents
            rows = self._connection.execute(
                _COLUMNS.where(incidents.c.closed_at_us.is_(None))
                .where(clause)
                .where(incidents.c.last_alarm_at_us >= to_us(since))
                .order_by(incidents.c.id)
            )
            found.extend(_incident(row) for row in rows)
        return found

    def insert_many(self, new: Sequence[Incident]) -> None:
        """Add incidents."""
        _INSERT.run(self._connection, [(i.id, *_values(i).values()) for i in new])

    def save(self, incident: Incident) -> Incident:
        """Write an incident and return it with its new version. Errors: CONFLICT when somebody else wrote first."""
        result = self._connection.execute(
            update(incidents)
            .where(incidents.c.id == incident.id, incidents.c.version == incident.version)
            .values(**{**_values(incident), "version": incident.version + 1})
        )
        if result.rowcount != 1:
            raise TocsinError(ErrorCode.CONFLICT, f"incident {incident.number} has changed", key="stale")
        return replace(incident, version=incident.version + 1)

    def save_grown(self, grown: Sequence[Incident]) -> None:
        """Write incidents that alarms joined, which carry their next version, in one statement."""
        _GROWN.run(self._connection, [_grown_values(incident) for incident in grown])

    def set_stamps(self, changed: Sequence[Incident]) -> None:
        """Write the timestamps in force without a new version: a machine's stamp makes nobody's view of it stale."""
        _STAMPED.run(self._connection, [(i.id, _encode(i.stamps).decode()) for i in changed])

    def set_titles(self, changed: Sequence[Incident]) -> None:
        """Write titles without a new version."""
        _TITLED.run(self._connection, [(i.id, i.title_en, i.title_zh) for i in changed])

    def save_quietly(self, incident: Incident) -> None:
        """Write timestamps, next deadline and announced absence without a new version."""
        self._connection.execute(
            update(incidents)
            .where(incidents.c.id == incident.id)
            .values(
                stamps=_encode(incident.stamps).decode(),
                next_deadline_at_us=optional_us(incident.next_deadline_at),
                unattended_at_us=optional_us(incident.unattended_at),
            )
        )

    # --- timed work ---

    def with_expired_lease(self, now: datetime, limit: int = 500) -> list[Incident]:
        """Return open incidents whose owner let the lease run out."""
        return self._open(incidents.c.lease_until_us <= to_us(now), limit)

    def parked_until(self, now: datetime, limit: int = 500) -> list[Incident]:
        """Return parked incidents whose time has come."""
        is_due = and_(incidents.c.state == IncidentState.PARKED.value, incidents.c.parked_until_us <= to_us(now))
        return self._open(is_due, limit)

    def past_deadline(self, now: datetime, limit: int = 500) -> list[Incident]:
        """Return open incidents with a step past its time."""
        return self._open(incidents.c.next_deadline_at_us < to_us(now), limit)

    def unattended(self, opened_before: datetime, priority: int, limit: int = 100) -> list[Incident]:
        """Return incidents of at least that priority that nobody took in hand and nobody was warned of."""
        return self._open(
            and_(
                incidents.c.state == IncidentState.NEW.value,
                incidents.c.priority <= priority,
                incidents.c.opened_at_us <= to_us(opened_before),
                incidents.c.unattended_at_us.is_(None),
            ),
            limit,
        )

    def _open(self, clause: Any, limit: int) -> list[Incident]:
        rows = self._connection.execute(
            _COLUMNS.where(incidents.c.closed_at_us.is_(None)).where(clause).order_by(incidents.c.id).limit(limit)
        )
        return [_incident(row) for row in rows]

    # --- what belongs to it ---

    def linked_channels(self, incident_id: str) -> tuple[str, ...]:
        """Return the cameras that raised its alarms, then those linked to their zones, then those near its point."""
        own = self._connection.execute(
            select(alarms.c.channel_id)
            .where(alarms.c.incident_id == incident_id, alarms.c.channel_id.is_not(None))
            .order_by(alarms.c.id)
        )
        rows = self._connection.execute(
            select(zone_cameras.c.channel_id, zone_cameras.c.rank)
            .where(zone_cameras.c.zone_id.in_(select(alarms.c.zone_id).where(alarms.c.incident_id == incident_id)))
            .order_by(zone_cameras.c.rank, zone_cameras.c.channel_id)
        )
        linked = [row.channel_id for row in (*own, *rows)]
        return tuple(dict.fromkeys((*linked, *self.cameras_at_point(incident_id))))

    def of_channel(self, channel_id: str) -> list[str]:
        """Return the ids of open incidents that show a camera."""
        rows = self._connection.execute(
            select(alarms.c.incident_id)
            .distinct()
            .join(zone_cameras, zone_cameras.c.zone_id == alarms.c.zone_id)
            .join(incidents, incidents.c.id == alarms.c.incident_id)
            .where(zone_cameras.c.channel_id == channel_id, incidents.c.closed_at_us.is_(None))
        )
        own = self._connection.execute(
            select(alarms.c.incident_id)
            .distinct()
            .join(incidents, incidents.c.id == alarms.c.incident_id)
            .where(alarms.c.channel_id == channel_id, incidents.c.closed_at_us.is_(None))
        )
        return list(dict.fromkeys(row.incident_id for row in (*rows, *own)))


def _clauses(wanted: IncidentFilter) -> list[Any]:
    column = incidents.c
    clauses: list[Any] = []
    if wanted.states:
        clauses.append(column.state.in_(wanted.states))
    if wanted.is_open is not None:
        clauses.append(column.closed_at_us.is_(None) if wanted.is_open else column.closed_at_us.is_not(None))
    if wanted.owner_id:
        clauses.append(column.owner_id == wanted.owner_id)
    if wanted.is_unclaimed:
        clauses.append(column.owner_id.is_(None))
    for name in ("place_id", "jurisdiction_id", "verdict", "kind", "disposition"):
        if value := getattr(wanted, name):
            clauses.append(column[name] == value)
    if wanted.device_id:
        clauses.append(column.id.in_(select(alarms.c.incident_id).where(alarms.c.device_id == wanted.device_id)))
    if wanted.priority_at_most is not None:
        clauses.append(column.priority <= wanted.priority_at_most)
    if wanted.opened_from is not None:
        clauses.append(column.opened_at_us >= to_us(wanted.opened_from))
    if wanted.opened_to is not None:
        clauses.append(column.opened_at_us < to_us(wanted.opened_to))
    if wanted.text:
        clauses.append(
            or_(
                column.number.icontains(wanted.text, autoescape=True),
                column.title_en.icontains(wanted.text, autoescape=True),
                column.title_zh.contains(wanted.text, autoescape=True),
            )
        )
    if wanted.before:
        clauses.append(column.id < wanted.before)
    return clauses


_INSERT = Bulk.into(
    incidents,
    (
        "id", "number", "jurisdiction_id", "jurisdiction_code", "place_id", "device_id", "title_en", "title_zh",
        "kind", "priority", "state", "owner_id", "lease_until_us", "verdict", "cause", "disposition",
        "opened_at_us", "last_alarm_at_us", "alarm_count", "parked_until_us", "park_reason", "plan_id",
        "plan_version_no", "next_deadline_at_us", "merged_into_id", "stamps", "undo", "unattended_at_us",
        "closed_at_us", "version",
    ),
)  # fmt: skip
_STAMPED = Bulk.change(incidents.c.id, ("stamps",))
_TITLED = Bulk.change(incidents.c.id, ("title_en", "title_zh"))
_GROWN = Bulk.change(
    incidents.c.id,
    (
        "kind", "priority", "title_en", "title_zh", "state", "last_alarm_at_us", "alarm_count", "parked_until_us",
        "park_reason", "undo", "version",
    ),
)  # fmt: skip


def _grown_values(incident: Incident) -> tuple[Any, ...]:
    return (
        incident.id,
        incident.kind,
        incident.priority,
        incident.title_en,
        incident.title_zh,
        incident.state.value,
        to_us(incident.last_alarm_at),
        incident.alarm_count,
        optional_us(incident.parked_until),
        incident.park_reason,
        "" if incident.undo is None else _encode(incident.undo).decode(),
        incident.version,
    )


def _values(incident: Incident) -> dict[str, object]:
    return {
        "number": incident.number,
        "jurisdiction_id": incident.jurisdiction_id,
        "jurisdiction_code": incident.jurisdiction_code,
        "place_id": incident.place_id,
        "device_id": incident.device_id,
        "title_en": incident.title_en,
        "title_zh": incident.title_zh,
        "kind": incident.kind,
        "priority": incident.priority,
        "state": incident.state.value,
        "owner_id": incident.owner_id,
        "lease_until_us": optional_us(incident.lease_until),
        "verdict": incident.verdict.value,
        "cause": incident.cause,
        "disposition": incident.disposition,
        "opened_at_us": to_us(incident.opened_at),
        "last_alarm_at_us": to_us(incident.last_alarm_at),
        "alarm_count": incident.alarm_count,
        "parked_until_us": optional_us(incident.parked_until),
        "park_reason": incident.park_reason,
        "plan_id": incident.plan_id,
        "plan_version_no": incident.plan_version_no,
        "next_deadline_at_us": optional_us(incident.next_deadline_at),
        "merged_into_id": incident.merged_into_id,
        "stamps": _encode(incident.stamps).decode(),
        "undo": "" if incident.undo is None else _encode(incident.undo).decode(),
        "unattended_at_us": optional_us(incident.unattended_at),
        "closed_at_us": optional_us(incident.closed_at),
        "version": incident.version,
    }


def _incident(row: Row[Any]) -> Incident:
    place = None
    if row.place_id is not None and row.place_name is not None:
        place = PlaceRef(row.place_id, row.place_name, row.place_name_en, row.address, row.lon, row.lat)
    plan = None
    if row.plan_id is not None and row.plan_name is not None:
        plan = PlanRef(row.plan_id, row.plan_name, row.plan_name_en, row.plan_version_no)
    return Incident(
        id=row.id,
        number=row.number,
        jurisdiction_id=row.jurisdiction_id,
        jurisdiction_code=row.jurisdiction_code,
        title_en=row.title_en,
        title_zh=row.title_zh,
        kind=row.kind,
        priority=row.priority,
        opened_at=from_us(row.opened_at_us),
        last_alarm_at=from_us(row.last_alarm_at_us),
        alarm_count=row.alarm_count,
        place_id=row.place_id,
        device_id=row.device_id,
        state=IncidentState(row.state),
        owner_id=row.owner_id,
        owner_name=row.owner_name or "",
        lease_until=optional_from_us(row.lease_until_us),
        verdict=Verdict(row.verdict),
        cause=row.cause,
        disposition=row.disposition,
        parked_until=optional_from_us(row.parked_until_us),
        park_reason=row.park_reason,
        plan_id=row.plan_id,
        plan_version_no=row.plan_version_no,
        next_deadline_at=optional_from_us(row.next_deadline_at_us),
        merged_into_id=row.merged_into_id,
        stamps=_stamps.decode(row.stamps),
        undo=_undo.decode(row.undo) if row.undo else None,
        unattended_at=optional_from_us(row.unattended_at_us),
        closed_at=optional_from_us(row.closed_at_us),
        version=row.version,
        place=place,
        plan=plan,
        point=joined_point(row),
    )
