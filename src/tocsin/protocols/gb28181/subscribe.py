"""What a platform may subscribe to, and what each notification says; both sides of the wire.

The command in the body decides what a notification is about, never its Event header: peers write several.

Source: GB/T 28181-2022, "Event subscription, notification and distribution", annex on catalogue notifications, "Mobile
device position"; RFC 6665.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from tocsin.protocols.gb28181.alarm import read_time
from tocsin.protocols.gb28181.alarm_commands import alarm_query
from tocsin.protocols.gb28181.charset import Label
from tocsin.protocols.gb28181.ids import is_acceptable
from tocsin.protocols.gb28181.manscdp import Document, Element, Pair, build_document
from tocsin.protocols.gb28181.recordings import gb_time

INTERVAL_S: Final = 5
MAX_POSITIONS: Final = 2_000
MAX_SPEED_KMH: Final = 1_000.0


class Topic(StrEnum):
    """A kind of subscription, by the command in its body."""

    ALARM = "Alarm"
    CATALOG = "Catalog"
    POSITION = "MobilePosition"
    PTZ_POSITION = "PTZPosition"

    @property
    def event(self) -> str:
        """The Event header that peers expect."""
        return "Catalog;id=1894" if self is Topic.CATALOG else "presence"


@dataclass(frozen=True, slots=True)
class Position:
    """Where something was: degrees as sent, `at` aware UTC or None, speed km/h, direction degrees from north."""

    gb_id: str
    lon: float
    lat: float
    at: datetime | None = None
    speed_kmh: float | None = None
    direction_deg: float | None = None
    altitude_m: float | None = None


@dataclass(frozen=True, slots=True)
class PtzPosition:
    """Where a camera looks (2022): degrees and times."""

    gb_id: str
    pan_deg: float
    tilt_deg: float
    zoom: float = 1.0


def subscription_body(
    topic: Topic, sn: int, device_id: str, label: Label = Label.GB2312, interval_s: int = INTERVAL_S
) -> bytes:
    """Return the body of a subscription; `interval_s` is how often positions are wanted."""
    if topic is Topic.ALARM:
        return alarm_query(sn, device_id, label)
    fields: list[Pair] = [("Interval", interval_s)] if topic is Topic.POSITION else []
    return build_document("Query", topic.value, sn, device_id, fields, label=label)


def topic_of(document: Document) -> Topic | None:
    """Return what a document is about, in any case; None when it is nothing one subscribes to."""
    command = document.cmd_type.lower()
    return next((topic for topic in Topic if topic.value.lower() == command), None)


def read_positions(document: Document, near: datetime) -> tuple[Position, ...]:
    """Read either form, one position flat or a list of them; no fix (zeros) and nonsense are left out.

    `near` is the time of reception, aware UTC.
    """
    root = document.root
    listed = root.child("DeviceList")
    items = list(listed.all("Item"))[:MAX_POSITIONS] if listed is not None else [root]
    found = (_position(item, document.device_id, near) for item in items)
    return tuple(position for position in found if position is not None)


def read_ptz_position(document: Document) -> PtzPosition | None:
    """Read where a camera looks; None when it does not say."""
    root = document.root
    inner = root.child("PTZPosition") or root
    pan, tilt, zoom = (inner.number(name) for name in ("Pan", "Tilt", "Zoom"))
    if pan is None or tilt is None or not is_acceptable(document.device_id):
        return None
    if not (0 <= pan <= 360 and -90 <= tilt <= 90):
        return None
    return PtzPosition(document.device_id, pan, tilt, zoom if zoom is not None and 0 < zoom <= 1000 else 1.0)


def position_notify(
    sn: int,
    device_id: str,
    positions: Sequence[Position],
    *,
    as_list: bool,
    time_text: str,
    label: Label = Label.GB2312,
) -> bytes:
    """Return positions as a device sends them: a list (2022), or the first one flat (2016)."""
    if not as_list:
        return build_document(
            "Notify", Topic.POSITION.value, sn, device_id, _fields(positions[0], "Time", time_text), label=label
        )
    items: list[Pair] = [
        ("Item", [("DeviceID", one.gb_id), *_fields(one, "CaptureTime", time_text)]) for one in positions
    ]
    fields: list[Pair] = [("Time", time_text), ("SumNum", len(items)), ("DeviceList", items)]
    body = build_document("Notify", Topic.POSITION.value, sn, device_id, fields, label=label)
    return body.replace(b"<DeviceList>", b'<DeviceList Num="%d">' % len(items))


def ptz_position_fields(position: PtzPosition) -> list[Pair]:
    """Return the fields of a camera's aim, for an answer or a notification."""
    return [
        ("Pan", f"{position.pan_deg:.2f}"),
        ("Tilt", f"{position.tilt_deg:.2f}"),
        ("Zoom", f"{position.zoom:.2f}"),
    ]


def catalog_notify(sn: int, device_id: str, items: Sequence[Sequence[Pair]], label: Label = Label.GB2312) -> bytes:
    """Return a change of the catalogue; each item has DeviceID, most have Event."""
    listed: list[Pair] = [("Item", item) for item in items]
    fields: list[Pair] = [("SumNum", len(items)), ("DeviceList", listed)]
    body = build_document("Notify", Topic.CATALOG.value, sn, device_id, fields, label=label)
    return body.replace(b"<DeviceList>", b'<DeviceList Num="%d">' % len(items))


def _position(element: Element, default_id: str, near: datetime) -> Position | None:
    gb_id = element.get("DeviceID") or default_id
    lon, lat = element.number("Longitude"), element.number("Latitude")
    if not is_acceptable(gb_id) or lon is None or lat is None or (lon == 0 and lat == 0):
        return None
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        return None
    speed, direction = element.number("Speed"), element.number("Direction")
    altitude = element.number("Altitude")
    return Position(
        gb_id,
        lon,
        lat,
        read_time(element.get("CaptureTime") or element.get("Time"), near),
        speed if speed is not None and 0 <= speed <= MAX_SPEED_KMH else None,
        direction if direction is not None and 0 <= direction <= 360 else None,
        altitude if altitude is not None and -1_000 <= altitude <= 20_000 else None,
    )


def _fields(position: Position, time_name: str, time_text: str) -> list[Pair]:
    return [
        (time_name, gb_time(position.at) if position.at is not None else time_text),
        ("Longitude", f"{position.lon:.6f}"),
        ("Latitude", f"{position.lat:.6f}"),
        ("Speed", position.speed_kmh),
        ("Direction", position.direction_deg),
        ("Altitude", position.altitude_m),
    ]
