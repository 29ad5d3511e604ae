"""An outage as people see it: what it is by, how many are lost and back, and its devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tocsin.base.cursors import pack, unpack
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.domain.access import Actor, Permission
from tocsin.domain.forms import optional_iso
from tocsin.domain.refusals import require

MAX_LISTED: Final = 500


@dataclass(frozen=True, slots=True)
class OutageRow:
    """An outage as it stands, counted."""

    id: str
    kind: str
    value: str
    size: int
    opened_at: datetime
    ended_at: datetime | None
    lost: int
    back: int
    most: int


@dataclass(frozen=True, slots=True)
class LostDevice:
    """A device on an outage's list."""

    device_id: str
    name: str
    name_en: str
    kind: str
    account: str
    jurisdiction_id: str
    lost_at: datetime
    back_at: datetime | None
    rank: tuple[int, int, str]

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "device_id": self.device_id,
            "name": self.name,
            "name_en": self.name_en,
            "kind": self.kind,
            "account": self.account,
            "jurisdiction_id": self.jurisdiction_id,
            "lost_at": iso(self.lost_at),
            "back_at": optional_iso(self.back_at),
        }


def outage_page(tx: Any, incident_id: str, actor: Actor, after: str, limit: int) -> dict[str, object]:
    """Return the outage an incident stands for, with those of its devices the actor may see, away first.

    Errors: FORBIDDEN, NOT_FOUND when the incident is none or hidden, INVALID cursor.
    """
    visible = require(actor, Permission.READ_INCIDENTS)
    tx.incidents.get(incident_id, visible_to=visible)
    row: OutageRow = tx.supervision.outage_of(incident_id)
    size = min(limit, MAX_LISTED)
    found: Sequence[LostDevice] = tx.supervision.lost_devices(
        row.id, visible_to=visible, after=_rank(after), limit=size + 1
    )
    shown = found[:size]
    return {
        "id": row.id,
        "cause": row.kind,
        "value": row.value,
        "size": row.size,
        "opened_at": iso(row.opened_at),
        "ended_at": optional_iso(row.ended_at),
        "lost": row.lost,
        "back": row.back,
        "most": row.most,
        "items": [one.form() for one in shown],
        "next": pack(*map(str, shown[-1].rank)) if len(found) > size else None,
    }


def _rank(cursor: str) -> tuple[int, int, str] | None:
    parts = unpack(cursor, 3)
    if parts is None:
        return None
    try:
        return int(parts[0]), int(parts[1]), parts[2]
    except ValueError as error:
        raise TocsinError(ErrorCode.INVALID, "the cursor is not one of ours", key="cursor", field="after") from error
