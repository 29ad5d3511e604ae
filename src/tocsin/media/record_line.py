"""Record time: which moment of a recording a picture shows, and when a player has to show it. Pure.

Devices send a recording at four times its pace with time stamps that keep the pace of the recording, or of the sending,
or stand still, and jump when somebody seeks. A player wants one line that runs at the pace of a clock on the wall:
media time here is record time divided by the speed.

Source: GB/T 28181-2022, "Playback of recordings"; field reports on speeds that play black or too fast.
"""

from __future__ import annotations

import math
from typing import Final

CLOCK_HZ: Final = 90_000
FRAME_TICKS: Final = 3600
MAX_STEP_TICKS: Final = 5 * CLOCK_HZ
OLD_PICTURES_MS: Final = 700.0
KEY_SEARCH_MS: Final = 12_000.0
JUDGE_AFTER_MS: Final = 1500.0
JUDGE_PICTURES: Final = 8


class RecordLine:
    """The time of one recording being sent. `keeps_pace` lays media time out as it was recorded, for files.

    `record_ms` is the record time of the last picture (milliseconds since 1970), `scale` the speed, negative backwards.
    `version` counts changes of the relation between media time and record time. With `is_told` the time stamps of the
    pictures are the times they were taken (ticks since 1970, cut to 33 bits), and nothing is guessed.
    """

    def __init__(self, *, keeps_pace: bool = False) -> None:
        self.keeps_pace = keeps_pace
        self.scale = 1.0
        self.is_paused = False
        self.is_held = False
        self.is_told = False
        self.record_ms = 0.0
        self.media = 0
        self.version = 0
        self.has_picture = False
        self._pending: float | None = 0.0
        self._is_seek = False
        self._resumed_ms = 0.0
        self._raw: int | None = None
        self._pair: tuple[int, float] | None = None  # a time stamp whose record time is known
        self._arrival_ms = -1.0
        self._factor = 1.0
        self._group_starts = 0.0  # record time of the present run of pictures, for reverse play
        self._run_ms = -1.0
        self._run_ticks = 0
        self._run_pictures = 0

    def start(self, record_ms: float, now_ms: float, *, scale: float | None = None) -> None:
        """The next key picture shows `record_ms`, or a moment near it that its time stamp tells better."""
        self._is_seek = self.has_picture
        self._pending = record_ms
        self._resumed_ms = now_ms
        self.is_held = False
        if scale is not None:
            self.pace(scale)
        self._judge_again()

    def hold(self) -> None:
        """A seek is under way: what arrives is of before it."""
        self.is_held = True

    def pace(self, scale: float) -> None:
        """From now on the device sends at this speed. Errors: ValueError for 0."""
        if not math.isfinite(scale) or scale == 0:
            raise ValueError("a speed is a number and not zero")
        if scale != self.scale:
            self.scale = scale
            self._factor = 1.0
            self._group_starts = self.record_ms
            self.version += 1
            self._judge_again()

    def pause(self, is_paused: bool) -> None:
        """The device stands still, or goes on."""
        self.is_paused = is_paused
        self._arrival_ms = -1.0
        self._judge_again()

    def place(self, pts: int | None, now_ms: float, *, is_key: bool) -> int | None:
        """Return the media time of a picture in 90 kHz ticks; None for one that must not be shown."""
        last, self._raw = self._raw, pts if pts is not None else self._raw
        elapsed_ms = max(0.0, now_ms - self._arrival_ms) if self._arrival_ms >= 0 else 0.0
        self._arrival_ms = now_ms
        if self.is_held:
            return None
        if self._pending is not None:
            return self._begin(pts, last, now_ms, is_key=is_key)
        step = _wrapped(pts - last) if pts is not None and last is not None else None
        if self.scale < 0:
            self._step_back(step, elapsed_ms, is_key=is_key)
        else:
            self._step_on(step, elapsed_ms)
            if self.is_told and pts is not None:
                self.record_ms = _told(pts, self.record_ms)
                return self.media
        if step is not None and 0 < step <= MAX_STEP_TICKS:
            self._judge(step, now_ms)
        return self.media

    def clock(self, first_tick: int) -> dict[str, object]:
        """Return what a player needs: at `media_time` seconds the picture shows `record_ms`, moving at `rate`."""
        return {
            "type": "record_clock",
            "media_time": (self.media + first_tick) / CLOCK_HZ,
            "record_ms": round(self.record_ms),
            "rate": 1.0 if self.keeps_pace else abs(self.scale),
            "scale": self.scale,
        }

    def _begin(self, pts: int | None, last: int | None, now_ms: float, *, is_key: bool) -> int | None:
        assert self._pending is not None
        if not is_key:
            return None
        if (
            self._is_seek
            and not self.is_told
            and pts is not None
            and last is not None
            and now_ms - self._resumed_ms < OLD_PICTURES_MS
        ):
            step = _wrapped(pts - last)
            if 0 < step <= CLOCK_HZ:
                return None  # it goes on from before the seek: still under way when the device answered
        record_ms = self._pending
        if pts is not None and self._pair is not None and self._factor == 1.0:
            told = self._pair[1] + _wrapped(pts - self._pair[0]) / 90.0
            if abs(told - record_ms) <= KEY_SEARCH_MS:
                record_ms = told
        if self.is_told and pts is not None:
            record_ms = _told(pts, record_ms)
        self.record_ms = self._group_starts = record_ms
        self._pair = (pts, record_ms) if pts is not None else None
        if self.has_picture:
            self.media += FRAME_TICKS
        self.has_picture = True
        self._pending = None
        self.version += 1
        self._judge_again()
        return self.media

    def _step_on(self, step: int | None, elapsed_ms: float) -> None:
        if step is None or step == 0:
            record_ticks = max(1.0, elapsed_ms * 90.0 * self.scale)  # stamps that say nothing: arrival and speed do
            self._advance(record_ticks)
        elif 0 < step <= MAX_STEP_TICKS:
            self._advance(step * self._factor)
        else:
            # The next file begins: its stamps go on after the gap, or start anew.
            self.record_ms += step / 90.0 if 0 < step < 3600 * CLOCK_HZ else FRAME_TICKS / 90.0
            self.media += FRAME_TICKS
            self.version += 1
            self._judge_again()

    def _step_back(self, step: int | None, elapsed_ms: float, *, is_key: bool) -> None:
        if not is_key:
            forward = step if step is not None and 0 < step <= MAX_STEP_TICKS else FRAME_TICKS
            self._advance(float(forward))
            return
        length_ms = max(40.0, self.record_ms - self._group_starts)
        if step is not None and step < 0:
            self.record_ms += step / 90.0
        else:
            self.record_ms = self._group_starts - length_ms
        self._group_starts = self.record_ms
        self.media += FRAME_TICKS
        self.version += 1

    def _advance(self, record_ticks: float) -> None:
        self.record_ms += record_ticks / 90.0
        self.media += max(1, round(record_ticks if self.keeps_pace else record_ticks / abs(self.scale)))

    def _judge(self, step: int, now_ms: float) -> None:
        """Find out whether stamps keep the pace of the recording or of the sending; the sending's are multiplied."""
        if self.scale in (1.0, -1.0) or self.scale < 0 or self._factor != 1.0:
            return
        if self._run_ms < 0:
            self._run_ms = now_ms
            return
        self._run_ticks += step
        self._run_pictures += 1
        passed_ms = now_ms - self._run_ms
        if passed_ms < JUDGE_AFTER_MS or self._run_pictures < JUDGE_PICTURES:
            return
        ratio = self._run_ticks / 90.0 / passed_ms
        if abs(math.log(ratio)) < abs(math.log(ratio / self.scale)) and 0.7 <= ratio <= 1.4:
            self._factor = self.scale
            self.record_ms += self._run_ticks / 90.0 * (self.scale - 1.0)
            self._pair = None
            self.version += 1
        self._judge_again()

    def _judge_again(self) -> None:
        self._run_ms = -1.0
        self._run_ticks = self._run_pictures = 0


def _told(pts: int, near_ms: float) -> float:
    """Return the moment a time stamp names, within 13 hours of another."""
    return near_ms + _wrapped((pts - round(near_ms * 90)) % (1 << 33)) / 90.0


def _wrapped(step: int) -> int:
    """Return the shortest step under a wrap at 2^33."""
    half = 1 << 32
    return (step + half) % (1 << 33) - half
