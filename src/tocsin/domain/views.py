"""Views: purpose-bound, expiring permissions to look, and the rules by which they begin and end.

No picture without one. An open incident shows its linked channels to everybody on duty until a claim; anything else
states a purpose and minutes. Every grant, refusal and end is in the audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import (
    Actor,
    ActorRef,
    CallAccess,
    IncidentAccess,
    Permission,
    Resource,
    Rule,
    Ticket,
    decide,
    is_supervisor_of,
)
from tocsin.domain.events import ViewEnded, ViewOpened
from tocsin.domain.incidents import Incident
from tocsin.domain.refusals import require

MAX_CHANNELS = 64
LONGEST_RECORDINGS = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class View:
    """A permission to look at channels until a time; `supervises` keeps it when the incident is claimed."""

    id: str
    user_id: str
    session_id: str
    purpose: str
    channel_ids: tuple[str, ...]
    jurisdiction_code: str
    opened_at: datetime
    expires_at: datetime
    incident_id: str | None = None
    supervises: bool = False
    ended_at: datetime | None = None
    end_reason: str = ""
    recordings_from: datetime | None = None
    recordings_to: datetime | None = None
    subs: frozenset[str] = frozenset()  # channels of which the sub stream was asked for
    call_id: str | None = None

    def is_live(self, now: datetime) -> bool:
        """True while it permits looking."""
        return self.ended_at is None and now < self.expires_at

    @property
    def is_of_recordings(self) -> bool:
        """True for a view over a recorded period; it shows no live picture."""
        return self.recordings_from is not None and self.recordings_to is not None

    def shows_recording(self, channel_id: str, starts: datetime, ends: datetime) -> bool:
        """True when the period of that channel lies inside what was asked for."""
        if self.recordings_from is None or self.recordings_to is None or channel_id not in self.channel_ids:
            return False
        return self.recordings_from <= starts and ends <= self.recordings_to


@dataclass(frozen=True, slots=True)
class ChannelAccess:
    """What the view rules need to know of a channel."""

    id: str
    jurisdiction_code: str
    stage: str


def view_form(view: View) -> dict[str, object]:
    """Return a view as the feed tells its end; the live addresses are added where they are made."""
    return {
        "id": view.id,
        "user_id": view.user_id,
        "purpose": view.purpose,
        "incident_id": view.incident_id,
        "channels": list(view.channel_ids),
        "reason": view.end_reason,
    }


def access_of(incident: Incident, channel_ids: Sequence[str], now: datetime) -> IncidentAccess:
    """Return what the view rules need to know of an incident."""
    return IncidentAccess(
        incident.id, incident.jurisdiction_code, incident.is_open, incident.holder(now), frozenset(channel_ids)
    )


def grant(tx: Any, view: View, actor: Actor, minutes: float) -> View:
    """Open a view when every channel is allowed: one refused refuses all. Errors: FORBIDDEN, NOT_FOUND, INVALID.

    A channel or incident outside the actor's jurisdiction is NOT_FOUND: its existence is no news.
    """
    require(actor, Permission.VIEW_LIVE)
    if not view.channel_ids or len(view.channel_ids) > MAX_CHANNELS:
        raise TocsinError(ErrorCode.INVALID, f"name 1 to {MAX_CHANNELS} channels", field="channels")
    period = view.recordings_to - view.recordings_from if view.recordings_from and view.recordings_to else None
    if period is not None and not timedelta() < period <= LONGEST_RECORDINGS:
        raise TocsinError(ErrorCode.INVALID, "name a period of at most seven days", field="recordings")
    served, first = permit(tx, view, view.channel_ids, actor, minutes)
    opened = replace(
        view,
        jurisdiction_code=(served or first).jurisdiction_code,
        supervises=served is not None and is_supervisor_of(actor, served.jurisdiction_code, served.id),
        opened_at=tx.now,
        expires_at=tx.now + timedelta(minutes=minutes),
    )
    tx.views.add(opened)
    tx.record(
        ViewOpened(
            subject_id=opened.id,
            at=tx.now,
            jurisdiction_code=opened.jurisdiction_code,
            actor=actor.ref,
            purpose=opened.purpose,
            channels=opened.channel_ids,
            expires_at=opened.expires_at,
            incident_id=opened.incident_id or "",
            call_id=opened.call_id or "",
            recordings_from=opened.recordings_from,
            recordings_to=opened.recordings_to,
        )
    )
    return opened


def permit(
    tx: Any, view: View, channel_ids: Sequence[str], actor: Actor, minutes: float
) -> tuple[IncidentAccess | CallAccess | None, ChannelAccess]:
    """Decide on each channel under the view's purpose; return its incident or call, and the first channel.

    Errors: FORBIDDEN with the rule, NOT_FOUND.
    """
    incident = None
    if view.incident_id is not None:
        found = tx.incidents.get(view.incident_id, visible_to=require(actor, Permission.READ_INCIDENTS))
        incident = access_of(found, tx.incidents.linked_channels(found.id), tx.now)
    call = None
    if view.call_id is not None:
        call = tx.intercoms.get(view.call_id, visible_to=require(actor, Permission.HANDLE_INCIDENT)).access()
    known: dict[str, ChannelAccess] = tx.views.channels(channel_ids)
    if call is not None and call.own_picture:
        known[call.own_picture] = ChannelAccess(call.own_picture, call.jurisdiction_code, "in_service")
    ticket = Ticket(view.purpose, minutes, incident, call)
    for channel_id in channel_ids:
        channel = known.get(channel_id)
        if channel is None:
            raise _refusal(Rule.OUT_OF_SCOPE, view, channel_id)
        resource = Resource("channel", channel.id, channel.jurisdiction_code, channel.stage)
        decision = decide(actor, Permission.VIEW_LIVE, resource, ticket, tx.now)
        if not decision.allowed:
            raise _refusal(decision.rule, view, channel_id)

    return incident or call, known[channel_ids[0]]


def _refusal(rule: Rule, view: View, channel_id: str) -> TocsinError:
    code = ErrorCode.NOT_FOUND if rule is Rule.OUT_OF_SCOPE else ErrorCode.FORBIDDEN
    detail = f"no channel {channel_id}" if rule is Rule.OUT_OF_SCOPE else f"refused by rule {rule.value}"
    return TocsinError(
        code,
        detail,
        key=rule.value,
        rule=rule.value,
        channel=channel_id,
        purpose=view.purpose,
        channels=list(view.channel_ids),
        incident_id=view.incident_id or "",
    )


def end_views(tx: Any, views: Sequence[View], *, reason: str, by: ActorRef) -> tuple[str, ...]:
    """End live views and record it; the feed's `view.ended` is what the media side acts on. Return their ids."""
    ended = [replace(view, ended_at=tx.now, end_reason=reason) for view in views]
    tx.views.end(ended)
    tx.record_many(
        ViewEnded(
            subject_id=view.id,
            at=tx.now,
            jurisdiction_code=view.jurisdiction_code,
            actor=by,
            reason=reason,
            user_id=view.user_id,
            channels=view.channel_ids,
            incident_id=view.incident_id or "",
            data=view_form(view),
        )
        for view in ended
    )
    return tuple(view.id for view in ended)
