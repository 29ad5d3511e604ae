"""Acts that maintain devices, as rows."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, insert, select, update

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import from_us, optional_from_us, optional_us, to_us
from tocsin.domain.access import Scope
from tocsin.domain.device_acts import ActKind, ActState, DeviceAct
from tocsin.storage.scope import within
from tocsin.storage.tables_acts import device_acts

MOST: Final = 100
_COLUMNS: Final = device_acts.c


class DeviceActRepository:
    """Acts that cannot be taken back."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, act: DeviceAct) -> None:
        """Write a new act."""
        self._connection.execute(
            insert(device_acts).values(
                id=act.id,
                kind=act.kind.value,
                device_id=act.device_id,
                channel_id=act.channel_id,
                jurisdiction_code=act.jurisdiction_code,
                params=json.dumps(dict(act.params), ensure_ascii=False),
                reason=act.reason,
                session=str(act.params.get("session", "")),
                asked_by=act.asked_by,
                asked_at_us=to_us(act.asked_at),
                expires_at_us=optional_us(act.expires_at),
                **_changing(act),
            )
        )

    def save(self, act: DeviceAct) -> None:
        """Write what has become of an act."""
        self._connection.execute(update(device_acts).where(_COLUMNS.id == act.id).values(**_changing(act)))

    def get(self, act_id: str, *, visible_to: Scope) -> DeviceAct:
        """Return an act. Errors: NOT_FOUND, also when the actor may not see it."""
        found = self._find(_COLUMNS.id == act_id, within(_COLUMNS.jurisdiction_code, visible_to))
        if not found:
            raise TocsinError(ErrorCode.NOT_FOUND, f"no act {act_id}")
        return found[0]

    def load(self, act_id: str) -> DeviceAct:
        """Return an act for whoever carries it out."""
        return self._find(_COLUMNS.id == act_id)[0]

    def find(self, *, visible_to: Scope, device_id: str = "") -> list[DeviceAct]:
        """Return the newest acts of a device, or those of all that are not over; newest first."""
        whose = (
            _COLUMNS.device_id == device_id if device_id else _COLUMNS.state.in_([ActState.WAITING, ActState.RUNNING])
        )
        return self._find(whose, within(_COLUMNS.jurisdiction_code, visible_to))

    def is_under_way(self, kind: ActKind, device_id: str, channel_id: str | None, now: datetime) -> bool:
        """Say whether such an act waits or runs for this device, or this camera of it."""
        clauses = [_COLUMNS.kind == kind.value, _COLUMNS.device_id == device_id, _COLUMNS.expires_at_us > to_us(now)]
        if channel_id is not None:
            clauses.append(_COLUMNS.channel_id == channel_id)
        return bool(self._find(*clauses, _COLUMNS.state.in_([ActState.WAITING, ActState.RUNNING])))

    def running_upgrade(self, device_id: str, session: str) -> DeviceAct | None:
        """Return the upgrade of a device that a result names, however long it took."""
        found = self._find(
            _COLUMNS.device_id == device_id, _COLUMNS.session == session, _COLUMNS.state == ActState.RUNNING.value
        )
        return found[0] if found else None

    def sending(self) -> list[DeviceAct]:
        """Return the cards that were being erased."""
        return self._find(_COLUMNS.kind == ActKind.FORMAT_CARD.value, _COLUMNS.state == ActState.RUNNING.value)

    def _find(self, *clauses: ColumnElement[bool]) -> list[DeviceAct]:
        asked = select(device_acts).where(*clauses).order_by(_COLUMNS.asked_at_us.desc(), _COLUMNS.id.desc())
        return [_act(row) for row in self._connection.execute(asked.limit(MOST))]


def _changing(act: DeviceAct) -> dict[str, Any]:
    return {
        "state": act.state.value,
        "decided_by": act.decided_by,
        "decided_at_us": optional_us(act.decided_at),
        "result": act.result[:128],
        "ended_at_us": optional_us(act.ended_at),
    }


def _act(row: Any) -> DeviceAct:
    return DeviceAct(
        id=row.id,
        kind=ActKind(row.kind),
        device_id=row.device_id,
        jurisdiction_code=row.jurisdiction_code,
        asked_by=row.asked_by,
        asked_at=from_us(row.asked_at_us),
        state=ActState(row.state),
        channel_id=row.channel_id,
        params=json.loads(row.params),
        reason=row.reason,
        expires_at=optional_from_us(row.expires_at_us),
        decided_by=row.decided_by,
        decided_at=optional_from_us(row.decided_at_us),
        result=row.result,
        ended_at=optional_from_us(row.ended_at_us),
    )
