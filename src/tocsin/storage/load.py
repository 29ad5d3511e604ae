"""What the measures of alarm load read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from tocsin.base.times import from_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.alarm_load import LoadAlarm
from tocsin.domain.alarms import zone_key
from tocsin.domain.load_service import Group
from tocsin.storage.scope import within
from tocsin.storage.tables_alarms import alarms, incidents
from tocsin.storage.tables_people import sessions
from tocsin.storage.tables_proof import audit

GROUP_IDS = 500
A_DAY_US = 86_400_000_000  # an incident may be shown a day after its alarm
_detail = msgspec.json.Decoder(dict[str, Any])


class LoadRepository:
    """Alarms, seats and open incidents as measures need them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def alarms(
        self, received_from: datetime, received_to: datetime, *, visible_to: Scope, with_seats: bool = False
    ) -> list[LoadAlarm]:
        """Return the alarms of a time in its order; `with_seats` with the seat that first showed each."""
        rows = self._connection.execute(
            select(
                alarms.c.received_at_us,
                alarms.c.priority,
                alarms.c.device_id,
                alarms.c.zone,
                alarms.c.state,
                alarms.c.incident_id,
            )
            .where(
                alarms.c.received_at_us >= to_us(received_from),
                alarms.c.received_at_us < to_us(received_to),
                within(alarms.c.jurisdiction_code, visible_to, alarms.c.id),
            )
            .order_by(alarms.c.received_at_us)
        ).all()
        seats = self._seats(received_from, received_to) if with_seats else {}
        return [
            LoadAlarm(at_us, priority, device_id or "", zone_key(zone), state == "open", seats.get(incident_id, ""))
            for at_us, priority, device_id, zone, state, incident_id in rows
        ]

    def _seats(self, received_from: datetime, received_to: datetime) -> dict[str, str]:
        """Return the seat that first showed each incident, as the audit keeps it."""
        rows = self._connection.execute(
            select(audit.c.subject_id, audit.c.detail).where(
                audit.c.seq >= self._first_act(to_us(received_from)),
                audit.c.seq < self._first_act(to_us(received_to) + A_DAY_US),
                audit.c.action == "incident.presented",
            )
        )
        return {subject: str(_detail.decode(detail).get("seat", "")) for subject, detail in rows}

    def _first_act(self, at_us: int) -> int:
        """Return the number of the first audit record from a time on: they are numbered in order of time."""
        low, high = 1, int(self._connection.execute(select(func.max(audit.c.seq))).scalar() or 0) + 1
        while low < high:
            middle = (low + high) // 2
            found = self._connection.execute(select(audit.c.at_us).where(audit.c.seq == middle)).scalar()
            if found is not None and found < at_us:
                low = middle + 1
            else:
                high = middle
        return low

    def seats_on_duty(self, now: datetime) -> int:
        """Return at how many seats somebody is signed in and on duty."""
        counted = select(func.count(func.distinct(sessions.c.user_id))).where(
            sessions.c.kind == "cookie",
            sessions.c.on_duty,
            sessions.c.ended_at_us.is_(None),
            sessions.c.expires_at_us > to_us(now),
        )
        return int(self._connection.execute(counted).scalar_one())

    def groups(self, *, visible_to: Scope, limit: int) -> list[Group]:
        """Return open incidents that nobody holds by jurisdiction, kind and priority, the gravest first."""
        column = incidents.c
        rows = self._connection.execute(
            select(
                column.id,
                column.jurisdiction_id,
                column.jurisdiction_code,
                column.kind,
                column.priority,
                column.alarm_count,
                column.opened_at_us,
                column.last_alarm_at_us,
                column.title_en,
                column.title_zh,
            )
            .where(
                column.closed_at_us.is_(None),
                column.owner_id.is_(None),
                column.state.in_(("new", "pending")),
                within(column.jurisdiction_code, visible_to, column.id),
            )
            .order_by(column.opened_at_us)
        )
        found: dict[tuple[str, str, int], list[Any]] = {}
        for row in rows:
            found.setdefault((row.jurisdiction_code, row.kind, row.priority), []).append(row)
        groups = [
            Group(
                of[0].jurisdiction_id,
                code,
                kind,
                priority,
                len(of),
                sum(row.alarm_count for row in of),
                from_us(of[0].opened_at_us),
                from_us(max(row.last_alarm_at_us for row in of)),
                of[0].title_en,
                of[0].title_zh,
                tuple(row.id for row in of[:GROUP_IDS]),
            )
            for (code, kind, priority), of in found.items()
        ]
        groups.sort(key=lambda group: (group.priority, -group.count, group.jurisdiction_code))
        return groups[:limit]
