"""Channels as rows, and what a catalogue does to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, case, insert, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.pinyin import search_text
from tocsin.base.times import optional_from_us, optional_us
from tocsin.domain.access import Scope
from tocsin.domain.camera_tree import TreeKey
from tocsin.domain.channels import ChannelRecord
from tocsin.domain.directory import Channel
from tocsin.domain.streams import has_sub_stream
from tocsin.storage.camera_tree import in_node, is_online, tags_of, tags_text
from tocsin.storage.lists import Keys, Marks, marks_of
from tocsin.storage.places import stale
from tocsin.storage.scope import below, within
from tocsin.storage.search import matches
from tocsin.storage.tables_registry import channels, devices, zone_cameras, zones

CHUNK = 500  # ids in one statement: far below the limits of both engines

_encode = msgspec.json.Encoder().encode


class _Extra(msgspec.Struct, frozen=True):
    stream_numbers: str = ""


class _Streams(msgspec.Struct, frozen=True):
    """The part of a catalogue item that lists the streams."""

    extra: _Extra = _Extra()


_streams = msgspec.json.Decoder(_Streams)
_object = msgspec.json.Decoder(dict[str, Any])
_COLUMNS = select(channels, devices.c.state.label("device_state")).select_from(
    channels.join(devices, devices.c.id == channels.c.device_id)
)


def chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    """Yield ids sorted, at most `CHUNK` at a time."""
    waiting = sorted(ids)
    for start in range(0, len(waiting), CHUNK):
        yield waiting[start : start + CHUNK]


@dataclass(frozen=True, slots=True)
class ChannelFilter:
    """What a list of channels is narrowed to; empty fields narrow nothing.

    `order` is one of `lists.ORDERS`, `after` the sort values of the row before.
    """

    text: str = ""
    stage: str = ""
    state: str = ""
    code: str = ""
    place_id: str = ""
    device_id: str = ""
    maker: str = ""
    tag: str = ""
    node: TreeKey | None = None
    order: str = "newest"
    after: tuple[str, ...] | None = None


class ChannelPart:
    """The part of the device repository that keeps channels."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def channel(self, channel_id: str, *, visible_to: Scope) -> ChannelRecord:
        """Return one channel. Errors: NOT_FOUND when absent or outside the scope."""
        row = self._connection.execute(
            _COLUMNS.where(channels.c.id == channel_id).where(
                within(channels.c.jurisdiction_code, visible_to, channels.c.id)
            )
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no camera {channel_id}")
        return _channel(row)

    def load_channels(self, channel_ids: Collection[str]) -> dict[str, ChannelRecord]:
        """Return channels by id, for the house's own work: no scope applies."""
        found: dict[str, ChannelRecord] = {}
        for chunk in chunks(channel_ids):
            found.update(
                (row.id, _channel(row)) for row in self._connection.execute(_COLUMNS.where(channels.c.id.in_(chunk)))
            )
        return found

    def channels_of(self, device_ids: Collection[str]) -> list[ChannelRecord]:
        """Return the channels of devices, retired ones too."""
        found: list[ChannelRecord] = []
        for chunk in chunks(device_ids):
            rows = self._connection.execute(
                _COLUMNS.where(channels.c.device_id.in_(chunk)).order_by(channels.c.device_id, channels.c.gb_id)
            )
            found.extend(_channel(row) for row in rows)
        return found

    def find_channels(self, *, visible_to: Scope, limit: int = 100, **narrowed: Any) -> list[ChannelRecord]:
        """Return channels newest first, retired ones only when asked for; `narrowed` are fields of `ChannelFilter`."""
        wanted = ChannelFilter(**narrowed)
        found = (
            select(channels.c.id)
            .select_from(channels.join(devices, devices.c.id == channels.c.device_id))
            .where(_narrowed(wanted, visible_to))
        )
        keys = _keys(wanted.order)
        found = found.order_by(*keys.by).limit(limit)
        if wanted.after is not None:
            found = found.where(keys.after(wanted.after))
        rows = self._connection.execute(_COLUMNS.where(channels.c.id.in_(found)).order_by(*keys.by))
        return [_channel(row) for row in rows]

    def channel_marks(self, *, visible_to: Scope, size: int, **narrowed: Any) -> Marks:
        """Return how many channels `find_channels` would list, and the sort values of every `size`th."""
        wanted = ChannelFilter(**narrowed)
        listed = channels.join(devices, devices.c.id == channels.c.device_id)
        return marks_of(self._connection, listed, _narrowed(wanted, visible_to), _keys(wanted.order), is_online(), size)

    def to_commission(self, code: str, after: str, limit: int, *, visible_to: Scope) -> list[ChannelRecord]:
        """Return discovered channels of a subtree in the order of their ids, after one of them."""
        rows = self._connection.execute(
            _COLUMNS.where(
                channels.c.stage == "discovered",
                channels.c.gone_at_us.is_(None),
                below(channels.c.jurisdiction_code, code),
                within(channels.c.jurisdiction_code, visible_to, channels.c.id),
                channels.c.id > after,
            )
            .order_by(channels.c.id)
            .limit(limit)
        )
        return [_channel(row) for row in rows]

    def add_channels(self, new: Sequence[ChannelRecord]) -> None:
        """Add channels."""
        if new:
            self._connection.execute(
                insert(channels),
                [
                    {"id": item.id, "device_id": item.device_id, "gb_id": item.gb_id, "version": 1, **_values(item)}
                    for item in new
                ],
            )

    def save_channel(self, channel: ChannelRecord) -> ChannelRecord:
        """Write a channel; return it with its new version. Errors: CONFLICT when somebody else wrote first."""
        result = self._connection.execute(
            update(channels)
            .where(channels.c.id == channel.id, channels.c.version == channel.version)
            .values(version=channel.version + 1, **_values(channel))
        )
        if result.rowcount != 1:
            raise stale("camera", channel.id)
        return replace(channel, version=channel.version + 1)

    def save_channels(self, changed: Sequence[ChannelRecord]) -> list[ChannelRecord]:
        """Write channels read in this same transaction; return them with their new versions."""
        if changed:
            self._connection.execute(
                _SAVE, [{"b_id": item.id, **{f"b_{k}": v for k, v in _values(item).items()}} for item in changed]
            )
        return [replace(item, version=item.version + 1) for item in changed]

    def note_reported(self, changed: Sequence[ChannelRecord]) -> None:
        """Write what a catalogue said, without a new version: it is nobody's edit."""
        if changed:
            self._connection.execute(
                _NOTE_REPORTED,
                [
                    {
                        "b_id": item.id,
                        "b_name": item.name,
                        "b_search": _search_text(item),
                        "b_lon": item.lon,
                        "b_lat": item.lat,
                        "b_status": item.status,
                        **{f"b_{name}": value for name, value in _from_catalog(item).items()},
                        "b_gone_at_us": optional_us(item.gone_at),
                    }
                    for item in changed
                ],
            )

    def zones_showing(self, channel_id: str) -> int:
        """Return how many zones a channel is linked to."""
        rows = self._connection.execute(
            select(zones.c.id)
            .select_from(zones.join(zone_cameras, zone_cameras.c.zone_id == zones.c.id))
            .where(zone_cameras.c.channel_id == channel_id)
        ).all()
        return len(rows)

    def directory_channels(self, device_ids: Collection[str] | None = None) -> Iterable[Channel]:
        """Yield what the directory keeps of every channel that is not retired, or of those of these devices."""
        query = select(
            channels.c.id,
            channels.c.device_id,
            channels.c.gb_id,
            channels.c.name,
            channels.c.name_en,
            channels.c.jurisdiction_code,
            channels.c.place_id,
            channels.c.stage,
            channels.c.loss_policy,
            channels.c.gone_at_us,
            channels.c.version,
            channels.c.catalog,
        ).where(channels.c.stage != "retired")
        parts = (
            [query] if device_ids is None else [query.where(channels.c.device_id.in_(c)) for c in chunks(device_ids)]
        )
        for part in parts:
            for row in self._connection.execute(part):
                yield Channel(
                    *row[:9],
                    is_gone=row.gone_at_us is not None,
                    version=row.version,
                    has_sub=has_sub_stream(_streams.decode(row.catalog).extra.stream_numbers),
                )


def _narrowed(wanted: ChannelFilter, visible_to: Scope) -> ColumnElement[bool]:
    """Return the condition of a list of channels."""
    column = channels.c
    stage = column.stage == wanted.stage if wanted.stage else column.stage != "retired"
    clauses: list[ColumnElement[bool]] = [within(column.jurisdiction_code, visible_to, column.id), stage]
    if wanted.text:
        clauses.append(matches(wanted.text, column.search))
    if wanted.state:
        clauses.append(is_online() if wanted.state == "online" else ~is_online())
    if wanted.code:
        clauses.append(below(column.jurisdiction_code, wanted.code))
    if wanted.place_id:
        clauses.append(column.place_id == wanted.place_id)
    if wanted.device_id:
        clauses.append(column.device_id == wanted.device_id)
    if wanted.maker:
        clauses.append(devices.c.maker == wanted.maker)
    if wanted.tag:
        clauses.append(column.tags.contains(f"\n{wanted.tag}\n", autoescape=True))
    if wanted.node is not None:
        clauses.append(in_node(wanted.node))
    return and_(*clauses)


def _keys(order: str) -> Keys:
    if order == "name":
        return Keys((channels.c.name, channels.c.id))
    if order == "state":
        return Keys((case((is_online(), "1"), else_="0"), channels.c.name, channels.c.id))
    return Keys((channels.c.id,), is_falling=True)


def _search_text(channel: ChannelRecord) -> str:
    address = str(channel.catalog.get("address", ""))
    return search_text(channel.name, channel.name_en, channel.gb_id, address, *channel.tags)


def _from_catalog(channel: ChannelRecord) -> dict[str, Any]:
    """Return what of the catalogue's words has columns of its own."""
    item = channel.catalog
    return {
        "catalog": _encode(item).decode(),
        "catalog_parent": str(item.get("parent_id", ""))[:64],
        "civil_code": str(item.get("civil_code", ""))[:20],
    }


def _values(channel: ChannelRecord) -> dict[str, Any]:
    return {
        "name": channel.name,
        "name_en": channel.name_en,
        "search": _search_text(channel),
        "place_id": channel.place_id,
        "jurisdiction_id": channel.jurisdiction_id,
        "jurisdiction_code": channel.jurisdiction_code,
        "lon": channel.lon,
        "lat": channel.lat,
        "bearing_deg": channel.bearing_deg,
        "fov_deg": channel.fov_deg,
        "range_m": channel.range_m,
        "owner": channel.owner,
        "purpose": channel.purpose,
        "stage": channel.stage,
        "status": channel.status,
        "loss_policy": channel.loss_policy,
        "tags": tags_text(channel.tags),
        **_from_catalog(channel),
        "gone_at_us": optional_us(channel.gone_at),
        "retired_at_us": optional_us(channel.retired_at),
    }


_WRITTEN = (
    "name",
    "name_en",
    "search",
    "place_id",
    "jurisdiction_id",
    "jurisdiction_code",
    "lon",
    "lat",
    "bearing_deg",
    "fov_deg",
    "range_m",
    "owner",
    "purpose",
    "stage",
    "status",
    "loss_policy",
    "tags",
    "catalog",
    "catalog_parent",
    "civil_code",
    "gone_at_us",
    "retired_at_us",
)
_REPORTED = ("name", "search", "lon", "lat", "status", "catalog", "catalog_parent", "civil_code", "gone_at_us")
_SAVE = (
    update(channels)
    .where(channels.c.id == bindparam("b_id"))
    .values(version=channels.c.version + 1, **{name: bindparam(f"b_{name}") for name in _WRITTEN})
)
_NOTE_REPORTED = (
    update(channels)
    .where(channels.c.id == bindparam("b_id"))
    .values({name: bindparam(f"b_{name}") for name in _REPORTED})
)


def _channel(row: Row[Any]) -> ChannelRecord:
    return ChannelRecord(
        id=row.id,
        device_id=row.device_id,
        gb_id=row.gb_id,
        name=row.name,
        jurisdiction_id=row.jurisdiction_id,
        jurisdiction_code=row.jurisdiction_code,
        name_en=row.name_en,
        place_id=row.place_id,
        lon=row.lon,
        lat=row.lat,
        bearing_deg=row.bearing_deg,
        fov_deg=row.fov_deg,
        range_m=row.range_m,
        owner=row.owner,
        purpose=row.purpose,
        stage=row.stage,
        status=row.status,
        loss_policy=row.loss_policy,
        catalog=_object.decode(row.catalog),
        gone_at=optional_from_us(row.gone_at_us),
        retired_at=optional_from_us(row.retired_at_us),
        version=row.version,
        is_device_online=row.device_state == "online",
        is_parent_off=bool(row.parent_off),
        tags=tags_of(row.tags),
    )
