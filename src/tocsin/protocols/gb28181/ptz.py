"""PTZCmd: the eight bytes that move a camera <-> values. Pure: no sockets, clock, logging or settings.

    A5 | 0F | address | opcode | data 1 | data 2 | data 3 (high nibble), address (low nibble) | sum of the seven mod 256

Speeds carry their direction as a sign. Movements last until the next one: whoever sends one owes a stop.

Source: GB/T 28181-2022, annex on the control commands of front-end devices.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

FIRST_BYTE: Final = 0xA5
SECOND_BYTE: Final = 0x0F
MAX_SPEED: Final = 0xFF
MAX_ZOOM_SPEED: Final = 0x0F
MAX_TWELVE_BITS: Final = 0xFFF
MAX_ADDRESS: Final = 0xFFF
WIPER: Final = 1
_HEX: Final = re.compile(r"[0-9A-Fa-f]{16}\Z")


def check(field: str, value: object, least: int, most: int) -> None:
    """Let an integer within bounds pass. Errors: ValueError naming the field."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{field} must be a whole number from {least} to {most}, not {value!r}")


@dataclass(frozen=True, slots=True)
class Move:
    """Turn and zoom. `pan` -255 left to 255 right, `tilt` -255 down to 255 up, `zoom` -15 out to 15 in; 0 is still.

    All still is the stop; it also ends cruise and scan. Errors: ValueError naming the field.
    """

    pan: int = 0
    tilt: int = 0
    zoom: int = 0

    def __post_init__(self) -> None:
        check("pan", self.pan, -MAX_SPEED, MAX_SPEED)
        check("tilt", self.tilt, -MAX_SPEED, MAX_SPEED)
        check("zoom", self.zoom, -MAX_ZOOM_SPEED, MAX_ZOOM_SPEED)


STOP: Final = Move()


@dataclass(frozen=True, slots=True)
class Lens:
    """Focus and iris. `focus` -255 near to 255 far, `iris` -255 closing to 255 opening; 0 is still.

    Errors: ValueError naming the field.
    """

    focus: int = 0
    iris: int = 0

    def __post_init__(self) -> None:
        check("focus", self.focus, -MAX_SPEED, MAX_SPEED)
        check("iris", self.iris, -MAX_SPEED, MAX_SPEED)


LENS_STOP: Final = Lens()


class PresetOp(IntEnum):
    """What is done with a preset; the value is its opcode."""

    SET = 0x81
    CALL = 0x82
    DELETE = 0x83


@dataclass(frozen=True, slots=True)
class Preset:
    """Set, call or delete a preset, 1 to 255 (0 is reserved). Errors: ValueError naming the field."""

    op: PresetOp
    number: int

    def __post_init__(self) -> None:
        check("number", self.number, 1, 255)


@dataclass(frozen=True, slots=True)
class CruisePoint:
    """Add a preset to a cruise or take it out; taking out preset 0 deletes the whole cruise.

    Errors: ValueError naming the field.
    """

    group: int
    preset: int
    is_added: bool = True

    def __post_init__(self) -> None:
        check("group", self.group, 0, 255)
        check("preset", self.preset, 1 if self.is_added else 0, 255)


@dataclass(frozen=True, slots=True)
class CruiseSpeed:
    """How fast a cruise turns, 0 to 4095. Errors: ValueError naming the field."""

    group: int
    speed: int

    def __post_init__(self) -> None:
        check("group", self.group, 0, 255)
        check("speed", self.speed, 0, MAX_TWELVE_BITS)


@dataclass(frozen=True, slots=True)
class CruiseDwell:
    """How long a cruise stays at each preset, 0 to 4095 seconds. Errors: ValueError naming the field."""

    group: int
    dwell_s: int

    def __post_init__(self) -> None:
        check("group", self.group, 0, 255)
        check("dwell_s", self.dwell_s, 0, MAX_TWELVE_BITS)


@dataclass(frozen=True, slots=True)
class CruiseStart:
    """Begin a cruise; any stop ends it. Errors: ValueError naming the field."""

    group: int

    def __post_init__(self) -> None:
        check("group", self.group, 0, 255)


class ScanOp(IntEnum):
    """What is done with a scan; the value is data 2."""

    START = 0
    LEFT = 1
    RIGHT = 2


@dataclass(frozen=True, slots=True)
class Scan:
    """Begin a scan, or take the present direction as its left or right border. Errors: ValueError naming the field."""

    group: int
    op: ScanOp = ScanOp.START

    def __post_init__(self) -> None:
        check("group", self.group, 0, 255)


@dataclass(frozen=True, slots=True)
class ScanSpeed:
    """How fast a scan turns, 0 to 4095. Errors: ValueError naming the field."""

    group: int
    speed: int

    def __post_init__(self) -> None:
        check("group", self.group, 0, 255)
        check("speed", self.speed, 0, MAX_TWELVE_BITS)


@dataclass(frozen=True, slots=True)
class Auxiliary:
    """Switch something beside the camera; number 1 is the wiper. Errors: ValueError naming the field."""

    number: int
    is_on: bool

    def __post_init__(self) -> None:
        check("number", self.number, 1, 255)


PtzCommand = Move | Lens | Preset | CruisePoint | CruiseSpeed | CruiseDwell | CruiseStart | Scan | ScanSpeed | Auxiliary


@dataclass(frozen=True, slots=True)
class BadPtz:
    """A PTZCmd that is none; `reason` is one of the words of `docs/protocols/gb28181.md`."""

    reason: str


def encode(command: PtzCommand, address: int = 1) -> str:
    """Return the 16 hexadecimal digits of a command; receivers ignore the address. Errors: ValueError."""
    check("address", address, 0, MAX_ADDRESS)
    opcode, first, second, third = _data(command)
    head = bytes((FIRST_BYTE, SECOND_BYTE, address & 0xFF, opcode, first, second, third << 4 | address >> 8))
    return (head + bytes((sum(head) & 0xFF,))).hex().upper()


def decode(text: str) -> PtzCommand | BadPtz:
    """Read a command; case and surrounding space do not matter, the checksum does. A bad peer is data."""
    stripped = text.strip()
    if len(stripped) != 16:
        return BadPtz("length")
    if not _HEX.match(stripped):
        return BadPtz("not_hexadecimal")
    raw = bytes.fromhex(stripped)
    if sum(raw[:7]) & 0xFF != raw[7]:
        return BadPtz("checksum")
    if raw[0] != FIRST_BYTE or (raw[0] >> 4) + (raw[0] & 0x0F) + (raw[1] >> 4) & 0x0F != raw[1] & 0x0F:
        return BadPtz("first_bytes")
    try:
        return _command(raw[3], raw[4], raw[5], raw[6] >> 4)
    except ValueError:
        return BadPtz("out_of_range")


def _data(command: PtzCommand) -> tuple[int, int, int, int]:
    """Return opcode, data 1, data 2 and the nibble of data 3."""
    match command:
        case Move(pan, tilt, zoom):
            opcode = (pan > 0) | (pan < 0) << 1 | (tilt < 0) << 2 | (tilt > 0) << 3 | (zoom > 0) << 4 | (zoom < 0) << 5
            return opcode, abs(pan), abs(tilt), abs(zoom)
        case Lens(focus, iris):
            opcode = 0x40 | (focus > 0) | (focus < 0) << 1 | (iris > 0) << 2 | (iris < 0) << 3
            return opcode, abs(focus), abs(iris), 0
        case Preset(op, number):
            return int(op), 0, number, 0
        case CruisePoint(group, preset, is_added):
            return 0x84 if is_added else 0x85, group, preset, 0
        case CruiseSpeed(group, value):
            return 0x86, group, value & 0xFF, value >> 8
        case CruiseDwell(group, value):
            return 0x87, group, value & 0xFF, value >> 8
        case CruiseStart(group):
            return 0x88, group, 0, 0
        case Scan(group, op):
            return 0x89, group, int(op), 0
        case ScanSpeed(group, value):
            return 0x8A, group, value & 0xFF, value >> 8
        case Auxiliary(number, is_on):
            return 0x8C if is_on else 0x8D, number, 0, 0


def _command(opcode: int, first: int, second: int, third: int) -> PtzCommand | BadPtz:
    if opcode < 0x40:
        if opcode & 0x03 == 0x03 or opcode & 0x0C == 0x0C or opcode & 0x30 == 0x30:
            return BadPtz("both_ways")
        pan = _signed(opcode & 0x01, opcode & 0x02, first)
        tilt = _signed(opcode & 0x08, opcode & 0x04, second)
        return Move(pan, tilt, _signed(opcode & 0x10, opcode & 0x20, third))
    if opcode < 0x50:
        if opcode & 0x03 == 0x03 or opcode & 0x0C == 0x0C:
            return BadPtz("both_ways")
        return Lens(_signed(opcode & 0x01, opcode & 0x02, first), _signed(opcode & 0x04, opcode & 0x08, second))
    twelve = third << 8 | second
    match opcode:
        case 0x81 | 0x82 | 0x83:
            return Preset(PresetOp(opcode), second)
        case 0x84 | 0x85:
            return CruisePoint(first, second, opcode == 0x84)
        case 0x86:
            return CruiseSpeed(first, twelve)
        case 0x87:
            return CruiseDwell(first, twelve)
        case 0x88:
            return CruiseStart(first)
        case 0x89:
            return Scan(first, ScanOp(second))
        case 0x8A:
            return ScanSpeed(first, twelve)
        case 0x8C | 0x8D:
            return Auxiliary(first, opcode == 0x8C)
        case _:
            return BadPtz("unknown_opcode")


def _signed(is_plus: int, is_minus: int, speed: int) -> int:
    return speed if is_plus else -speed if is_minus else 0
