"""Use cases of alarm rules: versions made by people, what rules did, repairs they propose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us
from tocsin.domain.access import Actor, Permission, Rule, Scope
from tocsin.domain.acts import guard
from tocsin.domain.alarm_rules import Rule as AlarmRule
from tocsin.domain.alarm_rules import check_rule, completed
from tocsin.domain.refusals import UseCases, forbidden, require
from tocsin.domain.rule_acts import ActFilter, Repair, RuleAct
from tocsin.domain.rule_events import RepairDecided, RuleSaved

READ: Final = Permission.READ_INCIDENTS
MANAGE: Final = Permission.MANAGE_PLANS
DECIDE: Final = Permission.HANDLE_INCIDENT
Names = dict[str, tuple[str, str]]


class RuleService(UseCases):
    """Alarm rules. One of a jurisdiction is made by its supervisors, one of the whole house by who supervises all."""

    async def find(self, *, actor: Actor) -> tuple[list[AlarmRule], Names]:
        """Return the rules that may touch what the actor sees, and the names of their devices. Errors: FORBIDDEN."""
        return await self._store.read(_find, actor)

    async def versions(self, rule_id: str, *, actor: Actor) -> list[AlarmRule]:
        """Return every version of a rule, newest first. Errors: FORBIDDEN, NOT_FOUND."""
        return await self._store.read(_versions, rule_id, actor)

    async def save(self, rule: AlarmRule, *, actor: Actor, version_no: int = 0) -> AlarmRule:
        """Make a version of a rule, on the one its maker knows; 0 adds it.

        Errors: FORBIDDEN, NOT_FOUND, CONFLICT when somebody made a version meanwhile, INVALID naming the field.
        """
        return await self._act("rule.saved", "rule", rule.id, actor, _save, rule, actor, version_no)

    async def acts(self, wanted: ActFilter, *, actor: Actor, limit: int = 100) -> tuple[list[RuleAct], Names]:
        """Return what rules did, newest first, and the names of the devices. Errors: FORBIDDEN."""
        return await self._store.read(_acts, wanted, actor, limit)

    async def repairs(
        self, state: str, *, actor: Actor, before: str = "", limit: int = 100
    ) -> tuple[list[Repair], Names]:
        """Return proposed repairs, newest first, and the names of the devices. Errors: FORBIDDEN."""
        return await self._store.read(_repairs, state, actor, before, limit)

    async def decide_repair(self, repair_id: str, state: str, note: str, *, actor: Actor) -> tuple[Repair, Names]:
        """Take a repair up, or dismiss it, with a note. Errors: FORBIDDEN, NOT_FOUND, CONFLICT, INVALID."""
        return await self._act("repair.decided", "repair", repair_id, actor, _decide, repair_id, state, note, actor)


def checked(tx: Any, rule: AlarmRule, actor: Actor) -> AlarmRule:
    """Return a rule as it may be made by the actor, of its device's division. Errors: FORBIDDEN, NOT_FOUND, INVALID."""
    allowed = require(actor, MANAGE)
    if rule.device_id:
        device = tx.devices.load({rule.device_id}).get(rule.device_id)
        if device is None or not allowed.covers(device.jurisdiction_code):
            raise TocsinError(ErrorCode.NOT_FOUND, f"no device {rule.device_id}")
        rule = replace(rule, jurisdiction_code=device.jurisdiction_code)
    _may(tx, rule.jurisdiction_code, actor)
    check_rule(rule, tx.now)
    return replace(rule, knobs=completed(rule), made_at=tx.now, made_by=actor.id)


def _may(tx: Any, code: str, actor: Actor) -> None:
    """Let pass who supervises the rule's area. Errors: FORBIDDEN."""
    guard(actor, MANAGE, "rule", "", code)
    if not code:
        allowed = require(actor, MANAGE)
        if not all(allowed.covers(node.code) for node in tx.places.all_jurisdictions()):
            raise forbidden(Rule.OUT_OF_SCOPE)


def _touches(rule: AlarmRule, visible: Scope) -> bool:
    code = rule.jurisdiction_code
    return not code or any(code.startswith(prefix) or prefix.startswith(code) for prefix in visible.prefixes)


def _find(tx: Any, actor: Actor) -> tuple[list[AlarmRule], Names]:
    visible = require(actor, READ)
    found = [rule for rule in tx.rules.all() if _touches(rule, visible)]
    return found, tx.rules.names({rule.device_id for rule in found if rule.device_id})


def _versions(tx: Any, rule_id: str, actor: Actor) -> list[AlarmRule]:
    visible = require(actor, READ)
    found: list[AlarmRule] = tx.rules.versions(rule_id)
    if not found or not _touches(found[0], visible):
        raise TocsinError(ErrorCode.NOT_FOUND, f"no rule {rule_id}")
    return found


def _save(tx: Any, rule: AlarmRule, actor: Actor, version_no: int) -> AlarmRule:
    made = checked(tx, replace(rule, version_no=version_no + 1), actor)
    if version_no == 0:
        if tx.rules.versions(rule.id):
            raise TocsinError(ErrorCode.CONFLICT, f"rule {rule.id} is there already", key="stale", current_version=1)
        tx.rules.add(made)
    else:
        known: AlarmRule = tx.rules.get(rule.id)
        _may(tx, known.jurisdiction_code, actor)
        if known.method is not made.method:
            raise TocsinError(ErrorCode.INVALID, "a rule keeps its method: make another", field="method")
        if known.version_no != version_no:
            raise TocsinError(
                ErrorCode.CONFLICT, f"rule {rule.id} has changed", key="stale", current_version=known.version_no
            )
        tx.rules.add_version(made)
    tx.record(
        RuleSaved(
            subject_id=made.id,
            at=tx.now,
            jurisdiction_code=made.jurisdiction_code,
            actor=actor.ref,
            method=made.method.value,
            version_no=made.version_no,
            device_id=made.device_id,
            zone=made.zone,
            is_on=made.is_on,
            is_exempt=made.is_exempt,
            until=from_us(made.until_us),
            reason=made.reason,
            knobs=tuple(f"{name}={value}" for name, value in made.knobs.items()),
        )
    )
    return made


def _acts(tx: Any, wanted: ActFilter, actor: Actor, limit: int) -> tuple[list[RuleAct], Names]:
    found: list[RuleAct] = tx.rules.find_acts(wanted, visible_to=require(actor, READ), limit=limit)
    return found, tx.rules.names({act.device_id for act in found})


def _repairs(tx: Any, state: str, actor: Actor, before: str, limit: int) -> tuple[list[Repair], Names]:
    found: list[Repair] = tx.rules.repairs(state, visible_to=require(actor, READ), before=before, limit=limit)
    return found, tx.rules.names(_devices(found))


def _decide(tx: Any, repair_id: str, state: str, note: str, actor: Actor) -> tuple[Repair, Names]:
    known: Repair = tx.rules.repair(repair_id, visible_to=require(actor, DECIDE))
    decided = known.decided(state, note, actor.id, tx.now)
    tx.rules.save_repair(decided)
    tx.record(
        RepairDecided(
            subject_id=decided.id,
            at=tx.now,
            jurisdiction_code=decided.jurisdiction_code,
            actor=actor.ref,
            state=decided.state,
            device_id=decided.device_id,
            zone=decided.zone,
            note=decided.note,
        )
    )
    return decided, tx.rules.names(_devices([decided]))


def _devices(found: Sequence[Repair]) -> set[str]:
    return {one.device_id for one in found}
