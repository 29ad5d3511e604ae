"""Scenes of the second held-out list: dead leaves. Shapes of every size hide one another, as things do in the world.

Shares no line with the streets of the simulators nor with `picture_scenes.py`. The same seed gives the same scene.

Source: the dead leaves model of natural pictures (Matheron; Lee, Mumford and Huang).
"""

from __future__ import annotations

from typing import Any

import numpy as np

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Plane = np.ndarray[Any, np.dtype[np.float32]]


class Leaves:
    """Discs and boards whose sizes follow a power law, textured, lit from one side; some sway or pass."""

    def __init__(self, seed: int, width: int, height: int, *, night: bool = False) -> None:
        self._seed, self._night = seed, night
        self._height, self._width = height, width
        self._chance = np.random.default_rng(seed)
        self._rows, self._columns = np.mgrid[0:height, 0:width].astype(np.float32)
        picture = np.full((height, width, 3), 120, np.float32)
        for _ in range(900):
            self._leaf(picture, self._size())
        picture += self._chance.normal(0, 5, (height, width, 1)).astype(np.float32)
        light = np.linspace(*(float(one) for one in self._chance.uniform(0.7, 1.15, 2)), width, dtype=np.float32)
        picture *= light[None, :, None]
        if night:
            picture *= np.float32(0.28)
            for _ in range(3):
                y, x = self._chance.uniform(0.1, 0.6) * height, self._chance.uniform(0.1, 0.9) * width
                away = (self._rows - y) ** 2 + (self._columns - x) ** 2
                picture += (120 * np.exp(-away / (height * 1.2)) + 45 * np.exp(-away / height**1.75))[:, :, None]
        self._still = picture
        self._passing = [
            (
                self._colour(),
                int(self._chance.integers(height // 3, height * 4 // 5)),
                float(self._chance.uniform(9, 50)),
            )
            for _ in range(3)
        ]

    def draw(self, epoch_ms: int) -> Pixels:
        """Return the picture of one instant, RGB, with the grain of its sensor."""
        picture = self._still.copy()
        seconds = epoch_ms / 1000
        size = self._height // 9
        for colour, top, speed in self._passing:
            x = int(speed * seconds) % (self._width + size) - size
            disc = (self._rows - top) ** 2 + (self._columns - x) ** 2 < (size / 2) ** 2
            picture[disc] = colour * (0.35 if self._night else 1)
        grain = np.random.default_rng((self._seed, epoch_ms & 0xFFFFFFFF))
        picture += grain.normal(0, 3.0 if self._night else 1.8, (self._height, self._width, 1)).astype(np.float32)
        made: Pixels = np.clip(picture, 0, 252).astype(np.uint8)
        return made

    def _size(self) -> float:
        """Return a radius whose density falls with its third power."""
        low, high = 4.0, self._height / 2.5
        share = float(self._chance.random())
        return float((low**-2 - share * (low**-2 - high**-2)) ** -0.5)

    def _leaf(self, picture: Plane, size: float) -> None:
        y, x = self._chance.uniform(0, self._height), self._chance.uniform(0, self._width)
        top, bottom = max(0, int(y - size)), min(self._height, int(y + size) + 1)
        left, right = max(0, int(x - size)), min(self._width, int(x + size) + 1)
        if self._chance.random() < 0.5:
            rows, columns = self._rows[top:bottom, left:right], self._columns[top:bottom, left:right]
            inside = (rows - y) ** 2 + (columns - x) ** 2 < size**2
        else:
            inside = np.ones((bottom - top, right - left), bool)
        picture[top:bottom, left:right][inside] = self._colour()

    def _colour(self) -> Plane:
        grey = self._chance.uniform(35, 215)
        found: Plane = np.clip(grey + self._chance.normal(0, 16, 3), 12, 240).astype(np.float32)
        return found
