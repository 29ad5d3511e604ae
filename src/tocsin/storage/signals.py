"""Signals as rows: the evidence, the last frame of each source, and what intake needs to know of devices and zones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, func, literal_column, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import Category, NormalEvent
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.incident_detail import SignalFilter
from tocsin.domain.intake_rules import LastSignal, Origin, PlaceInfo, ZoneInfo
from tocsin.domain.quarantine import EXPLAINED
from tocsin.domain.signals import LATE, Signal, SignalState, StoredSignal
from tocsin.storage.bulk import Bulk, Question
from tocsin.storage.scope import within
from tocsin.storage.tables_alarms import alarms, last_signals, signals
from tocsin.storage.tables_proof import audit, chain
from tocsin.storage.tables_quarantine import signal_readings
from tocsin.storage.tables_registry import devices, jurisdictions, places, zones

_encode = msgspec.json.Encoder().encode
_events = msgspec.json.Decoder(tuple[NormalEvent, ...])
_flags = msgspec.json.Decoder(tuple[str, ...])

_device_home = jurisdictions.alias("device_home")
_place_home = jurisdictions.alias("place_home")
_PLACE_COLUMNS = (
    places.c.id.label("place_id"),
    places.c.jurisdiction_id.label("place_jurisdiction_id"),
    places.c.jurisdiction_code.label("place_code"),
    _place_home.c.short.label("place_short"),
    places.c["class"].label("place_class"),
    places.c.name.label("place_name"),
    places.c.name_en.label("place_name_en"),
    places.c.address,
    places.c.lon,
    places.c.lat,
)
_ORIGINS = select(
    devices.c.id,
    devices.c.name,
    devices.c.name_en,
    devices.c.jurisdiction_id,
    devices.c.jurisdiction_code,
    devices.c.retired_at_us,
    _device_home.c.short,
    *_PLACE_COLUMNS,
).select_from(
    devices.join(_device_home, _device_home.c.id == devices.c.jurisdiction_id)
    .outerjoin(places, places.c.id == devices.c.place_id)
    .outerjoin(_place_home, _place_home.c.id == places.c.jurisdiction_id)
)
_ZONES = select(
    zones.c.id, zones.c.device_id, zones.c.number, zones.c.name, zones.c.name_en, zones.c.kind, *_PLACE_COLUMNS
).select_from(
    zones.outerjoin(places, places.c.id == zones.c.place_id).outerjoin(
        _place_home, _place_home.c.id == places.c.jurisdiction_id
    )
)
# No event of duress in it: those on the premises must not read that somebody asked for help.
_EVENTS = func.coalesce(signal_readings.c.events, signals.c.events)
signal_device = func.coalesce(signal_readings.c.device_id, signals.c.device_id)
is_loud = _EVENTS.not_like(f'%"category":"{Category.DURESS.value}"%')
_LISTED = select(
    signals,
    devices.c.jurisdiction_code,
    signal_readings.c.events.label("read_events"),
    signal_readings.c.device_id.label("read_device_id"),
    signal_readings.c.is_late,
).select_from(
    signals.outerjoin(signal_readings, signal_readings.c.signal_id == signals.c.id).outerjoin(
        devices, devices.c.id == signal_device
    )
)


class SignalRepository:
    """What devices sent. Rows are evidence: only `copies` and `state` ever change."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- intake ---

    def origins(self, device_ids: Collection[str]) -> dict[str, Origin]:
        """Return the devices of these ids with their places."""
        if not device_ids:
            return {}
        rows = self._connection.execute(_ORIGINS.where(devices.c.id.in_(sorted(device_ids))))
        return {
            row.id: Origin(
                row.id,
                row.name,
                row.name_en,
                row.jurisdiction_id,
                row.jurisdiction_code,
                row.short,
                row.retired_at_us is not None,
                _place(row),
            )
            for row in rows
        }

    def zones_of(self, device_ids: Collection[str]) -> dict[tuple[str, str], ZoneInfo]:
        """Return the zones of these devices by (device id, zone number)."""
        if not device_ids:
            return {}
        rows = self._connection.execute(_ZONES.where(zones.c.device_id.in_(sorted(device_ids))))
        return {
            (row.device_id, row.number): ZoneInfo(
                row.id, row.device_id, row.number, row.name, row.name_en, _place(row), row.kind
            )
            for row in rows
        }

    def last_of(self, sources: Collection[str]) -> dict[str, LastSignal]:
        """Return the last event frame of each source that has one."""
        if not sources:
            return {}
        rows = self._connection.execute(
            select(
                last_signals.c.source,
                last_signals.c.dedup_key,
                last_signals.c.signal_id,
                last_signals.c.received_at_us,
                last_signals.c.sent_at_us,
            ).where(last_signals.c.source.in_(sorted(sources)))
        )
        return {
            source: LastSignal(source, key, signal_id, from_us(received_us), optional_from_us(sent_us))
            for source, key, signal_id, received_us, sent_us in rows
        }

    def is_kept(self, signal_id: str) -> bool:
        """Say whether a signal is in the store."""
        return bool(_IS_KEPT.ask(self._connection, signal_id))

    def acts_since(self, seq: int) -> tuple[int, list[tuple[str, str, str]]]:
        """Return the newest audit number, and what was done after `seq` as (action, subject kind, subject id).

        What intake itself does to alarms and signals, by far the most, is left out.
        """
        [(newest,)] = _NEWEST_ACT.ask(self._connection)
        if newest == seq:
            return seq, []
        return newest, [(action, kind, subject) for action, kind, subject in _ACTS.ask(self._connection, seq)]

    def save_last(self, new: Sequence[LastSignal], changed: Sequence[LastSignal]) -> None:
        """Write the last event frame of sources not seen before, and of those known."""
        _INSERT_LAST.run(self._connection, [_last_values(last) for last in new])
        _SAVE_LAST.run(self._connection, [_last_values(last) for last in changed])

    def insert_many(self, new: Sequence[StoredSignal]) -> None:
        """Add signals."""
        _INSERT.run(self._connection, [_values(stored) for stored in new])

    def add_copies(self, copies: Mapping[str, int]) -> None:
        """Count retries of signals already stored."""
        if copies:
            _ADD_COPIES.run(self._connection, list(copies.items()))

    def set_state(self, signal_ids: Collection[str], state: SignalState) -> None:
        """Note what became of signals."""
        if signal_ids:
            self._connection.execute(
                update(signals).where(signals.c.id.in_(sorted(signal_ids))).values(state=state.value)
            )

    # --- reading ---

    def unprocessed(self, limit: int = 500) -> list[StoredSignal]:
        """Return signals for which the rules failed, oldest first."""
        rows = self._connection.execute(
            select(signals)
            .where(
                signals.c.state != literal_column("'processed'"),
                signals.c.state == SignalState.UNPROCESSED.value,
            )
            .order_by(signals.c.id)
            .limit(limit)
        )
        return [stored_signal(row) for row in rows]

    def load(self, signal_ids: Collection[str]) -> list[StoredSignal]:
        """Return signals by id, oldest first, for the house's own work."""
        if not signal_ids:
            return []
        rows = self._connection.execute(
            select(signals).where(signals.c.id.in_(sorted(signal_ids))).order_by(signals.c.id)
        )
        return [stored_signal(row) for row in rows]

    def get(self, signal_id: str, *, visible_to: Scope, without_silent: bool = False) -> StoredSignal:
        """Return one signal. Errors: NOT_FOUND when absent, outside the scope, or silent and those are left out."""
        query = _LISTED.where(signals.c.id == signal_id).where(self._within(visible_to))
        row = self._connection.execute(query.where(is_loud) if without_silent else query).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no signal {signal_id}")
        return stored_signal(row)

    def find(self, wanted: SignalFilter, *, visible_to: Scope, limit: int = 100) -> list[StoredSignal]:
        """Return signals newest last, unless asked the other way; one of an unknown account belongs to the house."""
        column = signals.c
        query = _LISTED.where(self._within(visible_to))
        if wanted.device_id:
            query = query.where(
                (column.device_id == wanted.device_id)
                | column.id.in_(
                    select(signal_readings.c.signal_id).where(signal_readings.c.device_id == wanted.device_id)
                )
            )
        if wanted.protocol:
            query = query.where(column.protocol == wanted.protocol)
        if wanted.reason:
            query = query.where(column.quarantine == wanted.reason)
        if wanted.code:
            query = query.where(column.events.contains(_encode(wanted.code).decode(), autoescape=True))
        if wanted.account:
            query = query.where(column.account == wanted.account)
        if wanted.state:
            query = query.where(column.state == wanted.state)
            if wanted.state != SignalState.PROCESSED:  # as the partial index on states has it
                query = query.where(column.state != literal_column("'processed'"))
        if wanted.without_silent:
            query = query.where(is_loud)
        if wanted.received_from is not None:
            query = query.where(column.received_at_us >= to_us(wanted.received_from))
        if wanted.received_to is not None:
            query = query.where(column.received_at_us < to_us(wanted.received_to))
        if wanted.after:
            query = query.where(column.id < wanted.after if wanted.newest_first else column.id > wanted.after)
        order = column.id.desc() if wanted.newest_first else column.id
        return [stored_signal(row) for row in self._connection.execute(query.order_by(order).limit(limit))]

    def alarm_ids(self, signal_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return the alarms each signal raised."""
        found: dict[str, tuple[str, ...]] = {}
        if signal_ids:
            rows = self._connection.execute(
                select(alarms.c.signal_id, alarms.c.id)
                .where(alarms.c.signal_id.in_(sorted(signal_ids)))
                .order_by(alarms.c.id)
            )
            for signal_id, alarm_id in rows:
                found[signal_id] = (*found.get(signal_id, ()), alarm_id)
        return found

    def _within(self, visible_to: Scope) -> Any:
        known = within(devices.c.jurisdiction_code, visible_to)
        return known | signals.c.device_id.is_(None) if visible_to.includes_house else known


_INSERT = Bulk.into(
    signals,
    (
        "id", "protocol", "transport", "peer", "account", "device_id", "token", "received_at_us", "sent_at_us",
        "committed_at_us", "raw",
        "encrypted", "copies", "quarantine", "flags", "events", "state",
    ),
)  # fmt: skip
_INSERT_LAST = Bulk.into(last_signals, ("source", "dedup_key", "signal_id", "received_at_us", "sent_at_us"))
_SAVE_LAST = Bulk.change(last_signals.c.source, ("dedup_key", "signal_id", "received_at_us", "sent_at_us"))
_ADD_COPIES = Bulk(
    update(signals).where(signals.c.id == bindparam("b_id")).values(copies=signals.c.copies + bindparam("b_count")),
    ("b_id", "b_count"),
)
_IS_KEPT = Question(select(signals.c.id).where(signals.c.id == bindparam("b_id")), ("b_id",))
_NEWEST_ACT = Question(select(chain.c.audit_seq).where(chain.c.id == literal_column("1")))
_ACTS = Question(
    select(audit.c.action, audit.c.subject_kind, audit.c.subject_id)
    .where(
        audit.c.seq > bindparam("b_seq"),
        audit.c.subject_kind.not_in([literal_column("'alarm'"), literal_column("'signal'")]),
    )
    .order_by(audit.c.seq),
    ("b_seq",),
)


def _place(row: Any) -> PlaceInfo | None:
    if row.place_id is None:
        return None
    return PlaceInfo(
        row.place_id,
        row.place_jurisdiction_id,
        row.place_code,
        row.place_short,
        row.place_class,
        row.place_name,
        row.place_name_en,
        row.address,
        row.lon,
        row.lat,
    )


def _last_values(last: LastSignal) -> tuple[Any, ...]:
    return last.source, last.dedup_key, last.signal_id, to_us(last.received_at), optional_us(last.sent_at)


def _values(stored: StoredSignal) -> tuple[Any, ...]:
    signal = stored.signal
    return (
        stored.id,
        signal.protocol,
        signal.transport,
        signal.peer,
        signal.account,
        signal.device_id,
        signal.token,
        to_us(signal.received_at),
        optional_us(signal.sent_at),
        optional_us(stored.committed_at),
        signal.raw,
        signal.encrypted,
        stored.copies,
        signal.quarantine,
        _encode(signal.flags).decode() if signal.flags else "[]",
        _encode(signal.events).decode(),
        stored.state.value,
    )


def stored_signal(row: Row[Any]) -> StoredSignal:
    """Return a signal as kept, or as a repair reads it where the query has that beside it."""
    reading = getattr(row, "read_events", None)
    flags = _flags.decode(row.flags)
    if reading is not None:
        flags = (*flags, EXPLAINED, *((LATE,) if row.is_late else ()))
    signal = Signal(
        protocol=row.protocol,
        transport=row.transport,
        peer=row.peer,
        account=row.account,
        raw=bytes(row.raw),
        received_at=from_us(row.received_at_us),
        device_id=row.device_id if reading is None else row.read_device_id,
        token=row.token,
        sent_at=optional_from_us(row.sent_at_us),
        events=_events.decode(row.events if reading is None else reading),
        quarantine=row.quarantine if reading is None else "",
        flags=flags,
        encrypted=bool(row.encrypted),
    )
    return StoredSignal(row.id, signal, SignalState(row.state), row.copies, optional_from_us(row.committed_at_us))
