"""Facts about calls of door intercoms: who answered, who opened the door and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tocsin.domain.access import Permission
from tocsin.domain.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFact(Fact):
    """Something that happened to a call; consoles that may answer hear of it."""

    SUBJECT: ClassVar[str] = "call"
    FEED_TYPE: ClassVar[str] = "call.changed"
    FEED_PERMISSION: ClassVar[Permission] = Permission.HANDLE_INCIDENT

    device_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRang(CallFact):
    """An intercom rings; recorded before it rings at a console."""

    ACTION: ClassVar[str] = "call.rang"

    signal_id: str
    sos: bool
    incident_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered(CallFact):
    """Somebody took the call; recorded before the sound is connected."""

    ACTION: ClassVar[str] = "call.answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(CallFact):
    """A call is over; sound is not kept."""

    ACTION: ClassVar[str] = "call.ended"

    reason: str
    missed: bool
    lasted_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRaised(CallFact):
    """Somebody made an incident of a call."""

    ACTION: ClassVar[str] = "call.raised"

    incident_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorOpened(CallFact):
    """Somebody sent the code that opens a door; recorded before it leaves. The code is not part of it."""

    ACTION: ClassVar[str] = "call.door_opened"

    method: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsForgotten(Fact):
    """Calls past their time were deleted (nobody's act)."""

    ACTION: ClassVar[str] = "call.forgotten"
    SUBJECT: ClassVar[str] = "call"

    count: int
    before: str
