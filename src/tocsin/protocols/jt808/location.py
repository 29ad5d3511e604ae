"""The body of a JT/T 808 location report (0x0200): alarm and status words, a fix, and additional items.

Additional items are length-prefixed: unknown ones are skipped, and a length that lies loses the items after it, never
the fix. What driver-monitoring systems add (0x64, 0x65: fatigue, smoking, telephoning) is not read at all.

Source: JT/T 808, location report and additional items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from struct import Struct
from struct import error as struct_error
from typing import Final

from tocsin.protocols.jt808.wire import BadBody, read_time, write_time

FIXED_BYTES: Final = 28
MAX_EXTRAS: Final = 64
_FIXED: Final = Struct(">IIIIHHH6s")
_SOUTH, _WEST = 1 << 2, 1 << 3
UNREAD_ITEMS: Final = frozenset({0x64, 0x65, 0x66, 0x67})


class Status(IntEnum):
    """Bits of the status word."""

    ACC = 0
    POSITIONED = 1
    SOUTH = 2
    WEST = 3
    OUT_OF_SERVICE = 4
    COORDINATES_ENCRYPTED = 5
    OIL_CUT = 10
    ELECTRIC_CUT = 11
    DOOR_LOCKED = 12
    GPS = 18
    BEIDOU = 19
    GLONASS = 20
    GALILEO = 21
    MOVING = 22


# Items whose value is a plain number: name, octets, divisor to the unit in the name.
_NUMBERS: Final[Mapping[int, tuple[str, int, int]]] = {
    0x01: ("mileage_km", 4, 10),
    0x02: ("fuel_l", 2, 10),
    0x03: ("recorder_speed_kmh", 2, 10),
    0x04: ("alarm_to_confirm", 2, 1),
    0x25: ("vehicle_signals", 4, 1),
    0x2A: ("io", 2, 1),
    0x2B: ("analogue", 4, 1),
    0x30: ("signal_strength", 1, 1),
    0x31: ("satellites", 1, 1),
}


@dataclass(frozen=True, slots=True)
class Location:
    """A location report. Degrees x 1e6 (WGS-84), south and west negative; speed in 0.1 km/h; `at` in UTC.

    `is_whole` is False when a wrong length ended the reading of the additional items.
    """

    alarm: int = 0
    status: int = 0
    lat_e6: int = 0
    lon_e6: int = 0
    altitude_m: int = 0
    speed_dkmh: int = 0
    heading_deg: int = 0
    at: datetime | None = None
    extras: tuple[tuple[int, bytes], ...] = ()
    is_whole: bool = True

    @property
    def lat(self) -> float:
        """Latitude in degrees."""
        return self.lat_e6 / 1e6

    @property
    def lon(self) -> float:
        """Longitude in degrees."""
        return self.lon_e6 / 1e6

    @property
    def is_fix(self) -> bool:
        """Whether the coordinates say where it is: positioned now, in the clear, on the globe, with a time."""
        return (
            self.status >> Status.POSITIONED & 1 == 1
            and not self.status >> Status.COORDINATES_ENCRYPTED & 1
            and self.at is not None
            and abs(self.lat_e6) <= 90_000_000
            and abs(self.lon_e6) <= 180_000_000
            and (self.lat_e6, self.lon_e6) != (0, 0)
        )

    def numbers(self) -> dict[str, float]:
        """Return the additional items that are plain numbers, by name with unit; not those of a wrong length."""
        found: dict[str, float] = {}
        for item, value in self.extras:
            known = _NUMBERS.get(item)
            if known is not None and len(value) == known[1]:
                found[known[0]] = int.from_bytes(value, "big") / known[2]
        return found


def decode_location(body: bytes) -> Location | BadBody:
    """Read a location body; it ends too early only before its 28 fixed octets are complete."""
    try:
        alarm, status, lat, lon, altitude, speed, heading, when = _FIXED.unpack_from(body)
    except struct_error:
        return BadBody("short", len(body))
    extras, is_whole = _decode_extras(body) if len(body) > FIXED_BYTES else ((), True)
    return Location(
        alarm,
        status,
        -lat if status & _SOUTH else lat,
        -lon if status & _WEST else lon,
        altitude,
        speed,
        heading,
        read_time(when),
        extras,
        is_whole,
    )


def _decode_extras(body: bytes) -> tuple[tuple[tuple[int, bytes], ...], bool]:
    extras: list[tuple[int, bytes]] = []
    at, end = FIXED_BYTES, len(body)
    while at < end:
        if end - at < 2 or len(extras) >= MAX_EXTRAS:
            return tuple(extras), False
        item, size = body[at], body[at + 1]
        if at + 2 + size > end:
            return tuple(extras), False
        if item not in UNREAD_ITEMS:
            extras.append((item, body[at + 2 : at + 2 + size]))
        at += 2 + size
    return tuple(extras), True


def encode_location(location: Location) -> bytes:
    """Return a location as a body; south and west follow from the signs.

    Errors: ValueError when a number or an item does not fit its field.
    """
    status = location.status & ~(_SOUTH | _WEST)
    status |= (_SOUTH if location.lat_e6 < 0 else 0) | (_WEST if location.lon_e6 < 0 else 0)
    try:
        fixed = _FIXED.pack(
            location.alarm,
            status,
            abs(location.lat_e6),
            abs(location.lon_e6),
            location.altitude_m,
            location.speed_dkmh,
            location.heading_deg,
            write_time(location.at),
        )
        return fixed + b"".join(bytes((item, len(value))) + value for item, value in location.extras)
    except struct_error as error:
        raise ValueError(f"a number does not fit its field: {error}") from error
