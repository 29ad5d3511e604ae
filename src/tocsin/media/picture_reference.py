"""What the picture worker remembers of a camera: a reference for each time of day, and samples of the last picture.

One small file a camera, read and written by the picture worker alone; it is never shown. A reference is the slow median
of accepted pictures, so that who walks through it fades, at 320x180 grey, with mean and spread of the measures.
"""

from __future__ import annotations

import io
import os
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from PIL import Image

from tocsin.domain.picture_rules import FEWEST_PICTURES, LEARNED, Baseline, PictureMeasures
from tocsin.media.picture_measures import (
    HEIGHT,
    SAMPLE_COLUMNS,
    SAMPLE_ROWS,
    STRIP_COLUMNS,
    STRIP_ROWS,
    TILE,
    WIDTH,
    Luma,
    Plane,
)

SLOTS: Final = 8  # of three hours
SLOWEST: Final = 0.1
STEP: Final = 12.0
MAX_FILE_BYTES: Final = 1 << 20
_SAMPLES: Final = SAMPLE_ROWS * SAMPLE_COLUMNS
TILE_ROWS, TILE_COLUMNS = HEIGHT // TILE, WIDTH // TILE
_TILES: Final = 4 * TILE_ROWS * TILE_COLUMNS
_LAST_BYTES: Final = _SAMPLES + _TILES + STRIP_ROWS * STRIP_COLUMNS


@dataclass(frozen=True, slots=True)
class Last:
    """What is remembered of the picture before: samples, means of tiles, the strip where clocks are written."""

    samples: Luma
    tiles: Plane
    strip: Luma


class _Slot(msgspec.Struct):
    pictures: int
    grey: bytes
    means: dict[str, float]
    spreads: dict[str, float]


class _Kept(msgspec.Struct):
    slots: dict[str, _Slot] = {}
    last: bytes = b""


_decode = msgspec.msgpack.Decoder(_Kept).decode
_encode = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class Memory:
    """The file of one camera in memory."""

    path: Path
    kept: _Kept = field(default_factory=_Kept)

    @classmethod
    def read(cls, path: Path) -> Memory:
        """Read a file; one that is missing or damaged is an empty memory: it is learned again."""
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                return cls(path)
            return cls(path, _decode(path.read_bytes()))
        except (OSError, msgspec.DecodeError, msgspec.ValidationError):
            return cls(path)

    def write(self) -> None:
        """Write the file, whole or not at all. Errors: OSError."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(_encode(self.kept))
        part.replace(self.path)

    def slot_for(self, slot: int, *, is_grey: bool) -> str:
        """Return the name of the reference to compare with: of this time, of the time beside, else of the other light.

        Empty: there is none.
        """
        beside = ((slot - 1) % SLOTS, (slot + 1) % SLOTS)
        names = [_name(near, is_grey) for near in (slot, *beside)] + [_name(slot, not is_grey)]
        for name in names:
            found = self.kept.slots.get(name)
            if found is not None and found.pictures >= FEWEST_PICTURES:
                return name
        return ""

    def baseline(self, name: str, *, is_grey: bool = False) -> Baseline | None:
        """Return what was learned under a name, for a picture in colour or a grey one."""
        found = self.kept.slots.get(name)
        if found is None:
            return None
        return Baseline(found.pictures, found.means, found.spreads, is_grey and name.endswith("c"))

    def grey(self, name: str) -> Plane | None:
        """Return the reference picture under a name; None when there is none, or none that we wrote."""
        found = self.kept.slots.get(name)
        if found is None:
            return None
        try:
            with Image.open(io.BytesIO(found.grey)) as image:
                if image.size != (WIDTH, HEIGHT):  # read from its head: a damaged one may claim to be huge
                    return None
                made: Plane = np.asarray(image.convert("L"), np.float32)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None
        return made

    def last(self) -> Last | None:
        """Return what is remembered of the picture before."""
        try:
            raw = zlib.decompressobj().decompress(self.kept.last, _LAST_BYTES + 1)
        except zlib.error:
            return None
        if len(raw) != _LAST_BYTES:
            return None
        samples: Luma = np.frombuffer(raw[:_SAMPLES], np.uint8).reshape(SAMPLE_ROWS, SAMPLE_COLUMNS)
        tiles = np.frombuffer(raw[_SAMPLES : _SAMPLES + _TILES], "<f4").reshape(TILE_ROWS, TILE_COLUMNS)
        strip: Luma = np.frombuffer(raw[_SAMPLES + _TILES :], np.uint8).reshape(STRIP_ROWS, STRIP_COLUMNS)
        return Last(samples, tiles, strip)

    def note_last(self, last: Last) -> None:
        """Remember this picture as the one before."""
        raw = last.samples.tobytes() + last.tiles.astype("<f4").tobytes() + last.strip.tobytes()
        self.kept.last = zlib.compress(raw, 1)

    def learn(self, slot: int, grey: Plane, seen: PictureMeasures, *, is_grey: bool) -> int:
        """Take an accepted picture into the reference of its time; return how many it holds."""
        name = _name(slot, is_grey)
        found = self.kept.slots.get(name)
        before = self.grey(name)
        values = _values(seen)
        if found is None or before is None:
            self.kept.slots[name] = _Slot(
                1, _as_jpeg(grey), values, {key: 0.1 * abs(value) for key, value in values.items()}
            )
            return 1
        share = max(SLOWEST, 1 / (found.pictures + 1))
        if found.pictures < FEWEST_PICTURES:
            mixed = before + (grey - before) * share
        else:
            mixed = before + np.clip(grey - before, -STEP, STEP) * 0.25
        for key, value in values.items():
            mean = found.means.get(key, value)
            off = abs(value - mean)
            found.spreads[key] = found.spreads.get(key, off) * (1 - share) + off * share
            found.means[key] = mean + (value - mean) * share
        found.pictures += 1
        found.grey = _as_jpeg(mixed)
        return found.pictures


def with_reference(
    seen: PictureMeasures, correlation: float, lost: float, moved: tuple[float, float] | None
) -> PictureMeasures:
    """Return measures with what the comparison with the reference said."""
    right, down = moved if moved is not None else (None, None)
    return replace(seen, likeness=correlation, lost_edges=lost, shift_x=right, shift_y=down)


def _values(seen: PictureMeasures) -> dict[str, float]:
    pairs: list[tuple[str, Any]] = [(name, getattr(seen, name)) for name in LEARNED]
    return {name: float(value) for name, value in pairs if value is not None}


def _name(slot: int, is_grey: bool) -> str:
    return f"{slot % SLOTS}{'g' if is_grey else 'c'}"


def _as_jpeg(grey: Plane) -> bytes:
    made = io.BytesIO()
    Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8), "L").save(made, "JPEG", quality=88)
    return made.getvalue()
