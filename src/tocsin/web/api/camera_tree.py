"""The trees of cameras, people's own groups, marks into long lists, and what lists can be narrowed to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain import camera_tree
from tocsin.domain.access import Actor, Permission, scope
from tocsin.domain.camera_groups import MANAGE, READ, CameraGroup, CameraGroupService
from tocsin.web.api.shapes import Filter, In, Node, Order, Out, Page, Version, listed, reply
from tocsin.web.deps import House, allowed
from tocsin.web.services import Services

router = APIRouter(prefix="/api/v1", tags=["cameras"])
Reader = Annotated[Actor, allowed(Permission.READ_REGISTRY)]
Keeper = Annotated[Actor, allowed(Permission.MANAGE_REGISTRY)]
Key = Annotated[str, Field(max_length=120)]
Size = Annotated[int, Query(ge=20, le=500, description="rows of a page")]


class TreeNode(Out):
    """A node of a tree with the cameras at and below it; `key` narrows the list as `node`."""

    key: str = Field(examples=["p:0198c2a0-0000-7000-8000-000000000001:"])
    kind: Literal[
        "jurisdiction",
        "place",
        "device",
        "group",
        "organisation",
        "platform",
        "division",
        "loose",
        "own_group",
        "ungrouped",
    ]
    id: str
    name: str
    name_en: str
    spelt: str = Field(description="the name as it is typed: folded, in pinyin, by initials")
    total: int
    online: int
    leaf: bool
    version: int
    may_change: bool


class Branches(Out):
    """The nodes right below each one asked for, by its key."""

    below: dict[str, list[TreeNode]]


class Marks(Out):
    """How many rows a list has and how many are online; `cursors[k]` is the `after` of page k + 1 of `size` rows."""

    total: int
    online: int
    size: int
    cursors: list[str]


class Facet(Out):
    """A value things bear, and how many do."""

    name: str
    total: int


class Facets(Out):
    """What lists of cameras and devices can be narrowed to."""

    camera_makers: list[Facet]
    device_makers: list[Facet]
    tags: list[Facet]


class GroupIn(In):
    """A new group; of the jurisdiction of the group above it, else of the one named."""

    name: Annotated[str, Field(max_length=200)]
    parent_id: Annotated[str | None, Field(max_length=36)] = None
    jurisdiction_id: Annotated[str | None, Field(max_length=36)] = None


class GroupPatch(In):
    """What may change of a group."""

    version: Version
    name: Annotated[str, Field(max_length=200)] = ""
    parent_id: Annotated[str | None, Field(max_length=36)] = None


class OwnGroup(Out):
    """A group of cameras as people made it."""

    id: str
    name: str
    parent_id: str | None
    jurisdiction_id: str
    changed_at: str
    may_change: bool
    version: int


@router.get("/camera-tree", response_model=Branches)
async def read_tree(
    house: House,
    actor: Reader,
    by: Annotated[Literal["jurisdiction", "catalog", "groups"], Query()] = "jurisdiction",
    node: Annotated[list[Key], Query(max_length=camera_tree.MAX_OPEN, description="keys; empty for the root")] = [""],  # noqa: B006
) -> Response:
    """Read what stands right below nodes of a tree, with the cameras in use there and how many are online.

    `by` jurisdiction and place, by the catalogues' business groups, organisations and divisions, or by people's own
    groups. Errors: invalid.
    """
    found = await house.store.read(camera_tree.children, actor, by, node)
    return reply({"below": {key: [one.form() for one in nodes] for key, nodes in found.items()}})


@router.get("/camera-marks", response_model=Marks)
async def mark_cameras(
    house: House,
    actor: Reader,
    q: Filter = "",
    stage: Filter = "",
    state: Filter = "",
    jurisdiction_id: Filter = "",
    maker: Filter = "",
    tag: Filter = "",
    node: Node = "",
    order: Order = "newest",
    size: Size = 100,
) -> Response:
    """Count the list of cameras and mark where its pages begin. Errors: invalid, not_found."""
    found = await house.cameras.marks(
        actor,
        text=q,
        stage=stage,
        state=state,
        jurisdiction_id=jurisdiction_id,
        maker=maker,
        tag=tag,
        node=node,
        order=order,
        size=size,
    )
    return reply(found.form(order, size))


@router.get("/device-marks", response_model=Marks)
async def mark_devices(
    house: House,
    actor: Reader,
    q: Filter = "",
    kind: Filter = "",
    state: Filter = "",
    jurisdiction_id: Filter = "",
    maker: Filter = "",
    order: Order = "newest",
    size: Size = 100,
) -> Response:
    """Count the list of devices and mark where its pages begin. Errors: invalid, not_found."""
    found = await house.devices.marks(
        actor, text=q, kind=kind, state=state, jurisdiction_id=jurisdiction_id, maker=maker, order=order, size=size
    )
    return reply(found.form(order, size))


@router.get("/registry-facets", response_model=Facets)
async def read_facets(house: House, actor: Reader) -> Response:
    """Read the makers and tags in use, each with how many bear it."""
    cameras, devices, tags = await house.store.read(lambda tx: tx.tree.facets(visible_to=scope(actor, READ)))
    shown = (("camera_makers", cameras), ("device_makers", devices), ("tags", tags))
    return reply({name: [{"name": value, "total": total} for value, total in values] for name, values in shown})


@router.get("/camera-groups", response_model=Page[OwnGroup])
async def list_groups(house: House, actor: Reader) -> Response:
    """List the groups of cameras the caller may see, by name."""
    return listed([_form(group, actor) for group in await _groups(house).find(actor=actor)], None)


@router.post("/camera-groups", response_model=OwnGroup, status_code=201)
async def add_group(house: House, actor: Keeper, body: GroupIn) -> Response:
    """Make a group. Errors: invalid, not_found, conflict on a name in use there."""
    return reply(_form(await _groups(house).add(body.given(), actor=actor), actor), 201)


@router.patch("/camera-groups/{group_id}", response_model=OwnGroup)
async def change_group(group_id: str, house: House, actor: Keeper, body: GroupPatch) -> Response:
    """Rename a group or hang it elsewhere. Errors: invalid, not_found, conflict."""
    changed = await _groups(house).change(group_id, body.given(), actor=actor, version=body.version)
    return reply(_form(changed, actor))


@router.delete("/camera-groups/{group_id}", status_code=204)
async def remove_group(group_id: str, house: House, actor: Keeper) -> Response:
    """Dissolve a group; its cameras stay. Errors: not_found, conflict while groups stand below it."""
    await _groups(house).remove(group_id, actor=actor)
    return Response(status_code=204)


def _groups(house: Services) -> CameraGroupService:
    if house.camera_groups is None:
        raise TocsinError(ErrorCode.UNAVAILABLE, "not served here")
    return house.camera_groups


def _form(group: CameraGroup, actor: Actor) -> dict[str, Any]:
    return group.form(may_change=scope(actor, MANAGE).covers(group.jurisdiction_code))
