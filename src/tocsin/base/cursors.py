"""Cursors of lists that are sorted by several values: opaque to the caller, checked when they come back."""

from __future__ import annotations

import base64
import binascii

import msgspec

from tocsin.base.errors import ErrorCode, TocsinError


def pack(*parts: str) -> str:
    """Return a cursor that stands for several sort values."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")


def unpack(cursor: str, count: int) -> tuple[str, ...] | None:
    """Return the sort values of a cursor; None without one. Errors: INVALID."""
    if not cursor:
        return None
    try:
        parts = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=tuple[str, ...])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        parts = ()
    if len(parts) != count:
        raise TocsinError(ErrorCode.INVALID, "the cursor is not one of ours", key="cursor", field="after")
    return parts
