"""What may be asked of a camera that moves, in the words of the house, and who carries it out.

Speeds are shares of the fastest, -1 to 1. A movement lasts until the next one, a stop, or the end of the dead-man time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Any, Final, Protocol

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.words import Words
from tocsin.domain.directory import Channel

DEAD_MAN_S: Final = 2.0
# PTZType of the catalogue: 3 a fixed bullet, 6 a stitched and 7 a split channel. What says nothing is believed to move.
STILL_TYPES: Final = frozenset({3, 6, 7})
MAX_PRESETS: Final = 255


WORDS: Final = Words(
    {
        "no_view": (
            "Open the picture of this camera first: no control without a view.",
            "请先打开该摄像机的图像：未调看图像不得控制。",
        ),
        "control.field": ("Check the value: {said}", "请检查填写的值：{said}"),
        "control.held": ("{holder} is moving this camera.", "{holder} 正在控制该摄像机。"),
        "control.not_held": (
            "You do not have control of this camera. Take it first.",
            "您未取得该摄像机的控制权，请先取得控制。",
        ),
        "control.fixed": ("This camera is fixed: it cannot move.", "该摄像机为固定式，不能转动。"),
        "control.presets_full": (
            "The camera keeps 255 presets and all are taken. Delete one first.",
            "该摄像机的 255 个预置位已满，请先删除一个。",
        ),
        "control.preset_unnamed": ("Give the preset a name.", "请填写预置位名称。"),
        "control.preset_is_home": (
            "The camera returns to this preset by itself. Choose another home position first.",
            "该预置位是看守位，请先改设其他看守位。",
        ),
        "control.device_offline": (
            "The camera is off line, so nothing was sent to it.",
            "摄像机离线，指令未发出。",
        ),
        "control.no_answer": (
            "The camera did not answer within {waited_s} s. A movement is stopped by itself.",
            "摄像机 {waited_s} 秒内没有应答。转动会自动停止。",
        ),
        "control.refused": ("The camera refused ({status}).", "摄像机拒绝了指令（{status}）。"),
        "control.no_response": (
            "The camera took the command but did not say within {waited_s} s what became of it.",
            "摄像机已接收指令，但 {waited_s} 秒内未报告执行结果。",
        ),
        "control.failed": ("The camera says it could not do that.", "摄像机报告执行失败。"),
        "control.not_supported": (
            "This camera does not take an angle: it follows an older edition of the standard.",
            "该摄像机遵循旧版标准，不支持按角度定位。",
        ),
    }
)


def can_move(ptz_type: object) -> bool:
    """Say whether a camera of this type of the catalogue turns or zooms. Source: GB/T 28181, catalogue, PTZType."""
    return ptz_type not in STILL_TYPES


@dataclass(frozen=True, slots=True)
class Move:
    """Turn, zoom, focus, iris: right, up, in, far and open are positive; all 0 is the stop."""

    pan: float = 0.0
    tilt: float = 0.0
    zoom: float = 0.0
    focus: float = 0.0
    iris: float = 0.0

    @property
    def is_still(self) -> bool:
        """True for the stop."""
        return not (self.pan or self.tilt or self.zoom or self.focus or self.iris)


class PresetOp(StrEnum):
    """What is done with a preset at the camera."""

    SET = "set"
    CALL = "call"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class PresetAct:
    """Set, call or delete a preset, 1 to 255."""

    op: PresetOp
    number: int


@dataclass(frozen=True, slots=True)
class Switch:
    """Switch the wiper (number 1) or another auxiliary."""

    number: int
    is_on: bool


@dataclass(frozen=True, slots=True)
class Home:
    """The preset a camera returns to by itself after so many seconds without a command."""

    is_on: bool
    preset: int = 1
    after_s: int = 60


@dataclass(frozen=True, slots=True)
class DragZoom:
    """Fill the picture with a rectangle of it (`is_in`), or the rectangle with the picture; shares of it."""

    is_in: bool
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Aim:
    """Point at an angle: `pan_deg` 0-360, `tilt_deg` -30 to 90 growing downward, `zoom` times. 2022 devices only."""

    pan_deg: float
    tilt_deg: float
    zoom: float = 1.0


class CruiseOp(StrEnum):
    """What is done with a cruise."""

    ADD = "add"
    REMOVE = "remove"
    DELETE = "delete"
    SPEED = "speed"
    DWELL = "dwell"
    START = "start"


@dataclass(frozen=True, slots=True)
class Cruise:
    """A tour of presets: its points, speed (0-4095), dwell (seconds), and its start."""

    op: CruiseOp
    group: int
    preset: int = 0
    value: int = 0


class ScanOp(StrEnum):
    """What is done with a scan."""

    START = "start"
    LEFT = "left"
    RIGHT = "right"
    SPEED = "speed"


@dataclass(frozen=True, slots=True)
class Scan:
    """Turning to and fro between two borders; speed 0-4095."""

    op: ScanOp
    group: int
    speed: int = 0


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """A whole picture at once."""


@dataclass(frozen=True, slots=True)
class Reboot:
    """Start the device again; all its channels go dark for a minute."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Begin or end the device's own recording."""

    is_on: bool


Act = Move | PresetAct | Switch | Home | DragZoom | Aim | Cruise | Scan | KeyFrame | Reboot | Recording


@dataclass(frozen=True, slots=True)
class CameraPreset:
    """A preset as the camera itself lists it."""

    number: int
    name: str = ""


class CameraMover(Protocol):
    """Carries out what is asked of a camera; a gateway implements it."""

    async def perform(self, channel: Channel, act: Act) -> None:
        """Return once the camera has taken it. A movement ends by itself when it is not renewed in the dead-man time.

        Errors: UNAVAILABLE with `control.device_offline`, `control.no_answer`, `control.refused`,
        `control.no_response`, `control.failed` or `control.not_supported`.
        """

    async def stop(self, channel: Channel) -> None:
        """End every movement of a channel, whether one is known or not; never raises for a silent camera."""

    async def presets(self, channel: Channel) -> tuple[CameraPreset, ...]:
        """Return the presets the camera knows. Errors: UNAVAILABLE, as above."""


class RoutedMover:
    """Moves a camera by the mover of its device's protocol."""

    def __init__(self, protocol_of: Callable[[str], str], default: CameraMover) -> None:
        """`protocol_of` takes a device id; `default` serves what no other mover was added for."""
        self._protocol_of = protocol_of
        self._default = default
        self._movers: dict[str, CameraMover] = {}

    def add(self, protocol: str, mover: CameraMover) -> None:
        """Let a mover serve the devices of a protocol."""
        self._movers[protocol] = mover

    async def perform(self, channel: Channel, act: Act) -> None:
        """Return once the camera has taken it. Errors: UNAVAILABLE."""
        await self._of(channel).perform(channel, act)

    async def stop(self, channel: Channel) -> None:
        """End every movement of a channel."""
        await self._of(channel).stop(channel)

    async def presets(self, channel: Channel) -> tuple[CameraPreset, ...]:
        """Return the presets the camera knows. Errors: UNAVAILABLE."""
        return await self._of(channel).presets(channel)

    def _of(self, channel: Channel) -> CameraMover:
        return self._movers.get(self._protocol_of(channel.device_id), self._default)


class FixedMover:
    """The mover of cameras that take no command."""

    async def perform(self, channel: Channel, act: Act) -> None:
        """Refuse. Errors: UNAVAILABLE `control.not_supported`."""
        raise TocsinError(ErrorCode.UNAVAILABLE, "the camera takes no commands", key="control.fixed")

    async def stop(self, channel: Channel) -> None:
        """Nothing moves."""

    async def presets(self, channel: Channel) -> tuple[CameraPreset, ...]:
        """Return none."""
        return ()


def read_act(form: Mapping[str, Any]) -> Act:
    """Return the act of a request: `act` names it, the other fields belong to it. Errors: INVALID naming the field."""
    name = form.get("act")
    reader = _READERS.get(name) if isinstance(name, str) else None
    if reader is None:
        raise _wrong("act", f"act must be one of {', '.join(sorted(_READERS))}", choices=", ".join(sorted(_READERS)))
    return reader(form)


def read_move(form: Mapping[str, Any]) -> Move:
    """Return the movement of a request. Errors: INVALID naming the field."""
    return Move(*(_number(form, name, -1, 1, 0.0) for name in ("pan", "tilt", "zoom", "focus", "iris")))


def _wrong(field: str, detail: str, **params: object) -> TocsinError:
    return TocsinError(ErrorCode.INVALID, detail, key="control.field", field=field, said=detail, **params)


def _number(form: Mapping[str, Any], name: str, least: float, most: float, default: float | None = None) -> float:
    value = form.get(name, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not is_number or not least <= value <= most:
        raise _wrong(name, f"{name}: {least:g} - {most:g}")
    return float(value)


def _whole(form: Mapping[str, Any], name: str, least: int, most: int, default: int | None = None) -> int:
    value = form.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _wrong(name, f"{name}: {least} - {most}")
    return value


def _flag(form: Mapping[str, Any], name: str = "on") -> bool:
    value = form.get(name)
    if not isinstance(value, bool):
        raise _wrong(name, f"{name}: true, false")
    return value


def _word(form: Mapping[str, Any], kind: type[StrEnum], name: str = "op") -> Any:
    value = form.get(name)
    words = [word.value for word in kind]
    if value not in words:
        raise _wrong(name, f"{name}: {', '.join(words)}")
    return kind(value)


def _read_cruise(form: Mapping[str, Any]) -> Cruise:
    op = _word(form, CruiseOp)
    takes_preset, takes_value = op in (CruiseOp.ADD, CruiseOp.REMOVE), op in (CruiseOp.SPEED, CruiseOp.DWELL)
    return Cruise(
        op,
        _whole(form, "group", 0, 255, 1),
        _whole(form, "preset", 1, MAX_PRESETS) if takes_preset else 0,
        _whole(form, "value", 0, 4095) if takes_value else 0,
    )


def _read_scan(form: Mapping[str, Any]) -> Scan:
    op = _word(form, ScanOp)
    return Scan(op, _whole(form, "group", 0, 255, 1), _whole(form, "value", 0, 4095) if op is ScanOp.SPEED else 0)


def _read_drag(form: Mapping[str, Any]) -> DragZoom:
    return DragZoom(
        _flag(form, "in") if "in" in form else True,
        _number(form, "x", 0, 1),
        _number(form, "y", 0, 1),
        _number(form, "width", 0.005, 1),
        _number(form, "height", 0.005, 1),
    )


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Act]]] = {
    "wiper": lambda form: Switch(1, _flag(form)),
    "switch": lambda form: Switch(_whole(form, "number", 1, 255), _flag(form)),
    "drag_zoom": _read_drag,
    "aim": lambda form: Aim(
        _number(form, "pan_deg", 0, 360), _number(form, "tilt_deg", -30, 90), _number(form, "times", 1, 1000, 1.0)
    ),
    "cruise": _read_cruise,
    "scan": _read_scan,
    "key_frame": lambda form: KeyFrame(),
    "reboot": lambda form: Reboot(),
    "record": lambda form: Recording(_flag(form)),
}
