"""Client and server transactions as state machines: `receive`, `timer`, `handle_timer`; the caller owns the clock.

Times are seconds on any scale that does not go back.

Source: RFC 3261, "Transactions" (client and server, INVITE and non-INVITE).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tocsin.protocols.sip.codes import DEFAULT_TIMERS, Timers
from tocsin.protocols.sip.message import Headers, Request, Response

MAX_SERVER_TRANSACTIONS: Final = 65_536


@dataclass(frozen=True, slots=True)
class Send:
    """Put these bytes on the wire, to the peer of the transaction."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Provisional:
    """A 1xx arrived."""

    response: Response


@dataclass(frozen=True, slots=True)
class Answered:
    """The final response arrived."""

    response: Response


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No final response came in time."""


Output = Send | Provisional | Answered | TimedOut


class ClientState(StrEnum):
    """States of a client transaction; CALLING is called "trying" for a non-INVITE."""

    CALLING = "calling"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    TERMINATED = "terminated"


class ClientTransaction:
    """Sends one non-INVITE request, repeats it over UDP until an answer comes, and gives up after 64 T1."""

    def __init__(self, request: Request, *, is_reliable: bool, timers: Timers = DEFAULT_TIMERS) -> None:
        self.request = request
        self.state = ClientState.CALLING
        self._data = request.encode()
        self._is_reliable = is_reliable
        self._timers = timers
        self._interval_s = timers.t1_s
        self._resend_at: float | None = None
        self._give_up_at: float | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Branch and method: what a response carries back."""
        via = self.request.via
        return (via.branch if via else "", self.request.method)

    def start(self, now: float) -> list[Output]:
        """Send the request."""
        self._give_up_at = now + self._timers.timeout_s
        self._resend_at = None if self._is_reliable else now + self._interval_s
        return [Send(self._data)]

    def receive(self, response: Response, now: float) -> list[Output]:
        """Take a response that carries this transaction's branch and method."""
        if self.state in (ClientState.COMPLETED, ClientState.TERMINATED):
            return []
        if response.status < 200:
            self.state = ClientState.PROCEEDING
            self._interval_s = self._timers.t2_s
            if not self._is_reliable:
                self._resend_at = now + self._interval_s
            return [Provisional(response)]
        self.state = ClientState.TERMINATED  # repeats of the response match nothing and are dropped: same as timer K
        self._resend_at = self._give_up_at = None
        return [Answered(response)]

    def timer(self) -> float | None:
        """Return when `handle_timer` is due, or None."""
        due = [at for at in (self._resend_at, self._give_up_at) if at is not None]
        return min(due) if due else None

    def handle_timer(self, now: float) -> list[Output]:
        """Repeat the request or give up."""
        if self._give_up_at is not None and now >= self._give_up_at:
            self.state = ClientState.TERMINATED
            self._resend_at = self._give_up_at = None
            return [TimedOut()]
        if self._resend_at is None or now < self._resend_at:
            return []
        self._interval_s = min(self._interval_s * 2, self._timers.t2_s)
        self._resend_at = now + self._interval_s
        return [Send(self._data)]


ServerKey = tuple[str, str, str, str]


def server_key(request: Request, source: str) -> ServerKey:
    """Return what makes a retransmission the same transaction.

    `source` is the observed peer. A branch without the RFC 3261 cookie may repeat, so Call-ID and CSeq take part too.
    """
    via = request.via
    branch = via.branch if via else ""
    method = "INVITE" if request.method == "ACK" else request.method
    return (source, branch, f"{request.call_id} {request.cseq}", method)


class ServerState(StrEnum):
    """What is known about a request just received."""

    NEW = "new"
    WORKING = "working"
    ANSWERED = "answered"


class ServerTransactions:
    """Remembers requests for 64 T1 so that a retransmission gets the same response and is not executed twice.

    Bounded: the oldest leaves when `limit` is reached, which shortens its memory but refuses nobody.
    """

    def __init__(self, timers: Timers = DEFAULT_TIMERS, limit: int = MAX_SERVER_TRANSACTIONS) -> None:
        self._keep_s = timers.timeout_s
        self._limit = limit
        self._known: OrderedDict[ServerKey, tuple[float, bytes | None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def receive(self, key: ServerKey, now: float) -> tuple[ServerState, bytes | None]:
        """Record a request; for a repeated one return its state and the response to send again."""
        found = self._known.get(key)
        if found is not None and found[0] > now:
            return (ServerState.ANSWERED, found[1]) if found[1] is not None else (ServerState.WORKING, None)
        while len(self._known) >= self._limit:
            self._known.popitem(last=False)
        self._known[key] = (now + self._keep_s, None)
        self._known.move_to_end(key)
        return ServerState.NEW, None

    def answer(self, key: ServerKey, data: bytes, now: float) -> None:
        """Keep the response of a request."""
        if key in self._known:
            self._known[key] = (now + self._keep_s, data)
            self._known.move_to_end(key)

    def forget(self, key: ServerKey) -> None:
        """Drop a transaction whose repetition is harmless."""
        self._known.pop(key, None)

    def expire(self, now: float) -> None:
        """Drop what is older than 64 T1."""
        while self._known:
            key = next(iter(self._known))
            if self._known[key][0] > now:
                return
            del self._known[key]


def ack_for_failure(invite: Request, response: Response) -> Request:
    """Return the ACK of a non-2xx final response: same branch, To with the response's tag, no body."""
    via = invite.headers.all("via")
    fields = [
        *(("Via", value) for value in via[:1]),
        ("From", invite.headers.get("from")),
        ("To", response.headers.get("to")),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{invite.cseq} ACK"),
        ("Max-Forwards", "70"),
    ]
    return Request("ACK", invite.uri, Headers(fields))


def cancel_for(invite: Request) -> Request:
    """Return the CANCEL of a pending INVITE: same branch, From, To, Call-ID and number."""
    via = invite.headers.all("via")
    fields = [
        *(("Via", value) for value in via[:1]),
        ("From", invite.headers.get("from")),
        ("To", invite.headers.get("to")),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{invite.cseq} CANCEL"),
        ("Max-Forwards", "70"),
    ]
    return Request("CANCEL", invite.uri, Headers(fields))
