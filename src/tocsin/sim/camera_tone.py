"""How a simulated camera is set to draw its picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Tone:
    """`brightness` is added to each part (-128 to 128); `contrast` and `saturation` are times, 1 as drawn."""

    brightness: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0


PLAIN: Final = Tone()
