"""Use cases of alarm load: how it is now, measures of a time, and many alike incidents closed with one reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso, iso_us, to_us
from tocsin.domain import incident_acts
from tocsin.domain.access import Actor, Permission, Scope
from tocsin.domain.alarm_load import MIX, Flood, Load, floods, measure
from tocsin.domain.alarm_rules import LIFE_SAFETY
from tocsin.domain.incident_detail import NoteKind
from tocsin.domain.incidents import Incident, Verdict
from tocsin.domain.notices import FLOOD, NoticeBoard, Severity
from tocsin.domain.refusals import UseCases, require
from tocsin.domain.store import Store

MAX_DAYS: Final = 31
LOOK_BACK: Final = timedelta(hours=6)
LOW_CLASS: Final = 4  # this priority and below may be closed together
MAX_TOGETHER: Final = 500


@dataclass(frozen=True, slots=True)
class Group:
    """Open incidents nobody holds, of one site and cause."""

    jurisdiction_id: str
    jurisdiction_code: str
    kind: str
    priority: int
    count: int
    alarms: int
    first_at: datetime
    last_at: datetime
    title_en: str
    title_zh: str
    incident_ids: tuple[str, ...]

    @property
    def may_close(self) -> bool:
        """Say whether they may be closed together: low class, and nothing about life."""
        return self.priority >= LOW_CLASS and self.kind not in LIFE_SAFETY

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "jurisdiction_id": self.jurisdiction_id,
            "jurisdiction_code": self.jurisdiction_code,
            "kind": self.kind,
            "priority": self.priority,
            "count": self.count,
            "alarms": self.alarms,
            "first_at": iso(self.first_at),
            "last_at": iso(self.last_at),
            "title": self.title_zh,
            "title_en": self.title_en,
            "title_zh": self.title_zh,
            "incident_ids": list(self.incident_ids),
            "may_close": self.may_close,
        }


class LoadService(UseCases):
    """How much is asked of those who watch."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store)
        self._clock = clock

    async def now(self, *, actor: Actor) -> dict[str, object]:
        """Return whether there is a flood, since when, and what is open by site and cause. Errors: FORBIDDEN."""
        return await self._store.read(_now, actor)

    async def measures(self, received_from: datetime, received_to: datetime, *, actor: Actor) -> dict[str, object]:
        """Return the measures of a time of at most 31 days. Errors: FORBIDDEN, INVALID."""
        if not timedelta() < received_to - received_from <= timedelta(days=MAX_DAYS):
            raise TocsinError(ErrorCode.INVALID, f"ask for at most {MAX_DAYS} days", field="to")
        return await self._store.read(_measures, actor, received_from, min(received_to, self._clock.now()))

    async def close_together(
        self, incident_ids: Sequence[str], cause: str, reason: str, *, actor: Actor
    ) -> dict[str, object]:
        """Close alike incidents of low class as false, each with the same cause and reason; say what came of each.

        Errors: FORBIDDEN, INVALID. What may not be closed so, or somebody holds, is left and named.
        """
        if not 1 <= len(set(incident_ids)) <= MAX_TOGETHER:
            raise TocsinError(ErrorCode.INVALID, f"1 to {MAX_TOGETHER} incidents at once", field="incident_ids")
        if not reason.strip():
            raise TocsinError(ErrorCode.INVALID, "write the reason", field="reason")
        require(actor, Permission.HANDLE_INCIDENT)
        closed: list[str] = []
        left: list[dict[str, str]] = []
        for incident_id in dict.fromkeys(incident_ids):  # each its own act: one that cannot be closed holds up none
            try:
                await self._act(
                    "incident.closed", "incident", incident_id, actor, _close, incident_id, cause, reason, actor
                )
            except TocsinError as error:
                if error.code is ErrorCode.INVALID and error.params.get("field") == "cause":
                    raise
                left.append({"incident_id": incident_id, "code": error.code.value, "reason": error.key or error.detail})
            else:
                closed.append(incident_id)
        return {"closed": closed, "left": left}


class FloodWatch:
    """Tells the room when more comes than can be decided about, and when that is over."""

    def __init__(self, store: Store, notices: NoticeBoard) -> None:
        self._store = store
        self._notices = notices

    async def check(self) -> None:
        """Raise the notice of a flood, or clear it. Call it every few seconds."""
        flood, seats = await self._store.read(_flood)
        if flood is None:
            self._notices.clear_transient(FLOOD)
        else:
            params = {"alarms": flood.alarms, "seats": seats}
            self._notices.raise_transient(FLOOD, Severity.WARNING, params=params)


def _flood(tx: Any) -> tuple[Flood | None, int]:
    """Return the flood of the whole house that lasts, and the seats on duty."""
    seats = max(1, tx.load.seats_on_duty(tx.now))
    rows = tx.load.alarms(tx.now - LOOK_BACK, tx.now, visible_to=Scope(("",)))
    found = floods([row.at_us for row in rows], to_us(tx.now), seats)
    return (found[-1] if found and found[-1].to_us is None else None), seats


def _now(tx: Any, actor: Actor) -> dict[str, object]:
    visible = require(actor, Permission.READ_INCIDENTS)
    seats = max(1, tx.load.seats_on_duty(tx.now))
    rows = tx.load.alarms(tx.now - LOOK_BACK, tx.now, visible_to=visible)
    times = [row.at_us for row in rows]
    found = floods(times, to_us(tx.now), seats)
    current = found[-1] if found and found[-1].to_us is None else None
    groups: list[Group] = tx.load.groups(visible_to=visible, limit=MAX_TOGETHER)
    recent_us = to_us(tx.now) - 600_000_000
    return {
        "at": iso(tx.now),
        "seats": seats,
        "last_10_min": sum(at_us > recent_us for at_us in times),
        "flood_since": None if current is None else iso_us(current.from_us),
        "flood_alarms": 0 if current is None else current.alarms,
        "groups": [group.form() for group in groups],
    }


def _measures(tx: Any, actor: Actor, received_from: datetime, received_to: datetime) -> dict[str, object]:
    visible = require(actor, Permission.READ_INCIDENTS)
    rows = tx.load.alarms(received_from, received_to, visible_to=visible, with_seats=True)
    seats = max(1, len({row.seat for row in rows if row.seat}))
    load: Load = measure(rows, to_us(received_from), to_us(received_to), seats)
    names = tx.rules.names({source.device_id for source in load.top})
    return {
        "from": iso(received_from),
        "to": iso(received_to),
        "seats": seats,
        "rate": load.rate.form(),
        "by_seat": [{"seat": seat, **rate.form()} for seat, rate in load.by_seat.items()],
        "floods": [
            {
                "from": iso_us(flood.from_us),
                "to": None if flood.to_us is None else iso_us(flood.to_us),
                "alarms": flood.alarms,
            }
            for flood in load.floods[::-1][:100]
        ],
        "flood_share": round(load.flood_share, 4),
        "hours_over_share": round(load.hours_over_share, 4),
        "mix": [
            {"name": name, "share": round(load.mix[name], 4), "target": target} for name, (_, target) in MIX.items()
        ],
        "by_priority": {str(priority): count for priority, count in load.by_priority.items()},
        "top": [
            {
                "device_id": source.device_id,
                "device_name": names.get(source.device_id, ("", ""))[0],
                "device_name_en": names.get(source.device_id, ("", ""))[1],
                "zone": source.zone,
                "alarms": source.alarms,
                "chatters": source.chatters,
            }
            for source in load.top
        ],
        "top_share": round(load.top_share, 4),
        "chattering": load.chattering,
        "stale": load.stale,
    }


def _close(tx: Any, incident_id: str, cause: str, reason: str, actor: Actor) -> Incident:
    """Claim, note, decide and close one incident, as by hand; each step leaves its own record."""
    known: Incident = tx.incidents.get(incident_id, visible_to=require(actor, Permission.HANDLE_INCIDENT))
    if known.priority < LOW_CLASS or known.kind in LIFE_SAFETY:
        raise TocsinError(ErrorCode.CONFLICT, "this incident is decided by itself", key="not_low_class")
    taken = incident_acts.claim(tx, incident_id, actor, known.version)
    noted = incident_acts.add_note(tx, incident_id, actor, taken.version, reason, NoteKind.NOTE)
    decided = incident_acts.decide_verdict(tx, incident_id, actor, noted.version, Verdict.FALSE, cause)
    return incident_acts.close(tx, incident_id, actor, decided.version, "")
