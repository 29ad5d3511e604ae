"""The limit on open files: every simulated device with a connection of its own is one."""

from __future__ import annotations

import contextlib
import resource
from typing import Final

from tocsin.base.errors import ErrorCode, TocsinError

SPARE: Final = 64


def make_room(sockets: int) -> None:
    """Raise the soft limit so that so many sockets may be open. Errors: UNAVAILABLE, with what to do about it."""
    needed = sockets + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < needed:
        raise TocsinError(
            ErrorCode.UNAVAILABLE,
            f"{sockets:,} devices need {needed:,} open files, and only {hard:,} are allowed here: raise the limit "
            f"(ulimit -n {needed}), or take a smaller share of the city (--share {max(0.01, hard / needed * 0.9):.2f})",
        )
