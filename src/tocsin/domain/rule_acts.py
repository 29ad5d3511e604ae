"""What rules did, as kept and shown: acts on events, and repairs they propose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.base.words import Words
from tocsin.domain.forms import optional_iso

OPEN: Final = "open"
DECISIONS: Final = ("accepted", "dismissed")

# What a row says, by what the rule did; `{until}` and the like are put in by whoever shows it.
WORDS: Final = Words(
    {
        "held": ("Held back by {rule}", "由“{rule}”暂缓"),
        "raised": ("Held by {rule}, then raised", "由“{rule}”暂缓，随后报警"),
        "cancelled": ("Held by {rule}, cancelled by the user {cause}", "由“{rule}”暂缓，用户 {cause} 已取消"),
        "single": ("Single trip: {rule} saw no second one", "单次触发：“{rule}”未见第二次"),
        "grouped": ("Grouped under an earlier alarm by {rule}", "由“{rule}”归入先前警报"),
        "logged": ("On test ({rule}): kept, not raised", "测试中（“{rule}”）：仅记录"),
        "lowered": ("Priority lowered by {rule}: the area is unset", "区域已撤防，由“{rule}”降低级别"),
        "confirmed": ("Confirmed with zone {cause} by {rule}", "与 {cause} 号防区相互确认（“{rule}”）"),
    }
)


@dataclass(frozen=True, slots=True)
class RuleAct:
    """What a rule did to one event. `until` is when it ends by itself, `ended_at` when a held event went on."""

    id: str
    rule_id: str
    version_no: int
    method: str
    what: str
    signal_id: str
    event_no: int
    device_id: str
    jurisdiction_code: str
    zone: str
    label_en: str
    label_zh: str
    priority: int
    raised_priority: int
    cause: str
    received_at: datetime
    acted_at: datetime
    until: datetime | None = None
    ended_at: datetime | None = None
    alarm_id: str | None = None
    rule_name: str = ""
    rule_name_en: str = ""
    owner: str = ""

    def form(self) -> dict[str, object]:
        """Return it as the API shows it, with the reason as a sentence in both languages."""
        zh = {"rule": self.rule_name, "cause": self.cause}
        en = {"rule": self.rule_name_en or self.rule_name, "cause": self.cause}
        return {
            "id": self.id,
            "rule_id": self.rule_id,
            "version_no": self.version_no,
            "rule_name": self.rule_name,
            "rule_name_en": self.rule_name_en,
            "owner": self.owner,
            "method": self.method,
            "what": self.what,
            "words": WORDS.text(self.what, "zh", zh),
            "words_en": WORDS.text(self.what, "en", en),
            "words_zh": WORDS.text(self.what, "zh", zh),
            "signal_id": self.signal_id,
            "event_no": self.event_no,
            "device_id": self.device_id,
            "zone": self.zone,
            "label": self.label_zh,
            "label_en": self.label_en,
            "label_zh": self.label_zh,
            "priority": self.priority,
            "raised_priority": self.raised_priority or self.priority,
            "cause": self.cause,
            "received_at": iso(self.received_at),
            "acted_at": iso(self.acted_at),
            "until": optional_iso(self.until),
            "ended_at": optional_iso(self.ended_at),
            "alarm_id": self.alarm_id,
        }


@dataclass(frozen=True, slots=True)
class ActFilter:
    """What a list of acts is narrowed to; `before` is the cursor, an act's id."""

    what: tuple[str, ...] = ()
    rule_id: str = ""
    device_id: str = ""
    signal_ids: tuple[str, ...] = ()
    alarm_ids: tuple[str, ...] = ()
    received_from: datetime | None = None
    received_to: datetime | None = None
    before: str = ""


@dataclass(frozen=True, slots=True)
class Repair:
    """A detector or panel that should be repaired, as a rule proposes it."""

    id: str
    method: str
    rule_id: str
    version_no: int
    device_id: str
    jurisdiction_code: str
    zone: str
    opened_at: datetime
    last_at: datetime
    times: int = 1
    state: str = OPEN
    decided_at: datetime | None = None
    decided_by: str = ""
    note: str = ""

    def seen_again(self, at: datetime) -> Repair:
        """Return it with one more time."""
        return replace(self, last_at=at, times=self.times + 1)

    def decided(self, state: str, note: str, by: str, at: datetime) -> Repair:
        """Return it decided. Errors: INVALID, CONFLICT when somebody decided before."""
        if state not in DECISIONS:
            raise TocsinError(ErrorCode.INVALID, f"decide one of: {', '.join(DECISIONS)}", field="state")
        if self.state != OPEN:
            raise TocsinError(ErrorCode.CONFLICT, "this repair is decided already", key="stale")
        if not note.strip():
            raise TocsinError(ErrorCode.INVALID, "say what was arranged, or why nothing is to be done", field="note")
        return replace(self, state=state, note=note.strip(), decided_by=by, decided_at=at)

    def form(self, names: Mapping[str, tuple[str, str]]) -> dict[str, object]:
        """Return it as the API shows it; `names` gives Chinese and English names of devices."""
        name, name_en = names.get(self.device_id, ("", ""))
        return {
            "id": self.id,
            "method": self.method,
            "rule_id": self.rule_id,
            "version_no": self.version_no,
            "device_id": self.device_id,
            "device_name": name,
            "device_name_en": name_en,
            "zone": self.zone,
            "opened_at": iso(self.opened_at),
            "last_at": iso(self.last_at),
            "times": self.times,
            "state": self.state,
            "decided_at": optional_iso(self.decided_at),
            "decided_by": self.decided_by,
            "note": self.note,
        }
