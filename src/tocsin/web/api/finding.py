"""Search across the registry, and the cameras of a town in few columns: for the map and the tree."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tocsin.domain import finding
from tocsin.domain.access import Actor, Permission
from tocsin.web.api.shapes import Filter, Out, Page, Words_, listed, words_of
from tocsin.web.deps import House, allowed

router = APIRouter(prefix="/api/v1", tags=["search"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]


class Found(Out):
    """Something found by name, address or id."""

    kind: Literal["camera", "device", "place"]
    id: str
    name: str
    name_en: str
    jurisdiction_id: str


class CameraPoints(Out):
    """Cameras with a position, in columns of equal length; degrees (WGS-84) and metres, 1 for yes."""

    id: list[str]
    lon: list[float]
    lat: list[float]
    bearing_deg: list[float | None]
    fov_deg: list[float | None]
    range_m: list[float | None]
    online: list[int]
    in_service: list[int]
    name: list[str]
    name_en: list[str]


class CameraCount(Out):
    """Cameras in use at a place of a jurisdiction."""

    jurisdiction_id: str
    place_id: str | None
    total: int
    online: int


@router.get("/search", response_model=Page[Found])
async def search(
    house: House,
    actor: Reader,
    q: Filter = "",
    kinds: Words_ = "",
    limit: Annotated[int, Query(ge=1, le=finding.MOST)] = 20,
) -> Response:
    """Find cameras, devices and places, best first: by name, pinyin in full or initials, address or id."""
    found = await house.store.read(finding.find_named, actor, q, words_of(kinds), limit)
    return listed([one.form() for one in found], None)


@router.get("/camera-points", response_model=CameraPoints)
async def read_points(request: Request, house: House, actor: Reader) -> Response:
    """Read every camera that has a position, in columns. `If-None-Match` with the last `ETag` spares the body."""
    columns = await house.store.read(finding.points, actor)
    body = ("{" + ",".join(f'"{name}":{values}' for name, values in columns.items()) + "}").encode()
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


@router.get("/camera-counts", response_model=Page[CameraCount])
async def read_counts(house: House, actor: Reader) -> Response:
    """Count the cameras in use and online, by jurisdiction and place: what a tree shows before it is opened."""
    return listed([one.form() for one in await house.store.read(finding.camera_counts, actor)], None)
