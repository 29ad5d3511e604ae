"""A provisional response that is repeated until its PRACK comes: the picture before the answer rests on it.

Source: RFC 3262, "UAS Behavior".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tocsin.protocols.sip.codes import Timers
from tocsin.protocols.sip.message import Request, Response

_RACK: Final = re.compile(r"\s*(\d{1,10})\s+(\d{1,10})\s+(\w{1,16})\s*\Z", re.ASCII)


def wants_reliable(invite: Request) -> bool:
    """Say whether a caller insists on provisional responses that it acknowledges."""
    return any(word.strip().lower() == "100rel" for value in invite.headers.all("require") for word in value.split(","))


def rack_of(response: Response) -> str:
    """Return what a PRACK of this response says in RAck; empty when the response asks for none."""
    number = response.headers.get("rseq").strip()
    asks = any("100rel" in value.lower() for value in response.headers.all("require"))
    return f"{number} {response.headers.get('cseq')}" if asks and number.isascii() and number.isdigit() else ""


@dataclass(slots=True)
class Unconfirmed:
    """One such response, sent and not acknowledged yet. `has_body`: a description in it holds up the 200."""

    rseq: int
    cseq: int
    data: bytes
    has_body: bool
    interval_s: float
    resend_at: float
    give_up_at: float

    @classmethod
    def begin(cls, rseq: int, cseq: int, data: bytes, now: float, timers: Timers, *, has_body: bool) -> Unconfirmed:
        """Return it as it is sent for the first time."""
        return cls(rseq, cseq, data, has_body, timers.t1_s, now + timers.t1_s, now + timers.timeout_s)

    @property
    def due(self) -> float:
        """When something is to be done, in seconds."""
        return min(self.resend_at, self.give_up_at)

    def is_meant_by(self, request: Request) -> bool:
        """Say whether a PRACK acknowledges it."""
        found = _RACK.match(request.headers.get("rack"))
        if found is None:
            return False
        return (int(found[1]), int(found[2]), found[3].upper()) == (self.rseq, self.cseq, "INVITE")

    def repeated(self, now: float) -> bytes:
        """Return it once more, if its time has come; the pause doubles each time."""
        if now < self.resend_at:
            return b""
        self.interval_s *= 2
        self.resend_at = now + self.interval_s
        return self.data
