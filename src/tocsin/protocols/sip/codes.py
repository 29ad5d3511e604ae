"""SIP constants: methods, reason phrases, timers and size limits.

Source: RFC 3261, "Response Codes" and "Table of Timer Values"; GB/T 28181 SIP profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

METHODS: Final = frozenset(
    {
        "REGISTER",
        "MESSAGE",
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "INFO",
        "UPDATE",
        "SUBSCRIBE",
        "NOTIFY",
        "OPTIONS",
        "PRACK",
    }
)

REASONS: Final[dict[int, str]] = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Server Time-out",
    600: "Busy Everywhere",
    603: "Decline",
}

COMPACT: Final[dict[str, str]] = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "c": "content-type",
    "l": "content-length",
    "s": "subject",
    "e": "content-encoding",
    "k": "supported",
    "o": "event",
    "u": "allow-events",
    "x": "session-expires",
}

MAX_DATAGRAM_BYTES: Final = 65_507
MAX_HEAD_BYTES: Final = 16_384
MAX_HEADERS: Final = 100
MAX_LINE_BYTES: Final = 4_096
MAX_STRANGER_BODY_BYTES: Final = 65_536
MAX_BODY_BYTES: Final = 8 * 1024 * 1024

BRANCH_COOKIE: Final = "z9hG4bK"
DEFAULT_PORT: Final = 5060


class Transport(StrEnum):
    """How a SIP message travels."""

    UDP = "udp"
    TCP = "tcp"


class Oddity(StrEnum):
    """A tolerated departure from the standard, kept so that the device page can name it."""

    CONTENT_LENGTH = "content_length"
    LINE_ENDS = "line_ends"
    NO_BRANCH_COOKIE = "no_branch_cookie"
    SPLIT_DATAGRAM = "split_datagram"
    HEADER_LINE = "header_line"


@dataclass(frozen=True, slots=True)
class Timers:
    """Base timer values in seconds, from which all the others follow."""

    t1_s: float = 0.5
    t2_s: float = 4.0

    @property
    def timeout_s(self) -> float:
        """Timers B, F and H: 64 times T1, 32 s by default."""
        return 64 * self.t1_s


DEFAULT_TIMERS: Final = Timers()
