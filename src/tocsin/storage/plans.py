"""Response plans as rows: a plan and its versions, which never change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, insert, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import to_us
from tocsin.domain.plans import Plan, PlanStep
from tocsin.storage.tables_plans import plan_versions, plans

_encode = msgspec.json.Encoder().encode
_steps = msgspec.json.Decoder(tuple[PlanStep, ...])
_keys = msgspec.json.Decoder(tuple[str, ...])
_COLUMNS = select(plans, plan_versions.c.steps, plan_versions.c.dispositions, plan_versions.c.false_causes)


class PlanRepository:
    """Plans in their current version, and old versions by number."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[Plan]:
        """Return every plan in its current version, by name."""
        rows = self._connection.execute(
            _COLUMNS.join(
                plan_versions,
                and_(plan_versions.c.plan_id == plans.c.id, plan_versions.c.version_no == plans.c.version_no),
            ).order_by(plans.c.name, plans.c.id)
        )
        return [_plan(row) for row in rows]

    def get(self, plan_id: str, version_no: int | None = None) -> Plan:
        """Return a plan, in its current version or another. Errors: NOT_FOUND."""
        wanted = plans.c.version_no if version_no is None else version_no
        row = self._connection.execute(
            _COLUMNS.join(
                plan_versions, and_(plan_versions.c.plan_id == plans.c.id, plan_versions.c.version_no == wanted)
            ).where(plans.c.id == plan_id)
        ).one_or_none()
        if row is None:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no plan {plan_id}")
        plan = _plan(row)
        return plan if version_no is None else replace(plan, version_no=version_no)

    def add(self, plan: Plan, now: datetime, by: str) -> None:
        """Add a plan with its first version."""
        self._connection.execute(insert(plans).values(id=plan.id, version=plan.version, **_values(plan)))
        self._add_version(plan, now, by)

    def save(self, plan: Plan, now: datetime, by: str) -> Plan:
        """Write a plan with a new `version_no`; incidents keep the one they began with. Errors: CONFLICT when stale."""
        result = self._connection.execute(
            update(plans)
            .where(plans.c.id == plan.id, plans.c.version == plan.version)
            .values(version=plan.version + 1, **_values(plan))
        )
        if result.rowcount != 1:
            raise TocsinError(ErrorCode.CONFLICT, f"plan {plan.id} has changed", key="stale")
        self._add_version(plan, now, by)
        return replace(plan, version=plan.version + 1)

    def _add_version(self, plan: Plan, now: datetime, by: str) -> None:
        self._connection.execute(
            insert(plan_versions).values(
                plan_id=plan.id,
                version_no=plan.version_no,
                steps=_encode(plan.steps).decode(),
                dispositions=_encode(plan.dispositions).decode(),
                false_causes=_encode(plan.false_causes).decode(),
                made_at_us=to_us(now),
                made_by=by,
            )
        )


def _values(plan: Plan) -> dict[str, object]:
    return {
        "name": plan.name,
        "name_en": plan.name_en,
        "kind": plan.kind,
        "place_class": plan.place_class,
        "jurisdiction_code": plan.jurisdiction_code,
        "version_no": plan.version_no,
        "active": plan.active,
    }


def _plan(row: Row[Any]) -> Plan:
    return Plan(
        id=row.id,
        name=row.name,
        name_en=row.name_en,
        kind=row.kind,
        place_class=row.place_class,
        jurisdiction_code=row.jurisdiction_code,
        version_no=row.version_no,
        active=bool(row.active),
        steps=_steps.decode(row.steps),
        dispositions=_keys.decode(row.dispositions),
        false_causes=_keys.decode(row.false_causes),
        version=row.version,
    )
