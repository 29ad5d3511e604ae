"""Calls of door intercoms: who answered, the door, and an incident made of one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission
from tocsin.domain.intercom_service import IntercomService
from tocsin.web.api.shapes import After, Filter, In, Limit, Out, Page, listed, reply
from tocsin.web.deps import House, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1/calls", tags=["calls"])
Reader = Annotated[Actor, allowed(Permission.READ_INCIDENTS)]
Operator = Annotated[Actor, allowed(Permission.HANDLE_INCIDENT)]
Doorkeeper = Annotated[Actor, allowed(Permission.OPEN_DOOR)]


class Answerer(Out):
    """Who answered."""

    user_id: str
    name: str


class CallOut(Out):
    """A call. `called`: the number the intercom rang; `cameras`: those that show its door while it lasts; `opened`: how
    often its door was opened; `reason`: how it ended; `picture`: it brings a picture of its own, which a view of
    purpose door_call shows with `device_id` as the channel.
    """

    id: str
    device_id: str
    name: str
    name_en: str
    place_id: str | None
    called: str
    sos: bool
    sound: bool
    state: str
    started_at: str
    answered_at: str | None
    answered_by: Answerer | None
    ended_at: str | None
    reason: str
    missed: bool
    incident_id: str | None
    cameras: list[str]
    picture: bool
    can_open: bool
    opened: int


class AnsweredCall(CallOut):
    """A call in hand. `url` is a WebSocket, good once: binary messages both ways are 16-bit little-endian samples,
    8 kHz, one channel, 160 to a message.
    """

    url: str


class OpenIn(In):
    """Why the door is opened; kept in the audit."""

    reason: Annotated[str, Field(max_length=200, examples=["送水"])]


@router.get("", response_model=Page[CallOut])
async def list_calls(
    house: House,
    actor: Reader,
    device_id: Filter = "",
    state: Annotated[str, Query(pattern="^(open|missed|sos)?$")] = "",
    after: After = "",
    limit: Limit = 100,
) -> Response:
    """List calls, newest first: open, missed, sos, or all."""
    found = await _service(house).find(actor, device_id=device_id, state=state, after=after, limit=limit)
    return listed([call.form() for call in found.items], found.next)


@router.get("/{call_id}", response_model=CallOut)
async def read_call(call_id: str, house: House, actor: Reader) -> Response:
    """Read one call. Errors: not_found."""
    return reply((await _service(house).get(call_id, actor=actor)).form())


@router.post("/{call_id}/answer", response_model=AnsweredCall)
async def answer_call(call_id: str, house: House, actor: Operator) -> Response:
    """Take a call; the first operator has it. Errors: not_found, conflict with who has it, unavailable."""
    return reply(await _service(house).answer(call_id, actor=actor))


@router.post("/{call_id}/line", response_model=AnsweredCall)
async def rejoin_call(call_id: str, house: House, actor: Operator) -> Response:
    """Get the sound of a call one has in hand once more. Errors: not_found, conflict."""
    return reply(await _service(house).rejoin(call_id, actor=actor))


@router.post("/{call_id}/hang-up", response_model=CallOut)
async def hang_up_call(call_id: str, house: House, actor: Operator) -> Response:
    """End a call, or decline one that rings. Errors: not_found, conflict."""
    return reply((await _service(house).hang_up(call_id, actor=actor)).form())


@router.post("/{call_id}/door", response_model=CallOut)
async def open_door(call_id: str, house: House, actor: Doorkeeper, body: OpenIn) -> Response:
    """Open the door of a call one has in hand. Errors: invalid, not_found, forbidden, conflict, unavailable."""
    return reply((await _service(house).open_door(call_id, body.reason, actor=actor)).form())


@router.post("/{call_id}/incident", response_model=CallOut)
async def raise_incident(call_id: str, house: House, actor: Operator) -> Response:
    """Make an incident of a call, with the door's place and cameras. Errors: not_found, conflict."""
    return reply((await _service(house).raise_incident(call_id, actor=actor)).form())


def _service(house: Services) -> IntercomService:
    if house.calls is None:
        raise TocsinError(ErrorCode.NOT_FOUND, "intercoms are not served here")
    return house.calls
