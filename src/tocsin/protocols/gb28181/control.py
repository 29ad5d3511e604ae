"""DeviceControl documents: movements, drag zoom, home position, key frame, reboot, recording, precise aim, presets.

Only HomePosition and RecordCmd are answered by a Response; for the others the SIP answer is all there is.

Source: GB/T 28181-2022, "Device control" and "Device information query", tables of commands and answers; the key
frame's two spellings: 2016 `IFameCmd`, 2022 `IFrameCmd`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.protocols.gb28181.charset import Label, encode_text
from tocsin.protocols.gb28181.manscdp import Document, Element, Pair, build_document
from tocsin.protocols.gb28181.ptz import BadPtz, PtzCommand, check, decode, encode

DEVICE_CONTROL: Final = "DeviceControl"
PRESET_QUERY: Final = "PresetQuery"
MAX_PRESETS: Final = 255
MAX_NAME_CHARS: Final = 64
MAX_PIXELS: Final = 100_000


@dataclass(frozen=True, slots=True)
class DragZoom:
    """A rectangle drawn on the picture: fill the picture with it, or the picture into it (`is_in` False).

    Pixels of a window of `window_length` by `window_width`, origin top left; `mid_x`, `mid_y` is the middle of the
    rectangle, `length_x`, `length_y` its size. Errors: ValueError naming the field.
    """

    is_in: bool
    window_length: int
    window_width: int
    mid_x: int
    mid_y: int
    length_x: int
    length_y: int

    def __post_init__(self) -> None:
        check("window_length", self.window_length, 1, MAX_PIXELS)
        check("window_width", self.window_width, 1, MAX_PIXELS)
        check("mid_x", self.mid_x, 0, self.window_length)
        check("mid_y", self.mid_y, 0, self.window_width)
        check("length_x", self.length_x, 1, self.window_length)
        check("length_y", self.length_y, 1, self.window_width)


@dataclass(frozen=True, slots=True)
class HomePosition:
    """The preset a camera returns to by itself after `reset_time_s` seconds without a command; off when not enabled.

    Errors: ValueError naming the field.
    """

    is_enabled: bool
    reset_time_s: int = 60
    preset: int = 1

    def __post_init__(self) -> None:
        check("reset_time_s", self.reset_time_s, 1, 86_400)
        check("preset", self.preset, 1, MAX_PRESETS)


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """Send a key frame now."""


@dataclass(frozen=True, slots=True)
class TeleBoot:
    """Start again; addressed to the device, not to a channel."""


@dataclass(frozen=True, slots=True)
class Record:
    """Begin or end recording in the device."""

    is_on: bool


@dataclass(frozen=True, slots=True)
class PreciseAim:
    """Point at an angle (2022 devices): `pan_deg` 0 to 360, `tilt_deg` -30 to 90 growing downward, `zoom` 1 to 1000
    times; hundredths are sent.

    Errors: ValueError naming the field.
    """

    pan_deg: float
    tilt_deg: float
    zoom: float = 1.0

    def __post_init__(self) -> None:
        for field, value, least, most in (
            ("pan_deg", self.pan_deg, 0.0, 360.0),
            ("tilt_deg", self.tilt_deg, -30.0, 90.0),
            ("zoom", self.zoom, 1.0, 1000.0),
        ):
            if not least <= value <= most:
                raise ValueError(f"{field} must be from {least:g} to {most:g}, not {value!r}")


@dataclass(frozen=True, slots=True)
class Ptz:
    """The eight bytes of `ptz.py`; `priority` 1 to 255, larger wins, None leaves it out. Errors: ValueError."""

    command: PtzCommand
    priority: int | None = None

    def __post_init__(self) -> None:
        if self.priority is not None:
            check("priority", self.priority, 1, 255)


Control = Ptz | DragZoom | HomePosition | KeyFrame | TeleBoot | Record | PreciseAim


@dataclass(frozen=True, slots=True)
class BadControl:
    """A control that cannot be obeyed and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class PresetItem:
    """A preset as a device lists it."""

    number: int
    name: str = ""


def is_answered(control: Control) -> bool:
    """Say whether the standard has a Response for it. Source: the table of commands and answers."""
    return isinstance(control, HomePosition | Record)


def control_document(
    sn: int, target_id: str, control: Control, *, version: str = "", label: Label = Label.GB2312
) -> bytes:
    """Return the document of a control; `version` chooses the key frame's spelling."""
    return build_document("Control", DEVICE_CONTROL, sn, target_id, _fields(control, version), label=label)


def read_control(document: Document) -> Control | BadControl:
    """Read a control as a device does; names compare without case. A bad peer is data."""
    root = document.root
    try:
        if (found := root.child("PTZCmd")) is not None:
            command = decode(found.text)
            info = root.child("Info")
            priority = info.integer("ControlPriority") if info is not None else None
            return BadControl(command.reason) if isinstance(command, BadPtz) else Ptz(command, priority)
        for name, is_in in (("DragZoomIn", True), ("DragZoomOut", False)):
            if (found := root.child(name)) is not None:
                numbers = (_integer(found, field) for field in _DRAG)
                return DragZoom(is_in, *numbers)
        if (found := root.child("HomePosition")) is not None:
            is_enabled = found.integer("Enabled") == 1
            return HomePosition(is_enabled, found.integer("ResetTime") or 60, found.integer("PresetIndex") or 1)
        if root.child("IFameCmd") or root.child("IFrameCmd"):
            return KeyFrame()
        if root.child("TeleBoot"):
            return TeleBoot()
        if (found := root.child("RecordCmd")) is not None:
            word = found.text.lower()
            return Record(word == "record") if word in ("record", "stoprecord") else BadControl("unknown_word")
        if (found := root.child("PTZPreciseCtrl")) is not None:
            pan, tilt, zoom = (found.number(name) for name in ("Pan", "Tilt", "Zoom"))
            return PreciseAim(pan or 0.0, tilt or 0.0, 1.0 if zoom is None else zoom)
    except ValueError as error:
        return BadControl(str(error))
    return BadControl("unknown_command")


def preset_query(sn: int, channel_id: str, label: Label = Label.GB2312) -> bytes:
    """Return the question for the presets of a channel."""
    return build_document("Query", PRESET_QUERY, sn, channel_id, label=label)


def preset_response(
    sn: int | None, channel_id: str, presets: Sequence[PresetItem], label: Label = Label.GB2312
) -> bytes:
    """Return the list of presets; `sn` None leaves SN out (a quirk)."""
    items: list[Pair] = [("Item", [("PresetID", item.number), ("PresetName", item.name)]) for item in presets]
    fields: list[Pair] = [("SumNum", len(items)), *([("PresetList", items)] if items else [])]
    if sn is not None:
        body = build_document("Response", PRESET_QUERY, sn, channel_id, fields, label=label)
    else:
        text = build_document("Response", PRESET_QUERY, 0, channel_id, fields, label=label).decode("gb18030")
        body = encode_text(text.replace("<SN>0</SN>\r\n", ""), label)
    return body.replace(b"<PresetList>", b'<PresetList Num="%d">' % len(items))


def read_presets(document: Document) -> tuple[PresetItem, ...]:
    """Return the presets of an answer by number; 0 and repeated ones are left out, some devices send all 255 empty."""
    listed = document.root.child("PresetList")
    found: dict[int, PresetItem] = {}
    for item in listed.all("Item") if listed is not None else ():
        number = item.integer("PresetID")
        if number is not None and 1 <= number <= MAX_PRESETS and number not in found:
            found[number] = PresetItem(number, item.get("PresetName")[:MAX_NAME_CHARS])
    return tuple(found[number] for number in sorted(found))


_DRAG: Final = ("Length", "Width", "MidPointX", "MidPointY", "LengthX", "LengthY")


def _integer(element: Element, name: str) -> int:
    value = element.integer(name)
    if value is None:
        raise ValueError(f"{name} is missing")
    return value


def _fields(control: Control, version: str) -> list[Pair]:
    match control:
        case Ptz(command, priority):
            info: list[Pair] = [] if priority is None else [("Info", [("ControlPriority", priority)])]
            return [("PTZCmd", encode(command)), *info]
        case DragZoom():
            values = (
                control.window_length, control.window_width, control.mid_x, control.mid_y, control.length_x,
                control.length_y,
            )  # fmt: skip
            inner: list[Pair] = list(zip(_DRAG, values, strict=True))
            return [("DragZoomIn" if control.is_in else "DragZoomOut", inner)]
        case HomePosition(is_enabled, reset_time_s, preset):
            home: list[Pair] = [("Enabled", int(is_enabled)), ("ResetTime", reset_time_s), ("PresetIndex", preset)]
            return [("HomePosition", home)]
        case KeyFrame():
            return [("IFrameCmd" if version.strip().startswith("3") else "IFameCmd", "Send")]
        case TeleBoot():
            return [("TeleBoot", "Boot")]
        case Record(is_on):
            return [("RecordCmd", "Record" if is_on else "StopRecord")]
        case PreciseAim(pan_deg, tilt_deg, zoom):
            aim: list[Pair] = [("Pan", f"{pan_deg:.2f}"), ("Tilt", f"{tilt_deg:.2f}"), ("Zoom", f"{zoom:.2f}")]
            return [("PTZPreciseCtrl", aim)]
