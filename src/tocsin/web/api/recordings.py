"""What is recorded of a camera, by the house and in its device, and playing the device's under a view."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from tocsin.base.times import iso, iso_us
from tocsin.domain.access import Actor, Permission
from tocsin.domain.playback import PlaybackState
from tocsin.domain.recorded import Mark, StreamSpans
from tocsin.domain.recording_service import Search
from tocsin.web.api.shapes import In, Out, reply
from tocsin.web.api.views import reachable
from tocsin.web.deps import House, Language, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1", tags=["recordings"])
Viewer = Annotated[Actor, allowed(Permission.VIEW_LIVE)]


class RecordedSpan(Out):
    """A stretch of time that is recorded. `source`: house or device; `stream`: main or sub, the house's alone.

    `kind` is time, alarm, manual or empty when the device does not say.
    """

    source: str
    stream: str
    starts_at: str
    ends_at: str
    kind: str
    files: int
    size_bytes: int


class TimelineGap(Out):
    """A stretch the house did not record, with its reason in words; `ends_at` null while it lasts."""

    stream: str
    starts_at: str
    ends_at: str | None
    reason: str
    words: str


class TimelineMark(Out):
    """Something to find on a timeline; `kind` is alarm or hold."""

    kind: str
    starts_at: str
    ends_at: str
    words: str
    incident_id: str
    priority: int | None


class Recordings(Out):
    """What is recorded. `state` is that of the device's answer: searching (ask again), whole, partial or failed, with
    the reason in words; `gaps` are the house's.
    """

    starts_at: str
    ends_at: str
    state: str
    progress: float
    spans: list[RecordedSpan]
    gaps: list[TimelineGap]
    marks: list[TimelineMark]
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
    source: Annotated[Literal["all", "house", "device"], Query(description="whose recordings")] = "all",
) -> Response:
    """List what is recorded in a period of at most seven days. Errors: forbidden, not_found, invalid.

    `source=house` asks no device and answers at once.
    """
    starts, ends = starts_at.astimezone(UTC), ends_at.astimezone(UTC)
    form: dict[str, Any]
    if source == "house":
        form = _timeline_form(starts, ends)
    else:
        found = await house.recordings.search(camera_id, starts, ends, actor=actor, again=again)
        form = _search_form(found, house, language)
    if source != "device" and house.recorded is not None:
        own, marks = await house.recorded.spans(camera_id, starts, ends, actor=actor)
        _add_own(form, own, marks, house, language)
    return reply(form)


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


def _timeline_form(starts: datetime, ends: datetime) -> dict[str, Any]:
    return {
        "starts_at": iso(starts),
        "ends_at": iso(ends),
        "state": "whole",
        "progress": 1.0,
        "spans": [],
        "gaps": [],
        "marks": [],
        "files": 0,
        "reason": "",
        "words": "",
    }


def _add_own(
    form: dict[str, Any], own: Sequence[StreamSpans], marks: Sequence[Mark], house: Services, language: str
) -> None:
    form["spans"] = [
        *(
            {
                "source": "house",
                "stream": one.stream,
                "starts_at": _iso_ms(span.from_ms),
                "ends_at": _iso_ms(span.to_ms),
                "kind": "",
                "files": 0,
                "size_bytes": 0,
            }
            for one in own
            for span in one.spans
        ),
        *form["spans"],
    ]
    form["gaps"] = [
        {
            "stream": one.stream,
            "starts_at": _iso_ms(gap.from_ms),
            "ends_at": None if gap.to_ms is None else _iso_ms(gap.to_ms),
            "reason": gap.reason,
            "words": house.words.text(f"gap.{gap.reason}", language),
        }
        for one in own
        for gap in one.gaps
    ]
    form["marks"] = [
        {
            "kind": mark.kind,
            "starts_at": _iso_ms(mark.from_ms),
            "ends_at": _iso_ms(mark.to_ms),
            "words": mark.label_zh if language.startswith("zh") else mark.label_en,
            "incident_id": mark.incident_id,
            "priority": mark.priority,
        }
        for mark in marks
    ]


def _iso_ms(at_ms: int) -> str:
    return iso_us(at_ms * 1000)


def _search_form(search: Search, house: Services, language: str) -> dict[str, Any]:
    found = search.found
    return {
        **_timeline_form(search.starts, search.ends),
        "state": search.state,
        "progress": search.progress,
        "spans": [
            {
                "source": "device",
                "stream": "",
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
