"""Facts about rules: saved, what they did to events, failures, repairs proposed and decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from tocsin.domain.access import Permission
from tocsin.domain.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSaved(Fact):
    """Somebody made a version of a rule."""

    ACTION: ClassVar[str] = "rule.saved"
    SUBJECT: ClassVar[str] = "rule"

    method: str
    version_no: int
    device_id: str = ""
    zone: str = ""
    is_on: bool = True
    is_exempt: bool = False
    until: datetime | None = None
    reason: str = ""
    knobs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleActed(Fact):
    """A rule did something to an event of a signal."""

    SUBJECT: ClassVar[str] = "signal"
    FEED_TYPE: ClassVar[str] = "rule.acted"
    FEED_PERMISSION: ClassVar[Permission] = Permission.READ_INCIDENTS

    what: str
    rule_id: str
    version_no: int
    device_id: str
    zone: str = ""
    until: datetime | None = None
    cause: str = ""
    alarm_id: str = ""

    @property
    def action(self) -> str:
        """The word of the audit record, such as `rule.held`."""
        return f"rule.{self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFailed(Fact):
    """The rules broke on a signal: its alarms were raised as if there were none."""

    ACTION: ClassVar[str] = "rule.failed"
    SUBJECT: ClassVar[str] = "signal"

    device_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairProposed(Fact):
    """A rule found a detector or panel that should be repaired."""

    ACTION: ClassVar[str] = "repair.proposed"
    SUBJECT: ClassVar[str] = "repair"

    method: str
    rule_id: str
    version_no: int
    device_id: str
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairDecided(Fact):
    """Somebody took up a proposed repair, or dismissed it."""

    ACTION: ClassVar[str] = "repair.decided"
    SUBJECT: ClassVar[str] = "repair"

    state: str
    device_id: str
    zone: str = ""
    note: str = ""
