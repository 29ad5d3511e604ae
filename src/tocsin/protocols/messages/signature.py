"""The signature of a webhook: HMAC-SHA256 over `timestamp.body`, compared in constant time, within a window. Pure.

    X-Tocsin-Timestamp: 1795766400                seconds since 1970 (UTC)
    X-Tocsin-Signature: v1=<64 hex>[, v1=<64 hex>]  one for each secret the sender holds
    Idempotency-Key: anything, the same for each repetition of one message

Source: RFC 2104 (HMAC); alarm reference, MQTT and HTTP webhooks.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TIMESTAMP: Final = "x-tocsin-timestamp"
SIGNATURE: Final = "x-tocsin-signature"
IDEMPOTENCY: Final = "idempotency-key"
WINDOW_S: Final = 300.0
MAX_SIGNATURES: Final = 4
MAX_KEY_CHARS: Final = 200
_STAMP: Final = re.compile(r"^[0-9]{1,12}$")
_ONE: Final = re.compile(r"^v1=([0-9a-fA-F]{64})$")


@dataclass(frozen=True, slots=True)
class Signed:
    """A message whose signature holds; `index` is the secret it was made with, 0 the newest."""

    index: int
    digest: str
    timestamp_s: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a signature does not hold: the header at fault and a word."""

    header: str
    reason: str
    skew_s: int = 0


def sign(secret: bytes, timestamp_s: int, body: bytes) -> str:
    """Return the value of the signature header."""
    return f"v1={_digest(secret, timestamp_s, body)}"


def check(
    timestamp: str, signature: str, body: bytes, secrets: Sequence[bytes], now_s: float, window_s: float = WINDOW_S
) -> Signed | Refused:
    """Return what is to be said of a message's signature; `secrets` newest first."""
    if not timestamp:
        return Refused(TIMESTAMP, "missing")
    if not _STAMP.match(timestamp):
        return Refused(TIMESTAMP, "form")
    if not signature:
        return Refused(SIGNATURE, "missing")
    given = [found[1].lower() for part in signature.split(",")[:MAX_SIGNATURES] if (found := _ONE.match(part.strip()))]
    if not given:
        return Refused(SIGNATURE, "form")
    stamp_s = int(timestamp)
    match: Signed | None = None
    for index, secret in enumerate(secrets):  # all of them, so that the time tells nothing
        wanted = _digest(secret, stamp_s, body)
        for one in given:
            if hmac.compare_digest(wanted, one) and match is None:
                match = Signed(index, wanted, stamp_s)
    if match is None:
        return Refused(SIGNATURE, "wrong")
    skew_s = round(stamp_s - now_s)
    # Told only to who holds the secret: a wrong clock is the commonest fault of an honest sender.
    return Refused(TIMESTAMP, "window", skew_s) if abs(stamp_s - now_s) > window_s else match


def _digest(secret: bytes, timestamp_s: int, body: bytes) -> str:
    return hmac.new(secret, f"{timestamp_s}.".encode() + body, hashlib.sha256).hexdigest()
