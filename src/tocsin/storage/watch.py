"""Hours of premises, what is known of them, holidays and permits to be on test, as rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, delete, func, insert, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.permits import Permit
from tocsin.domain.schedules import DayException, Finding, Hours, Schedule, ScheduleState
from tocsin.domain.signals import StoredSignal
from tocsin.storage.bulk import Question
from tocsin.storage.scope import within
from tocsin.storage.signals import stored_signal
from tocsin.storage.tables_alarms import signals
from tocsin.storage.tables_registry import device_faults, devices
from tocsin.storage.tables_watch import holidays, permits, schedule_exceptions, schedule_states, schedules

_encode = msgspec.json.Encoder().encode
_weekly = msgspec.json.Decoder(dict[int, tuple[Hours, ...]])
_hours = msgspec.json.Decoder(tuple[Hours, ...])
_areas = msgspec.json.Decoder(dict[str, bool])
_seen = msgspec.json.Decoder(list[dict[str, Any]])
_texts = msgspec.json.Decoder(tuple[str, ...])
_DEVICE = (
    devices.c.name.label("device_name"),
    devices.c.name_en.label("device_name_en"),
    devices.c.jurisdiction_code,
    devices.c.account,
)


class WatchRepository:
    """Hours and permits. What is listed lies within a scope by its device."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- hours -------------------------------------------------------------------------------------------------------

    def schedules(self, device_id: str = "", schedule_ids: Collection[str] | None = None) -> list[Schedule]:
        """Return the schedules of a device, of these ids, or all, by area and name."""
        query = select(schedules).order_by(schedules.c.device_id, schedules.c.area, schedules.c.name, schedules.c.id)
        exceptions = select(schedule_exceptions).order_by(schedule_exceptions.c.id)
        if device_id:
            query = query.where(schedules.c.device_id == device_id)
            exceptions = exceptions.join(schedules, schedules.c.id == schedule_exceptions.c.schedule_id).where(
                schedules.c.device_id == device_id
            )
        if schedule_ids is not None:
            query = query.where(schedules.c.id.in_(sorted(schedule_ids)))
            exceptions = exceptions.where(schedule_exceptions.c.schedule_id.in_(sorted(schedule_ids)))
        of: dict[str, list[DayException]] = {}
        for row in self._connection.execute(exceptions):
            of.setdefault(row.schedule_id, []).append(_exception(row))
        return [_schedule(row, of.get(row.id, ())) for row in self._connection.execute(query)]

    def schedule(self, schedule_id: str, device_id: str) -> Schedule:
        """Return a schedule of a device. Errors: NOT_FOUND."""
        found = next((one for one in self.schedules(device_id) if one.id == schedule_id), None)
        if found is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no schedule {schedule_id}")
        return found

    def has_schedule(self, schedule_id: str) -> bool:
        """Say whether a schedule of that id is there, of whatever device."""
        query = select(schedules.c.id).where(schedules.c.id == schedule_id)
        return self._connection.execute(query).first() is not None

    def add_schedule(self, schedule: Schedule, at: datetime, by: str) -> None:
        """Add a schedule."""
        self._connection.execute(insert(schedules).values(**_values(schedule, at, by)))

    def save_schedule(self, schedule: Schedule, at: datetime, by: str) -> None:
        """Write a schedule whose `version` is the next. Errors: CONFLICT when stale."""
        values = _values(schedule, at, by)
        result = self._connection.execute(
            update(schedules)
            .where(schedules.c.id == values.pop("id"), schedules.c.version == schedule.version - 1)
            .values(**values)
        )
        if result.rowcount != 1:
            raise TocsinError(ErrorCode.CONFLICT, f"schedule {schedule.id} has changed", key="stale")

    def remove_schedule(self, schedule_id: str) -> None:
        """Remove a schedule with what is known by it."""
        for table in (schedule_states, schedule_exceptions):
            self._connection.execute(delete(table).where(table.c.schedule_id == schedule_id))
        self._connection.execute(delete(schedules).where(schedules.c.id == schedule_id))

    def add_exception(self, schedule_id: str, one: DayException, at: datetime) -> None:
        """Add other hours for some days."""
        self._connection.execute(
            insert(schedule_exceptions).values(
                id=one.id,
                schedule_id=schedule_id,
                day_from=one.day_from.isoformat(),
                day_to=one.day_to.isoformat(),
                hours=_encode(one.hours).decode(),
                reason=one.reason,
                made_at_us=to_us(at),
                made_by=one.made_by,
            )
        )

    def remove_exception(self, exception_id: str) -> None:
        """Take other hours back."""
        self._connection.execute(delete(schedule_exceptions).where(schedule_exceptions.c.id == exception_id))

    def holidays(self) -> dict[date, tuple[str, str]]:
        """Return the holidays of the house with their names."""
        rows = self._connection.execute(select(holidays).order_by(holidays.c.day))
        return {date.fromisoformat(row.day): (row.name, row.name_en) for row in rows}

    def save_holiday(self, day: date, name: str, name_en: str) -> None:
        """Write a holiday."""
        self.remove_holiday(day)
        self._connection.execute(insert(holidays).values(day=day.isoformat(), name=name, name_en=name_en))

    def remove_holiday(self, day: date) -> bool:
        """Remove a holiday; say whether it was there."""
        return self._connection.execute(delete(holidays).where(holidays.c.day == day.isoformat())).rowcount > 0

    # --- what is known by them ---------------------------------------------------------------------------------------

    def states(self, schedule_ids: Collection[str]) -> dict[str, ScheduleState]:
        """Return what is known by schedules."""
        if not schedule_ids:
            return {}
        rows = self._connection.execute(
            select(schedule_states).where(schedule_states.c.schedule_id.in_(sorted(schedule_ids)))
        )
        return {row.schedule_id: _state(row) for row in rows}

    def save_states(self, states: Iterable[ScheduleState]) -> None:
        """Write what is known by schedules."""
        rows = [_state_values(state) for state in states]
        if rows:
            ids = [row["schedule_id"] for row in rows]
            self._connection.execute(delete(schedule_states).where(schedule_states.c.schedule_id.in_(ids)))
            self._connection.execute(insert(schedule_states), rows)

    def has_due(self, now: datetime) -> bool:
        """Say whether a checkpoint is due."""
        [(due_us,)] = _NEXT_DUE.ask(self._connection)
        return due_us is not None and due_us <= to_us(now)

    def due(self, now: datetime, limit: int) -> list[ScheduleState]:
        """Return the states whose checkpoint is due, the longest first."""
        rows = self._connection.execute(
            select(schedule_states)
            .where(schedule_states.c.due_at_us <= to_us(now))
            .order_by(schedule_states.c.due_at_us)
            .limit(limit)
        )
        return [_state(row) for row in rows]

    def waiting(self) -> list[ScheduleState]:
        """Return the states that have a checkpoint before them."""
        rows = self._connection.execute(select(schedule_states).where(schedule_states.c.due_at_us.is_not(None)))
        return [_state(row) for row in rows]

    def late(
        self, *, visible_to: Scope, after: str = "", limit: int = 100
    ) -> list[tuple[Schedule, ScheduleState, dict[str, str]]]:
        """Return what is late to open or to close now, with its device, by schedule id."""
        query = (
            select(schedules, schedule_states, *_DEVICE)
            .join(schedule_states, schedule_states.c.schedule_id == schedules.c.id)
            .join(devices, devices.c.id == schedules.c.device_id)
            .where(schedule_states.c.late != "", within(devices.c.jurisdiction_code, visible_to))
            .where(schedules.c.id > after, devices.c.retired_at_us.is_(None))
            .order_by(schedules.c.id)
            .limit(limit)
        )
        return [(_schedule(row, ()), _state(row), _device(row)) for row in self._connection.execute(query)]

    def labels(self, device_ids: Collection[str]) -> dict[str, str]:
        """Return what devices are known by on the wire, else their name."""
        rows = self._connection.execute(
            select(devices.c.id, devices.c.account, devices.c.name).where(devices.c.id.in_(sorted(device_ids)))
        )
        return {row.id: row.account or row.name[:64] for row in rows}

    def code_of(self, device_id: str) -> str:
        """Return the division code of a device; empty when it is not there."""
        query = select(devices.c.jurisdiction_code).where(devices.c.id == device_id)
        return self._connection.execute(query).scalar() or ""

    # --- tests -------------------------------------------------------------------------------------------------------

    def late_tests(
        self, now: datetime, *, visible_to: Scope, after: str = "", limit: int = 100
    ) -> list[dict[str, Any]]:
        """Return devices whose periodic test is overdue, by id; one that was never tested once supervision says so."""
        overdue = select(device_faults.c.device_id).where(
            device_faults.c.key == "test.late", device_faults.c.closed_at_us.is_(None)
        )
        due_us = devices.c.last_test_at_us + devices.c.test_interval_s * 1_000_000
        query = (
            select(devices.c.id, devices.c.last_test_at_us, devices.c.test_interval_s, *_DEVICE)
            .where(
                devices.c.test_interval_s > 0,
                devices.c.retired_at_us.is_(None),
                (due_us < to_us(now)) | devices.c.id.in_(overdue),
                within(devices.c.jurisdiction_code, visible_to),
                devices.c.id > after,
            )
            .order_by(devices.c.id)
            .limit(limit)
        )
        return [
            {**_device(row), "device_id": row.id, "last_us": row.last_test_at_us, "interval_s": row.test_interval_s}
            for row in self._connection.execute(query)
        ]

    def test_events(self, device_id: str, limit: int) -> list[tuple[str, int, str]]:
        """Return (signal id, received at in us, events as JSON) of the newest signals of a device that hold a test."""
        rows = self._connection.execute(
            select(signals.c.id, signals.c.received_at_us, signals.c.events)
            .where(signals.c.device_id == device_id, signals.c.events.contains('"test"'))
            .order_by(signals.c.id.desc())
            .limit(limit)
        )
        return [(row.id, row.received_at_us, row.events) for row in rows]

    def signals_since(self, device_id: str, received_from: datetime, limit: int) -> list[StoredSignal]:
        """Return those of the newest signals of a device that were received since a time, oldest first."""
        newest = (
            select(signals)
            .where(signals.c.device_id == device_id)
            .order_by(signals.c.id.desc())
            .limit(limit)
            .subquery()
        )
        rows = self._connection.execute(
            select(newest).where(newest.c.received_at_us >= to_us(received_from)).order_by(newest.c.id)
        )
        return [stored_signal(row) for row in rows]

    # --- permits -----------------------------------------------------------------------------------------------------

    def open_permits(self) -> list[Permit]:
        """Return every permit that has not ended."""
        rows = self._connection.execute(select(permits).where(permits.c.ended_at_us.is_(None)).order_by(permits.c.id))
        return [_permit(row) for row in rows]

    def has_due_permit(self, now: datetime) -> bool:
        """Say whether the time of a permit is over."""
        [(until_us,)] = _NEXT_END.ask(self._connection)
        return until_us is not None and until_us <= to_us(now)

    def permit(self, permit_id: str, device_id: str) -> Permit:
        """Return a permit of a device. Errors: NOT_FOUND."""
        row = self._connection.execute(
            select(permits).where(permits.c.id == permit_id, permits.c.device_id == device_id)
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no permit {permit_id}")
        return _permit(row)

    def permits_of(self, device_id: str, limit: int = 50) -> list[Permit]:
        """Return the newest permits of a device, newest first."""
        rows = self._connection.execute(
            select(permits).where(permits.c.device_id == device_id).order_by(permits.c.id.desc()).limit(limit)
        )
        return [_permit(row) for row in rows]

    def on_test(
        self, *, visible_to: Scope, device_id: str = "", after: str = "", limit: int = 100
    ) -> list[tuple[Permit, dict[str, str]]]:
        """Return what is on test now with its device, oldest first."""
        query = (
            select(permits, *_DEVICE)
            .join(devices, devices.c.id == permits.c.device_id)
            .where(permits.c.ended_at_us.is_(None), within(devices.c.jurisdiction_code, visible_to))
            .where(permits.c.id > after)
            .order_by(permits.c.id)
            .limit(limit)
        )
        if device_id:
            query = query.where(permits.c.device_id == device_id)
        return [(_permit(row), _device(row)) for row in self._connection.execute(query)]

    def add_permit(self, permit: Permit) -> None:
        """Add a permit."""
        self._connection.execute(insert(permits).values(**_permit_values(permit)))

    def save_permit(self, permit: Permit) -> None:
        """Write a permit whose `version` is the next. Errors: CONFLICT when stale."""
        values = _permit_values(permit)
        result = self._connection.execute(
            update(permits)
            .where(and_(permits.c.id == values.pop("id"), permits.c.version == permit.version - 1))
            .values(**values)
        )
        if result.rowcount != 1:
            raise TocsinError(ErrorCode.CONFLICT, f"permit {permit.id} has changed", key="stale")

    def keep_seen(self, permit_id: str, seen: Sequence[dict[str, object]]) -> None:
        """Write what came of the zones of a test that is over."""
        self._connection.execute(update(permits).where(permits.c.id == permit_id).values(seen=_encode(seen).decode()))

    def seen(self, permit_id: str) -> list[dict[str, object]]:
        """Return what came of the zones of a test that is over."""
        query = select(permits.c.seen).where(permits.c.id == permit_id)
        return _seen.decode(self._connection.execute(query).scalar_one())

    def forget_phones(self, ended_before: datetime) -> int:
        """Delete the telephones of permits that ended before a time; return how many."""
        return self._connection.execute(
            update(permits).where(permits.c.ended_at_us < to_us(ended_before), permits.c.phone != "").values(phone="")
        ).rowcount


_NEXT_DUE = Question(select(func.min(schedule_states.c.due_at_us)))
_NEXT_END = Question(select(func.min(permits.c.until_us)).where(permits.c.ended_at_us.is_(None)))


def _values(schedule: Schedule, at: datetime, by: str) -> dict[str, Any]:
    return {
        "id": schedule.id,
        "device_id": schedule.device_id,
        "area": schedule.area,
        "name": schedule.name,
        "weekly": _encode({day: hours for day, hours in schedule.weekly.items() if hours}).decode(),
        "is_closed_on_holidays": schedule.is_closed_on_holidays,
        "grace_min": schedule.grace_min,
        "users": _encode(schedule.users).decode(),
        "version": schedule.version,
        "changed_at_us": to_us(at),
        "changed_by": by,
    }


def _schedule(row: Row[Any], exceptions: Sequence[DayException]) -> Schedule:
    return Schedule(
        row.id,
        row.device_id,
        row.area,
        row.name,
        _weekly.decode(row.weekly),
        bool(row.is_closed_on_holidays),
        row.grace_min,
        tuple(exceptions),
        row.version,
        _texts.decode(row.users),
    )


def _exception(row: Row[Any]) -> DayException:
    return DayException(
        row.id,
        date.fromisoformat(row.day_from),
        date.fromisoformat(row.day_to),
        _hours.decode(row.hours),
        row.reason,
        row.made_by,
    )


def _state(row: Row[Any]) -> ScheduleState:
    return ScheduleState(
        row.schedule_id,
        from_us(row.judged_to_us),
        _areas.decode(row.areas),
        optional_from_us(row._mapping[schedule_states.c.changed_at_us]),
        optional_from_us(row.opened_at_us),
        optional_from_us(row.told_at_us),
        Finding(row.late) if row.late else None,
        optional_from_us(row.late_since_us),
        optional_from_us(row.next_at_us),
        optional_from_us(row.due_at_us),
    )


def _state_values(state: ScheduleState) -> dict[str, Any]:
    return {
        "schedule_id": state.schedule_id,
        "areas": _encode(dict(state.areas)).decode(),
        "judged_to_us": to_us(state.judged_to),
        "changed_at_us": optional_us(state.changed_at),
        "opened_at_us": optional_us(state.opened_at),
        "told_at_us": optional_us(state.told_at),
        "late": state.late.value if state.late else "",
        "late_since_us": optional_us(state.late_since),
        "next_at_us": optional_us(state.next_at),
        "due_at_us": optional_us(state.due_at),
    }


def _device(row: Any) -> dict[str, str]:
    return {"device_name": row.device_name, "device_name_en": row.device_name_en, "account": row.account or ""}


def _permit_values(permit: Permit) -> dict[str, Any]:
    return {
        "id": permit.id,
        "device_id": permit.device_id,
        "zones": _encode(permit.zones).decode(),
        "life_kinds": _encode(permit.life_kinds).decode(),
        "second": permit.second,
        "owner": permit.owner,
        "phone": permit.phone,
        "reason": permit.reason,
        "begun_at_us": to_us(permit.begun_at),
        "until_us": to_us(permit.until),
        "given_by": permit.given_by,
        "given_name": permit.given_name,
        "ended_at_us": optional_us(permit.ended_at),
        "ended_by": permit.ended_by,
        "how_ended": permit.how_ended,
        "left": _encode(permit.left).decode(),
        "version": permit.version,
    }


def _permit(row: Row[Any]) -> Permit:
    return Permit(
        id=row.id,
        device_id=row.device_id,
        owner=row.owner,
        reason=row.reason,
        begun_at=from_us(row.begun_at_us),
        until=from_us(row.until_us),
        phone=row.phone,
        zones=_texts.decode(row.zones),
        life_kinds=_texts.decode(row.life_kinds),
        second=row.second,
        given_by=row.given_by,
        given_name=row.given_name,
        ended_at=optional_from_us(row.ended_at_us),
        ended_by=row.ended_by,
        how_ended=row.how_ended,
        left=_texts.decode(row.left),
        version=row.version,
    )
