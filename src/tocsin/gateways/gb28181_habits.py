"""Departures of a device's messages from the standard, kept in its profile once each."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from tocsin.base.clock import Clock
from tocsin.domain.devices import DeviceReports
from tocsin.protocols.sip.message import Request

MAX_KNOWN: Final = 4096


class WireHabits:
    """Remembers which oddities of a device were reported since the start; bounded."""

    def __init__(self, reports: DeviceReports, clock: Clock) -> None:
        self._reports = reports
        self._clock = clock
        self._known: OrderedDict[str, frozenset[str]] = OrderedDict()

    def note(self, device_id: str, request: Request) -> None:
        """Take the oddities of one request."""
        if not request.oddities:
            return
        found = frozenset(oddity.value for oddity in request.oddities)
        known = self._known.get(device_id, frozenset())
        if found <= known:
            return
        while len(self._known) >= MAX_KNOWN:
            self._known.popitem(last=False)
        self._known[device_id] = known | found
        self._reports.found(device_id, self._clock.now(), "wire", ",".join(sorted(known | found)), "seen")
