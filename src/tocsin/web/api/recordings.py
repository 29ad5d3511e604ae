"""Recordings that lie in devices: what there is, and playing it under a view that names the period."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from tocsin.base.times import iso
from tocsin.domain.access import Actor, Permission
from tocsin.domain.playback import PlaybackState
from tocsin.domain.recording_service import Search
from tocsin.web.api.shapes import In, Out, reply
from tocsin.web.api.views import reachable
from tocsin.web.deps import House, Language, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1", tags=["recordings"])
Viewer = Annotated[Actor, allowed(Permission.VIEW_LIVE)]


class RecordedSpan(Out):
    """A stretch of time that is recorded; `kind` is time, alarm, manual or empty when the device does not say."""

    starts_at: str
    ends_at: str
    kind: str
    files: int
    size_bytes: int


class Recordings(Out):
    """What a device says it has. `state`: searching (ask again), whole, partial or failed, with the reason in words."""

    starts_at: str
    ends_at: str
    state: str
    progress: float
    spans: list[RecordedSpan]
    files: int
    reason: str
    words: str


class Playback(Out):
    """A recording being watched; `live` is a one-use address, given when it is opened."""

    id: str
    view_id: str
    state: str
    reason: str
    words: str
    at: str
    speed: float
    paused: bool
    may_reverse: bool
    live: str


class PlaybackIn(In):
    """Which period of which camera; `codecs` are those the player can show."""

    channel: Annotated[str, Field(max_length=64)]
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    codecs: Annotated[list[str], Field(max_length=50)] = []


class SteerIn(In):
    """What to change: stand still or go on, go to a moment, another speed (-1 is backwards)."""

    paused: bool | None = None
    at: AwareDatetime | None = None
    speed: Annotated[float | None, Field(ge=-1, le=4)] = None


@router.get("/cameras/{camera_id}/recordings", response_model=Recordings)
async def list_recordings(
    camera_id: str,
    house: House,
    actor: Viewer,
    language: Language,
    starts_at: Annotated[AwareDatetime, Query(alias="from")],
    ends_at: Annotated[AwareDatetime, Query(alias="to")],
    again: bool = False,
) -> Response:
    """List what the device has recorded in a period of at most seven days. Errors: forbidden, not_found, invalid."""
    found = await house.recordings.search(
        camera_id, starts_at.astimezone(UTC), ends_at.astimezone(UTC), actor=actor, again=again
    )
    return reply(_search_form(found, house, language))


@router.post("/views/{view_id}/playbacks", response_model=Playback, status_code=201)
async def open_playback(
    request: Request, view_id: str, house: House, actor: Viewer, language: Language, body: PlaybackIn
) -> Response:
    """Play a period of at most 24 hours under a view over recordings that covers it.

    Errors: forbidden with the rule, not_found, invalid, unavailable.
    """
    playback_id, url, view = await house.recordings.open(
        view_id,
        body.channel,
        body.starts_at.astimezone(UTC),
        body.ends_at.astimezone(UTC),
        actor=actor,
        codecs=body.codecs,
    )
    is_secure = house.public_url.startswith("https://")
    live = reachable(url, request.url.hostname or "", is_secure=is_secure)
    state = await house.recordings.state(view.id, playback_id, actor=actor)
    return reply(_form(state, house, language, live), 201)


@router.get("/views/{view_id}/playbacks/{playback_id}", response_model=Playback)
async def read_playback(view_id: str, playback_id: str, house: House, actor: Viewer, language: Language) -> Response:
    """Read how a playback is doing. Errors: not_found, forbidden."""
    return reply(_form(await house.recordings.state(view_id, playback_id, actor=actor), house, language))


@router.patch("/views/{view_id}/playbacks/{playback_id}", response_model=Playback)
async def steer_playback(
    view_id: str, playback_id: str, house: House, actor: Viewer, language: Language, body: SteerIn
) -> Response:
    """Pause, go on, go to a moment, change the speed. Errors: not_found, conflict, invalid, unavailable."""
    at = body.at.astimezone(UTC) if body.at is not None else None
    state = await house.recordings.steer(view_id, playback_id, actor=actor, paused=body.paused, at=at, speed=body.speed)
    return reply(_form(state, house, language))


@router.delete("/views/{view_id}/playbacks/{playback_id}", status_code=204)
async def close_playback(view_id: str, playback_id: str, house: House, actor: Viewer) -> Response:
    """End a playback. Errors: not_found."""
    await house.recordings.close(view_id, playback_id, actor=actor)
    return Response(status_code=204)


def _search_form(search: Search, house: Services, language: str) -> dict[str, Any]:
    found = search.found
    return {
        "starts_at": iso(search.starts),
        "ends_at": iso(search.ends),
        "state": search.state,
        "progress": search.progress,
        "spans": [
            {
                "starts_at": iso(piece.starts),
                "ends_at": iso(piece.ends),
                "kind": piece.kind,
                "files": piece.files,
                "size_bytes": piece.size_bytes,
            }
            for piece in found.pieces
        ],
        "files": found.files,
        "reason": found.problem,
        "words": house.words.text(found.problem, language) if found.problem else "",
    }


def _form(state: PlaybackState, house: Services, language: str, live: str = "") -> dict[str, Any]:
    at: datetime = state.at
    return {
        "id": state.id,
        "view_id": state.view_id,
        "state": state.state,
        "reason": state.reason,
        "words": house.words.text(state.reason, language) if state.reason else "",
        "at": iso(at),
        "speed": state.speed,
        "paused": state.is_paused,
        "may_reverse": state.may_reverse,
        "live": live,
    }
