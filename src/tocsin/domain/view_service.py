"""Views as the web calls them: granted in the store, then opened at the media side, and ended there when revoked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.base.ids import new_id
from tocsin.domain.access import SYSTEM, Actor, Purpose
from tocsin.domain.directory import Channel
from tocsin.domain.events import FirstFrameShown
from tocsin.domain.incident_desk import Desk
from tocsin.domain.incidents import Source, StampName
from tocsin.domain.plans import StepKind
from tocsin.domain.refusals import UseCases
from tocsin.domain.store import Store
from tocsin.domain.streams import Stream
from tocsin.domain.video import LiveAddress, PictureService
from tocsin.domain.view_changes import choose_streams, extend, renew
from tocsin.domain.views import View, end_views, grant

MAX_WAITING_ENDS = 10_000
_NOT_YET = datetime(1970, 1, 1, tzinfo=UTC)


class Channels(Protocol):
    """The part of the directory that knows channels."""

    def channel(self, channel_id: str) -> Channel | None:
        """Return a channel, or None."""


class Announced(Protocol):
    """The part of a committed announcement that says what changed."""

    @property
    def type(self) -> str:
        """Feed type."""

    @property
    def subject_id(self) -> str:
        """Id of what changed."""


@dataclass(frozen=True, slots=True)
class OpenedView:
    """A granted view with a one-use address for each channel whose picture could be asked for."""

    view: View
    live: dict[str, LiveAddress]


class ViewService(UseCases):
    """Permissions to look, and the pictures they open."""

    def __init__(self, store: Store, channels: Channels, pictures: PictureService) -> None:
        super().__init__(store)
        self._channels = channels
        self._pictures = pictures
        self._ends: asyncio.Queue[str] = asyncio.Queue(MAX_WAITING_ENDS)

    async def open(
        self,
        *,
        actor: Actor,
        session_id: str,
        channels: Sequence[str],
        purpose: str,
        minutes: float,
        incident_id: str | None = None,
        codecs: Sequence[str] = (),
        audio: bool = False,
        recordings: tuple[datetime, datetime] | None = None,
        live: bool = True,
        streams: Mapping[str, str] | None = None,
        call_id: str | None = None,
    ) -> OpenedView:
        """Grant a view and start its pictures (not waited for); one over `recordings`, or not `live`, starts none.

        Errors: FORBIDDEN with the rule; NOT_FOUND for a channel or incident out of scope; INVALID; UNAVAILABLE when no
        picture could be asked for at all.
        """
        wanted = _request(actor, session_id, channels, purpose, incident_id)
        wanted = replace(wanted, subs=_subs(streams, wanted.channel_ids), call_id=call_id)
        if recordings is not None:
            wanted = replace(wanted, recordings_from=recordings[0], recordings_to=recordings[1])
        view = await self._act("view.opened", "view", wanted.id, actor, grant, wanted, actor, minutes)
        if view.is_of_recordings or not live:
            return OpenedView(view, {})
        addresses, failure = await self._addresses(view, view.channel_ids, actor, codecs, audio)
        if not addresses and failure is not None:
            await self._store.run(_end, (view.id,), "media_unavailable")
            raise failure
        return OpenedView(view, addresses)

    async def extend(
        self,
        view_id: str,
        *,
        actor: Actor,
        session_id: str,
        channels: Sequence[str],
        streams: Mapping[str, str] | None = None,
        codecs: Sequence[str] = (),
        audio: bool = False,
    ) -> OpenedView:
        """Add channels to an open view and start their pictures. Errors: as `open`; CONFLICT when it ended."""
        subs = _subs(streams, channels)
        view = await self._act(
            "view.extended", "view", view_id, actor, extend, view_id, session_id, tuple(channels), subs, actor
        )
        live, failure = await self._addresses(view, tuple(dict.fromkeys(channels)), actor, codecs, audio)
        if not live and failure is not None:
            raise failure
        return OpenedView(view, live)

    async def renew(self, view_id: str, *, actor: Actor, session_id: str, minutes: float) -> View:
        """Let an open view last `minutes` from now, its pictures too. Errors: FORBIDDEN, NOT_FOUND, CONFLICT."""
        view = await self._act("view.renewed", "view", view_id, actor, renew, view_id, session_id, minutes, actor)
        await self._pictures.renew_view(view.id, view.expires_at)
        return view

    async def choose_streams(
        self,
        view_id: str,
        *,
        actor: Actor,
        session_id: str,
        streams: Mapping[str, str],
        codecs: Sequence[str] = (),
        audio: bool = False,
    ) -> OpenedView:
        """Return a fresh address for each named channel of an open view, of the stream asked for.

        Errors: NOT_FOUND for a view or channel that is not there; CONFLICT when it ended; UNAVAILABLE.
        """
        chosen = dict(streams)
        view = await self._act(
            "view.streams", "view", view_id, actor, choose_streams, view_id, session_id, chosen, actor
        )
        live, failure = await self._addresses(view, tuple(chosen), actor, codecs, audio)
        if not live and failure is not None:
            raise failure
        return OpenedView(view, live)

    async def _addresses(
        self, view: View, channel_ids: Sequence[str], actor: Actor, codecs: Sequence[str], audio: bool
    ) -> tuple[dict[str, LiveAddress], TocsinError | None]:
        live: dict[str, LiveAddress] = {}
        failure: TocsinError | None = None
        for channel_id in channel_ids:
            channel = self._channels.channel(channel_id)
            try:
                if channel is None:
                    raise TocsinError(ErrorCode.UNAVAILABLE, f"channel {channel_id} is not ready", key="channel_absent")
                live[channel_id] = await self._pictures.open_view(
                    view_id=view.id,
                    channel=channel,
                    user_id=actor.id,
                    expires_at=view.expires_at,
                    codecs=tuple(codecs),
                    audio=audio,
                    is_alarm=view.purpose in (Purpose.ALARM_VERIFICATION, Purpose.DOOR_CALL),
                    stream=Stream.SUB if channel_id in view.subs else Stream.MAIN,
                )
            except TocsinError as error:
                failure = error
        return live, failure

    async def own(self, *, actor: Actor) -> list[View]:
        """Return the views the actor has open."""
        return await self._store.read(_live_of_user, actor.id)

    async def close(self, view_id: str, *, actor: Actor) -> None:
        """End one of the actor's own views; ending it twice is no error. Errors: NOT_FOUND."""
        await self._act("view.ended", "view", view_id, actor, _close, view_id, actor)
        await self._pictures.end_view(view_id, "closed")

    async def first_frame(self, view_id: str, channel_id: str, *, actor: Actor) -> bool:
        """Keep that a console showed the first picture of a channel (t6); completes the view step of its incident.

        Errors: NOT_FOUND for a view that is not the actor's.
        """
        return await self._store.run(_first_frame, view_id, channel_id, actor)

    async def expire(self) -> int:
        """End views whose time is up; return how many."""
        return await self._store.run(_expire)

    async def end_of_session(self, session_id: str, reason: str) -> int:
        """End the views of a session that ended; return how many."""
        return await self._store.run(_end_of_session, session_id, reason)

    # --- telling the media side ---

    def hear(self, announcements: Sequence[Announced]) -> None:
        """Take committed announcements (`store.on_committed`): an ended view is passed to the media side."""
        for announcement in announcements:
            if announcement.type == "view.ended" and not self._ends.full():
                self._ends.put_nowait(announcement.subject_id)

    async def pass_ends(self) -> None:
        """Tell the media side of ended views, for ever; a worker ends expired ones by itself."""
        while True:
            view_id = await self._ends.get()
            await self._pictures.end_view(view_id, "revoked")


def _request(actor: Actor, session_id: str, channels: Sequence[str], purpose: str, incident_id: str | None) -> View:
    """Return the view as asked for; `grant` gives it its times."""
    return View(
        id=new_id(),
        user_id=actor.id,
        session_id=session_id,
        purpose=purpose,
        channel_ids=tuple(dict.fromkeys(channels)),
        jurisdiction_code="",
        opened_at=_NOT_YET,
        expires_at=_NOT_YET,
        incident_id=incident_id,
    )


def _subs(streams: Mapping[str, str] | None, channels: Sequence[str]) -> frozenset[str]:
    return frozenset(channel_id for channel_id in channels if (streams or {}).get(channel_id) == Stream.SUB)


def _live_of_user(tx: Any, user_id: str) -> list[View]:
    found: list[View] = tx.views.live_of_user(user_id)
    return [view for view in found if view.is_live(tx.now)]


def _close(tx: Any, view_id: str, actor: Actor) -> None:
    view: View = tx.views.get(view_id, user_id=actor.id)
    if view.ended_at is None:
        end_views(tx, [view], reason="closed", by=actor.ref)


def _end(tx: Any, view_ids: Sequence[str], reason: str) -> int:
    return len(end_views(tx, tx.views.live(view_ids), reason=reason, by=SYSTEM))


def _expire(tx: Any) -> int:
    return len(end_views(tx, tx.views.expired(tx.now), reason="expired", by=SYSTEM))


def _end_of_session(tx: Any, session_id: str, reason: str) -> int:
    return len(end_views(tx, tx.views.live_of_session(session_id), reason=reason, by=SYSTEM))


def _first_frame(tx: Any, view_id: str, channel_id: str, actor: Actor) -> bool:
    view: View = tx.views.get(view_id, user_id=actor.id)
    if channel_id not in view.channel_ids:
        raise TocsinError(ErrorCode.NOT_FOUND, f"view {view_id} does not show {channel_id}")
    is_first: bool = tx.views.first_frame(view_id, channel_id, tx.now)
    if not is_first or view.incident_id is None:
        return is_first
    incident = tx.incidents.load({view.incident_id}).get(view.incident_id)
    if incident is None or not incident.is_open:
        return is_first
    desk = Desk(tx, incident, actor.ref)
    desk.stamp(StampName.FIRST_FRAME, Source.CONSOLE)
    desk.add(lambda i: FirstFrameShown(view_id=view_id, channel_id=channel_id, **desk.common(i)))
    desk.complete(StepKind.VIEW, "first_frame")
    desk.finish_quietly()
    return is_first
