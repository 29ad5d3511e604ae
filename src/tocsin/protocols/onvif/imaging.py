"""How a camera makes its picture: what may be set, how it is set, and setting it. Pure.

Names are ours, numbers are as the camera counts them, words are lower case. A camera's own range is kept: what stands
outside of it is never sent.

Source: ONVIF Imaging specification (ver20/imaging), GetOptions, GetImagingSettings, SetImagingSettings, GetMoveOptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Final
from xml.sax.saxutils import escape

from tocsin.protocols.onvif.soap import Element, child, children, descendants, text

MAX_CHOICES: Final = 16
Value = float | str


@dataclass(frozen=True, slots=True)
class Option:
    """What may be set: a number from `least` to `most`, or one of `choices`."""

    least: float = 0.0
    most: float = 0.0
    choices: tuple[str, ...] = ()


# Ours, the path in the settings, the path in the options. The order is the one the schema wants in a request.
_NUMBERS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "brightness": (("Brightness",), ("Brightness",)),
    "saturation": (("ColorSaturation",), ("ColorSaturation",)),
    "contrast": (("Contrast",), ("Contrast",)),
    "sharpness": (("Sharpness",), ("Sharpness",)),
    "wdr_level": (("WideDynamicRange", "Level"), ("WideDynamicRange", "Level")),
}
_WORDS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "exposure": (("Exposure", "Mode"), ("Exposure", "Mode")),
    "focus": (("Focus", "AutoFocusMode"), ("Focus", "AutoFocusModes")),
    "ir_cut": (("IrCutFilter",), ("IrCutFilterModes",)),
    "wdr": (("WideDynamicRange", "Mode"), ("WideDynamicRange", "Mode")),
}
NAMES: Final = (*_NUMBERS, *_WORDS)
_ORDER: Final = (
    "brightness",
    "saturation",
    "contrast",
    "exposure",
    "focus",
    "ir_cut",
    "sharpness",
    "wdr",
    "wdr_level",
)


def get_options(source: str) -> str:
    """Return the question for what may be set."""
    return f"<timg:GetOptions>{_source(source)}</timg:GetOptions>"


def get_settings(source: str) -> str:
    """Return the question for what is set."""
    return f"<timg:GetImagingSettings>{_source(source)}</timg:GetImagingSettings>"


def get_move_options(source: str) -> str:
    """Return the question whether the lens can be moved."""
    return f"<timg:GetMoveOptions>{_source(source)}</timg:GetMoveOptions>"


def set_settings(source: str, values: Mapping[str, Value]) -> str:
    """Return what sets these values and leaves all others. Raises ValueError for a name that is not ours."""
    unknown = sorted(values.keys() - set(NAMES))
    if unknown:
        raise ValueError(f"no setting {unknown[0]}")
    body, open_group = "", ""
    for name in _ORDER:
        if name not in values:
            continue
        path = (_NUMBERS.get(name) or _WORDS[name])[0]
        group = path[0] if len(path) > 1 else ""
        if open_group and open_group != group:
            body, open_group = f"{body}</tt:{open_group}>", ""
        if group and group != open_group:
            body, open_group = f"{body}<tt:{group}>", group
        body += f"<tt:{path[-1]}>{_sent(values[name])}</tt:{path[-1]}>"
    if open_group:
        body += f"</tt:{open_group}>"
    return (
        f"<timg:SetImagingSettings>{_source(source)}<timg:ImagingSettings>{body}</timg:ImagingSettings>"
        "<timg:ForcePersistence>true</timg:ForcePersistence></timg:SetImagingSettings>"
    )


def read_options(answer: Element) -> dict[str, Option]:
    """Return what may be set, by our names; what has no range and one choice at most is left out."""
    root = child(answer, "ImagingOptions")
    found: dict[str, Option] = {}
    for name, (_, path) in _NUMBERS.items():
        at = child(root, *path)
        least, most = _number(text(at, "Min")), _number(text(at, "Max"))
        if least is not None and most is not None and least < most:
            found[name] = Option(least, most)
    for name, (_, path) in _WORDS.items():
        within = child(root, *path[:-1]) if len(path) > 1 else root
        words = [(item.text or "").strip().lower()[:24] for item in children(within, path[-1])[:MAX_CHOICES]]
        choices = tuple(dict.fromkeys(word for word in words if word))
        if len(choices) > 1:
            found[name] = Option(choices=choices)
    return found


def read_settings(answer: Element) -> dict[str, Value]:
    """Return what is set, by our names; what cannot be read is left out."""
    root = child(answer, "ImagingSettings")
    found: dict[str, Value] = {}
    for name, (path, _) in _NUMBERS.items():
        number = _number(text(root, *path))
        if number is not None:
            found[name] = number
    for name, (path, _) in _WORDS.items():
        word = text(root, *path).lower()[:24]
        if word:
            found[name] = word
    return found


def can_move_focus(answer: Element) -> bool:
    """Tell from the answer to `get_move_options` whether the lens moves as long as it is told to."""
    return any(True for _ in descendants(answer, "Continuous"))


def _source(source: str) -> str:
    return f"<timg:VideoSourceToken>{escape(source)}</timg:VideoSourceToken>"


def _sent(value: Value) -> str:
    return escape(value.upper()) if isinstance(value, str) else f"{value:g}"


def _number(word: str) -> float | None:
    try:
        number = float(word) if len(word) <= 32 else inf
    except ValueError:
        return None
    return number if isfinite(number) else None
