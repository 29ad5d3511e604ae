"""What the rules say of one device's signals, in their order: pure, and the same for live signals and a dry run.

The state is all that is remembered of a device; it is stored with the signals, so a restart changes nothing. Times are
microseconds of our clock at receipt. No rule touches a life-safety event: it is looked at before any of them, and it
ends every wait of its device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from tocsin.base.normal import Category, EventKind
from tocsin.domain.alarm_rules import Chosen, Method, Rule, is_life_safety
from tocsin.domain.alarms import asks_for_decision, zone_key

S: Final = 1_000_000
MAX_WAITING: Final = 200
MAX_ZONES: Final = 2_000
LOWEST: Final = 9
MINUTE_US: Final = 60 * S
HOUR_US: Final = 3600 * S
INTRUSION: Final = frozenset({Category.BURGLARY, Category.PERIMETER})
OF_A_ZONE: Final = INTRUSION | {Category.TAMPER, Category.TECHNICAL, Category.TROUBLE, Category.SUPERVISORY}
ALWAYS_ARMED: Final = frozenset({("cid", "1133"), ("cid", "1150")})  # 24-hour zones: set or unset is nothing to them
ALWAYS_ARMED_KINDS: Final = frozenset({"panic", "holdup", "smoke", "heat", "fire", "gas", "water", "medical", "tamper"})


class What(StrEnum):
    """What a rule did to an event."""

    HELD = "held"
    RAISED = "raised"
    CANCELLED = "cancelled"
    SINGLE = "single"
    GROUPED = "grouped"
    LOGGED = "logged"
    LOWERED = "lowered"
    CONFIRMED = "confirmed"
    PROPOSED = "proposed"


HIDING: Final = frozenset({What.HELD, What.GROUPED, What.LOGGED})
ENDING: Final = frozenset({What.RAISED, What.CANCELLED, What.SINGLE})


class Act(msgspec.Struct, frozen=True):
    """One thing a rule did.

    `cause` is the zone that confirmed or the user who cancelled, `of` the event it is grouped under; `priority` is that
    of the alarm to be, 0 as sent.
    """

    what: What
    rule_id: str
    version_no: int
    method: str
    signal_id: str
    event_no: int
    zone: str
    at_us: int
    until_us: int = 0
    cause: str = ""
    of: tuple[str, int] = ("", 0)
    priority: int = 0
    restored_us: int = 0


class Waiting(msgspec.Struct, array_like=True):
    """An event held back."""

    signal_id: str
    event_no: int
    zone: str
    area: str
    zone_kind: str
    category: str
    at_us: int
    until_us: int
    rule_id: str
    version_no: int
    method: str
    priority: int = 0
    restored_us: int = 0


class ZoneMemory(msgspec.Struct, array_like=True):
    """What is remembered of a zone: trips, alarm/restore pairs, and its shutting down."""

    trips: list[int] = []
    pairs: list[int] = []
    is_up: bool = False
    shut_until_us: int = 0
    shut_by: tuple[str, int] = ("", 0)
    area: str = ""
    last: tuple[str, int] = ("", 0)


class First(msgspec.Struct, array_like=True):
    """The first alarm of an area, which a second detector may confirm."""

    at_us: int
    zone: str
    zone_kind: str
    category: str


class DeviceState(msgspec.Struct, array_like=True):
    """What is remembered of a device. `areas`: "" stands for the whole of it; True is set, False unset."""

    areas: dict[str, bool] = {}
    zones: dict[str, ZoneMemory] = {}
    waiting: list[Waiting] = []
    firsts: dict[str, First] = {}
    seen: list[int] = []
    runaway_until_us: int = 0
    runaway_priority: int = 0
    runaway_of: tuple[str, int] = ("", 0)


encode_state: Final = msgspec.json.Encoder().encode
decode_state: Final = msgspec.json.Decoder(DeviceState).decode
RulesOf = Callable[[str], Chosen]
KindOf = Callable[[str], str]


def take(
    state: DeviceState, rules_of: RulesOf, kind_of: KindOf, signal_id: str, at_us: int, events: Sequence[Any]
) -> list[Act]:
    """Let one signal pass by the rules; return what they did, to its events and to earlier ones still waiting.

    `rules_of` gives the rules of a zone number, `kind_of` the registered kind of its detector. An event that asks for
    a decision and has no hiding act is an alarm now.
    """
    acts = expire(state, at_us) if state.waiting else []
    _count(state, rules_of(""), at_us)
    for number, event in enumerate(events):
        if not event.is_known:
            continue
        kind = event.kind
        if kind is EventKind.OPEN or kind is EventKind.CLOSE:
            _set_area(state, event, kind is EventKind.CLOSE)
        if asks_for_decision(event):
            _alarm(state, rules_of, kind_of, (signal_id, number), event, at_us, acts)
        elif kind is EventKind.RESTORE:
            _restore(state, rules_of, (signal_id, number), event, at_us, acts)
        elif kind is EventKind.CANCEL or kind is EventKind.OPEN:
            if is_life_safety(event):  # opened under duress: nobody cancelled anything
                _release(state, None, at_us, event.category, acts)
            else:
                _cancel(state, event, at_us, acts)
    return acts


def expire(state: DeviceState, at_us: int) -> list[Act]:
    """End what waited until now: a cancel window lets its alarm go, a single trip stays one."""
    acts: list[Act] = []
    if any(one.until_us <= at_us for one in state.waiting):
        left = []
        for one in state.waiting:
            if one.until_us > at_us:
                left.append(one)
            else:
                what = What.RAISED if one.method == Method.CANCEL_WINDOW else What.SINGLE
                acts.append(_ended(one, what, one.until_us))
        state.waiting = left
    return acts


# --- alarms ----------------------------------------------------------------------------------------------------------


def _alarm(
    state: DeviceState, rules_of: RulesOf, kind_of: KindOf, ref: tuple[str, int], event: Any, at: int, acts: list[Act]
) -> None:
    zone, area = _number(event.zone), _number(event.area)
    rules = rules_of(zone)
    memory = _zone(state, rules, zone, area)
    if memory is not None and rules.chatter is not None:
        _note_trip(memory, rules.chatter, ref, zone, at, acts)
    if memory is not None:
        memory.is_up = True
    if is_life_safety(event):
        _release(state, None, at, event.category, acts)
        return
    if rules.on_test is not None:
        acts.append(_act(What.LOGGED, rules.on_test, ref, zone, at, until_us=rules.on_test.until_us))
        return
    if memory is not None and memory.shut_until_us > at and rules.swinger is not None and event.category in OF_A_ZONE:
        rule_id, version_no = memory.shut_by
        acts.append(
            Act(
                What.GROUPED, rule_id, version_no, Method.SWINGER.value, *ref, zone, at, memory.shut_until_us,
                of=memory.last,
            )
        )  # fmt: skip
        return
    if rules.runaway is not None and _is_in_runaway(state, rules.runaway, ref, zone, event.priority, at, acts):
        return
    priority, is_confirmed = 0, False
    if rules.disarmed is not None and _is_unset(state, event, area, kind_of(zone)):
        priority = min(LOWEST, event.priority + rules.disarmed.knobs["lower_by"])
        acts.append(_act(What.LOWERED, rules.disarmed, ref, zone, at, priority=priority))
    if rules.sequential is not None and zone:
        is_confirmed = _is_confirmed(state, rules.sequential, ref, event, zone, area, kind_of(zone), at, acts)
    if is_confirmed:
        _release(state, area, at, zone, acts)
    elif event.category in INTRUSION and _is_held(
        state, rules, ref, event, zone, area, kind_of(zone), priority, at, acts
    ):
        return
    if memory is not None:
        memory.last = ref


def _is_held(
    state: DeviceState,
    rules: Chosen,
    ref: tuple[str, int],
    event: Any,
    zone: str,
    area: str,
    zone_kind: str,
    priority: int,
    at: int,
    acts: list[Act],
) -> bool:
    """Hold an intrusion for what may confirm or cancel it; say whether it waits. A second detector ends the wait."""
    rule = rules.cross_zone
    if rule is not None and _may_pair(rule, zone):
        for one in state.waiting:
            if one.method == Method.CROSS_ZONE and _confirms(rule, zone, zone_kind, one, at):
                acts.append(_act(What.CONFIRMED, rule, ref, zone, at, cause=one.zone))
                _release(state, one.area, at, zone, acts)
                return False
        return _hold(state, rule, ref, event, zone, area, zone_kind, priority, at, rule.knobs["window_s"], acts)
    rule = rules.two_trip
    if rule is not None:
        for one in state.waiting:
            if one.method == Method.TWO_TRIP and one.area == area and _is_second(rule, zone, zone_kind, one, at):
                acts.append(_act(What.CONFIRMED, rule, ref, zone, at, cause=one.zone))
                _release(state, area, at, zone, acts)
                return False
        return _hold(state, rule, ref, event, zone, area, zone_kind, priority, at, rule.knobs["window_s"], acts)
    rule = rules.cancel_window
    if rule is None or event.category != Category.BURGLARY:
        return False
    if any(one.area == area and one.zone != zone for one in state.waiting):
        _release(state, area, at, zone, acts)
        return False
    return _hold(state, rule, ref, event, zone, area, zone_kind, priority, at, rule.knobs["hold_s"], acts)


def _hold(
    state: DeviceState,
    rule: Rule,
    ref: tuple[str, int],
    event: Any,
    zone: str,
    area: str,
    zone_kind: str,
    priority: int,
    at: int,
    seconds: int,
    acts: list[Act],
) -> bool:
    """Let an event wait; the same detector again ends with its first, so that nothing waits for ever."""
    if len(state.waiting) >= MAX_WAITING:
        return False
    until = at + seconds * S
    for one in state.waiting:
        if one.zone == zone and one.area == area and one.method == rule.method:
            until = min(until, one.until_us)
    state.waiting.append(
        Waiting(
            *ref, zone, area, zone_kind, str(event.category), at, until, rule.id, rule.version_no, rule.method.value,
            priority,
        )
    )  # fmt: skip
    acts.append(_act(What.HELD, rule, ref, zone, at, until_us=until))
    return True


def _may_pair(rule: Rule, zone: str) -> bool:
    return any(zone in pair for pair in rule.pairs) if rule.pairs else bool(zone)


def _confirms(rule: Rule, zone: str, zone_kind: str, first: Waiting, at: int) -> bool:
    """Say whether a zone and one that waits are a pair of cross-zoning."""
    if zone == first.zone or at - first.at_us > rule.knobs["window_s"] * S:
        return False
    if rule.pairs and not _is_pair(rule, zone, first.zone):
        return False
    return not rule.knobs["different_kind"] or _differ(zone_kind, first.zone_kind)


def _is_second(rule: Rule, zone: str, zone_kind: str, first: Waiting, at: int) -> bool:
    """Say whether a trip is the second of two; a pair of the rule sees the same thing and is none."""
    if at - first.at_us > rule.knobs["window_s"] * S or _is_pair(rule, zone, first.zone):
        return False
    return not rule.knobs["different_kind"] or (zone != first.zone and _differ(zone_kind, first.zone_kind))


def _is_confirmed(
    state: DeviceState,
    rule: Rule,
    ref: tuple[str, int],
    event: Any,
    zone: str,
    area: str,
    zone_kind: str,
    at: int,
    acts: list[Act],
) -> bool:
    """Say whether a second, independent detector of the same set area confirms an intrusion.

    Outdoor detectors never do, one tamper may be of the pair, an unset area confirms nothing.
    Source: alarm reference, Confirmed alarms, Sequential.
    """
    category = event.category
    if category != Category.BURGLARY and category != Category.TAMPER:
        return False
    if _is_set(state, area) is False:
        state.firsts.pop(area, None)
        return False
    first = state.firsts.get(area)
    if first is None or at - first.at_us > rule.knobs["window_s"] * S:
        state.firsts[area] = First(at, zone, zone_kind, str(category))
        return False
    if first.zone == zone or _is_pair(rule, zone, first.zone):
        return False
    if Category.BURGLARY not in (category, first.category):
        return False
    if rule.knobs["different_kind"] and not _differ(zone_kind, first.zone_kind):
        return False
    priority = max(1, event.priority - rule.knobs["raise_by"])
    acts.append(_act(What.CONFIRMED, rule, ref, zone, at, cause=first.zone, priority=priority))
    return True


def _is_pair(rule: Rule, zone: str, other: str) -> bool:
    return (min(zone, other), max(zone, other)) in rule.pairs


def _differ(kind: str, other: str) -> bool:
    """Two detectors of different principle; one whose kind nobody entered proves nothing."""
    return bool(kind) and bool(other) and kind != other


def _release(state: DeviceState, area: str | None, at: int, cause: str, acts: list[Act]) -> None:
    """Let go at once what waits in an area, or on the whole device."""
    if not state.waiting:
        return
    left = []
    for one in state.waiting:
        if area is None or one.area == area:
            acts.append(_ended(one, What.RAISED, at, str(cause)))
        else:
            left.append(one)
    state.waiting = left


# --- runaway, swinger, chatter ---------------------------------------------------------------------------------------


def _count(state: DeviceState, rules: Chosen, at: int) -> None:
    """Remember when signals came, as many as the runaway rule counts."""
    if rules.runaway is None:
        return
    seen = state.seen
    seen.append(at)
    while seen and (seen[0] <= at - HOUR_US or len(seen) > rules.runaway.knobs["per_hour"] + 1):
        del seen[0]


def _is_in_runaway(
    state: DeviceState, rule: Rule, ref: tuple[str, int], zone: str, priority: int, at: int, acts: list[Act]
) -> bool:
    """Group an alarm of an account that has run away; a graver one than before still stands alone."""
    quiet = rule.knobs["quiet_s"] * S
    if state.runaway_until_us > at:
        state.runaway_until_us = at + quiet
        if priority >= state.runaway_priority:
            acts.append(_act(What.GROUPED, rule, ref, zone, at, until_us=at + quiet, of=state.runaway_of))
            return True
    elif len(state.seen) > rule.knobs["per_hour"] or _since(state.seen, at - MINUTE_US) > rule.knobs["per_min"]:
        state.runaway_until_us = at + quiet
        acts.append(_act(What.PROPOSED, rule, ref, "", at))
    else:
        return False
    state.runaway_priority, state.runaway_of = priority, ref
    return False


def _since(times: Sequence[int], moment: int) -> int:
    return sum(1 for time in reversed(times) if time > moment)


def _note_trip(memory: ZoneMemory, rule: Rule, ref: tuple[str, int], zone: str, at: int, acts: list[Act]) -> None:
    """Count trips of a chattering zone; it is proposed for repair, nothing is hidden."""
    trips = [time for time in memory.trips if time > at - rule.knobs["window_s"] * S]
    trips.append(at)
    if len(trips) >= rule.knobs["trips"]:
        acts.append(_act(What.PROPOSED, rule, ref, zone, at))
        trips.clear()
    memory.trips = trips


def _restore(state: DeviceState, rules_of: RulesOf, ref: tuple[str, int], event: Any, at: int, acts: list[Act]) -> None:
    """Note that a zone is calm again; what waits stays an alarm to be, a restore never ends one."""
    zone = _number(event.zone)
    for one in state.waiting:
        if one.zone == zone and one.category == event.category and not one.restored_us:
            one.restored_us = at
    memory = state.zones.get(zone)
    if memory is None or not memory.is_up:
        return
    memory.is_up = False
    rule = rules_of(zone).swinger
    if rule is None or memory.shut_until_us > at:
        return
    pairs = [time for time in memory.pairs if time > at - rule.knobs["window_s"] * S]
    pairs.append(at)
    if len(pairs) > rule.knobs["pairs"]:
        memory.shut_until_us = at + rule.knobs["release_s"] * S
        memory.shut_by = (rule.id, rule.version_no)
        pairs.clear()
        acts.append(_act(What.PROPOSED, rule, ref, zone, at))
    memory.pairs = pairs


# --- setting and cancelling ------------------------------------------------------------------------------------------


def _set_area(state: DeviceState, event: Any, is_set: bool) -> None:
    area = _number(event.area)
    if area:
        state.areas[area] = is_set
    else:
        state.areas = {"": is_set}
    if not is_set:
        state.firsts = {key: first for key, first in state.firsts.items() if area and key != area}
        return
    for memory in state.zones.values():  # re-arming brings a zone that was shut down back
        if not area or not memory.area or memory.area == area:
            memory.shut_until_us = 0


def _is_set(state: DeviceState, area: str) -> bool | None:
    """Say whether an area is set; None when nothing was heard of it."""
    known = state.areas.get(area)
    return state.areas.get("") if known is None else known


def _is_unset(state: DeviceState, event: Any, area: str, zone_kind: str) -> bool:
    """Say whether an intrusion comes from an area known to be unset, by a zone that follows it."""
    return (
        event.category == Category.BURGLARY
        and (event.code_system, event.code) not in ALWAYS_ARMED
        and zone_kind not in ALWAYS_ARMED_KINDS
        and _is_set(state, area) is False
    )


def _cancel(state: DeviceState, event: Any, at: int, acts: list[Act]) -> None:
    """Take a valid user's cancel or opening: what its area holds in a cancel window will be no alarm."""
    area = _number(event.area)
    left = []
    for one in state.waiting:
        if one.method == Method.CANCEL_WINDOW and (not area or not one.area or one.area == area):
            acts.append(_ended(one, What.CANCELLED, at, event.user))
        else:
            left.append(one)
    state.waiting = left


# --- small words -----------------------------------------------------------------------------------------------------


def _number(text: str) -> str:
    number = zone_key(text)
    return "" if number == "0" else number


def _zone(state: DeviceState, rules: Chosen, zone: str, area: str) -> ZoneMemory | None:
    """Return what is remembered of a zone, where a rule needs it; bounded whatever a device names."""
    if not zone or (rules.swinger is None and rules.chatter is None):
        return None
    memory = state.zones.get(zone)
    if memory is None:
        if len(state.zones) >= MAX_ZONES:
            return None
        memory = state.zones[zone] = ZoneMemory(area=area)
    return memory


def _act(what: What, rule: Rule, ref: tuple[str, int], zone: str, at: int, **more: Any) -> Act:
    return Act(what, rule.id, rule.version_no, rule.method.value, *ref, zone, at, **more)


def _ended(one: Waiting, what: What, at: int, cause: str = "") -> Act:
    return Act(
        what, one.rule_id, one.version_no, one.method, one.signal_id, one.event_no, one.zone, at, cause=cause,
        priority=one.priority, restored_us=one.restored_us,
    )  # fmt: skip


def hidden(acts: Iterable[Act], signal_id: str) -> set[int]:
    """Return the numbers of a signal's events that are no alarm now."""
    return {act.event_no for act in acts if act.what in HIDING and act.signal_id == signal_id}
