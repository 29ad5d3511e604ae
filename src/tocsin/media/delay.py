"""How long pictures stay in a worker: from the arrival of their last packet to the write for their viewers. Pure.

Taken from a sample, counted in buckets that never shrink, as Prometheus wants a histogram.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.010, 0.015, 0.020, 0.030, 0.050, 0.100, 0.200, 0.500, 1.0)
SAMPLE_EVERY: Final = 8


class DelayGauge:
    """Counts delays; `is_due` says whether the next picture is one of the sample."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0
        self._pictures = 0

    def is_due(self) -> bool:
        """Count a picture; True for one of eight."""
        self._pictures += 1
        return self._pictures % SAMPLE_EVERY == 0

    def note(self, delay_s: float) -> None:
        """Take one delay; a clock that was set back counts as none."""
        self.counts[bisect_left(BUCKETS_S, delay_s)] += 1
        self.sum_s += max(0.0, delay_s)


def percentile_s(counts: Sequence[int], share: float) -> float:
    """Return the delay that `share` of the sample do not exceed: within its bucket as if evenly spread.

    Beyond the last bucket its bound is returned; nan for an empty sample.
    """
    wanted = sum(counts) * share
    if not wanted:
        return float("nan")
    below = 0
    for index, count in enumerate(counts):
        if below + count >= wanted:
            if index == len(BUCKETS_S):
                return BUCKETS_S[-1]
            lower_s = BUCKETS_S[index - 1] if index else 0.0
            return lower_s + (BUCKETS_S[index] - lower_s) * (wanted - below) / count
        below += count
    return BUCKETS_S[-1]
