"""The memory for the seconds before an event, watched: when it is too small for all pictures, it is said on Health."""

from __future__ import annotations

from typing import Final

from tocsin.base.clock import Clock
from tocsin.base.words import Words
from tocsin.domain.notices import NoticeBoard, Severity
from tocsin.domain.recorder_told import MemoryTold, RecorderPorts

SHORT: Final = "recording.memory_short"
ENDS_AFTER_S: Final = 300.0

WORDS: Final = Words(
    {
        SHORT: (
            "The {most_mb} MB for the seconds before an alarm are full: clips may begin late. "
            "Raise recording.pre_roll_memory_mb, or watch fewer cameras at a time.",
            "预录内存（{most_mb} MB）已满，警情片段可能缺少警情前的画面。请调大 recording.pre_roll_memory_mb，"
            "或减少同时观看的摄像机。",
        ),
    }
)


class RingMemory:
    """Raises a notice when pictures left memory early, and clears it once that has not happened for five minutes."""

    def __init__(self, clock: Clock, notices: NoticeBoard, ports: RecorderPorts) -> None:
        self._clock = clock
        self._notices = notices
        self._short_at_s: float | None = None
        self._most_bytes = 0
        self._is_raised: bool | None = None  # None: of a former run, if at all
        ports.events.on_memory = self.told

    def told(self, told: MemoryTold) -> None:
        """Hear from a worker that it had to forget what should have stayed."""
        self._short_at_s, self._most_bytes = self._clock.monotonic(), told.most_bytes

    async def check(self) -> None:
        """Raise or clear the notice. Errors: UNAVAILABLE; then it is done the next time."""
        is_short = self._short_at_s is not None and self._clock.monotonic() - self._short_at_s < ENDS_AFTER_S
        if is_short is self._is_raised:
            return
        if is_short:
            await self._notices.raise_notice(
                SHORT, Severity.WARNING, params={"most_mb": max(1, self._most_bytes >> 20)}
            )
        else:
            await self._notices.clear_notice(SHORT)
        self._is_raised = is_short
