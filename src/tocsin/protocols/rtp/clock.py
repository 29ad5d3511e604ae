"""Media time: raw device time stamps -> one line that never goes back far and never jumps. Pure.

Devices wrap at 2^33 or 2^32, restart, stand still, count in other units; the line follows arrival when they lie.

Source: ISO/IEC 13818-1, PTS; GB/T 28181 practice for time stamp correction.
"""

from __future__ import annotations

CLOCK_HZ = 90_000
TICKS_PER_MS = CLOCK_HZ // 1000
MAX_STEP = CLOCK_HZ  # one second
MAX_BACK = CLOCK_HZ // 2  # as far as B frames go
_FAR = 10 * CLOCK_HZ
_JUDGE_AFTER_MS = 5000.0
_JUDGE_FRAMES = 20


class MediaClock:
    """Turns the raw PTS of one stream into media time (90 kHz ticks from the first picture on)."""

    __slots__ = (
        "_arrival_ms",
        "_raw",
        "_run_frames",
        "_run_ms",
        "_run_ticks",
        "follows_arrival",
        "rebases",
        "time",
    )

    def __init__(self) -> None:
        self.time = 0
        self.rebases = 0
        self.follows_arrival = False
        self._raw = -1
        self._arrival_ms = 0.0
        self._run_ms = 0.0
        self._run_ticks = 0
        self._run_frames = 0

    def place(self, pts: int | None, arrival_ms: float) -> int:
        """Return the media time of a picture with raw time `pts` (None: unknown) that arrived at `arrival_ms`."""
        if self._raw < 0:
            self._raw = pts or 0
            self._arrival_ms = self._run_ms = arrival_ms
            return self.time
        elapsed = max(1, int((arrival_ms - self._arrival_ms) * TICKS_PER_MS))
        self._arrival_ms = arrival_ms
        if pts is None or self.follows_arrival:
            self.time += elapsed
            return self.time
        step = pts - self._raw
        if not -_FAR < step < _FAR:
            step = _wrap(step)
        self._raw = pts
        # A step is believed when it is small, or when the wall clock agrees that so much time passed.
        if step == 0 or step < -MAX_BACK or (step > MAX_STEP and abs(step - elapsed) > MAX_STEP):
            self.rebases += step != 0
            self.time += elapsed
            self._judge_again(arrival_ms)
            return self.time
        self.time += step
        self._run_ticks += step
        self._run_frames += 1
        if arrival_ms - self._run_ms >= _JUDGE_AFTER_MS:
            self._judge(arrival_ms)
        return self.time

    def relate(self, pts: int | None) -> int:
        """Return the media time of another track's `pts`; the present time when the two do not belong together."""
        if pts is None or self._raw < 0 or self.follows_arrival:
            return self.time
        step = _wrap(pts - self._raw)
        return self.time + step if -2 * CLOCK_HZ < step < 2 * CLOCK_HZ else self.time

    def _judge(self, arrival_ms: float) -> None:
        """Stop believing stamps whose pace is half or one and a half times that of arrival, or worse."""
        passed = (arrival_ms - self._run_ms) * TICKS_PER_MS
        if self._run_frames >= _JUDGE_FRAMES and not 0.5 <= self._run_ticks / passed <= 1.5:
            self.follows_arrival = True
        self._judge_again(arrival_ms)

    def _judge_again(self, arrival_ms: float) -> None:
        self._run_ms = arrival_ms
        self._run_ticks = self._run_frames = 0


def _wrap(step: int) -> int:
    """Return the shortest step under a wrap at 2^33, or at 2^32 as some devices count."""
    for modulus in (1 << 33, 1 << 32):
        wrapped = (step + modulus // 2) % modulus - modulus // 2
        if -_FAR < wrapped < _FAR:
            return wrapped
    return step
