"""Scenes nobody tuned on: halls, yards, crossings, quays, shops and car parks, painted with NumPy alone.

Shares no line with the drawn streets of the simulators. The same seed gives the same place; what moves in it moves with
the time. The figures of picture-health are measured on these.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Plane = np.ndarray[Any, np.dtype[np.float32]]
KINDS = ("hall", "yard", "crossing", "quay", "shop", "car_park")


class Place:
    """One place: `kind` of KINDS; at night it is dim, lamps stay bright and the sensor is noisy."""

    def __init__(self, kind: str, seed: int, width: int, height: int, *, night: bool = False) -> None:
        self.width, self.height, self._night, self._seed = width, height, night, seed
        self._chance = np.random.default_rng(seed)
        self._rows, self._columns = np.mgrid[0:height, 0:width].astype(np.float32)
        self._kind = kind
        self._still: Plane = {
            "hall": self._hall,
            "yard": self._yard,
            "crossing": self._crossing,
            "quay": self._quay,
            "shop": self._shop,
            "car_park": self._car_park,
        }[kind]()
        if night:
            self._still = self._still * np.float32(0.3)
            for _ in range(4):
                self._lamp(self._still)
        self._movers = [self._mover() for _ in range(3)]

    def draw(self, epoch_ms: int) -> Pixels:
        """Return the picture of one instant, RGB, with the grain of its sensor and a running clock."""
        picture = self._still.copy()
        seconds = epoch_ms / 1000
        for colour, top, size, speed in self._movers:
            x = int(speed * seconds) % (self.width + size) - size
            picture[top : top + size // 2, max(0, x) : max(0, x + size)] = colour * (0.4 if self._night else 1)
        if self._kind == "quay":
            water = slice(self.height * 3 // 5, None)
            wave = np.sin(self._rows[water] * 0.5 + seconds * 2 + 3 * np.sin(self._columns[water] * 0.05 + seconds))
            picture[water] += (wave * (5 if self._night else 12))[:, :, None]
        grain = np.random.default_rng((self._seed, epoch_ms & 0xFFFFFFFF))
        picture += grain.normal(0, 3.5 if self._night else 1.6, (self.height, self.width, 1)).astype(np.float32)
        self._clock(picture, int(seconds))
        made: Pixels = np.clip(picture, 0, 250).astype(np.uint8)
        return made

    # --- places ---

    def _hall(self) -> Plane:
        """A corridor: tiles of floor, walls and doors that run to one point."""
        x0, y0 = self.width * self._chance.uniform(0.4, 0.6), self.height * self._chance.uniform(0.35, 0.5)
        dx, dy = self._columns - x0, self._rows - y0
        depth = 60 / (np.maximum(np.abs(dx) / self.width, np.abs(dy) / self.height) + 0.03)
        is_floor = (dy > 0) & (np.abs(dy) / self.height > np.abs(dx) / self.width)
        tiles = ((depth // 90).astype(int) + (dx / (np.abs(dy) + 4) * 3).astype(int)) % 2
        doors = ((depth // 120).astype(int) % 3 == 0) & ~is_floor & (np.abs(dy) < np.abs(dx) * 0.5)
        tone = np.where(is_floor, 110 + 50 * tiles, 178 - depth / 20)
        picture = np.repeat(np.where(doors, 84, tone)[:, :, None], 3, axis=2)
        return self._textured(picture * self._colour(0.95, 1.05), 10)

    def _yard(self) -> Plane:
        """Rough ground, a fence of many bars, crates."""
        horizon = int(self.height * self._chance.uniform(0.3, 0.45))
        picture = np.empty((self.height, self.width, 3), np.float32)
        picture[:horizon] = (168, 182, 198)
        picture[horizon:] = (126, 116, 98)
        picture = self._textured(picture, 26)
        for x in range(0, self.width, max(4, self.width // 60)):
            picture[horizon - self.height // 8 : horizon + 4, x : x + 2] = 70
        for _ in range(7):
            self._box(picture, int(self._chance.integers(horizon, self.height - self.height // 6)))
        return picture

    def _crossing(self) -> Plane:
        """A crossing from above: lanes, stripes of zebras, kerbs."""
        picture = self._textured(np.full((self.height, self.width, 3), 96, np.float32), 12)
        lane = self.height // 5
        for y in range(0, self.height, lane):
            for x in range(0, self.width, self.width // 14):
                picture[y : y + max(2, lane // 20), x : x + self.width // 30] = 208
        left = int(self.width * self._chance.uniform(0.3, 0.6))
        for y in range(0, self.height, lane // 2):
            picture[y : y + lane // 4, left : left + self.width // 9] = 216
        picture[:, : self.width // 12] = (104, 124, 84)
        for _ in range(4):
            self._box(picture, int(self._chance.integers(self.height // 6, self.height * 4 // 5)))
        return picture

    def _quay(self) -> Plane:
        """Water, a wall of stones, houses far away."""
        water, wall = self.height * 3 // 5, self.height * 11 // 20
        picture = np.empty((self.height, self.width, 3), np.float32)
        picture[:] = (182, 192, 200)
        picture[water:] = (74, 98, 108)
        stones = ((self._rows // 9).astype(int) * 7 + (self._columns // 23).astype(int) * 13) % 5
        picture[wall:water] = (118 + 9 * stones[wall:water])[:, :, None]
        x = 0
        while x < self.width:
            size, high = int(self._chance.integers(20, 70)), int(self._chance.integers(20, self.height // 3))
            picture[wall - high : wall, x : x + size] = self._colour(80, 180)
            for y in range(wall - high + 5, wall - 6, 11):
                picture[y : y + 5, x + 4 : x + size - 4 : 9] = 50
            x += size
        return self._textured(picture, 8)

    def _shop(self) -> Plane:
        """Shelves of coloured goods."""
        picture = np.full((self.height, self.width, 3), 172, np.float32)
        shelf = self.height // 6
        for y in range(shelf // 2, self.height - shelf, shelf):
            x = 4
            while x < self.width - 8:
                size = int(self._chance.integers(6, 26))
                picture[y : y + shelf - 8, x : x + size] = self._colour(50, 220)
                x += size + 2
            picture[y + shelf - 8 : y + shelf - 3] = 60
        return self._textured(picture, 6)

    def _car_park(self) -> Plane:
        """Marked places, half of them taken."""
        picture = self._textured(np.full((self.height, self.width, 3), 118, np.float32), 14)
        wide, high = self.width // 9, self.height // 4
        for row in range(3):
            top = row * (high + self.height // 14) + 6
            for column in range(9):
                left = column * wide
                picture[top : top + high, left : left + 2] = 226
                if self._chance.random() < 0.55:
                    body = self._colour(40, 225)
                    picture[top + 6 : top + high - 6, left + 8 : left + wide - 6] = body
                    picture[top + high // 3 : top + high // 2, left + 11 : left + wide - 9] = body * 0.45
        return picture

    # --- paint ---

    def _colour(self, low: float, high: float) -> Plane:
        found: Plane = self._chance.uniform(low, high, 3).astype(np.float32)
        return found

    def _textured(self, picture: Plane, strength: float) -> Plane:
        """Add roughness at three scales."""
        found = picture.astype(np.float32)
        for step in (3, 9, 31):
            small = self._chance.normal(0, strength / 2, (self.height // step + 2, self.width // step + 2))
            large = np.kron(small, np.ones((step, step)))[: self.height, : self.width]
            found = found + large[:, :, None].astype(np.float32)
        return found

    def _box(self, picture: Plane, top: int) -> None:
        size = int(self._chance.integers(self.width // 24, self.width // 9))
        left = int(self._chance.integers(0, self.width - size))
        colour = self._colour(50, 200)
        picture[top : top + size * 2 // 3, left : left + size] = colour
        picture[top + 3 : top + 6, left + 3 : left + size - 3] = colour * 0.5
        picture[top : top + size * 2 // 3, left + size // 2 : left + size // 2 + 2] = colour * 0.5

    def _lamp(self, picture: Plane) -> None:
        y, x = self.height * self._chance.uniform(0.05, 0.5), self.width * self._chance.uniform(0.05, 0.95)
        distance = (self._rows - y) ** 2 + (self._columns - x) ** 2
        picture += (150 * np.exp(-distance / (self.height * 0.9)) + 60 * np.exp(-distance / self.height**1.7))[
            :, :, None
        ]

    def _mover(self) -> tuple[Plane, int, int, float]:
        size = int(self._chance.integers(self.width // 20, self.width // 9))
        top = int(self._chance.integers(self.height // 2, self.height - size))
        return self._colour(40, 220), top, size, float(self._chance.uniform(6, 40))

    def _clock(self, picture: Plane, seconds: int) -> None:
        """Digits, as bars: what matters is that they change."""
        size = max(2, self.width // 160)
        for index in range(6):
            digit = seconds // 10**index % 10
            x = self.width - (index + 2) * size * 4
            picture[size * 2 : size * 2 + size * 4, x : x + size * 3] = 20
            picture[size * 2 : size * 2 + size * digit // 2, x : x + size * 2] = 240
