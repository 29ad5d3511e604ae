"""Sending devices on to another server (302), and taking those back who found nobody there.

Source: GB/T 28181-2022, "Registration": redirection.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from tocsin.protocols.gb28181.register import OUR_VERSION

BACK_WITHIN_S: Final = 300.0
EXPIRES_S: Final = 3600
MAX_REMEMBERED: Final = 100_000


class Redirector:
    """Decides who is sent on. `target` is `id@host:port`; empty sends nobody."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._sent_at: OrderedDict[str, float] = OrderedDict()

    def headers(self, gb_id: str, now: float) -> list[tuple[str, str]] | None:
        """Return the header fields of a 302 for a device that is not registered here; None: it is served here.

        A device that comes back within `BACK_WITHIN_S` found nobody there, or lost them: it stays.
        """
        if not self._target:
            return None
        sent_at = self._sent_at.get(gb_id)
        if sent_at is not None and now - sent_at < BACK_WITHIN_S:
            return None
        while len(self._sent_at) >= MAX_REMEMBERED:
            self._sent_at.popitem(last=False)
        self._sent_at[gb_id] = now
        return [("Contact", f"<sip:{self._target}>"), ("Expires", str(EXPIRES_S)), ("X-GB-ver", OUR_VERSION)]
