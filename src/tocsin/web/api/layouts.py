"""Saved layouts of the video wall."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from tocsin.base.times import iso
from tocsin.domain.access import Actor, Permission
from tocsin.domain.layouts import Layout
from tocsin.web.api.shapes import In, Out, Page, Version, listed, reply
from tocsin.web.deps import House, allowed

router = APIRouter(prefix="/api/v1/wall-layouts", tags=["views"])
Viewer = Annotated[Actor, allowed(Permission.VIEW_LIVE)]
Tile = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=64)]


class LayoutIn(In):
    """A wall: tiles, the cameras of each (several where it steps through them), how long one is shown."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    tiles: Annotated[int, Field(ge=1, le=16)]
    places: Annotated[list[Tile], Field(max_length=16)]
    dwell_s: Annotated[int, Field(ge=5, le=3600)] = 10
    shared: bool = False


class LayoutPatch(LayoutIn):
    """The whole wall anew, on the version its sender knows."""

    version: Version


class WallLayout(Out):
    """A saved wall."""

    id: str
    owner_id: str
    name: str
    tiles: int
    places: list[list[str]]
    dwell_s: int
    shared: bool
    changed_at: str
    version: int


@router.get("", response_model=Page[WallLayout])
async def list_wall_layouts(house: House, actor: Viewer) -> Response:
    """List the caller's own layouts and the shared ones, by name."""
    return listed([_form(layout) for layout in await house.layouts.find(actor=actor)], None)


@router.post("", response_model=WallLayout, status_code=201)
async def add_wall_layout(house: House, actor: Viewer, body: LayoutIn) -> Response:
    """Save a layout. Errors: invalid; forbidden when somebody who does not supervise shares it."""
    layout = await house.layouts.add(actor=actor, **_given(body))
    return reply(_form(layout), 201)


@router.put("/{layout_id}", response_model=WallLayout)
async def change_wall_layout(layout_id: str, house: House, actor: Viewer, body: LayoutPatch) -> Response:
    """Save a layout over a former version. Errors: invalid, forbidden, not_found, conflict."""
    layout = await house.layouts.change(layout_id, actor=actor, version=body.version, **_given(body))
    return reply(_form(layout))


@router.delete("/{layout_id}", status_code=204)
async def remove_wall_layout(layout_id: str, house: House, actor: Viewer) -> Response:
    """Delete a layout. Errors: forbidden, not_found."""
    await house.layouts.remove(layout_id, actor=actor)
    return Response(status_code=204)


def _given(body: LayoutIn) -> dict[str, Any]:
    return {
        "name": body.name,
        "tiles": body.tiles,
        "places": body.places,
        "dwell_s": body.dwell_s,
        "is_shared": body.shared,
    }


def _form(layout: Layout) -> dict[str, Any]:
    return {
        "id": layout.id,
        "owner_id": layout.owner_id,
        "name": layout.name,
        "tiles": layout.tiles,
        "places": [list(place) for place in layout.places],
        "dwell_s": layout.dwell_s,
        "shared": layout.is_shared,
        "changed_at": iso(layout.changed_at),
        "version": layout.version,
    }
