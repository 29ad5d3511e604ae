"""Rules between a committed signal and its alarm, as data: methods, settings and their defaults, where one applies.

Nothing is in force until somebody adopts it: a rule has an owner, a reason and an end, and a change of it is a new
version. Source: alarm reference, False-alarm filtering (defaults), and Confirmed alarms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import Category
from tocsin.base.times import from_us, iso
from tocsin.domain.alarms import zone_key

LONGEST: Final = timedelta(days=366)
LONGEST_TEST: Final = timedelta(hours=8)
MAX_PAIRS: Final = 50
LIFE_SAFETY: Final = frozenset({Category.MEDICAL, Category.FIRE, Category.PANIC, Category.DURESS, Category.GAS})
GRAVEST: Final = 1


class Method(StrEnum):
    """What a rule does."""

    CANCEL_WINDOW = "cancel_window"
    TWO_TRIP = "two_trip"
    CROSS_ZONE = "cross_zone"
    SEQUENTIAL = "sequential"
    SWINGER = "swinger"
    RUNAWAY = "runaway"
    CHATTER = "chatter"
    DISARMED = "disarmed"
    ON_TEST = "on_test"


@dataclass(frozen=True, slots=True)
class Knob:
    """A number of a method; `unit` is s, times, steps or yes_no."""

    name: str
    default: int
    least: int
    most: int
    unit: str

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "name": self.name,
            "default": self.default,
            "least": self.least,
            "most": self.most,
            "unit": self.unit,
        }


_DIFFERENT: Final = Knob("different_kind", 0, 0, 1, "yes_no")
KNOBS: Final[Mapping[Method, tuple[Knob, ...]]] = {
    Method.CANCEL_WINDOW: (Knob("hold_s", 30, 5, 300, "s"),),
    Method.TWO_TRIP: (Knob("window_s", 300, 60, 600, "s"), _DIFFERENT),
    Method.CROSS_ZONE: (Knob("window_s", 120, 10, 600, "s"), _DIFFERENT),
    Method.SEQUENTIAL: (Knob("window_s", 2700, 1800, 3600, "s"), Knob("raise_by", 1, 0, 2, "steps"), _DIFFERENT),
    Method.SWINGER: (
        Knob("pairs", 3, 1, 6, "times"),
        Knob("window_s", 3600, 600, 86_400, "s"),
        Knob("release_s", 86_400, 3600, 86_400, "s"),
    ),
    Method.RUNAWAY: (
        Knob("per_min", 20, 5, 1000, "times"),
        Knob("per_hour", 200, 50, 2000, "times"),
        Knob("quiet_s", 600, 60, 3600, "s"),
    ),
    Method.CHATTER: (Knob("trips", 3, 2, 20, "times"), Knob("window_s", 60, 10, 600, "s")),
    Method.DISARMED: (Knob("lower_by", 2, 1, 4, "steps"),),
    Method.ON_TEST: (),
}
# Two zones a method joins, and two that never confirm each other although both see it.
WITH_PAIRS: Final = frozenset({Method.CROSS_ZONE, Method.SEQUENTIAL, Method.TWO_TRIP})


class EventLike(Protocol):
    """What the rules look at in an event."""

    @property
    def category(self) -> str: ...
    @property
    def priority(self) -> int: ...


def is_life_safety(event: EventLike) -> bool:
    """Say whether no rule may delay, hide, group or lower an event: life, fire, gas, hold-up, duress, verified."""
    return event.category in LIFE_SAFETY or event.priority <= GRAVEST


def is_silent(category: str) -> bool:
    """Say whether an event must not be seen on the premises: whoever forces somebody there would read it."""
    return category == Category.DURESS


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule in one version. An exempting rule takes its place out of a wider rule of the same method.

    `pairs`: zones that confirm each other (cross zone), or that never do (sequential, two-trip).
    """

    id: str
    method: Method
    version_no: int
    name: str
    name_en: str = ""
    jurisdiction_code: str = ""
    device_id: str = ""
    zone: str = ""
    knobs: Mapping[str, int] = field(default_factory=dict)
    pairs: tuple[tuple[str, str], ...] = ()
    is_on: bool = True
    is_exempt: bool = False
    owner: str = ""
    until_us: int = 0
    reason: str = ""
    made_at: datetime | None = None
    made_by: str = ""

    def applies(self, device_id: str, jurisdiction_code: str, zone: str) -> bool:
        """Say whether it speaks for a zone of a device; an empty zone asks for the device itself."""
        return (
            (not self.device_id or self.device_id == device_id)
            and (not self.zone or self.zone == zone)
            and jurisdiction_code.startswith(self.jurisdiction_code)
        )

    @property
    def width(self) -> tuple[bool, bool, int, int]:
        """How narrow it is; the narrowest of a method counts, of equals the one that was changed last."""
        made_us = 0 if self.made_at is None else int(self.made_at.timestamp() * 1e6)
        return bool(self.zone), bool(self.device_id), len(self.jurisdiction_code), made_us

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "method": self.method.value,
            "version_no": self.version_no,
            "name": self.name,
            "name_en": self.name_en,
            "jurisdiction_code": self.jurisdiction_code,
            "device_id": self.device_id,
            "zone": self.zone,
            "knobs": dict(self.knobs),
            "pairs": [list(pair) for pair in self.pairs],
            "is_on": self.is_on,
            "is_exempt": self.is_exempt,
            "owner": self.owner,
            "until": iso(from_us(self.until_us)),
            "reason": self.reason,
            "made_at": None if self.made_at is None else iso(self.made_at),
            "made_by": self.made_by,
        }


def check_rule(rule: Rule, now: datetime) -> None:
    """Refuse a rule that cannot be meant. Errors: INVALID naming the field."""
    for name in ("name", "owner", "reason"):
        if not getattr(rule, name).strip():
            raise _invalid(name, f"{name} is missing: a rule says who answers for it and why")
    if rule.zone and not rule.device_id:
        raise _invalid("zone", "a rule for a zone names its device")
    known = {knob.name: knob for knob in KNOBS[rule.method]}
    for name, value in rule.knobs.items():
        if name not in known:
            raise _invalid(f"knobs.{name}", f"{rule.method} has no {name}")
        if not known[name].least <= value <= known[name].most:
            raise _invalid(f"knobs.{name}", f"{name} lies between {known[name].least} and {known[name].most}")
    if len(rule.pairs) > MAX_PAIRS:
        raise _invalid("pairs", f"at most {MAX_PAIRS} pairs")
    for one, other in rule.pairs:
        if not one or not other or one == other:
            raise _invalid("pairs", "a pair names two different zones")
    if rule.pairs and rule.method not in WITH_PAIRS:
        raise _invalid("pairs", f"{rule.method} has no pairs of zones")
    if rule.pairs and not rule.device_id:
        raise _invalid("device_id", "pairs of zones belong to a device")
    if rule.method is Method.CROSS_ZONE and not (rule.is_exempt or rule.pairs or rule.knobs.get("different_kind")):
        raise _invalid("pairs", "name the pairs of zones, or ask for detectors of different principle")
    if not rule.is_on:
        return
    until = from_us(rule.until_us)
    if until <= now:
        raise _invalid("until", "the end is past: a rule that is on ends in the future")
    if rule.method is Method.ON_TEST:
        if not rule.device_id:
            raise _invalid("device_id", "a device or a zone of it is on test, not an area")
        if until > now + LONGEST_TEST:
            raise _invalid("until", "a device is on test for 8 hours at most")
    if until > now + LONGEST:
        raise _invalid("until", "a rule is looked at again after a year at most")


def completed(rule: Rule) -> Mapping[str, int]:
    """Return its settings, with the defaults of what is not given."""
    return {knob.name: rule.knobs.get(knob.name, knob.default) for knob in KNOBS[rule.method]}


def tidy_pairs(pairs: Iterable[Iterable[str]]) -> tuple[tuple[str, str], ...]:
    """Return pairs of zones as the registry numbers them, each once. Errors: INVALID."""
    found: dict[tuple[str, str], None] = {}
    for given in pairs:
        zones = sorted(zone_key(zone.strip()) for zone in given)
        if len(zones) != 2:
            raise _invalid("pairs", "a pair names two zones")
        found[(zones[0], zones[1])] = None
    return tuple(found)


class Chosen:
    """The rule of each method that counts for one zone; None where none does, or one exempts it."""

    __slots__ = tuple(method.value for method in Method)
    cancel_window: Rule | None
    two_trip: Rule | None
    cross_zone: Rule | None
    sequential: Rule | None
    swinger: Rule | None
    runaway: Rule | None
    chatter: Rule | None
    disarmed: Rule | None
    on_test: Rule | None

    def __init__(self, rules: Iterable[Rule]) -> None:
        for method in Method:
            setattr(self, method.value, None)
        for rule in sorted(rules, key=lambda rule: rule.width):
            setattr(self, rule.method.value, None if rule.is_exempt else rule)


class RuleBook:
    """The rules in force at a moment, and which of them count where."""

    def __init__(self, rules: Iterable[Rule], now_us: int = 0) -> None:
        self.rules = [rule for rule in rules if rule.is_on and rule.until_us > now_us]
        self.ends_us = min((rule.until_us for rule in self.rules), default=0)
        self._touched: dict[str, list[Rule]] = {}
        self._chosen: dict[tuple[str, str], Chosen] = {}
        self._shared: dict[tuple[tuple[str, int], ...], Chosen] = {}

    def touches(self, device_id: str, jurisdiction_code: str) -> bool:
        """Say whether any rule speaks for a device or a zone of it."""
        found = self._touched.get(device_id)
        if found is None:
            found = self._touched[device_id] = [
                rule for rule in self.rules if rule.applies(device_id, jurisdiction_code, rule.zone)
            ]
        return bool(found)

    def of(self, device_id: str, jurisdiction_code: str, zone: str) -> Chosen:
        """Return what counts for a zone of a device; an empty zone asks for the device itself."""
        key = (device_id, zone)
        found = self._chosen.get(key)
        if found is None:
            self.touches(device_id, jurisdiction_code)
            rules = [rule for rule in self._touched[device_id] if not rule.zone or rule.zone == zone]
            same = tuple((rule.id, rule.version_no) for rule in rules)  # most zones of a house share their rules
            found = self._shared.get(same) or self._shared.setdefault(same, Chosen(rules))
            self._chosen[key] = found
        return found


def _invalid(name: str, message: str) -> TocsinError:
    return TocsinError(ErrorCode.INVALID, message, field=name)
