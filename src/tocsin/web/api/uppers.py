"""Upper platforms: who above sees which of our cameras, until when, and what they opened."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from tocsin.domain.access import Actor, Permission
from tocsin.domain.cascade import MAX_SELECTED
from tocsin.web.api.shapes import After, In, Limit, Out, Page, Version, listed, page, reply
from tocsin.web.deps import House, Language, allowed

router = APIRouter(prefix="/api/v1/upper-platforms", tags=["upper platforms"])
Reader = Annotated[Actor, allowed(Permission.SHARE_CAMERAS, Permission.STOP_SHARING, Permission.READ_AUDIT)]
Sharer = Annotated[Actor, allowed(Permission.SHARE_CAMERAS)]
Stopper = Annotated[Actor, allowed(Permission.STOP_SHARING)]
Short = Annotated[str, Field(max_length=200)]
Words = Annotated[str, Field(max_length=400)]


class Line(In):
    """One line of what is shared: a jurisdiction with all below, a class of places, or one camera."""

    kind: Literal["node", "place_class", "camera"]
    value: Annotated[str, Field(min_length=1, max_length=64)]


class UpperPatch(In):
    """What may be changed; the password is written only."""

    version: Version
    name: Short = ""
    name_en: Short = ""
    upper_id: Short = Field(default="", examples=["34020000002000000001"])
    domain: Short = ""
    host: Short = ""
    port: int = 5060
    transport: Literal["udp", "tcp"] = "udp"
    local_id: Short = Field(default="", examples=["34022300002000000001"])
    username: Short = ""
    password: Short = ""
    charset: Literal["", "gb18030", "utf-8"] = ""
    edition: Literal["2016", "2022"] = "2016"
    expires_s: int = 3600
    keepalive_s: int = 60
    page_items: int = 2
    send_alarms: Literal["subscribed", "always", "never"] = "subscribed"
    view_minutes: int = 60
    rights: Annotated[list[str], Field(max_length=16)] = []
    owner: Short = ""
    purpose: Short = ""
    basis: Words = ""
    ends_at: AwareDatetime | None = None
    is_enabled: bool = True


class UpperIn(UpperPatch):
    """A new upper platform; owner, purpose and end of the agreement are required. `lines` is what it sees."""

    version: Version = 1
    jurisdiction_id: Short
    lines: Annotated[list[Line], Field(max_length=MAX_SELECTED)] = []


class SelectionIn(In):
    """What is shared."""

    lines: Annotated[list[Line], Field(max_length=MAX_SELECTED)]


class PreviewIn(In):
    """The lines to try; without them what is shared now."""

    lines: Annotated[list[Line] | None, Field(max_length=MAX_SELECTED)] = None


class ExportPatch(In):
    """How a camera is known above; empty texts mean: as it is here."""

    exported_id: Annotated[str, Field(max_length=20)] = ""
    name: Short = ""
    civil_code: Annotated[str, Field(max_length=8)] = ""
    parent_id: Short = ""


class StopIn(In):
    """Why it was stopped."""

    reason: Words = ""


class Connection(Out):
    """How the line stands, in words, with what happened lately and what is subscribed to."""

    state: str
    key: str
    words_en: str
    words_zh: str


class UpperOut(Out):
    """An upper platform with its agreement and its line."""

    id: str
    name: str
    upper_id: str
    sharing: Literal["active", "off", "stopped", "ended"]
    cameras: int
    live_count: int
    connection: Connection
    version: int


class Preview(Out):
    """One entry of the exported catalogue."""

    exported_id: str
    name: str
    camera_id: str | None
    parent_id: str
    civil_code: str
    protocol: str
    has_recordings: bool
    tells_position: bool


class UpperView(Out):
    """A picture an upper platform opened; a recording names the period looked at."""

    id: str
    camera_id: str
    camera_name: str
    kind: str
    purpose: str
    user_identity: str
    recordings_from: str | None
    recordings_to: str | None
    opened_at: str
    expires_at: str
    ended_at: str | None
    end_reason: str


class UpperFailure(Out):
    """Something an upper platform asked for and did not get, with the SIP status it was told."""

    id: str
    at: str
    kind: str
    camera_id: str | None
    camera_name: str
    user_identity: str
    status: int | None
    key: str
    words: str


class Selected(Out):
    """How many cameras are shared now."""

    cameras: int


class Stopped(Out):
    """How many pictures ended."""

    ended: int


@router.get("", response_model=Page[UpperOut])
async def list_uppers(house: House, actor: Reader) -> Response:
    """List upper platforms, oldest first."""
    return listed(await house.cascade.find(actor=actor, now=house.clock.now()), None)


@router.post("", response_model=UpperOut, status_code=201)
async def create_upper(house: House, actor: Sharer, body: UpperIn) -> Response:
    """Enter an upper platform. Errors: invalid naming the field, not_found, conflict, forbidden."""
    now = house.clock.now()
    made = await house.cascade.create(body.given(), actor=actor, now=now)
    return reply(await house.cascade.get(made, actor=actor, now=now), 201)


@router.get("/{upper}", response_model=UpperOut)
async def read_upper(upper: str, house: House, actor: Reader) -> Response:
    """Read one with its selection and open pictures. Errors: not_found."""
    return reply(await house.cascade.get(upper, actor=actor, now=house.clock.now()))


@router.patch("/{upper}", response_model=UpperOut)
async def change_upper(upper: str, house: House, actor: Sharer, body: UpperPatch) -> Response:
    """Change entry, agreement or rights. Errors: invalid, not_found, conflict, forbidden."""
    now = house.clock.now()
    await house.cascade.change(upper, body.given(), actor=actor, now=now, version=body.version)
    return reply(await house.cascade.get(upper, actor=actor, now=now))


@router.delete("/{upper}", status_code=204)
async def retire_upper(upper: str, house: House, actor: Sharer, version: Annotated[int, Query(ge=1)]) -> Response:
    """Take an upper platform out for good; its pictures end. Errors: not_found, conflict, forbidden."""
    await house.cascade.retire(upper, actor=actor, version=version)
    return Response(status_code=204)


@router.put("/{upper}/selection", response_model=Selected)
async def set_selection(upper: str, house: House, actor: Sharer, body: SelectionIn) -> Response:
    """Choose what is shared. Errors: invalid, not_found, forbidden."""
    lines = [line.model_dump() for line in body.lines]
    return reply({"cameras": await house.cascade.select(upper, lines, actor=actor)})


@router.post("/{upper}/preview", response_model=Page[Preview])
async def preview_catalogue(upper: str, house: House, actor: Reader, body: PreviewIn) -> Response:
    """Show the catalogue as the upper platform sees it, or would see it with other lines. Errors: not_found."""
    lines = None if body.lines is None else [line.model_dump() for line in body.lines]
    return listed(await house.cascade.preview(upper, actor=actor, lines=lines), None)


@router.put("/{upper}/exports/{camera_id}", status_code=204)
async def set_export(upper: str, camera_id: str, house: House, actor: Sharer, body: ExportPatch) -> Response:
    """Give a camera another id, name, CivilCode or ParentID above. Errors: invalid, not_found, conflict."""
    await house.cascade.set_export(upper, camera_id, body.given(), actor=actor)
    return Response(status_code=204)


@router.post("/{upper}/stop", response_model=Stopped)
async def stop_sharing(upper: str, house: House, actor: Stopper, body: StopIn) -> Response:
    """Stop sharing at once: every picture ends. Errors: not_found, forbidden."""
    return reply({"ended": await house.cascade.stop(upper, actor=actor, reason=body.reason)})


@router.post("/{upper}/resume", status_code=204)
async def resume_sharing(upper: str, house: House, actor: Sharer) -> Response:
    """Take up sharing again after a stop. Errors: not_found, forbidden."""
    await house.cascade.resume(upper, actor=actor)
    return Response(status_code=204)


@router.get("/{upper}/views", response_model=Page[UpperView])
async def list_views(upper: str, house: House, actor: Reader, after: After = "", limit: Limit = 50) -> Response:
    """List what an upper platform opened, newest first. Errors: not_found."""
    return page(await house.cascade.history(upper, actor=actor, before=after, limit=limit), limit)


@router.get("/{upper}/failures", response_model=Page[UpperFailure])
async def list_failures(
    upper: str, house: House, actor: Reader, language: Language, after: After = "", limit: Limit = 50
) -> Response:
    """List what an upper platform asked for and did not get, newest first, with the reason. Errors: not_found."""
    found = await house.cascade.failures(upper, actor=actor, before=after, limit=limit)
    for one in found:
        one["words"] = house.words.text(str(one["key"]), language, one.pop("params"))  # type: ignore[arg-type]
    return page(found, limit)
