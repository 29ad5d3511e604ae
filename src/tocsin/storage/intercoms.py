"""Calls of door intercoms as rows, and which intercoms were registered."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.intercom_calls import Binding, DoorCall
from tocsin.storage.devices import DeviceRepository
from tocsin.storage.scope import within
from tocsin.storage.tables_alarms import alarms
from tocsin.storage.tables_intercoms import intercom_calls
from tocsin.storage.tables_people import users
from tocsin.storage.tables_registry import devices

_CALLS = (
    select(
        intercom_calls,
        users.c.name.label("answerer"),
        devices.c.name,
        devices.c.name_en,
        devices.c.place_id,
        devices.c.settings,
    )
    .join(devices, devices.c.id == intercom_calls.c.device_id)
    .outerjoin(users, users.c.id == intercom_calls.c.answered_by)
)


class IntercomRepository:
    """Calls from the ring to the end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def load(self, call_ids: Collection[str]) -> dict[str, DoorCall]:
        """Return calls by id, for the house's own work: no scope applies."""
        return {call.id: call for call in self._find(intercom_calls.c.id.in_(sorted(call_ids)))} if call_ids else {}

    def get(self, call_id: str, *, visible_to: Scope) -> DoorCall:
        """Return one call. Errors: NOT_FOUND when absent or outside the scope."""
        found = self._find(intercom_calls.c.id == call_id, within(intercom_calls.c.jurisdiction_code, visible_to))
        if not found:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no call {call_id}")
        return found[0]

    def find(
        self, *, visible_to: Scope, device_id: str = "", state: str = "", before: str = "", limit: int = 100
    ) -> list[DoorCall]:
        """Return calls newest first. `state`: open, missed, sos, or empty for all."""
        column = intercom_calls.c
        clauses: list[ColumnElement[bool]] = [within(column.jurisdiction_code, visible_to)]
        if device_id:
            clauses.append(column.device_id == device_id)
        if before:
            clauses.append(column.id < before)
        if state == "open":
            clauses.append(column.ended_at_us.is_(None))
        elif state == "missed":
            clauses += [column.ended_at_us.is_not(None), column.answered_at_us.is_(None)]
        elif state == "sos":
            clauses.append(column.is_sos)
        return self._find(*clauses, limit=limit)

    def open(self) -> list[DoorCall]:
        """Return the calls that have not ended."""
        return self._find(intercom_calls.c.ended_at_us.is_(None))

    def add(self, call: DoorCall) -> None:
        """Write a call that rings."""
        self._connection.execute(
            insert(intercom_calls).values(
                id=call.id,
                device_id=call.device_id,
                jurisdiction_code=call.jurisdiction_code,
                called=call.called,
                is_sos=call.is_sos,
                has_sound=call.has_sound,
                has_picture=call.has_picture,
                started_at_us=to_us(call.started_at),
                signal_id=call.signal_id,
                **_changing(call),
            )
        )

    def save(self, call: DoorCall) -> None:
        """Write how a call stands."""
        self._connection.execute(update(intercom_calls).where(intercom_calls.c.id == call.id).values(**_changing(call)))

    def incident_of_signal(self, signal_id: str) -> str:
        """Return the incident the alarm of a signal belongs to; empty when it raised none."""
        asked = select(alarms.c.incident_id).where(alarms.c.signal_id == signal_id).limit(1)
        return str(self._connection.execute(asked).scalar() or "")

    def forget(self, before: datetime, limit: int = 1000) -> int:
        """Delete ended calls from before a moment; return how many."""
        old = (
            select(intercom_calls.c.id)
            .where(intercom_calls.c.started_at_us < to_us(before), intercom_calls.c.ended_at_us.is_not(None))
            .limit(limit)
        )
        return self._connection.execute(delete(intercom_calls).where(intercom_calls.c.id.in_(old))).rowcount

    def bindings(self, now: datetime) -> Iterator[Binding]:
        """Yield the intercoms whose registration over UDP has not expired."""
        column = devices.c
        rows = self._connection.execute(
            select(column.id, column.account, column.peer, column.registered_until_us).where(
                column.protocol == "sip",
                column.transport == "udp",
                column.retired_at_us.is_(None),
                column.registered_until_us > to_us(now),
            )
        )
        for row in rows:
            yield Binding(row.id, row.account, row.peer, from_us(row.registered_until_us))

    def _find(self, *clauses: ColumnElement[bool], limit: int = 5000) -> list[DoorCall]:
        rows = self._connection.execute(_CALLS.where(*clauses).order_by(intercom_calls.c.id.desc()).limit(limit)).all()
        registry = DeviceRepository(self._connection)
        cameras: dict[str, tuple[str, ...]] = {}
        for row in rows:
            if row.ended_at_us is None and row.device_id not in cameras:  # past calls show no picture
                linked = (camera for zone in registry.zones(row.device_id) for camera in zone.cameras)
                cameras[row.device_id] = tuple(dict.fromkeys(linked))
        return [_call(row, cameras.get(row.device_id, ())) for row in rows]


def _changing(call: DoorCall) -> dict[str, Any]:
    return {
        "state": call.state,
        "answered_at_us": optional_us(call.answered_at),
        "answered_by": call.answered_by or None,
        "ended_at_us": optional_us(call.ended_at),
        "end_reason": call.end_reason,
        "incident_id": call.incident_id or None,
        "opened": call.opened,
    }


def _call(row: Row[Any], cameras: tuple[str, ...]) -> DoorCall:
    return DoorCall(
        id=row.id,
        device_id=row.device_id,
        jurisdiction_code=row.jurisdiction_code,
        called=row.called,
        is_sos=row.is_sos,
        has_sound=row.has_sound,
        has_picture=row.has_picture,
        started_at=from_us(row.started_at_us),
        state=row.state,
        answered_at=optional_from_us(row.answered_at_us),
        answered_by=row.answered_by or "",
        answerer=row.answerer or "",
        ended_at=optional_from_us(row.ended_at_us),
        end_reason=row.end_reason,
        signal_id=row.signal_id,
        incident_id=row.incident_id or "",
        opened=row.opened,
        name=row.name,
        name_en=row.name_en,
        place_id=row.place_id or "",
        cameras=cameras,
        can_open=row.ended_at_us is None and '"door_code":"' in row.settings and '"door_code":""' not in row.settings,
    )
