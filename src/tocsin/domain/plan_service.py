"""Response plans as the web calls them: a change makes a new version, incidents keep the one they began with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission
from tocsin.domain.events import PlanSaved
from tocsin.domain.plans import Plan, check_plan
from tocsin.domain.refusals import UseCases, require


class PlanService(UseCases):
    """Response plans."""

    async def find(self, *, actor: Actor) -> list[Plan]:
        """Return every plan in its current version. Errors: FORBIDDEN."""
        return await self._store.read(_find, actor)

    async def get(self, plan_id: str, *, actor: Actor, version_no: int | None = None) -> Plan:
        """Return a plan, in its current version or another. Errors: FORBIDDEN, NOT_FOUND."""
        return await self._store.read(_get, plan_id, actor, version_no)

    async def save(self, plan: Plan, *, actor: Actor, version: int = 0) -> Plan:
        """Write a plan as a new version; `version` 0 adds it. Errors: FORBIDDEN, NOT_FOUND, CONFLICT, INVALID."""
        return await self._act("plan.saved", "plan", plan.id, actor, _save, plan, actor, version)


def _find(tx: Any, actor: Actor) -> list[Plan]:
    require(actor, Permission.READ_INCIDENTS)
    found: list[Plan] = tx.plans.all()
    return found


def _get(tx: Any, plan_id: str, actor: Actor, version_no: int | None) -> Plan:
    require(actor, Permission.READ_INCIDENTS)
    found: Plan = tx.plans.get(plan_id, version_no)
    return found


def _save(tx: Any, plan: Plan, actor: Actor, version: int) -> Plan:
    allowed = require(actor, Permission.MANAGE_PLANS)
    check_plan(plan)
    if plan.jurisdiction_code and not allowed.covers(plan.jurisdiction_code):
        raise TocsinError(ErrorCode.NOT_FOUND, f"no plan {plan.id}")
    if version == 0:
        saved = replace(plan, version_no=1, version=1)
        tx.plans.add(saved, tx.now, actor.id)
    else:
        current: Plan = tx.plans.get(plan.id)
        if current.jurisdiction_code and not allowed.covers(current.jurisdiction_code):
            raise TocsinError(ErrorCode.NOT_FOUND, f"no plan {plan.id}")
        if current.version != version:
            raise TocsinError(
                ErrorCode.CONFLICT, f"plan {plan.id} has changed", key="stale", current_version=current.version
            )
        saved = tx.plans.save(replace(plan, version_no=current.version_no + 1, version=version), tx.now, actor.id)
    tx.record(
        PlanSaved(
            subject_id=saved.id,
            at=tx.now,
            jurisdiction_code=saved.jurisdiction_code,
            actor=actor.ref,
            version_no=saved.version_no,
            step_count=len(saved.steps),
        )
    )
    return saved
