"""Ways through several platforms: what goes along when a picture is asked for below, and the path its answer came by.

Source: GB/T 28181-2022, annex on multi-path routing (`X-PreferredPath`, `X-RoutePath`); identity of the user above.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from tocsin.protocols.gb28181 import cascade as wire
from tocsin.protocols.sip.message import Response

MAX_WAYS: Final = 20_000
CARRIED_FOR_S: Final = 30.0


class Ways:
    """What platforms below us are told with a question, and what they told of the way; by channel id, bounded."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._carried: OrderedDict[str, tuple[tuple[tuple[str, str], ...], float]] = OrderedDict()
        self._routes: OrderedDict[str, str] = OrderedDict()

    def carry(self, channel_id: str, headers: tuple[tuple[str, str], ...]) -> None:
        """Let the next question for this channel take these headers along, for half a minute."""
        self._carried[channel_id] = (headers, self._now() + CARRIED_FOR_S)
        self._carried.move_to_end(channel_id)
        while len(self._carried) > MAX_WAYS:
            self._carried.popitem(last=False)

    def headers_for(self, channel_id: str) -> list[tuple[str, str]]:
        """Return what goes along now."""
        headers, until_s = self._carried.get(channel_id, ((), 0.0))
        if until_s <= self._now():
            self._carried.pop(channel_id, None)
            return []
        return list(headers)

    def heard(self, channel_id: str, response: Response) -> None:
        """Take the answer that opened a picture."""
        route = "-".join(wire.route_of(response.headers.get(wire.ROUTE_HEADER)))
        self._routes.pop(channel_id, None)
        if route:
            self._routes[channel_id] = route
            while len(self._routes) > MAX_WAYS:
                self._routes.popitem(last=False)

    def route(self, channel_id: str) -> str:
        """Return the path of the last answer; empty when the device named none."""
        return self._routes.get(channel_id, "")
