"""The imaging service of a simulated ONVIF camera: what it offers, what is set, and what that does to its picture."""

from __future__ import annotations

from typing import Final

from tocsin.protocols.onvif.soap import Element, child, text
from tocsin.sim.camera_tone import Tone

HALF: Final = 50.0
RANGES: Final[tuple[str, ...]] = ("Brightness", "ColorSaturation", "Contrast", "Sharpness")
MODES: Final[dict[str, tuple[str, ...]]] = {
    "Exposure": ("AUTO", "MANUAL"),
    "Focus": ("AUTO", "MANUAL"),
    "IrCutFilter": ("ON", "OFF", "AUTO"),
    "WideDynamicRange": ("ON", "OFF"),
}


class SimImaging:
    """Settings of one camera. `offers` names what it lets people set; all else is as if it were not there."""

    def __init__(self, offers: tuple[str, ...] = (*RANGES, *MODES), *, moves_focus: bool = True) -> None:
        self.values: dict[str, float | str] = {name: HALF for name in RANGES if name in offers}
        self.values |= {name: words[0] for name, words in MODES.items() if name in offers}
        if "WideDynamicRange" in offers:
            self.values |= {"WideDynamicRange": "OFF", "Level": HALF}
        if "IrCutFilter" in offers:
            self.values["IrCutFilter"] = "AUTO"
        self.moves_focus = moves_focus
        self.focus_moves: list[float] = []

    def tone(self) -> Tone:
        """Return what the settings do to the picture. Without the filter the camera sees in black and white."""
        saturation = 0.0 if self.values.get("IrCutFilter") == "OFF" else 1 + self._off("ColorSaturation") / HALF
        contrast = (1 + self._off("Contrast") / HALF) * (0.7 if self.values.get("WideDynamicRange") == "ON" else 1.0)
        return Tone(self._off("Brightness") * 2.4, contrast, saturation)

    def _off(self, name: str) -> float:
        return float(self.values.get(name, HALF)) - HALF

    def options(self) -> str:
        """Return the answer to GetOptions."""
        numbers = {name: _range(name) for name in RANGES if name in self.values}
        parts = {
            **numbers,
            "Exposure": f"<tt:Exposure>{_modes('Mode', 'Exposure')}</tt:Exposure>",
            "Focus": f"<tt:Focus>{_modes('AutoFocusModes', 'Focus')}</tt:Focus>",
            "IrCutFilter": _modes("IrCutFilterModes", "IrCutFilter"),
            "WideDynamicRange": f"<tt:WideDynamicRange>{_modes('Mode', 'WideDynamicRange')}{_range('Level')}"
            "</tt:WideDynamicRange>",
        }
        inner = "".join(part for name, part in parts.items() if name in self.values)
        return f"<timg:GetOptionsResponse><timg:ImagingOptions>{inner}</timg:ImagingOptions></timg:GetOptionsResponse>"

    def settings(self) -> str:
        """Return the answer to GetImagingSettings."""
        values = self.values
        parts = {name: f"<tt:{name}>{values[name]}</tt:{name}>" for name in RANGES if name in values}
        parts |= {
            "Exposure": f"<tt:Exposure><tt:Mode>{values.get('Exposure')}</tt:Mode></tt:Exposure>",
            "Focus": f"<tt:Focus><tt:AutoFocusMode>{values.get('Focus')}</tt:AutoFocusMode></tt:Focus>",
            "IrCutFilter": f"<tt:IrCutFilter>{values.get('IrCutFilter')}</tt:IrCutFilter>",
            "WideDynamicRange": f"<tt:WideDynamicRange><tt:Mode>{values.get('WideDynamicRange')}</tt:Mode>"
            f"<tt:Level>{values.get('Level')}</tt:Level></tt:WideDynamicRange>",
        }
        inner = "".join(part for name, part in parts.items() if name in values)
        return (
            f"<timg:GetImagingSettingsResponse><timg:ImagingSettings>{inner}</timg:ImagingSettings>"
            "</timg:GetImagingSettingsResponse>"
        )

    def set(self, action: Element) -> str | None:
        """Take SetImagingSettings; None when something in it is not offered or out of range."""
        given = child(action, "ImagingSettings")
        found: dict[str, str] = {name: text(given, name) for name in (*RANGES, "IrCutFilter")}
        found |= {"Exposure": text(given, "Exposure", "Mode"), "Focus": text(given, "Focus", "AutoFocusMode")}
        found |= {name: text(given, "WideDynamicRange", part) for name, part in _WIDE.items()}
        for name, word in found.items():
            if not word:
                continue
            if name not in self.values:
                return None
            if name in MODES and word not in MODES[name]:
                return None
            if name not in MODES and not 0 <= float(word) <= 100:
                return None
        self.values |= {name: word if name in MODES else float(word) for name, word in found.items() if word}
        return "<timg:SetImagingSettingsResponse/>"

    def move_options(self) -> str:
        """Return the answer to GetMoveOptions."""
        inner = (
            "<tt:Continuous><tt:Speed><tt:Min>-1</tt:Min><tt:Max>1</tt:Max></tt:Speed></tt:Continuous>"
            if self.moves_focus
            else ""
        )
        return (
            f"<timg:GetMoveOptionsResponse><timg:MoveOptions>{inner}</timg:MoveOptions></timg:GetMoveOptionsResponse>"
        )

    def move(self, action: Element) -> str:
        """Take a movement of the lens."""
        self.focus_moves.append(float(text(action, "Focus", "Continuous", "Speed") or 0))
        return "<timg:MoveResponse/>"

    def stop(self) -> str:
        """Take the end of a movement of the lens."""
        self.focus_moves.append(0.0)
        return "<timg:StopResponse/>"


_WIDE: Final = {"WideDynamicRange": "Mode", "Level": "Level"}


def _range(name: str) -> str:
    return f"<tt:{name}><tt:Min>0</tt:Min><tt:Max>100</tt:Max></tt:{name}>"


def _modes(tag: str, name: str) -> str:
    return "".join(f"<tt:{tag}>{word}</tt:{tag}>" for word in MODES[name])
