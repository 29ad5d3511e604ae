"""One key picture, decoded in the sizes the measures want.

Loaded by the picture worker alone: PyAV links x264 and x265.
"""

from __future__ import annotations

from typing import Any, Final

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation

from tocsin.media.picture_measures import HEIGHT, WIDTH, Luma, Picture, Plane

_DECODERS: Final = {"h264": "h264", "h265": "hevc"}
MAX_PIXELS: Final = 8192 * 4608
_FULL = int(ColorRange.JPEG)


class NotDecodable(Exception):
    """The bytes are no picture a decoder can show."""


def decode(data: bytes, codec: str) -> Any:
    """Return the frame of one key picture, parameter sets before it. Errors: NotDecodable."""
    try:
        context = av.CodecContext.create(_DECODERS[codec], "r")
        assert isinstance(context, av.VideoCodecContext)
        context.thread_count = 1
        context.options = {"skip_loop_filter": "all", "flags2": "+fast"}
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    except KeyError as error:
        raise NotDecodable(f"no decoder for {codec}") from error
    except (av.FFmpegError, ValueError, MemoryError) as error:
        raise NotDecodable(str(error)[:200]) from error
    if not frames:
        raise NotDecodable("the decoder shows no picture")
    frame = frames[0]
    if frame.is_corrupt:
        raise NotDecodable("the picture is damaged")
    if not 0 < frame.width * frame.height <= MAX_PIXELS:
        raise NotDecodable(f"{frame.width}x{frame.height} is too large")
    return frame


def prepare(frame: Any) -> Picture:
    """Return what the measures want of a frame."""
    small = frame.reformat(width=WIDTH, height=HEIGHT, format="yuv420p", interpolation=Interpolation.AREA)
    is_full = frame.format.name.startswith("yuvj") or frame.color_range == _FULL
    grey = _plane(small.planes[0], WIDTH, HEIGHT).astype(np.float32)
    tint_u = _plane(small.planes[1], WIDTH // 2, HEIGHT // 2).astype(np.float32) - 128
    tint_v = _plane(small.planes[2], WIDTH // 2, HEIGHT // 2).astype(np.float32) - 128
    luma = frame.planes[0]
    if luma.line_size < frame.width or frame.format.components[0].bits != 8:
        frame = frame.reformat(format="yuv420p")
        luma = frame.planes[0]
    return Picture(grey if is_full else _widened(grey), tint_u, tint_v, _plane(luma, frame.width, frame.height))


def as_rgb(frame: Any, width: int, height: int) -> Luma:
    """Return a frame as RGB, shape (height, width, 3)."""
    found: Luma = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
    return found


def _plane(plane: Any, width: int, height: int) -> Luma:
    rows = np.frombuffer(plane, np.uint8)[: height * plane.line_size].reshape(height, plane.line_size)
    found: Luma = rows[:, :width]
    return found


def _widened(grey: Plane) -> Plane:
    """Return levels 16 to 235 as 0 to 255. Source: ITU-R BT.709, quantisation levels."""
    found: Plane = np.clip((grey - 16) * np.float32(255 / 219), 0, 255)
    return found
