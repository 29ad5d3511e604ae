"""Facts about JT/T 808 terminals: who registered, what they were told, who read where they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tocsin.domain.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalFact(Fact):
    """Something that happened to a terminal; its subject is the device."""

    SUBJECT: ClassVar[str] = "device"


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalRegistered(TerminalFact):
    """A terminal was given a code."""

    ACTION: ClassVar[str] = "terminal.registered"

    edition: str
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalReleased(TerminalFact):
    """Somebody allowed another terminal to register under this number; the code of the one before is void."""

    ACTION: ClassVar[str] = "terminal.released"


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalTold(TerminalFact):
    """Words were sent to the crew; recorded before they leave. The words are kept: they are an order given."""

    ACTION: ClassVar[str] = "terminal.told"

    text: str
    urgent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalSet(TerminalFact):
    """Parameters were set, or the terminal restarted; recorded before it leaves."""

    ACTION: ClassVar[str] = "terminal.set"

    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalAnswered(TerminalFact):
    """What came of it: done, refused or silent."""

    ACTION: ClassVar[str] = "terminal.answered"

    asked: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionsRead(TerminalFact):
    """Somebody read where a unit was, for a purpose."""

    ACTION: ClassVar[str] = "terminal.positions_read"

    purpose: str
    since: str
    until: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionsForgotten(TerminalFact):
    """Positions past their time were deleted (nobody's act)."""

    ACTION: ClassVar[str] = "terminal.positions_forgotten"

    count: int
    before: str
