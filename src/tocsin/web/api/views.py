"""Views: purpose-bound, expiring permissions to look."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from tocsin.base.times import iso
from tocsin.domain.access import Actor, Permission
from tocsin.domain.video import LiveAddress
from tocsin.domain.view_service import OpenedView
from tocsin.domain.views import View
from tocsin.web.api import objects_people
from tocsin.web.api.shapes import In, Page, listed, reply
from tocsin.web.deps import House, Who, allowed
from tocsin.web.errors import language_of
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1/views", tags=["views"])
Which = Literal["main", "sub"]
Viewer = Annotated[Actor, allowed(Permission.VIEW_LIVE)]


class PeriodIn(In):
    """A recorded period of at most seven days."""

    starts_at: AwareDatetime
    ends_at: AwareDatetime


class ViewIn(In):
    """What to look at, for which purpose, how long; `codecs` are those the player can show.

    With `recordings` the view is over that recorded period, and shows no live picture. `live` false starts no picture:
    for an act that needs a view alone, such as taking snapshots.
    """

    channels: Annotated[list[str], Field(min_length=1, max_length=64)]
    purpose: Annotated[str, Field(max_length=24, examples=["alarm_verification"])]
    incident_id: str | None = None
    call_id: str | None = None
    minutes: Annotated[float, Field(gt=0, le=480)]
    codecs: Annotated[list[str], Field(max_length=50, examples=[["h264", "h265"]])] = []
    audio: bool = False
    recordings: PeriodIn | None = None
    live: bool = True
    streams: Annotated[dict[str, Which], Field(max_length=64)] = {}


class ExtendIn(In):
    """What to look at besides, under the view's purpose and until its end."""

    channels: Annotated[list[str], Field(min_length=1, max_length=64)]
    streams: Annotated[dict[str, Which], Field(max_length=64)] = {}
    codecs: Annotated[list[str], Field(max_length=50)] = []
    audio: bool = False


class RenewIn(In):
    """How long to go on looking, from now."""

    minutes: Annotated[float, Field(gt=0, le=480)]


class StreamsIn(In):
    """Which stream of which channel of the view."""

    streams: Annotated[dict[str, Which], Field(min_length=1, max_length=64)]
    codecs: Annotated[list[str], Field(max_length=50)] = []
    audio: bool = False


@router.get("", response_model=Page[objects_people.View])
async def list_views(house: House, actor: Viewer) -> Response:
    """List the caller's own open views; their addresses were used up when they were opened."""
    return listed([_form(view, {}) for view in await house.views.own(actor=actor)], None)


@router.post("", response_model=objects_people.View, status_code=201)
async def open_view(request: Request, house: House, actor: Viewer, caller: Who, body: ViewIn) -> Response:
    """Ask to look. The answer holds a one-use address for each channel.

    Errors: forbidden with the rule, not_found, invalid, unavailable when no picture can be asked for.
    """
    opened = await house.views.open(
        actor=actor,
        session_id=caller.session_id,
        channels=body.channels,
        purpose=body.purpose,
        minutes=body.minutes,
        incident_id=body.incident_id or None,
        call_id=body.call_id or None,
        codecs=body.codecs,
        audio=body.audio,
        recordings=_period(body.recordings),
        live=body.live,
        streams=body.streams,
    )
    return reply(_opened(request, house, opened), 201)


@router.post("/{view_id}/channels", response_model=objects_people.View)
async def extend_view(
    view_id: str, request: Request, house: House, actor: Viewer, caller: Who, body: ExtendIn
) -> Response:
    """Add channels to one of the caller's open views; `live` holds an address for each that was named.

    Errors: forbidden with the rule, not_found, invalid, conflict when the view ended.
    """
    opened = await house.views.extend(
        view_id,
        actor=actor,
        session_id=caller.session_id,
        channels=body.channels,
        streams=body.streams,
        codecs=body.codecs,
        audio=body.audio,
    )
    return reply(_opened(request, house, opened))


@router.post("/{view_id}/renew", response_model=objects_people.View)
async def renew_view(view_id: str, house: House, actor: Viewer, caller: Who, body: RenewIn) -> Response:
    """Go on looking: the view lasts `minutes` from now and its pictures go on. A person asks for this, no program.

    Errors: forbidden with the rule, not_found, conflict when the view ended.
    """
    view = await house.views.renew(view_id, actor=actor, session_id=caller.session_id, minutes=body.minutes)
    return reply(_form(view, {}))


@router.post("/{view_id}/streams", response_model=objects_people.View)
async def choose_view_streams(
    view_id: str, request: Request, house: House, actor: Viewer, caller: Who, body: StreamsIn
) -> Response:
    """Ask for the main or sub stream of channels of an open view; `live` holds a fresh address for each.

    `streams` in the answer says what is shown: the main one where the camera has no sub stream.
    Errors: not_found, conflict when the view ended, unavailable.
    """
    opened = await house.views.choose_streams(
        view_id,
        actor=actor,
        session_id=caller.session_id,
        streams=body.streams,
        codecs=body.codecs,
        audio=body.audio,
    )
    return reply(_opened(request, house, opened))


def _opened(request: Request, house: Services, opened: OpenedView) -> dict[str, Any]:
    is_secure = house.public_url.startswith("https://")
    # pictures of another server are fetched under its own name
    host = "" if house.media().elsewhere else request.url.hostname or ""
    live = {key: replace(at, url=reachable(at.url, host, is_secure=is_secure)) for key, at in opened.live.items()}
    form = _form(opened.view, live)
    language = language_of(request)
    form["notes"] = {key: house.words.text(at.reason, language) for key, at in live.items() if at.reason}
    return form


@router.delete("/{view_id}", status_code=204)
async def close_view(view_id: str, house: House, actor: Viewer) -> Response:
    """End one of the caller's own views. Errors: not_found."""
    await house.views.close(view_id, actor=actor)
    return Response(status_code=204)


def reachable(url: str, host: str, *, is_secure: bool) -> str:
    """Return a picture's address under the name the caller reached us by; port, path and ticket stay."""
    parts = urlsplit(url)
    if not host or parts.port is None:
        return url
    name = f"[{host}]" if ":" in host else host
    return parts._replace(scheme="wss" if is_secure else "ws", netloc=f"{name}:{parts.port}").geturl()


def _period_form(view: View) -> dict[str, str] | None:
    if view.recordings_from is None or view.recordings_to is None:
        return None
    return {"starts_at": iso(view.recordings_from), "ends_at": iso(view.recordings_to)}


def _period(given: PeriodIn | None) -> tuple[datetime, datetime] | None:
    return None if given is None else (given.starts_at.astimezone(UTC), given.ends_at.astimezone(UTC))


def _form(view: View, live: dict[str, LiveAddress]) -> dict[str, Any]:
    return {
        "id": view.id,
        "opened_at": iso(view.opened_at),
        "expires_at": iso(view.expires_at),
        "purpose": view.purpose,
        "incident_id": view.incident_id,
        "channels": list(view.channel_ids),
        "recordings": _period_form(view),
        "live": {channel: address.url for channel, address in live.items()},
        "streams": {channel: address.stream for channel, address in live.items()},
        "notes": {},
    }
