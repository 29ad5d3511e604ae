"""Recording plans as rows."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from tocsin.domain.channels import IN_SERVICE
from tocsin.domain.recorder_plans import Mode, RecordingPlan, read_schedule
from tocsin.domain.streams import Stream
from tocsin.storage.places import stale
from tocsin.storage.tables_recording import recording_plans
from tocsin.storage.tables_registry import channels

CHUNK: Final = 500
_p = recording_plans.c


class RecorderPlanRepository:
    """What is to be recorded."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, channel_id: str) -> RecordingPlan:
        """Return the plan of a camera; one that has none is not recorded."""
        row = self._connection.execute(select(recording_plans).where(_p.channel_id == channel_id)).first()
        return RecordingPlan(channel_id) if row is None else _plan(row)

    def of(self, channel_ids: Collection[str]) -> dict[str, RecordingPlan]:
        """Return the plans of cameras that have one."""
        wanted = sorted(channel_ids)
        return {
            row.channel_id: _plan(row)
            for at in range(0, len(wanted), CHUNK)
            for row in self._connection.execute(
                select(recording_plans).where(_p.channel_id.in_(wanted[at : at + CHUNK]))
            )
        }

    def in_force(self) -> list[RecordingPlan]:
        """Return the plans that record something, of cameras in service with an owner, a place and a purpose."""
        rows = self._connection.execute(
            select(recording_plans)
            .join(channels, channels.c.id == _p.channel_id)
            .where(
                _p.mode != Mode.OFF,
                channels.c.stage == IN_SERVICE,
                channels.c.owner != "",
                channels.c.purpose != "",
                channels.c.place_id.is_not(None),
            )
            .order_by(_p.channel_id)
        )
        return [_plan(row) for row in rows]

    def save(self, plan: RecordingPlan) -> RecordingPlan:
        """Write a plan; return it with its new version. Errors: CONFLICT when somebody else wrote first."""
        values = {
            "mode": plan.mode,
            "stream": plan.stream,
            "schedule": json.dumps([window.form() for window in plan.schedule]),
            "pre_s": plan.pre_s,
            "post_s": plan.post_s,
            "is_edge_first": plan.is_edge_first,
            "priority": plan.priority,
        }
        saved = replace(plan, version=plan.version + 1)
        if plan.version == 0:
            if self.get(plan.channel_id).version:
                raise stale("recording plan", plan.channel_id)
            self._connection.execute(
                insert(recording_plans).values(channel_id=plan.channel_id, version=saved.version, **values)
            )
            return saved
        result = self._connection.execute(
            update(recording_plans)
            .where(_p.channel_id == plan.channel_id, _p.version == plan.version)
            .values(version=saved.version, **values)
        )
        if result.rowcount != 1:
            raise stale("recording plan", plan.channel_id)
        return saved


def _plan(row: Any) -> RecordingPlan:
    return RecordingPlan(
        row.channel_id,
        Mode(row.mode),
        Stream(row.stream),
        read_schedule("schedule", json.loads(row.schedule)),
        row.pre_s,
        row.post_s,
        bool(row.is_edge_first),
        row.priority,
        row.version,
    )
