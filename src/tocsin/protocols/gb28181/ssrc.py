"""Stream numbers (the y= line): 10,000 in a domain, released ones rest before they are used again.

Source: GB/T 28181-2022, the y field; media servers take a quick reuse for a changed sender.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from tocsin.protocols.gb28181.ids import ssrc_of

SERIALS: Final = 10_000
QUARANTINE_S: Final = 20.0


class SsrcPool:
    """Gives out the stream numbers of one domain, for live pictures or for recordings."""

    def __init__(self, domain_id: str, first: int = 1, *, is_history: bool = False) -> None:
        self._domain_id = domain_id
        self._is_history = is_history
        self._next = first % SERIALS
        self._used: set[int] = set()
        self._resting: OrderedDict[int, float] = OrderedDict()

    def take(self, now: float) -> int | None:
        """Return a free number, or None when all are in use."""
        while self._resting:
            serial, until = next(iter(self._resting.items()))
            if until > now:
                break
            del self._resting[serial]
        for _ in range(SERIALS):
            serial = self._next
            self._next = (self._next + 1) % SERIALS
            if serial and serial not in self._used and serial not in self._resting:
                self._used.add(serial)
                return ssrc_of(self._domain_id, serial, is_history=self._is_history)
        return None

    def release(self, ssrc: int, now: float) -> None:
        """Give a number back; it rests 20 s."""
        serial = ssrc % SERIALS
        if serial in self._used:
            self._used.remove(serial)
            self._resting[serial] = now + QUARANTINE_S
