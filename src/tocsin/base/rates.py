"""How often somebody may ask: buckets that fill by the second, bounded in number."""

from __future__ import annotations

from collections import OrderedDict

MAX_BUCKETS = 10_000


class Rates:
    """One bucket for each name: `burst` at once, `per_s` from then on."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, name: str, now_s: float) -> float:
        """Take one from the bucket of a name; return 0, or in how many seconds there will be one."""
        left, since_s = self._buckets.pop(name, (self._burst, now_s))
        left = min(self._burst, left + (now_s - since_s) * self._per_s)
        is_there = left >= 1
        self._buckets[name] = (left - 1 if is_there else left, now_s)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return 0.0 if is_there else (1 - left) / self._per_s
