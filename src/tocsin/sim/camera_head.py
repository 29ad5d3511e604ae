"""The head of a simulated camera: turns, zooms, remembers presets, cruises, scans, wipes. Time is an argument.

It turns until told to stop, as real ones do; at the end of its range it stands still. Tilt grows downward.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tocsin.protocols.gb28181.control import Control, DragZoom, HomePosition, PreciseAim, PresetItem, Ptz, Record
from tocsin.protocols.gb28181.ptz import (
    MAX_SPEED,
    MAX_ZOOM_SPEED,
    STOP,
    Auxiliary,
    CruiseDwell,
    CruisePoint,
    CruiseSpeed,
    CruiseStart,
    Lens,
    Move,
    Preset,
    PresetOp,
    PtzCommand,
    Scan,
    ScanOp,
    ScanSpeed,
    encode,
)

PAN_DEG_PER_S: Final = 60.0
TILT_DEG_PER_S: Final = 30.0
ZOOM_PER_S: Final = 2.0
LOWEST_DEG, HIGHEST_DEG = 90.0, -30.0
MOST_ZOOM: Final = 16.0
FIELD_DEG: Final = 60.0
MOST_KEPT: Final = 1000


@dataclass(frozen=True, slots=True)
class Aim:
    """Where a head looks: degrees, and how many times enlarged."""

    pan_deg: float = 0.0
    tilt_deg: float = 0.0
    zoom: float = 1.0

    @property
    def words(self) -> str:
        """How the picture writes it."""
        return f"P{self.pan_deg:05.1f} T{self.tilt_deg:+05.1f} Z{self.zoom:04.1f}"


STRAIGHT: Final = Aim()


@dataclass(slots=True)
class _Cruise:
    points: list[int] = field(default_factory=list)
    dwell_s: int = 5
    speed: int = 0


@dataclass(slots=True)
class _Scan:
    left_deg: float = 0.0
    right_deg: float = 90.0
    speed: int = 1024


class CameraHead:
    """One channel's head. `seen` keeps the bytes of every PTZCmd as they arrived, oldest first."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._at = now()
        self._told_at = self._at
        self._aim = STRAIGHT
        self._move = STOP
        self._lens = Lens()
        self._cruises: dict[int, _Cruise] = {}
        self._scans: dict[int, _Scan] = {}
        self._cruising: tuple[int, float] | None = None
        self._scanning: tuple[int, float] | None = None
        self._home: HomePosition | None = None
        self._names: dict[int, str] = {}
        self.presets: dict[int, Aim] = {}
        self.switches: dict[int, bool] = {}
        self.is_recording = False
        self.focus = 0.0
        self.iris = 0.0
        self.seen: list[str] = []

    @property
    def is_moving(self) -> bool:
        """Say whether anything of it moves."""
        return self._move != STOP or self._lens != Lens() or bool(self._cruising or self._scanning)

    def look(self) -> Aim:
        """Return where it looks now."""
        now = self._now()
        passed_s, self._at = max(0.0, now - self._at), now
        move = self._move
        if move != STOP:
            self._aim = Aim(
                (self._aim.pan_deg + move.pan / MAX_SPEED * PAN_DEG_PER_S * passed_s) % 360.0,
                _within(
                    self._aim.tilt_deg - move.tilt / MAX_SPEED * TILT_DEG_PER_S * passed_s, HIGHEST_DEG, LOWEST_DEG
                ),
                _within(self._aim.zoom * ZOOM_PER_S ** (move.zoom / MAX_ZOOM_SPEED * passed_s), 1.0, MOST_ZOOM),
            )
        self.focus = _within(self.focus + self._lens.focus / MAX_SPEED * passed_s, -1.0, 1.0)
        self.iris = _within(self.iris + self._lens.iris / MAX_SPEED * passed_s, -1.0, 1.0)
        if self._cruising is not None:
            self._follow_cruise(now)
        elif self._scanning is not None:
            self._follow_scan(now)
        elif self._home is not None and move == STOP and now - self._told_at >= self._home.reset_time_s:
            self._aim = self.presets.get(self._home.preset, self._aim)
        return self._aim

    @property
    def home(self) -> HomePosition | None:
        """The home position, None while it is off."""
        return self._home

    @property
    def tours(self) -> dict[int, list[tuple[int, int, int]]]:
        """The tours by number: preset, seconds of stay and speed (1-15) of each stop."""
        return {
            number: [(preset, cruise.dwell_s, max(1, cruise.speed * 15 // 4095)) for preset in cruise.points]
            for number, cruise in sorted(self._cruises.items())
        }

    def listed(self) -> tuple[PresetItem, ...]:
        """Return the presets as a PresetQuery is answered."""
        return tuple(PresetItem(number, self._names.get(number, "")) for number in sorted(self.presets))

    def obey(self, control: Control) -> bool:
        """Do what is asked; False for what this head has no part in."""
        self.look()
        self._told_at = self._at
        match control:
            case Ptz(command):
                if len(self.seen) < MOST_KEPT:
                    self.seen.append(encode(command))
                self._obey_bytes(command)
            case DragZoom():
                self._zoom_to(control)
            case HomePosition(is_enabled):
                self._home = control if is_enabled else None
            case PreciseAim(pan_deg, tilt_deg, zoom):
                self._aim = Aim(pan_deg % 360.0, tilt_deg, _within(zoom, 1.0, MOST_ZOOM))
            case Record(is_on):
                self.is_recording = is_on
            case _:
                return False
        return True

    def _obey_bytes(self, command: PtzCommand) -> None:
        match command:
            case Move():
                self._move = command
                self._cruising = self._scanning = None
                if command == STOP:
                    self._lens = Lens()
            case Lens():
                self._lens = command
            case Preset(op, number):
                self._obey_preset(op, number)
            case CruisePoint(group, preset, is_added):
                points = self._cruises.setdefault(group, _Cruise()).points
                if is_added:
                    points.append(preset)
                elif preset == 0:
                    del self._cruises[group]
                elif preset in points:
                    points.remove(preset)
            case CruiseSpeed(group, speed):
                self._cruises.setdefault(group, _Cruise()).speed = speed
            case CruiseDwell(group, dwell_s):
                self._cruises.setdefault(group, _Cruise()).dwell_s = dwell_s
            case CruiseStart(group):
                self._move, self._scanning, self._cruising = STOP, None, (group, self._at)
            case Scan(group, op):
                scan = self._scans.setdefault(group, _Scan())
                if op is ScanOp.LEFT:
                    scan.left_deg = self._aim.pan_deg
                elif op is ScanOp.RIGHT:
                    scan.right_deg = self._aim.pan_deg
                else:
                    self._move, self._cruising, self._scanning = STOP, None, (group, self._at)
            case ScanSpeed(group, speed):
                self._scans.setdefault(group, _Scan()).speed = speed
            case Auxiliary(number, is_on):
                self.switches[number] = is_on

    def _obey_preset(self, op: PresetOp, number: int) -> None:
        if op is PresetOp.SET:
            self.presets[number] = self._aim
        elif op is PresetOp.DELETE:
            self.presets.pop(number, None)
        elif number in self.presets:
            self._move, self._cruising, self._scanning = STOP, None, None
            self._aim = self.presets[number]

    def _zoom_to(self, drag: DragZoom) -> None:
        """Bring the middle of the rectangle to the middle of the picture, and enlarge by what it was narrower."""
        field_deg = FIELD_DEG / self._aim.zoom
        across = drag.mid_x / drag.window_length - 0.5
        down = drag.mid_y / drag.window_width - 0.5
        times = max(drag.length_x / drag.window_length, drag.length_y / drag.window_width)
        self._aim = Aim(
            (self._aim.pan_deg + across * field_deg) % 360.0,
            _within(self._aim.tilt_deg + down * field_deg * 9 / 16, HIGHEST_DEG, LOWEST_DEG),
            _within(self._aim.zoom / times if drag.is_in else self._aim.zoom * times, 1.0, MOST_ZOOM),
        )

    def _follow_cruise(self, now: float) -> None:
        assert self._cruising is not None
        group, since = self._cruising
        cruise = self._cruises.get(group, _Cruise())
        known = [number for number in cruise.points if number in self.presets]
        if known:
            self._aim = self.presets[known[int((now - since) / max(1, cruise.dwell_s)) % len(known)]]

    def _follow_scan(self, now: float) -> None:
        assert self._scanning is not None
        group, since = self._scanning
        scan = self._scans.get(group, _Scan())
        wide_deg = (scan.right_deg - scan.left_deg) % 360.0 or 360.0
        turned = (now - since) * max(1, scan.speed) / 4095 * PAN_DEG_PER_S % (2 * wide_deg)
        pan_deg = scan.left_deg + (turned if turned <= wide_deg else 2 * wide_deg - turned)
        self._aim = Aim(pan_deg % 360.0, self._aim.tilt_deg, self._aim.zoom)


def _within(value: float, least: float, most: float) -> float:
    return max(least, min(most, value))
