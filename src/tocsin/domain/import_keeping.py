"""What is kept of an import so that it can be taken back: who entered it, and what each line did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tocsin.base.times import iso
from tocsin.domain.access import Actor
from tocsin.domain.import_acts import Act
from tocsin.domain.import_plan import Planned
from tocsin.domain.registry_bulk import NewDevice, NewPlace

UNDO_WITHIN: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a line did. `version` is the object's as the line left it, `before` the values a change replaced."""

    line: int
    kind: str
    act: str
    subject_id: str
    version: int
    before: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entered:
    """An import that can be taken back until `until`; `codes` are where its things lie, `lines` those left to it."""

    id: str
    file: str
    kind: str
    actor_kind: str
    actor_id: str
    codes: tuple[str, ...]
    entered_at: datetime
    until: datetime
    taken_back: int = 0
    lines: int = 0

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "file": self.file,
            "kind": self.kind,
            "by": self.actor_id,
            "entered_at": iso(self.entered_at),
            "until": iso(self.until),
            "lines": self.lines,
            "taken_back": self.taken_back,
        }


def begun(import_id: str, file: str, kind: str, plans: Iterable[Planned], actor: Actor, now: datetime) -> Entered:
    """Return what is kept of an import that begins now."""
    codes = tuple(sorted({code for plan in plans if (code := _code(plan))}))
    return Entered(import_id, file, kind, actor.kind, actor.id, codes, now, now + UNDO_WITHIN)


def _code(plan: Planned) -> str:
    if isinstance(plan.step, NewDevice):
        return plan.step.device.jurisdiction_code
    if isinstance(plan.step, NewPlace):
        return plan.step.place.jurisdiction_code
    return plan.step.code if isinstance(plan.step, Act) else ""
