"""Measures of one decoded picture: a texture and nothing else. Pure, NumPy only; loaded by the picture worker alone.

Shapes: `grey` (180, 320) float32, 0 to 255; `tint_u` and `tint_v` (90, 160) float32 around 0; `luma` the picture as it
came, uint8. Nothing here looks for anything in a picture.

Source: media reference, video-quality diagnosis; J. Immerkaer, "Fast noise variance estimation".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tocsin.domain.picture_rules import PictureMeasures

Plane = np.ndarray[Any, np.dtype[np.float32]]
Luma = np.ndarray[Any, np.dtype[np.uint8]]

WIDTH: Final = 320
HEIGHT: Final = 180
SAMPLE_ROWS: Final = 72
SAMPLE_COLUMNS: Final = 128
TILE: Final = 16
PATCH: Final = 48
FLAT_BELOW: Final = 4.0
EDGE_ABOVE: Final = 12.0
OVERLAY: Final = 0.14  # of the height, above and below: where clocks and names are written
BLOCK_ROWS: Final = 6  # of samples
BLOCK_COLUMNS: Final = 8
GAIN: Final = (0.8, 1.25)
STRIP_ROWS: Final = 6  # of the strip above, where clocks are written, in cells of CELL pixels
STRIP_COLUMNS: Final = 80
CELL: Final = 4
TICK_ABOVE: Final = 12
TICK_SHARE: Final = 0.15  # more than this of the strip is light or weather, no clock


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture in the sizes the measures want."""

    grey: Plane
    tint_u: Plane
    tint_v: Plane
    luma: Luma


def measure(picture: Picture) -> PictureMeasures:
    """Return what can be said of a picture alone."""
    grey, samples = picture.grey, sampled(picture.luma)
    counts = np.bincount(samples.ravel(), minlength=256)
    near = counts + np.roll(counts, 1) + np.roll(counts, -1)
    share, level, step = _stripes(grey)
    means = tile_means(grey)
    return PictureMeasures(
        mean=float(grey.mean()),
        deviation=float(grey.std()),
        burnt=float((grey >= 250).mean()),
        plain=float(near.max() / samples.size),
        bars=_bars(grey),
        uneven=float(np.median(np.abs(means - np.median(means)))),
        saturation=float(np.hypot(picture.tint_u, picture.tint_v).mean()),
        tint_u=float(picture.tint_u.mean()),
        tint_v=float(picture.tint_v.mean()),
        sharpness=_sharpness(grey),
        flat=float((_tiles(grey).std(axis=(1, 3)) < FLAT_BELOW).mean()),
        grain=_grain(picture.luma),
        stripe_share=share,
        stripe_level=level,
        stripe_step=step,
    )


def sampled(luma: Luma) -> Luma:
    """Return single pixels of a grid, shape (72, 128), between the overlays: with their grain, which a mean loses."""
    height, width = luma.shape
    rows = np.linspace(OVERLAY * height, (1 - OVERLAY) * height - 1, SAMPLE_ROWS).astype(int)
    columns = np.linspace(0, width - 1, SAMPLE_COLUMNS).astype(int)
    found: Luma = luma[rows[:, None], columns]
    return found


def tile_means(grey: Plane) -> Plane:
    """Return the mean of each tile, shape (11, 20)."""
    found: Plane = _tiles(grey).mean(axis=(1, 3))
    return found


def compare(samples: Luma, before: Luma, tiles: Plane, tiles_before: Plane) -> tuple[float, float]:
    """Return the mean difference of two grids of samples, and the largest one of tiles between the overlays."""
    difference = np.abs(samples.astype(np.int16) - before)
    band = slice(round(OVERLAY * len(tiles)), len(tiles) - round(OVERLAY * len(tiles)))
    return float(difference.mean()), float(np.abs(tiles[band] - tiles_before[band]).max())


def renewed(samples: Luma, before: Luma) -> float:
    """Return how much grain is new: what is left of the difference of two grids of samples when gain is taken out.

    Median over blocks, so that what moves through a part of the picture does not count.
    """
    seen, known = _blocks(samples), _blocks(before)
    gain = (seen * known).sum(axis=1) / ((known * known).sum(axis=1) + 1)
    left = seen - np.clip(gain, *GAIN)[:, None] * known
    return float(np.median(np.abs(left).mean(axis=1)))


def strip(grey: Plane) -> Luma:
    """Return the cells of the strip above, shape (6, 80)."""
    cells = grey[: STRIP_ROWS * CELL].reshape(STRIP_ROWS, CELL, STRIP_COLUMNS, CELL).mean(axis=(1, 3))
    found: Luma = np.rint(cells).astype(np.uint8)
    return found


def ticks(seen: Luma, before: Luma) -> bool:
    """Say whether a few cells of the strip above changed clearly, as those do that hold a running clock."""
    share = float((np.abs(seen.astype(np.int16) - before) > TICK_ABOVE).mean())
    return 0 < share <= TICK_SHARE


def edges(grey: Plane) -> Plane:
    """Return the strength of edges at half the size, a little smeared: wind moves a camera by a pixel."""
    half = grey.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).mean(axis=(1, 3))
    strength = np.zeros_like(half)
    strength[1:-1, 1:-1] = np.abs(half[1:-1, 2:] - half[1:-1, :-2]) + np.abs(half[2:, 1:-1] - half[:-2, 1:-1])
    smeared = strength.copy()
    for axis in (0, 1):
        smeared = smeared + np.roll(smeared, 1, axis) + np.roll(smeared, -1, axis)
    found: Plane = smeared / 9
    return found


def likeness(seen: Plane, reference: Plane) -> tuple[float, float]:
    """Return the correlation of two edge maps and the share of the reference's strong edges that are gone."""
    band = slice(round(OVERLAY * seen.shape[0]), round((1 - OVERLAY) * seen.shape[0]))
    a, b = seen[band], reference[band]
    x, y = a - a.mean(), b - b.mean()
    spread = math.sqrt(float((x * x).sum()) * float((y * y).sum()))
    correlation = float((x * y).sum()) / spread if spread > 1e-3 else 0.0
    strong = b > max(EDGE_ABOVE, float(np.percentile(b, 80)))
    if not strong.any():
        return correlation, 0.0
    return correlation, float((a[strong] < 0.4 * b[strong]).mean())


def shift(grey: Plane, reference: Plane) -> tuple[float, float] | None:
    """Return how far the scene went right and down, as shares of width and height; None when nothing fits.

    Phase correlation of the whole picture.
    """
    window = np.hanning(HEIGHT)[:, None] * np.hanning(WIDTH)
    a, b = np.fft.rfft2((grey - grey.mean()) * window), np.fft.rfft2((reference - reference.mean()) * window)
    cross = a * np.conj(b)
    surface = np.fft.irfft2(cross / (np.abs(cross) + 1e-6), s=(HEIGHT, WIDTH))
    row, column = divmod(int(surface.argmax()), WIDTH)
    if surface[row, column] < 0.06:
        return None
    down, right = row - HEIGHT if row > HEIGHT // 2 else row, column - WIDTH if column > WIDTH // 2 else column
    return right / WIDTH, down / HEIGHT


def _blocks(samples: Luma) -> Plane:
    """Return blocks of samples around their means, shape (192, 48)."""
    rows, columns = SAMPLE_ROWS // BLOCK_ROWS, SAMPLE_COLUMNS // BLOCK_COLUMNS
    parts = samples.reshape(rows, BLOCK_ROWS, columns, BLOCK_COLUMNS).transpose(0, 2, 1, 3)
    blocks = parts.reshape(rows * columns, BLOCK_ROWS * BLOCK_COLUMNS).astype(np.float32)
    found: Plane = blocks - blocks.mean(axis=1, keepdims=True)
    return found


def _tiles(grey: Plane) -> Plane:
    rows = HEIGHT // TILE * TILE
    found: Plane = grey[:rows].reshape(rows // TILE, TILE, WIDTH // TILE, TILE)
    return found


def _bars(grey: Plane) -> float:
    """Return the share of columns that are plain over the middle rows, 0 unless they form a few plateaus."""
    band = grey[30:110]
    steps = np.abs(np.diff(band.mean(axis=0)))
    jumps = int(np.count_nonzero((steps[1:] > 6) & (steps[:-1] <= 6)))
    return float((band.std(axis=0) < 2.5).mean()) if 4 <= jumps <= 16 else 0.0


def _sharpness(grey: Plane) -> float:
    inner = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return float(inner.var())


def _grain(luma: Luma) -> float:
    """Return the noise of the calmer half of 24 patches of the picture as it came."""
    height, width = luma.shape
    size = min(PATCH, height // 5, width // 7)
    if size < 8:
        return 0.0
    rows = np.linspace(OVERLAY * height, (1 - OVERLAY) * height - size, 4).astype(int)
    columns = np.linspace(0, width - size, 6).astype(int)
    patches = np.stack([luma[row : row + size, column : column + size] for row in rows for column in columns])
    values = patches.astype(np.float32)
    across = values[:, :, :-2] - 2 * values[:, :, 1:-1] + values[:, :, 2:]
    both = across[:, :-2] - 2 * across[:, 1:-1] + across[:, 2:]
    sigmas = np.sqrt(np.pi / 2) / 6 * np.abs(both).mean(axis=(1, 2))
    calm = np.sort(sigmas)[: len(sigmas) // 2]
    return float(np.median(calm))


def _stripes(grey: Plane) -> tuple[float, float, float]:
    """Return share of one frequency, its level and the mean second difference, of the worse of rows and columns."""
    worst = (0.0, 0.0, 0.0)
    for axis in (0, 1):
        means = grey.mean(axis=1 - axis)
        count = len(means)
        ramp = np.arange(count)
        trend = np.polynomial.polynomial.polyval(ramp, np.polynomial.polynomial.polyfit(ramp, means, 3))
        rest = means - trend
        power = np.abs(np.fft.rfft(rest)) ** 2
        power[:4] = 0
        total = float(power.sum())
        if total < 1e-6:
            continue
        peak = int(power.argmax())
        near = float(power[max(0, peak - 1) : peak + 2].sum())
        level = 2 * math.sqrt(near) / count
        step = float(np.abs(np.diff(rest, 2)).mean())
        found = (near / total, level, step)
        if found[0] * found[1] > worst[0] * worst[1]:
            worst = found
    return worst
