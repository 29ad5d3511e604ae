"""What the measures of one picture say: a ratio for each fault, measure over limit; 1 and more is a fault. Pure.

The measures see a texture: brightness, sharpness, grain, colour, edges. Limits are the larger of a default and what the
reference of this camera and time of day has learned.

Source: design note 0021; media reference, video-quality diagnosis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

ORDER: Final = (
    "no_signal",
    "black",
    "dark",
    "bright",
    "covered",
    "stripes",
    "part_cover",
    "blur",
    "noise",
    "cast",
    "moved",
)
"""The first of these that is a fault hides those behind it."""
FAULTS: Final = (*ORDER, "frozen", "clock")
WEATHER: Final = frozenset({"dark", "bright", "blur", "noise", "covered", "part_cover"})
"""What weather and power do to many cameras at once."""

CAP: Final = 3.0
LEARNED_SPREADS: Final = 4.0
FEWEST_PICTURES: Final = 3  # that make a reference
CLOCK_OFFSET_S: Final = 60.0
CLOCK_PICTURES: Final = 12  # that say whether a clock runs in the strip above
CLOCK_TICKS: Final = 0.9  # of them, at least, when one does
LEAST_GRAIN: Final = 1.0  # a reference with less new grain says nothing of a frozen picture
NO_CONTRAST: Final = 0.9  # below it a picture is black whatever it used to be


@dataclass(frozen=True, slots=True)
class PictureMeasures:
    """Figures of one picture; grey levels 0 to 255, shares 0 to 1. None: there is nothing to compare with."""

    mean: float
    deviation: float
    burnt: float  # share of the picture at the upper end
    plain: float  # share of the picture that has the one commonest level
    bars: float  # share of the columns that do not change over the middle rows, when they form a few plateaus
    uneven: float  # median difference of tiles from their median
    saturation: float
    tint_u: float
    tint_v: float
    sharpness: float  # variance of the Laplacian
    flat: float  # share of tiles without any texture
    grain: float  # standard deviation of the noise, of the picture as it came
    stripe_share: float  # of the row or column means' power in one frequency
    stripe_level: float
    stripe_step: float
    likeness: float | None = None  # correlation of the edges with those of the reference
    lost_edges: float | None = None
    shift_x: float | None = None  # share of the width the scene went aside; None when nobody can tell
    shift_y: float | None = None
    change: float | None = None  # mean difference of samples from the picture before
    changed: float | None = None  # largest change of a tile's mean since
    renewed: float | None = None  # grain that is new since, calmer half of the picture, gain taken out
    ticking: float | None = None  # 1: a few cells of the strip above changed since, as a running clock changes them
    bits: float | None = None  # of the key picture, a pixel
    motion: float | None = None  # bytes of pictures between keys over bytes of the key


ABOUT_LIGHT: Final = frozenset({"dark", "bright", "covered"})
"""What can be judged of a grey picture by a reference in colour: infrared light shows another scene."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a reference has learned of a measure: mean and mean deviation of accepted pictures.

    `is_of_colour`: it is a reference in colour and the picture is grey.
    """

    pictures: int
    means: Mapping[str, float] = field(default_factory=dict)
    spreads: Mapping[str, float] = field(default_factory=dict)
    is_of_colour: bool = False

    def mean(self, name: str) -> float:
        """Return the usual value."""
        return self.means.get(name, 0.0)

    def high(self, name: str) -> float:
        """Return what is still usual, upwards."""
        return self.means.get(name, 0.0) + LEARNED_SPREADS * self.spreads.get(name, 0.0)

    def low(self, name: str) -> float:
        """Return what is still usual, downwards."""
        return self.means.get(name, 0.0) - LEARNED_SPREADS * self.spreads.get(name, 0.0)


_LEARNED_TOO: Final = frozenset({"likeness", "lost_edges", "renewed", "ticking", "bits"})
LEARNED: Final = tuple(
    item.name for item in fields(PictureMeasures) if item.default is not None or item.name in _LEARNED_TOO
)


def judge(
    seen: PictureMeasures, usual: Baseline | None, relaxed: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Return the ratio of each fault, 0 to 3. `relaxed` divides the ratio of a fault people called none."""
    found = _ratios(seen, usual if usual is not None and usual.pictures >= FEWEST_PICTURES else None)
    if usual is not None and usual.is_of_colour:
        found |= {key: ratio for key, ratio in _ratios(seen, None).items() if key not in ABOUT_LIGHT}
    for key, factor in (relaxed or {}).items():
        if key in found:
            found[key] /= max(1.0, factor)
    found = {key: round(min(CAP, max(0.0, ratio)), 3) for key, ratio in found.items()}
    is_hidden = False
    for key in ORDER:
        if is_hidden:
            found[key] = min(found[key], 0.5)
        is_hidden = is_hidden or found[key] >= 1
    if max(found["no_signal"], found["black"], found["covered"]) >= 1:
        found["frozen"] = min(found["frozen"], 0.5)
    return found


def _ratios(seen: PictureMeasures, usual: Baseline | None) -> dict[str, float]:
    found = {
        "no_signal": _no_signal(seen),
        "black": _black(seen),
        "dark": 25 / (seen.mean + 1),
        "covered": seen.flat / 0.97,
        "bright": max(seen.burnt / 0.2, seen.mean / 225),
        "stripes": min(seen.stripe_share / 0.8, seen.stripe_level / 15, seen.stripe_step / 2),
        "part_cover": 0.0,
        "blur": min(8 / (seen.sharpness + 0.1), seen.flat / 0.5),
        "noise": seen.grain / 9,
        "cast": 0.0 if seen.saturation < 3 else math.hypot(seen.tint_u, seen.tint_v) / 28,
        "moved": 0.0,
        "frozen": _frozen(seen, usual),
    }
    if usual is not None:
        found |= _against(seen, usual)
    return found


def _black(seen: PictureMeasures) -> float:
    return min(28 / (seen.mean + 1), 2.5 / (seen.deviation + 0.1))


def _no_signal(seen: PictureMeasures) -> float:
    """A slate: one plain colour with a few words, or bars."""
    if seen.burnt > 0.5:
        return 0.0
    plain = min(seen.plain / 0.7, 1.2 / (seen.uneven + 0.01))
    words, colour = min(plain, seen.deviation / 8), min(plain, seen.saturation / 50)
    bars = min(seen.bars / 0.8, seen.deviation / 15, seen.saturation / 12)
    return max(words, colour, bars)


def _frozen(seen: PictureMeasures, usual: Baseline | None) -> float:
    """The same picture as before: the encoder has nothing to send between keys, or a sensor's grain is not renewed.

    Where a clock is written into the picture and always ran, it decides: one that stands still proves it, and one that
    runs lets a motionless room be, unless it runs over a picture without a sensor's grain.
    """
    if seen.change is None or seen.changed is None:
        return 0.0
    still, same_grain = 0.6 / (seen.changed + 0.05), 0.5 / (seen.change + 0.01)
    less_grain = _less_grain(seen, usual)
    if usual is not None and usual.pictures >= CLOCK_PICTURES and usual.low("ticking") > CLOCK_TICKS:
        return min(still, same_grain, less_grain) if seen.ticking else 1.6 / (seen.changed + 0.05)
    if seen.motion is None:  # where nothing is to be seen, nothing can change
        return min(still, max(same_grain, less_grain)) if seen.flat < 0.6 else 0.0
    return min(still, max(same_grain, less_grain, 0.03 / (seen.motion + 1e-4)))


def _less_grain(seen: PictureMeasures, usual: Baseline | None) -> float:
    """A living sensor's grain is new in each picture: here far less of it is than usual, though coded no coarser."""
    if usual is None or seen.renewed is None or seen.bits is None:
        return 0.0
    expected = usual.mean("renewed")
    if expected < LEAST_GRAIN or seen.bits < 0.8 * usual.mean("bits"):
        return 0.0
    darker = min(1.0, seen.deviation / (usual.mean("deviation") + 1e-6))
    return 0.55 * expected * darker / (seen.renewed + 0.01)


def _against(seen: PictureMeasures, usual: Baseline) -> dict[str, float]:
    lost = seen.lost_edges or 0.0
    likeness = 1.0 if seen.likeness is None else seen.likeness
    flatter = seen.flat - usual.mean("flat")
    mean, sharpness = usual.mean("mean"), usual.mean("sharpness")
    contrast, usual_contrast = seen.deviation**2 + 1, usual.mean("deviation") ** 2 + 1
    tint = math.hypot(seen.tint_u, seen.tint_v)
    strayed = math.hypot(seen.tint_u - usual.mean("tint_u"), seen.tint_v - usual.mean("tint_v"))
    darker = max(min(25.0, 0.42 * mean), min(60.0, 0.36 * mean))
    # Less or more light leaves the scene its contrast; a sheet before the lens does not.
    kept = min(1.0, seen.deviation / (seen.mean + 1) / (0.4 * usual.mean("deviation") / (mean + 1) + 1e-6))
    brighter = min(seen.mean / (1.8 * mean + 1), seen.mean / 110) * kept
    contrast_left = max(0.058 * usual.mean("deviation"), NO_CONTRAST)
    return {
        "black": min(_black(seen), contrast_left / (seen.deviation + 0.01)),  # with more of it left it is only dark
        "dark": darker / (seen.mean + 1) * kept,
        "covered": max(
            min(seen.flat / 0.95, lost / 0.85),
            min(lost / 0.9, 0.04 * usual_contrast / contrast),  # a little still shines through
        ),
        "bright": max(
            seen.burnt / max(0.2, usual.high("burnt") + 0.1), seen.mean / max(225.0, usual.high("mean")), brighter
        ),
        "stripes": min(
            seen.stripe_share / 0.5,
            seen.stripe_level / max(9.0, 2.2 * usual.mean("stripe_level") + 4),
            likeness / 0.4,  # the scene is still there behind them
        ),
        "part_cover": min(
            flatter / 0.15,
            lost / max(0.24, usual.high("lost_edges")),
            seen.sharpness / (0.03 * sharpness + 0.1),  # the rest is as sharp as ever
        ),
        "blur": min(
            0.12 * sharpness / (seen.sharpness + 0.1),
            0.2 * (sharpness / usual_contrast) / (seen.sharpness / contrast + 1e-4),
        ),
        "noise": min(seen.grain / max(0.1, 2.2 * usual.mean("grain"), usual.high("grain")), seen.grain / 4.5),
        "cast": 0.0 if seen.saturation < 3 else min(tint / 14, strayed / 10) / min(1.0, max(0.5, seen.mean / 110)),
        "moved": min((1 - likeness) / (1 - 0.35), seen.sharpness / (0.25 * sharpness + 0.1)),
    }


def score(ratios: Mapping[str, float]) -> int:
    """Return 100 for a picture far from every limit, 50 at the first limit, 0 at half as much again."""
    worst = max(ratios.values(), default=0.0)
    return round(100 * min(1.0, max(0.0, 1.5 - worst)))


def measures_form(seen: PictureMeasures) -> dict[str, float]:
    """Return the figures that are known, rounded."""
    pairs: list[tuple[str, Any]] = [(item.name, getattr(seen, item.name)) for item in fields(seen)]
    return {name: round(float(value), 4) for name, value in pairs if value is not None}
