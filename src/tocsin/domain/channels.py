"""Channels: the pictures of cameras and recorders, discovered until somebody answers for them.

A channel goes into service only with an owner, a place and a purpose; what lacks one is named in the refusal.
Source: governance reference, places, signs, filing (REQ-G01); GB reference, catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.domain import fields
from tocsin.domain.control import can_move
from tocsin.domain.devices import CatalogEntry, PositionReport
from tocsin.domain.fields import refuse
from tocsin.domain.places import Jurisdiction

DISCOVERED: Final = "discovered"
IN_SERVICE: Final = "in_service"
RETIRED: Final = "retired"
STATUS_EVENTS: Final = frozenset({"ON", "OFF", "VLOST", "DEFECT"})
STAGES: Final = (DISCOVERED, IN_SERVICE, RETIRED)
_MISSING_ZH: Final = {"owner": "责任单位", "place": "位置", "purpose": "用途"}


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """A channel as registered. `catalog` is its item as the device last named it, `status` the device's own word."""

    id: str
    device_id: str
    gb_id: str
    name: str
    jurisdiction_id: str
    jurisdiction_code: str
    name_en: str = ""
    place_id: str | None = None
    lon: float | None = None
    lat: float | None = None
    bearing_deg: float | None = None
    fov_deg: float | None = None
    range_m: float | None = None
    owner: str = ""
    purpose: str = ""
    stage: str = DISCOVERED
    status: str = ""
    loss_policy: str = "drop"
    catalog: Mapping[str, Any] = field(default_factory=dict)
    gone_at: datetime | None = None
    retired_at: datetime | None = None
    version: int = 1
    is_device_online: bool = False
    is_parent_off: bool = False
    tags: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """What is still needed before it may go into service."""
        return tuple(
            name
            for name, value in (("owner", self.owner), ("place", self.place_id), ("purpose", self.purpose))
            if not value
        )

    @property
    def is_online(self) -> bool:
        """Say whether a picture can be expected: its device is heard, and neither it nor a parent is off or gone."""
        return self.is_device_online and self.status != "OFF" and self.gone_at is None and not self.is_parent_off

    @property
    def can_move(self) -> bool:
        """Say whether the camera turns or zooms, as far as its catalogue says."""
        return can_move(self.catalog.get("ptz_type"))

    def form(self) -> dict[str, object]:
        """Return it as the API shows it; `live` is added by those who know the picture."""
        return {
            "id": self.id,
            "device_id": self.device_id,
            "gb_id": self.gb_id,
            "name": self.name,
            "name_en": self.name_en,
            "place_id": self.place_id,
            "jurisdiction_id": self.jurisdiction_id,
            "lon": self.lon,
            "lat": self.lat,
            "bearing_deg": self.bearing_deg,
            "fov_deg": self.fov_deg,
            "range_m": self.range_m,
            "owner": self.owner,
            "purpose": self.purpose,
            "stage": self.stage,
            "missing": list(self.missing) if self.stage == DISCOVERED else [],
            "state": "online" if self.is_online else "offline",
            "gone": self.gone_at is not None,
            "loss_policy": self.loss_policy,
            "tags": list(self.tags),
            "can_move": self.can_move,
            "status": self.status,
            "position": self.catalog.get("position"),
            "version": self.version,
        }


_CHANNEL_RULES: Final[Mapping[str, fields.Rule]] = {
    "name": fields.text(200, required=True),
    "name_en": fields.text(200),
    "place_id": fields.optional_id,
    "lon": fields.number(-180, 180),
    "lat": fields.number(-90, 90),
    "bearing_deg": fields.number(0, 360),
    "fov_deg": fields.number(0, 360),
    "range_m": fields.number(0, 100_000),
    "owner": fields.text(200),
    "purpose": fields.text(500),
    "loss_policy": fields.choice("drop", "tolerate"),
    "tags": lambda field, value: checked_tags(field, value),
}
MAX_TAGS: Final = 20
MAX_TAG_CHARS: Final = 40


def checked_tags(field: str, value: Any) -> tuple[str, ...]:
    """Return tags trimmed, each once, in order. Errors: INVALID on too many, too long or none at all."""
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise refuse(field, "registry.field_text", f"{field} must be texts")
    tags = tuple(sorted({" ".join(one.split()) for one in value} - {""}))
    if any(not tag.isprintable() or len(tag) > MAX_TAG_CHARS for tag in tags):
        raise refuse(field, "registry.field_long", f"a tag has at most {MAX_TAG_CHARS} characters", limit=MAX_TAG_CHARS)
    if len(tags) > MAX_TAGS:
        raise refuse(field, "registry.many_tags", f"a camera has at most {MAX_TAGS} tags", most=MAX_TAGS)
    return tags


def changed_channel(channel: ChannelRecord, changes: Mapping[str, Any]) -> ChannelRecord:
    """Return it with `changes`. Errors: INVALID, also when a channel in service would lose what it needs."""
    changed = replace(channel, **fields.read(changes, _CHANNEL_RULES))
    if (changed.lon is None) != (changed.lat is None):
        raise refuse(
            "lat" if changed.lat is None else "lon", "registry.position_half", "a position needs both lon and lat"
        )
    if changed.stage == IN_SERVICE and changed.missing:
        raise incomplete(changed)
    return changed


def commissioned(channel: ChannelRecord) -> ChannelRecord:
    """Return it in service. Errors: INVALID, naming the missing field; CONFLICT when it is retired."""
    if channel.stage == RETIRED:
        raise TocsinError(ErrorCode.CONFLICT, "the camera is retired", key="registry.retired")
    if channel.missing:
        raise incomplete(channel)
    return replace(channel, stage=IN_SERVICE)


def with_defaults(channel: ChannelRecord, jurisdiction: Jurisdiction, device_place_id: str | None) -> ChannelRecord:
    """Return it with what it lacks taken from its jurisdiction's defaults and its device's place."""
    return replace(
        channel,
        owner=channel.owner or jurisdiction.default_owner,
        purpose=channel.purpose or jurisdiction.default_purpose,
        place_id=channel.place_id or device_place_id,
    )


def incomplete(channel: ChannelRecord) -> TocsinError:
    """Return the refusal to put a channel into service, naming what is missing."""
    missing = channel.missing
    return TocsinError(
        ErrorCode.INVALID,
        f"camera {channel.name} cannot go into service: {', '.join(missing)} is missing",
        key="registry.channel_incomplete",
        field="place_id" if missing[0] == "place" else missing[0],
        camera_id=channel.id,
        missing=", ".join(missing),
        missing_zh="、".join(_MISSING_ZH[name] for name in missing),
    )


# --- the catalogue ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CatalogMerge:
    """What a catalogue does to the channels of a device."""

    added: tuple[ChannelRecord, ...]
    changed: tuple[ChannelRecord, ...]
    returned: tuple[ChannelRecord, ...]
    gone: tuple[ChannelRecord, ...]


@dataclass(frozen=True, slots=True)
class NewChannel:
    """What a discovered channel takes from its device."""

    device_id: str
    jurisdiction_id: str
    jurisdiction_code: str
    is_device_online: bool


def merge_catalog(
    known: Sequence[ChannelRecord],
    items: Sequence[CatalogEntry],
    ids: Sequence[str],
    device: NewChannel,
    *,
    is_complete: bool,
    now: datetime,
) -> CatalogMerge:
    """Return what changes. Only a complete set lets the absent go; a channel that comes back is as it was.

    `ids` has an id for each item, used for new ones. A name or position that people have set stays: the catalogue's
    word counts only while the channel still says what the catalogue said before.
    """
    by_gb_id = {channel.gb_id: channel for channel in known}
    latest = {item.gb_id: item for item in items if item.gb_id}
    new_ids = iter(ids)
    added, changed, returned, deleted = [], [], [], []
    for gb_id, item in latest.items():
        channel = by_gb_id.get(gb_id)
        if item.event == "DEL" or item.event in STATUS_EVENTS:
            if channel is None:
                continue  # nothing is known of it but that something happened
            if item.event == "DEL":
                deleted.extend([replace(channel, gone_at=now)] if channel.gone_at is None else [])
                continue
            status = "ON" if item.event == "ON" else "OFF"
            word = {"event": item.event} if item.event in ("VLOST", "DEFECT") else {}
            kept = {name: value for name, value in channel.catalog.items() if name != "event"} | word
            noted = replace(channel, status=status, catalog=kept)
            if noted != channel:
                changed.append(noted)
            continue
        if channel is None:
            added.append(_discovered(next(new_ids), item, device))
            continue
        updated = _updated(channel, item, is_complete=is_complete)
        if channel.gone_at is not None:
            returned.append(replace(updated, gone_at=None))
        elif updated != channel:
            changed.append(updated)
    gone = [
        replace(channel, gone_at=now)
        for channel in known
        if is_complete and channel.gone_at is None and channel.retired_at is None and channel.gb_id not in latest
    ]
    return CatalogMerge(tuple(added), tuple(changed), tuple(returned), (*deleted, *gone))


def _discovered(channel_id: str, item: CatalogEntry, device: NewChannel) -> ChannelRecord:
    lon, lat = _position(item)
    return ChannelRecord(
        id=channel_id,
        device_id=device.device_id,
        gb_id=item.gb_id,
        name=_name(item),
        jurisdiction_id=device.jurisdiction_id,
        jurisdiction_code=device.jurisdiction_code,
        lon=lon,
        lat=lat,
        status=_status(item, ""),
        catalog=_kept(item),
        is_device_online=device.is_device_online,
    )


def _updated(channel: ChannelRecord, item: CatalogEntry, *, is_complete: bool) -> ChannelRecord:
    before = channel.catalog
    changes: dict[str, Any] = {"catalog": _kept(item), "status": _status(item, channel.status)}
    if not is_complete and not item.parent_id and before.get("parent_id"):
        # A part names one channel without what it hangs under: that stays until the whole is read.
        changes["catalog"]["parent_id"] = before["parent_id"]
    if "position" in before:  # it moves: a catalogue knows where it was when it was entered
        here = {name: before[name] for name in ("position", "lon", "lat") if name in before}
        changes["catalog"] = {**changes["catalog"], **here}
        if channel.name == before.get("name", ""):
            changes["name"] = _name(item)
        return replace(channel, **changes)
    if channel.name == before.get("name", ""):
        changes["name"] = _name(item)
    if (channel.lon, channel.lat) == (before.get("lon"), before.get("lat")):
        changes["lon"], changes["lat"] = _position(item)
    return replace(channel, **changes)


def moved(channel: ChannelRecord, report: PositionReport) -> ChannelRecord:
    """Return the channel where it is now. The place it was before is not kept; one set by people stays."""
    before = channel.catalog
    known = before.get("position")
    position = {
        "at": iso(report.at),
        **({"speed_kmh": report.speed_kmh} if report.speed_kmh is not None else {}),
        **({"direction_deg": report.direction_deg} if report.direction_deg is not None else {}),
    }
    if known is not None and known["at"] > position["at"]:
        return channel  # an older one that came late
    kept = {**before, "lon": report.lon, "lat": report.lat, "position": position}
    if (channel.lon, channel.lat) != (before.get("lon"), before.get("lat")):
        return replace(channel, catalog={**before, "position": position})
    return replace(channel, lon=report.lon, lat=report.lat, catalog=kept)


def _kept(item: CatalogEntry) -> dict[str, Any]:
    """Return the catalogue's words as kept beside the channel; name and position as they were taken over."""
    lon, lat = _position(item)
    kept: dict[str, Any] = {
        "name": _name(item),
        "manufacturer": item.manufacturer,
        "model": item.model,
        "civil_code": item.civil_code,
        "address": item.address,
        "parent_id": item.parent_id,
        "lon": lon,
        "lat": lat,
        "ptz_type": item.ptz_type,
        **({"extra": dict(item.extra)} if item.extra else {}),
    }
    return {name: value for name, value in kept.items() if value not in ("", None)}


def _name(item: CatalogEntry) -> str:
    return item.name.strip()[:200] or item.gb_id


def _status(item: CatalogEntry, before: str) -> str:
    return before if item.is_online is None else ("ON" if item.is_online else "OFF")


def _position(item: CatalogEntry) -> tuple[float | None, float | None]:
    """Return the position a device states; zeros and impossible values are none at all."""
    lon, lat = item.lon, item.lat
    if lon is None or lat is None or (lon == 0 and lat == 0) or not (-180 <= lon <= 180 and -90 <= lat <= 90):
        return None, None
    return lon, lat
