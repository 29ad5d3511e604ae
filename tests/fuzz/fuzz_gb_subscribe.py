"""Fuzz target: notifications of catalogues and positions, as bytes and as values inside a document."""

from datetime import UTC, datetime

from tocsin.protocols.gb28181.catalog import items_of
from tocsin.protocols.gb28181.manscdp import Document, build_document, parse_document
from tocsin.protocols.gb28181.subscribe import (
    Position,
    catalog_notify,
    position_notify,
    read_positions,
    read_ptz_position,
    topic_of,
)

NOW = datetime(2026, 11, 22, 3, 36, 26, tzinfo=UTC)
_CAMERA = "34020000001320000001"
_HERE = Position(_CAMERA, 118.376451, 31.326319, speed_kmh=42.0, direction_deg=359.9, altitude_m=12.0)
SEEDS: list[bytes] = [
    position_notify(1, _CAMERA, [_HERE, _HERE], as_list=True, time_text="2026-11-22T11:36:25"),
    position_notify(2, _CAMERA, [_HERE], as_list=False, time_text="2026-1-2 3:4:5Z"),
    catalog_notify(3, _CAMERA, [[("DeviceID", _CAMERA), ("Event", "OFF")]]),
    build_document("Notify", "PTZPosition", 4, _CAMERA, [("Pan", "12.5"), ("Tilt", "-3"), ("Zoom", "nan")]),
    b"118.376451",
]


def run_one(data: bytes) -> None:
    """Read the bytes as a document, and as each value a notification may hold."""
    text = data.decode("utf-8", "replace")
    names = ("Longitude", "Latitude", "Time", "Speed", "Direction", "Altitude", "Pan", "Tilt", "Zoom")
    for body in (data, build_document("Notify", "MobilePosition", 1, _CAMERA, [(name, text) for name in names])):
        document = parse_document(body)
        if not isinstance(document, Document):
            continue
        topic_of(document)
        items_of(document)
        for position in read_positions(document, NOW):
            assert -180 <= position.lon <= 180
            assert -90 <= position.lat <= 90
            assert len(position.gb_id) <= 64
        aim = read_ptz_position(document)
        assert aim is None or (0 <= aim.pan_deg <= 360 and 0 < aim.zoom <= 1000)
