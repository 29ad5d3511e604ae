"""The ladder of media transports: which to try next, and which won last time.

Source: GB/T 28181-2022, annex on RTP over TCP; order by field experience (TCP passive crosses NAT).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tocsin.protocols.sip.sdp import AnswerProblem, MediaMode

DEFAULT_LADDER: Final = (MediaMode.TCP_PASSIVE, MediaMode.UDP, MediaMode.TCP_ACTIVE)
NEXT_MODE_STATUS: Final = frozenset({400, 406, 415, 488, 606})
GIVE_UP_STATUS: Final = frozenset({401, 403, 404, 405, 407, 480, 486, 600, 603, 604})


def order(remembered: Iterable[str] = ()) -> tuple[MediaMode, ...]:
    """Return every mode once, the remembered ones first."""
    known = [MediaMode(word) for word in remembered if word in tuple(MediaMode)]
    return tuple(dict.fromkeys([*known, *DEFAULT_LADDER]))


def promote(current: Iterable[MediaMode], winner: MediaMode) -> tuple[MediaMode, ...]:
    """Return the ladder with the winner first."""
    return tuple(dict.fromkeys([winner, *current]))


def is_worth_another_mode(status: int) -> bool:
    """True when a refusal may be about the transport and not about the camera."""
    return status not in GIVE_UP_STATUS


def reorder_after(modes: Iterable[MediaMode], problem: AnswerProblem) -> tuple[MediaMode, ...]:
    """Return what is left to try: an answer in UDP to a TCP offer means UDP next."""
    left = tuple(modes)
    if problem is AnswerProblem.OTHER_TRANSPORT and MediaMode.UDP in left:
        return promote(left, MediaMode.UDP)
    return left
