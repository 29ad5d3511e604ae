"""Paths of devices, our own silences and outages as rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Row, and_, delete, func, insert, select, tuple_, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.outages import LostDevice, OutageRow
from tocsin.domain.own_silence import Silence
from tocsin.domain.paths import PathState, StoredPath
from tocsin.domain.supervision_causes import Cause, CauseKind, Outage
from tocsin.storage.channels import chunks
from tocsin.storage.scope import within
from tocsin.storage.tables_alarms import alarms
from tocsin.storage.tables_registry import devices
from tocsin.storage.tables_supervision import device_paths, outage_devices, outages, own_silences

CHUNK = 200
_RANK = func.coalesce(outage_devices.c.back_at_us, 0)


class SupervisionRepository:
    """What supervision keeps."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- paths ---

    def paths(self, device_id: str = "") -> dict[str, list[StoredPath]]:
        """Return the paths of all devices in use, or of one, by device."""
        query = select(device_paths).order_by(device_paths.c.device_id, device_paths.c.name)
        if device_id:
            query = query.where(device_paths.c.device_id == device_id)
        found: dict[str, list[StoredPath]] = {}
        for row in self._connection.execute(query):
            found.setdefault(row.device_id, []).append(
                StoredPath(
                    row.device_id,
                    row.name,
                    PathState(row.state),
                    from_us(row.since_us),
                    optional_from_us(row.last_seen_at_us),
                )
            )
        return found

    def keep_paths(self, paths: Sequence[StoredPath]) -> None:
        """Write how paths stand."""
        column = device_paths.c
        for start in range(0, len(paths), CHUNK):
            chunk = paths[start : start + CHUNK]
            keys = [(one.device_id, one.name) for one in chunk]
            self._connection.execute(delete(device_paths).where(tuple_(column.device_id, column.name).in_(keys)))
            self._connection.execute(
                insert(device_paths),
                [
                    {
                        "device_id": one.device_id,
                        "name": one.name,
                        "state": one.state.value,
                        "since_us": to_us(one.since),
                        "last_seen_at_us": optional_us(one.last_seen_at),
                    }
                    for one in chunk
                ],
            )

    # --- our own silences ---

    def silences(self, since: datetime, limit: int = 150) -> list[Silence]:
        """Return our own silences that ended after a moment, the newest of them, in order of time."""
        column = own_silences.c
        rows = self._connection.execute(
            select(own_silences)
            .where(column.ends_at_us >= to_us(since))
            .order_by(column.begins_at_us.desc())
            .limit(limit)
        ).all()
        return [
            Silence(
                from_us(row.begins_at_us), from_us(row.ends_at_us), frozenset(filter(None, row.protocols.split(",")))
            )
            for row in reversed(rows)
        ]

    def add_silences(self, silences: Sequence[Silence]) -> None:
        """Write silences; one that is there already is written anew."""
        column = own_silences.c
        for one in silences:
            key = {"begins_at_us": to_us(one.begins_at), "protocols": ",".join(sorted(one.protocols))}
            self._connection.execute(
                delete(own_silences).where(
                    column.begins_at_us == key["begins_at_us"], column.protocols == key["protocols"]
                )
            )
            self._connection.execute(insert(own_silences).values(**key, ends_at_us=to_us(one.ends_at)))

    def trim(self, silences_before: datetime, outages_before: datetime) -> None:
        """Delete old silences, and outages that ended long ago."""
        self._connection.execute(delete(own_silences).where(own_silences.c.ends_at_us < to_us(silences_before)))
        old = select(outages.c.id).where(outages.c.ended_at_us < to_us(outages_before))
        self._connection.execute(delete(outage_devices).where(outage_devices.c.outage_id.in_(old)))
        self._connection.execute(delete(outages).where(outages.c.ended_at_us < to_us(outages_before)))

    # --- outages ---

    def keep_outage(self, outage: Outage) -> None:
        """Write an outage and those of its devices that changed."""
        if outage.is_new and not outage.is_stored:
            self._connection.execute(
                insert(outages).values(
                    id=outage.id,
                    kind=outage.cause.kind.value,
                    value=outage.cause.value,
                    protocol=outage.cause.protocol,
                    is_slow=outage.cause.is_slow,
                    size=outage.size,
                    device_id=outage.stands,
                    label=outage.label,
                    opened_at_us=to_us(outage.opened_at),
                    ended_at_us=optional_us(outage.ended_at),
                    most=outage.most,
                )
            )
        else:
            self._connection.execute(
                update(outages)
                .where(outages.c.id == outage.id)
                .values(ended_at_us=optional_us(outage.ended_at), most=outage.most)
            )
        column = outage_devices.c
        for chunk in chunks(sorted(outage.changed)):
            self._connection.execute(
                delete(outage_devices).where(column.outage_id == outage.id, column.device_id.in_(chunk))
            )
            self._connection.execute(
                insert(outage_devices),
                [
                    {
                        "outage_id": outage.id,
                        "device_id": device_id,
                        "lost_at_us": to_us(outage.lost[device_id]),
                        "back_at_us": optional_us(outage.back.get(device_id)),
                    }
                    for device_id in chunk
                ],
            )

    def set_signal(self, outage_id: str, signal_id: str) -> None:
        """Write which signal told of an outage."""
        self._connection.execute(update(outages).where(outages.c.id == outage_id).values(signal_id=signal_id))

    def open_outages(self) -> list[Outage]:
        """Return the outages that last, with their devices."""
        rows = self._connection.execute(select(outages).where(outages.c.ended_at_us.is_(None))).all()
        found = []
        for row in rows:
            outage = _outage(row)
            members = self._connection.execute(
                select(outage_devices, devices.c.jurisdiction_code)
                .join(devices, devices.c.id == outage_devices.c.device_id)
                .where(outage_devices.c.outage_id == row.id)
            )
            for member in members:
                outage.lost[member.device_id] = from_us(member.lost_at_us)
                outage.codes.add(member.jurisdiction_code)
                if member.back_at_us is not None:
                    outage.back[member.device_id] = from_us(member.back_at_us)
            found.append(outage)
        return found

    def outage_of(self, incident_id: str) -> OutageRow:
        """Return the outage an incident stands for. Errors: NOT_FOUND."""
        row = self._connection.execute(
            select(outages)
            .join(alarms, alarms.c.signal_id == outages.c.signal_id)
            .where(alarms.c.incident_id == incident_id)
            .order_by(outages.c.opened_at_us.desc())
            .limit(1)
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"incident {incident_id} is no outage")
        lost, back = self._connection.execute(
            select(func.count(), func.count(outage_devices.c.back_at_us)).where(outage_devices.c.outage_id == row.id)
        ).one()
        return OutageRow(
            row.id,
            row.kind,
            row.value,
            row.size,
            from_us(row.opened_at_us),
            optional_from_us(row.ended_at_us),
            int(lost),
            int(back),
            row.most,
        )

    def lost_devices(
        self, outage_id: str, *, visible_to: Scope, after: tuple[int, int, str] | None, limit: int
    ) -> list[LostDevice]:
        """Return the devices of an outage that may be seen: those still away first, the longest lost first."""
        column = outage_devices.c
        keys = (_RANK, column.lost_at_us, column.device_id)
        query = (
            select(
                outage_devices,
                devices.c.name,
                devices.c.name_en,
                devices.c.kind,
                devices.c.account,
                devices.c.gb_id,
                devices.c.jurisdiction_id,
            )
            .join(devices, devices.c.id == column.device_id)
            .where(and_(column.outage_id == outage_id, within(devices.c.jurisdiction_code, visible_to, devices.c.id)))
        )
        if after is not None:
            query = query.where(tuple_(*keys) > tuple_(*after))
        return [
            LostDevice(
                row.device_id,
                row.name,
                row.name_en,
                row.kind,
                row.account or row.gb_id,
                row.jurisdiction_id,
                from_us(row.lost_at_us),
                optional_from_us(row.back_at_us),
                (row.back_at_us or 0, row.lost_at_us, row.device_id),
            )
            for row in self._connection.execute(query.order_by(*keys).limit(limit))
        ]


def _outage(row: Row[tuple[object, ...]]) -> Outage:
    return Outage(
        id=row.id,
        cause=Cause(CauseKind(row.kind), row.value, row.protocol, bool(row.is_slow)),
        opened_at=from_us(row.opened_at_us),
        size=row.size,
        stands=row.device_id,
        label=row.label,
        codes=set(),
        signal_id=row.signal_id,
        most=row.most,
        is_new=not row.signal_id,
        is_stored=True,
    )
