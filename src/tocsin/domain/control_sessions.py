"""Who moves a camera: sessions with a lease and a rank, presets with names, and the rules of taking and keeping.

No control without a view: whoever moves a camera has its picture open for a stated purpose. The supervisor goes before
the operator, and within a rank the one whose incident it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.times import iso
from tocsin.domain.access import Actor, ActorRef, Permission, Rule, is_supervisor_of, scope
from tocsin.domain.channels import IN_SERVICE, ChannelRecord
from tocsin.domain.control import MAX_PRESETS
from tocsin.domain.events import ControlEnded, ControlTaken
from tocsin.domain.refusals import forbidden, require
from tocsin.domain.views import View

CONTROL: Final = Permission.CONTROL_CAMERA
UNDO_S: Final = 6.0
MAX_NAME_CHARS: Final = 64
RANK_SUPERVISOR: Final = 2
RANK_CLAIMANT: Final = 1


@dataclass(slots=True)
class Tally:
    """What was done in one session: movements and how long they lasted, presets called, other acts."""

    moves: int = 0
    moved_ms: int = 0
    calls: int = 0
    acts: int = 0


@dataclass(frozen=True, slots=True)
class ControlSession:
    """A lock of one channel. `rank` decides who goes before whom; the lease is kept beside it, in memory."""

    id: str
    channel_id: str
    jurisdiction_code: str
    user_id: str
    user_name: str
    session_id: str
    view_id: str
    purpose: str
    incident_id: str
    rank: int
    taken_at: datetime
    view_ends_at: datetime
    tally: Tally = field(default_factory=Tally)
    can_move: bool = True

    @property
    def actor(self) -> ActorRef:
        """Its holder as the audit names one."""
        return ActorRef("user", self.user_id)


@dataclass(frozen=True, slots=True)
class PresetRecord:
    """A preset of a channel with its names; `deleted_at` is set while its deletion can still be undone."""

    channel_id: str
    number: int
    name: str
    name_en: str
    is_home: bool = False
    home_after_s: int = 0
    deleted_at: datetime | None = None
    version: int = 1

    def form(self) -> dict[str, object]:
        """Return it as the API shows it."""
        return {
            "number": self.number,
            "name": self.name,
            "name_en": self.name_en,
            "is_home": self.is_home,
            "home_after_s": self.home_after_s if self.is_home else None,
            "version": self.version,
        }


def control_form(
    channel_id: str, held: ControlSession | None, lease_until: datetime | None, reason: str = "", by: str = ""
) -> dict[str, object]:
    """Return who holds a channel as API and feed show it; `reason` says why the last one does no longer."""
    return {
        "camera_id": channel_id,
        "held_by": {"user_id": held.user_id, "name": held.user_name} if held is not None else None,
        "since": iso(held.taken_at) if held is not None else None,
        "lease_expires_at": iso(lease_until) if held is not None and lease_until is not None else None,
        "reason": reason,
        "by": by,
    }


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants control of which channel, through which view; `for_image` to set its picture, moving or not."""

    id: str
    channel_id: str
    view_id: str
    session_id: str
    take_over: bool = False
    for_image: bool = False


def take(tx: Any, wish: Wish, actor: Actor, held: ControlSession | None, lease_s: float) -> ControlSession:
    """Give control. Errors: FORBIDDEN with the rule; NOT_FOUND; CONFLICT `control.fixed`, or `control.held` with the
    holder's name and whether it may be taken over.
    """
    require(actor, CONTROL)
    channel, view = channel_of(tx, wish.channel_id), _view_of(tx, wish, actor)
    if not scope(actor, CONTROL).covers(channel.jurisdiction_code, channel.id) and view.incident_id is None:
        raise forbidden(Rule.OUT_OF_SCOPE)
    if channel.stage != IN_SERVICE:
        raise forbidden(Rule.CHANNEL_NOT_IN_SERVICE)
    if not channel.can_move and not wish.for_image:
        raise TocsinError(ErrorCode.CONFLICT, f"camera {channel.id} cannot move", key="control.fixed")
    session = ControlSession(
        id=wish.id,
        channel_id=channel.id,
        jurisdiction_code=channel.jurisdiction_code,
        user_id=actor.id,
        user_name=actor.name,
        session_id=wish.session_id,
        view_id=view.id,
        purpose=view.purpose,
        incident_id=view.incident_id or "",
        rank=_rank(tx, actor, channel, view),
        taken_at=tx.now,
        view_ends_at=view.expires_at,
        can_move=channel.can_move,
    )
    if held is not None and held.user_id == actor.id:
        again = replace(session, id=held.id, taken_at=held.taken_at, tally=held.tally)
        tx.control.save(again)
        return again
    if held is not None:
        is_lower = held.rank < session.rank
        if not (is_lower and wish.take_over):
            raise TocsinError(
                ErrorCode.CONFLICT,
                f"{held.user_name} moves this camera",
                key="control.held",
                holder=held.user_name,
                since=iso(held.taken_at),
                may_take_over=is_lower,
            )
        end(tx, held, "taken_over", actor.ref, announce=False)
    tx.control.save(session)
    tx.record(
        ControlTaken(
            subject_id=channel.id,
            at=tx.now,
            jurisdiction_code=channel.jurisdiction_code,
            actor=actor.ref,
            data=control_form(
                channel.id,
                session,
                tx.now + timedelta(seconds=lease_s),
                "taken_over" if held is not None else "",
                actor.name,
            ),
            control_id=session.id,
            view_id=view.id,
            purpose=view.purpose,
            incident_id=session.incident_id,
            taken_from=held.user_id if held is not None else "",
        )
    )
    return session


def end(tx: Any, session: ControlSession, reason: str, by: ActorRef, *, announce: bool = True) -> None:
    """End a session and record it with the sum of what was done in it."""
    tx.control.end(session, reason, tx.now)
    tally = session.tally
    tx.record(
        ControlEnded(
            subject_id=session.channel_id,
            at=tx.now,
            jurisdiction_code=session.jurisdiction_code,
            actor=by,
            data=control_form(session.channel_id, None, None, reason) if announce else None,
            control_id=session.id,
            user_id=session.user_id,
            reason=reason,
            purpose=session.purpose,
            incident_id=session.incident_id,
            moves=tally.moves,
            moved_ms=tally.moved_ms,
            presets_called=tally.calls,
            other_acts=tally.acts,
        )
    )


def channel_of(tx: Any, channel_id: str) -> ChannelRecord:
    """Return a channel. Errors: NOT_FOUND."""
    found: ChannelRecord | None = tx.devices.load_channels([channel_id]).get(channel_id)
    if found is None:
        raise TocsinError(ErrorCode.NOT_FOUND, f"no camera {channel_id}")
    return found


def free_number(known: list[PresetRecord]) -> int:
    """Return the lowest number without a preset. Errors: CONFLICT when all 255 are taken."""
    taken = {preset.number for preset in known}
    for number in range(1, MAX_PRESETS + 1):
        if number not in taken:
            return number
    raise TocsinError(ErrorCode.CONFLICT, "all 255 presets are taken", key="control.presets_full")


def preset_names(name: str, name_en: str) -> tuple[str, str]:
    """Return the names of a preset, trimmed; one of the two must be there. Errors: INVALID naming the field."""
    names = name.strip(), name_en.strip()
    for field_name, text in zip(("name", "name_en"), names, strict=True):
        if len(text) > MAX_NAME_CHARS:
            detail = f"at most {MAX_NAME_CHARS} characters"
            raise TocsinError(ErrorCode.INVALID, detail, key="control.field", field=field_name, said=detail)
    if not any(names):
        raise TocsinError(ErrorCode.INVALID, "a preset needs a name", key="control.preset_unnamed", field="name")
    return names


def _view_of(tx: Any, wish: Wish, actor: Actor) -> View:
    live: list[View] = [view for view in tx.views.live([wish.view_id]) if view.is_live(tx.now)]
    if not live or live[0].user_id != actor.id or wish.channel_id not in live[0].channel_ids:
        raise forbidden(Rule.NO_VIEW)
    return live[0]


def may_take_over(tx: Any, held: ControlSession, view_id: str, actor: Actor) -> bool:
    """Say whether the actor, looking through that view, goes before the holder; without a view: by who they are."""
    channel = channel_of(tx, held.channel_id)
    view = tx.views.live([view_id]) if view_id else []
    is_own = bool(view) and view[0].user_id == actor.id and held.channel_id in view[0].channel_ids
    return held.user_id != actor.id and held.rank < _rank(tx, actor, channel, view[0] if is_own else None)


def _rank(tx: Any, actor: Actor, channel: ChannelRecord, view: View | None) -> int:
    rank = RANK_SUPERVISOR if is_supervisor_of(actor, channel.jurisdiction_code, channel.id) else 0
    if view is not None and view.incident_id is not None:
        incident = tx.incidents.load({view.incident_id}).get(view.incident_id)
        if incident is not None and incident.is_open and incident.holder(tx.now) == actor.id:
            rank += RANK_CLAIMANT
    return rank
