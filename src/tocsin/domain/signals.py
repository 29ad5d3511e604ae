"""What a gateway hands in, and what it gets back once it is committed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tocsin.base.normal import NormalEvent

LATE: Final = "late"
"""A flag: what the signal tells was over before it came (a refill, a stored event, a signal read again)."""

NO_ANSWER: Final = "no_answer"
"""A flag: the way it came asks for no acknowledgement (MQTT at QoS 0)."""

LATE_AFTER: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Home:
    """The jurisdiction something belongs to; `short` begins incident numbers."""

    jurisdiction_id: str
    code: str
    short: str


@dataclass(frozen=True, slots=True)
class Signal:
    """What a device sent: the bytes kept for evidence, and what they mean.

    Intake raises no alarm for a signal with the flag `late`; its events are kept with their own times. `quarantine` is
    a reason word when the signal is kept aside; `dedup_key` is empty when it can never be a duplicate.
    `repeat_scope` names what of the device the key counts for; empty: only the device's very last frame can repeat.
    `repeat_within_s` is how long after the first a repetition is one: short where messages carry no number.
    With a `home` it is about more than its device: its incident belongs there, and to no place.
    """

    protocol: str
    transport: str
    peer: str
    account: str
    raw: bytes
    received_at: datetime
    device_id: str | None = None
    token: str = ""
    sent_at: datetime | None = None
    dedup_key: str = ""
    events: tuple[NormalEvent, ...] = ()
    quarantine: str = ""
    flags: tuple[str, ...] = ()
    encrypted: bool = False
    repeat_scope: str = ""
    repeat_within_s: float = 60.0
    home: Home | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a signal is committed."""

    signal_id: str
    is_duplicate: bool = False
    copy_id: str = ""

    @property
    def arrival_id(self) -> str:
        """What an acknowledgement answers: the signal, or the repetition of it that came."""
        return self.copy_id or self.signal_id


@dataclass(frozen=True, slots=True)
class Copy:
    """A signal that came once more: when, and by which way."""

    id: str
    signal_id: str
    received_at: datetime
    committed_at: datetime
    transport: str
    peer: str


class SignalState(StrEnum):
    """What became of a stored signal."""

    PROCESSED = "processed"
    UNPROCESSED = "unprocessed"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class StoredSignal:
    """A signal as kept; `copies` counts how often it was received, `committed_at` is t2."""

    id: str
    signal: Signal
    state: SignalState
    copies: int = 1
    committed_at: datetime | None = None
