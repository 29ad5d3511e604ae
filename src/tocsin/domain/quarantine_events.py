"""What happens to the quarantine, as facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tocsin.domain.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineRepaired(Fact):
    """Somebody said what a code means or whose an account is."""

    ACTION: ClassVar[str] = "quarantine.repaired"
    SUBJECT: ClassVar[str] = "signal_repair"

    kind: str
    reason: str
    reach: str = ""
    code: str = ""
    event: str = ""
    account: str = ""
    device_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineReread(Fact):
    """The signals a repair explains were read again: so many, of them too old for an alarm, of them with one."""

    ACTION: ClassVar[str] = "quarantine.reread"
    SUBJECT: ClassVar[str] = "signal_repair"

    read: int
    late: int
    alarms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineRepairUndone(Fact):
    """A repair was taken back; the signals it read are in quarantine again."""

    ACTION: ClassVar[str] = "quarantine.repair_undone"
    SUBJECT: ClassVar[str] = "signal_repair"

    kind: str
    reason: str
    returned: int = 0
