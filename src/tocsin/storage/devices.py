"""Devices as rows: what people entered, what was heard, their zones with linked cameras, and their faults."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Row,
    Select,
    String,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.pinyin import search_text
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.devices import Device, Fault, Zone
from tocsin.domain.directory import DirectoryDevice, Heard
from tocsin.storage.bulk import Bulk
from tocsin.storage.channels import ChannelPart, chunks
from tocsin.storage.lists import Keys, Marks, marks_of
from tocsin.storage.places import stale
from tocsin.storage.scope import below, within
from tocsin.storage.search import SearchPart, matches
from tocsin.storage.tables_alarms import signals
from tocsin.storage.tables_registry import channels, device_faults, devices, marks, zone_cameras, zones

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Any])
_profile = msgspec.json.Decoder(dict[str, str])

# Everything but the secrets: those leave the database for the directory alone.
_COLUMNS: Select[Any] = select(
    *(column for column in devices.c if column.name not in ("secret", "secret_before")),
    devices.c.secret.is_not(None).label("is_keyed"),
    devices.c.secret_before.is_not(None).label("is_rolling_over"),
)


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """What a list of devices is narrowed to; empty fields narrow nothing.

    `state` may be `faults`; `order` is one of `lists.ORDERS`, `after` the sort values of the row before.
    """

    kind: str = ""
    state: str = ""
    text: str = ""
    code: str = ""
    place_id: str = ""
    protocol: str = ""
    maker: str = ""
    with_retired: bool = False
    order: str = "newest"
    after: tuple[str, ...] | None = None


class DeviceRepository(ChannelPart, SearchPart):
    """Devices, zones, links and faults; channels come from `ChannelPart`, search, map and tree from `SearchPart`."""

    # --- devices ---

    def get(self, device_id: str, *, visible_to: Scope) -> Device:
        """Return one device with its open faults. Errors: NOT_FOUND when absent or outside the scope."""
        row = self._connection.execute(
            _COLUMNS.where(devices.c.id == device_id).where(
                within(devices.c.jurisdiction_code, visible_to, devices.c.id)
            )
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no device {device_id}")
        return self._with_faults([_device(row)])[0]

    def load(self, device_ids: Collection[str]) -> dict[str, Device]:
        """Return devices by id with their open faults, for the house's own work: no scope applies."""
        found: dict[str, Device] = {}
        for chunk in chunks(device_ids):
            rows = self._connection.execute(_COLUMNS.where(devices.c.id.in_(chunk)))
            found.update((device.id, device) for device in self._with_faults([_device(row) for row in rows]))
        return found

    def find(self, *, visible_to: Scope, limit: int = 100, **narrowed: Any) -> list[Device]:
        """Return devices newest first; `narrowed` are fields of `DeviceFilter`."""
        wanted = DeviceFilter(**narrowed)
        keys = _keys(wanted.order)
        query = _COLUMNS.where(_narrowed(wanted, visible_to))
        if wanted.after is not None:
            query = query.where(keys.after(wanted.after))
        rows = self._connection.execute(query.order_by(*keys.by).limit(limit))
        return self._with_faults([_device(row) for row in rows])

    def marks(self, *, visible_to: Scope, size: int, **narrowed: Any) -> Marks:
        """Return how many devices `find` would list, and the sort values of every `size`th."""
        wanted = DeviceFilter(**narrowed)
        is_online = devices.c.state == "online"
        return marks_of(self._connection, devices, _narrowed(wanted, visible_to), _keys(wanted.order), is_online, size)

    def of_account(self, account: str, prefix: str, receiver: str, protocol: str = "dc09") -> str | None:
        """Return the device in use that has exactly this account, prefix and receiver in this protocol."""
        return self._connection.execute(
            select(devices.c.id).where(
                devices.c.account == account,
                devices.c.prefix == prefix,
                devices.c.receiver == receiver,
                devices.c.protocol == protocol,
                devices.c.retired_at_us.is_(None),
            )
        ).scalar()

    def highest_gb_id(self, prefix: str) -> str:
        """Return the highest id of a device or channel that begins with 14 digits; empty when there is none."""
        found = ""
        for table in (devices, channels):
            span = table.c.gb_id.between(f"{prefix}000000", f"{prefix}999999")
            highest = self._connection.execute(select(func.max(table.c.gb_id)).where(span)).scalar()
            found = max(found, highest or "")
        return found

    def of_gb_id(self, gb_id: str) -> str | None:
        """Return the device in use that has this GB/T 28181 id."""
        return self._connection.execute(
            select(devices.c.id).where(devices.c.gb_id == gb_id, devices.c.retired_at_us.is_(None))
        ).scalar()

    def count_online(self, kind: str, *, visible_to: Scope) -> dict[str, int]:
        """Return how many devices of a kind are online and how many there are in use."""
        row = self._connection.execute(
            select(func.count(), func.count().filter(devices.c.state == "online")).where(
                devices.c.kind == kind,
                devices.c.retired_at_us.is_(None),
                within(devices.c.jurisdiction_code, visible_to, devices.c.id),
            )
        ).one()
        return {"online": int(row[1]), "total": int(row[0])}

    def count_cameras(self, *, visible_to: Scope) -> dict[str, int]:
        """Return how many channels can be expected to show a picture and how many there are."""
        is_online = (devices.c.state == "online") & (channels.c.status != "OFF") & channels.c.gone_at_us.is_(None)
        row = self._connection.execute(
            select(func.count(), func.count().filter(is_online))
            .select_from(channels.join(devices, devices.c.id == channels.c.device_id))
            .where(channels.c.stage != "retired", within(channels.c.jurisdiction_code, visible_to, channels.c.id))
        ).one()
        return {"online": int(row[1]), "total": int(row[0])}

    def add(self, device: Device) -> None:
        """Add a device."""
        self._connection.execute(insert(devices).values(id=device.id, version=1, **_values(device)))

    def add_many(self, new: Sequence[tuple[Device, bytes | None]]) -> None:
        """Add devices with their sealed secrets."""
        _ADD.run(self._connection, [(one.id, 1, sealed, *_values(one).values()) for one, sealed in new])

    def addresses_in_use(self, wanted: Sequence[Device]) -> dict[tuple[str, ...], str]:
        """Return which of these devices' accounts and ids a device in use has, and its id."""
        column = devices.c
        found: dict[tuple[str, ...], str] = {}
        for chunk in chunks({one.gb_id for one in wanted if one.gb_id}):
            query = select(column.gb_id, column.id).where(column.gb_id.in_(chunk), column.retired_at_us.is_(None))
            found.update((("gb28181", row.gb_id), row.id) for row in self._connection.execute(query))
        for chunk in chunks({one.account for one in wanted if one.has_account}):
            query = select(column.protocol, column.account, column.prefix, column.receiver, column.id).where(
                column.account.in_(chunk), column.retired_at_us.is_(None)
            )
            found.update((tuple(row[:4]), row.id) for row in self._connection.execute(query))
        return found

    def save(self, device: Device) -> Device:
        """Write what people enter; return it with its new version. Errors: CONFLICT when somebody else wrote first."""
        result = self._connection.execute(
            update(devices)
            .where(devices.c.id == device.id, devices.c.version == device.version)
            .values(version=device.version + 1, **_values(device))
        )
        if result.rowcount != 1:
            raise stale("device", device.id)
        return replace(device, version=device.version + 1)

    def secrets(self, device_id: str) -> tuple[bytes | None, bytes | None]:
        """Return the sealed secret and the sealed previous one."""
        row = self._connection.execute(
            select(devices.c.secret, devices.c.secret_before).where(devices.c.id == device_id)
        ).one()
        return row.secret, row.secret_before

    def set_secrets(self, device_id: str, secret: bytes | None, before: bytes | None) -> None:
        """Write the sealed secret and the sealed previous one; the device gets a new version."""
        self._connection.execute(
            update(devices)
            .where(devices.c.id == device_id)
            .values(secret=secret, secret_before=before, version=devices.c.version + 1)
        )

    # --- what was heard ---

    def note_heard(self, heard: Sequence[Heard]) -> None:
        """Write when and from where devices were last heard; empty texts leave what is there. No new version."""
        _NOTE_HEARD.run(
            self._connection,
            [(item.device_id, to_us(item.at), item.peer or None, item.transport or None) for item in heard],
        )

    def note_states(self, states: Sequence[tuple[str, str, int]]) -> None:
        """Write (device id, state, since in microseconds). No new version: it is nobody's edit."""
        if states:
            self._connection.execute(
                _NOTE_STATE,
                [{"b_id": device_id, "b_state": state, "b_since_us": since} for device_id, state, since in states],
            )

    def note_registrations(self, until_us: Mapping[str, int | None]) -> None:
        """Write when registrations end; None: not registered."""
        if until_us:
            self._connection.execute(
                _NOTE_REGISTERED, [{"b_id": device_id, "b_until_us": until} for device_id, until in until_us.items()]
            )

    def note_learned(self, learned: Mapping[str, Mapping[str, str]]) -> None:
        """Add to the profiles what was learned, an empty value forgets; what nobody has entered is filled in."""
        for chunk in chunks(learned):
            rows = self._connection.execute(
                select(devices.c.id, devices.c.profile, devices.c.maker, devices.c.model, devices.c.firmware).where(
                    devices.c.id.in_(chunk)
                )
            )
            changes = []
            for row in rows.all():
                profile = {**_profile.decode(row.profile), **learned[row.id]}
                kept = {name: value for name, value in profile.items() if value}
                changes.append(
                    {
                        "b_id": row.id,
                        "b_profile": _encode(kept).decode(),
                        "b_maker": row.maker or kept.get("maker", ""),
                        "b_model": row.model or kept.get("model", ""),
                        "b_firmware": kept.get("firmware", "") or row.firmware,
                    }
                )
            if changes:
                self._connection.execute(_NOTE_PROFILE, changes)

    def note_tests(self, tests_us: Mapping[str, int]) -> None:
        """Write when devices last sent a test."""
        if tests_us:
            self._connection.execute(
                _NOTE_TEST, [{"b_id": device_id, "b_at_us": at_us} for device_id, at_us in tests_us.items()]
            )

    def last_test_us(self, device_id: str, after_us: int) -> int | None:
        """Return when a test of the device last arrived, looking at its signals received after a time."""
        row = self._connection.execute(
            select(signals.c.received_at_us)
            .where(
                signals.c.device_id == device_id,
                signals.c.received_at_us > after_us,
                signals.c.events.contains('"test"'),
            )
            .order_by(signals.c.id.desc())
            .limit(1)
        ).scalar()
        return None if row is None else int(row)

    def holds_secrets(self) -> bool:
        """Say whether any device has a sealed secret."""
        return (
            self._connection.execute(select(devices.c.id).where(devices.c.secret.is_not(None)).limit(1)).first()
            is not None
        )

    def directory(self, device_ids: Collection[str] | None = None) -> Iterable[DirectoryDevice]:
        """Yield what the directory keeps of every device in use, or of these ids; secrets still sealed."""
        query = select(devices).where(devices.c.retired_at_us.is_(None))
        if device_ids is None:
            for row in self._connection.execute(query):
                yield _directory(row)
            return
        for chunk in chunks(device_ids):
            for row in self._connection.execute(query.where(devices.c.id.in_(chunk))):
                yield _directory(row)

    # --- zones and links ---

    def zones(self, device_id: str) -> list[Zone]:
        """Return the zones of a device in the order of their numbers, with linked cameras."""
        rows = self._connection.execute(select(zones).where(zones.c.device_id == device_id)).all()
        cameras = self._cameras_of([row.id for row in rows])
        found = [_zone(row, cameras.get(row.id, ())) for row in rows]
        return sorted(found, key=lambda zone: (len(zone.number), zone.number))

    def zones_with(self, channel_id: str, *, visible_to: Scope) -> list[Zone]:
        """Return the zones a channel is linked to, by device and number."""
        rows = self._connection.execute(
            select(zones)
            .join(zone_cameras, zone_cameras.c.zone_id == zones.c.id)
            .join(devices, devices.c.id == zones.c.device_id)
            .where(
                zone_cameras.c.channel_id == channel_id,
                devices.c.retired_at_us.is_(None),
                within(devices.c.jurisdiction_code, visible_to, devices.c.id),
            )
        ).all()
        cameras = self._cameras_of([row.id for row in rows])
        found = [_zone(row, cameras.get(row.id, ())) for row in rows]
        return sorted(found, key=lambda zone: (zone.device_id, len(zone.number), zone.number))

    def zone(self, device_id: str, number: str) -> Zone:
        """Return the zone of that number, as the registry writes it. Errors: NOT_FOUND."""
        row = self._connection.execute(
            select(zones).where(zones.c.device_id == device_id, zones.c.number == number)
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no zone {number}")
        return _zone(row, self._cameras_of([row.id]).get(row.id, ()))

    def has_zone(self, device_id: str, number: str) -> bool:
        """Say whether a device has a zone of that number."""
        return (
            self._connection.execute(
                select(zones.c.id).where(zones.c.device_id == device_id, zones.c.number == number)
            ).scalar()
            is not None
        )

    def add_zone(self, zone: Zone) -> None:
        """Add a zone."""
        self._connection.execute(
            insert(zones).values(
                id=zone.id, version=1, device_id=zone.device_id, number=zone.number, **_zone_values(zone)
            )
        )

    def save_zone(self, zone: Zone) -> Zone:
        """Write a zone; return it with its new version. Errors: CONFLICT when somebody else wrote first."""
        result = self._connection.execute(
            update(zones)
            .where(zones.c.id == zone.id, zones.c.version == zone.version)
            .values(version=zone.version + 1, **_zone_values(zone))
        )
        if result.rowcount != 1:
            raise stale("zone", zone.id)
        return replace(zone, version=zone.version + 1)

    def link(self, zone: Zone) -> None:
        """Write the cameras of a zone, the first one shown first."""
        self._connection.execute(delete(zone_cameras).where(zone_cameras.c.zone_id == zone.id))
        if zone.cameras:
            self._connection.execute(
                insert(zone_cameras),
                [
                    {"zone_id": zone.id, "channel_id": channel_id, "rank": rank}
                    for rank, channel_id in enumerate(zone.cameras)
                ],
            )

    def _cameras_of(self, zone_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for chunk in chunks(zone_ids):
            rows = self._connection.execute(
                select(zone_cameras).where(zone_cameras.c.zone_id.in_(chunk)).order_by(zone_cameras.c.rank)
            )
            for row in rows:
                found[row.zone_id] = (*found.get(row.zone_id, ()), row.channel_id)
        return found

    # --- faults ---

    def faults(self, device_ids: Collection[str]) -> dict[str, tuple[Fault, ...]]:
        """Return the open faults of devices, oldest first."""
        found: dict[str, tuple[Fault, ...]] = {}
        for chunk in chunks(device_ids):
            rows = self._connection.execute(
                select(device_faults)
                .where(device_faults.c.device_id.in_(chunk), device_faults.c.closed_at_us.is_(None))
                .order_by(device_faults.c.id)
            )
            for row in rows:
                found[row.device_id] = (*found.get(row.device_id, ()), _fault(row))
        return found

    def open_faults(self, key_prefix: str) -> list[Fault]:
        """Return every open fault whose key begins so, for the house's own work."""
        rows = self._connection.execute(
            select(device_faults).where(
                device_faults.c.closed_at_us.is_(None), device_faults.c.key.startswith(key_prefix, autoescape=True)
            )
        )
        return [_fault(row) for row in rows]

    def add_faults(self, faults: Sequence[Fault]) -> None:
        """Add faults; the caller has made sure that none of that key is open."""
        if faults:
            self._connection.execute(
                insert(device_faults),
                [
                    {
                        "id": fault.id,
                        "device_id": fault.device_id,
                        "key": fault.key,
                        "params": _encode(fault.params).decode(),
                        "opened_at_us": to_us(fault.opened_at),
                        "closed_at_us": None,
                    }
                    for fault in faults
                ],
            )

    def close_faults(self, fault_ids: Collection[str], at_us: int) -> None:
        """Close faults."""
        for chunk in chunks(fault_ids):
            self._connection.execute(
                update(device_faults).where(device_faults.c.id.in_(chunk)).values(closed_at_us=at_us)
            )

    def trim_faults(self, closed_before_us: int) -> int:
        """Delete faults closed before a time; return how many went."""
        result = self._connection.execute(delete(device_faults).where(device_faults.c.closed_at_us < closed_before_us))
        return result.rowcount

    def _with_faults(self, found: list[Device]) -> list[Device]:
        open_faults = self.faults([device.id for device in found])
        return [
            replace(device, faults=open_faults[device.id]) if device.id in open_faults else device for device in found
        ]

    # --- moments ---

    def mark(self, name: str) -> int | None:
        """Return a remembered moment in microseconds."""
        value = self._connection.execute(select(marks.c.at_us).where(marks.c.name == name)).scalar()
        return None if value is None else int(value)

    def set_mark(self, name: str, at_us: int) -> None:
        """Remember a moment."""
        result = self._connection.execute(update(marks).where(marks.c.name == name).values(at_us=at_us))
        if result.rowcount == 0:
            self._connection.execute(insert(marks).values(name=name, at_us=at_us))


def _narrowed(wanted: DeviceFilter, visible_to: Scope) -> ColumnElement[bool]:
    """Return the condition of a list of devices."""
    column = devices.c
    clauses: list[ColumnElement[bool]] = [within(column.jurisdiction_code, visible_to, column.id)]
    clauses.extend(
        column[name] == getattr(wanted, name)
        for name in ("kind", "place_id", "protocol", "maker")
        if getattr(wanted, name)
    )
    if wanted.state == "faults":
        fault = device_faults.c
        clauses.append(exists().where(fault.device_id == column.id, fault.closed_at_us.is_(None)))
    elif wanted.state:
        clauses.append(column.state == wanted.state)
    if wanted.text:
        clauses.append(matches(wanted.text, column.search))
    if wanted.code:
        clauses.append(below(column.jurisdiction_code, wanted.code))
    if not wanted.with_retired:
        clauses.append(column.retired_at_us.is_(None))
    return and_(*clauses)


def _keys(order: str) -> Keys:
    if order == "name":
        return Keys((devices.c.name, devices.c.id))
    if order == "state":
        rank = case((devices.c.state == "offline", "0"), (devices.c.state == "online", "2"), else_="1")
        return Keys((rank, devices.c.name, devices.c.id))
    return Keys((devices.c.id,), is_falling=True)


def _or_kept(name: str, column: Column[str]) -> ColumnElement[str]:
    """Return the given text, or what the row has when none was given."""
    return func.coalesce(bindparam(name, type_=String()), column)


_NOTE_HEARD = Bulk(
    update(devices)
    .where(devices.c.id == bindparam("b_id"))
    .values(
        last_seen_at_us=bindparam("b_at_us"),
        peer=_or_kept("b_peer", devices.c.peer),
        transport=_or_kept("b_transport", devices.c.transport),
    ),
    ("b_id", "b_at_us", "b_peer", "b_transport"),
)
_NOTE_STATE = (
    update(devices)
    .where(devices.c.id == bindparam("b_id"))
    .values(state=bindparam("b_state"), state_since_us=bindparam("b_since_us"))
)
_NOTE_REGISTERED = (
    update(devices).where(devices.c.id == bindparam("b_id")).values(registered_until_us=bindparam("b_until_us"))
)
_NOTE_PROFILE = (
    update(devices)
    .where(devices.c.id == bindparam("b_id"))
    .values({name: bindparam(f"b_{name}") for name in ("profile", "maker", "model", "firmware")})
)
_NOTE_TEST = update(devices).where(devices.c.id == bindparam("b_id")).values(last_test_at_us=bindparam("b_at_us"))


def _values(device: Device) -> dict[str, object]:
    """Return what people enter; what was heard is written by the `note_` functions."""
    return {
        "kind": device.kind,
        "name": device.name,
        "name_en": device.name_en,
        "place_id": device.place_id,
        "jurisdiction_id": device.jurisdiction_id,
        "jurisdiction_code": device.jurisdiction_code,
        "protocol": device.protocol,
        "account": device.account,
        "prefix": device.prefix,
        "receiver": device.receiver,
        "gb_id": device.gb_id,
        "search": search_text(device.name, device.name_en, device.account, device.gb_id),
        "maker": device.maker,
        "model": device.model,
        "firmware": device.firmware,
        "line": device.line,
        "network": device.network,
        "feeder": device.feeder,
        "poll_interval_s": device.poll_interval_s,
        "test_interval_s": device.test_interval_s,
        "settings": _encode(device.settings).decode(),
        "retired_at_us": optional_us(device.retired_at),
    }


_ADD = Bulk.into(devices, ("id", "version", "secret", *_values(Device("", "", "", "", "", ""))))


def _device(row: Row[Any]) -> Device:
    return Device(
        id=row.id,
        kind=row.kind,
        name=row.name,
        jurisdiction_id=row.jurisdiction_id,
        jurisdiction_code=row.jurisdiction_code,
        protocol=row.protocol,
        name_en=row.name_en,
        place_id=row.place_id,
        account=row.account,
        prefix=row.prefix,
        receiver=row.receiver,
        gb_id=row.gb_id,
        transport=row.transport,
        maker=row.maker,
        model=row.model,
        firmware=row.firmware,
        line=row.line,
        network=row.network,
        feeder=row.feeder,
        state=row.state,
        state_since=optional_from_us(row.state_since_us),
        last_seen_at=optional_from_us(row.last_seen_at_us),
        peer=row.peer,
        registered_until=optional_from_us(row.registered_until_us),
        poll_interval_s=row.poll_interval_s,
        test_interval_s=row.test_interval_s,
        last_test_at=optional_from_us(row.last_test_at_us),
        settings=_object.decode(row.settings),
        profile=_profile.decode(row.profile),
        is_keyed=bool(row.is_keyed),
        is_rolling_over=bool(row.is_rolling_over),
        retired_at=optional_from_us(row.retired_at_us),
        version=row.version,
    )


def _directory(row: Row[Any]) -> DirectoryDevice:
    return DirectoryDevice(
        id=row.id,
        kind=row.kind,
        protocol=row.protocol,
        jurisdiction_code=row.jurisdiction_code,
        name=row.name,
        account=row.account,
        prefix=row.prefix,
        receiver=row.receiver,
        line=row.line,
        network=row.network,
        feeder=row.feeder,
        gb_id=row.gb_id,
        transport=row.transport,
        state=row.state,
        state_since=optional_from_us(row.state_since_us),
        last_seen_at=optional_from_us(row.last_seen_at_us),
        registered_until=optional_from_us(row.registered_until_us),
        poll_interval_s=row.poll_interval_s,
        test_interval_s=row.test_interval_s,
        last_test_at=optional_from_us(row.last_test_at_us),
        settings=_object.decode(row.settings),
        profile=_profile.decode(row.profile),
        secret=row.secret,
        secret_before=row.secret_before,
        version=row.version,
    )


def _zone_values(zone: Zone) -> dict[str, object]:
    return {"name": zone.name, "name_en": zone.name_en, "kind": zone.kind, "place_id": zone.place_id}


def _zone(row: Row[Any], cameras: tuple[str, ...]) -> Zone:
    return Zone(row.id, row.device_id, row.number, row.name, row.name_en, row.kind, row.place_id, cameras, row.version)


def _fault(row: Row[Any]) -> Fault:
    return Fault(
        row.id,
        row.device_id,
        row.key,
        from_us(row.opened_at_us),
        _object.decode(row.params),
        optional_from_us(row.closed_at_us),
    )
