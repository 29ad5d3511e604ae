"""How a door is opened over a call: the code as tones in the sound (RFC 4733), or as SIP INFO in two forms.

Source: RFC 4733; RFC 6086 and the practice of `application/dtmf-relay`; alarm reference, SIP door intercoms.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

TONE_MS: Final = 160
MAX_CODE: Final = 16
_CODE: Final = re.compile(r"[0-9*#A-D]{1,16}\Z")
_SIGNAL: Final = re.compile(rb"\bsignal\s*=\s*([0-9*#A-Da-d])", re.IGNORECASE)


class DoorMethod(StrEnum):
    """How the code reaches the intercom."""

    TONES = "rfc4733"
    INFO_RELAY = "info_relay"
    INFO_DTMF = "info_dtmf"


def is_code(text: str) -> bool:
    """Say whether a text can be sent as tones: 1 to 16 of 0-9, *, #, A-D."""
    return bool(_CODE.match(text))


def info_of(method: DoorMethod, digit: str) -> tuple[str, bytes]:
    """Return content type and body of the INFO for one digit."""
    if method is DoorMethod.INFO_DTMF:
        return "application/dtmf", digit.encode()
    return "application/dtmf-relay", f"Signal={digit}\r\nDuration={TONE_MS}\r\n".encode()


def read_info(content_type: str, body: bytes) -> str:
    """Return the digit an INFO carries; empty when it carries none."""
    if content_type == "application/dtmf":
        text = body.strip()[:1].decode("ascii", "replace").upper()
        return text if is_code(text) else ""
    match = _SIGNAL.search(body[:256]) if content_type == "application/dtmf-relay" else None
    return match[1].decode().upper() if match else ""
