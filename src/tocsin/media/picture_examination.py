"""One key picture examined: decoded, measured, compared with its reference, judged; a still of it when it is faulty.

Loaded by the picture worker alone.
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont

from tocsin.domain.picture_rules import Baseline, PictureMeasures, judge, measures_form, score
from tocsin.media import picture_decoding
from tocsin.media.picture_measures import (
    compare,
    edges,
    likeness,
    measure,
    renewed,
    sampled,
    shift,
    strip,
    ticks,
    tile_means,
)
from tocsin.media.picture_reference import Last, Memory, with_reference

STILL_WIDTH: Final = 640
STILL_HEIGHT: Final = 480
GREY_BELOW: Final = 3.0
SEARCH_SHIFT_BELOW: Final = 0.6


@dataclass(frozen=True, slots=True)
class Wish:
    """What to do with one picture. `reference` and `still` are files; empty `still`: none is wanted."""

    codec: str
    reference: Path
    slot: int
    may_learn: bool = True
    motion: float | None = None
    relaxed: dict[str, float] = field(default_factory=dict)
    still: Path | None = None
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of it."""

    measures: PictureMeasures
    baseline: Baseline | None
    ratios: dict[str, float]
    score: int
    pictures: int
    width: int
    height: int
    still: dict[str, Any] | None = None

    def form(self) -> dict[str, Any]:
        """Return it as the control process is told."""
        return {
            "measures": measures_form(self.measures),
            "ratios": self.ratios,
            "score": self.score,
            "pictures": self.pictures,
            "width": self.width,
            "height": self.height,
            "still": self.still,
        }


def examine(data: bytes, wish: Wish) -> Finding:
    """Examine one picture and remember what has to be remembered. Errors: NotDecodable, OSError."""
    frame = picture_decoding.decode(data, wish.codec)
    picture = picture_decoding.prepare(frame)
    bits = 8 * len(data) / (frame.width * frame.height)
    seen = replace(measure(picture), motion=wish.motion, bits=bits)
    memory = Memory.read(wish.reference)
    last, before = Last(sampled(picture.luma), tile_means(picture.grey), strip(picture.grey)), memory.last()
    if before is not None:
        seen = _with_last(seen, last, before)
    memory.note_last(last)

    is_grey = seen.saturation < GREY_BELOW
    name = memory.slot_for(wish.slot, is_grey=is_grey)
    reference = memory.grey(name) if name else None
    baseline = memory.baseline(name, is_grey=is_grey) if reference is not None else None
    if reference is not None:
        correlation, lost = likeness(edges(picture.grey), edges(reference))
        moved = shift(picture.grey, reference) if correlation < SEARCH_SHIFT_BELOW else None
        seen = with_reference(seen, correlation, lost, moved)

    ratios = judge(seen, baseline, wish.relaxed)
    pictures = 0 if baseline is None else baseline.pictures
    is_faulty = max(ratios.values()) >= 1
    if wish.may_learn and not is_faulty:
        pictures = memory.learn(wish.slot, picture.grey, seen, is_grey=is_grey)
    memory.write()
    still = _still(frame, wish) if is_faulty and wish.still is not None else None
    return Finding(seen, baseline, ratios, score(ratios), pictures, frame.width, frame.height, still)


def _with_last(seen: PictureMeasures, last: Last, before: Last) -> PictureMeasures:
    """Return measures with what the comparison with the picture before said."""
    change, changed = compare(last.samples, before.samples, last.tiles, before.tiles)
    return replace(
        seen,
        change=change,
        changed=changed,
        renewed=renewed(last.samples, before.samples),
        ticking=float(ticks(last.strip, before.strip)),
    )


def _still(frame: Any, wish: Wish) -> dict[str, Any]:
    """Write a small watermarked JPEG; return its size and hash."""
    assert wish.still is not None
    scale = min(1.0, STILL_WIDTH / frame.width, STILL_HEIGHT / frame.height)
    width, height = max(2, round(frame.width * scale) // 2 * 2), max(2, round(frame.height * scale) // 2 * 2)
    image = Image.fromarray(picture_decoding.as_rgb(frame, width, height)).convert("RGBA")
    marked = Image.new("RGBA", (2 * width, 2 * height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(marked)
    font = ImageFont.load_default(size=max(11, width // 34))
    line = "   ".join(wish.marks).encode("ascii", "replace").decode()
    for row, y in enumerate(range(0, 2 * height, max(24, height // 6))):
        for x in range(-(row % 2) * width // 3, 2 * width, int(font.getlength(line)) + 40):
            draw.text((x + 1, y + 1), line, fill=(0, 0, 0, 90), font=font)
            draw.text((x, y), line, fill=(255, 255, 255, 120), font=font)
    turned = marked.rotate(18).crop((width // 2, height // 2, width // 2 + width, height // 2 + height))
    made = io.BytesIO()
    Image.alpha_composite(image, turned).convert("RGB").save(made, "JPEG", quality=72)
    content = made.getvalue()
    wish.still.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(wish.still, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    return {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "width": width, "height": height}
