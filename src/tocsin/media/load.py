"""Whether a worker keeps up, and what viewers give up when it or they do not. Pure; time is an argument.

Source: media reference, bounded queue and gap policy, whole-worker overload.
"""

from __future__ import annotations

from collections import deque
from typing import Final

LATE_S: Final = 0.050
OVERLOADED_AFTER_S: Final = 2.0
CALM_AFTER_S: Final = 5.0
GAPS: Final = 3
GAPS_WITHIN_S: Final = 30.0
STEP_UP_AFTER_S: Final = 60.0


class LoadGauge:
    """Says that a loop is overloaded when it has been late for two seconds, and calm again after five without."""

    def __init__(self) -> None:
        self.is_overloaded = False
        self.times = 0
        self._late_since_s: float | None = None
        self._last_late_s = 0.0

    def note(self, late_s: float, now_s: float) -> None:
        """Take how late the loop was at `now_s`, monotonic."""
        if late_s > LATE_S:
            if self._late_since_s is None or now_s - self._last_late_s > OVERLOADED_AFTER_S:
                self._late_since_s = now_s - late_s
            self._last_late_s = now_s
            if not self.is_overloaded and now_s - self._late_since_s >= OVERLOADED_AFTER_S:
                self.is_overloaded = True
                self.times += 1
            return
        if now_s - self._last_late_s >= CALM_AFTER_S:
            self.is_overloaded = False
            self._late_since_s = None
        elif not self.is_overloaded and now_s - self._last_late_s > OVERLOADED_AFTER_S / 2:
            self._late_since_s = None


class StepDown:
    """Whether a slow viewer gets key frames only: after three gaps in 30 s, until 60 s pass without one."""

    def __init__(self) -> None:
        self.is_down = False
        self._gaps: deque[float] = deque(maxlen=GAPS)

    def gap(self, now_s: float) -> bool:
        """Note a gap; True when it steps the viewer down."""
        self._gaps.append(now_s)
        if self.is_down or len(self._gaps) < GAPS or now_s - self._gaps[0] > GAPS_WITHIN_S:
            return False
        self.is_down = True
        return True

    def may_step_up(self, now_s: float) -> bool:
        """Say once that the viewer may have every picture again."""
        if not self.is_down or now_s - self._gaps[-1] < STEP_UP_AFTER_S:
            return False
        self.is_down = False
        self._gaps.clear()
        return True
