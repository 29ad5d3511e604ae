"""A drawn street with a running clock, encoded as a camera would: the picture of every simulated camera.

Needs the extra `tocsin[picture]` (PyAV, NumPy, Pillow); importing this module without it says so.

The time code. Two rows of 32 square blocks stand at the top of every picture, so that a program can read when the
picture was drawn, also from a canvas in a browser:

    side  = floor(width / 80)                 block edge in pixels
    block (row 0-1, column 0-31) has its centre at x = (46 + column + 0.5) * side, y = (1 + row + 0.5) * side
    bit   = 1 when the mean brightness of the middle of the block is above 128
    bytes = 8, first bit of row 0 is the highest bit of byte 0
    byte 0 = 0xA5; bytes 1-6 = milliseconds since 1970, big-endian;
    byte 7 = CRC-8 of bytes 0-6 (polynomial 0x07, start 0)
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from fastcrc import crc8

from tocsin.sim.camera_head import FIELD_DEG, STRAIGHT, Aim
from tocsin.sim.camera_tone import PLAIN, Tone

try:
    import av
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont
except ImportError as error:  # the only place that knows what to do about it is the person installing
    raise ImportError("drawn pictures need the extra tocsin[picture]: pip install 'tocsin[picture]'") from error

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

TIME_CODE_COLUMNS = 32
TIME_CODE_LEFT = 46
TIME_CODE_SYNC = 0xA5
_WHITE, _BLACK = 235, 16


def draw_time_code(pixels: Pixels, epoch_ms: int) -> None:
    """Draw the time code of `epoch_ms` into an RGB picture, shape (height, width, 3)."""
    side = pixels.shape[1] // 80
    code = bytes((TIME_CODE_SYNC,)) + epoch_ms.to_bytes(6, "big")
    code += bytes((crc8.smbus(code),))
    bits = np.unpackbits(np.frombuffer(code, np.uint8)).reshape(2, TIME_CODE_COLUMNS)
    blocks = np.kron(np.where(bits, _WHITE, _BLACK).astype(np.uint8), np.ones((side, side), np.uint8))
    left = TIME_CODE_LEFT * side
    pixels[side : 3 * side, left : left + TIME_CODE_COLUMNS * side] = blocks[:, :, None]


def read_time_code(pixels: Pixels) -> int | None:
    """Return the milliseconds since 1970 drawn in an RGB picture; None when there is no whole time code."""
    height, width = pixels.shape[:2]
    side = width // 80
    if side < 4 or height < 3 * side:
        return None
    left = TIME_CODE_LEFT * side
    area = pixels[side : 3 * side, left : left + TIME_CODE_COLUMNS * side].astype(np.uint16).mean(axis=2)
    blocks = area.reshape(2, side, TIME_CODE_COLUMNS, side)
    quarter = side // 4
    means = blocks[:, quarter : side - quarter, :, quarter : side - quarter].mean(axis=(1, 3))
    code = np.packbits((means > 128).reshape(-1)).tobytes()
    if code[0] != TIME_CODE_SYNC or crc8.smbus(code[:7]) != code[7]:
        return None
    return int.from_bytes(code[1:7], "big")


def _toned(pixels: Pixels, tone: Tone) -> Pixels:
    """Make a picture brighter, sharper in contrast or paler; leave room above for the noise."""
    found = pixels.astype(np.float32)
    if tone.saturation != 1.0:
        grey = found.mean(axis=2, keepdims=True)
        found = grey + (found - grey) * np.float32(tone.saturation)
    found = (found - 128) * np.float32(tone.contrast) + np.float32(128 + tone.brightness)
    toned: Pixels = np.clip(found, 0, 245).astype(np.uint8)
    return toned


def as_jpeg(pixels: Pixels) -> bytes:
    """Return a picture as JPEG."""
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "JPEG", quality=85)
    return made.getvalue()


class Street:
    """A street of its own for each seed: houses, trees, clouds and cars that move with the time drawn."""

    def __init__(
        self, seed: int, name: str, width: int, height: int, *, night: bool = False, utc_offset_s: int = 0
    ) -> None:
        self.width = width
        self.height = height
        self._night = night
        self._utc_offset_ms = utc_offset_s * 1000
        chance = random.Random(seed)
        self._phase = chance.random() * 1000.0
        self._road_top = int(height * (0.62 + 0.08 * chance.random()))
        self._background = self._draw_background(chance)
        self._cars = [self._draw_car(chance) for _ in range(3)]
        self._lanes = [
            (self._road_top + int((height - self._road_top) * share), speed * (1 if index % 2 else -1))
            for index, (share, speed) in enumerate(
                (share, (0.08 + 0.1 * chance.random()) * width) for share in (0.05, 0.32, 0.55)
            )
        ]
        self._cloud = self._draw_cloud(chance)
        self._cloud_speed = (0.01 + 0.02 * chance.random()) * width
        self._glyphs = self._draw_glyphs()
        self._label(name)
        noise = np.random.default_rng(seed)
        self._noise = [noise.integers(0, 7, (height, width, 1), dtype=np.uint8) for _ in range(5)]

    def draw(self, epoch_ms: int, aim: Aim = STRAIGHT, tone: Tone = PLAIN) -> Pixels:
        """Return the picture of one instant, RGB, shape (height, width, 3), as a head looking at `aim` sees it.

        `tone` is how the camera is set; the clock and the time code are drawn over it and never change.
        """
        pixels = self._background.copy()
        seconds = epoch_ms / 1000.0 + self._phase
        self._paste(pixels, self._cloud, int(self._cloud_speed * seconds), int(self.height * 0.16))
        for car, (top, speed) in zip(self._cars, self._lanes, strict=True):
            self._paste(pixels, car if speed > 0 else car[:, ::-1], int(speed * seconds), top)
        if aim != STRAIGHT:
            pixels = self._look_at(pixels, aim)
        if tone != PLAIN:
            pixels = _toned(pixels, tone)
        # A sensor's noise: without it a drawing compresses to nothing.
        pixels += self._noise[epoch_ms // 40 % len(self._noise)]
        self._write_clock(pixels, epoch_ms)
        if aim != STRAIGHT:
            self._write(pixels, aim.words, self.height // 10)
        draw_time_code(pixels, epoch_ms)
        return pixels

    def _look_at(self, pixels: Pixels, aim: Aim) -> Pixels:
        """Turn and enlarge a picture: the street is a ring, beyond its top and bottom edge the edge goes on."""
        middle_x = self.width / 2 + aim.pan_deg / FIELD_DEG * self.width
        middle_y = self.height / 2 + aim.tilt_deg / FIELD_DEG * self.width
        columns = (middle_x + (np.arange(self.width) - self.width / 2) / aim.zoom).astype(int) % self.width
        rows = (middle_y + (np.arange(self.height) - self.height / 2) / aim.zoom).astype(int)
        seen: Pixels = pixels[np.clip(rows, 0, self.height - 1)][:, columns]
        return seen

    def _draw_background(self, chance: random.Random) -> Pixels:
        width, height, road = self.width, self.height, self._road_top
        image = Image.new("RGB", (width, height))
        draw = ImageDraw.Draw(image)
        top, low = ((12, 16, 38), (38, 42, 66)) if self._night else ((88, 142, 200), (196, 214, 226))
        for y in range(road):
            share = y / road
            draw.line([(0, y), (width, y)], fill=tuple(int(a + (b - a) * share) for a, b in zip(top, low, strict=True)))
        light = (chance.randrange(width), int(height * 0.2))
        radius = height // 22
        draw.ellipse(
            [light[0] - radius, light[1] - radius, light[0] + radius, light[1] + radius],
            fill=(226, 226, 214) if self._night else (246, 226, 140),
        )
        x = -chance.randrange(width // 8)
        while x < width:
            x += self._draw_house(draw, chance, x)
        pavement = (70, 70, 74) if self._night else (158, 156, 150)
        asphalt = (34, 34, 38) if self._night else (92, 92, 96)
        draw.rectangle([0, road - height // 30, width, road], fill=pavement)
        draw.rectangle([0, road, width, height], fill=asphalt)
        for share in (0.3, 0.62):
            y = road + int((height - road) * share)
            for start in range(0, width, width // 12):
                draw.rectangle([start, y, start + width // 24, y + max(2, height // 180)], fill=(206, 204, 190))
        for _ in range(5):
            self._draw_tree(draw, chance, chance.randrange(width))
        return np.array(image)

    def _draw_house(self, draw: ImageDraw.ImageDraw, chance: random.Random, x: int) -> int:
        width = chance.randrange(self.width // 10, self.width // 5)
        roof = int(self._road_top * chance.uniform(0.3, 0.7))
        shade = chance.uniform(0.25, 0.35) if self._night else chance.uniform(0.75, 1.05)
        tone = chance.choice([(178, 150, 128), (166, 170, 176), (196, 184, 158), (150, 120, 108), (184, 176, 186)])
        draw.rectangle([x, roof, x + width, self._road_top], fill=tuple(min(255, int(part * shade)) for part in tone))
        pane, gap = max(6, self.width // 64), max(10, self.width // 40)
        for top in range(roof + gap // 2, self._road_top - gap, gap):
            for left in range(x + gap // 2, x + width - pane, gap):
                is_lit = chance.random() < (0.35 if self._night else 0.1)
                fill = (238, 208, 120) if is_lit else ((24, 28, 40) if self._night else (86, 104, 122))
                draw.rectangle([left, top, left + pane, top + pane], fill=fill)
        return width + chance.randrange(1, max(2, self.width // 60))

    def _draw_tree(self, draw: ImageDraw.ImageDraw, chance: random.Random, x: int) -> None:
        ground, size = self._road_top, int(self.height * chance.uniform(0.05, 0.09))
        green = (24, 44, 30) if self._night else (64, chance.randrange(104, 140), 62)
        draw.rectangle([x - size // 8, ground - size, x + size // 8, ground], fill=(70, 52, 38))
        for _ in range(7):
            left, top = x + chance.randrange(-size, size) // 2, ground - 2 * size + chance.randrange(size)
            draw.ellipse([left - size // 2, top - size // 2, left + size // 2, top + size // 2], fill=green)

    def _draw_car(self, chance: random.Random) -> Pixels:
        width, height = self.width // 8, self.height // 12
        image = Image.new("RGB", (width, height), (255, 0, 255))
        draw = ImageDraw.Draw(image)
        colour = chance.choice([(190, 40, 36), (36, 70, 160), (222, 222, 222), (40, 44, 48), (214, 168, 40)])
        draw.rounded_rectangle([0, height * 2 // 5, width - 1, height * 5 // 6], height // 6, fill=colour)
        draw.rounded_rectangle([width // 5, 0, width * 3 // 4, height // 2 + 2], height // 5, fill=colour)
        draw.rectangle([width // 4, height // 8, width * 7 // 10, height * 2 // 5], fill=(150, 186, 204))
        for centre in (width // 5, width * 4 // 5):
            draw.ellipse([centre - height // 5, height * 3 // 5, centre + height // 5, height - 1], fill=(16, 16, 18))
        if self._night:
            draw.rectangle([width - width // 20, height // 2, width - 1, height * 3 // 5], fill=(244, 232, 180))
        return np.array(image)

    def _draw_cloud(self, chance: random.Random) -> Pixels:
        width, height = self.width // 5, self.height // 11
        image = Image.new("RGB", (width, height), (255, 0, 255))
        draw = ImageDraw.Draw(image)
        tone = (58, 62, 80) if self._night else (240, 243, 246)
        for _ in range(9):
            x, y = chance.randrange(height, width - height), chance.randrange(height // 2, height * 3 // 4)
            draw.ellipse([x - height, y - height // 2, x + height, y + height // 3], fill=tone)
        return np.array(image)

    def _draw_glyphs(self) -> dict[str, Pixels]:
        font = ImageFont.load_default(size=max(12, self.height // 20))
        glyphs = {}
        for letter in "0123456789-:. +PTZ":
            room = font.getlength("0" if letter.isdigit() else letter)
            image = Image.new("L", (int(room) + 2, self.height // 16))
            ImageDraw.Draw(image).text((1, 0), letter, fill=255, font=font)
            glyphs[letter] = np.array(image)
        return glyphs

    def _label(self, name: str) -> None:
        image = Image.fromarray(self._background)
        draw = ImageDraw.Draw(image)
        font = ImageFont.load_default(size=max(12, self.height // 20))
        text = name.encode("ascii", "replace").decode()
        place = (self.width // 40, self.height - self.height // 12)
        draw.text((place[0] + 1, place[1] + 1), text, fill=(0, 0, 0), font=font)
        draw.text(place, text, fill=(255, 255, 255), font=font)
        self._background = np.minimum(np.array(image), 245)

    def _write_clock(self, pixels: Pixels, epoch_ms: int) -> None:
        second = np.datetime64(epoch_ms + self._utc_offset_ms, "ms").astype(str).replace("T", " ")
        self._write(pixels, second, self.height // 40)

    def _write(self, pixels: Pixels, text: str, top: int) -> None:
        strip = np.concatenate([self._glyphs[letter] for letter in text], axis=1)
        left = self.width // 40
        area = pixels[top : top + strip.shape[0], left : left + strip.shape[1]]
        np.maximum(area, strip[:, : area.shape[1], None], out=area)

    def _paste(self, pixels: Pixels, sprite: Pixels, x: int, top: int) -> None:
        """Draw a sprite whose magenta is see-through; it leaves on one side and comes back on the other."""
        height, width = sprite.shape[:2]
        left = x % (self.width + width) - width
        first, last = max(0, -left), min(width, self.width - left)
        top = min(top, self.height - height)
        if first >= last:
            return
        part = sprite[:, first:last]
        area = pixels[top : top + height, left + first : left + last]
        is_solid = (part[:, :, 1] != 0) | (part[:, :, 0] != 255)
        area[is_solid] = part[is_solid]


class Encoder:
    """Encodes drawn pictures as a camera does: no B frames, no look-ahead, keys where the caller wants them."""

    def __init__(
        self,
        width: int,
        height: int,
        fps: int,
        bitrate_bps: int,
        *,
        codec: str = "h264",
        slices: int = 1,
        delimiters: bool = False,
    ) -> None:
        library = {"h264": "libx264", "h265": "libx265"}[codec]
        context = av.CodecContext.create(library, "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height = width, height
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, fps)
        context.framerate = Fraction(fps)
        context.bit_rate = bitrate_bps
        rate = bitrate_bps // 1000
        common = f"keyint=100000:scenecut=0:bframes=0:vbv-maxrate={rate}:vbv-bufsize={rate}:aud={int(delimiters)}"
        options = {"preset": "superfast", "tune": "zerolatency", "forced-idr": "1"}
        if codec == "h264":
            options["x264-params"] = f"{common}:slices={slices}:force-cfr=1"
            options["profile"] = "high"
        else:
            options["preset"] = "ultrafast"
            options["x265-params"] = f"{common}:slices={slices}:repeat-headers=1:log-level=none:pools=1:frame-threads=1"
        context.options = options
        context.thread_count = 1
        self._context = context
        self._count = 0

    def encode(self, pixels: Pixels, *, is_key: bool) -> bytes:
        """Return the Annex B bytes of one picture; parameter sets stand before every key."""
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
        frame.pts = self._count
        frame.time_base = self._context.time_base
        frame.pict_type = av.video.frame.PictureType.I if is_key else av.video.frame.PictureType.NONE
        self._count += 1
        return b"".join(bytes(packet) for packet in self._context.encode(frame))


def still(pixels: Pixels) -> bytes:
    """Return a drawn picture as a JPEG."""
    height, width = pixels.shape[:2]
    context = av.CodecContext.create("mjpeg", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "yuvj420p"
    context.time_base = Fraction(1, 1)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuvj420p")
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))


def draw_loop(
    street: Street, encoder: Encoder, fps: int, count: int, start_ms: int, key_every: int
) -> Iterator[tuple[bytes, bool]]:
    """Yield `count` encoded pictures and whether each is a key, from `start_ms` on."""
    for index in range(count):
        is_key = index % key_every == 0
        yield encoder.encode(street.draw(start_ms + index * 1000 // fps), is_key=is_key), is_key
