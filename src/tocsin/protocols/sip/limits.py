"""How much one source may ask: a token bucket for each host. Time is an argument, in seconds."""

from __future__ import annotations

from collections import OrderedDict
from enum import StrEnum


class Allowance(StrEnum):
    """What to do with the next request of a source."""

    SERVE = "serve"
    REFUSE = "refuse"
    DROP = "drop"


class SourceLimits:
    """Serves `rate_per_s` requests a host with bursts, refuses as many again, and drops the rest without a word.

    Bounded: the host unseen for longest is forgotten.
    """

    def __init__(self, rate_per_s: float = 2000.0, burst: float = 4000.0, max_hosts: int = 4096) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._max_hosts = max_hosts
        self._hosts: OrderedDict[str, list[float]] = OrderedDict()

    def take(self, host: str, now: float) -> Allowance:
        """Count one request of a host."""
        found = self._hosts.get(host)
        if found is None:
            while len(self._hosts) >= self._max_hosts:
                self._hosts.popitem(last=False)
            found = self._hosts[host] = [self._burst, now]
        else:
            self._hosts.move_to_end(host)
        found[0] = min(self._burst, found[0] + (now - found[1]) * self._rate_per_s)
        found[1] = now
        if found[0] >= 1:
            found[0] -= 1
            return Allowance.SERVE
        if found[0] > -self._rate_per_s:
            found[0] -= 1
            return Allowance.REFUSE
        return Allowance.DROP
