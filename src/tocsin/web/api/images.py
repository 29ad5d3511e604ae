"""How a camera makes its picture: read from the camera, changed by whoever has control of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Permission
from tocsin.domain.imaging import ImageService
from tocsin.web.api.shapes import In, Out, reply
from tocsin.web.deps import House, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1/cameras/{camera_id}/image", tags=["control"])
Viewer = Annotated[Actor, allowed(Permission.VIEW_LIVE)]
Mover = Annotated[Actor, allowed(Permission.CONTROL_CAMERA)]
Name = Annotated[str, Field(max_length=24)]


class ImageIn(In):
    """The values to set, by name; what is not named stays."""

    values: Annotated[dict[Name, float | Name], Field(max_length=16, examples=[{"brightness": 60, "ir_cut": "auto"}])]


class ImageSetting(Out):
    """One thing the camera lets people set: a number from `least` to `most`, or one of `choices`."""

    name: str
    value: float | str | None
    least: float | None
    most: float | None
    choices: list[str]


class Image(Out):
    """What the camera offers, and nothing else; `moves_focus` when its lens can be moved (`POST .../control/move`)."""

    settings: list[ImageSetting]
    moves_focus: bool


@router.get("", response_model=Image)
async def read_image(camera_id: str, house: House, actor: Viewer) -> Response:
    """Ask a camera how its picture is made. Errors: not_found, conflict where it takes no settings, unavailable."""
    return reply((await _service(house).read(camera_id, actor=actor)).form())


@router.patch("", response_model=Image)
async def change_image(camera_id: str, house: House, actor: Mover, body: ImageIn) -> Response:
    """Set values and read back. Errors: invalid naming the value, conflict without control, unavailable."""
    return reply((await _service(house).change(camera_id, dict(body.values), actor=actor)).form())


def _service(house: Services) -> ImageService:
    if house.images is None:
        raise TocsinError(ErrorCode.CONFLICT, "the picture cannot be set from here", key="image.not_possible")
    return house.images
