"""Clips as people meet them: listed with their incident, opened under a view, asked for again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from tocsin.base.clock import Clock
from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission, Rule
from tocsin.domain.clip_events import ClipAskedAgain, ClipOpened
from tocsin.domain.clip_own import OwnClips, SegmentVideo
from tocsin.domain.clips import FETCHING, READY, RECORDING, SETTLE, UNDER_WAY, Clip, clip_form
from tocsin.domain.downloads import SPEED
from tocsin.domain.refusals import UseCases, forbidden, require
from tocsin.domain.store import Store
from tocsin.domain.views import View

REMEMBERED: Final = 10_000
FETCH_EXTRA_S: Final = 6.0  # a call, its first picture, its drain


class ClipFiles(Protocol):
    """Where fetched clips lie, and how a fetch is doing."""

    def path(self, name: str) -> Path:
        """Return where a file lies."""

    def left_s(self, clip: Clip) -> float | None:
        """Return the seconds left of a fetch under way; None when that cannot be told."""


@dataclass(frozen=True, slots=True)
class ShownClip:
    """A clip and the seconds until it is likely to be there; None when it is over or cannot be told."""

    clip: Clip
    ready_in_s: float | None


class ClipService(UseCases):
    """Use cases of clips. `own` puts clips of our own recordings together."""

    def __init__(self, store: Store, clock: Clock, files: ClipFiles, own: OwnClips | None = None) -> None:
        super().__init__(store)
        self._own = own
        self._clock = clock
        self._files = files
        self._opened: OrderedDict[tuple[str, str, str], None] = OrderedDict()

    async def listed(self, incident_id: str, *, actor: Actor) -> list[ShownClip]:
        """Return the clips of an incident, oldest first. Errors: FORBIDDEN, NOT_FOUND."""
        found: list[Clip] = await self._store.read(_listed, incident_id, actor)
        return [ShownClip(one, self._ready_in_s(one)) for one in found]

    async def open(self, clip_id: str, view_id: str, *, actor: Actor) -> Clip:
        """Return a clip that the actor may look at now, under the view named; recorded once for each view.

        Errors: NOT_FOUND, FORBIDDEN with the rule, CONFLICT while it has no video.
        """
        known = (view_id, clip_id, actor.id)
        is_new = known not in self._opened
        clip: Clip = await self._act("clip.opened", "clip", clip_id, actor, _open, clip_id, view_id, is_new, actor)
        self._opened[known] = None
        while len(self._opened) > REMEMBERED:
            self._opened.popitem(last=False)
        return clip

    def path(self, clip: Clip) -> Path:
        """Return where the file of a clip lies."""
        return self._files.path(clip.file)

    async def own_video(self, clip: Clip) -> SegmentVideo | None:
        """Return the video of a clip of our own recordings; None for one in a file. Errors: UNAVAILABLE."""
        if clip.file or self._own is None:
            return None
        return await self._own.video(self._store, clip)

    async def ask_again(self, clip_id: str, *, actor: Actor) -> ShownClip:
        """Try once more to get what is missing. Errors: NOT_FOUND, FORBIDDEN, CONFLICT while it is being made."""
        clip: Clip = await self._act("clip.asked_again", "clip", clip_id, actor, _ask_again, clip_id, actor)
        return ShownClip(clip, self._ready_in_s(clip))

    def _ready_in_s(self, clip: Clip) -> float | None:
        if clip.state == FETCHING:
            left_s = self._files.left_s(clip)
            if left_s is not None:
                return left_s + FETCH_EXTRA_S / 2
        if clip.state not in UNDER_WAY:
            return None
        wait_s = ((clip.due_at or clip.ends + SETTLE) - self._clock.now()).total_seconds()
        return max(0.0, wait_s) + (clip.ends - clip.starts).total_seconds() / SPEED + FETCH_EXTRA_S


def shown_form(shown: ShownClip) -> dict[str, object]:
    """Return a clip as the API shows it, but for words."""
    left_s = shown.ready_in_s
    return {**clip_form(shown.clip), "ready_in_s": None if left_s is None else round(left_s, 1)}


def _readable(tx: Any, incident_id: str, actor: Actor, permission: Permission) -> None:
    tx.incidents.get(incident_id, visible_to=require(actor, permission))


def _listed(tx: Any, incident_id: str, actor: Actor) -> list[Clip]:
    _readable(tx, incident_id, actor, Permission.READ_INCIDENTS)
    found: list[Clip] = tx.clips.of_incident(incident_id)
    return found


def _open(tx: Any, clip_id: str, view_id: str, is_new: bool, actor: Actor) -> Clip:
    require(actor, Permission.VIEW_LIVE)
    clip: Clip = tx.clips.get(clip_id)
    view: View = tx.views.get(view_id, user_id=actor.id)
    if not view.is_live(tx.now) or not _shows(view, clip):
        raise forbidden(Rule.NO_VIEW)
    if not clip.has_video:
        raise TocsinError(ErrorCode.CONFLICT, "there is no video yet", key="clip.no_video")
    if is_new:
        tx.record(
            ClipOpened(
                subject_id=clip.id,
                at=tx.now,
                jurisdiction_code=clip.jurisdiction_code,
                actor=actor.ref,
                incident_id=clip.incident_id,
                channel_id=clip.channel_id,
                kind=clip.kind,
                view_id=view.id,
                purpose=view.purpose,
                sha256=clip.sha256,
            )
        )
    return clip


def _shows(view: View, clip: Clip) -> bool:
    """Say whether a view lets this clip be seen: one of its incident with the camera, or one over its time."""
    if view.is_of_recordings:
        return view.shows_recording(clip.channel_id, clip.starts, clip.ends)
    return view.incident_id == clip.incident_id and clip.channel_id in view.channel_ids


def _ask_again(tx: Any, clip_id: str, actor: Actor) -> Clip:
    clip: Clip = tx.clips.get(clip_id)
    _readable(tx, clip.incident_id, actor, Permission.HANDLE_INCIDENT)
    if clip.state in UNDER_WAY or clip.state == READY:
        raise TocsinError(ErrorCode.CONFLICT, "it is whole, or being made", key="clip.under_way")
    again = replace(clip, state=RECORDING, reason="", tries=0, due_at=tx.now)
    tx.clips.save(again)
    tx.record(
        ClipAskedAgain(
            subject_id=clip.id,
            at=tx.now,
            jurisdiction_code=clip.jurisdiction_code,
            actor=actor.ref,
            data=clip_form(again),
            incident_id=clip.incident_id,
            channel_id=clip.channel_id,
            kind=clip.kind,
        )
    )
    return again
