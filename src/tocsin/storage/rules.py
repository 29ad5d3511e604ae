"""Rules between signals and alarms as rows: versions that never change, states of devices, acts, repairs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, bindparam, func, insert, literal_column, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.normal import EventKind
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.alarm_rules import Method, Rule, completed
from tocsin.domain.permits import ON_TEST
from tocsin.domain.rule_acts import ActFilter, Repair, RuleAct
from tocsin.domain.rule_engine import DeviceState, decode_state, encode_state
from tocsin.storage.bulk import Bulk, Question
from tocsin.storage.scope import below, within
from tocsin.storage.tables_alarms import signals
from tocsin.storage.tables_registry import devices, zones
from tocsin.storage.tables_rules import repair_proposals, rule_acts, rule_states, rule_versions, rules

_encode = msgspec.json.Encoder().encode
_knobs = msgspec.json.Decoder(dict[str, int])
_pairs = msgspec.json.Decoder(tuple[tuple[str, str], ...])
_VERSIONS = select(rules.c.method, rule_versions).join(rule_versions, rule_versions.c.rule_id == rules.c.id)
_CURRENT = _VERSIONS.where(rule_versions.c.version_no == rules.c.version_no)
_ACTS = select(
    rule_acts,
    rule_versions.c.name.label("rule_name"),
    rule_versions.c.name_en.label("rule_name_en"),
    rule_versions.c.owner,
).outerjoin(
    rule_versions,
    and_(rule_versions.c.rule_id == rule_acts.c.rule_id, rule_versions.c.version_no == rule_acts.c.version_no),
)
_IS_HELD = rule_acts.c.what == literal_column("'held'")  # written out, so that SQLite uses the index of held ones


class PastEvent(msgspec.Struct, frozen=True):
    """An event as a dry run reads it: what the rules look at, and what a list calls it."""

    code_system: str
    code: str
    kind: EventKind
    category: str
    priority: int
    label_en: str
    label_zh: str
    area: str = ""
    zone: str = ""
    user: str = ""
    is_known: bool = True


_ON_TEST = f'"{ON_TEST}"'
_past_events = msgspec.json.Decoder(tuple[PastEvent, ...]).decode


class RuleRepository:
    """Rules and everything they leave."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- rules -------------------------------------------------------------------------------------------------------

    def all(self) -> list[Rule]:
        """Return every rule in its current version, by name."""
        rows = self._connection.execute(_CURRENT.order_by(rule_versions.c.name, rules.c.id))
        return [_rule(row) for row in rows]

    def get(self, rule_id: str, version_no: int | None = None) -> Rule:
        """Return a rule, in its current version or another. Errors: NOT_FOUND."""
        query = _CURRENT if version_no is None else _VERSIONS.where(rule_versions.c.version_no == version_no)
        row = self._connection.execute(query.where(rules.c.id == rule_id)).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no rule {rule_id}")
        return _rule(row)

    def versions(self, rule_id: str) -> list[Rule]:
        """Return every version of a rule, newest first."""
        rows = self._connection.execute(
            _VERSIONS.where(rules.c.id == rule_id).order_by(rule_versions.c.version_no.desc())
        )
        return [_rule(row) for row in rows]

    def add(self, rule: Rule) -> None:
        """Add a rule with its first version."""
        self._connection.execute(insert(rules).values(id=rule.id, method=rule.method.value, version_no=1))
        self._add_version(rule)

    def add_version(self, rule: Rule) -> None:
        """Make `rule`, whose `version_no` is the next, the version that counts. Errors: CONFLICT when stale."""
        result = self._connection.execute(
            update(rules)
            .where(rules.c.id == rule.id, rules.c.version_no == rule.version_no - 1)
            .values(version_no=rule.version_no)
        )
        if result.rowcount != 1:
            raise TocsinError(ErrorCode.CONFLICT, f"rule {rule.id} has changed", key="stale")
        self._add_version(rule)

    def _add_version(self, rule: Rule) -> None:
        assert rule.made_at is not None
        self._connection.execute(
            insert(rule_versions).values(
                rule_id=rule.id,
                version_no=rule.version_no,
                name=rule.name,
                name_en=rule.name_en,
                jurisdiction_code=rule.jurisdiction_code,
                device_id=rule.device_id,
                zone=rule.zone,
                knobs=_encode(dict(rule.knobs)).decode(),
                pairs=_encode(rule.pairs).decode(),
                is_on=rule.is_on,
                is_exempt=rule.is_exempt,
                owner=rule.owner,
                until_us=rule.until_us,
                reason=rule.reason,
                made_at_us=to_us(rule.made_at),
                made_by=rule.made_by,
            )
        )

    # --- states ------------------------------------------------------------------------------------------------------

    def states(self, device_ids: Collection[str]) -> dict[str, DeviceState]:
        """Return what the rules remember of devices."""
        if not device_ids:
            return {}
        rows = self._connection.execute(select(rule_states).where(rule_states.c.device_id.in_(sorted(device_ids))))
        return {row.device_id: decode_state(row.state) for row in rows}

    def save_states(self, new: Mapping[str, DeviceState], changed: Mapping[str, DeviceState]) -> None:
        """Write what the rules remember of devices not seen before, and of those known."""
        _ADD_STATES.run(self._connection, [(key, encode_state(state).decode()) for key, state in new.items()])
        _SAVE_STATES.run(self._connection, [(key, encode_state(state).decode()) for key, state in changed.items()])

    # --- acts --------------------------------------------------------------------------------------------------------

    def add_acts(self, acts: Sequence[RuleAct]) -> None:
        """Add what rules did."""
        _ADD_ACTS.run(self._connection, [_act_values(act) for act in acts])

    def end_acts(self, acts: Sequence[RuleAct]) -> None:
        """Write how events that were held went on."""
        _END_ACTS.run(
            self._connection,
            [(a.id, a.what, a.cause, a.raised_priority, optional_us(a.ended_at), a.alarm_id) for a in acts],
        )

    def held_of(self, signal_ids: Collection[str]) -> list[RuleAct]:
        """Return the events of signals that are held."""
        if not signal_ids:
            return []
        rows = self._connection.execute(_ACTS.where(rule_acts.c.signal_id.in_(sorted(signal_ids)), _IS_HELD))
        return [_act(row) for row in rows]

    def due(self, now: datetime, limit: int) -> list[RuleAct]:
        """Return held events whose time is over, the longest first."""
        rows = self._connection.execute(
            _ACTS.where(_IS_HELD, rule_acts.c.until_us <= to_us(now)).order_by(rule_acts.c.until_us).limit(limit)
        )
        return [_act(row) for row in rows]

    def has_due(self, now: datetime) -> bool:
        """Say whether any held event's time is over."""
        [(until_us,)] = _NEXT_DUE.ask(self._connection)
        return until_us is not None and until_us <= to_us(now)

    def find_acts(self, wanted: ActFilter, *, visible_to: Scope, limit: int = 100) -> list[RuleAct]:
        """Return acts, newest first."""
        column = rule_acts.c
        query = _ACTS.where(within(column.jurisdiction_code, visible_to))
        if wanted.what:
            query = query.where(column.what.in_(wanted.what))
        if wanted.signal_ids:
            query = query.where(column.signal_id.in_(wanted.signal_ids))
        if wanted.alarm_ids:
            query = query.where(column.alarm_id.in_(wanted.alarm_ids))
        if wanted.rule_id:
            query = query.where(column.rule_id == wanted.rule_id)
        if wanted.device_id:
            query = query.where(column.device_id == wanted.device_id)
        if wanted.received_from is not None:
            query = query.where(column.received_at_us >= to_us(wanted.received_from))
        if wanted.received_to is not None:
            query = query.where(column.received_at_us < to_us(wanted.received_to))
        if wanted.before:
            query = query.where(column.id < wanted.before)
        return [_act(row) for row in self._connection.execute(query.order_by(column.id.desc()).limit(limit))]

    # --- repairs -----------------------------------------------------------------------------------------------------

    def open_repairs(self, device_ids: Collection[str]) -> list[Repair]:
        """Return the repairs of devices nobody has decided about."""
        if not device_ids:
            return []
        rows = self._connection.execute(
            select(repair_proposals).where(
                repair_proposals.c.state == "open", repair_proposals.c.device_id.in_(sorted(device_ids))
            )
        )
        return [_repair(row) for row in rows]

    def add_repairs(self, repairs: Sequence[Repair]) -> None:
        """Add proposed repairs."""
        if repairs:
            self._connection.execute(insert(repair_proposals), [_repair_values(one) for one in repairs])

    def save_repair(self, repair: Repair) -> None:
        """Write a repair as it is now."""
        values = _repair_values(repair)
        self._connection.execute(
            update(repair_proposals).where(repair_proposals.c.id == values.pop("id")).values(**values)
        )

    def repair(self, repair_id: str, *, visible_to: Scope) -> Repair:
        """Return a proposed repair. Errors: NOT_FOUND when absent or outside the scope."""
        row = self._connection.execute(
            select(repair_proposals).where(
                repair_proposals.c.id == repair_id, within(repair_proposals.c.jurisdiction_code, visible_to)
            )
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no repair {repair_id}")
        return _repair(row)

    def repairs(self, state: str, *, visible_to: Scope, before: str = "", limit: int = 100) -> list[Repair]:
        """Return proposed repairs in a state, or all, newest first."""
        query = select(repair_proposals).where(within(repair_proposals.c.jurisdiction_code, visible_to))
        if state:
            query = query.where(repair_proposals.c.state == state)
        if before:
            query = query.where(repair_proposals.c.id < before)
        rows = self._connection.execute(query.order_by(repair_proposals.c.id.desc()).limit(limit))
        return [_repair(row) for row in rows]

    # --- what a dry run reads ----------------------------------------------------------------------------------------

    def reached(self, rule: Rule, *, visible_to: Scope) -> list[tuple[str, str]]:
        """Return (id, division code) of the devices a rule may touch, within a scope."""
        query = select(devices.c.id, devices.c.jurisdiction_code).where(
            within(devices.c.jurisdiction_code, visible_to), devices.c.retired_at_us.is_(None)
        )
        if rule.device_id:
            query = query.where(devices.c.id == rule.device_id)
        elif rule.jurisdiction_code:
            query = query.where(below(devices.c.jurisdiction_code, rule.jurisdiction_code))
        return [(row.id, row.jurisdiction_code) for row in self._connection.execute(query.order_by(devices.c.id))]

    def zone_kinds(self, device_id: str) -> dict[str, str]:
        """Return the kind of each zone of a device, by number."""
        return dict(_KINDS.ask(self._connection, device_id))

    def past(
        self, device_id: str, received_from: datetime, received_to: datetime, after: str, limit: int
    ) -> Iterator[tuple[str, int, tuple[PastEvent, ...]]]:
        """Yield (signal id, received at in us, events) of a device's past signals after one, oldest first."""
        rows = _PAST.ask(self._connection, device_id, after, to_us(received_from), to_us(received_to), limit)
        return (
            (signal_id, at_us, () if _ON_TEST in flags else _past_events(events))  # no rule saw what was on test
            for signal_id, at_us, events, flags in rows
        )

    def names(self, device_ids: Collection[str]) -> dict[str, tuple[str, str]]:
        """Return the names of devices, Chinese and English."""
        if not device_ids:
            return {}
        rows = self._connection.execute(
            select(devices.c.id, devices.c.name, devices.c.name_en).where(devices.c.id.in_(sorted(device_ids)))
        )
        return {row.id: (row.name, row.name_en) for row in rows}


_ADD_STATES = Bulk.into(rule_states, ("device_id", "state"))
_SAVE_STATES = Bulk.change(rule_states.c.device_id, ("state",))
_ADD_ACTS = Bulk.into(
    rule_acts,
    (
        "id", "rule_id", "version_no", "method", "what", "signal_id", "event_no", "device_id", "jurisdiction_code",
        "zone", "label_en", "label_zh", "priority", "raised_priority", "cause", "received_at_us", "acted_at_us",
        "until_us", "ended_at_us", "alarm_id",
    ),
)  # fmt: skip
_END_ACTS = Bulk.change(rule_acts.c.id, ("what", "cause", "raised_priority", "ended_at_us", "alarm_id"))
_NEXT_DUE = Question(select(func.min(rule_acts.c.until_us)).where(_IS_HELD))
_PAST = Question(
    select(signals.c.id, signals.c.received_at_us, signals.c.events, signals.c.flags)
    .where(
        signals.c.device_id == bindparam("b_device"),
        signals.c.id > bindparam("b_after"),
        signals.c.received_at_us >= bindparam("b_from"),
        signals.c.received_at_us < bindparam("b_to"),
        signals.c.quarantine == literal_column("''"),
    )
    .order_by(signals.c.id)
    .limit(bindparam("b_limit"))
    .offset(literal_column("0")),  # else SQLite gets a parameter of its own
    ("b_device", "b_after", "b_from", "b_to", "b_limit"),
)
_KINDS = Question(select(zones.c.number, zones.c.kind).where(zones.c.device_id == bindparam("b_device")), ("b_device",))


def _rule(row: Row[Any]) -> Rule:
    rule = Rule(
        id=row.rule_id,
        method=Method(row.method),
        version_no=row.version_no,
        name=row.name,
        name_en=row.name_en,
        jurisdiction_code=row.jurisdiction_code,
        device_id=row.device_id,
        zone=row.zone,
        knobs=_knobs.decode(row.knobs),
        pairs=_pairs.decode(row.pairs),
        is_on=bool(row.is_on),
        is_exempt=bool(row.is_exempt),
        owner=row.owner,
        until_us=row.until_us,
        reason=row.reason,
        made_at=from_us(row.made_at_us),
        made_by=row.made_by,
    )
    return replace(rule, knobs=completed(rule))  # a setting that a release added has its default


def _act_values(act: RuleAct) -> tuple[Any, ...]:
    return (
        act.id,
        act.rule_id,
        act.version_no,
        act.method,
        act.what,
        act.signal_id,
        act.event_no,
        act.device_id,
        act.jurisdiction_code,
        act.zone,
        act.label_en,
        act.label_zh,
        act.priority,
        act.raised_priority,
        act.cause,
        to_us(act.received_at),
        to_us(act.acted_at),
        optional_us(act.until),
        optional_us(act.ended_at),
        act.alarm_id,
    )


def _act(row: Row[Any]) -> RuleAct:
    return RuleAct(
        id=row.id,
        rule_id=row.rule_id,
        version_no=row.version_no,
        method=row.method,
        what=row.what,
        signal_id=row.signal_id,
        event_no=row.event_no,
        device_id=row.device_id,
        jurisdiction_code=row.jurisdiction_code,
        zone=row.zone,
        label_en=row.label_en,
        label_zh=row.label_zh,
        priority=row.priority,
        raised_priority=row.raised_priority,
        cause=row.cause,
        received_at=from_us(row.received_at_us),
        acted_at=from_us(row.acted_at_us),
        until=optional_from_us(row.until_us),
        ended_at=optional_from_us(row.ended_at_us),
        alarm_id=row.alarm_id,
        rule_name=row.rule_name or "",
        rule_name_en=row.rule_name_en or "",
        owner=row.owner or "",
    )


def _repair_values(repair: Repair) -> dict[str, Any]:
    return {
        "id": repair.id,
        "method": repair.method,
        "rule_id": repair.rule_id,
        "version_no": repair.version_no,
        "device_id": repair.device_id,
        "jurisdiction_code": repair.jurisdiction_code,
        "zone": repair.zone,
        "opened_at_us": to_us(repair.opened_at),
        "last_at_us": to_us(repair.last_at),
        "times": repair.times,
        "state": repair.state,
        "decided_at_us": optional_us(repair.decided_at),
        "decided_by": repair.decided_by,
        "note": repair.note,
    }


def _repair(row: Row[Any]) -> Repair:
    return Repair(
        id=row.id,
        method=row.method,
        rule_id=row.rule_id,
        version_no=row.version_no,
        device_id=row.device_id,
        jurisdiction_code=row.jurisdiction_code,
        zone=row.zone,
        opened_at=from_us(row.opened_at_us),
        last_at=from_us(row.last_at_us),
        times=row.times,
        state=row.state,
        decided_at=optional_from_us(row.decided_at_us),
        decided_by=row.decided_by,
        note=row.note,
    )
