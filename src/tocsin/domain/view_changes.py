"""What may change of an open view: channels are added, it is renewed by its holder, other streams are asked for.

The purpose never changes: another purpose is another view. Each change is decided anew by the rules and recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission
from tocsin.domain.events import ViewExtended, ViewRenewed, ViewStreamsChosen
from tocsin.domain.refusals import require
from tocsin.domain.streams import Stream
from tocsin.domain.views import MAX_CHANNELS, View, permit


def _open_view(tx: Any, view_id: str, session_id: str, actor: Actor) -> View:
    require(actor, Permission.VIEW_LIVE)
    view: View = tx.views.get(view_id, user_id=actor.id)
    if not view.is_live(tx.now) or view.session_id != session_id:
        raise TocsinError(ErrorCode.CONFLICT, f"view {view_id} has ended", key="view.ended")
    if view.is_of_recordings:
        raise TocsinError(ErrorCode.CONFLICT, "a view of recordings is opened anew, not changed", key="view.recordings")
    return view


def _minutes_left(tx: Any, view: View) -> float:
    left: timedelta = view.expires_at - tx.now
    return left.total_seconds() / 60


def extend(
    tx: Any, view_id: str, session_id: str, channel_ids: Sequence[str], subs: frozenset[str], actor: Actor
) -> View:
    """Add channels to an open view; its end stays. Those it has already are asked for again without a record.

    Errors: NOT_FOUND; CONFLICT when it ended; FORBIDDEN with the rule; INVALID beyond the greatest number.
    """
    view = _open_view(tx, view_id, session_id, actor)
    added = tuple(channel_id for channel_id in dict.fromkeys(channel_ids) if channel_id not in view.channel_ids)
    if not channel_ids or len(view.channel_ids) + len(added) > MAX_CHANNELS:
        raise TocsinError(ErrorCode.INVALID, f"a view holds at most {MAX_CHANNELS} channels", field="channels")
    if added:
        permit(tx, view, added, actor, _minutes_left(tx, view))
        tx.views.add_channels(view.id, {channel_id: channel_id in subs for channel_id in added})
        tx.record(
            ViewExtended(
                subject_id=view.id,
                at=tx.now,
                jurisdiction_code=view.jurisdiction_code,
                actor=actor.ref,
                purpose=view.purpose,
                channels=added,
                expires_at=view.expires_at,
                incident_id=view.incident_id or "",
            )
        )
    return replace(view, channel_ids=(*view.channel_ids, *added), subs=view.subs | (subs & frozenset(added)))


def renew(tx: Any, view_id: str, session_id: str, minutes: float, actor: Actor) -> View:
    """Let an open view last `minutes` from now; every channel is decided on again. Errors: as `extend`."""
    view = _open_view(tx, view_id, session_id, actor)
    permit(tx, view, view.channel_ids, actor, minutes)
    renewed = replace(view, expires_at=tx.now + timedelta(minutes=minutes))
    tx.views.renew(renewed)
    tx.record(
        ViewRenewed(
            subject_id=view.id,
            at=tx.now,
            jurisdiction_code=view.jurisdiction_code,
            actor=actor.ref,
            purpose=view.purpose,
            channels=view.channel_ids,
            expires_at=renewed.expires_at,
            incident_id=view.incident_id or "",
        )
    )
    return renewed


def choose_streams(tx: Any, view_id: str, session_id: str, streams: Mapping[str, str], actor: Actor) -> View:
    """Ask for other streams of channels the view has. Errors: NOT_FOUND, also for a channel it has not; CONFLICT."""
    view = _open_view(tx, view_id, session_id, actor)
    strange = next((channel_id for channel_id in streams if channel_id not in view.channel_ids), None)
    if strange is not None:
        raise TocsinError(ErrorCode.NOT_FOUND, f"view {view_id} does not show {strange}")
    changed = {
        channel_id: stream
        for channel_id, stream in streams.items()
        if (stream == Stream.SUB) != (channel_id in view.subs)
    }
    if not changed:
        return view
    tx.views.set_streams(view.id, {channel_id: stream == Stream.SUB for channel_id, stream in changed.items()})
    tx.record(
        ViewStreamsChosen(
            subject_id=view.id,
            at=tx.now,
            jurisdiction_code=view.jurisdiction_code,
            actor=actor.ref,
            streams=tuple(f"{channel_id}:{stream}" for channel_id, stream in sorted(changed.items())),
        )
    )
    now_sub = {channel_id for channel_id, stream in changed.items() if stream == Stream.SUB}
    return replace(view, subs=(view.subs - changed.keys()) | now_sub)
