"""The times of a recorder: pictures on one rising line of ticks, and that line on the wall clock. Pure.

Source: media reference, NAL handling ("Timing", "Clock").
"""

from __future__ import annotations

from typing import Final

from tocsin.protocols.rtp.clock import CLOCK_HZ, MediaClock

STEP_MS: Final = 2000.0
FIRST_MS: Final = 60_000.0
WINDOW_MS: Final = 10_000.0  # a sender that counts pictures and stood still is behind for good: seen this soon
STEER: Final = 500e-6
_USUAL: Final = 3600
_MAX_BACK: Final = CLOCK_HZ // 2
_WRAP: Final = (1 << 33) - 1


class DecodeLine:
    """Lays decode times of pictures on a line that rises with each, and their presentation behind it."""

    __slots__ = ("_clock", "_is_reordered", "_last", "_shown", "_usual")

    def __init__(self) -> None:
        self._clock = MediaClock()
        self._last = self._shown = -1
        self._usual = _USUAL
        self._is_reordered = False

    def place(self, pts: int | None, dts: int | None, arrival_ms: float) -> tuple[int, int]:
        """Return decode time in ticks and how much later a picture is shown; stamps that jump or wrap do no harm."""
        time = self._clock.place(pts, arrival_ms) + CLOCK_HZ
        offset = 0
        if pts is not None and dts is not None and (pts - dts & _WRAP) < CLOCK_HZ:
            offset = pts - dts & _WRAP
            time -= offset
        else:
            shown, back = time, self._shown - time
            self._shown = time
            if back > 0 and not self._is_reordered:
                self._is_reordered, self._usual = back < _MAX_BACK, _USUAL
            if self._is_reordered and abs(time - self._last) > CLOCK_HZ:
                self._is_reordered = False
            if self._is_reordered:
                if back:
                    self._usual = max(1, min(self._usual, abs(back)))
                time = self._last + self._usual
                offset = shown - time
        if time <= self._last:
            offset += time - self._last - 1
            time = self._last + 1
        self._last = time
        return time, max(-CLOCK_HZ, offset)


class WallLine:
    """Says when by the clock on the wall a picture of the line was taken, as near as arrivals tell."""

    __slots__ = ("_base_ms", "_least_ms", "_placed_ms", "_since_ms", "_skew_ms", "_window_ms")

    def __init__(self) -> None:
        self._base_ms: float | None = None
        self._least_ms = 0.0
        self._since_ms = 0.0
        self._window_ms = 0.0
        self._placed_ms = 0.0
        self._skew_ms = 0.0

    def place(self, ticks: int, wall_ms: float, now_ms: float) -> tuple[int, bool]:
        """Return when a picture that arrived at `wall_ms` was taken, and whether the clock has stepped meanwhile.

        `now_ms` is the same moment on the clock that never steps.
        """
        shown_ms = ticks * 1000.0 / CLOCK_HZ
        base_ms = wall_ms - shown_ms
        skew_ms = wall_ms - now_ms
        if self._base_ms is None:
            self._begin(base_ms, skew_ms, now_ms)
            return round(wall_ms), False
        self._least_ms = min(self._least_ms, base_ms)
        is_step = abs(skew_ms - self._skew_ms) > STEP_MS or base_ms < self._base_ms - STEP_MS
        if not is_step and now_ms - self._window_ms >= WINDOW_MS:
            is_step = self._least_ms - self._base_ms > STEP_MS
        if is_step:
            self._begin(base_ms, skew_ms, now_ms)
            return round(wall_ms), True
        if now_ms - self._since_ms <= FIRST_MS:
            self._base_ms = min(self._base_ms, base_ms)
        else:
            reach_ms = (now_ms - self._placed_ms) * STEER
            self._base_ms += max(-reach_ms, min(reach_ms, self._least_ms - self._base_ms))
        if now_ms - self._window_ms >= WINDOW_MS:
            self._window_ms, self._least_ms = now_ms, base_ms
        self._placed_ms, self._skew_ms = now_ms, skew_ms
        return round(self._base_ms + shown_ms), False

    def _begin(self, base_ms: float, skew_ms: float, now_ms: float) -> None:
        self._base_ms = self._least_ms = base_ms
        self._skew_ms = skew_ms
        self._since_ms = self._window_ms = self._placed_ms = now_ms
