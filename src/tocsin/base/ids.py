"""The only place that makes ids: time-ordered UUIDs (version 7) and unguessable tokens."""

from __future__ import annotations

import os
import secrets
import threading
import time

_lock = threading.Lock()
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
    high, low = count >> 14, count & 0x3FFF
    text = f"{stamp_ms:012x}7{high:03x}{0x8000 | low:04x}{os.urandom(6).hex()}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_token() -> str:
    """Return 32 random bytes as URL-safe text (sessions, tickets, bearer tokens)."""
    return secrets.token_urlsafe(32)
