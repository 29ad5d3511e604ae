"""Imports as rows: what a file did, line by line, until it is taken back or too old for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, to_us
from tocsin.domain.import_keeping import Entered, Kept
from tocsin.storage.bulk import Bulk
from tocsin.storage.channels import chunks
from tocsin.storage.tables_accounts import zone_points
from tocsin.storage.tables_alarms import alarms
from tocsin.storage.tables_imports import import_items, imports
from tocsin.storage.tables_registry import channels, devices, zone_cameras, zones

_encode = msgspec.json.Encoder().encode
_codes = msgspec.json.Decoder(tuple[str, ...])
_object = msgspec.json.Decoder(dict[str, Any])
_KEEP = Bulk.into(import_items, ("import_id", "line", "kind", "act", "subject_id", "version", "before"))
MOST_SHOWN = 200


class ImportRepository:
    """Imports and their lines."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, entered: Entered) -> None:
        """Add an import that begins."""
        self._connection.execute(
            insert(imports).values(
                id=entered.id,
                file=entered.file,
                kind=entered.kind,
                actor_kind=entered.actor_kind,
                actor_id=entered.actor_id,
                codes=_encode(entered.codes).decode(),
                entered_at_us=to_us(entered.entered_at),
                until_us=to_us(entered.until),
            )
        )

    def keep(self, import_id: str, lines: Sequence[Kept]) -> None:
        """Keep what lines did."""
        _KEEP.run(
            self._connection,
            [
                (import_id, one.line, one.kind, one.act, one.subject_id, one.version, _encode(one.before).decode())
                for one in lines
            ],
        )

    def get(self, import_id: str, now: datetime) -> Entered:
        """Return an import that can be taken back. Errors: NOT_FOUND, also when its time is over."""
        row = self._connection.execute(
            _ENTERED.where(imports.c.id == import_id, imports.c.until_us > to_us(now))
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no import {import_id} to take back", key="import.undo_gone")
        return _entered(row)

    def recent(self, now: datetime) -> list[Entered]:
        """Return the imports whose time is not over, newest first."""
        rows = self._connection.execute(
            _ENTERED.where(imports.c.until_us > to_us(now)).order_by(imports.c.id.desc()).limit(MOST_SHOWN)
        )
        return [_entered(row) for row in rows]

    def lines(self, import_id: str, *, before: int, limit: int) -> list[Kept]:
        """Return lines not taken back, the last of the file first, those numbered below `before`."""
        column = import_items.c
        rows = self._connection.execute(
            select(import_items)
            .where(column.import_id == import_id, column.line < before)
            .order_by(column.line.desc())
            .limit(limit)
        )
        return [
            Kept(row.line, row.kind, row.act, row.subject_id, row.version, _object.decode(row.before)) for row in rows
        ]

    def drop(self, import_id: str, lines: Collection[int]) -> None:
        """Forget lines that were taken back, and count them."""
        if not lines:
            return
        column = import_items.c
        self._connection.execute(
            delete(import_items).where(column.import_id == import_id, column.line.in_(sorted(lines)))
        )
        self._connection.execute(
            update(imports).where(imports.c.id == import_id).values(taken_back=imports.c.taken_back + len(lines))
        )

    def trim(self, now: datetime) -> int:
        """Delete imports whose time is over; return how many rows went."""
        over = select(imports.c.id).where(imports.c.until_us <= to_us(now))
        gone = self._connection.execute(delete(import_items).where(import_items.c.import_id.in_(over))).rowcount
        return gone + self._connection.execute(delete(imports).where(imports.c.until_us <= to_us(now))).rowcount

    # --- what else uses the things of an import ---

    def devices_in_use(self, device_ids: Collection[str]) -> set[str]:
        """Return which devices were heard, have channels or have zones."""
        found: set[str] = set()
        for chunk in chunks(device_ids):
            for query in (
                select(devices.c.id).where(devices.c.id.in_(chunk), devices.c.last_seen_at_us.is_not(None)),
                select(channels.c.device_id).where(channels.c.device_id.in_(chunk)),
                select(zones.c.device_id).where(zones.c.device_id.in_(chunk)),
            ):
                found.update(self._connection.execute(query).scalars())
        return found

    def places_in_use(self, place_ids: Collection[str]) -> set[str]:
        """Return at which places devices, cameras or zones in use stand."""
        found: set[str] = set()
        for chunk in chunks(place_ids):
            for query in (
                select(devices.c.place_id).where(devices.c.place_id.in_(chunk), devices.c.retired_at_us.is_(None)),
                select(channels.c.place_id).where(channels.c.place_id.in_(chunk), channels.c.stage != "retired"),
                select(zones.c.place_id).where(zones.c.place_id.in_(chunk)),
            ):
                found.update(one for one in self._connection.execute(query).scalars() if one)
        return found

    def zones_in_use(self, zone_ids: Collection[str]) -> set[str]:
        """Return from which zones alarms have come."""
        found: set[str] = set()
        for chunk in chunks(zone_ids):
            query = select(alarms.c.zone_id).where(alarms.c.zone_id.in_(chunk)).distinct()
            found.update(one for one in self._connection.execute(query).scalars() if one)
        return found

    def zone_places(self, zone_ids: Collection[str]) -> dict[str, tuple[str, str]]:
        """Return device and number of zones."""
        found: dict[str, tuple[str, str]] = {}
        for chunk in chunks(zone_ids):
            rows = self._connection.execute(
                select(zones.c.id, zones.c.device_id, zones.c.number).where(zones.c.id.in_(chunk))
            )
            found.update((row.id, (row.device_id, row.number)) for row in rows)
        return found

    def remove_zone(self, zone_id: str) -> None:
        """Delete a zone that nothing refers to."""
        self._connection.execute(delete(zone_cameras).where(zone_cameras.c.zone_id == zone_id))
        self._connection.execute(delete(zone_points).where(zone_points.c.zone_id == zone_id))
        self._connection.execute(delete(zones).where(zones.c.id == zone_id))

    def retire_devices(self, device_ids: Collection[str], at: datetime) -> None:
        """Retire devices that were never used, with their secrets."""
        for chunk in chunks(device_ids):
            self._connection.execute(
                update(devices)
                .where(devices.c.id.in_(chunk))
                .values(
                    secret=None,
                    secret_before=None,
                    state="offline",
                    state_since_us=to_us(at),
                    retired_at_us=to_us(at),
                    version=devices.c.version + 1,
                )
            )


_LEFT = (
    select(func.count())
    .select_from(import_items)
    .where(import_items.c.import_id == imports.c.id)
    .scalar_subquery()
    .label("lines")
)
_ENTERED: Select[Any] = select(imports, _LEFT)


def _entered(row: Row[Any]) -> Entered:
    return Entered(
        id=row.id,
        file=row.file,
        kind=row.kind,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        codes=_codes.decode(row.codes),
        entered_at=from_us(row.entered_at_us),
        until=from_us(row.until_us),
        taken_back=row.taken_back,
        lines=int(row.lines),
    )
