"""Saved layouts of the video wall."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from tocsin.base.times import iso
from tocsin.domain.access import Actor, Permission
from tocsin.domain.layouts import Layout, LayoutForm
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
    together: bool = Field(False, description="all tiles change page together; an empty id leaves a tile empty")
    shared: bool = False
    jurisdiction_id: Annotated[str | None, Field(max_length=36, description="where it is shared")] = None


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
    together: bool
    shared: bool
    jurisdiction_id: str | None
    changed_at: str
    version: int


@router.get("", response_model=Page[WallLayout])
async def list_wall_layouts(house: House, actor: Viewer) -> Response:
    """List the caller's own layouts and the shared ones, by name."""
    return listed([_form(layout) for layout in await house.layouts.find(actor=actor)], None)


@router.post("", response_model=WallLayout, status_code=201)
async def add_wall_layout(house: House, actor: Viewer, body: LayoutIn) -> Response:
    """Save a layout. Errors: invalid; forbidden when somebody who does not supervise shares it."""
    layout = await house.layouts.add(_given(body), actor=actor)
    return reply(_form(layout), 201)


@router.put("/{layout_id}", response_model=WallLayout)
async def change_wall_layout(layout_id: str, house: House, actor: Viewer, body: LayoutPatch) -> Response:
    """Save a layout over a former version. Errors: invalid, forbidden, not_found, conflict."""
    layout = await house.layouts.change(layout_id, _given(body), actor=actor, version=body.version)
    return reply(_form(layout))


@router.delete("/{layout_id}", status_code=204)
async def remove_wall_layout(layout_id: str, house: House, actor: Viewer) -> Response:
    """Delete a layout. Errors: forbidden, not_found."""
    await house.layouts.remove(layout_id, actor=actor)
    return Response(status_code=204)


def _given(body: LayoutIn) -> LayoutForm:
    return LayoutForm(
        body.name, body.tiles, body.places, body.dwell_s, body.shared, body.together, body.jurisdiction_id or None
    )


def _form(layout: Layout) -> dict[str, Any]:
    return {
        "id": layout.id,
        "owner_id": layout.owner_id,
        "name": layout.name,
        "tiles": layout.tiles,
        "places": [list(place) for place in layout.places],
        "dwell_s": layout.dwell_s,
        "together": layout.is_together,
        "shared": layout.is_shared,
        "jurisdiction_id": layout.jurisdiction_id or None,
        "changed_at": iso(layout.changed_at),
        "version": layout.version,
    }
