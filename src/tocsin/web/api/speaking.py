"""Speaking through a camera: a line is opened through an open view, and ended."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from tocsin.domain.access import Actor, Permission
from tocsin.web.api.shapes import In, Out, reply
from tocsin.web.deps import House, Who, allowed

router = APIRouter(prefix="/api/v1/cameras/{camera_id}/speech", tags=["speech"])
Viewer = Annotated[Actor, allowed(Permission.VIEW_LIVE)]
Speaker = Annotated[Actor, allowed(Permission.SPEAK_TO_CAMERA)]


class SpeakIn(In):
    """The caller's open view that shows the camera."""

    view_id: Annotated[str, Field(max_length=64)]


class SpeakerName(Out):
    """Who speaks."""

    user_id: str
    name: str


class SpeechState(Out):
    """Who speaks through a camera, since when, until when at most; `reason`: why the last one no longer does."""

    camera_id: str
    speaker: SpeakerName | None
    since: str | None
    ends_at: str | None
    reason: str


class SpeechLine(SpeechState):
    """An open line. `url` is a WebSocket, good once: binary messages are 16-bit little-endian samples, 8 kHz, one
    channel, 160 to a message; an empty one says that the key was let go. Binary messages back are the device's sound.
    """

    id: str
    url: str
    max_s: float


@router.get("", response_model=SpeechState)
async def read_speech(camera_id: str, house: House, actor: Viewer) -> Response:
    """Read who speaks through a camera. Errors: not_found."""
    return reply(await house.speaking.read(camera_id, actor=actor))


@router.post("", response_model=SpeechLine, status_code=201)
async def begin_speech(camera_id: str, house: House, actor: Speaker, caller: Who, body: SpeakIn) -> Response:
    """Call the camera to listen; answered once it does, which takes up to some seconds.

    Errors: forbidden with the rule (`no_view`), not_found, conflict with the speaker, unavailable with what the camera
    said.
    """
    begun = await house.speaking.begin(camera_id, actor=actor, session_id=caller.session_id, view_id=body.view_id)
    return reply(begun, 201)


@router.delete("", status_code=204)
async def end_speech(camera_id: str, house: House, actor: Speaker) -> Response:
    """End the line. Ending what is not there is no error; supervisors end anybody's."""
    await house.speaking.end(camera_id, actor=actor)
    return Response(status_code=204)
