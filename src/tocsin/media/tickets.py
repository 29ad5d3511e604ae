"""One-use tickets: who may watch which stream until when. Pure; time is an argument.

The control process decides and sends a ticket here; the viewer shows it once in its URL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

UNUSED_LIFE_S = 60.0
MAX_TICKETS = 20_000


@dataclass(frozen=True, slots=True)
class Ticket:
    """A permission to open one viewer; `expires_at_s` is epoch seconds, when the viewer ends.

    `may_change`: the viewer is told to come again rather than given a conversion, because a sub stream may serve him.
    """

    secret: str
    stream_id: str
    viewer_id: str
    view_id: str
    expires_at_s: float
    codecs: tuple[str, ...] = ()
    wants_audio: bool = False
    is_alarm: bool = False  # verifying an alarm: the last to give anything up
    may_change: bool = False


class TicketBox:
    """Tickets that were issued and not used yet."""

    def __init__(self) -> None:
        self._tickets: dict[str, tuple[Ticket, float]] = {}

    def __len__(self) -> int:
        return len(self._tickets)

    def put(self, ticket: Ticket, now_s: float) -> None:
        """Keep a ticket for a minute; the oldest go when far too many are waiting."""
        while len(self._tickets) >= MAX_TICKETS:
            del self._tickets[next(iter(self._tickets))]
        self._tickets[ticket.secret] = (ticket, now_s + UNUSED_LIFE_S)

    def take(self, secret: str, stream_id: str, now_s: float) -> Ticket | None:
        """Use a ticket up; None when it is unknown, used, too old, or for another stream."""
        entry = self._tickets.pop(secret, None)
        if entry is None:
            return None
        ticket, dies_at_s = entry
        if now_s >= dies_at_s or now_s >= ticket.expires_at_s or ticket.stream_id != stream_id:
            return None
        return ticket

    def waiting_for(self, stream_id: str) -> int:
        """Return how many unused tickets a stream has."""
        return sum(ticket.stream_id == stream_id for ticket, _ in self._tickets.values())

    def renew(self, view_id: str, expires_at_s: float) -> None:
        """Let the unused tickets of a view end at another time."""
        for secret, (ticket, dies_at_s) in self._tickets.items():
            if ticket.view_id == view_id:
                self._tickets[secret] = replace(ticket, expires_at_s=expires_at_s), dies_at_s

    def revoke(self, view_id: str) -> None:
        """Forget the unused tickets of a view."""
        for secret in [secret for secret, (ticket, _) in self._tickets.items() if ticket.view_id == view_id]:
            del self._tickets[secret]

    def expire(self, now_s: float) -> None:
        """Forget what nobody used in time."""
        for secret in list(self._dead(now_s)):
            del self._tickets[secret]

    def _dead(self, now_s: float) -> Iterator[str]:
        for secret, (ticket, dies_at_s) in self._tickets.items():
            if now_s >= dies_at_s or now_s >= ticket.expires_at_s:
                yield secret
