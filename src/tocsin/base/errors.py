"""Errors with a stable code; `web/errors.py` maps them to HTTP, the command line to an exit status."""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """Stable words a client may rely on."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    BLOCKED = "blocked"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"


class TocsinError(Exception):
    """A failure that a caller can act on: a code, a plain sentence, and parameters for the words shown to people."""

    def __init__(self, code: ErrorCode, detail: str, *, key: str = "", **params: object) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.key = key or code.value
        self.params = params
