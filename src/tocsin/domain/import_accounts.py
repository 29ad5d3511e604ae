"""Lines about what accounts hold beside contacts: notes for responders, zones on floor plans, passwords.

A password stands in its line alone: from here on there is its hash, and which of the account's passwords it is already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.base.passwords import Passwords
from tocsin.base.words import Words
from tocsin.domain import accounts as rules
from tocsin.domain import fields
from tocsin.domain import import_acts as acts
from tocsin.domain.accounts import FloorPlan, PremisesPassword, ResponderNote, ZonePoint
from tocsin.domain.devices import Device
from tocsin.domain.fields import refuse
from tocsin.domain.import_acts import Act

KINDS: Final = ("note", "position", "password")
MOST_WORDS: Final = 1_000  # hashing one takes a core about 25 ms
_AT_ONCE: Final = 2
_YES: Final = frozenset({"yes", "y", "true", "1", "是"})
_NO: Final = frozenset({"", "no", "n", "false", "0", "否"})
WORDS: Final = Words(
    {
        "import.no_plan": (
            "{device} has no floor plan {given}. It has: {choices}. Correct the name, or add the picture on its page "
            "first.",
            "{device} 没有平面图“{given}”，现有：{choices}。请更正名称，或先在其页面中上传图片。",
        ),
        "import.plan_missing": (
            "{device} has no floor plan yet. Add the picture on its page first.",
            "{device} 还没有平面图，请先在其页面中上传图片。",
        ),
        "import.many_words": (
            "A file of passwords has at most {most} lines. Split it.",
            "口令文件最多 {most} 行，请拆分。",
        ),
        "import.many_labels": (
            "Several passwords of this account are called {given}. Remove one on its page first.",
            "该档案有多个口令名为“{given}”，请先在其页面中删除。",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Held:
    """What the accounts hold of one kind of file, and what it is compared with; the rest is empty."""

    now: datetime
    today: date
    zone: tzinfo | None = None
    notes: Mapping[str, list[ResponderNote]] = field(default_factory=dict)
    plans: Mapping[str, list[FloorPlan]] = field(default_factory=dict)
    zones: Mapping[tuple[str, str], tuple[str, ZonePoint | None]] = field(default_factory=dict)
    passwords: Mapping[str, list[PremisesPassword]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadWord:
    """What may be kept of the word of a line: its hash, empty when the account has it; `twin`: a line with the same."""

    hash: str = ""
    known_id: str = ""
    twin: int = 0


def plan_mark(plans: Sequence[FloorPlan], plan: FloorPlan) -> str:
    """Return how a file names a plan: by its name, or by its number in the list where several are called so."""
    if sum(one.name == plan.name for one in plans) == 1:
        return plan.name
    return f"#{1 + [one.id for one in plans].index(plan.id)}"


class AccountLines:
    """Says what lines would do to what accounts hold."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._claimed: set[str] = set()
        self._words: dict[int, ReadWord] = {}

    async def read_words(self, given: Iterable[tuple[int, str, str]], passwords: Passwords) -> None:
        """Hash the words of lines (line, device, word) that are long enough, `_AT_ONCE` at a time."""
        seen: dict[tuple[str, str], int] = {}
        waiting: list[tuple[int, str, str]] = []
        for line, device_id, word in given:
            spoken = rules.as_spoken(word)
            first = seen.setdefault((device_id, spoken), line)
            if first != line:
                self._words[line] = ReadWord(twin=first)
            else:
                waiting.append((line, device_id, spoken))
        for start in range(0, len(waiting), _AT_ONCE):
            await asyncio.gather(*(self._read_word(*one, passwords) for one in waiting[start : start + _AT_ONCE]))

    async def _read_word(self, line: int, device_id: str, spoken: str, passwords: Passwords) -> None:
        for one in self._held.passwords.get(device_id, ()):
            if await passwords.verify(one.hash, spoken):
                self._words[line] = ReadWord(known_id=one.id)
                return
        self._words[line] = ReadWord(await passwords.hash(spoken))

    def note(self, device: Device, values: Mapping[str, str]) -> Act | None:
        """Return what a line does to a note, None when nothing. A note is found by its text. Errors: INVALID."""
        text = rules.note_text(values.get("responder_note", ""))
        fields.require(values, "until")
        until = rules.note_end(values["until"], self._held.zone)
        free = [one for one in self._held.notes.get(device.id, ()) if one.text == text and one.id not in self._claimed]
        same = [one for one in free if int(one.until.timestamp()) == int(until.timestamp())]
        for one in [*same, *free][:1]:
            self._claimed.add(one.id)
        if same:
            return None
        rules.new_note("", device.id, text, until, self._held.now, "")
        if free:
            return acts.change_note(free[0], until, device.jurisdiction_code)
        return acts.add_note(device, text, until)

    def position(self, device: Device, number: str, values: Mapping[str, Any]) -> Act | None:
        """Return what a line does to the place of a zone, None when nothing. Errors: INVALID."""
        found = self._held.zones.get((device.id, number))
        if found is None:
            detail = f"{device.name} has no zone {number}: enter it first"
            raise refuse("zone", "import.no_zone", detail, given=number, device=device.name)
        fields.require(values, "plan", "x", "y")
        zone_id, known = found
        plan = self._plan(device, str(values["plan"]))
        point = rules.zone_point(zone_id, {"plan_id": plan.id, "x": values["x"], "y": values["y"]})
        return None if point == known else acts.place_zone(device, number, known, point)

    def _plan(self, device: Device, given: str) -> FloorPlan:
        plans = self._held.plans.get(device.id, [])
        marks = {plan_mark(plans, one): one for one in plans} | {f"#{n}": one for n, one in enumerate(plans, 1)}
        if given in marks:
            return marks[given]
        if not plans:
            raise refuse("plan", "import.plan_missing", f"{device.name} has no floor plan yet", device=device.name)
        choices = ", ".join(plan_mark(plans, one) for one in plans)
        detail = f"{device.name} has no floor plan {given}; it has {choices}"
        raise refuse("plan", "import.no_plan", detail, given=given, device=device.name, choices=choices)

    def password(self, line: int, device: Device, values: Mapping[str, str]) -> Act | None:
        """Return what a line does to a password, None when nothing. One is found by its label. Errors: INVALID,
        CONFLICT.
        """
        try:
            rules.checked_password(values.get("word", ""))
        except TocsinError as error:
            raise refuse("word", error.key, error.detail) from None
        label: str = rules.plain_text(100, required=True)("label", values.get("label", ""))
        word = self._words[line]
        if word.twin:
            detail = f"line {word.twin} has the same word for this account"
            raise TocsinError(ErrorCode.CONFLICT, detail, key="import.twice", field="word", first=word.twin)
        called = [one for one in self._held.passwords.get(device.id, ()) if one.label == label]
        named = [one for one in called if one.id == word.known_id] or called
        if len(named) > 1:
            raise refuse("label", "import.many_labels", f"several passwords are called {label}", given=label)
        known = named[0] if named else None
        if word.known_id and (known is None or known.id != word.known_id):
            raise refuse("word", "account.password_used", "this account has this password already")
        is_duress, ends_on = (False, None) if known is None else (known.is_duress, known.ends_on)
        if "is_duress" in values:
            is_duress = _flag("is_duress", values["is_duress"])
        if "ends_on" in values:
            ends_on = rules.read_day("ends_on", values["ends_on"].removesuffix(" 00:00:00").replace("/", "-"))
        if known is not None and word.known_id and (is_duress, ends_on) == (known.is_duress, known.ends_on):
            return None
        if ends_on is not None:
            rules.check_day("ends_on", ends_on, self._held.today)
        kept = known.hash if known is not None and word.known_id else word.hash
        return acts.set_password(device, known, PremisesPassword(new_id(), device.id, label, is_duress, kept, ends_on))


def _flag(name: str, given: str) -> bool:
    said = given.strip().casefold()
    if said not in _YES | _NO:
        raise refuse(name, "registry.field_flag", f"{name} must be yes or no")
    return said in _YES
