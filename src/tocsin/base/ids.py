"""The only place that makes ids: time-ordered UUIDs (version 7) and unguessable tokens."""

from __future__ import annotations

import os
import secrets
import threading
import time

TAILS = 256

_lock = threading.Lock()
_tails: list[str] = []
_last_ms = 0
_counter = 0


def new_id() -> str:
    """Return a UUIDv7 as text; ids made by this process sort in the order they were made.

    Source: RFC 9562, UUID Version 7, with a monotonic counter in rand_a and the top of rand_b.
    """
    global _last_ms, _counter
    with _lock:
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms = now_ms
            _counter = int.from_bytes(os.urandom(3), "big") >> 1  # room to count up within the millisecond
        else:
            _counter += 1
            if _counter >= 1 << 26:
                _last_ms += 1
                _counter = 0
        stamp_ms, count = _last_ms, _counter
        if not _tails:
            octets = os.urandom(6 * TAILS).hex()  # one call of the system for many ids
            _tails.extend(octets[at : at + 12] for at in range(0, len(octets), 12))
        tail = _tails.pop()
    high, low = count >> 14, count & 0x3FFF
    text = f"{stamp_ms:012x}7{high:03x}{0x8000 | low:04x}{tail}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_token() -> str:
    """Return 32 random bytes as URL-safe text (sessions, tickets, bearer tokens)."""
    return secrets.token_urlsafe(32)
