"""What goes wrong with a picture, drawn: one fault at a severity of 0 to 1, and what is no fault at all: weather.

Works on RGB pictures, shape (height, width, 3), of any scene. Needs NumPy (the extra `tocsin[picture]`). The same seed
gives the same fault, so that one camera keeps its sheet of cardboard from picture to picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Plane = np.ndarray[Any, np.dtype[np.float32]]
Chance = np.random.Generator

_TINTS: Final = ((1.6, 0.75, 0.6), (0.6, 0.8, 1.7), (0.7, 1.5, 0.65), (1.5, 0.6, 1.4))
_SHEETS: Final = ((150, 120, 90), (60, 60, 64), (190, 190, 186), (40, 60, 120), (110, 20, 20))


def spoil(pixels: Pixels, fault: str, severity: float, seed: int, *, elsewhere: Pixels | None = None) -> Pixels:
    """Return a picture with a fault. `elsewhere` is what a camera that was turned sees beside its old picture.

    `frozen` returns the picture as it is but for the grain behind the picture store: the caller repeats the same one.
    Errors: KeyError for an unknown fault.
    """
    chance = np.random.default_rng(seed)
    if fault == "moved":
        return _moved(pixels, severity, pixels[:, ::-1] if elsewhere is None else elsewhere)
    return _rounded(_FAULTS[fault](pixels.astype(np.float32), severity, chance))


def weather(pixels: Pixels, kind: str, seed: int, number: int) -> Pixels:
    """Return a picture as weather and light make it; `number` counts the pictures of a sequence. Errors: KeyError."""
    return _rounded(_WEATHER[kind](pixels.astype(np.float32), np.random.default_rng(seed), number, seed))


def _rounded(found: Plane) -> Pixels:
    made: Pixels = np.clip(np.rint(found), 0, 255).astype(np.uint8)
    return made


# --- faults -----------------------------------------------------------------------------------------------------------


def _black(pixels: Plane, severity: float, chance: Chance) -> Plane:
    return pixels * np.float32(0.3 * (1 - severity) ** 3) + _grain(pixels, 0.8, chance)


def _dark(pixels: Plane, severity: float, chance: Chance) -> Plane:
    return pixels * np.float32(1 - 0.92 * severity) + _grain(pixels, 1.5, chance)


def _bright(pixels: Plane, severity: float, chance: Chance) -> Plane:
    return pixels * np.float32(1 + 3 * severity) + np.float32(60 * severity)


def _covered(pixels: Plane, severity: float, chance: Chance) -> Plane:
    """A sheet before the lens: out of focus, lit from one side; a little of the scene still shines through."""
    opaque = np.float32(1 - 0.3 * (1 - severity) ** 3)
    found: Plane = pixels * (1 - opaque) + _sheet(pixels, chance) * opaque + _grain(pixels, 1.2, chance)
    return found


def _part_cover(pixels: Plane, severity: float, chance: Chance) -> Plane:
    """A leaf, a bag or a web over a part of the picture, from one side, with a soft edge."""
    height, width = pixels.shape[:2]
    side = int(chance.integers(4))
    along = np.linspace(0, 1, width if side % 2 == 0 else height, dtype=np.float32)
    along = along if side < 2 else along[::-1]
    slope = np.clip((0.85 * severity - along) / 0.06, 0, 1)
    mask = slope[None, :, None] if side % 2 == 0 else slope[:, None, None]
    found: Plane = pixels * (1 - mask) + (_sheet(pixels, chance) + _grain(pixels, 1.2, chance)) * mask
    return found


def _blur(pixels: Plane, severity: float, chance: Chance) -> Plane:
    return _smooth(pixels, severity * pixels.shape[1] / 80)


def _cast(pixels: Plane, severity: float, chance: Chance) -> Plane:
    tint = np.array(_TINTS[int(chance.integers(len(_TINTS)))], np.float32)
    found: Plane = pixels * (1 + (tint - 1) * np.float32(severity))
    return found


def _noise(pixels: Plane, severity: float, chance: Chance) -> Plane:
    return pixels + _grain(pixels, 50 * severity, np.random.default_rng())


def _stripes(pixels: Plane, severity: float, chance: Chance) -> Plane:
    """Hum bars or a failing sensor: a wave over the rows or the columns."""
    height, width = pixels.shape[:2]
    is_rows = bool(chance.integers(2))
    count = height if is_rows else width
    waves = float(chance.uniform(6, 24))
    wave = np.sin(2 * np.pi * (waves * np.arange(count, dtype=np.float32) / count + chance.random()))
    wave = (wave * 55 * severity).astype(np.float32)
    found: Plane = pixels + (wave[:, None, None] if is_rows else wave[None, :, None])
    return found


def _no_signal(pixels: Plane, severity: float, chance: Chance) -> Plane:
    """What a recorder or encoder sends without a camera: a plain colour with words, or bars; weak ones show ghosts."""
    height, width = pixels.shape[:2]
    slate = np.empty_like(pixels)
    kind = int(chance.integers(4))
    if kind == 3:
        bars = ((191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191))
        for index, colour in enumerate(bars):
            slate[:, index * width // 7 : (index + 1) * width // 7] = colour
    else:
        slate[:] = ((16, 32, 200), (24, 24, 26), (96, 98, 100))[kind]
        top, left, high = height * 2 // 5, width * 3 // 8, height // 10
        for letter in range(9):  # words, as a machine sees them: bright strokes
            x = left + letter * width // 36
            slate[top : top + high, x : x + width // 160 + 1] = 235
            slate[top : top + height // 60 + 1, x : x + width // 60] = 235
    ghost = np.float32(0.15 * (1 - severity) ** 3)
    return pixels * ghost + slate * (1 - ghost) + _grain(pixels, 1.5 * (1 - severity), chance)


def _frozen(pixels: Plane, severity: float, chance: Chance) -> Plane:
    return pixels + _grain(pixels, 0.5 * (1 - severity), np.random.default_rng())


def _moved(pixels: Pixels, severity: float, elsewhere: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    right, down = int(0.6 * severity * width), int(0.12 * severity * height)
    wide = np.concatenate((pixels[:, right:], elsewhere[:, :right]), axis=1)
    found: Pixels = np.concatenate((wide[down:], elsewhere[:down]), axis=0)
    return found


_FAULTS: Final[Mapping[str, Callable[[Plane, float, Chance], Plane]]] = {
    "no_signal": _no_signal,
    "black": _black,
    "dark": _dark,
    "bright": _bright,
    "covered": _covered,
    "part_cover": _part_cover,
    "blur": _blur,
    "cast": _cast,
    "noise": _noise,
    "stripes": _stripes,
    "frozen": _frozen,
}
FAULTS: Final = (*_FAULTS, "moved")


# --- weather: no fault ------------------------------------------------------------------------------------------------


def _gain(pixels: Plane, chance: Chance, number: int, seed: int) -> Plane:
    return pixels * np.float32(1 + 0.12 * (-1 if (seed + number) % 2 else 1))


def _dusk(pixels: Plane, chance: Chance, number: int, seed: int) -> Plane:
    return pixels * np.array((0.55, 0.5, 0.52), np.float32) * np.float32(1 - 0.04 * number)


def _rain(pixels: Plane, chance: Chance, number: int, seed: int) -> Plane:
    falling = np.random.default_rng(seed * 31 + number)
    height, width = pixels.shape[:2]
    found = pixels * np.float32(0.85) + 14
    for _ in range(220):
        y, x, length = (
            int(falling.integers(height)),
            int(falling.integers(width)),
            int(falling.integers(6, height // 12)),
        )
        found[y : y + length, x] += 38
    return found


def _snow(pixels: Plane, chance: Chance, number: int, seed: int) -> Plane:
    falling = np.random.default_rng(seed * 37 + number)
    height, width = pixels.shape[:2]
    found = pixels * np.float32(0.8) + 40
    for _ in range(260):
        y, x, size = int(falling.integers(height)), int(falling.integers(width)), int(falling.integers(1, 4))
        found[y : y + size, x : x + size] = 240
    return found


def _headlights(pixels: Plane, chance: Chance, number: int, seed: int) -> Plane:
    height, width = pixels.shape[:2]
    lit = np.random.default_rng(seed * 41 + number)
    y, x = height * float(lit.uniform(0.5, 0.8)), width * float(lit.uniform(0.1, 0.9))
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    for side in (-0.03, 0.03):
        distance = ((rows - y) / height) ** 2 + ((columns - x - side * width) / width) ** 2
        pixels = pixels + (230 * np.exp(-distance / 0.0018))[:, :, None]
    return pixels


def _lorry(pixels: Plane, chance: Chance, number: int, seed: int) -> Plane:
    """A lorry parks before the camera, a fifth of the picture: it has edges of its own."""
    height, width = pixels.shape[:2]
    left, top = int(width * chance.uniform(0.05, 0.5)), int(height * chance.uniform(0.35, 0.45))
    colour = np.array(_SHEETS[int(chance.integers(len(_SHEETS)))], np.float32)
    found = pixels.copy()
    found[top : top + height * 2 // 5, left : left + width * 2 // 5] = colour
    for line in range(8):
        x = left + line * width // 20
        found[top : top + height * 2 // 5, x : x + 2] = colour * 0.6
    return found


def _infrared(pixels: Plane, chance: Chance, number: int, seed: int) -> Plane:
    grey = pixels.mean(axis=2, keepdims=True) * np.float32(0.8) + 10
    return np.repeat(grey, 3, axis=2) + _grain(pixels, 3, np.random.default_rng(seed * 43 + number))


def _shake(pixels: Plane, chance: Chance, number: int, seed: int) -> Plane:
    wind = np.random.default_rng(seed * 47 + number)
    return np.roll(pixels, (int(wind.integers(-3, 4)), int(wind.integers(-3, 4))), axis=(0, 1))


_WEATHER: Final[Mapping[str, Callable[[Plane, Chance, int, int], Plane]]] = {
    "clear": lambda pixels, chance, number, seed: pixels,
    "gain": _gain,
    "dusk": _dusk,
    "rain": _rain,
    "snow": _snow,
    "headlights": _headlights,
    "lorry": _lorry,
    "infrared": _infrared,
    "shake": _shake,
}
WEATHER: Final = tuple(_WEATHER)


# --- paint ------------------------------------------------------------------------------------------------------------


def _grain(pixels: Plane, sigma: float, chance: Chance) -> Plane:
    found: Plane = chance.normal(0, max(sigma, 1e-6), (*pixels.shape[:2], 1)).astype(np.float32)
    return found


def _sheet(pixels: Plane, chance: Chance) -> Plane:
    height, width = pixels.shape[:2]
    colour = np.array(_SHEETS[int(chance.integers(len(_SHEETS)))], np.float32)
    left, right = (float(value) for value in chance.uniform(0.75, 1.2, 2))
    top, bottom = (float(value) for value in chance.uniform(0.85, 1.1, 2))
    across = np.linspace(left, right, width, dtype=np.float32)
    down = np.linspace(top, bottom, height, dtype=np.float32)
    found: Plane = down[:, None, None] * across[None, :, None] * colour
    return found


def _smooth(pixels: Plane, sigma: float) -> Plane:
    """Blur by three box means in each direction, near enough to a bell of `sigma` pixels."""
    radius = max(1, round(sigma * 0.97))
    for axis in (0, 1):
        for _ in range(3):
            pad = [(0, 0)] * 3
            pad[axis] = (radius + 1, radius)
            summed = np.cumsum(np.pad(pixels, pad, mode="edge"), axis=axis, dtype=np.float32)
            size, count = 2 * radius + 1, pixels.shape[axis]
            high, low = [slice(None)] * 3, [slice(None)] * 3
            high[axis], low[axis] = slice(size, size + count), slice(0, count)
            pixels = (summed[tuple(high)] - summed[tuple(low)]) / np.float32(size)
    return pixels
